//! Plans that change while the endpoint runs.

use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use tower_password_grant::audit::{AuditEvent, AuditOutcome};

use super::{Bed, HOUR, app, day, plan};
use crate::support::capture::Capture;

type Changes = Arc<Mutex<Vec<(String, Option<SystemTime>, Option<SystemTime>)>>>;

/// A sink that keeps the changes of plans.
fn changes() -> (Changes, impl Fn(&AuditEvent<'_>) + Send + Sync + 'static) {
    let kept = Changes::default();
    let keep = Arc::clone(&kept);
    let sink = move |event: &AuditEvent<'_>| {
        if let AuditOutcome::SunsetChanged { before, after, .. } = event.outcome {
            assert!(event.address.is_none() && event.peer.is_none() && event.grant_type.is_none(), "{event:?}");
            keep.lock().unwrap().push((event.client.unwrap().to_string(), before, after));
        }
    };
    (kept, sink)
}

#[tokio::test]
async fn each_change_of_a_plan_is_an_event_of_its_own_and_is_said_once() {
    let (capture, _guard) = Capture::listen();
    let (kept, sink) = changes();
    let bed = Bed::with(plan(), |builder| builder.audit(sink));
    let changed = |before, after| ("app".to_owned(), before, after);
    let mut expected = Vec::new();
    for (plan, change) in [
        (Some(plan()), None),
        (Some(plan().move_to(day(130)).unwrap()), Some(changed(Some(day(100)), Some(day(130))))),
        (Some(plan().brownout(day(90), HOUR).unwrap()), Some(changed(Some(day(130)), Some(day(100))))),
        (Some(plan().except("kim", day(101)).unwrap()), Some(changed(Some(day(100)), Some(day(100))))),
        (None, Some(changed(Some(day(100)), None))),
        (Some(plan()), Some(changed(None, Some(day(100))))),
    ] {
        bed.clients.put(match plan {
            Some(plan) => app().sunset(plan),
            None => app(),
        });
        expected.extend(change);
        for _ in 0..3 {
            bed.login("lee").await.assert_ok();
        }
        assert_eq!(*kept.lock().unwrap(), expected);
    }
    let events = capture.events();
    let mut said = events.iter().filter(|said| said.field("message") == Some("the plan of a client's end was changed"));
    let first = said.next().unwrap();
    assert_eq!(first.field("before"), Some("Sat, 11 Apr 2026 00:00:00 GMT"));
    assert_eq!(first.field("after"), Some("Mon, 11 May 2026 00:00:00 GMT"));
    assert_eq!((first.field("client"), said.count()), (Some("app"), expected.len() - 1));
}

#[tokio::test]
async fn copies_of_a_registry_that_disagree_do_not_flood_the_audit_trail() {
    let (kept, sink) = changes();
    let bed = Bed::with(plan(), |builder| builder.audit(sink));
    for turn in 0..60 {
        bed.clients.put(app().sunset(if turn % 2 == 0 { plan() } else { plan().move_to(day(130)).unwrap() }));
        bed.login("lee").await.assert_ok();
    }
    assert_eq!(kept.lock().unwrap().len(), 16);
    // What holds in the end is said.
    bed.clock.advance(HOUR);
    bed.login("lee").await.assert_ok();
    let last = kept.lock().unwrap().last().cloned();
    assert_eq!(last, Some(("app".to_owned(), Some(day(100)), Some(day(130)))));
    assert_eq!(kept.lock().unwrap().len(), 17);
}

#[cfg(feature = "sqlite")]
#[tokio::test]
async fn a_plan_that_is_moved_in_the_store_holds_from_the_next_request_on() {
    use tower_password_grant::{OpaqueIssuer, PasswordGrant, PeerAddress};

    use super::{Everybody, assert_out, login};
    use crate::support::folder::Folder;
    use crate::support::{ManualClock, send, token_request};

    let folder = Folder::new();
    let store = folder.store();
    let (clock, (kept, sink)) = (ManualClock::new(), changes());
    let put = async |plan| store.put_client(&app().sunset(plan).build().unwrap()).await.unwrap();
    put(plan()).await;
    let layer = PasswordGrant::builder()
        .clients(store.clone())
        .verifier(Everybody::default())
        .issuer(OpaqueIssuer::new(store.clone()))
        .peer_address(PeerAddress::socket_addr())
        .clock(clock.clone())
        .audit(sink)
        .build()
        .unwrap();
    let ask = async || send(&layer, token_request(&[], &format!("client_id=app&{}", login("lee", "right")))).await;
    ask().await.assert_ok();
    put(plan().brownout(ManualClock::start(), HOUR).unwrap()).await;
    ask().await.assert_error_about(400, "unauthorized_client", "until Thu, 01 Jan 2026 01:00:00 GMT");
    put(plan().without_brownouts()).await;
    ask().await.assert_ok();
    clock.advance(super::DAY * 100);
    assert_out(&ask().await);
    put(plan().move_to(day(130)).unwrap()).await;
    ask().await.assert_ok();
    assert_eq!(kept.lock().unwrap().len(), 3);
    store.close().await;
}
