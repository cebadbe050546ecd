//! Second factors that were shown, and challenges that were spent: the application's stores were asked, and said yes.

use std::future::Future;
use std::sync::Arc;
use std::time::SystemTime;

use super::asking::Asking;
use super::challenge::Opened;
use super::charge::{Charge, Kind, OfFactor, OfNobody, OfRecovery, UsedCharge};
use super::clearance::Right;
use super::user::{ReturningUser, ReverifiedUser};
use crate::boundary::backend::BackendError;
use crate::boundary::factors::delivery::{CodeDelivery, DeliveryStatus};
use crate::boundary::factors::store::FactorStore;
use crate::boundary::factors::tools::{FactorTools, Unlocked};
use crate::boundary::once::OneTimeValues;
use crate::protocol::factor::authenticator::{Authenticator, AuthenticatorId, AuthenticatorKind};
use crate::protocol::factor::binding_code::BindingCode;
use crate::protocol::factor::challenge::{Challenge, Prolonged};
use crate::protocol::secret::secrets::SecretDigest;
use crate::protocol::token::methods::AuthenticationMethod;
use crate::protocol::wire::error::{Reason, TokenError};

/// A second factor that was shown right to finish a login, for a charge. The challenge of that login goes with it, so that it finishes
/// no other.
#[must_use = "it is nothing until its challenge was spent"]
pub(crate) struct Shown {
    challenge: Arc<Challenge>,
    method: AuthenticationMethod,
    confirms: Option<Confirmation>,
}

/// The end of an enrolment.
struct Confirmation {
    id: AuthenticatorId,
    if_no_factor: bool,
}

impl Shown {
    /// By this authenticator, one of all that the user has.
    fn by(opened: &Opened, authenticator: &Authenticator, all: &[Authenticator]) -> Self {
        // With an active factor beside it the enrolment was begun by a token that had shown one: each enrolment takes the place of
        // those that wait, and one that a password alone began is none where a factor is active.
        let confirmation =
            || Confirmation { id: authenticator.id.clone(), if_no_factor: !all.iter().any(Authenticator::is_factor) };
        let confirms = (!authenticator.is_active).then(confirmation);
        Self { challenge: opened.share(), method: authenticator.kind.method(), confirms }
    }

    /// The challenge of the login.
    pub(crate) fn challenge(&self) -> &Challenge {
        &self.challenge
    }

    /// Spends the challenge. `None`: it was spent before.
    pub(crate) async fn spend(self, once: &dyn OneTimeValues) -> Result<Option<Spent>, BackendError> {
        let was_unspent = once.consume(&self.challenge.digest(), self.challenge.expires).await?;
        Ok(was_unspent.then_some(Spent(self)))
    }
}

/// A second factor that was shown right, and whose challenge was spent now.
#[must_use = "it is nothing until its user was looked at again"]
pub(crate) struct Spent(Shown);

impl Spent {
    /// Has the login go on for its user, as the verifier knows that one now.
    pub(crate) fn returning(self, user: ReverifiedUser) -> Result<Returning, Reason> {
        let user = user.returning_to(&self.0.challenge)?;
        Ok(Returning { user, shown: self.0 })
    }
}

/// The same, and the user may go on. It [counts](Self::count) at once, or by the end of the enrolment that it is the first right code
/// of: an enrolment by a password that was changed since never ends.
#[must_use = "it is nothing until it counts"]
pub(crate) struct Returning {
    user: ReturningUser,
    shown: Shown,
}

impl Returning {
    /// The subject, and the authenticator whose enrolment ends once it counts.
    pub(crate) fn confirms(&self) -> Option<(&str, &AuthenticatorId)> {
        let Shown { challenge, confirms, .. } = &self.shown;
        confirms.as_ref().map(|confirmation| (&*challenge.subject, &confirmation.id))
    }

    /// Has it count. `None`: its enrolment cannot end any more.
    pub(crate) async fn count(
        self,
        store: &dyn FactorStore,
        now: SystemTime,
    ) -> Result<Option<Returned>, BackendError> {
        let Self { user, shown: Shown { challenge, method, confirms } } = self;
        let counts = match confirms {
            None => true,
            Some(Confirmation { id, if_no_factor }) => store.confirm(challenge.user(), &id, if_no_factor, now).await?,
        };
        let prolongs = challenge.family.clone().map(Box::new);
        Ok(Right::checked(challenge.methods, method, counts).map(|right| Returned { user, right, prolongs }))
    }
}

/// A user who is back with a second factor that counts.
pub(crate) struct Returned {
    pub(super) user: ReturningUser,
    pub(super) right: Right,
    /// The family that the login was begun to refresh.
    pub(super) prolongs: Option<Box<Prolonged>>,
}

/// Uses a charge for which nothing could be checked.
pub(crate) fn unchecked<Of: Kind>(charge: Charge<Of>) -> UsedCharge {
    charge.used()
}

/// What an authenticator app may have shown.
pub(crate) struct TypedOtp<'a> {
    /// All authenticators of the user.
    pub(crate) all: &'a [Authenticator],
    /// Opens the secret of an app.
    pub(crate) open: &'a (dyn Fn(&Authenticator) -> Result<Unlocked, TokenError> + Sync),
    pub(crate) code: &'a str,
    pub(crate) now: SystemTime,
}

/// A code that fits an authenticator app, at this time step.
#[must_use = "it is nothing until its step was spent"]
pub(crate) struct FittingOtp {
    /// The app and the step, unless it is known to be spent: what is refused costs as much as a wrong code.
    unspent: Option<(AuthenticatorId, u64)>,
    shown: Shown,
}

/// Holds a code against each authenticator app of the user, at the same cost whichever fits, for a charge. Where the secret of one does
/// not open, nothing is decided, whatever fits.
pub(crate) fn check_otp(
    charge: Charge<OfFactor>,
    opened: &Opened,
    tools: &dyn FactorTools,
    typed: &TypedOtp<'_>,
) -> (Result<Option<FittingOtp>, TokenError>, UsedCharge) {
    let fitting = typed.fitting_app(tools).map(|fitting| {
        fitting.map(|(app, step)| FittingOtp {
            unspent: app.last_step.is_none_or(|last| last < step).then(|| (app.id.clone(), step)),
            shown: Shown::by(opened, app, typed.all),
        })
    });
    (fitting, charge.used())
}

impl<'a> TypedOtp<'a> {
    /// The first app whose code was typed, and the time step of that code. Every app is asked, whichever fits.
    fn fitting_app(&self, tools: &dyn FactorTools) -> Result<Option<(&'a Authenticator, u64)>, TokenError> {
        let (mut fitting, mut has_app) = (None, false);
        for app in self.all.iter().filter(|one| one.kind == AuthenticatorKind::Otp) {
            let step = tools.matching_step(&(self.open)(app)?, self.code, self.now);
            fitting = fitting.or(step.map(|step| (app, step)));
            has_app = true;
        }
        if !has_app {
            // A user without an app costs the check of a code, too. Only no secret is opened: what kinds there are is no secret, as
            // the answer to the password names them to the same client.
            let _ = tools.matching_step(&[0; 20], self.code, self.now);
        }
        Ok(fitting)
    }
}

impl FittingOtp {
    /// Whether its step is known to be spent.
    pub(crate) const fn is_spent(&self) -> bool {
        self.unspent.is_none()
    }

    /// Spends the time step. `None`: a code of it, or of a later one, was used before.
    pub(crate) async fn spend(self, store: &dyn FactorStore) -> Result<Option<Shown>, BackendError> {
        let Some((id, step)) = self.unspent else { return Ok(None) };
        let was_unspent = store.spend_step(self.shown.challenge.user(), &id, step).await?;
        Ok(was_unspent.then_some(self.shown))
    }
}

/// Compares a code that was sent to this authenticator, one of all that the user has, with the one that was typed, for a charge.
pub(crate) fn check_sent(
    charge: Charge<OfFactor>,
    opened: &Opened,
    (sent, typed): (&BindingCode, &str),
    authenticator: &Authenticator,
    all: &[Authenticator],
) -> (Option<Shown>, UsedCharge) {
    (sent.is(typed).then(|| Shown::by(opened, authenticator, all)), charge.used())
}

/// Asks what the user has answered on another device, with this authenticator, one of all that the user has, for a charge.
pub(crate) fn ask_status<'a>(
    charge: Charge<OfNobody>,
    opened: &Opened,
    (delivery, id): (&'a dyn CodeDelivery, &'a str),
    authenticator: &Authenticator,
    all: &[Authenticator],
) -> (impl Future<Output = Result<Answered, BackendError>> + Send + Unpin + use<'a>, UsedCharge) {
    let mut shown = Some(Shown::by(opened, authenticator, all));
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
    opened: &'a Opened,
    store: &'a dyn FactorStore,
    [old, new]: &'a [SecretDigest; 2],
) -> (impl Future<Output = Result<Option<Shown>, BackendError>> + Send + Unpin + 'a, UsedCharge) {
    let shown = Shown { challenge: opened.share(), method: AuthenticationMethod::RecoveryCode, confirms: None };
    let (mut shown, user) = (Some(shown), opened.challenge().user());
    let swapping = Asking::new(store.swap_recovery_code(user, old, new), move |swapped: Result<bool, BackendError>| {
        swapped.map(|was_there| shown.take().filter(|_| was_there))
    });
    (swapping, charge.used())
}

#[cfg(test)]
#[path = "factor_tests.rs"]
mod tests;
