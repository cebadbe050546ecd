//! The answer of the introspection endpoint (RFC 7662 section 2.2).

use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Map, Value};

use crate::protocol::scope::Scope;
use crate::protocol::token::claims::{SHOWN, has_meaning};
use crate::protocol::token::family::RefreshFamily;
use crate::protocol::token::methods::AuthenticationMethods;
use crate::protocol::token::record::AccessTokenRecord;

/// Claims of a token that are shown as they are. Others are shown where the token says so, as it does of those of login rules.
const TOLD: [&str; 4] = ["iss", "jti", "nbf", "cnf"];

/// All that is said of a token that is not active, whatever the reason.
pub(crate) fn inactive() -> Vec<u8> {
    br#"{"active":false}"#.to_vec()
}

/// An access token.
pub(crate) fn of_access_token(record: &AccessTokenRecord) -> Vec<u8> {
    let mut told = begin(record.scope(), record.client().as_str(), record.subject_id(), record.realm());
    let shown: Vec<String> = record.claim(SHOWN).unwrap_or_default();
    // None that has a meaning beside what is told here.
    let others = shown.iter().map(String::as_str).filter(|name| !has_meaning(name));
    for name in TOLD.into_iter().chain(others) {
        if let Some(value) = record.claim(name) {
            told.insert(name.to_owned(), value);
        }
    }
    let is_bound_to_key = told.get("cnf").is_some_and(|cnf| cnf.get("jkt").is_some());
    told.insert("token_type".to_owned(), if is_bound_to_key { "DPoP" } else { "Bearer" }.into());
    match record.audience() {
        [] => {}
        [one] => drop(told.insert("aud".to_owned(), one.as_str().into())),
        several => drop(told.insert("aud".to_owned(), several.into())),
    }
    told.insert("iat".to_owned(), seconds(record.issued_at()));
    told.insert("exp".to_owned(), seconds(record.expires()));
    if let Some(at) = record.authenticated_at() {
        told.insert("auth_time".to_owned(), seconds(at));
    }
    tell_methods(&mut told, record.methods());
    write(told)
}

/// A refresh token that is over at `end`. It has no `token_type`, which is a matter of access tokens (RFC 6749 section 7.1), but
/// says what it is, so that no API takes it for one of these.
pub(crate) fn of_refresh_token(family: &RefreshFamily, end: SystemTime) -> Vec<u8> {
    let mut told = begin(family.scope(), family.client().as_str(), family.subject_id(), family.realm());
    // No API may take it for an access token.
    told.insert("token_use".to_owned(), "refresh_token".into());
    told.insert("exp".to_owned(), seconds(end));
    told.insert("auth_time".to_owned(), seconds(family.authenticated_at()));
    tell_methods(&mut told, family.methods());
    write(told)
}

/// The realm is shown because one subject's identifier may stand for different people in two realms.
fn begin(scope: &Scope, client: &str, subject: &str, realm: Option<&str>) -> Map<String, Value> {
    let mut told = Map::new();
    told.insert("active".to_owned(), true.into());
    if !scope.is_empty() {
        told.insert("scope".to_owned(), scope.as_str().into());
    }
    told.insert("client_id".to_owned(), client.into());
    told.insert("sub".to_owned(), subject.into());
    if let Some(realm) = realm {
        told.insert("realm".to_owned(), realm.into());
    }
    told
}

fn tell_methods(told: &mut Map<String, Value>, methods: AuthenticationMethods) {
    told.extend(methods.claims().map(|(name, value)| (name.to_owned(), value)));
}

/// Rounded down: no answer says that a token lives longer than it does.
fn seconds(time: SystemTime) -> Value {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()).into()
}

fn write(told: Map<String, Value>) -> Vec<u8> {
    Value::Object(told).to_string().into_bytes()
}
