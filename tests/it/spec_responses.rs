//! The successful response (RFC 6749 section 5.1) and the tokens in it (section 10).

use std::collections::HashSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use tower_password_grant::bearer::AccessTokenVerifier as _;
use tower_password_grant::clock::Clock as _;
use tower_password_grant::store::{AccessTokenRecord, AccessTokenStore, FamilyId, MemoryAccessTokens, SecretDigest};
use tower_password_grant::token::{MemberError, Token};
use tower_password_grant::{
    BackendError, ConfigError, Grant, IssuedTokens, OpaqueIssuer, PasswordGrantLayer, issue_fn,
};

use crate::support::{AUTH, Fixture, ManualClock, PW, Probe, builder, pw, send, token_request};

fn issuing(make: impl Fn(Token) -> Result<IssuedTokens, MemberError> + Send + Sync + 'static) -> PasswordGrantLayer {
    let issuer = issue_fn(move |_: Grant| {
        let tokens = Token::random("at_").map_err(BackendError::from).and_then(|token| Ok(make(token)?));
        std::future::ready(tokens)
    });
    builder(&Probe::default()).issuer(issuer).build().unwrap()
}

fn bearer(token: Token) -> IssuedTokens {
    IssuedTokens::bearer(token, Duration::from_secs(60))
}

#[tokio::test]
async fn a_success_is_a_flat_json_object_with_the_members_of_the_standard_ok_01_ok_02_ok_05_ok_06_ok_07() {
    let answer = Fixture::new().token(AUTH, PW).await;
    let json = answer.assert_ok();
    let members: Vec<_> = json.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(members, ["access_token", "expires_in", "scope", "token_type"]);
    assert_eq!(json["token_type"], "Bearer");
    assert!(json.as_object().unwrap().values().all(|value| !value.is_object() && !value.is_array()));
    assert_eq!((answer.header("content-type"), answer.body[0]), (Some("application/json"), b'{'));
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert_eq!(answer.header("pragma"), Some("no-cache"));
}

#[tokio::test]
async fn expires_in_is_an_integer_of_seconds_and_true_to_the_token_ok_03_ab_07() {
    let clock = ManualClock::new();
    let store = MemoryAccessTokens::new().with_clock(clock.clone());
    let tokens = Arc::new(OpaqueIssuer::new(store).with_clock(clock.clone()));
    let layer = builder(&Probe::default())
        .issuer(Arc::clone(&tokens))
        .clock(clock.clone())
        .access_token_lifetime(Duration::from_millis(90_900))
        .build()
        .unwrap();
    let answer = send(&layer, token_request(AUTH, PW)).await;
    let json = answer.assert_ok();
    assert!(std::str::from_utf8(&answer.body).unwrap().contains("\"expires_in\":90,"));
    let record = tokens.verify(json["access_token"].as_str().unwrap()).await.unwrap().unwrap();
    let lives = record.expires().duration_since(clock.now()).unwrap();
    assert!(lives.abs_diff(Duration::from_secs(90)) <= Duration::from_secs(1));
    assert_eq!(record.subject_id(), "user-alice");
    assert_eq!(record.client().as_str(), "conf");
    assert_eq!(record.scope().as_str(), "read");
    clock.advance(Duration::from_secs(91));
    assert!(tokens.verify(json["access_token"].as_str().unwrap()).await.unwrap().is_none());
}

#[test]
fn a_lifetime_below_a_second_is_refused_at_build_ok_03() {
    let built = builder(&Probe::default()).access_token_lifetime(Duration::from_millis(999)).build();
    assert!(matches!(built, Err(ConfigError::Lifetime(_))));
}

#[tokio::test]
async fn absent_members_are_left_out_and_a_refresh_token_of_the_issuer_is_sent_ok_04() {
    let json = send(&issuing(|token| Ok(bearer(token))), token_request(AUTH, PW)).await.assert_ok();
    assert!(json.get("refresh_token").is_none());
    let layer = issuing(|token| Ok(bearer(token).with_refresh_token(Token::new("rt_1".to_owned()))));
    let json = send(&layer, token_request(AUTH, PW)).await.assert_ok();
    assert_eq!(json["refresh_token"], "rt_1");
}

#[tokio::test]
async fn the_issuer_may_add_members_with_legal_names_but_not_replace_those_of_the_standard_ok_08_ab_08() {
    let layer = issuing(|token| bearer(token).with_extra("company_x", 7)?.with_extra("user.name-1", "zo\u{eb}"));
    let json = send(&layer, token_request(AUTH, PW)).await.assert_ok();
    assert_eq!((&json["company_x"], &json["user.name-1"]), (&7.into(), &"zo\u{eb}".into()));
    let tokens = || bearer(Token::new("t".to_owned()));
    let not_json = std::collections::HashMap::from([((1, 2), 3)]);
    assert_eq!(tokens().with_extra("map", not_json).unwrap_err(), MemberError::NotJson);
    assert_eq!(tokens().with_extra("access_token", "x").unwrap_err(), MemberError::Reserved);
    for name in ["x y", "", "x\"", "\u{e9}"] {
        assert_eq!(tokens().with_extra(name, "x").unwrap_err(), MemberError::Name, "{name}");
    }
}

#[tokio::test]
async fn an_opaque_token_has_at_most_64_bytes_ok_09_se_01() {
    let fixture = Fixture::new();
    let mut seen = HashSet::new();
    for _ in 0..500 {
        let json = fixture.token(AUTH, PW).await.assert_ok();
        let token = json["access_token"].as_str().unwrap().to_owned();
        assert!(token.len() <= 64);
        let random = token.strip_prefix("at_").unwrap();
        // 43 characters of base64url carry 256 bits.
        assert_eq!(random.len(), 43);
        assert!(random.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_'));
        assert!(seen.insert(token));
    }
}

#[tokio::test]
async fn accept_does_not_change_the_format_ok_10() {
    let fixture = Fixture::new();
    for accept in ["text/html", "application/xml;q=0.9", "*/*;q=0", "application/x-www-form-urlencoded"] {
        let headers = [AUTH[0], ("accept", accept)];
        fixture.token(&headers, PW).await.assert_ok();
        fixture.token(&headers, "").await.assert_error(400, "invalid_request");
    }
}

#[derive(Clone, Default)]
struct Store(Arc<Mutex<Vec<String>>>);

#[async_trait]
impl AccessTokenStore for Store {
    async fn insert(&self, digest: SecretDigest, record: AccessTokenRecord) -> Result<(), BackendError> {
        self.0.lock().unwrap().push(format!("{:?} {digest:?} {record:?}", digest.as_bytes()));
        Ok(())
    }
    async fn find(&self, _: &SecretDigest) -> Result<Option<AccessTokenRecord>, BackendError> {
        Ok(None)
    }
    async fn revoke(&self, _: &SecretDigest) -> Result<bool, BackendError> {
        Ok(false)
    }
    async fn revoke_family(&self, _: FamilyId) -> Result<u64, BackendError> {
        Ok(0)
    }
    async fn revoke_subject(&self, _: Option<&str>, _: &str) -> Result<u64, BackendError> {
        Ok(0)
    }
}

#[tokio::test]
async fn the_store_gets_a_digest_never_the_token_se_02() {
    let store = Store::default();
    let layer = builder(&Probe::default()).issuer(OpaqueIssuer::new(store.clone())).build().unwrap();
    let json = send(&layer, token_request(AUTH, PW)).await.assert_ok();
    let token = json["access_token"].as_str().unwrap();
    let digest = format!("{:?}", SecretDigest::of(token).as_bytes());
    let seen = store.0.lock().unwrap().join("\n");
    assert!(
        seen.contains(&digest) && !seen.contains(token) && !seen.contains(token.strip_prefix("at_").unwrap()),
        "{seen}"
    );
}

#[tokio::test]
async fn a_store_that_fails_gives_no_token_er_13_se_02() {
    fn down<T>() -> Result<T, BackendError> {
        Err(BackendError::unavailable("the disk is full"))
    }
    struct Down;
    #[async_trait]
    impl AccessTokenStore for Down {
        async fn insert(&self, _: SecretDigest, _: AccessTokenRecord) -> Result<(), BackendError> {
            down()
        }
        async fn find(&self, _: &SecretDigest) -> Result<Option<AccessTokenRecord>, BackendError> {
            down()
        }
        async fn revoke(&self, _: &SecretDigest) -> Result<bool, BackendError> {
            down()
        }
        async fn revoke_family(&self, _: FamilyId) -> Result<u64, BackendError> {
            down()
        }
        async fn revoke_subject(&self, _: Option<&str>, _: &str) -> Result<u64, BackendError> {
            down()
        }
    }
    let layer = builder(&Probe::default()).issuer(OpaqueIssuer::new(Down)).build().unwrap();
    send(&layer, token_request(AUTH, PW)).await.assert_error(503, "temporarily_unavailable");
}

#[tokio::test]
async fn token_types_are_registered_names_or_absolute_uris_se_06_ok_02() {
    let tokens = || bearer(Token::new("t".to_owned()));
    for bad in ["a b", "", "\u{e9}", "x\"y", "a/b"] {
        assert_eq!(tokens().with_token_type(bad).unwrap_err(), MemberError::TokenType, "{bad}");
    }
    for good in ["N_A", "https://as.example/card", "urn:example:card"] {
        let layer = issuing(move |token| bearer(token).with_token_type(good));
        let answer = send(&layer, token_request(AUTH, PW)).await;
        assert_eq!((answer.status.as_u16(), &answer.json()["token_type"]), (200, &good.into()));
    }
}

#[tokio::test]
async fn bearer_tokens_live_an_hour_or_less_by_default_se_07() {
    let json = Fixture::new().token(AUTH, PW).await.assert_ok();
    assert!(json["expires_in"].as_u64().unwrap() <= 3600);
}

#[tokio::test]
async fn a_token_that_fits_no_header_is_never_sent_ab_05() {
    for bad in ["a b", "\u{e9}", "", "a\"b", "a,b", "=a", "a\nb"] {
        let layer = issuing(move |_| Ok(bearer(Token::new(bad.to_owned()))));
        let answer = send(&layer, token_request(AUTH, PW)).await;
        answer.assert_error(500, "server_error");
        let layer = issuing(move |token| {
            Ok(bearer(token).with_refresh_token(Token::new(if bad.is_ascii() { "\u{7f}" } else { bad }.to_owned())))
        });
        send(&layer, token_request(AUTH, PW)).await.assert_error(500, "server_error");
    }
    // Other token types may use all visible characters.
    let layer = issuing(|_| bearer(Token::new("a b\"c".to_owned())).with_token_type("N_A"));
    assert_eq!(send(&layer, token_request(AUTH, &pw("scope=read"))).await.status, 200);
}
