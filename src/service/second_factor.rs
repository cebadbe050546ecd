use super::builder::Builder;
use super::factor_endpoints::FactorEndpoints;
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
    /// Three endpoints are served beside the token endpoint, at [paths](Self::factor_endpoints) that SDKs expect: for the choice of a
    /// factor, for enrolments, and for the list of authenticators, from which one is removed. What manages factors outside a login is
    /// an access token for the audience `<issuer>/mfa/`, with the scopes `enroll`, `read:authenticators` and `remove:authenticators`.
    /// Each client that may finish a login with a second factor may ask for it at its password grant, in each profile and without
    /// registration. That login always shows a factor, if its user has one, and gives no refresh token. The endpoints know such tokens only with
    /// [access tokens](Self::access_tokens).
    ///
    /// # Errors
    /// [`build`](Self::build) refuses settings that are out of range, a verifier that cannot recheck, and to go without the issuer's
    /// URL, which that audience begins with: that of the [metadata](Self::metadata), or of an issuer of JWTs.
    pub fn second_factor(mut self, factors: impl Into<SecondFactor>) -> Self {
        self.options.second_factor = Some(factors.into());
        self
    }

    /// Where the endpoints of [second factors](Self::second_factor) are served. Default: `/mfa/challenge`, `/mfa/associate` and
    /// `/mfa/authenticators`, where SDKs expect them. Without second factors there are none.
    pub fn factor_endpoints(mut self, endpoints: FactorEndpoints) -> Self {
        self.options.factor_endpoints = endpoints;
        self
    }
}
