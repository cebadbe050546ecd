//! What the claims of a signed token say (RFC 9068 section 2.2).

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Map, Value};

use crate::protocol::client::ClientId;
use crate::protocol::record::AccessTokenRecord;
use crate::protocol::scope::Scope;

/// The last second of the year 9999: no token lives longer, and nothing overflows.
const LAST: u64 = 253_402_300_799;

/// The record of a token that is good at `now`. `skew` is how far the issuer's clock may be ahead.
pub(super) fn record(
    mut claims: Map<String, Value>,
    issuer: &str,
    now: SystemTime,
    skew: Duration,
) -> Option<AccessTokenRecord> {
    if claims.remove("iss")?.as_str()? != issuer {
        return None;
    }
    let (issued, expires) = (time(&claims.remove("iat")?)?, time(&claims.remove("exp")?)?);
    let not_before = match claims.get("nbf") {
        Some(claim) => time(claim)?,
        None => issued,
    };
    let ahead = now.checked_add(skew)?;
    if now >= expires || ahead < issued || ahead < not_before {
        return None;
    }
    let subject = text(claims.remove("sub")?)?;
    let client = ClientId::new(&text(claims.remove("client_id")?)?).ok()?;
    if claims.get("jti")?.as_str()?.is_empty() {
        return None;
    }
    let audience = match claims.remove("aud")? {
        Value::Array(several) if !several.is_empty() => several.into_iter().map(text).collect::<Option<Vec<_>>>()?,
        one => vec![text(one)?],
    };
    let scope = match claims.remove("scope") {
        None => Scope::default(),
        Some(Value::String(none)) if none.is_empty() => Scope::default(),
        Some(claim) => claim.as_str()?.parse().ok()?,
    };
    let realm = match claims.remove("realm") {
        Some(Value::String(realm)) => Some(realm),
        Some(_) => return None,
        None => None,
    };
    let authenticated_at = match claims.remove("auth_time") {
        Some(claim) => Some(time(&claim)?),
        None => None,
    };
    let record = AccessTokenRecord::new(subject, client, issued, expires)
        .with_scope(scope)
        .with_audience(audience)
        .with_realm(realm.as_deref())
        .with_authenticated_at(authenticated_at)
        .with_claims(claims);
    Some(record)
}

/// A string that is not empty.
fn text(claim: Value) -> Option<String> {
    match claim {
        Value::String(text) if !text.is_empty() => Some(text),
        _ => None,
    }
}

/// A NumericDate (RFC 7519 section 2), which may have a fraction.
fn time(claim: &Value) -> Option<SystemTime> {
    let since = match claim.as_u64() {
        Some(seconds) => Duration::from_secs(seconds),
        None => Duration::try_from_secs_f64(claim.as_f64()?).ok()?,
    };
    if since > Duration::from_secs(LAST) { None } else { UNIX_EPOCH.checked_add(since) }
}
