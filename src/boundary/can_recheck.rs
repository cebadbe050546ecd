//! Finds out whether a verifier can recheck a login.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::SystemTime;

use super::provided::is_provided;
use super::recheck::Recheck;
use super::verifier::CredentialVerifier;
use crate::protocol::client::registered::Client;
use crate::protocol::realm::Realm;
use crate::protocol::scope::Scope;

/// Whether a verifier has a `recheck` of its own. It is called, but what it answers is not run. One that panics has one.
pub(crate) fn can_recheck(verifier: &dyn CredentialVerifier) -> bool {
    let Ok(client) = Client::public("probe").build() else { return true };
    let login = Recheck::about("".into(), &client, &Realm::default(), &Scope::default(), SystemTime::UNIX_EPOCH, None);
    catch_unwind(AssertUnwindSafe(|| !is_provided(&verifier.recheck(&login)))).unwrap_or(true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::boundary::backend::BackendError;
    use crate::boundary::maybe::Answering;
    use crate::boundary::verifier::{Attempt, Verdict};

    /// Works before it gives a future, on an id that it takes for one of its own.
    struct Hasty;

    #[async_trait::async_trait]
    impl CredentialVerifier for Hasty {
        async fn verify(&self, _: Attempt) -> Result<Verdict, BackendError> {
            Err(BackendError::fault("nobody"))
        }

        fn recheck<'s, 'l, 'f>(&'s self, login: &'l Recheck) -> Answering<'f, Verdict>
        where
            's: 'f,
            'l: 'f,
            Self: 'f,
        {
            let number: u64 = login.subject_id().parse().unwrap();
            Box::pin(async move { Err(BackendError::fault(format!("no {number}"))) })
        }
    }

    #[test]
    fn a_verifier_that_panics_when_it_is_only_looked_at_can_recheck() {
        assert!(can_recheck(&Hasty));
    }
}
