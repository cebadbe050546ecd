//! The rungs that flows share, below the client's door.

use std::sync::Arc;

use super::access::AccessTokens;
use super::budget::Budget;
use super::families::Families;
use super::mint::Mint;
use super::users::Users;
use super::weigh::Scales;
use crate::boundary::clock::Clock;
use crate::observe::audit::Auditor;
use crate::protocol::policy::Rules;

/// What a flow is served with.
pub(crate) struct Rungs {
    pub(crate) budget: Arc<Budget>,
    pub(crate) users: Users,
    pub(crate) scales: Scales,
    pub(crate) mint: Mint,
    /// If the endpoint gives refresh tokens.
    pub(crate) families: Option<Arc<Families>>,
    pub(crate) access: Arc<AccessTokens>,
    pub(crate) rules: Rules,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) auditor: Auditor,
    pub(crate) reveal_custom_denials: bool,
}
