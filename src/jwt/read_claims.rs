//! What the claims of a signed token must say (RFC 9068 section 4).

use std::time::{Duration, SystemTime};

use crate::protocol::token::record::AccessTokenRecord;
use crate::protocol::token::token_claims::{TokenClaims, whole_seconds};
use crate::protocol::wire::json_object::JsonObject;

/// The record of a token that is good at `now`. `skew` is how far the issuer's clock may be ahead.
pub(super) fn record(json: &str, issuer: &str, now: SystemTime, skew: Duration) -> Option<AccessTokenRecord> {
    let mut claims = JsonObject::read(json).ok()?;
    if claims.take_text("iss").ok()?? != issuer {
        return None;
    }
    // A text that is not empty. It stays among the claims.
    let id = claims.get("jti")?;
    if !id.starts_with('"') || id == "\"\"" {
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

/// The last second of the year 9999: no token lives longer.
const LAST: Duration = Duration::from_secs(253_402_300_799);

/// A NumericDate (RFC 7519 section 2), which may have a fraction, up to the year 9999.
fn numeric_date(value: &str) -> Option<Duration> {
    let fraction = || Duration::try_from_secs_f64(serde_json::from_str(value).ok()?).ok();
    whole_seconds(value).or_else(fraction).filter(|since| *since <= LAST)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::token::token_claims::ReadTime;

    #[test]
    fn a_time_is_a_number_and_no_text() {
        for (value, whole, date) in [
            ("0", Some(0.0), Some(0.0)),
            ("1700000000", Some(1.7e9), Some(1.7e9)),
            ("1.5", None, Some(1.5)),
            ("1e3", None, Some(1000.0)),
            ("253402300799", Some(253_402_300_799.0), Some(253_402_300_799.0)),
            ("253402300800", Some(253_402_300_800.0), None),
            ("18446744073709551616", None, None),
            ("-1", None, None),
            ("1e999", None, None),
            ("\"7\"", None, None),
            ("null", None, None),
            ("true", None, None),
            ("[7]", None, None),
        ] {
            let seconds = |read: ReadTime| read(value).map(|since| since.as_secs_f64());
            assert_eq!((seconds(whole_seconds), seconds(numeric_date)), (whole, date), "{value}");
        }
    }
}
