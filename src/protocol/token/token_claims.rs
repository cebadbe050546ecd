//! What is said of an access token, by its own claims (RFC 9068 section 2.2) or by an introspection response (RFC 7662
//! section 2.2): one reader for both. What must be there is decided by each of them.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::claims::Claims;
use super::methods::{ACR, AMR, AuthenticationMethods, MULTI_FACTOR};
use super::record::{AccessTokenRecord, RecordParts};
use crate::protocol::client::registered::ClientId;
use crate::protocol::scope::Scope;
use crate::protocol::skew::is_ahead;
use crate::protocol::wire::json_object::{JsonObject, Unreadable};

/// How a time is written.
pub(crate) type ReadTime = fn(&str) -> Option<Duration>;

/// The members that both have, each of its type. They are no longer among the `others`, but for `nbf`, which the
/// application may want to see.
pub(crate) struct TokenClaims<'a> {
    subject: Option<Cow<'a, str>>,
    client: Option<Cow<'a, str>>,
    scope: Option<Cow<'a, str>>,
    realm: Option<Cow<'a, str>>,
    pub(crate) audience: Option<Arc<[String]>>,
    expires: Option<Duration>,
    pub(crate) issued: Option<Duration>,
    not_before: Option<Duration>,
    authenticated: Option<Duration>,
    methods: AuthenticationMethods,
    others: Claims,
}

impl<'a> TokenClaims<'a> {
    pub(crate) fn read(mut object: JsonObject<'a>, read_time: ReadTime) -> Result<Self, Unreadable> {
        let time =
            |value: Option<&str>, name| value.map(|value| read_time(value).ok_or(Unreadable::Member(name))).transpose();
        Ok(Self {
            subject: object.take_text("sub")?,
            client: object.take_text("client_id")?,
            scope: object.take_text("scope")?,
            realm: object.take_text("realm")?,
            audience: audience(&mut object)?,
            expires: time(object.take("exp"), "exp")?,
            issued: time(object.take("iat"), "iat")?,
            not_before: time(object.get("nbf"), "nbf")?,
            authenticated: time(object.take("auth_time"), "auth_time")?,
            methods: methods(&mut object),
            others: Claims::rest(object).ok_or(Unreadable::Unsound)?,
        })
    }

    /// What the token stands for; none if it names no subject, no client or no end, a scope that is none, or begins more than
    /// `skew` after `now`. Without a time of issue it is `now`.
    pub(crate) fn record(self, now: SystemTime, skew: Duration) -> Option<AccessTokenRecord> {
        let subject = self.subject.filter(|subject| !subject.is_empty())?;
        let client = ClientId::new(&self.client?).ok()?;
        let expires = at(self.expires?)?;
        let issued = self.issued.map_or(Some(now), at)?;
        let begins = self.not_before.map_or(Some(issued), at)?;
        if is_ahead(issued, now, skew) || is_ahead(begins, now, skew) {
            return None;
        }
        let scope = match self.scope.as_deref() {
            None | Some("") => Scope::default(),
            Some(scope) => scope.parse().ok()?,
        };
        let authenticated_at = match self.authenticated {
            None => None,
            Some(time) => Some(at(time)?),
        };
        Some(AccessTokenRecord::from(RecordParts {
            subject: Cow::Owned(subject.into_owned()),
            client,
            realm: self.realm.map(Cow::into_owned),
            scope,
            audience: self.audience,
            issued,
            expires,
            authenticated_at,
            methods: self.methods,
            family: None,
            claims: self.others,
        }))
    }
}

/// In which ways the user was authenticated, as `amr` and `acr` say. Other values than those of ours mean what their server says,
/// so a claim that has some stays among the others; one that is none (RFC 8176 section 1) too, since nothing depends on it.
fn methods(object: &mut JsonObject<'_>) -> AuthenticationMethods {
    let mut methods = AuthenticationMethods::NONE;
    if let Some(names) = object.get(AMR).and_then(|names| serde_json::from_str::<Vec<String>>(names).ok()) {
        let is_all_known;
        (methods, is_all_known) = AuthenticationMethods::of_amr(&names);
        if is_all_known {
            object.take(AMR);
        }
    }
    if object
        .get(ACR)
        .and_then(|level| serde_json::from_str::<String>(level).ok())
        .is_some_and(|level| level == MULTI_FACTOR)
    {
        object.take(ACR);
        methods = methods.with_second_factor();
    }
    methods
}

/// One text, or an array of them.
fn audience(object: &mut JsonObject<'_>) -> Result<Option<Arc<[String]>>, Unreadable> {
    match object.get("aud") {
        Some(value) if value.starts_with('"') => Ok(object.take_text("aud")?.map(|one| Arc::from([one.into_owned()]))),
        _ => Ok(object.take_as::<Vec<String>>("aud")?.map(Arc::from)),
    }
}

fn at(since: Duration) -> Option<SystemTime> {
    UNIX_EPOCH.checked_add(since)
}

/// Whole seconds (RFC 7662 section 2.2).
pub(crate) fn whole_seconds(value: &str) -> Option<Duration> {
    value.parse().ok().map(Duration::from_secs)
}
