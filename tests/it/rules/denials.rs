//! Rules that refuse: what the client sees, what it is charged, and what operators learn.

use std::sync::{Arc, Mutex};

use http::HeaderMap;
use tower_password_grant::audit::{AuditEvent, AuditOutcome, Reason};
use tower_password_grant::rules::Ruling;
use tower_password_grant::{Denial, verify_fn};

use super::parts::{CODE, Watching, clients, denying, ruling};
use crate::support::capture::Capture;
use crate::support::faults::{Code, Ledger, Mode, Switch};
use crate::support::protection::counted_by;
use crate::support::server::{Connection, Server, raw_request};
use crate::support::{AUTH, Answer, CONF, Fixture, FixtureBuilder, PW, Probe, builder, panics, send, token_request};

/// What a server's clock has no part in.
fn parts(answer: &Answer) -> (u16, HeaderMap, bytes::Bytes) {
    let mut headers = answer.headers.clone();
    headers.remove("date");
    (answer.status.as_u16(), headers, answer.body.clone())
}

fn login(password: &str) -> String {
    format!("grant_type=password&username=alice&password={password}")
}

#[tokio::test]
async fn a_denial_has_the_bytes_of_a_wrong_password_at_each_of_20_requests_and_costs_as_much_budget() {
    let denied = Fixture::with(|builder| builder.rule(denying()));
    let wrong = builder(&Probe::default()).verifier(verify_fn(|_| async { Ok(Denial::WrongPassword.into()) }));
    let (denied, wrong) = (Server::start(&denied.layer).await, Server::start(&wrong.build().unwrap()).await);
    let (mut one, mut other) = (Connection::open(denied.address).await, Connection::open(wrong.address).await);
    let mut statuses = Vec::new();
    // The same right password counts once within the repeat window, as the same wrong one does.
    let right = std::iter::repeat_n("correct+horse".to_owned(), 10);
    for password in right.chain((0..10).map(|guess| format!("guess{guess}"))) {
        let request = raw_request(&format!("Authorization: {CONF}\r\n"), &login(&password));
        let (one, other) = (one.exchange(&request).await, other.exchange(&request).await);
        assert_eq!(parts(&one), parts(&other));
        statuses.push(one.status.as_u16());
    }
    assert_eq!(statuses[..19], [400; 19]);
    assert_eq!(statuses[19], 429);
}

#[tokio::test]
async fn a_denied_login_stays_charged_and_one_that_goes_on_is_forgotten() {
    let left = async |change: fn(FixtureBuilder) -> FixtureBuilder| {
        let ledger = Ledger::new(Switch::new(), Switch::new());
        let fixture = Fixture::with(|builder| change(builder).attack_protection(counted_by(ledger.clone())));
        fixture.token(AUTH, PW).await;
        (ledger.book().account.made, ledger.book().account.left)
    };
    assert_eq!(left(|builder| builder.rule(denying())).await, (1, 1));
    assert_eq!(left(|builder| builder.rule(ruling("terms", |_| Ruling::interaction_required()))).await, (1, 1));
    assert_eq!(left(|builder| builder.rule(ruling("open", |_| Ruling::proceed()))).await, (1, 0));
}

#[tokio::test]
async fn nothing_that_a_rule_decides_after_its_denial_makes_a_fault_of_it_or_gives_the_charge_back() {
    let after = |denial: Ruling| denial.remove_scope("read,admin").add_scope("").claim("sub", 1)?.member("scope", 1);
    let ledger = Ledger::new(Switch::new(), Switch::new());
    let rule = ruling("closed", move |_| after(Ruling::deny("closed on Sundays").unwrap()).unwrap());
    let layer = builder(&Probe::default()).rule(rule).attack_protection(counted_by(ledger.clone())).build().unwrap();
    let plain = Fixture::with(|builder| builder.rule(denying())).token(AUTH, PW).await;
    assert_eq!(parts(&send(&layer, token_request(AUTH, PW)).await), parts(&plain));
    assert_eq!((ledger.book().account.made, ledger.book().account.left), (1, 1));
}

#[tokio::test]
async fn an_extension_grant_is_denied_by_a_rule_like_by_itself() {
    let code = || Code { key: Switch::new(), exchange: Switch::new() };
    let layer = |change: fn(FixtureBuilder) -> FixtureBuilder| {
        change(builder(&Probe::default())).clients(clients()).extension_grant(code()).build().unwrap()
    };
    let (plain, ruled) = (layer(|builder| builder), layer(|builder| builder.rule(denying())));
    let wrong = send(&plain, token_request(AUTH, &CODE.replace("1234", "4321"))).await;
    wrong.assert_error(400, "invalid_grant");
    assert_eq!(parts(&send(&ruled, token_request(AUTH, CODE)).await), parts(&wrong));
}

type Heard = Arc<Mutex<Vec<(Option<Reason>, Option<(String, String)>)>>>;

/// Keeps the reason of each event, and the rule with its own.
fn sink() -> (Heard, impl Fn(&AuditEvent<'_>) + Send + Sync + 'static) {
    let heard = Heard::default();
    let keep = Arc::clone(&heard);
    let sink = move |event: &AuditEvent<'_>| {
        let told = match event.outcome {
            AuditOutcome::Refused { reason, refused_by, .. } => {
                let rule = refused_by.map(|rule| (rule.rule().to_owned(), format!("{:?}", rule.kind())));
                (Some(reason), rule)
            }
            _ => (None, None),
        };
        keep.lock().unwrap().push(told);
    };
    (heard, sink)
}

#[tokio::test]
async fn audit_and_telemetry_name_the_rule_and_its_reason_and_the_client_sees_neither() {
    let (heard, sink) = sink();
    let fixture = Fixture::with(|builder| builder.rule(denying()).audit(sink));
    let (capture, _guard) = Capture::listen();
    let answer = fixture.token(AUTH, PW).await;
    answer.assert_error(400, "invalid_grant");
    assert!(!format!("{answer:?}").contains("Sundays"));
    fixture.token(AUTH, &login("wrong")).await.assert_error(400, "invalid_grant");
    let by = Some(("closed".to_owned(), "Denied { reason: \"closed on Sundays\" }".to_owned()));
    assert_eq!(*heard.lock().unwrap(), [(Some(Reason::RuleDenied), by), (Some(Reason::WrongPassword), None)]);
    let said = capture.events();
    let fields = |at: usize| ["message", "reason", "rule", "denial"].map(|name| said[at].field(name));
    assert_eq!(
        fields(0),
        [Some("token request refused"), Some("rule_denied"), Some("closed"), Some("closed on Sundays")]
    );
    assert_eq!(fields(1)[1..], [Some("wrong_password"), None, None]);
}

#[tokio::test]
async fn audit_and_telemetry_name_the_rule_that_took_the_last_of_the_scope_and_no_other() {
    let (heard, sink) = sink();
    let taking = |name, scope: &'static str| ruling(name, move |_| Ruling::proceed().remove_scope(scope));
    let rules = builder(&Probe::default()).rule(taking("first", "write")).rule(taking("last", "read"));
    let layer = rules.rule(taking("idle", "read admin")).clients(clients()).audit(sink).build().unwrap();
    let (capture, _guard) = Capture::listen();
    let answer = send(&layer, token_request(AUTH, &format!("{PW}&scope=read+write"))).await;
    answer.assert_error(400, "invalid_scope");
    let by = Some(("last".to_owned(), "NothingLeft".to_owned()));
    assert_eq!(*heard.lock().unwrap(), [(Some(Reason::NothingGranted), by)]);
    let said = capture.events();
    let said = said.last().unwrap();
    assert_eq!(
        ["reason", "rule", "denial"].map(|name| said.field(name)),
        [Some("nothing_granted"), Some("last"), None]
    );
}

#[tokio::test]
async fn audit_names_the_rule_that_failed_whichever_way_it_did() {
    panics::quiet();
    for (mode, reason) in [
        (Mode::Unavailable, Reason::RuleFailed),
        (Mode::Fault, Reason::RuleFailed),
        (Mode::Panic, Reason::RuleFailed),
        (Mode::Overloaded, Reason::Overloaded),
    ] {
        let (heard, sink) = sink();
        let broken = Watching::new("broken");
        broken.switch.set(mode);
        let fixture = Fixture::with(|builder| builder.rule(Watching::new("sound")).rule(broken).audit(sink));
        fixture.token(AUTH, PW).await;
        let by = Some(("broken".to_owned(), "Failed".to_owned()));
        assert_eq!(*heard.lock().unwrap(), [(Some(reason), by)], "{mode:?}");
    }
}

#[tokio::test]
async fn a_reason_is_the_description_where_custom_denials_are_revealed_and_each_counts_then() {
    let fixture = Fixture::with(|builder| builder.rule(denying()).danger(|danger| danger.reveal_custom_denials()));
    for _ in 0..10 {
        let answer = fixture.token(AUTH, PW).await;
        answer.assert_error(400, "invalid_grant");
        assert_eq!(answer.json()["error_description"], "closed on Sundays");
    }
    fixture.token(AUTH, PW).await.assert_error(429, "too_many_attempts");
}

#[tokio::test]
async fn a_rule_that_wants_the_user_elsewhere_answers_interaction_required_and_each_counts() {
    let (heard, sink) = sink();
    let rule = ruling("terms", |_| Ruling::interaction_required());
    let fixture = Fixture::with(|builder| builder.rule(rule).audit(sink));
    for _ in 0..10 {
        let answer = fixture.token(AUTH, PW).await;
        answer.assert_error_about(400, "interaction_required", "the user has to do something elsewhere");
        assert_eq!(answer.header("location"), None);
    }
    fixture.token(AUTH, PW).await.assert_error(429, "too_many_attempts");
    let by = Some(("terms".to_owned(), "InteractionRequired".to_owned()));
    assert_eq!(heard.lock().unwrap()[0], (Some(Reason::InteractionRequired), by));
    // A wrong password says nothing of it.
    let fixture = Fixture::with(|builder| builder.rule(ruling("terms", |_| Ruling::interaction_required())));
    fixture.token(AUTH, &login("wrong")).await.assert_error(400, "invalid_grant");
}
