use super::builder::Builder;
use crate::boundary::factors::second_factor::SecondFactor;

/// Second factors. See [second factors](crate::mfa).
impl<C, V, I> Builder<C, V, I> {
    /// Asks for a second factor: no token is given while one is open. Takes `mfa::Factors` of the feature `mfa`, which say where
    /// authenticators are kept, when one is demanded and how codes are sent. Default: none, and a login rule that demands a second
    /// factor fails. A second call replaces the first.
    ///
    /// A client finishes such a login if it [may](crate::client::ClientBuilder::allow_second_factor). The verifier must be able to
    /// [recheck](crate::CredentialVerifier::recheck) a login: the user is looked at again when the factor was shown.
    ///
    /// # Errors
    /// [`build`](Self::build) refuses settings that are out of range.
    pub fn second_factor(mut self, factors: impl Into<SecondFactor>) -> Self {
        self.options.second_factor = Some(factors.into());
        self
    }
}
