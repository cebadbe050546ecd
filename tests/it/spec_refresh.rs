//! Refresh tokens (RFC 6749 section 6, RFC 9700 section 4.14.2).

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;
use tower_password_grant::audit::Reason;
use tower_password_grant::store::MemoryRefreshTokens;
use tower_password_grant::token::RefreshTokens;
use tower_password_grant::{Client, ConfigError, Denial};

use crate::support::refresh_token::stray_refresh_token;
use crate::support::tokens::{Tokens, clients, confidential, text};
use crate::support::{self, Answer, basic, spawn};

const DAY: Duration = Duration::from_secs(24 * 3600);

#[tokio::test]
pub async fn the_refresh_token_is_required_rf_01() {
    let tokens = Tokens::new();
    for more in ["", "&refresh_token=", "&refresh_token", "&scope=read"] {
        let answer = tokens.post("/oauth/token", "conf", &format!("grant_type=refresh_token{more}")).await;
        answer.assert_error(400, "invalid_request");
    }
    let login = tokens.login("conf").await;
    let twice = format!("grant_type=refresh_token&refresh_token={0}&refresh_token={0}", login.refresh);
    tokens.post("/oauth/token", "conf", &twice).await.assert_error(400, "invalid_request");
    tokens.renewed("conf", &login.refresh).await;
}

#[tokio::test]
pub async fn unknown_expired_revoked_spent_foreign_and_garbage_tokens_get_one_and_the_same_answer_rf_02() {
    let tokens = Tokens::new();
    let (expired, spent) = (tokens.login("conf").await, tokens.login("conf").await);
    tokens.renewed("conf", &spent.refresh).await;
    tokens.clock.advance(DAY * 14);
    let (revoked, disabled) = (tokens.login("conf").await, tokens.login("conf").await);
    let (foreign, changed) = (tokens.login("conf2").await, tokens.login("conf").await);
    tokens.revoke("conf", &revoked.refresh).await.assert_empty_ok();
    let mut answers: Vec<Answer> = Vec::new();
    let unknown = stray_refresh_token(0);
    for token in [&unknown, "garbage", &expired.refresh, &spent.refresh, &revoked.refresh, &foreign.refresh] {
        answers.push(tokens.refresh("conf", token).await);
    }
    tokens.users.change("user-alice", |account| account.denial = Some(Denial::Disabled));
    answers.push(tokens.refresh("conf", &disabled.refresh).await);
    tokens.users.change("user-alice", |account| {
        account.denial = None;
        account.version = "2".to_owned();
    });
    answers.push(tokens.refresh("conf", &changed.refresh).await);
    for answer in &answers {
        answer.assert_error(400, "invalid_grant");
        assert_eq!((&answer.headers, &answer.body), (&answers[0].headers, &answers[0].body));
    }
    for reason in [
        Reason::UnknownRefreshToken,
        Reason::RefreshTokenExpired,
        Reason::RefreshTokenEnded,
        Reason::ForeignToken,
        Reason::Disabled,
        Reason::CredentialsChanged,
    ] {
        assert!(tokens.count(reason) >= 1, "{reason}");
    }
}

#[tokio::test]
pub async fn only_the_client_it_was_issued_to_may_use_it_and_it_survives_another_ones_try_rf_03_t62_se_03() {
    let tokens = Tokens::new();
    for (own, others) in [("conf", ["conf2", "pub"]), ("pub", ["pub2", "conf"])] {
        let login = tokens.login(own).await;
        for other in others {
            tokens.refresh(other, &login.refresh).await.assert_error(400, "invalid_grant");
            assert_eq!(tokens.reason(), Some(Reason::ForeignToken));
        }
        let next = tokens.renewed(own, &login.refresh).await;
        // Nor does an old one of another client end that client's login.
        tokens.pass_leeway();
        tokens.refresh(others[0], &login.refresh).await.assert_error(400, "invalid_grant");
        tokens.renewed(own, &next.refresh).await;
    }
    assert_eq!(tokens.count(Reason::RefreshTokenReplayed), 0);
}

#[tokio::test]
pub async fn confidential_clients_authenticate_and_a_failed_try_does_not_use_the_token_up_rf_04() {
    let tokens = Tokens::new();
    let login = tokens.login("conf").await;
    let form = format!("grant_type=refresh_token&refresh_token={}", login.refresh);
    let answer = tokens.send("POST", "/oauth/token", &[], &format!("{form}&client_id=conf")).await;
    answer.assert_error(400, "invalid_client");
    let wrong = basic("conf", "wrong");
    tokens.send("POST", "/oauth/token", &[("authorization", &wrong)], &form).await.assert_error(401, "invalid_client");
    assert!(tokens.is_active(&login.refresh).await);
    tokens.renewed("conf", &login.refresh).await;
    assert_eq!(tokens.count(Reason::RefreshTokenReplayed), 0);
}

#[tokio::test]
pub async fn public_clients_name_themselves_rf_05() {
    let tokens = Tokens::new();
    let login = tokens.login("pub").await;
    let form = format!("grant_type=refresh_token&refresh_token={}", login.refresh);
    tokens.send("POST", "/oauth/token", &[], &form).await.assert_error(401, "invalid_client");
    tokens.renewed("pub", &login.refresh).await;
}

#[tokio::test]
async fn a_refresh_may_narrow_its_access_token_and_nothing_else_rf_06_rf_07_rf_08() {
    let tokens = Tokens::new();
    let login = tokens.login("conf").await;
    let narrowed = tokens.refresh_with("conf", &login.refresh, "&scope=read").await.assert_ok();
    assert_eq!(narrowed["scope"], "read");
    assert_eq!(tokens.introspect("conf", &text(&narrowed, "access_token")).await["scope"], "read");
    // RF-08: the token itself keeps the scope of the login.
    let refresh = text(&narrowed, "refresh_token");
    assert_eq!(tokens.introspect("conf", &refresh).await["scope"], "read write");
    // RF-07: and so does a refresh without a scope.
    let whole = tokens.refresh("conf", &refresh).await.assert_ok();
    assert_eq!(whole["scope"], "read write");
    assert_eq!(tokens.introspect("conf", &text(&whole, "access_token")).await["scope"], "read write");
}

#[tokio::test]
async fn anything_beyond_the_original_grant_is_refused_and_does_not_use_the_token_up_rf_09_bc_07_t65() {
    let tokens = Tokens::new();
    let login = tokens.login("conf").await;
    // The client is registered for `admin`, but this login did not get it.
    for scope in ["read+admin", "admin", "read+write+admin", "unknown", "READ"] {
        let answer = tokens.refresh_with("conf", &login.refresh, &format!("&scope={scope}")).await;
        answer.assert_error(400, "invalid_scope");
        assert_eq!(tokens.reason(), Some(Reason::ScopeNotGranted));
    }
    for scope in ["read++write", "%22", "read%0a"] {
        let answer = tokens.refresh_with("conf", &login.refresh, &format!("&scope={scope}")).await;
        assert_eq!(answer.status, 400, "{answer:?}");
    }
    let next = tokens.refresh("conf", &login.refresh).await.assert_ok();
    assert_eq!(next["scope"], "read write");
    assert_eq!(tokens.count(Reason::RefreshTokenReplayed), 0);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_chain_of_refreshes_gives_more_than_the_login_gave_t65(
        granted in 1_u8..8,
        steps in proptest::collection::vec((0_u8..16, 0_u8..16), 1..12),
    ) {
        const NAMES: [&str; 4] = ["read", "write", "admin", "other"];
        let words = |set: u8| (0..4).filter(|bit| set >> bit & 1 == 1).map(|bit| NAMES[bit]).collect::<Vec<_>>();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            let tokens = Tokens::new();
            let login = tokens.login_with("conf", &format!("&scope={}", words(granted).join("+"))).await.assert_ok();
            let mut refresh = text(&login, "refresh_token");
            for (asked, allowed) in steps {
                // What the user may have changes, too.
                tokens.users.change("user-alice", |account| account.scope = Some(words(allowed).join(" ")).filter(|scope| !scope.is_empty()));
                let more = if asked == 0 { String::new() } else { format!("&scope={}", words(asked).join("+")) };
                let answer = tokens.refresh_with("conf", &refresh, &more).await;
                if answer.status != 200 {
                    answer.assert_error(400, "invalid_scope");
                    let limit = if allowed == 0 { 15 } else { allowed };
                    let wanted = if asked == 0 { granted } else { asked };
                    assert!(wanted & !granted != 0 || wanted & limit == 0, "{answer:?}");
                    continue;
                }
                let json = answer.assert_ok();
                let given: BTreeSet<String> = text(&json, "scope").split(' ').map(str::to_owned).collect();
                let shown = tokens.introspect("conf", &text(&json, "access_token")).await;
                let shown: BTreeSet<String> = text(&shown, "scope").split(' ').map(str::to_owned).collect();
                assert_eq!(given, shown);
                let most: BTreeSet<String> = words(granted).into_iter().map(str::to_owned).collect();
                assert!(given.is_subset(&most), "{given:?} of {most:?}");
                refresh = text(&json, "refresh_token");
            }
        });
    }
}

#[tokio::test]
pub async fn a_login_gives_a_refresh_token_and_each_use_gives_the_next_rf_10() {
    for client in ["pub", "conf"] {
        let tokens = Tokens::new();
        let login = tokens.login(client).await;
        let next = tokens.renewed(client, &login.refresh).await;
        assert_ne!(next.refresh, login.refresh);
        assert_ne!(next.access, login.access);
        tokens.clock.advance_secs(11);
        tokens.refresh(client, &login.refresh).await.assert_error(400, "invalid_grant");
        tokens.refresh(client, &next.refresh).await.assert_error(400, "invalid_grant");
    }
}

#[tokio::test]
pub async fn a_spent_token_ends_the_whole_login_and_the_host_is_told_once_rf_11_t55() {
    let told = Arc::new(std::sync::Mutex::new(Vec::new()));
    let hear = Arc::clone(&told);
    let tokens = Tokens::with(clients(), |builder| {
        builder.audit(move |event: &tower_password_grant::audit::AuditEvent<'_>| {
            if let tower_password_grant::audit::AuditOutcome::Refused { reason: Reason::RefreshTokenReplayed, .. } =
                event.outcome
            {
                let family = event.family.expect("the event names the family");
                hear.lock().unwrap().push((family.id(), family.subject_id().to_owned(), event.client.cloned()));
            }
        })
    });
    let (first, other) = (tokens.login("conf").await, tokens.login("conf").await);
    let mut chain = vec![first];
    for _ in 0..5 {
        chain.push(tokens.renewed("conf", &chain[chain.len() - 1].refresh).await);
    }
    for login in &chain {
        assert!(tokens.is_active(&login.access).await);
    }
    // Within the leeway: it is about the predecessor only, and this one is older.
    tokens.refresh("conf", &chain[2].refresh).await.assert_error(400, "invalid_grant");
    for login in &chain {
        assert!(!tokens.is_active(&login.access).await, "an access token outlived its login");
        tokens.refresh("conf", &login.refresh).await.assert_error(400, "invalid_grant");
    }
    {
        let told = told.lock().unwrap();
        assert_eq!(told.len(), 1, "{told:?}");
        assert_eq!(told[0].1, "user-alice");
        assert_eq!(told[0].2.as_ref().unwrap().as_str(), "conf");
    }
    // Another login of the same user is another family.
    assert!(tokens.is_active(&other.access).await);
    tokens.renewed("conf", &other.refresh).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_parallel_uses_without_leeway_exactly_one_succeeds_rf_12_t56() {
    for _ in 0..20 {
        let tokens = Arc::new(Tokens::refreshing(clients(), |refresh| refresh.leeway(Duration::ZERO)));
        let login = tokens.login("pub").await;
        let tasks: Vec<_> = (0..20)
            .map(|_| {
                let (tokens, token) = (Arc::clone(&tokens), login.refresh.clone());
                spawn(async move { tokens.refresh("pub", &token).await.status.as_u16() })
            })
            .collect();
        let mut answers = Vec::new();
        for task in tasks {
            answers.push(task.await.unwrap());
        }
        assert_eq!(answers.iter().filter(|status| **status == 200).count(), 1, "{answers:?}");
        assert!(answers.iter().all(|status| [200, 400].contains(status)));
        assert_eq!(tokens.count(Reason::RefreshTokenReplayed), 1);
    }
}

#[tokio::test]
pub async fn a_lost_answer_is_given_again_while_its_successor_is_unused_rf_13_t58_t59() {
    let tokens = Tokens::new();
    let login = tokens.login("pub").await;
    let next = tokens.renewed("pub", &login.refresh).await;
    for _ in 0..5 {
        tokens.clock.advance_secs(2);
        let again = tokens.renewed("pub", &login.refresh).await;
        assert_eq!(again.refresh, next.refresh, "there is one live token and no other");
        assert_ne!(again.access, next.access);
    }
    // The window counts from the first use: a repeat does not prolong it.
    tokens.clock.advance_secs(1);
    tokens.refresh("pub", &login.refresh).await.assert_error(400, "invalid_grant");
    assert_eq!(tokens.reason(), Some(Reason::RefreshTokenReplayed));
    tokens.refresh("pub", &next.refresh).await.assert_error(400, "invalid_grant");

    // The successor's first use closes it.
    let login = tokens.login("pub").await;
    let next = tokens.renewed("pub", &login.refresh).await;
    let last = tokens.renewed("pub", &next.refresh).await;
    tokens.refresh("pub", &login.refresh).await.assert_error(400, "invalid_grant");
    assert_eq!(tokens.reason(), Some(Reason::RefreshTokenReplayed));
    tokens.refresh("pub", &last.refresh).await.assert_error(400, "invalid_grant");
}

#[tokio::test]
pub async fn the_leeway_is_the_clients_or_the_endpoints_and_at_most_a_minute_d_27() {
    let tokens = Tokens::refreshing(clients(), |refresh| refresh.leeway(Duration::ZERO));
    let login = tokens.login("pub").await;
    tokens.renewed("pub", &login.refresh).await;
    tokens.refresh("pub", &login.refresh).await.assert_error(400, "invalid_grant");

    let tokens = Tokens::with(confidential(|client| client.refresh_token_leeway(Duration::from_secs(60))), |b| b);
    let login = tokens.login("conf").await;
    let next = tokens.renewed("conf", &login.refresh).await;
    tokens.clock.advance_secs(60);
    assert_eq!(tokens.renewed("conf", &login.refresh).await.refresh, next.refresh);

    let long = Client::public("x").allow_refresh_tokens().refresh_token_leeway(Duration::from_secs(61)).build();
    assert!(long.is_err());
    let long = RefreshTokens::in_store(MemoryRefreshTokens::new()).leeway(Duration::from_secs(61));
    let long = support::builder(&support::Probe::default()).refresh_tokens(long);
    assert!(matches!(long.build(), Err(ConfigError::Leeway(_))));
}

#[tokio::test]
pub async fn a_refresh_token_ends_when_it_is_idle_and_at_an_end_that_no_rotation_moves_rf_14() {
    let default = (DAY * 30, DAY * 14);
    let short = (Duration::from_secs(3000), Duration::from_secs(1000));
    let cases = [
        (Tokens::new(), default),
        (Tokens::refreshing(clients(), |refresh| refresh.lifetime(short.0).idle_lifetime(short.1)), short),
        (
            Tokens::with(
                confidential(|client| client.refresh_token_lifetime(short.0).refresh_token_idle_lifetime(short.1)),
                |builder| builder,
            ),
            short,
        ),
    ];
    for (tokens, (lifetime, idle)) in cases {
        let second = Duration::from_secs(1);
        let login = tokens.login("conf").await;
        tokens.clock.advance(idle - second);
        assert!(tokens.is_active(&login.refresh).await);
        let next = tokens.renewed("conf", &login.refresh).await;
        tokens.clock.advance(idle);
        assert!(!tokens.is_active(&next.refresh).await);
        tokens.refresh("conf", &next.refresh).await.assert_error(400, "invalid_grant");
        assert_eq!(tokens.reason(), Some(Reason::RefreshTokenExpired));

        let mut login = tokens.login("conf").await;
        let step = idle / 2;
        let mut age = Duration::ZERO;
        while age + step < lifetime {
            tokens.clock.advance(step);
            age += step;
            login = tokens.renewed("conf", &login.refresh).await;
        }
        tokens.clock.advance(lifetime - age);
        tokens.refresh("conf", &login.refresh).await.assert_error(400, "invalid_grant");
        assert_eq!(tokens.reason(), Some(Reason::RefreshTokenExpired));
    }
}

#[tokio::test]
pub async fn a_client_that_is_not_registered_for_it_is_told_so_rf_16() {
    let tokens = Tokens::new();
    let login = tokens.login("conf").await;
    tokens.refresh("svc", &login.refresh).await.assert_error(400, "unauthorized_client");
    tokens.refresh("rs", &login.refresh).await.assert_error(400, "unauthorized_client");
    tokens.renewed("conf", &login.refresh).await;
}

#[tokio::test]
pub async fn who_was_authenticated_and_when_does_not_change_rf_18() {
    let tokens = Tokens::new();
    let login = tokens.login("conf").await;
    let before = tokens.introspect("conf", &login.access).await;
    tokens.clock.advance_secs(1000);
    let next = tokens.renewed("conf", &login.refresh).await;
    let after = tokens.introspect("conf", &next.access).await;
    for name in ["sub", "auth_time", "client_id", "scope", "aud"] {
        assert_eq!(before[name], after[name], "{name}");
    }
    assert_eq!(after["iat"].as_u64().unwrap(), before["iat"].as_u64().unwrap() + 1000);
    let shown = tokens.introspect("conf", &next.refresh).await;
    assert_eq!((&shown["auth_time"], &shown["sub"]), (&before["auth_time"], &before["sub"]));
}

#[cfg(feature = "jwt")]
#[tokio::test]
async fn the_claims_of_subject_and_time_do_not_change_in_jwts_rf_18() {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use tower_password_grant::jwt::{JwtIssuer, KeySet, SigningAlgorithm, SigningKey};
    let clock = support::ManualClock::new();
    let keys = KeySet::new(SigningKey::generate(SigningAlgorithm::Es256).unwrap());
    let issuer = JwtIssuer::new("https://as.example", ["https://api.example"], keys).unwrap();
    let issuer = issuer.with_clock(clock.clone());
    let layer = tower_password_grant::PasswordGrant::builder()
        .clients(tower_password_grant::StaticClients::new(clients()).unwrap())
        .verifier(support::tokens::Users::new())
        .issuer(issuer)
        .refresh_tokens(RefreshTokens::in_store(MemoryRefreshTokens::new()))
        .clock(clock.clone())
        .peer_address(tower_password_grant::PeerAddress::socket_addr())
        .build()
        .unwrap();
    let claims = |json: &serde_json::Value| -> serde_json::Value {
        let token = text(json, "access_token");
        let payload = token.split('.').nth(1).unwrap();
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap()
    };
    let header = basic("conf", "conf-pw");
    let post = |form: String| support::send(&layer, support::token_request(&[("authorization", &header)], &form));
    let login = post(support::PW.to_owned()).await.assert_ok();
    clock.advance_secs(1000);
    let form = format!("grant_type=refresh_token&refresh_token={}", text(&login, "refresh_token"));
    let next = post(form).await.assert_ok();
    let (before, after) = (claims(&login), claims(&next));
    for name in ["sub", "auth_time", "client_id", "aud", "iss", "scope", "amr", "acr"] {
        assert_eq!(before.get(name), after.get(name), "{name}");
    }
    assert_eq!(after["iat"].as_u64().unwrap(), before["iat"].as_u64().unwrap() + 1000);
}

#[tokio::test]
pub async fn user_name_and_password_are_ignored_rf_19() {
    let tokens = Tokens::new();
    let login = tokens.login("conf").await;
    let before = tokens.users.calls.lock().unwrap().0;
    tokens.refresh_with("conf", &login.refresh, "&username=zz&password=zz").await.assert_ok();
    assert_eq!(tokens.users.calls.lock().unwrap().0, before);
}

#[tokio::test]
pub async fn a_token_with_any_changed_byte_is_unknown_and_ends_nothing_rf_20_t64() {
    let tokens = Tokens::new();
    let login = tokens.login("conf").await;
    let token = login.refresh.as_str();
    let mut forged: Vec<String> = Vec::new();
    for place in 0..token.len() {
        for other in ["A", "B", "-", "_", "=", "%2B", "%20", "%00", "%C3%A9"] {
            let text = format!("{}{other}{}", &token[..place], &token[place + 1..]);
            forged.push(text);
        }
        forged.push(token[..place].to_owned());
        forged.push(token[place..].to_owned());
    }
    forged.extend(["=", "A", ".", "%20", "%0a"].map(|more| format!("{token}{more}")));
    forged.extend([token.to_uppercase(), token.to_lowercase(), format!("%20{token}"), format!("{token}{token}")]);
    forged.retain(|text| text != token && !text.is_empty());
    for text in forged {
        tokens.refresh("conf", &text).await.assert_error(400, "invalid_grant");
    }
    assert!(tokens.is_active(&login.access).await);
    tokens.renewed("conf", token).await;
}

#[tokio::test]
pub async fn an_answer_that_took_longer_than_the_leeway_may_be_lost_too_rf_13_t59() {
    let tokens = Tokens::new();
    let login = tokens.login("pub").await;
    *tokens.users.slowness.lock().unwrap() = Some((tokens.clock.clone(), Duration::from_secs(25)));
    let lost = tokens.refresh("pub", &login.refresh).await.assert_ok();
    // The client gave up meanwhile and comes again at once; the repeat takes as long.
    let again = tokens.refresh("pub", &login.refresh).await.assert_ok();
    assert_eq!(lost["refresh_token"], again["refresh_token"]);
    *tokens.users.slowness.lock().unwrap() = None;
    tokens.refresh("pub", &login.refresh).await.assert_error(400, "invalid_grant");
    assert_eq!(tokens.reason(), Some(Reason::RefreshTokenReplayed), "the window has passed since the first use");
}
