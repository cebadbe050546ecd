//! Second factors that were shown, and challenges that were spent: the application's stores were asked, and said yes.

use std::future::Future;
use std::time::SystemTime;

use zeroize::Zeroizing;

use super::asking::Asking;
use super::charge::{Charge, Kind, OfFactor, OfNobody, OfRecovery, UsedCharge};
use super::clearance::{Right, Spent};
use super::user::ReturningUser;
use crate::boundary::backend::BackendError;
use crate::boundary::factors::delivery::{CodeDelivery, DeliveryStatus};
use crate::boundary::factors::store::FactorStore;
use crate::boundary::factors::tools::FactorTools;
use crate::boundary::once::OneTimeValues;
use crate::protocol::factor::authenticator::{Authenticator, AuthenticatorId, FactorUser};
use crate::protocol::factor::binding_code::BindingCode;
use crate::protocol::factor::challenge::Challenge;
use crate::protocol::secret::secrets::SecretDigest;
use crate::protocol::token::methods::AuthenticationMethod;

/// Spends a challenge. `None`: it was spent before.
pub(crate) async fn spend(
    once: &dyn OneTimeValues,
    challenge: Challenge,
) -> Result<Option<Spent<Challenge>>, BackendError> {
    let was_unspent = once.consume(&challenge.digest(), challenge.expires).await?;
    Ok(Spent::answered(challenge, was_unspent))
}

/// A second factor that was shown right, for a charge. It [counts](Self::count) at once, or by the end of the enrolment that it is the
/// first right code of.
#[must_use = "it is nothing until it counts"]
pub(crate) struct Shown {
    method: AuthenticationMethod,
    confirms: Option<Confirmation>,
}

/// The end of an enrolment.
struct Confirmation {
    id: AuthenticatorId,
    is_first: bool,
}

impl Shown {
    /// By this authenticator, one of all that the user has.
    fn by(authenticator: &Authenticator, all: &[Authenticator]) -> Self {
        // With an active factor beside it the enrolment was begun by a token that had shown one: each enrolment takes the place of
        // those that wait, and one that a password alone began is none where a factor is active.
        let confirmation =
            || Confirmation { id: authenticator.id.clone(), is_first: !all.iter().any(Authenticator::is_factor) };
        Self { method: authenticator.kind.method(), confirms: (!authenticator.is_active).then(confirmation) }
    }

    /// Has it count for a user who was looked at again. `None`: its enrolment cannot end any more.
    pub(crate) async fn count(
        self,
        store: &dyn FactorStore,
        (user, _): (FactorUser<'_>, &ReturningUser),
        now: SystemTime,
    ) -> Result<Option<Right>, BackendError> {
        let counts = match self.confirms {
            None => true,
            Some(Confirmation { id, is_first }) => store.confirm(user, &id, is_first, now).await?,
        };
        Ok(Right::checked(self.method, counts))
    }
}

/// Uses a charge for which nothing could be checked.
pub(crate) fn unchecked<Of: Kind>(charge: Charge<Of>) -> UsedCharge {
    charge.used()
}

/// What an authenticator app may have shown.
pub(crate) struct TypedOtp<'a> {
    /// All authenticators of the user.
    pub(crate) all: &'a [Authenticator],
    /// The secret of each app among them.
    pub(crate) secrets: Vec<(&'a Authenticator, Zeroizing<Vec<u8>>)>,
    pub(crate) code: &'a str,
    pub(crate) now: SystemTime,
}

/// A code that fits an authenticator app, at this time step.
#[must_use = "it is nothing until its step was spent"]
pub(crate) struct FittingOtp {
    id: AuthenticatorId,
    step: u64,
    is_spent: bool,
    shown: Shown,
}

/// Holds a code against each authenticator app of the user, at the same cost whichever fits, for a charge.
pub(crate) fn check_otp(
    charge: Charge<OfFactor>,
    tools: &dyn FactorTools,
    typed: &TypedOtp<'_>,
) -> (Option<FittingOtp>, UsedCharge) {
    let TypedOtp { all, secrets, code, now } = typed;
    let mut fitting = None;
    for (app, secret) in secrets {
        let step = tools.matching_step(secret, code, *now);
        fitting = fitting.or(step.map(|step| (*app, step)));
    }
    if secrets.is_empty() {
        // The time does not show whether there is an app.
        let _ = tools.matching_step(&[0; 20], code, *now);
    }
    let fitting = fitting.map(|(app, step)| FittingOtp {
        id: app.id.clone(),
        step,
        is_spent: app.last_step.is_some_and(|last| last >= step),
        shown: Shown::by(app, all),
    });
    (fitting, charge.used())
}

impl FittingOtp {
    /// Spends the time step. `None`: a code of it, or of a later one, was used before.
    pub(crate) async fn spend(
        self,
        store: &dyn FactorStore,
        user: FactorUser<'_>,
    ) -> Result<Option<Shown>, BackendError> {
        // What is known to be spent costs no write, as a wrong code.
        let was_unspent = !self.is_spent && store.spend_step(user, &self.id, self.step).await?;
        Ok(was_unspent.then_some(self.shown))
    }
}

/// Compares a code that was sent to this authenticator, one of all that the user has, with the one that was typed, for a charge.
pub(crate) fn check_sent(
    charge: Charge<OfFactor>,
    (sent, typed): (&BindingCode, &str),
    authenticator: &Authenticator,
    all: &[Authenticator],
) -> (Option<Shown>, UsedCharge) {
    (sent.is(typed).then(|| Shown::by(authenticator, all)), charge.used())
}

/// Asks what the user has answered on another device, with this authenticator, one of all that the user has, for a charge.
pub(crate) fn ask_status<'a>(
    charge: Charge<OfNobody>,
    (delivery, id): (&'a dyn CodeDelivery, &'a str),
    authenticator: &Authenticator,
    all: &[Authenticator],
) -> (impl Future<Output = Result<Answered, BackendError>> + Send + Unpin + use<'a>, UsedCharge) {
    let mut shown = Some(Shown::by(authenticator, all));
    let asking = Asking::new(delivery.status(id), move |answer: Result<DeliveryStatus, BackendError>| {
        answer.map(|status| match status {
            DeliveryStatus::Approved => shown.take().ok_or(status),
            status => Err(status),
        })
    });
    (asking, charge.used())
}

/// What a user has answered on another device: a yes, or what else it is.
pub(crate) type Answered = Result<Shown, DeliveryStatus>;

/// Swaps a recovery code for a new one, for a charge. `None`: the old one was not there.
pub(crate) fn swap_recovery_code<'a>(
    charge: Charge<OfRecovery>,
    store: &'a dyn FactorStore,
    user: FactorUser<'a>,
    [old, new]: &'a [SecretDigest; 2],
) -> (impl Future<Output = Result<Option<Shown>, BackendError>> + Send + Unpin + 'a, UsedCharge) {
    let shown = || Shown { method: AuthenticationMethod::RecoveryCode, confirms: None };
    let swapping = Asking::new(store.swap_recovery_code(user, old, new), move |swapped: Result<bool, BackendError>| {
        swapped.map(|was_there| was_there.then(shown))
    });
    (swapping, charge.used())
}
