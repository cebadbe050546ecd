//! The claims of signed tokens, as they are written.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::ser::{Error as _, Serialize, SerializeMap, Serializer};
use serde_json::value::RawValue;

use super::error::ClaimError;
use crate::boundary::ladder::grant::Grant;
use crate::protocol::client::registered::ClientId;
use crate::protocol::token::claims::{SHOWN, WRITTEN, WRITTEN_FOR_APIS};
use crate::protocol::wire::json_object::JsonObject;

/// What the tokens of a grant have in common.
#[derive(Clone, Copy)]
pub(super) struct Facts<'a> {
    issuer: &'a str,
    grant: &'a Grant,
    issued_at: u64,
    expires_at: u64,
    authenticated_at: u64,
}

impl<'a> Facts<'a> {
    /// Of a grant whose tokens are signed `now`.
    pub(super) fn of(grant: &'a Grant, issuer: &'a str, now: SystemTime) -> Result<Self, ClaimError> {
        if grant.subject().id().is_empty() {
            return Err(ClaimError::NoSubject);
        }
        let issued_at = seconds(now)?;
        let expires_at = issued_at.checked_add(grant.lifetime().as_secs()).ok_or(ClaimError::Time)?;
        let authenticated_at = seconds(grant.authenticated_at())?;
        Ok(Self { issuer, grant, issued_at, expires_at, authenticated_at })
    }

    /// When the token lives, and how and when its user was authenticated.
    fn write_login<M: SerializeMap>(&self, map: &mut M) -> Result<(), M::Error> {
        map.serialize_entry("iat", &self.issued_at)?;
        map.serialize_entry("exp", &self.expires_at)?;
        map.serialize_entry("auth_time", &self.authenticated_at)?;
        self.grant.methods().claims().try_for_each(|(name, value)| map.serialize_entry(name, &value))
    }
}

fn seconds(time: SystemTime) -> Result<u64, ClaimError> {
    time.duration_since(UNIX_EPOCH).as_ref().map(Duration::as_secs).map_err(|_| ClaimError::Time)
}

fn write_extra<M: SerializeMap>(map: &mut M, extra: Option<&JsonObject<'_>>) -> Result<(), M::Error> {
    extra.into_iter().flat_map(JsonObject::iter).try_for_each(|(name, value)| {
        let value: &RawValue = serde_json::from_str(value).map_err(M::Error::custom)?;
        map.serialize_entry(name, value)
    })
}

/// Of an access token (RFC 9068 section 2.2).
pub(super) struct AccessTokenPayload<'a> {
    facts: Facts<'a>,
    audience: &'a [String],
    token_id: &'a str,
    extra: Option<JsonObject<'a>>,
}

impl<'a> AccessTokenPayload<'a> {
    pub(super) fn new(
        facts: Facts<'a>,
        audience: &'a [String],
        token_id: &'a str,
        extra: Option<JsonObject<'a>>,
    ) -> Result<Self, ClaimError> {
        let written = || WRITTEN.into_iter().chain(WRITTEN_FOR_APIS);
        let reserved = |extra: &JsonObject<'_>| written().find(|name| extra.has(name));
        if let Some(name) = extra.as_ref().and_then(reserved) {
            return Err(ClaimError::Reserved(name.to_owned()));
        }
        Ok(Self { facts, audience, token_id, extra })
    }
}

impl Serialize for AccessTokenPayload<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Facts { issuer, grant, .. } = self.facts;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("iss", issuer)?;
        map.serialize_entry("sub", grant.subject().id())?;
        match self.audience {
            [one] => map.serialize_entry("aud", one)?,
            several => map.serialize_entry("aud", several)?,
        }
        map.serialize_entry("client_id", grant.client().id().as_str())?;
        if let Some(realm) = grant.realm() {
            map.serialize_entry("realm", realm)?;
        }
        if !grant.scope().is_empty() {
            map.serialize_entry("scope", grant.scope().as_str())?;
        }
        map.serialize_entry("jti", self.token_id)?;
        self.facts.write_login(&mut map)?;
        if !grant.claims().is_empty() {
            map.serialize_entry(SHOWN, &grant.claims().names())?;
        }
        write_extra(&mut map, grant.private_claims().object().as_ref())?;
        write_extra(&mut map, self.extra.as_ref())?;
        map.end()
    }
}

/// Refuses an access token for its client itself. Many clients look at the audience alone to tell it from an ID token, so where
/// there are ID tokens there is none, whatever scope it has.
pub(super) fn tell_apart(audience: &[String], client: &ClientId) -> Result<(), ClaimError> {
    let client = client.as_str();
    let is_client = audience.iter().any(|one| one == client);
    if is_client { Err(ClaimError::ClientIsAudience(client.to_owned())) } else { Ok(()) }
}

/// Of an ID token (OpenID Connect Core 1.0 section 2).
pub(super) struct IdTokenPayload<'a> {
    facts: Facts<'a>,
    extra: Option<JsonObject<'a>>,
}

impl<'a> IdTokenPayload<'a> {
    pub(super) fn new(facts: Facts<'a>, extra: Option<JsonObject<'a>>) -> Self {
        Self { facts, extra }
    }
}

impl Serialize for IdTokenPayload<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Facts { issuer, grant, .. } = self.facts;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("iss", issuer)?;
        map.serialize_entry("sub", grant.subject().id())?;
        map.serialize_entry("aud", grant.client().id().as_str())?;
        self.facts.write_login(&mut map)?;
        write_extra(&mut map, self.extra.as_ref())?;
        map.end()
    }
}
