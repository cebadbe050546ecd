//! What each login rule did, for the page of this demo. Your tokens need nothing of it.

use async_trait::async_trait;
use serde_json::{Value, json};
use tower_password_grant::BackendError;
use tower_password_grant::rules::{LoginEvent, LoginRule, Ruling};

/// The claim with a list of the rules, in their order, and what each was given. What a rule did is the difference to what
/// the next one was given, or to the token.
pub(crate) const RULES: &str = "https://api.example/rules";

/// A rule that also writes down what it was given.
pub(crate) struct Watched<R>(pub(crate) R);

#[async_trait]
impl<R: LoginRule> LoginRule for Watched<R> {
    fn name(&self) -> &str {
        self.0.name()
    }

    async fn apply(&self, login: LoginEvent) -> Result<Ruling, BackendError> {
        let claims: Vec<String> = login.claims().names().into_iter().filter(|name| name != RULES).collect();
        let mut rules: Vec<Value> = login.claims().get(RULES).unwrap_or_default();
        rules.push(json!({
            "rule": self.name(),
            "scope": login.scope().as_str(),
            "lifetime": login.lifetime().as_secs(),
            "claims": claims,
        }));
        Ok(self.0.apply(login).await?.claim(RULES, rules)?)
    }
}
