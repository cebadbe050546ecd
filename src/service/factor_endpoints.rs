use super::routes::Target;
use crate::conductor::purpose::Purpose;

/// Where the endpoints of second factors are served: paths of the layer, compared byte by byte. Given to
/// [`Builder::factor_endpoints`](crate::Builder::factor_endpoints).
///
/// Change them only if another service has these paths: SDKs expect the defaults.
///
/// ```
/// use tower_password_grant::mount::FactorEndpoints;
///
/// let endpoints = FactorEndpoints::new()
///     .challenge("/login/mfa/challenge")
///     .associate("/login/mfa/associate")
///     .authenticators("/login/mfa/authenticators");
/// # let _ = endpoints;
/// ```
///
/// # Errors
/// [`build`](crate::Builder::build) refuses what is no absolute path, and the path of another endpoint or document.
#[derive(Clone, Debug)]
#[must_use]
pub struct FactorEndpoints {
    challenge: String,
    associate: String,
    authenticators: String,
}

impl FactorEndpoints {
    /// At `/mfa/challenge`, `/mfa/associate` and `/mfa/authenticators`.
    pub fn new() -> Self {
        Self {
            challenge: "/mfa/challenge".to_owned(),
            associate: "/mfa/associate".to_owned(),
            authenticators: "/mfa/authenticators".to_owned(),
        }
    }

    /// Where a client chooses the factor of a login, and has a code sent.
    pub fn challenge(self, path: impl Into<String>) -> Self {
        Self { challenge: path.into(), ..self }
    }

    /// Where an authenticator is enrolled.
    pub fn associate(self, path: impl Into<String>) -> Self {
        Self { associate: path.into(), ..self }
    }

    /// Where authenticators are listed; each of them is removed at its identifier below this path.
    pub fn authenticators(self, path: impl Into<String>) -> Self {
        Self { authenticators: path.into(), ..self }
    }

    /// What is served.
    pub(super) fn served(self) -> [(String, Target); 4] {
        [
            (self.challenge, Target::Endpoint(Purpose::FactorChallenge)),
            (self.associate, Target::Endpoint(Purpose::Associate)),
            (self.authenticators.clone(), Target::Endpoint(Purpose::Authenticators)),
            (self.authenticators, Target::Endpoint(Purpose::Authenticator)),
        ]
    }

    /// The path of the challenge endpoint.
    pub(super) fn challenge_path(&self) -> &str {
        &self.challenge
    }
}

impl Default for FactorEndpoints {
    fn default() -> Self {
        Self::new()
    }
}
