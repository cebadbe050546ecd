//! Rules of an application, as these tests need them.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use tower_password_grant::rules::{LoginEvent, LoginRule, Ruling, rule_fn};
use tower_password_grant::{BackendError, Client, StaticClients};

use crate::support::digest;
use crate::support::faults::{CODE_GRANT, Switch};

/// A rule that decides at once.
pub fn ruling(name: &'static str, decide: impl Fn(&LoginEvent) -> Ruling + Send + Sync + 'static) -> impl LoginRule {
    rule_fn(name, move |login: LoginEvent| {
        let ruling = decide(&login);
        async move { Ok(ruling) }
    })
}

/// A rule that refuses every login.
pub fn denying() -> impl LoginRule {
    ruling("closed", |_| Ruling::deny("closed on Sundays").unwrap())
}

/// A rule that keeps what it sees, and fails or waits as a test says.
#[derive(Clone)]
pub struct Watching {
    pub name: &'static str,
    pub switch: Switch,
    pub seen: Arc<Mutex<Vec<LoginEvent>>>,
    /// What it answers.
    pub ruling: Ruling,
}

impl Watching {
    pub fn new(name: &'static str) -> Self {
        Self::answering(name, Ruling::proceed())
    }

    pub fn answering(name: &'static str, ruling: Ruling) -> Self {
        Self { name, switch: Switch::new(), seen: Arc::default(), ruling }
    }

    pub fn calls(&self) -> usize {
        self.seen.lock().unwrap().len()
    }

    pub fn last(&self) -> LoginEvent {
        self.seen.lock().unwrap().last().cloned().expect("the rule was never asked")
    }
}

#[async_trait]
impl LoginRule for Watching {
    fn name(&self) -> &str {
        self.name
    }

    async fn apply(&self, login: LoginEvent) -> Result<Ruling, BackendError> {
        self.seen.lock().unwrap().push(login);
        self.switch.pass().await?;
        Ok(self.ruling.clone())
    }
}

/// A login by the grant of a guessable code.
pub const CODE: &str = "grant_type=urn:x:code&code=1234&account=alice";

/// The client `conf`, which may log in by password and by code, in a realm.
pub fn conf() -> Client {
    let client = Client::confidential("conf", &digest("s3cret")).allow_password_grant().allow_grant(CODE_GRANT);
    client.realm("staff").scopes("read write admin").default_scope("read write").build().unwrap()
}

pub fn clients() -> StaticClients {
    StaticClients::new([conf()]).unwrap()
}
