//! Refresh token families that a password began, and that the plan ends.

use std::time::Duration;

use tower_password_grant::Subject;
use tower_password_grant::audit::Reason;
use tower_password_grant::client::{ClientBuilder, Sunset};

use super::{Bed, DAY, HOUR, app, day, login, plan};
use crate::support::Answer;
use crate::support::grants::OwnGrant;
use crate::support::tokens::{Tokens, confidential};

const BADGE: &str = "urn:example:grant:families:badge";
const PIN: &str = "urn:example:grant:families:pin";

fn bed() -> Bed {
    let own = |name| OwnGrant::new(name, &["badge"], |_| Ok(Subject::new("lee").into()));
    let bed = Bed::with(plan(), |builder| {
        builder.extension_grant(own(BADGE)).extension_grant(own(PIN).begins_password_login(true))
    });
    bed.clients.put(client().sunset(plan()));
    bed
}

fn client() -> ClientBuilder {
    app().allow_grant(BADGE).allow_grant(PIN)
}

fn token(answer: &Answer) -> String {
    answer.assert_ok()["refresh_token"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn older_families_that_a_password_began_are_refused_from_the_date_on_like_expired_ones() {
    let bed = bed();
    let mut tokens = Vec::new();
    for body in [login("lee", "right"), format!("grant_type={PIN}&badge=1"), format!("grant_type={BADGE}&badge=1")] {
        tokens.push(token(&bed.token(&body).await));
    }
    // The date comes later than the logins.
    bed.clients.put(client().sunset(plan().end_families_at(day(110)).unwrap()));
    bed.go_to(day(110) - Duration::from_secs(1));
    for token in &mut tokens {
        *token = self::token(&bed.refresh(token).await);
    }
    bed.go_to(day(110));
    for (token, goes_on) in tokens.iter().zip([false, false, true]) {
        let answer = bed.refresh(token).await;
        assert_eq!(answer.status == 200, goes_on, "{answer:?}");
        if !goes_on {
            answer.assert_error(400, "invalid_grant");
            assert_eq!(bed.reason(), Some(Reason::RefreshTokenExpired));
        }
    }
    // A date that moves on lets them live again: nothing was ended.
    bed.clients.put(client().sunset(plan().end_families_at(day(130)).unwrap()));
    bed.refresh(&tokens[0]).await.assert_ok();
}

#[tokio::test]
async fn a_date_that_is_moved_or_taken_back_holds_for_families_that_were_begun_meanwhile() {
    let bed = bed();
    let ending = |at| client().sunset(plan().end_families_at(at).unwrap());
    bed.clients.put(ending(day(100)));
    bed.go_to(day(99));
    let mut tokens = Vec::new();
    for body in [login("lee", "right"), format!("grant_type={PIN}&badge=1")] {
        tokens.push(token(&bed.token(&body).await));
    }
    for (time, plan, goes_on) in [
        (day(120), ending(day(130)), true),
        (day(140), client().sunset(plan()), true),
        (day(140), ending(day(130)), false),
        (day(140), ending(day(150)), true),
    ] {
        bed.clients.put(plan);
        bed.go_to(time);
        for token in &mut tokens {
            let answer = bed.refresh(token).await;
            assert_eq!(answer.status == 200, goes_on, "{time:?} {answer:?}");
            if goes_on {
                *token = self::token(&answer);
            }
        }
    }
}

#[tokio::test]
async fn no_access_token_of_a_login_outlives_the_end_of_its_family() {
    let bed = bed();
    bed.clients.put(client().sunset(plan().end_families_at(day(100)).unwrap()));
    bed.go_to(day(100) - HOUR / 2);
    let first = bed.login("lee").await.assert_ok();
    assert_eq!(first["expires_in"], 1800);
    bed.go_to(day(100) - HOUR / 4);
    let second = bed.refresh(first["refresh_token"].as_str().unwrap()).await.assert_ok();
    assert_eq!(second["expires_in"], 900);
}

#[tokio::test]
async fn a_login_after_the_date_gets_no_refresh_token() {
    let bed = bed();
    let plan = plan().except("kim", day(200)).unwrap().end_families_at(day(110)).unwrap();
    bed.clients.put(client().sunset(plan));
    bed.go_to(day(109));
    assert!(bed.login("kim").await.assert_ok()["refresh_token"].is_string());
    bed.go_to(day(110));
    let json = bed.login("kim").await.assert_ok();
    assert!(json.get("refresh_token").is_none(), "{json}");
    assert_eq!(json["expires_in"], 3600);
    // What begins by no password has one as ever.
    assert!(bed.token(&format!("grant_type={BADGE}&badge=1")).await.assert_ok()["refresh_token"].is_string());
    bed.go_to(day(110) + DAY);
}

#[tokio::test]
async fn introspection_shows_the_end_of_the_plan_and_no_refresh_token_after_it() {
    let client = |plan| confidential(|client: ClientBuilder| client.sunset(plan));
    let (plan, end) = (Sunset::at(day(3)), day(4));
    let tokens = Tokens::with(client(plan.clone()), |builder| builder);
    let login = tokens.login("conf").await;
    let tokens = tokens.with_clients(client(plan.end_families_at(end).unwrap()));
    let shown = tokens.introspect("conf", &login.refresh).await;
    let seconds = end.duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    assert_eq!((&shown["active"], &shown["exp"]), (&true.into(), &seconds.into()));
    tokens.clock.advance(DAY * 4);
    assert_eq!(tokens.introspect("conf", &login.refresh).await, serde_json::json!({ "active": false }));
}
