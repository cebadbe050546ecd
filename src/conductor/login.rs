//! The login of a user whom the application was asked about.

use super::failure::Failure;
use super::rungs::Rungs;
use crate::boundary::ladder::grant::Login;
use crate::boundary::ladder::terms::Terms;
use crate::boundary::ladder::user::{Answer, VerifiedUser};
use crate::boundary::verifier::Denial;
use crate::protocol::error::{Reason, TokenError};

/// Takes the answer about the user, and concludes the login.
#[inline(always)]
pub(super) fn conclude(
    rungs: &Rungs,
    answer: Answer<VerifiedUser>,
    failure: Reason,
    terms: Terms,
) -> Result<Login, Failure> {
    match answer {
        Ok(Ok(user)) => Login::of(terms, user, rungs.clock.now()).map_err(|reason| Failure::Decided(reason.into())),
        Ok(Err(denial)) => {
            let error = TokenError::new(denial.reason());
            Err(Failure::Decided(match denial {
                Denial::Custom(code) if rungs.reveal_custom_denials => error.with_host_code(code),
                _ => error,
            }))
        }
        Err(error) => Err(Failure::of(error, failure)),
    }
}
