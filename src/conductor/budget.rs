//! The budget of attempts: charging one, having one checked, and settling what was charged.

use std::future::Future;
use std::net::IpAddr;
use std::time::Duration;

use super::failure::Failure;
use super::notices::{Notices, Owner};
use super::trail::Caller;
use crate::boundary::backend::BackendError;
use crate::boundary::clock::SharedClock;
use crate::boundary::ladder::charge::{self, Charge, GuessKey, Guessed, Kind, OfClient, Unsettled, UsedCharge};
use crate::boundary::ladder::client::{self, AuthenticatedClient};
use crate::boundary::limiter::{AttemptKey, AttemptLimiter, BegunLock, Fingerprint, Guess, Refusal};
use crate::observe::contain::Contain;
use crate::observe::patience::{Bound, Overdue, answered};
use crate::observe::telemetry;
use crate::protocol::client::credentials::{Moment, Secret};
use crate::protocol::client::registered::Client;
use crate::protocol::wire::error::{Reason, TokenError};

/// The pause before a second try to settle: longer than a failover or a lock of the database commonly takes, shorter than
/// people notice.
const PAUSE: Duration = Duration::from_millis(600);
/// How long the second try may take. The answer is known and waits for it.
const SETTLE_WAIT: Duration = Duration::from_secs(1);

/// What the answer to a spent budget shows, and how long settling may be tried.
pub(crate) struct BudgetSettings {
    /// Users of public clients do not learn that an account is locked.
    pub(crate) conceals_account_locks: bool,
    /// Of the whole request.
    pub(crate) deadline: Option<Duration>,
}

/// The limiter, and what its answers lead to.
pub(crate) struct Budget {
    limiter: Box<dyn AttemptLimiter>,
    patience: Bound,
    notices: Notices,
    rules: BudgetSettings,
    clock: SharedClock,
}

impl Budget {
    pub(crate) fn new(
        limiter: Box<dyn AttemptLimiter>,
        patience: Bound,
        notices: Notices,
        rules: BudgetSettings,
        clock: SharedClock,
    ) -> Self {
        Self { limiter, patience, notices, rules, clock }
    }

    /// Whether the limiter goes by the endpoint's clock.
    pub(crate) fn follow_clock(&self, clock: &SharedClock) -> bool {
        self.limiter.follow_clock(clock)
    }

    pub(super) fn notices(&self) -> &Notices {
        &self.notices
    }

    /// A guess as it comes from its sender.
    #[inline]
    fn key_of<'a, Of>(
        &'a self,
        guessed: Guessed<'a, Of>,
        caller: &Caller,
        fingerprint: Option<Fingerprint>,
    ) -> GuessKey<'a, Of> {
        let reading = caller.elapsed.map(|elapsed| self.clock.showed(elapsed));
        guessed.from(caller.address, caller.is_exempt, fingerprint, reading)
    }

    /// Has the limiter check a client's secret.
    // This and what follows are blocks, because an async function would hold its arguments twice.
    #[inline]
    pub(super) fn check<'a>(
        &'a self,
        guessed: Guessed<'a, OfClient>,
        secret: Secret<'a>,
        client: Option<&'a Client>,
        now: Moment<'a>,
        caller: &'a mut Caller,
    ) -> impl Future<Output = Result<AuthenticatedClient, TokenError>> + Send + 'a {
        let keyed = self.key_of(guessed, caller, None);
        async move {
            let checking = client::check(&*self.limiter, &keyed, secret, client, now);
            let mut checked = match answered!(checking, waiting => caller.waits(self.patience.of(waiting))) {
                Ok(Ok(checked)) => checked,
                Ok(Err(refusal)) => return Err(self.refused(refusal, keyed.key(), client, caller)),
                Err(error) => return Err(error.because(Reason::LimiterFailed)),
            };
            caller.monitored = checked.monitored().or(caller.monitored);
            if let Some((again, error)) = checked.take_unsettled() {
                Box::pin(self.settle_again(again, error)).await;
            }
            checked.conclude()
        }
    }

    /// Charges one attempt, for which a client asks if one is known.
    #[inline]
    pub(super) fn reserve<'a, Of: Kind + 'a>(
        &'a self,
        guessed: Guessed<'a, Of>,
        fingerprint: Option<Fingerprint>,
        client: Option<&'a Client>,
        caller: &'a mut Caller,
    ) -> impl Future<Output = Result<Charge<Of>, TokenError>> + Send + 'a {
        let keyed = self.key_of(guessed, caller, fingerprint);
        async move {
            match answered!(charge::reserve(&*self.limiter, &keyed), within self.patience) {
                Ok(Ok(charge)) => {
                    caller.monitored = charge.monitored().or(caller.monitored);
                    Ok(charge)
                }
                Ok(Err(refusal)) => Err(self.refused(refusal, keyed.key(), client, caller)),
                Err(error) => Err(error.because(Reason::LimiterFailed)),
            }
        }
    }

    /// Counts an unknown token on the address, and refuses it when there were too many. Nobody guesses 256 bits: this ends a
    /// flood of made-up ones, and a token that is known works whatever else its address does. A client that has proved who it is
    /// does not answer for the old tokens of its users. Another client's token counts like an unknown one: else somebody
    /// who has used up the budget could tell the two apart.
    pub(super) async fn count_unknown<T>(
        &self,
        outcome: &Result<T, TokenError>,
        client: &Client,
        caller: &mut Caller,
    ) -> Result<(), TokenError> {
        let is_stranger = |error: &TokenError| {
            matches!(error.reason, Reason::UnknownRefreshToken | Reason::ForeignToken | Reason::MalformedMfaToken)
        };
        if client.is_public() && outcome.as_ref().is_err_and(is_stranger) {
            self.count_made_up(Some(client), caller).await?;
        }
        Ok(())
    }

    /// The same for a bearer token of the endpoints of second factors, which names the client: nobody has proved who it is.
    pub(super) async fn count_made_up(&self, client: Option<&Client>, caller: &mut Caller) -> Result<(), TokenError> {
        // The token was looked up meanwhile.
        caller.elapsed = None;
        // It stays charged.
        self.reserve(Guessed::nobody(), None, client, caller).await.map(drop)
    }

    /// The face of a refusal, whose limit is noted, and whose lock is a notice to the owner of the account.
    fn refused(
        &self,
        refusal: Refusal,
        key: &AttemptKey<'_>,
        client: Option<&Client>,
        caller: &mut Caller,
    ) -> TokenError {
        if let (Some(lock), Guess::Account { realm, account }) = (refusal.new_lock, key.guess) {
            self.notices.tell(lock, realm, account, caller.address);
        }
        caller.limit = Some(refusal.limit);
        let error = TokenError::new(refusal.limit.reason());
        let is_concealed =
            self.rules.conceals_account_locks && refusal.limit.is_of_account() && client.is_some_and(Client::is_public);
        match (is_concealed, refusal.address_wait()) {
            (false, _) => error.with_retry_after(refusal.retry_after),
            // Every name at this address gets the same answer.
            (true, Some(wait)) => error.with_retry_after(wait),
            (true, None) => error.into_plain_denial(),
        }
    }

    /// Waits for the end of what was charged, if it has not ended, settles the charge by it, and tells the owner of the account of a lock that began
    /// so. If the limiter fails here, also at a second try, the charge stays, which is the safe side; the answer stands.
    #[inline]
    #[allow(clippy::manual_async_fn, reason = "an async function would hold its arguments twice")]
    pub(super) fn settle<'a, T: Send + 'a>(
        &'a self,
        used: UsedCharge,
        ending: Result<Result<T, Failure>, impl Future<Output = Result<T, Failure>> + Send + Unpin + 'a>,
        owner: Option<Box<Owner>>,
        address: Option<IpAddr>,
    ) -> impl Future<Output = Result<T, TokenError>> + Send + 'a {
        async move {
            let (ended, settlement) = Failure::settle(answered!(ending));
            let (settling, again) = used.settle(&*self.limiter, settlement);
            let lock = match answered!(settling.into_ready(), within self.patience) {
                Ok(lock) => lock,
                Err(error) => Box::pin(self.settle_again(again, error)).await,
            };
            self.notices.tell_later(lock, owner, address);
            ended
        }
    }

    /// Settles a charge that comes back once more, after a pause: a store that is away for half a second must not leave a right
    /// login charged. There is no third try.
    async fn settle_again(&self, again: Option<Unsettled>, first: BackendError) -> Option<BegunLock> {
        // A call that was cut off may still be at work.
        let Some(again) = again.filter(|_| !Overdue::cut(&first)) else {
            telemetry::settle_failed(&first);
            return None;
        };
        // All of it within a small part of the request's deadline. Without a deadline no timer is promised.
        let part = self.rules.deadline.map(|deadline| deadline.checked_div(8).unwrap_or_default());
        if let Some(part) = part {
            tokio::time::sleep(PAUSE.min(part)).await;
        }
        let patience = part.map(|part| SETTLE_WAIT.min(part));
        let settling = async { again.settle(&*self.limiter).await };
        let second = Contain::new(patience, settling).await;
        second.inspect_err(telemetry::settle_failed).unwrap_or_default()
    }
}
