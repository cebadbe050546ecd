//! Rehearsals of the end.

use tower_password_grant::Subject;
use tower_password_grant::audit::Reason;
use tower_password_grant::client::Sunset;
use tower_password_grant::mount::Profile;

use super::{Bed, DAY, GUIDE, HOUR, app, assert_out, bytes, day, login, plan};
use crate::support::grants::OwnGrant;
use crate::support::token_request;

fn rehearsed() -> Sunset {
    plan().brownout(day(10), HOUR * 3).unwrap().except("kim", day(120)).unwrap()
}

const BADGE: &str = "urn:example:grant:badge";
const PIN: &str = "urn:example:grant:pin";

#[tokio::test]
async fn in_a_brownout_a_client_learns_until_when_and_where_to_read_and_nothing_of_a_user_is_touched_bc_03() {
    for (profile, status, sentence) in [
        (Profile::Rfc6749, 400, "the client may not use this grant type until Sun, 11 Jan 2026 03:00:00 GMT"),
        (Profile::Auth0, 403, "Grant type not allowed for the client until Sun, 11 Jan 2026 03:00:00 GMT."),
    ] {
        let bed = Bed::of(profile, rehearsed(), |builder| builder);
        bed.login("lee").await.assert_ok();
        bed.go_to(day(10));
        let (calls, made) = (bed.calls(), bed.ledger.book().account.made);
        let expected =
            serde_json::json!({ "error": "unauthorized_client", "error_description": sentence, "error_uri": GUIDE });
        let first = bed.login("lee").await;
        assert_eq!((first.status.as_u16(), first.json()), (status, expected));
        assert_eq!(bed.reason(), Some(Reason::GrantBrownout));
        for name in ["sunset", "deprecation", "link"] {
            assert!(first.header(name).is_some(), "{name}");
        }
        assert_eq!(first.header("retry-after"), None, "a client that waited would hide it from its developers");
        // The same for each user, an exception included, with each password.
        for body in [login("kim", "right"), login("lee", "wrong"), login("nobody", "wrong")] {
            assert_eq!(bytes(&bed.token(&body).await), bytes(&first), "{body}");
        }
        assert_eq!((bed.calls(), bed.ledger.book().account.made), (calls, made));
    }
}

#[tokio::test]
async fn a_brownout_begins_at_its_moment_and_ends_at_its_moment() {
    let bed = Bed::new(rehearsed());
    let second = std::time::Duration::from_secs(1);
    for (time, is_open) in [
        (day(10) - second, true),
        (day(10), false),
        (day(10) + HOUR * 3 - second, false),
        (day(10) + HOUR * 3, true),
        (day(100) - second, true),
    ] {
        bed.go_to(time);
        let answer = bed.login("lee").await;
        assert_eq!(answer.status == 200, is_open, "{time:?}");
    }
    // A clock that is set back comes to the rehearsal again.
    bed.clock.set_back(DAY * 90 - HOUR);
    assert_eq!(bed.login("lee").await.status, 400);
    assert_eq!(bed.reason(), Some(Reason::GrantBrownout));
}

#[tokio::test]
async fn a_client_proves_who_it_is_before_it_learns_of_a_brownout() {
    use crate::support::{basic, digest, send};
    let bed = Bed::new(rehearsed());
    let shop = tower_password_grant::Client::confidential("shop", &digest("s3cret")).allow_password_grant();
    bed.clients.put(shop.scopes("read").default_scope("read").sunset(rehearsed()));
    bed.go_to(day(10));
    for (secret, status, code) in [("wrong", 401, "invalid_client"), ("s3cret", 400, "unauthorized_client")] {
        let header = basic("shop", secret);
        let answer = send(&bed.layer, token_request(&[("authorization", &header)], &login("lee", "right"))).await;
        answer.assert_error(status, code);
        assert_eq!(answer.json().get("error_uri").is_some(), status == 400);
    }
}

#[tokio::test]
async fn refreshes_go_on_in_a_brownout_and_after_the_end() {
    let bed = Bed::new(rehearsed());
    let mut token = bed.login("lee").await.assert_ok()["refresh_token"].as_str().unwrap().to_owned();
    for time in [day(10), day(99), day(100), day(200)] {
        bed.go_to(time);
        token = bed.refresh(&token).await.assert_ok()["refresh_token"].as_str().unwrap().to_owned();
    }
}

#[tokio::test]
async fn a_brownout_is_for_each_grant_by_which_a_password_login_begins_and_for_no_other() {
    let own = |name| OwnGrant::new(name, &["badge"], |_| Ok(Subject::new("lee").into()));
    let bed = Bed::with(rehearsed(), |builder| {
        builder.extension_grant(own(BADGE)).extension_grant(own(PIN).begins_password_login(true))
    });
    bed.clients.put(app().allow_grant(BADGE).allow_grant(PIN).sunset(rehearsed()));
    bed.go_to(day(10));
    bed.token(&format!("grant_type={BADGE}&badge=1")).await.assert_ok();
    bed.token(&format!("grant_type={PIN}&badge=1")).await.assert_error(400, "unauthorized_client");
    assert_eq!(bed.reason(), Some(Reason::GrantBrownout));
}

#[tokio::test]
async fn the_guide_takes_the_place_of_the_page_about_errors_and_without_one_that_page_stays() {
    let errors = "https://as.example/errors";
    for (plan, page) in [(plan(), GUIDE), (Sunset::at(day(100)), errors)] {
        let bed = Bed::with(plan.brownout(day(10), HOUR).unwrap(), |builder| builder.error_uri(errors));
        bed.go_to(day(10));
        assert_eq!(bed.login("lee").await.json()["error_uri"], page);
        bed.go_to(day(11));
        assert_eq!(bed.token(&login("lee", "wrong")).await.json()["error_uri"], errors);
        bed.go_to(day(100));
        assert_eq!(bed.login("lee").await.json()["error_uri"], page);
        assert_eq!(bed.reason(), Some(Reason::GrantSunset));
    }
}

#[tokio::test]
async fn the_end_without_exceptions_is_decided_before_the_password_as_ever() {
    let bed = Bed::new(plan());
    bed.go_to(day(100));
    let calls = bed.calls();
    assert_out(&bed.login("lee").await);
    assert_eq!((bed.calls(), bed.ledger.book().account.made), (calls, 0));
}

#[tokio::test]
async fn an_endpoint_that_requires_an_end_refuses_clients_without_one_and_says_so() {
    let bed = Bed::with(plan(), |builder| builder.require_sunset());
    bed.login("lee").await.assert_ok();
    bed.clients.put(app());
    let calls = bed.calls();
    let answer = bed.login("lee").await;
    answer.assert_error(400, "unauthorized_client");
    assert_eq!((answer.json().get("error_uri"), bed.reason()), (None, Some(Reason::SunsetRequired)));
    assert_eq!((bed.calls(), bed.charged()), (calls, 0));
    // What begins by no password is served.
    bed.clients.put(app().sunset(plan()));
    let token = bed.login("lee").await.assert_ok()["refresh_token"].as_str().unwrap().to_owned();
    bed.clients.put(app());
    bed.refresh(&token).await.assert_ok();
}

#[tokio::test]
async fn what_is_not_for_the_endpoint_passes_in_a_brownout_and_after_the_end() {
    use crate::support::send;
    let bed = Bed::new(rehearsed());
    for time in [day(10), day(100)] {
        bed.go_to(time);
        for path in ["/", "/oauth/token/", "/login"] {
            let request = http::Request::post(path).body(http_body_util::Full::new(bytes::Bytes::from("a=b"))).unwrap();
            let answer = send(&bed.layer, request).await;
            assert_eq!(
                (answer.status.as_u16(), &answer.body[..], answer.headers.len()),
                (200, &b"inner"[..], 0),
                "{path}"
            );
        }
    }
}
