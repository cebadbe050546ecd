//! The introspection response (RFC 7662 section 2.2), read strictly.

use std::time::{Duration, SystemTime};

use crate::protocol::token::record::AccessTokenRecord;
use crate::protocol::token::token_claims::{TokenClaims, whole_seconds};
use crate::protocol::wire::json_object::{JsonObject, Unreadable};

/// What a member must be, if it is there: of a bearer token, and of an access token in the words of some servers and in those
/// of others.
const KINDS: [(&str, &[&str]); 3] = [
    ("token_type", &["bearer"]),
    ("token_use", &["access", "access_token"]),
    ("typ", &["bearer", "at+jwt", "application/at+jwt"]),
];

/// What the token stands for; none if it is not active, active but no bearer access token of a user, or not yet good by this
/// clock. `skew` is how far the server's clock may be ahead.
///
/// # Errors
/// What is no introspection response: that is the server's fault, not the token's.
pub(super) fn read(body: &[u8], now: SystemTime, skew: Duration) -> Result<Option<AccessTokenRecord>, Unreadable> {
    let text = std::str::from_utf8(body).map_err(|_| Unreadable::Unsound)?;
    // A server may write what it does not know as `null`.
    let mut said = JsonObject::read(text)?.without_nulls();
    let mut is_good: bool = said.take_as("active")?.ok_or(Unreadable::Member("active"))?;
    for (name, known) in KINDS {
        let kind = said.take_text(name)?;
        is_good &= kind.is_none_or(|kind| known.iter().any(|known| kind.eq_ignore_ascii_case(known)));
    }
    // Bound to a key that a bearer need not have.
    is_good &= said.take("cnf").is_none();
    let said = TokenClaims::read(said, whole_seconds)?;
    Ok(if is_good { said.record(now, skew) } else { None })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::UNIX_EPOCH;

    use proptest::prelude::*;

    const LEAST: &str = r#""active":true,"sub":"alice","client_id":"cli","exp":2000000000"#;

    const NOW: u64 = 1_800_000_000;

    fn at(seconds: u64) -> Option<SystemTime> {
        UNIX_EPOCH.checked_add(Duration::from_secs(seconds))
    }

    fn ask(more: &str) -> Result<Option<AccessTokenRecord>, Unreadable> {
        read(format!("{{{LEAST}{more}}}").as_bytes(), at(NOW).unwrap(), Duration::from_secs(5))
    }

    #[test]
    fn a_token_is_not_good_before_its_time_but_for_the_clock_skew() {
        for (more, is_good) in [
            (format!(r#","iat":{}"#, NOW + 5), true),
            (format!(r#","iat":{}"#, NOW + 6), false),
            (format!(r#","iat":{NOW},"nbf":{}"#, NOW + 5), true),
            (format!(r#","iat":{NOW},"nbf":{}"#, NOW + 6), false),
            (format!(r#","nbf":{}"#, NOW + 6), false),
            (r#","nbf":null"#.to_owned(), true),
        ] {
            assert_eq!(ask(&more).unwrap().is_some(), is_good, "{more}");
        }
        assert_eq!(ask(r#","nbf":7"#).unwrap().unwrap().claim("nbf"), Some(7));
    }

    #[test]
    fn an_active_token_is_read_with_everything_that_is_said_of_it() {
        let more = r#","scope":"write read","aud":["a","b"],"iat":1700000000,"auth_time":1600000000,"realm":"r",
            "token_type":"Bearer","nbf":5,"username":null,"tenant":"acme""#;
        let record = ask(more).unwrap().unwrap();
        assert_eq!(
            (record.subject_id(), record.client().as_str(), record.scope().as_str()),
            ("alice", "cli", "read write")
        );
        assert_eq!((record.audience().to_vec(), record.realm()), (vec!["a".to_owned(), "b".to_owned()], Some("r")));
        assert_eq!((Some(record.expires()), Some(record.issued_at())), (at(2_000_000_000), at(1_700_000_000)));
        assert_eq!(record.authenticated_at(), at(1_600_000_000));
        assert_eq!(record.claim::<String>("tenant").as_deref(), Some("acme"));
        assert_eq!(ask(r#","aud":"a","scope":"""#).unwrap().unwrap().audience(), ["a"]);
        assert_eq!(Some(ask("").unwrap().unwrap().issued_at()), at(NOW));
    }

    #[test]
    fn tokens_that_are_no_bearer_access_tokens_of_a_user_are_not_good_be_13_be_14() {
        for more in [
            r#","token_type":"DPoP""#,
            r#","token_type":"refresh_token""#,
            r#","token_type":"N_A""#,
            r#","token_use":"refresh_token""#,
            r#","typ":"Refresh""#,
            r#","typ":"ID""#,
            r#","cnf":{"jkt":"x"}"#,
            r#","scope":"a  b""#,
            r#","exp":18446744073709551615,"x":1"#,
        ] {
            let text =
                format!("{{{LEAST}{more}}}").replacen(r#","exp":2000000000"#, "", usize::from(more.contains("exp")));
            assert!(read(text.as_bytes(), UNIX_EPOCH, Duration::ZERO).unwrap().is_none(), "{more}");
        }
        for gone in [r#""sub":"alice","#, r#""client_id":"cli","#, r#","exp":2000000000"#] {
            let text = format!("{{{}}}", LEAST.replacen(gone, "", 1));
            assert!(read(text.as_bytes(), UNIX_EPOCH, Duration::ZERO).unwrap().is_none(), "{gone}");
        }
        assert!(read(br#"{"active":false}"#, UNIX_EPOCH, Duration::ZERO).unwrap().is_none());
    }

    #[test]
    fn what_is_no_introspection_response_is_an_error_and_no_verdict() {
        for text in [
            "",
            "null",
            "true",
            "[]",
            "{}",
            r#"{"active":"true"}"#,
            r#"{"active":1}"#,
            r#"{"active":null}"#,
            r#"{"active":false,"active":true,"sub":"alice","client_id":"cli","exp":2000000000}"#,
        ] {
            assert!(read(text.as_bytes(), UNIX_EPOCH, Duration::ZERO).is_err(), "{text}");
        }
        for more in [
            r#","iat":"1700000000""#,
            r#","iat":-1"#,
            r#","iat":1.5"#,
            r#","nbf":"7""#,
            r#","sub":"bob""#,
            r#","aud":5"#,
            r#","aud":[1]"#,
            r#","scope":["read"]"#,
            r#","token_type":1"#,
            r#","realm":{}"#,
            "} trailing {",
        ] {
            assert!(ask(more).is_err(), "{more}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_panic(body in proptest::collection::vec(any::<u8>(), 0..200), more in ".{0,60}") {
            let _ = read(&body, UNIX_EPOCH, Duration::ZERO);
            let _ = ask(&more);
        }
    }
}
