//! The claims of a JWT access token (RFC 9068 section 2.2), as they are written.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::ser::{Error as _, Serialize, SerializeMap, Serializer};
use serde_json::value::RawValue;

use super::error::ClaimError;
use crate::boundary::ladder::grant::Grant;
use crate::protocol::token::claims::{SHOWN, WRITTEN};
use crate::protocol::wire::json_object::JsonObject;

pub(super) struct Payload<'a> {
    issuer: &'a str,
    audience: &'a [String],
    grant: &'a Grant,
    token_id: &'a str,
    issued_at: u64,
    expires_at: u64,
    authenticated_at: u64,
    extra: Option<JsonObject<'a>>,
}

impl<'a> Payload<'a> {
    pub(super) fn new(
        issuer: &'a str,
        audience: &'a [String],
        grant: &'a Grant,
        token_id: &'a str,
        now: SystemTime,
        extra: Option<JsonObject<'a>>,
    ) -> Result<Self, ClaimError> {
        if let Some(name) = WRITTEN.into_iter().find(|name| extra.as_ref().is_some_and(|extra| extra.has(name))) {
            return Err(ClaimError::Reserved(name.to_owned()));
        }
        if grant.subject().id().is_empty() {
            return Err(ClaimError::NoSubject);
        }
        let issued_at = seconds(now)?;
        let expires_at = issued_at.checked_add(grant.lifetime().as_secs()).ok_or(ClaimError::Time)?;
        let authenticated_at = seconds(grant.authenticated_at())?;
        Ok(Self { issuer, audience, grant, token_id, issued_at, expires_at, authenticated_at, extra })
    }
}

fn seconds(time: SystemTime) -> Result<u64, ClaimError> {
    time.duration_since(UNIX_EPOCH).as_ref().map(Duration::as_secs).map_err(|_| ClaimError::Time)
}

impl Serialize for Payload<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("iss", self.issuer)?;
        map.serialize_entry("sub", self.grant.subject().id())?;
        match self.audience {
            [one] => map.serialize_entry("aud", one)?,
            several => map.serialize_entry("aud", several)?,
        }
        map.serialize_entry("client_id", self.grant.client().id().as_str())?;
        if let Some(realm) = self.grant.realm() {
            map.serialize_entry("realm", realm)?;
        }
        if !self.grant.scope().is_empty() {
            map.serialize_entry("scope", self.grant.scope().as_str())?;
        }
        map.serialize_entry("jti", self.token_id)?;
        map.serialize_entry("iat", &self.issued_at)?;
        map.serialize_entry("exp", &self.expires_at)?;
        map.serialize_entry("auth_time", &self.authenticated_at)?;
        if !self.grant.claims().is_empty() {
            map.serialize_entry(SHOWN, &self.grant.claims().names())?;
        }
        for (name, value) in self.extra.iter().flat_map(JsonObject::iter) {
            let value: &RawValue = serde_json::from_str(value).map_err(S::Error::custom)?;
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}
