//! The users: two directories, what is known of each person, and what becomes of a login.

use std::sync::Arc;

use async_trait::async_trait;
use serde::Serialize;
use tower_password_grant::argon2::{Argon2Parameters, Argon2Verifier};
use tower_password_grant::jwt::IdClaims;
use tower_password_grant::realms::Realms;
use tower_password_grant::rules::{LoginEvent, LoginRule, Ruling, rule_fn};
use tower_password_grant::sqlite::SqliteStore;
use tower_password_grant::store::{LoginName, NewUser, UserStore as _};
use tower_password_grant::user::{Finding, Shield};
use tower_password_grant::{BackendError, Grant, Password, Scope, Subject};

use super::Error;

/// The connections, as Auth0 calls them.
pub(crate) const CUSTOMERS: &str = "customers";
pub(crate) const EMPLOYEES: &str = "employees";
pub(crate) const REALMS: [&str; 2] = [CUSTOMERS, EMPLOYEES];

/// Of all customers, and of all employees.
pub(crate) const CUSTOMERS_PASSWORD: &str = "tomato soup on a rainy day";
pub(crate) const EMPLOYEES_PASSWORD: &str = "correct horse battery staple";
/// On every list of leaked passwords.
pub(crate) const LEAKED_PASSWORD: &str = "iloveyou";

pub(crate) struct Person {
    /// What Auth0 exports as `user_id`: tokens keep it as `sub`, so applications know their users again.
    id: &'static str,
    realm: &'static str,
    pub(crate) email: &'static str,
    name: &'static str,
    pub(crate) password: &'static str,
}

pub(crate) const ALICE: Person = customer("auth0|1", "alice@example.com", "Alice, a customer");
pub(crate) const DENIED: Person = customer("auth0|2", "dora@example.com", "Dora, whom a rule denies");
pub(crate) const REDIRECTED: Person = customer("auth0|3", "ralph@example.com", "Ralph, whom a rule wants elsewhere");
pub(crate) const LOCKED: Person = customer("auth0|4", "lou@example.com", "Lou, who types wrong passwords");
pub(crate) const LEAKED: Person = Person {
    password: LEAKED_PASSWORD,
    ..customer("auth0|5", "lea@example.com", "Lea, whose password is known from a leak")
};
/// Has a telephone as second factor.
pub(crate) const ENROLLED: Person = customer("auth0|6", "enya@example.com", "Enya, who has a telephone");
pub(crate) const NOT_ENROLLED: Person = customer("auth0|7", "nora@example.com", "Nora, who has no second factor");
/// They have none, either.
pub(crate) const DEMANDED: [Person; 3] = [
    customer("auth0|8", "dan@example.com", "Dan, of whom a rule demands a second factor"),
    customer("auth0|9", "dee@example.com", "Dee, of whom a rule demands a second factor"),
    customer("auth0|10", "dirk@example.com", "Dirk, of whom a rule demands a second factor"),
];
/// Another person of the same address as the customer.
pub(crate) const EMPLOYEE: Person = Person {
    id: "ad|1",
    realm: EMPLOYEES,
    email: ALICE.email,
    name: "Alice, an employee",
    password: EMPLOYEES_PASSWORD,
};

const PEOPLE: [Person; 8] = [ALICE, DENIED, REDIRECTED, LOCKED, LEAKED, ENROLLED, NOT_ENROLLED, EMPLOYEE];

fn people() -> impl Iterator<Item = &'static Person> {
    const { &PEOPLE }.iter().chain(const { &DEMANDED })
}

const fn customer(id: &'static str, email: &'static str, name: &'static str) -> Person {
    Person { id, realm: CUSTOMERS, email, name, password: CUSTOMERS_PASSWORD }
}

impl Person {
    pub(crate) fn find(id: &str) -> Option<&'static Self> {
        people().find(|person| person.id == id)
    }

    /// What a client may know beside the id, by the scope that it was given (OpenID Connect Core section 5.4).
    pub(crate) fn claims(&self, scope: &Scope) -> Claims {
        let shown = |token: &str, claim| scope.contains(token).then_some(claim);
        Claims { name: shown("profile", self.name), email: shown("email", self.email) }
    }
}

/// What the ID token says of its user.
pub(crate) async fn id_claims(grant: Grant) -> Result<IdClaims, BackendError> {
    let person = Person::find(grant.subject().id());
    let claims = person.map(|person| person.claims(grant.scope()));
    Ok(IdClaims::of(&claims)?)
}

#[derive(Serialize)]
pub(crate) struct Claims {
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    email: Option<&'static str>,
}

/// Adds the people that the file does not have yet.
pub(crate) async fn register(store: &SqliteStore) -> Result<(), Error> {
    for person in people() {
        let login = LoginName::new(person.email);
        if store.find(&login, Some(person.realm)).await.map_err(BackendError::into_error)?.is_none() {
            let password = Password::new(person.password.to_owned());
            let hash =
                tokio::task::spawn_blocking(move || Argon2Parameters::default().hash_blocking(&password)).await??;
            let user = NewUser::new(person.id, person.email).with_realm(Some(person.realm)).with_password_hash(hash);
            store.add_user(user).await?;
        }
    }
    Ok(())
}

/// Both directories are in one file, and share its hashing threads.
pub(crate) fn realms(store: &SqliteStore) -> Result<Realms, Error> {
    let verifier = Arc::new(Argon2Verifier::new(store.clone())?);
    let realms = Realms::new().realm(CUSTOMERS, Arc::clone(&verifier))?.realm(EMPLOYEES, verifier)?;
    // An id says already where it is from.
    Ok(realms.keep_subject_ids())
}

/// What an Action after the login does at Auth0.
pub(crate) fn may_log_in() -> impl LoginRule {
    rule_fn("may log in", |login: LoginEvent| async move {
        let id = login.subject().id();
        Ok(if id == DENIED.id {
            Ruling::deny("Please verify your email before logging in.")?
        } else if id == REDIRECTED.id {
            Ruling::interaction_required()
        } else if DEMANDED.iter().any(|person| person.id == id) {
            Ruling::proceed().demand_second_factor()
        } else {
            Ruling::proceed()
        })
    })
}

/// In an application: `LeakedPasswords` over a list, with the feature `breach-filter`.
pub(crate) struct Leaked;

#[async_trait]
impl Shield for Leaked {
    async fn inspect(&self, password: &Password, _: &Subject) -> Result<Finding, BackendError> {
        let is_leaked = password.expose() == LEAKED_PASSWORD;
        Ok(if is_leaked { Finding::Leaked } else { Finding::Clear })
    }
}
