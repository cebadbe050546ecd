//! What operators learn: one typed audit event and one `tracing` event for every answer, with the true reason, and no
//! text of an attacker's that could forge another line.

use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use tower_password_grant::audit::Reason;
use tower_password_grant::clock::Clock;
use tower_password_grant::limiter::{AttackProtection, SharedKey};
use tower_password_grant::mount::RequestLimits;
use tower_password_grant::token::MissingScope;
use tower_password_grant::user::{AccountKey, HostCode};
use tower_password_grant::{Attempt, BackendError, CredentialVerifier, Denial, PasswordGrantLayer, Subject, Verdict};
use tracing::Level;

use crate::support::capture::{self, Audited, Capture};
use crate::support::protection::counted_by;
use crate::support::{self, CONF, Fixture, PW, basic, from_peer, send, token_request};

const ALICE: &[(&str, &str)] = &[("authorization", CONF)];

fn login(username: &str, password: &str) -> String {
    serde_urlencoded::to_string([("grant_type", "password"), ("username", username), ("password", password)]).unwrap()
}

/// Answers as the user name says.
struct Told;

#[async_trait]
impl CredentialVerifier for Told {
    async fn verify(&self, attempt: Attempt) -> Result<Verdict, BackendError> {
        Ok(match attempt.username().trim().to_lowercase().as_str() {
            "unknown" => Denial::UnknownUser.into(),
            "wrong" => Denial::WrongPassword.into(),
            "disabled" => Denial::Disabled.into(),
            "locked" => Denial::Locked.into(),
            "expired" => Denial::PasswordExpired.into(),
            "unverified" => Denial::Unverified.into(),
            "custom" => Denial::Custom(HostCode::new("closed", "until Monday").unwrap()).into(),
            "down" => return Err(BackendError::unavailable("line one\r\nERROR forged\u{1b}[31m \u{202e}\u{2028}end")),
            "fault" => return Err(BackendError::fault("out of order")),
            other => Subject::new(other.to_owned()).into(),
        })
    }
}

fn told() -> (PasswordGrantLayer, Arc<Mutex<Vec<Audited>>>) {
    let (audit, sink) = capture::sink();
    let layer = support::builder(&support::Probe::default()).verifier(Told).audit(sink).build().unwrap();
    (layer, audit)
}

async fn post(layer: &PasswordGrantLayer, body: &str) -> support::Answer {
    send(layer, token_request(ALICE, body)).await
}

#[tokio::test]
async fn audit_tells_the_denials_apart_while_the_wire_does_not_pw_05() {
    let (capture, _guard) = Capture::listen();
    let (layer, audit) = told();
    capture.clear();
    let denials = [
        ("unknown", Reason::UnknownUser),
        ("wrong", Reason::WrongPassword),
        ("disabled", Reason::Disabled),
        ("locked", Reason::Locked),
        ("expired", Reason::PasswordExpired),
        ("unverified", Reason::Unverified),
        ("custom", Reason::Custom),
    ];
    let mut faces = Vec::new();
    for (name, reason) in denials {
        let answer = post(&layer, &login(name, "x")).await;
        answer.assert_error(400, "invalid_grant");
        faces.push((answer.headers, answer.body));
        let event = audit.lock().unwrap().last().unwrap().clone();
        assert_eq!((event.reason, event.issued), (Some(reason), None));
        assert_eq!(event.client.as_deref(), Some("conf"));
        assert_eq!(event.grant_type.as_deref(), Some("password"));
        assert_eq!(event.address, "192.0.2.1".parse().ok());
        let said = capture.events().last().unwrap().clone();
        assert_eq!((said.level, said.field("message")), (Level::INFO, Some("token request refused")));
        assert_eq!(said.field("reason"), Some(reason.as_str()));
        assert_eq!(said.field("account"), event.account.as_deref());
    }
    assert!(faces.windows(2).all(|pair| pair[0] == pair[1]));
}

#[tokio::test]
async fn a_success_names_subject_client_and_scope() {
    let (capture, _guard) = Capture::listen();
    let (layer, audit) = told();
    capture.clear();
    post(&layer, &login("user-7", "x")).await.assert_ok();
    let event = audit.lock().unwrap()[0].clone();
    assert_eq!(event.issued, Some(("user-7".to_owned(), "read".to_owned())));
    assert!(event.at <= SystemTime::now() && event.duration < Duration::from_secs(5));
    let said = capture.events();
    assert_eq!(said.len(), 1);
    assert_eq!((said[0].level, said[0].field("message")), (Level::INFO, Some("token issued")));
    for (name, value) in [("subject", "user-7"), ("client", "conf"), ("scope", "read"), ("grant_type", "password")] {
        assert_eq!(said[0].field(name), Some(value), "{name}");
    }
    assert_eq!(said[0].field("address"), Some("192.0.2.1"));
}

#[tokio::test]
async fn trouble_is_an_error_event_with_its_cause_and_a_refusal_is_none() {
    let (capture, _guard) = Capture::listen();
    let (layer, audit) = told();
    capture.clear();
    post(&layer, &login("down", "x")).await.assert_error(503, "temporarily_unavailable");
    post(&layer, &login("fault", "x")).await.assert_error(500, "server_error");
    let said = capture.events();
    assert!(said.iter().all(|said| said.level == Level::ERROR && said.field("reason") == Some("verifier_failed")));
    assert_eq!(said[1].field("cause"), Some("out of order"));
    assert!(audit.lock().unwrap().iter().all(|event| event.reason == Some(Reason::VerifierFailed)));
}

#[tokio::test]
async fn accounts_stand_as_digests_that_are_equal_for_equal_accounts_in_one_process_only() {
    let (layer, audit) = told();
    for (guess, name) in ["wrong", "wrong", " WRONG ", "unknown"].into_iter().enumerate() {
        post(&layer, &login(name, &format!("x{guess}"))).await;
    }
    // An attempt beyond the budget tells the account too.
    for guess in 0..10 {
        post(&layer, &login("wrong", &format!("y{guess}"))).await;
    }
    let digests: Vec<_> = audit.lock().unwrap().iter().map(|event| event.account.clone().unwrap()).collect();
    assert!(digests[0] == digests[1] && digests[1] == digests[2] && digests[2] != digests[3]);
    let reasons: Vec<_> = audit.lock().unwrap().iter().map(|event| event.reason).collect();
    assert!(reasons[4..11].iter().all(|reason| *reason == Some(Reason::WrongPassword)), "{reasons:?}");
    assert_eq!(reasons[11..], [Some(Reason::AccountThrottled); 3]);
    assert_eq!(digests[13], digests[0]);
    assert_eq!(digests[0].len(), 32);
    // An operator who has the accounts finds the one behind a digest.
    let named = |name| layer.account_digest(None, &AccountKey::canonical(name)).to_string();
    assert_eq!([named(" Wrong"), named("unknown")], [digests[0].clone(), digests[3].clone()]);

    let (other, events) = told();
    post(&other, &login("wrong", "x")).await;
    assert_ne!(events.lock().unwrap()[0].account.as_ref(), Some(&digests[0]));
}

#[tokio::test]
async fn processes_with_one_shared_key_name_an_account_alike() {
    let named = |key: u8| {
        let layer = support::builder(&support::Probe::default())
            .attack_protection(AttackProtection::new().shared_key(SharedKey::new([key; 32]).unwrap()))
            .build()
            .unwrap();
        layer.account_digest(None, &AccountKey::canonical("alice"))
    };
    assert_eq!(named(1), named(1));
    assert_ne!(named(1), named(2));
}

#[tokio::test]
async fn clients_are_named_only_when_they_are_registered() {
    let (capture, _guard) = Capture::listen();
    let (layer, audit) = told();
    for (header, client) in [
        (basic("conf", "wrong"), Some("conf")),
        (basic("hunter2", "x"), None),
        (basic("nobody", ""), None),
        ("Bearer x".to_owned(), None),
    ] {
        let answer = send(&layer, token_request(&[("authorization", &header)], PW)).await;
        answer.assert_error(401, "invalid_client");
        assert_eq!(audit.lock().unwrap().last().unwrap().client.as_deref(), client, "{header}");
    }
    assert!(!capture.text().contains("hunter2"));
}

#[tokio::test]
async fn a_header_that_could_be_read_in_two_ways_is_pointed_out() {
    let (capture, _guard) = Capture::listen();
    let (layer, audit) = told();
    capture.clear();
    send(&layer, token_request(&[("authorization", &basic("conf", "a+b"))], PW)).await;
    assert!(audit.lock().unwrap()[0].unencoded_basic);
    post(&layer, PW).await.assert_ok();
    assert!(!audit.lock().unwrap()[1].unencoded_basic);
    post(&layer, &login("wrong", "x")).await.assert_error(400, "invalid_grant");
    let said: Vec<_> = capture.events().into_iter().filter(|said| said.field("reason").is_some()).collect();
    let noted = |at: usize| said[at].field("unencoded_basic");
    assert_eq!((noted(0), noted(1)), (Some("true"), None), "where it is not so, the line is silent about it");
}

#[tokio::test]
async fn a_refusal_at_any_step_is_one_event_with_its_own_reason() {
    let (capture, _guard) = Capture::listen();
    let (audit, sink) = capture::sink();
    let fixture = Fixture::with(|builder| builder.audit(sink).request_limits(RequestLimits::new().max_body(200)));
    capture.clear();
    let big = "x".repeat(201);
    type Headers<'a> = &'a [(&'a str, &'a str)];
    let cases: [(Headers<'_>, &str, Reason); 14] = [
        (ALICE, &big, Reason::BodyTooLarge),
        (&[("content-type", "text/plain")], "", Reason::ContentType),
        (&[("content-encoding", "gzip")], "", Reason::ContentCoding),
        (ALICE, "a=%zz", Reason::BrokenEscape),
        (ALICE, "a=%ff", Reason::NotUtf8),
        (ALICE, "username=%0a", Reason::IllegalCharacter),
        (ALICE, "scope=a&scope=a", Reason::RepeatedParameter),
        (ALICE, "", Reason::MissingParameter),
        (&[], PW, Reason::NoClient),
        (&[("authorization", "Basic !")], PW, Reason::MalformedBasic),
        (&[("authorization", CONF), ("sec-fetch-site", "cross-site")], PW, Reason::CrossSite),
        (ALICE, "grant_type=foo", Reason::UnsupportedGrantType),
        (&[("authorization", "Basic c3ZjOnN2Y3B3")], PW, Reason::GrantNotAllowed),
        (ALICE, "grant_type=password&username=a&password=b&scope=admin", Reason::ScopeNotRegistered),
    ];
    for (headers, body, reason) in cases {
        fixture.token(headers, body).await;
        assert_eq!(audit.lock().unwrap().last().unwrap().reason, Some(reason));
        assert_eq!(capture.events().last().unwrap().field("reason"), Some(reason.as_str()));
    }
    assert_eq!((audit.lock().unwrap().len(), capture.events().len()), (14, 14));

    // OPTIONS and requests that are not ours are no token requests.
    let mut options = token_request(&[], "");
    *options.method_mut() = http::Method::OPTIONS;
    fixture.send(options).await;
    let mut other = token_request(ALICE, PW);
    *other.uri_mut() = "/other".parse().unwrap();
    assert_eq!(fixture.send(other).await.body, "inner");
    assert_eq!((audit.lock().unwrap().len(), capture.events().len()), (14, 14));
}

#[tokio::test]
async fn a_replayed_refresh_token_is_a_warning_that_names_the_login_once_rf_11() {
    let (capture, _guard) = Capture::listen();
    let tokens = support::tokens::Tokens::new();
    let login = tokens.login("conf").await;
    let family = capture.events().last().unwrap().field("family").expect("a login names its family").to_owned();
    assert_eq!(family.len(), 32);
    tokens.refresh("conf", &login.refresh).await.assert_ok();
    tokens.pass_leeway();
    capture.clear();
    for _ in 0..3 {
        tokens.refresh("conf", &login.refresh).await.assert_error(400, "invalid_grant");
    }
    let said = capture.events();
    let warnings: Vec<_> = said.iter().filter(|said| said.level == Level::WARN).collect();
    assert_eq!((said.len(), warnings.len()), (3, 1));
    for (name, value) in [("family", family.as_str()), ("subject", "user-alice"), ("client", "conf")] {
        assert_eq!(warnings[0].field(name), Some(value), "{name}");
    }
    tokens.revoke("conf", &login.refresh).await.assert_empty_ok();
    let said = capture.events().last().unwrap().clone();
    assert_eq!((said.field("message"), said.field("family")), (Some("token revoked"), Some(family.as_str())));
}

#[tokio::test]
async fn a_missing_peer_address_names_its_cure() {
    let (capture, _guard) = Capture::listen();
    let fixture = Fixture::with(|builder| {
        builder.peer_address(tower_password_grant::PeerAddress::extension(|_: &u8| "192.0.2.1".parse().ok()))
    });
    capture.clear();
    fixture.token(ALICE, PW).await.assert_error(500, "server_error");
    let said = capture.events()[0].clone();
    assert!(said.field("hint").unwrap().contains("into_make_service_with_connect_info"), "{said:?}");
}

#[tokio::test]
async fn a_public_client_that_introspects_is_told_to_the_operator_with_its_cure() {
    let (capture, _guard) = Capture::listen();
    let tokens = support::tokens::Tokens::new();
    let login = tokens.login("conf").await;
    capture.clear();
    let form = format!("token={}&client_id=pub", login.access);
    tokens.send("POST", "/oauth/introspect", &[], &form).await.assert_error(400, "invalid_client");
    let said = capture.events()[0].clone();
    assert_eq!((said.field("reason"), said.field("client")), (Some("wrong_method"), Some("pub")));
    assert!(said.field("hint").unwrap().contains("ClientBuilder::allow_introspection"), "{said:?}");
}

#[tokio::test]
async fn a_grant_type_that_is_not_served_names_what_would_serve_it() {
    let (capture, _guard) = Capture::listen();
    let fixture = Fixture::new();
    capture.clear();
    let form = "grant_type=http://auth0.com/oauth/grant-type/password-realm&realm=acme";
    fixture.token(&[], &format!("{form}&client_id=pub")).await.assert_error(400, "unsupported_grant_type");
    let said = capture.events()[0].clone();
    assert_eq!(said.field("reason"), Some("unsupported_grant_type"));
    assert!(said.field("hint").unwrap().contains("ClientBuilder::allow_realm_grant"), "{said:?}");
}

#[tokio::test]
async fn a_login_without_a_scope_that_has_no_default_names_the_cure() {
    let (capture, _guard) = Capture::listen();
    let fixture = Fixture::with(|builder| builder.missing_scope(MissingScope::Refuse));
    capture.clear();
    fixture.token(ALICE, PW).await.assert_error(400, "invalid_scope");
    let said = capture.events()[0].clone();
    assert_eq!(said.field("reason"), Some("no_scope"));
    assert!(said.field("hint").unwrap().contains("ClientBuilder::default_scope"), "{said:?}");
}

#[tokio::test]
async fn building_says_once_what_rfc_9700_says() {
    let (capture, _guard) = Capture::listen();
    let fixture = Fixture::new();
    fixture.token(ALICE, PW).await.assert_ok();
    fixture.token(ALICE, PW).await.assert_ok();
    let warnings: Vec<_> = capture.events().into_iter().filter(|said| said.level == Level::WARN).collect();
    assert_eq!(warnings.len(), 1);
    assert!(warnings[0].field("message").unwrap().contains("RFC 9700"));
    capture.clear();
    let failed = support::builder(&support::Probe::default()).challenge_realm("\"").build();
    assert!(failed.is_err());
    assert!(capture.events().is_empty(), "a builder that fails serves nothing");
    let _off = Fixture::with(|builder| builder.without_password_grant());
    assert!(capture.events().is_empty());
}

/// Line breaks, escapes, direction overrides, invisible characters.
const HOSTILE: &str =
    "a\r\nERROR forged: all is well\u{1b}[2J\u{7}\0\u{85}\u{202e}\u{2066}\u{2028}\u{2029}\u{200b}\u{feff}b";

fn assert_clean(text: &str) {
    for c in text.chars() {
        assert!(!c.is_control() || c == '\n', "{c:?} in {text:?}");
        assert!(!matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}'));
    }
}

#[tokio::test]
async fn no_text_of_an_attacker_or_an_application_forges_a_line() {
    let (capture, _guard) = Capture::listen();
    let (layer, _) = told();
    capture.clear();
    let mut sent = 0;
    for field in ["grant_type", "username", "password", "scope", "client_id", "client_secret", "device"] {
        let hostile = serde_urlencoded::to_string([(field, HOSTILE)]).unwrap();
        for body in [hostile.clone(), format!("{hostile}&{PW}"), format!("{hostile}&{}", login("wrong", "x"))] {
            post(&layer, &body).await;
            sent += 1;
        }
    }
    // An application's own texts: a subject that came from its database, an error that quotes its input.
    let subject = HOSTILE.replace(['\r', '\n', '\0', '\u{7}', '\u{1b}', '\u{85}'], "");
    post(&layer, &login(&subject, "x")).await;
    post(&layer, &login("down", "x")).await.assert_error(503, "temporarily_unavailable");
    sent += 2;
    assert_clean(&capture.text());
    assert_eq!(capture.text().lines().count(), sent);
    for said in capture.events() {
        said.fields.values().for_each(|value| {
            assert_clean(value);
            assert!(!value.contains('\n'));
        });
    }
}

#[tokio::test]
async fn a_long_text_of_an_application_is_cut() {
    struct Long;
    #[async_trait]
    impl CredentialVerifier for Long {
        async fn verify(&self, attempt: Attempt) -> Result<Verdict, BackendError> {
            if attempt.username() == "down" {
                return Err(BackendError::unavailable("x".repeat(1 << 20)));
            }
            Ok(Subject::new("y".repeat(1 << 20)).into())
        }
    }
    let (capture, _guard) = Capture::listen();
    let layer = support::builder(&support::Probe::default()).verifier(Long).build().unwrap();
    post(&layer, &login("down", "x")).await;
    post(&layer, &login("up", "x")).await.assert_ok();
    assert!(capture.text().len() < 4096, "{}", capture.text().len());
}

#[tokio::test]
async fn durations_are_those_of_the_clock() {
    #[derive(Debug, Default)]
    struct Steps(Mutex<u64>);
    impl Clock for Steps {
        fn now(&self) -> SystemTime {
            SystemTime::UNIX_EPOCH
        }

        fn elapsed(&self) -> Duration {
            let mut steps = self.0.lock().unwrap();
            *steps += 7;
            Duration::from_secs(*steps)
        }
    }
    let (audit, sink) = capture::sink();
    // Its own clock, which takes no steps.
    let limiter =
        tower_password_grant::limiter::MemoryLimiter::new().with_clock(tower_password_grant::clock::SystemClock::new());
    let fixture =
        Fixture::with(|builder| builder.clock(Steps::default()).attack_protection(counted_by(limiter)).audit(sink));
    fixture.token(ALICE, "grant_type=foo").await;
    let event = audit.lock().unwrap()[0].clone();
    assert_eq!((event.at, event.duration), (SystemTime::UNIX_EPOCH, Duration::from_secs(7)));
}

#[tokio::test]
async fn addresses_are_told_in_their_own_form() {
    let (layer, audit) = told();
    for (peer, told) in [("::ffff:198.51.100.1", "198.51.100.1"), ("2001:db8::1", "2001:db8::1")] {
        send(&layer, from_peer(token_request(ALICE, PW), peer)).await;
        assert_eq!(audit.lock().unwrap().last().unwrap().address, told.parse().ok());
    }
}
