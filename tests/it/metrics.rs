//! Counters and histograms: fixed names, labels from fixed sets, and no more series however hostile the requests.

use std::collections::BTreeSet;
use std::time::{Duration, SystemTime};

use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle, PrometheusRecorder};
use tower_password_grant::ClientId;
use tower_password_grant::audit::Reason;
use tower_password_grant::limiter::{Limits, MemoryLimiter, TokenBucket};
use tower_password_grant::store::MemoryUsage;
use tower_password_grant::usage::UsageLedger;

use crate::support::protection::without_ceiling;
use crate::support::{self, CONF, Fixture, PW, basic};

pub fn recorder() -> (PrometheusRecorder, PrometheusHandle) {
    let recorder = PrometheusBuilder::new().build_recorder();
    let handle = recorder.handle();
    (recorder, handle)
}

/// The value of a series, written as Prometheus does.
pub fn value(text: &str, series: &str) -> Option<u64> {
    let line = text.lines().find(|line| line.strip_prefix(series).is_some_and(|rest| rest.starts_with(' ')))?;
    line.rsplit(' ').next()?.parse().ok()
}

#[tokio::test]
async fn every_answer_is_counted_by_its_outcome() {
    let (recorder, handle) = recorder();
    let _guard = metrics::set_default_local_recorder(&recorder);
    let fixture = Fixture::new();
    for _ in 0..3 {
        fixture.token(&[("authorization", CONF)], PW).await.assert_ok();
    }
    let wrong = "grant_type=password&username=alice&password=x";
    fixture.token(&[("authorization", CONF)], wrong).await.assert_error(400, "invalid_grant");
    fixture.token(&[], "x").await;
    let text = handle.render();
    let outcome = |name: &str| value(&text, &format!("oauth_token_requests_total{{outcome=\"{name}\"}}"));
    assert_eq!(outcome("issued"), Some(3), "{text}");
    assert_eq!(outcome("wrong_password"), Some(1));
    assert_eq!(outcome("missing_parameter"), Some(1));
    assert_eq!(value(&text, "oauth_password_grant_requests_total{client=\"conf\"}"), Some(4));
    assert_eq!(value(&text, "oauth_token_request_duration_seconds_count"), Some(5));
}

#[tokio::test]
async fn what_became_of_tokens_is_counted_by_its_outcome() {
    let (recorder, handle) = recorder();
    let _guard = metrics::set_default_local_recorder(&recorder);
    let tokens = support::tokens::Tokens::new();
    let login = tokens.login("conf").await;
    tokens.refresh("conf", &login.refresh).await.assert_ok();
    tokens.introspect("conf", &login.access).await;
    tokens.introspect("conf", "unknown").await;
    tokens.revoke("conf2", &login.access).await.assert_error(400, "invalid_grant");
    tokens.pass_leeway();
    for _ in 0..3 {
        tokens.refresh("conf", &login.refresh).await.assert_error(400, "invalid_grant");
    }
    tokens.revoke("conf", &login.refresh).await.assert_empty_ok();
    let text = handle.render();
    let outcome = |name: &str| value(&text, &format!("oauth_token_requests_total{{outcome=\"{name}\"}}"));
    for (name, count) in [
        ("issued", 2),
        ("introspected", 2),
        ("revoked", 1),
        ("foreign_token", 1),
        ("refresh_token_replayed", 1),
        ("refresh_token_ended", 2),
    ] {
        assert_eq!(outcome(name), Some(count), "{name}: {text}");
    }
    // Only logins count as uses of the password grant.
    assert_eq!(value(&text, "oauth_password_grant_requests_total{client=\"conf\"}"), Some(1));
}

#[tokio::test]
async fn ten_thousand_hostile_requests_make_no_more_series_than_there_are_reasons_and_clients() {
    let (recorder, handle) = recorder();
    let _guard = metrics::set_default_local_recorder(&recorder);
    // What is refused by the address alone would never show its names.
    let limiter = MemoryLimiter::new()
        .with_limits(Limits::new().with_address_budget(TokenBucket::new(100_000, Duration::from_secs(60))));
    let fixture = Fixture::with(|builder| builder.attack_protection(without_ceiling().limiter(limiter)));
    for number in 0..2500 {
        let odd = format!("x{number}%0a");
        fixture.token(&[("authorization", &basic(&format!("id{number}"), "x"))], PW).await;
        fixture.token(&[("authorization", CONF)], &format!("grant_type={odd}&username={odd}&{odd}={odd}")).await;
        let login = format!("grant_type=password&username=u{number}&password=x&scope=s{number}");
        fixture.token(&[("authorization", CONF)], &login).await;
        let login = format!("grant_type=password&username=u{number}&password=p{number}&client_id=pub");
        fixture.token(&[], &login).await;
    }
    let text = handle.render();
    for outcome in ["unknown_client", "unknown_user", "scope_not_registered"] {
        let outcome = format!("oauth_token_requests_total{{outcome=\"{outcome}\"}}");
        assert_eq!(value(&text, &outcome), Some(2500), "{text}");
    }
    let series = text.lines().filter(|line| !line.starts_with('#') && !line.is_empty()).count();
    assert!(series <= Reason::ALL.len() + support::clients().len() + 20, "{series} series:\n{text}");

    // Labels are reasons and registered clients, and nothing else.
    let labels: BTreeSet<&str> =
        text.lines().filter_map(|line| Some(line.split_once('"')?.1.split_once('"')?.0)).collect();
    let clients = support::clients();
    let known = |label: &str| {
        label == "issued"
            || label.parse::<f64>().is_ok()
            || Reason::ALL.iter().any(|reason| reason.as_str() == label)
            || clients.iter().any(|client| client.id().as_str() == label)
    };
    for label in labels {
        assert!(known(label), "{label}");
    }
    let names: BTreeSet<&str> =
        text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()).collect();
    let manual = include_str!("../../src/manual/errors.md");
    assert!(names.iter().all(|name| manual.contains(&format!("`{name}`"))), "the manual lacks one of {names:?}");
    assert_eq!(
        names.into_iter().collect::<Vec<_>>(),
        ["oauth_password_grant_requests_total", "oauth_token_request_duration_seconds", "oauth_token_requests_total"]
    );
}

#[tokio::test]
async fn a_report_of_usage_sets_gauges() {
    let (recorder, handle) = recorder();
    let _guard = metrics::set_default_local_recorder(&recorder);
    let usage = UsageLedger::new(MemoryUsage::new());
    let fixture = Fixture::with(|builder| builder.usage(usage.clone()));
    fixture.token(&[("authorization", CONF)], PW).await.assert_ok();
    usage.note(&ClientId::new("conf").unwrap(), "user-moved", None, SystemTime::now());
    assert!(!handle.render().contains("oauth_usage"));
    usage.report(Duration::from_secs(86_400)).await.unwrap();
    let text = handle.render();
    let of_client = |name: &str| value(&text, &format!("oauth_usage_{name}{{client=\"conf\"}}"));
    let counts = ["users", "only_by_password", "moved", "fallen_back"].map(of_client);
    assert_eq!(counts, [Some(2), Some(1), Some(0), Some(0)], "{text}");
    for (way, by_password) in [("password", true), ("elsewhere", false)] {
        let labels = format!("{{client=\"conf\",way=\"{way}\",by_password=\"{by_password}\"}}");
        for name in ["logins", "users"] {
            assert_eq!(value(&text, &format!("oauth_usage_way_{name}{labels}")), Some(1), "{text}");
        }
    }
}
