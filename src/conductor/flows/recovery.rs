//! A login is finished by a recovery code, which is swapped for a new one.

use std::future::Future;

use zeroize::Zeroizing;

use super::redemption::{Checked, Found, Showing, Way};
use crate::boundary::ladder::factor::{swap_recovery_code, unchecked};
use crate::conductor::factors::seals::not_kept;
use crate::conductor::factors::second_factors::store_failed;
use crate::conductor::failure::Failure;
use crate::protocol::client::grant_type::GrantType;
use crate::protocol::factor::parameters::RECOVERY_CODE;
use crate::protocol::factor::recovery::RecoveryCode;
use crate::protocol::wire::error::{Reason, TokenError};

/// By a recovery code.
pub(crate) struct ByRecoveryCode;

impl ByRecoveryCode {
    async fn check(request: Showing<'_>) -> Result<Checked, TokenError> {
        let user = request.user();
        let Showing { form, opened, terms, factors, rungs, trail } = request;
        let typed = form.single(RECOVERY_CODE)?.unwrap_or_default();
        // A code that is sent twice in haste, or with a login that has ended, is not used up by that. Of two codes that are sent at the
        // same time one is, for only the end of the ladder decides.
        if factors.is_spent(opened.challenge()).await.map_err(not_kept)? {
            return Err(Reason::MalformedMfaToken.into());
        }
        let charge = rungs.charge_recovery_code(opened, trail).await?;
        let wrong = || Failure::Decided(Reason::WrongRecoveryCode.into());
        let Some(old) = RecoveryCode::typed(typed) else {
            return Ok(Checked { charge: unchecked(charge), ended: Err(wrong()) });
        };
        // Whether the code is right is not known before it is used up. So nothing is, and what the password was charged stays.
        let looked_up = match rungs.admit(terms, opened).await {
            Ok(found) => found,
            Err(error) => return Ok(Checked { charge: unchecked(charge), ended: Err(Failure::Untried(error)) }),
        };
        let new = match RecoveryCode::random() {
            Ok(new) => new,
            Err(error) => return Ok(Checked { charge: unchecked(charge), ended: Err(store_failed(error.into())) }),
        };
        let codes = [&old, &new].map(|code| code.digest(user));
        let (swapping, charge) = swap_recovery_code(charge, opened, &*factors.store, &codes);
        let ended = match factors.patience.of(swapping).await {
            Ok(Some(shown)) => {
                let member = Some((RECOVERY_CODE, Zeroizing::new(new.expose().to_owned())));
                Ok(Found { shown, member, looked_up })
            }
            Ok(None) => Err(wrong()),
            Err(error) => Err(store_failed(error)),
        };
        Ok(Checked { charge, ended })
    }
}

impl Way for ByRecoveryCode {
    fn grant_type(&self) -> GrantType {
        GrantType::MFA_RECOVERY_CODE
    }

    fn parameter(&self) -> &'static str {
        RECOVERY_CODE
    }

    fn wrong(&self) -> Reason {
        Reason::WrongRecoveryCode
    }

    fn show<'a>(&'a self, request: Showing<'a>) -> impl Future<Output = Result<Checked, TokenError>> + Send + 'a {
        Self::check(request)
    }
}
