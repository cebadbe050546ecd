//! Weighing a login, however it began: what is demanded of it against what it has proven.
//!
//! Today a password must be known from no leak, if the operator demands that. A login that proves enough becomes a grant; there
//! is no other way to one.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use crate::boundary::ladder::grant::{Grant, Login};
use crate::boundary::shield::{Finding, OnLeak, Shield};
use crate::conductor::failure::Failure;
use crate::conductor::trail::Trail;
use crate::observe::contain::Contain;
use crate::observe::telemetry;
use crate::protocol::secrets::Password;
use crate::protocol::subject::Subject;
use crate::protocol::weigh::Demanded;

/// How long a shield may take. A login waits for it, so it is short; the manual names it.
const PATIENCE: Duration = Duration::from_millis(300);

/// A shield, and what to do on its finding.
pub(crate) struct Screen {
    pub(crate) shield: Box<dyn Shield>,
    pub(crate) on_leak: OnLeak,
}

impl Screen {
    /// Asks whether the password of this user is known from a leak. Without a finding the login goes on (P10 names this
    /// exception): a list that is an extra must not keep all users out.
    async fn has_leaked(&self, password: &Password, subject: &Subject) -> bool {
        // A block, so that a panic before the first await is contained, too.
        let inspecting = async { self.shield.inspect(password, subject).await };
        match Contain::new(Some(PATIENCE), inspecting).await {
            Ok(finding) => finding == Finding::Leaked,
            Err(failure) => {
                telemetry::shield_failed(&failure);
                false
            }
        }
    }
}

/// Weighs logins.
pub(crate) struct Scales {
    screen: Option<Screen>,
}

impl Scales {
    pub(crate) fn new(screen: Option<Screen>) -> Self {
        Self { screen }
    }

    /// Whether something looks at passwords that were found right.
    pub(super) fn looks_at_passwords(&self) -> bool {
        self.screen.is_some()
    }

    /// Finds out what else is known of a login, and weighs it.
    ///
    /// No future of its own, because the common weighing takes no time, and a grant is too large to lie in one.
    #[inline(always)]
    pub(super) fn weigh(&self, login: Result<Login, Failure>) -> Weighing<'_> {
        let mut login = match login {
            Ok(login) => login,
            Err(failure) => return Weighing::Done(Err(failure)),
        };
        match (&self.screen, login.take_password()) {
            (Some(screen), Some(password)) => Weighing::Looking(Box::pin(async move {
                let has_leaked = screen.has_leaked(&password, login.subject()).await;
                login.proven().leaked_password = has_leaked;
                (self.decide(login), has_leaked)
            })),
            _ => Weighing::Done(self.decide(login)),
        }
    }

    #[inline(always)]
    fn decide(&self, login: Login) -> Result<Grant, Failure> {
        let unleaked_password = self.screen.as_ref().is_some_and(|screen| screen.on_leak == OnLeak::Block);
        login.weigh(Demanded { unleaked_password }).map_err(|reason| Failure::Decided(reason.into()))
    }
}

/// The weighing of a login.
pub(super) enum Weighing<'a> {
    Done(Result<Grant, Failure>),
    /// Something is to be looked at first. Whether the password has leaked comes with the grant.
    Looking(Pin<Box<dyn Future<Output = (Result<Grant, Failure>, bool)> + Send + 'a>>),
}

impl Weighing<'_> {
    /// Ends it, and notes what was found.
    pub(super) async fn end(self, trail: &mut Trail) -> Result<Grant, Failure> {
        match self {
            Self::Done(grant) => grant,
            Self::Looking(looking) => {
                let (grant, has_leaked) = looking.await;
                trail.password_leaked = has_leaked;
                grant
            }
        }
    }
}
