//! Weighing a login, however it began: what is demanded of it against what it has proven.
//!
//! The client's end must not have reached the user. A password must be known from no leak, if the operator demands that, each login rule must let the login go on, and a second factor
//! must be shown where one is demanded. A login that proves enough becomes a grant; there is no other way to one.

use std::future::poll_fn;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use super::hearing::{Hearing, LoginRules};
use crate::boundary::backend::BackendError;
use crate::boundary::exceptions::{SunsetExceptions, WhoIsOut};
use crate::boundary::ladder::clearance::{Demand, Look};
use crate::boundary::ladder::exception::{self, LookedUp};
use crate::boundary::ladder::grant::Login;
use crate::boundary::ladder::unweighed::Unweighed;
use crate::boundary::login_event::EventDraft;
use crate::boundary::shield::{Finding, OnLeak, Shield};
use crate::conductor::failure::Failure;
use crate::conductor::trail::Trail;
use crate::observe::contain::Contain;
use crate::observe::patience::Bound;
use crate::observe::telemetry;
use crate::protocol::secret::secrets::Password;
use crate::protocol::user::subject::Subject;
use crate::protocol::wire::error::{Reason, TokenError};

/// How long a shield may take. A login waits for it, so it is short; the manual names it.
const SHIELD_WAIT: Duration = Duration::from_millis(300);

/// A shield, and what to do on its finding.
pub(crate) struct Screen {
    pub(crate) shield: Box<dyn Shield>,
    pub(crate) on_leak: OnLeak,
}

impl Screen {
    /// Asks whether the password of this user is known from a leak. Without a finding the login goes on: a list that
    /// is an extra must not keep all users out.
    async fn look(&self, password: &Password, subject: &Subject) -> Look {
        // A block, so that a panic before the first await is contained, too.
        let inspecting = async { self.shield.inspect(password, subject).await };
        match Contain::new(Some(SHIELD_WAIT), inspecting).await {
            Ok(Finding::Leaked) => Look::Leaked,
            Ok(Finding::Clear) => Look::Clear,
            Err(failure) => {
                telemetry::shield_failed(&failure);
                Look::Failed
            }
        }
    }
}

/// What is asked for exceptions from the end of a client, and how long it may take.
pub(crate) struct Exceptions {
    pub(crate) by: Box<dyn SunsetExceptions>,
    pub(crate) patience: Bound,
}

/// A login for its rules: what they will see of it, and the task that asks them. With the task a rule is polled for the first time
/// before anything is kept for a second time.
pub(crate) struct Case {
    draft: EventDraft,
    task: Waker,
}

impl Case {
    pub(super) const fn new(draft: EventDraft, task: Waker) -> Self {
        Self { draft, task }
    }
}

/// What was found out of a login at once. `Err` holds what takes its time: a look at the password, and the rules that are still to be
/// heard.
pub(super) type AtOnce<'a> = Result<Result<(), Failure>, Option<Hearing<'a>>>;

/// Weighs logins.
pub(crate) struct Scales {
    blocks_leaked: bool,
    exceptions: Option<Exceptions>,
    screen: Option<Screen>,
    rules: LoginRules,
    reveals_custom_denials: bool,
}

impl Scales {
    pub(crate) fn new(
        exceptions: Option<Exceptions>,
        screen: Option<Screen>,
        rules: LoginRules,
        reveals_custom_denials: bool,
    ) -> Self {
        let blocks_leaked = screen.as_ref().is_some_and(|screen| screen.on_leak == OnLeak::Block);
        Self { blocks_leaked, exceptions, screen, rules, reveals_custom_denials }
    }

    /// What is demanded of each login. `has_factors`: the endpoint has second factors.
    #[inline(always)]
    pub(super) fn demand(&self, has_factors: bool) -> Demand {
        Demand::by_settings(self.blocks_leaked, self.rules.count(), has_factors)
    }

    /// Whether something looks at passwords that were found right.
    pub(super) fn looks_at_passwords(&self) -> bool {
        self.screen.is_some()
    }

    /// Whether the client sees what the verifier says of a denial of its own.
    pub(super) fn reveal_custom_denials(&self) -> bool {
        self.reveals_custom_denials
    }

    /// The task that this is polled in, if it has rules to ask.
    #[inline]
    pub(super) fn task(&self) -> impl Future<Output = Option<Waker>> + Send + use<> {
        let has_rules = self.rules.count() != 0;
        poll_fn(move |cx| Poll::Ready(has_rules.then(|| cx.waker().clone())))
    }

    /// Finds out what takes no time, before the login is weighed. `case`: for the rules, if there are any.
    // With neither rules nor a shield it is two tests.
    #[inline(always)]
    pub(super) fn begin(&self, login: &mut Login, case: Option<Case>) -> AtOnce<'_> {
        if !login.is_in() {
            return self.begin_of_ending(login, case);
        }
        match case {
            Some(case) => self.hear(login, case),
            None if login.keeps_password() => Err(None),
            None => Ok(Ok(())),
        }
    }

    /// The same of a login at a client whose end has reached its user: it is refused before anything else is asked of it, unless a
    /// look-up may find an exception.
    #[cold]
    fn begin_of_ending(&self, login: &Login, case: Option<Case>) -> AtOnce<'_> {
        if login.awaits_look_up() {
            return Err(case.map(|case| self.rules.hear(login.event(case.draft))));
        }
        Ok(login.weigh_admission().map_err(|unweighed| refused(*unweighed)))
    }

    /// Asks whether a user is excepted from the end of the client.
    pub(super) async fn look_up(&self, asked: WhoIsOut<'_>) -> Result<LookedUp, TokenError> {
        let failed = |error: BackendError| error.because(Reason::ExceptionsFailed);
        let Some(exceptions) = &self.exceptions else {
            let text =
                "the plan of a client looks exceptions up, and the endpoint has none: call `sunset_exceptions(..)`";
            return Err(failed(BackendError::fault(text)));
        };
        exceptions.patience.of(exception::look_up(&*exceptions.by, asked)).await.map_err(failed)
    }

    /// Has the rules look at a login, unless something is to look at its password first.
    #[inline(never)]
    fn hear(&self, login: &mut Login, Case { draft, task }: Case) -> AtOnce<'_> {
        let mut hearing = self.rules.hear(login.event(draft));
        if login.keeps_password() {
            return Err(Some(hearing));
        }
        match hearing.poll(login, &mut Context::from_waker(&task)) {
            Poll::Ready(end) => Ok(end),
            Poll::Pending => Err(Some(hearing.awaited_by(task))),
        }
    }

    /// Looks up whether the user is excepted, if that matters, then has the shield look at the password, which is noted, then the rules
    /// at the login.
    pub(super) async fn find_out(
        &self,
        login: &mut Login,
        hearing: Option<Hearing<'_>>,
        trail: &mut Trail,
    ) -> Result<(), Failure> {
        if login.awaits_look_up() {
            // The credentials were right, so it was no guess.
            let found = self.look_up(login.who_is_out()).await.map_err(Failure::Out)?;
            login.note_look_up(found).map_err(|unweighed| refused(*unweighed))?;
        }
        if let (Some(screen), Some(password)) = (&self.screen, login.take_password()) {
            let look = screen.look(&password, login.subject()).await;
            trail.password_leaked = look == Look::Leaked;
            login.note_password(look).map_err(|unweighed| refused(*unweighed))?;
        }
        match hearing {
            Some(mut hearing) => poll_fn(|cx| hearing.poll(login, cx)).await,
            None => Ok(()),
        }
    }
}

/// Why a login is no grant, where nobody can show a second factor. A rule that demands one demands what cannot be.
#[cold]
pub(super) fn refused(unweighed: Unweighed) -> Failure {
    match unweighed {
        Unweighed::Refused(error) => Failure::Decided(error),
        Unweighed::Out(error) => Failure::Out(error),
        Unweighed::Open(_) => {
            let text = "a login rule demands a second factor, and the endpoint has none: call `second_factor(..)`";
            Failure::of(BackendError::fault(text), Reason::RuleFailed)
        }
    }
}
