//! Second factors, put together: what the builder takes.

use std::fmt;
use std::sync::Arc;

use super::delivery::CodeDelivery;
use super::store::FactorStore;
use super::tools::FactorTools;
use crate::boundary::once::OneTimeValues;
use crate::boundary::setting::SettingError;
use crate::protocol::factor::authenticator::Channel;

/// When a second factor is demanded. Demands only add up: a login rule demands one beside each of these.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum When {
    /// Of users who have one.
    #[default]
    Enrolled,
    /// Of each user: those without one have to enrol one.
    Always,
    /// Only when a login rule says so.
    Ruled,
}

/// Which factors there are.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FactorPolicy {
    pub(crate) demand: When,
    /// Whether authenticator apps can be enrolled.
    pub(crate) has_otp: bool,
    /// How many recovery codes a user gets, if any.
    pub(crate) recovery_codes: Option<u8>,
}

/// Second factors as an endpoint takes them: made of `mfa::Factors` of the feature `mfa`.
pub struct SecondFactor {
    pub(crate) store: Arc<dyn FactorStore>,
    /// Where challenges are spent.
    pub(crate) once: Arc<dyn OneTimeValues>,
    pub(crate) tools: Box<dyn FactorTools>,
    pub(crate) policy: FactorPolicy,
    /// One for each channel at most.
    pub(crate) deliveries: Vec<(Channel, Box<dyn CodeDelivery>)>,
    /// A setting that cannot be: what building the endpoint fails with.
    pub(crate) fault: Option<SettingError>,
}

impl fmt::Debug for SecondFactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let channels: Vec<Channel> = self.deliveries.iter().map(|(channel, _)| *channel).collect();
        f.debug_struct("SecondFactor")
            .field("policy", &self.policy)
            .field("channels", &channels)
            .finish_non_exhaustive()
    }
}
