//! Properties of the whole endpoint over generated requests: what arrives, what is answered.

use std::time::Duration;

use proptest::prelude::*;
use tokio::runtime::Runtime;
use tower_password_grant::limiter::{Limits, MemoryLimiter, TokenBucket};
use tower_password_grant::{Client, Scope, StaticClients};

use crate::support::protection::without_ceiling;
use crate::support::{self, Answer, CONF, Fixture, basic, send, token_request};

const MANY: u32 = 1_000_000;

fn fixture() -> (Runtime, Fixture) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let rules = Limits::new().with_budget(MANY, Duration::from_secs(60));
    let rules = rules.with_address_budget(TokenBucket::new(MANY, Duration::from_secs(60)));
    let limiter = MemoryLimiter::new().with_limits(rules);
    (runtime, Fixture::with(|builder| builder.attack_protection(without_ceiling().limiter(limiter))))
}

fn post(runtime: &Runtime, fixture: &Fixture, headers: &[(&str, &str)], body: &str) -> Answer {
    runtime.block_on(fixture.token(headers, body))
}

/// `UNICODECHARNOCRLF` of RFC 6749 A.15 and A.16.
fn is_legal(text: &str) -> bool {
    text.chars().all(|c| matches!(c, '\t' | '\u{20}'..='\u{7e}' | '\u{80}'..='\u{fffd}' | '\u{10000}'..))
}

#[test]
fn the_verifier_gets_exactly_the_texts_that_were_sent_en_01_pw_12() {
    let (runtime, fixture) = fixture();
    proptest!(|(username in "\\PC{1,40}", password in "[^\\x00-\\x08\\x0a-\\x1f\\x7f\u{fffe}\u{ffff}]{1,60}")| {
        let body = serde_urlencoded::to_string([
            ("grant_type", "password"),
            ("username", username.as_str()),
            ("password", password.as_str()),
        ]).unwrap();
        let before = fixture.probe.calls();
        let answer = post(&runtime, &fixture, &[("authorization", CONF)], &body);
        if is_legal(&username) && is_legal(&password) {
            prop_assert_eq!(fixture.probe.calls(), before + 1);
            prop_assert_eq!(fixture.probe.last(), (username, password));
        } else {
            answer.assert_error(400, "invalid_request");
            prop_assert_eq!(fixture.probe.calls(), before);
        }
    });
}

#[test]
fn any_client_id_and_secret_of_the_standard_authenticate_by_header_and_by_body_ca_02_ca_04() {
    let (runtime, _) = fixture();
    proptest!(|(id in "[ -~]{1,60}", secret in "[ -~]{1,60}")| {
        let client = Client::confidential(&id, &support::digest(&secret));
        let client = client.allow_password_grant().scopes("read").default_scope("read").build().unwrap();
        let fixture = Fixture::with(|builder| builder.clients(StaticClients::new([client]).unwrap()));
        let form = |text: &str| serde_urlencoded::to_string([("", text)]).unwrap()[1..].to_owned();
        let header = basic(&form(&id), &form(&secret));
        post(&runtime, &fixture, &[("authorization", &header)], support::PW).assert_ok();
        let pair = serde_urlencoded::to_string([("client_id", &id), ("client_secret", &secret)]).unwrap();
        post(&runtime, &fixture, &[], &format!("{}&{pair}", support::PW)).assert_ok();
        let wrong = basic(&form(&id), &form(&format!("{secret}x")));
        post(&runtime, &fixture, &[("authorization", &wrong)], support::PW).assert_error(401, "invalid_client");
    });
}

#[test]
fn any_bytes_are_answered_within_the_character_sets_and_never_with_a_token_er_08() {
    let (runtime, fixture) = fixture();
    let piece = prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..20),
        "(grant_type|username|password|scope|client_id|client_secret)=[a-z%+]{0,6}".prop_map(String::into_bytes),
        Just(b"grant_type=password".to_vec()),
    ];
    let body = proptest::collection::vec(piece, 0..8).prop_map(|pieces| pieces.join(&b'&'));
    proptest!(|(body in body, header in "[ -~]{0,40}", known in any::<bool>())| {
        let header = if known { CONF } else { header.as_str() };
        let request = token_request(&[("authorization", header)], "").map(|_| http_body_util::Full::new(bytes::Bytes::from(body)));
        // `send` holds every answer against the shared assertions.
        let answer = runtime.block_on(send(&fixture.layer, request));
        prop_assert!(answer.status.is_client_error(), "{:?}", answer);
        prop_assert!(answer.json()["error"].is_string());
    });
}

#[test]
fn a_granted_scope_is_what_was_asked_for_and_anything_else_is_invalid_scope_sc_01_sc_02() {
    let (runtime, fixture) = fixture();
    proptest!(|(scope in "(read|write|admin|[ -~]{1,6})( (read|write)){0,3} ?")| {
        let body = serde_urlencoded::to_string([("scope", &scope)]).unwrap();
        let answer = post(&runtime, &fixture, &[("authorization", CONF)], &format!("{}&{body}", support::PW));
        let registered: Scope = "read write".parse().unwrap();
        match scope.parse::<Scope>() {
            Ok(asked) if asked.is_subset(&registered) => {
                let granted: Scope = answer.assert_ok()["scope"].as_str().unwrap().parse().unwrap();
                prop_assert_eq!(granted, asked);
            }
            _ => answer.assert_error(400, "invalid_scope"),
        }
    });
}
