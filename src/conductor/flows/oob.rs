//! A login is finished out of band: by a code that was sent, or by an answer on another device.

use std::future::Future;

use super::redemption::{Checked, Found, Showing, Way};
use crate::boundary::backend::BackendError;
use crate::boundary::factors::delivery::DeliveryStatus;
use crate::boundary::ladder::factor::{check_sent, unchecked};
use crate::conductor::factors::seals::not_kept;
use crate::conductor::factors::second_factors::{SecondFactors, store_failed};
use crate::conductor::failure::Failure;
use crate::protocol::client::grant_type::GrantType;
use crate::protocol::factor::authenticator::{Authenticator, AuthenticatorId};
use crate::protocol::factor::binding_code::BindingCode;
use crate::protocol::factor::challenge::OutOfBand;
use crate::protocol::factor::parameters::{BINDING_CODE, OOB_CODE};
use crate::protocol::factor::polling::Turn;
use crate::protocol::wire::error::{Reason, TokenError};

/// Out of band.
pub(crate) struct ByOutOfBand;

impl ByOutOfBand {
    async fn check(request: Showing<'_>) -> Result<Checked, TokenError> {
        let Showing { form, opened, factors, .. } = &request;
        let text = form.single(OOB_CODE)?.unwrap_or_default();
        let typed = form.single(BINDING_CODE)?;
        let sent = factors.seals.open_delivery(text, &opened.challenge().id, factors.clock.now())?;
        match (&sent.code, typed) {
            (Some(code), Some(typed)) => Self::compare(&sent, (code, typed), request).await,
            // The user has not typed it yet.
            (Some(_), None) => Err(Reason::FactorPending.into()),
            (None, _) => Self::ask(&sent, request).await,
        }
    }

    /// Compares a code that was typed with the one that was sent.
    async fn compare(
        sent: &OutOfBand,
        codes: (&BindingCode, &str),
        request: Showing<'_>,
    ) -> Result<Checked, TokenError> {
        let user = request.user();
        let Showing { opened, factors, rungs, trail, .. } = request;
        let charge = rungs.charge_factor(opened, trail).await?;
        let all = match factors.list(user).await {
            Ok(all) => all,
            Err(error) => return Ok(Checked { charge: unchecked(charge), ended: Err(store_failed(error)) }),
        };
        let Some(authenticator) = find(&all, &sent.authenticator) else {
            return Ok(Checked { charge: unchecked(charge), ended: Err(removed()) });
        };
        let (shown, charge) = check_sent(charge, opened, codes, authenticator, &all);
        let wrong = || Failure::Decided(Reason::WrongBindingCode.into());
        Ok(Checked { charge, ended: shown.map(Found::from).ok_or_else(wrong) })
    }

    /// Asks what the user has answered on another device. It guesses nothing, so that a question without an answer costs nothing.
    async fn ask(sent: &OutOfBand, request: Showing<'_>) -> Result<Checked, TokenError> {
        let user = request.user();
        let Showing { opened, terms, factors, rungs, trail, .. } = request;
        take_turn(sent, factors).await?;
        let charge = rungs.charge_address(trail).await?;
        // A user who may not log in any more is not waited for.
        if let Err(ended) = rungs.look_again(terms, opened, trail).await {
            return Ok(Checked { charge: unchecked(charge), ended: Err(ended) });
        }
        let all = match factors.list(user).await {
            Ok(all) => all,
            Err(error) => return Ok(Checked { charge: unchecked(charge), ended: Err(store_failed(error)) }),
        };
        let Some(authenticator) = find(&all, &sent.authenticator) else {
            return Ok(Checked { charge: unchecked(charge), ended: Err(removed()) });
        };
        let (answer, charge) = factors.deliveries.ask(charge, opened, sent, authenticator, &all).await;
        let ended = match answer {
            Ok(Ok(shown)) => Ok(shown.into()),
            Ok(Err(DeliveryStatus::Denied)) => Err(Failure::Decided(Reason::FactorDenied.into())),
            Ok(Err(DeliveryStatus::Expired)) => Err(Failure::Untried(Reason::FactorExpired.into())),
            Ok(Err(DeliveryStatus::Pending | DeliveryStatus::Approved)) => {
                Err(Failure::Untried(Reason::FactorPending.into()))
            }
            Err(error) => Err(Failure::of(error, Reason::DeliveryFailed)),
        };
        Ok(Checked { charge, ended })
    }
}

/// Spends the turn of this interval.
async fn take_turn(sent: &OutOfBand, factors: &SecondFactors) -> Result<(), TokenError> {
    let beyond = || not_kept(BackendError::fault("the clock is beyond all time"));
    let turn = Turn::at(&sent.id, factors.clock.now()).ok_or_else(beyond)?;
    let spending = factors.once.consume(&turn.value, turn.ends);
    let is_first = factors.patience.of(spending).await.map_err(not_kept)?;
    if is_first { Ok(()) } else { Err(Reason::PolledTooFast.into()) }
}

fn find<'a>(all: &'a [Authenticator], id: &AuthenticatorId) -> Option<&'a Authenticator> {
    all.iter().find(|one| one.id == *id)
}

/// The authenticator was removed since the code was sent.
fn removed() -> Failure {
    Failure::Decided(Reason::MalformedOobCode.into())
}

impl Way for ByOutOfBand {
    fn grant_type(&self) -> GrantType {
        GrantType::MFA_OOB
    }

    fn parameter(&self) -> &'static str {
        OOB_CODE
    }

    fn wrong(&self) -> Reason {
        Reason::MalformedOobCode
    }

    fn show<'a>(&'a self, request: Showing<'a>) -> impl Future<Output = Result<Checked, TokenError>> + Send + 'a {
        Self::check(request)
    }
}
