//! What holds for tokens of every kind (RFC 6749 section 10): which clients get them, how long they live, what they look like, where they
//! are worth something.

use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use tower_password_grant::MaybeFuture;
use tower_password_grant::audit::Reason;
use tower_password_grant::bearer::AccessTokenVerifier as _;
use tower_password_grant::client::{ClientBuilder, ClientError};
use tower_password_grant::store::{
    FamilyId, MemoryAccessTokens, MemoryRefreshTokens, NewFamily, RefreshTokenStore, Rotation, StoredFamily,
};
use tower_password_grant::token::RefreshTokens;
use tower_password_grant::{BackendError, Client};

use crate::support::refresh_token::{kept_digest, stray_refresh_token};
use crate::support::tokens::{Login, Tokens, clients, confidential, text};
use crate::support::{self, basic, digest};

const DAY: Duration = Duration::from_secs(24 * 3600);

#[tokio::test]
async fn refresh_tokens_are_distinct_base64url_of_256_bits_behind_their_prefix_se_01() {
    let tokens = Tokens::new();
    let mut seen = HashSet::new();
    for _ in 0..20 {
        let mut login = tokens.login("conf").await;
        for _ in 0..100 {
            // A refresh token has 20 bytes more that say where it is kept, and 2 that group users.
            for (token, prefix, length) in [(&login.refresh, "rt_", 72), (&login.access, "at_", 43)] {
                let rest = token.strip_prefix(prefix).unwrap();
                assert_eq!(rest.len(), length, "32 bytes in base64url, and 54");
                assert!(rest.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_'));
                assert!(seen.insert(token.clone()));
            }
            tokens.clock.advance_secs(1);
            login = tokens.renewed("conf", &login.refresh).await;
        }
    }
}

#[tokio::test]
async fn the_store_gets_digests_and_salts_from_which_no_token_follows_se_02_t69() {
    let (tokens, store) = counted();
    let mut login = tokens.login("conf").await;
    let mut sent = vec![login.clone()];
    for _ in 0..5 {
        login = tokens.renewed("conf", &login.refresh).await;
        sent.push(login.clone());
    }
    tokens.revoke("conf", &login.refresh).await.assert_empty_ok();
    let seen = store.seen.lock().unwrap();
    let holds = |kept: &[Vec<u8>], part: &[u8]| kept.iter().any(|bytes| bytes.windows(part.len()).any(|w| w == part));
    for Login { access, refresh } in &sent {
        for token in [access, refresh] {
            let bare = &token[3..];
            assert!(!seen.text.contains(bare), "{}", seen.text);
            use base64::Engine as _;
            let raw = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(bare).unwrap();
            // Neither the whole nor the selector or secret, nor any 8 bytes of them.
            let secrets = if raw.len() == 54 { &raw[2..50] } else { &raw };
            assert!(!secrets.windows(8).any(|part| holds(&seen.bytes, part)));
        }
        assert!(holds(&seen.bytes, kept_digest(refresh).as_bytes()));
    }
}

#[tokio::test]
async fn control_characters_reach_no_trait_se_04() {
    let (tokens, store) = counted();
    for bad in ["%00", "%0A", "%0D", "%0D%0Ax%3A+y"] {
        for form in [
            format!("grant_type=refresh_token&refresh_token=rt_{bad}"),
            format!("grant_type=refresh_token&refresh_token={}{bad}", stray_refresh_token(1)),
            format!("grant_type=refresh_token&refresh_token={}&scope=read{bad}", stray_refresh_token(1)),
        ] {
            let answer = tokens.post("/oauth/token", "conf", &form).await;
            assert_eq!(answer.status, 400, "{form}");
        }
        for path in ["/oauth/revoke", "/oauth/introspect"] {
            let form = format!("token={}{bad}", stray_refresh_token(1));
            tokens.post(path, "conf", &form).await.assert_error(400, "invalid_request");
        }
    }
    // Only the well-formed token with the broken scope was looked up.
    assert_eq!(store.calls.load(SeqCst), 4);
    assert!(!store.seen.lock().unwrap().text.contains("\\n"));
}

#[tokio::test]
async fn access_tokens_live_an_hour_or_less_by_default_se_07() {
    let tokens = Tokens::new();
    let json = tokens.login_with("conf", "").await.assert_ok();
    assert!(json["expires_in"].as_u64().unwrap() <= 3600);
    let json = tokens.refresh("conf", &text(&json, "refresh_token")).await.assert_ok();
    assert!(json["expires_in"].as_u64().unwrap() <= 3600);
}

#[tokio::test]
async fn an_endpoint_without_refresh_tokens_does_not_serve_the_grant_bc_06() {
    let fixture = support::Fixture::new();
    let answer = fixture.token(support::AUTH, "grant_type=refresh_token&refresh_token=x").await;
    answer.assert_error(400, "unsupported_grant_type");
}

#[tokio::test]
async fn whether_a_client_gets_refresh_tokens_is_decided_for_each_client_bc_06_d_26() {
    let tokens = Tokens::new();
    for (client, gets) in [("conf", true), ("pub", true), ("svc", false)] {
        let json = tokens.login_with(client, "").await.assert_ok();
        assert_eq!(json.get("refresh_token").is_some(), gets, "{client}");
    }
}

#[test]
fn a_public_client_without_rotation_cannot_be_configured_bc_05() {
    let public = Client::public("pub").allow_password_grant().allow_refresh_tokens().reuse_refresh_tokens();
    assert!(matches!(public.build(), Err(ClientError::ReusedRefreshToken)));
    let confidential = Client::confidential("c", &digest("x")).allow_refresh_tokens().reuse_refresh_tokens();
    assert!(confidential.build().is_ok());
}

#[tokio::test]
async fn a_confidential_client_may_keep_its_refresh_token_bc_05() {
    let tokens = Tokens::with(confidential(ClientBuilder::reuse_refresh_tokens), |builder| builder);
    let login = tokens.login("conf").await;
    for _ in 0..5 {
        tokens.clock.advance(DAY * 5);
        let json = tokens.refresh("conf", &login.refresh).await.assert_ok();
        assert!(json.get("refresh_token").is_none(), "no new token: the old one stays (RFC 6749 section 6)");
    }
    tokens.revoke("conf", &login.refresh).await.assert_empty_ok();
    tokens.refresh("conf", &login.refresh).await.assert_error(400, "invalid_grant");
}

#[tokio::test]
async fn access_tokens_of_the_password_grant_can_have_a_lifetime_of_their_own_pw_13() {
    let refresh = RefreshTokens::in_store(MemoryRefreshTokens::new()).access_token_lifetime(Duration::from_secs(900));
    let tokens = Tokens::with(clients(), |builder| {
        builder.access_token_lifetime(Duration::from_secs(300)).refresh_tokens(refresh)
    });
    let json = tokens.login_with("conf", "").await.assert_ok();
    assert_eq!(json["expires_in"], 300);
    let json = tokens.refresh("conf", &text(&json, "refresh_token")).await.assert_ok();
    assert_eq!(json["expires_in"], 900);
    tokens.clock.advance_secs(899);
    assert!(tokens.is_active(&text(&json, "access_token")).await);
    tokens.clock.advance_secs(1);
    assert!(!tokens.is_active(&text(&json, "access_token")).await);
}

#[tokio::test]
async fn no_access_token_outlives_the_refresh_token_family_that_it_came_from() {
    let tokens = Tokens::refreshing(clients(), |refresh| refresh.lifetime(Duration::from_secs(600)));
    let login = tokens.login_with("conf", "").await.assert_ok();
    assert_eq!(login["expires_in"], 600);
    tokens.clock.advance(Duration::from_millis(500_500));
    let next = tokens.refresh("conf", &text(&login, "refresh_token")).await.assert_ok();
    assert_eq!(next["expires_in"], 99);
    tokens.clock.advance(Duration::from_millis(99_000));
    // Half a second is left, in which no token can be given that says how long it lives.
    tokens.refresh("conf", &text(&next, "refresh_token")).await.assert_error(400, "invalid_grant");
    assert_eq!(tokens.reason(), Some(Reason::RefreshTokenExpired));
    tokens.clock.advance(Duration::from_millis(500));
    for json in [&login, &next] {
        assert!(!tokens.is_active(&text(json, "access_token")).await);
    }
}

#[tokio::test]
async fn a_user_can_be_logged_out_everywhere_bc_08_ow_02() {
    let tokens = Tokens::new();
    let logins = [("conf", tokens.login("conf").await), ("pub", tokens.login("pub").await)];
    let bob = "grant_type=password&username=bob&password=correct+horse";
    let bob = tokens.post("/oauth/token", "conf", bob).await.assert_ok();
    let count = tokens.refresh_store.revoke_subject(None, "user-alice").await.unwrap();
    assert_eq!(count, 2);
    assert_eq!(tokens.access.store().revoke_subject(None, "user-alice").await.unwrap(), 2);
    for (client, login) in logins {
        tokens.refresh(client, &login.refresh).await.assert_error(400, "invalid_grant");
        assert!(!tokens.is_active(&login.access).await);
    }
    assert!(tokens.is_active(&text(&bob, "access_token")).await);
    tokens.renewed("conf", &text(&bob, "refresh_token")).await;
    assert_eq!(tokens.refresh_store.revoke_subject(Some("b"), "user-bob").await.unwrap(), 0);
}

#[tokio::test]
async fn tokens_of_any_kind_are_worth_nothing_at_the_doors_of_another_t63() {
    let tokens = Tokens::new();
    let login = tokens.login("conf").await;
    let other = tokens.login("pub").await;
    // An access token refreshes nothing.
    for token in [&login.access, &other.access] {
        tokens.refresh("conf", token).await.assert_error(400, "invalid_grant");
        assert_eq!(tokens.reason(), Some(Reason::UnknownRefreshToken));
    }
    // With another prefix neither kind is known as the other.
    let as_refresh = login.access.replacen("at_", "rt_", 1);
    tokens.refresh("conf", &as_refresh).await.assert_error(400, "invalid_grant");
    let as_access = login.refresh.replacen("rt_", "at_", 1);
    assert!(!tokens.is_active(&as_access).await);
    // What the guard and the introspection endpoint ask says that a refresh token is no access token.
    assert!(tokens.access.verify(&login.refresh).await.unwrap().is_none());
    assert!(tokens.access.verify(&login.access).await.unwrap().is_some());
    // Neither is a client's secret or a user's password.
    let bearer = format!("Bearer {}", login.access);
    let form = format!("grant_type=refresh_token&refresh_token={}", login.refresh);
    let answer = tokens.send("POST", "/oauth/token", &[("authorization", &bearer)], &form).await;
    answer.assert_error(401, "invalid_client");
    // Only a POST refreshes.
    let auth = basic("conf", "conf-pw");
    for method in ["GET", "HEAD", "PUT", "DELETE", "PATCH"] {
        for path in ["/oauth/token", "/oauth/revoke", "/oauth/introspect"] {
            let answer = tokens.send(method, path, &[("authorization", &auth)], &form).await;
            assert_eq!(answer.status, 405, "{method} {path}");
            assert_eq!(answer.header("allow"), Some("POST, OPTIONS"));
        }
    }
    let query = format!("/oauth/token?{form}");
    let answer = tokens.send("POST", &query, &[("authorization", &auth)], "grant_type=refresh_token").await;
    answer.assert_error(400, "invalid_request");
    tokens.renewed("conf", &login.refresh).await;
}

#[tokio::test]
async fn unknown_tokens_of_a_public_client_count_on_its_address_and_stale_ones_of_a_confidential_client_do_not() {
    let tokens = Tokens::new();
    let own = tokens.login("pub").await;
    let unknown = stray_refresh_token;
    // 300 is the budget of an address.
    for number in 0..400 {
        tokens.refresh("conf", &unknown(number)).await.assert_error(400, "invalid_grant");
    }
    let mut refused = None;
    for number in 0..400 {
        let answer = tokens.refresh("pub", &unknown(number)).await;
        if answer.status == 429 {
            answer.assert_error(429, "too_many_attempts");
            refused = Some(number);
            break;
        }
        answer.assert_error(400, "invalid_grant");
    }
    assert!(refused.is_some_and(|number| (250..=300).contains(&number)), "{refused:?}");
    assert_eq!(tokens.reason(), Some(Reason::AddressThrottled));
    // A token that is known works, whatever else its address does.
    tokens.renewed("pub", &own.refresh).await;
}

#[tokio::test]
async fn a_token_that_cannot_be_one_is_never_looked_up_ab_06() {
    let (tokens, store) = counted();
    let long = format!("rt_{}", "A".repeat(9000));
    // One letter of it is another.
    let mut garbled = stray_refresh_token(1);
    let last = if garbled.ends_with('A') { "B" } else { "A" };
    garbled.replace_range(74.., last);
    for token in ["%00", "rt_%00", "x", "rt_", "%F0%9F%98%80", "at_x", &long, &garbled] {
        tokens.refresh("conf", token).await.assert_error(400, "invalid_grant");
        for path in ["/oauth/revoke", "/oauth/introspect"] {
            let answer = tokens.post(path, "conf", &format!("token={token}")).await;
            assert_eq!(answer.status, if token.contains("%00") { 400 } else { 200 }, "{answer:?}");
        }
    }
    assert_eq!(store.calls.load(SeqCst), 0);
}

/// Counts the look-ups, and keeps all that it is given.
#[derive(Default)]
struct Counting {
    inner: MemoryRefreshTokens,
    calls: AtomicUsize,
    seen: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    text: String,
    bytes: Vec<Vec<u8>>,
}

impl Counting {
    fn see(&self, what: &dyn std::fmt::Debug, bytes: &[u8]) {
        let mut seen = self.seen.lock().unwrap();
        seen.text.push_str(&format!("{what:?}\n"));
        seen.bytes.push(bytes.to_vec());
    }
}

fn counted() -> (Tokens, Arc<Counting>) {
    let (store, clock) = (Arc::new(Counting::default()), support::ManualClock::new());
    let access = Arc::new(MemoryAccessTokens::new().with_clock(clock.clone()));
    (Tokens::over(clock, access, Arc::clone(&store) as Arc<dyn RefreshTokenStore>, clients(), |builder| builder), store)
}

#[async_trait]
impl RefreshTokenStore for Counting {
    async fn begin(&self, new: NewFamily) -> Result<Vec<FamilyId>, BackendError> {
        self.see(&new, &new.lineage.to_bytes());
        self.inner.begin(new).await
    }

    fn find(&self, family: FamilyId) -> MaybeFuture<'_, Result<Option<StoredFamily>, BackendError>> {
        MaybeFuture::new(async move {
            self.calls.fetch_add(1, SeqCst);
            self.see(&family, family.as_bytes());
            self.inner.find(family).await
        })
    }

    fn rotate(&self, rotation: Rotation) -> MaybeFuture<'_, Result<bool, BackendError>> {
        MaybeFuture::new(async move {
            self.calls.fetch_add(1, SeqCst);
            self.see(&rotation, &rotation.lineage.as_ref().unwrap().to_bytes());
            self.inner.rotate(rotation).await
        })
    }

    async fn revoke_family(&self, family: FamilyId) -> Result<bool, BackendError> {
        self.inner.revoke_family(family).await
    }

    async fn revoke_subject(&self, realm: Option<&str>, subject: &str) -> Result<u64, BackendError> {
        self.inner.revoke_subject(realm, subject).await
    }
}
