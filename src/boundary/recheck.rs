//! A login that is to be prolonged, or looked at once more.

use std::net::IpAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::SystemTime;

use super::provided::{Missing, is_provided};
use super::verifier::CredentialVerifier;
use crate::protocol::client::Client;
use crate::protocol::realm::Realm;
use crate::protocol::scope::Scope;

/// What the default of [`CredentialVerifier::recheck`] says in telemetry.
pub(super) struct CannotRecheck;

impl Missing for CannotRecheck {
    const TEXT: &'static str =
        "the verifier cannot tell whether a login still holds: implement `CredentialVerifier::recheck`";
}

/// A login that is to be prolonged.
#[derive(Clone, Debug)]
pub struct Recheck {
    pub(super) subject: Arc<str>,
    pub(super) client: Client,
    pub(super) realm: Realm,
    pub(super) scope: Scope,
    pub(super) authenticated_at: SystemTime,
    pub(super) address: Option<IpAddr>,
}

impl Recheck {
    /// Whether a verifier has a `recheck` of its own. It is called, but what it answers is not run. One that panics has one.
    pub(crate) fn is_answered_by(verifier: &dyn CredentialVerifier) -> bool {
        let Ok(client) = Client::public("probe").build() else { return true };
        let (scope, authenticated_at) = (Scope::default(), SystemTime::UNIX_EPOCH);
        let (subject, realm) = ("".into(), Realm::default());
        let login = Self { subject, client, realm, scope, authenticated_at, address: None };
        catch_unwind(AssertUnwindSafe(|| !is_provided(&verifier.recheck(&login)))).unwrap_or(true)
    }

    /// The identifier of the subject that the login gave ([`Subject::id`](crate::Subject::id)).
    #[must_use]
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// The authenticated client, the same as at the login.
    #[must_use]
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// The realm (separate user directory) of the login, if there is one.
    #[must_use]
    pub fn realm(&self) -> Option<&str> {
        self.realm.as_deref()
    }

    /// The scope that is to be given.
    #[must_use]
    pub fn scope(&self) -> &Scope {
        &self.scope
    }

    /// When the resource owner was authenticated.
    #[must_use]
    pub fn authenticated_at(&self) -> SystemTime {
        self.authenticated_at
    }

    /// The address that the request comes from, as in [`Attempt::address`](crate::Attempt::address).
    #[must_use]
    pub fn address(&self) -> Option<IpAddr> {
        self.address
    }
}

#[cfg(test)]
mod tests {
    use std::pin::Pin;

    use super::*;
    use crate::boundary::backend::BackendError;
    use crate::boundary::verifier::{Attempt, Verdict};

    /// Works before it gives a future, on an id that it takes for one of its own.
    struct Hasty;

    #[async_trait::async_trait]
    impl CredentialVerifier for Hasty {
        async fn verify(&self, _: Attempt) -> Result<Verdict, BackendError> {
            Err(BackendError::fault("nobody"))
        }

        fn recheck<'s, 'l, 'f>(
            &'s self,
            login: &'l Recheck,
        ) -> Pin<Box<dyn Future<Output = Result<Verdict, BackendError>> + Send + 'f>>
        where
            's: 'f,
            'l: 'f,
            Self: 'f,
        {
            let number: u64 = login.subject().parse().unwrap();
            Box::pin(async move { Err(BackendError::fault(format!("no {number}"))) })
        }
    }

    #[test]
    fn a_verifier_that_panics_when_it_is_only_looked_at_can_recheck() {
        assert!(Recheck::is_answered_by(&Hasty));
    }
}
