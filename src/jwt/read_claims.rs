//! What the claims of a signed token must say (RFC 9068 section 4).

use std::time::{Duration, SystemTime};

use crate::protocol::token::record::AccessTokenRecord;
use crate::protocol::token::token_claims::{TokenClaims, numeric_date};
use crate::protocol::wire::json_object::JsonObject;

/// The record of a token that is good at `now`. `skew` is how far the issuer's clock may be ahead.
pub(super) fn record(json: &str, issuer: &str, now: SystemTime, skew: Duration) -> Option<AccessTokenRecord> {
    let mut claims = JsonObject::read(json).ok()?;
    if claims.take_text("iss").ok()?? != issuer || claims.text("jti").ok()??.is_empty() {
        return None;
    }
    let claims = TokenClaims::read(claims, numeric_date).ok()?;
    claims.issued?;
    let audience = claims.audience.as_ref()?;
    if audience.is_empty() || audience.iter().any(String::is_empty) {
        return None;
    }
    claims.record(now, skew).filter(|record| !record.has_expired(now))
}
