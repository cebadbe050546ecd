//! How the user of a token was authenticated, from the verdict to the API behind the guard (RFC 8176, RFC 9068 section 2.2.1,
//! RFC 9470): section 24 of the checklist.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use tower_password_grant::bearer::BearerGuard;
use tower_password_grant::rules::{LoginEvent, Ruling, rule_fn};
use tower_password_grant::store::AccessTokenRecord;
use tower_password_grant::token::{AuthenticationMethod as Method, AuthenticationMethods as Methods};
use tower_password_grant::{BackendError, Client, Denial, Subject, Verdict, issue_fn, verify_fn};

use crate::support::bearer::{self, AUDIENCE, record};
use crate::support::guards::{ask, call, guard, remote_guard};
use crate::support::tokens::{Login, Tokens, clients, text};
use crate::support::vouched::{VOUCHED, Vouched, by};
use crate::support::{AUTH, PW, Probe, builder, digest, send, token_request};

/// What `acr` has of a second factor.
const MULTI_FACTOR: &str = "http://schemas.openid.net/pape/policies/2007/06/multi-factor";

/// An endpoint whose client `conf` has a grant that says how users were authenticated, and what its rules see of that.
fn vouching() -> (Tokens, Arc<Mutex<Vec<Methods>>>) {
    let seen = Arc::<Mutex<Vec<Methods>>>::default();
    let rule = {
        let seen = Arc::clone(&seen);
        rule_fn("watching", move |login: LoginEvent| {
            seen.lock().unwrap().push(login.methods());
            async { Ok(Ruling::proceed()) }
        })
    };
    let conf = Client::confidential("conf", &digest("conf-pw")).allow_password_grant().allow_refresh_tokens();
    let conf = conf.scopes("read write admin").default_scope("read write").allow_introspection().allow_grant(VOUCHED);
    let others = clients().into_iter().filter(|client| client.id().as_str() != "conf");
    let clients = others.chain([conf.build().unwrap()]).collect();
    (Tokens::with(clients, |builder| builder.extension_grant(Vouched).rule(rule)), seen)
}

/// A login of alice by these methods.
async fn login(tokens: &Tokens, methods: &str) -> Login {
    Login::of(&tokens.post("/oauth/token", "conf", &by(methods)).await.assert_ok())
}

#[tokio::test]
async fn rules_see_what_a_verdict_says_of_the_methods_and_the_password_by_itself() {
    let (tokens, seen) = vouching();
    tokens.login("conf").await;
    login(&tokens, "otp+sms").await;
    login(&tokens, "unknown").await;
    let otp_and_sms = Methods::NONE.with(Method::Otp).with(Method::Sms);
    assert_eq!(*seen.lock().unwrap(), [Methods::NONE.with(Method::Password), otp_and_sms, Methods::NONE]);

    // A verifier that looks at a code beside the password says so.
    let seen = Arc::<Mutex<Vec<Methods>>>::default();
    let granted = Arc::clone(&seen);
    let layer = builder(&Probe::default())
        .verifier(verify_fn(|_| async {
            let verdict = Verdict::granted(Subject::new("user-alice"));
            Ok(verdict.with_methods(Methods::NONE.with(Method::Sms)).with_methods(Methods::NONE.with(Method::Otp)))
        }))
        .issuer(issue_fn(move |grant| {
            granted.lock().unwrap().push(grant.methods());
            async { Err(BackendError::fault("nobody logs in")) }
        }))
        .build()
        .unwrap();
    send(&layer, token_request(AUTH, PW)).await.assert_error(500, "server_error");
    let both = Methods::NONE.with(Method::Password).with(Method::Otp);
    assert_eq!(*seen.lock().unwrap(), [both]);
    // Nothing is said of a denial.
    let denied = Verdict::from(Denial::Locked).with_methods(both);
    assert!(matches!(denied, Verdict::Denied(Denial::Locked)));
}

#[tokio::test]
async fn introspection_says_how_the_user_was_authenticated_and_no_refresh_changes_it_rf_18_su_02() {
    let (tokens, seen) = vouching();
    for (methods, amr, acr) in [
        ("password+otp", json!(["pwd", "otp", "mfa"]), json!(MULTI_FACTOR)),
        ("password+sms+recovery-code", json!(["pwd", "sms", "otp", "mfa"]), json!(MULTI_FACTOR)),
        ("otp", json!(["otp"]), Value::Null),
        ("multi-factor", json!(["mfa"]), json!(MULTI_FACTOR)),
        // A password alone goes without saying.
        ("password", Value::Null, Value::Null),
        ("unknown", Value::Null, Value::Null),
    ] {
        let first = login(&tokens, methods).await;
        let before = tokens.introspect("conf", &first.access).await;
        tokens.clock.advance_secs(60);
        let next = tokens.renewed("conf", &first.refresh).await;
        let after = tokens.introspect("conf", &next.access).await;
        let family = tokens.introspect("conf", &next.refresh).await;
        for told in [&before, &after, &family] {
            assert_eq!((&told["amr"], &told["acr"]), (&amr, &acr), "{methods}: {told}");
            assert_eq!(told["auth_time"], before["auth_time"], "{methods}");
            assert_eq!(told.as_object().unwrap().contains_key("amr"), !amr.is_null(), "{methods}");
            assert_eq!(told.as_object().unwrap().contains_key("acr"), !acr.is_null(), "{methods}");
        }
        // The rules see those of the login at each refresh, too.
        let mut seen = seen.lock().unwrap();
        assert_eq!(seen.len(), 2);
        assert_eq!(seen[0], seen[1]);
        seen.clear();
    }
}

#[tokio::test]
async fn what_a_recheck_says_of_methods_is_not_heard_because_it_authenticates_nobody_su_03() {
    let (tokens, seen) = vouching();
    let first = tokens.login("conf").await;
    tokens.users.change("user-alice", |account| account.methods = "password otp".parse().unwrap());
    let next = tokens.renewed("conf", &first.refresh).await;
    assert_eq!(*seen.lock().unwrap(), [Methods::NONE.with(Method::Password); 2]);
    assert_eq!(call(&guard(&tokens).require_second_factor(None), &next.access).await.0, 401);
}

#[tokio::test]
async fn a_route_that_needs_a_second_factor_takes_no_token_without_one_su_01() {
    let (tokens, _) = vouching();
    let (password, both) = (tokens.login("conf").await, login(&tokens, "password+otp").await);
    let (one, unknown) = (login(&tokens, "otp").await, login(&tokens, "unknown").await);
    for guard in [guard(&tokens), remote_guard(&tokens)] {
        let strict = guard.require_second_factor(None);
        assert_eq!(call(&strict, &both.access).await, (200, "read write".to_owned()));
        for login in [&password, &one, &unknown] {
            let answer = ask(&strict, &login.access).await;
            answer.assert_refused(401, "insufficient_user_authentication");
            let challenge = format!(
                "Bearer realm=\"api\", error=\"insufficient_user_authentication\", \
                 error_description=\"a second factor is needed, or a more recent one\", acr_values=\"{MULTI_FACTOR}\""
            );
            assert_eq!(answer.header("www-authenticate"), Some(challenge.as_str()));
            assert_eq!(call(&guard, &login.access).await.0, 200, "other routes take it");
        }
        // A token that is good nowhere says nothing of factors, and too little scope counts first: no other login helps there.
        ask(&strict, "made-up").await.assert_refused(401, "invalid_token");
        let admin = strict.require_scope("admin").unwrap();
        for login in [&password, &both] {
            ask(&admin, &login.access).await.assert_refused(403, "insufficient_scope");
        }
    }
}

#[tokio::test]
async fn a_factor_is_good_for_so_long_as_the_route_allows_and_no_refresh_makes_it_longer_su_01_su_03() {
    let (tokens, _) = vouching();
    let first = login(&tokens, "password+otp").await;
    let within = |guard: BearerGuard, seconds| guard.require_second_factor(Some(Duration::from_secs(seconds)));
    tokens.clock.advance_secs(300);
    let next = tokens.renewed("conf", &first.refresh).await;
    for guard in [guard(&tokens), remote_guard(&tokens)] {
        for token in [&first.access, &next.access] {
            assert_eq!(call(&within(guard.clone(), 300), token).await.0, 200);
            let answer = ask(&within(guard.clone(), 299), token).await;
            answer.assert_refused(401, "insufficient_user_authentication");
            let challenge = answer.challenge();
            assert_eq!((challenge["acr_values"].as_str(), challenge["max_age"].as_str()), (MULTI_FACTOR, "299"));
            // Each demand counts, in whichever order they come.
            for both in
                [within(within(guard.clone(), 299), 300), within(guard.clone(), 299).require_second_factor(None)]
            {
                assert_eq!(ask(&both, token).await.challenge()["max_age"], "299");
            }
        }
    }
    let again = login(&tokens, "password+otp").await;
    assert_eq!(call(&within(guard(&tokens), 0), &again.access).await.0, 200, "a new login is a new authentication");
}

#[tokio::test]
async fn a_token_that_does_not_say_when_its_user_was_authenticated_is_too_old_for_each_age_su_01() {
    let both: Methods = "password otp".parse().unwrap();
    let known = bearer::Tokens::new();
    let timeless = |record: AccessTokenRecord| record.with_methods(both);
    known.add("t", timeless(record("read")));
    let issued = record("read").issued_at();
    known.add("ahead", timeless(record("read")).with_authenticated_at(Some(issued + Duration::from_secs(3600))));
    let guard = BearerGuard::builder(known).audience(AUDIENCE).build().unwrap();
    let recent = guard.require_second_factor(Some(Duration::from_secs(1_000_000_000)));
    for token in ["t", "ahead"] {
        assert_eq!(call(&guard.require_second_factor(None), token).await.0, 200);
        ask(&recent, token).await.assert_refused(401, "insufficient_user_authentication");
    }
}

#[tokio::test]
async fn a_cached_token_is_as_old_as_its_login_su_03() {
    let (tokens, _) = vouching();
    let token = login(&tokens, "password+otp").await.access;
    let builder = BearerGuard::builder(tokens.access.clone()).audience(AUDIENCE).clock(tokens.clock.clone());
    let cache = tower_password_grant::bearer::TokenCache::new(16, Duration::from_secs(3600));
    let strict = builder.cache(cache).build().unwrap().require_second_factor(Some(Duration::from_secs(60)));
    assert_eq!(call(&strict, &token).await.0, 200);
    tokens.clock.advance_secs(61);
    ask(&strict, &token).await.assert_refused(401, "insufficient_user_authentication");
}

#[tokio::test]
async fn a_route_without_the_need_says_nothing_of_factors() {
    let (tokens, _) = vouching();
    let token = tokens.login("conf").await.access;
    let answer = ask(&guard(&tokens).require_scope("admin").unwrap(), &token).await;
    let challenge = answer.challenge();
    assert!(!challenge.contains_key("acr_values") && !challenge.contains_key("max_age"), "{challenge:?}");
    let json = tokens.post("/oauth/token", "conf", &by("password+otp")).await.assert_ok();
    assert!(json.get("amr").is_none() && !text(&json, "access_token").is_empty());
}
