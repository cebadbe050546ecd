//! The login policy: what becomes of a right password that is known from a leak.

use std::time::Duration;

use super::endpoint::Endpoint;
use super::rungs::Failure;
use super::trail::Trail;
use crate::boundary::shield::{Finding, OnLeak, Shield};
use crate::observe::contain::Contain;
use crate::observe::telemetry;
use crate::protocol::error::Reason;
use crate::protocol::form::{Form, Known};
use crate::protocol::grant::Grant;
use crate::protocol::secrets::Password;

/// How long a shield may take. A login waits for it, so it is short; the manual names it.
const PATIENCE: Duration = Duration::from_millis(300);

/// A shield, and what to do on its finding.
pub(crate) struct Screen {
    pub(crate) shield: Box<dyn Shield>,
    pub(crate) on_leak: OnLeak,
}

impl Endpoint {
    /// A copy of the password, as the verifier takes the one of the attempt. Made only if there is a shield to see it; boxed,
    /// because the future of every login has the place for it.
    pub(super) fn kept_for_shield(&self, form: &Form) -> Option<Box<Password>> {
        let screen = self.screen.as_ref();
        screen.and_then(|_| form.get(Known::Password)).map(|password| Box::new(Password::new(password.to_owned())))
    }

    /// Asks the shield about the password of a granted login. Without a finding the login goes on (P10 names this
    /// exception): a list that is an extra must not keep everybody out.
    pub(super) async fn screen(
        &self,
        judged: Result<Grant, Failure>,
        password: Password,
        trail: &mut Trail,
    ) -> Result<Grant, Failure> {
        let (Ok(grant), Some(screen)) = (&judged, &self.screen) else { return judged };
        // A block, so that a panic before the first await is contained, too.
        let inspecting = async { screen.shield.inspect(&password, grant.subject()).await };
        match Contain::new(Some(PATIENCE), inspecting).await {
            Ok(Finding::Clear) => {}
            Ok(Finding::Leaked) => {
                trail.password_leaked = true;
                if screen.on_leak == OnLeak::Block {
                    return Err(Failure::Decided(Reason::PasswordLeaked.into()));
                }
            }
            Err(failure) => telemetry::shield_failed(&failure),
        }
        judged
    }
}
