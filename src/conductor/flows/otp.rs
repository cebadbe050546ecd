//! A login is finished by a code of an authenticator app (RFC 6238).

use std::future::Future;
use std::pin::pin;

use super::redemption::{Checked, Found, Showing, Way};
use crate::boundary::ladder::factor::{FittingOtp, Shown, TypedOtp, check_otp, unchecked};
use crate::conductor::factors::second_factors::{SecondFactors, store_failed};
use crate::conductor::failure::Failure;
use crate::protocol::client::grant_type::GrantType;
use crate::protocol::factor::authenticator::Authenticator;
use crate::protocol::factor::parameters::OTP;
use crate::protocol::wire::error::{Reason, TokenError};

/// By a code of an authenticator app.
pub(crate) struct ByOtp;

impl ByOtp {
    async fn check(request: Showing<'_>) -> Result<Checked, TokenError> {
        let user = request.user();
        let Showing { form, opened, terms, factors, rungs, trail } = request;
        let code = form.single(OTP)?.unwrap_or_default();
        let charge = rungs.charge_factor(opened, trail).await?;
        let all = match factors.list(user).await {
            Ok(all) => all,
            Err(error) => return Ok(Checked { charge: unchecked(charge), ended: Err(store_failed(error)) }),
        };
        let (fitting, charge) = {
            let open = |app: &Authenticator| factors.seals.open_secret(user, app);
            let typed = TypedOtp { all: &all, open: &open, code, now: factors.clock.now() };
            check_otp(charge, opened, factors.seals.tools(), &typed)
        };
        drop(all);
        let fitting = match fitting {
            Ok(fitting) => fitting,
            Err(error) => return Ok(Checked { charge, ended: Err(Failure::Undecided(error)) }),
        };
        let ended = match fitting {
            None => Err(Failure::Decided(Reason::WrongOtp.into())),
            // A code that was used before is no right one, whatever the plan of the client says.
            Some(fitting) if fitting.is_spent() => Err(replayed()),
            Some(fitting) => match rungs.admit(terms, opened).await {
                Ok(looked_up) => Self::spend(fitting, factors).await.map(|shown| Found { looked_up, ..shown.into() }),
                // A login that was finished is over, whatever its client's plan says since then.
                Err(error) => Err(match factors.is_spent(opened.challenge()).await {
                    Ok(false) => Failure::Out(error),
                    Ok(true) => Failure::Decided(Reason::MalformedMfaToken.into()),
                    Err(error) => store_failed(error),
                }),
            },
        };
        Ok(Checked { charge, ended })
    }

    /// Spends the time step of a code that fits.
    async fn spend(fitting: FittingOtp, factors: &SecondFactors) -> Result<Shown, Failure> {
        let spending = pin!(fitting.spend(&*factors.store));
        let shown = factors.patience.of(spending).await.map_err(store_failed)?;
        shown.ok_or_else(replayed)
    }
}

fn replayed() -> Failure {
    Failure::Decided(Reason::OtpReplayed.into())
}

impl Way for ByOtp {
    fn grant_type(&self) -> GrantType {
        GrantType::MFA_OTP
    }

    fn parameter(&self) -> &'static str {
        OTP
    }

    fn wrong(&self) -> Reason {
        Reason::WrongOtp
    }

    fn show<'a>(&'a self, request: Showing<'a>) -> impl Future<Output = Result<Checked, TokenError>> + Send + 'a {
        Self::check(request)
    }
}
