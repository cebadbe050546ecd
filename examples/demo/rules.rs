//! What the demo decides on a login after the password was right, and again at each refresh: rules as a team would have them.

use std::time::Duration;

use tower_password_grant::rules::{LoginEvent, LoginRule, Ruling, rule_fn};

use crate::demo::{CUSTOMERS, EMPLOYEES};

/// Claims of the application's own have a URL in front, so that they are nobody else's.
const DEPARTMENT: &str = "https://api.example/department";

/// Contracts that have ended, and terms that were not accepted yet: in an application, a look into its database.
pub(crate) fn good_standing() -> impl LoginRule {
    rule_fn("good standing", |login: LoginEvent| async move {
        Ok(match login.subject().id() {
            // To the client it looks like a wrong password. The reason is for the operator.
            "employees:dave" => Ruling::deny("the contract has ended")?,
            // The client knows where its users accept the terms.
            "customers:carol" => Ruling::interaction_required(),
            _ => Ruling::proceed(),
        })
    })
}

/// The client may ask for `write`. Its customers do not get it.
pub(crate) fn customers_only_read() -> impl LoginRule {
    rule_fn("customers only read", |login: LoginEvent| async move {
        Ok(match login.realm() {
            Some(CUSTOMERS) => Ruling::proceed().remove_scope("write"),
            _ => Ruling::proceed(),
        })
    })
}

/// A customer who goes away is forgotten sooner than an employee. A refresh token gets the next access token.
pub(crate) fn short_tokens_for_customers() -> impl LoginRule {
    rule_fn("short tokens for customers", |login: LoginEvent| async move {
        Ok(match login.realm() {
            Some(CUSTOMERS) => Ruling::proceed().shorten_lifetime(Duration::from_secs(900))?,
            _ => Ruling::proceed(),
        })
    })
}

/// What the API wants to know of an employee: in an application, a look into its database, too.
pub(crate) fn department() -> impl LoginRule {
    rule_fn("department", |login: LoginEvent| async move {
        Ok(match (login.realm(), login.subject().id()) {
            (Some(EMPLOYEES), "employees:alice") => Ruling::proceed().claim(DEPARTMENT, "engineering")?,
            (Some(EMPLOYEES), _) => Ruling::proceed().claim(DEPARTMENT, "sales")?,
            _ => Ruling::proceed(),
        })
    })
}
