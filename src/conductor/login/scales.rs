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
use crate::protocol::secret::secrets::Password;
use crate::protocol::user::subject::Subject;
use crate::protocol::weigh::{Demanded, Look};

/// How long a shield may take. A login waits for it, so it is short; the manual names it.
const PATIENCE: Duration = Duration::from_millis(300);

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
        match Contain::new(Some(PATIENCE), inspecting).await {
            Ok(Finding::Leaked) => Look::Leaked,
            Ok(Finding::Clear) => Look::Clear,
            Err(failure) => {
                telemetry::shield_failed(&failure);
                Look::Failed
            }
        }
    }
}

/// Weighs logins.
pub(crate) struct Scales {
    demanded: Demanded,
    screen: Option<Screen>,
}

impl Scales {
    pub(crate) fn new(screen: Option<Screen>) -> Self {
        let blocks_leaked = screen.as_ref().is_some_and(|screen| screen.on_leak == OnLeak::Block);
        Self { demanded: Demanded::by_settings(blocks_leaked), screen }
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
                let look = screen.look(&password, login.subject()).await;
                login.proven().password = look;
                (self.decide(login), look)
            })),
            _ => Weighing::Done(self.decide(login)),
        }
    }

    #[inline(always)]
    fn decide(&self, login: Login) -> Result<Grant, Failure> {
        login.weigh(self.demanded).map_err(|reason| Failure::Decided(reason.into()))
    }
}

/// The weighing of a login.
pub(super) enum Weighing<'a> {
    Done(Result<Grant, Failure>),
    /// Something is to be looked at first. What was found of the password comes with the grant.
    Looking(Pin<Box<dyn Future<Output = Looked> + Send + 'a>>),
}

type Looked = (Result<Grant, Failure>, Look);

impl Weighing<'_> {
    /// Ends it, and notes what was found.
    pub(super) async fn end(self, trail: &mut Trail) -> Result<Grant, Failure> {
        match self {
            Self::Done(grant) => grant,
            Self::Looking(looking) => {
                let (grant, look) = looking.await;
                trail.password_leaked = look == Look::Leaked;
                grant
            }
        }
    }
}
