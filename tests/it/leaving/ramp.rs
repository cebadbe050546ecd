//! The ramp, and the users who are excepted from it and from the end.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use async_trait::async_trait;
use tower_password_grant::audit::Reason;
use tower_password_grant::client::Sunset;
use tower_password_grant::limiter::SharedKey;
use tower_password_grant::mount::Profile;
use tower_password_grant::rules::{Ruling, rule_at_once_fn};
use tower_password_grant::user::{Finding, OnLeak, Shield};
use tower_password_grant::{BackendError, Password, Subject};

use super::{Bed, DAY, app, assert_out, bytes, day, login, plan, ramp};
use crate::support::protection::counted_by;

const REALM_GRANT: &str = "http://auth0.com/oauth/grant-type/password-realm";

/// The names of those of 60 users who are refused now.
async fn refused(bed: &Bed) -> Vec<String> {
    let mut out = Vec::new();
    for index in 0..60 {
        let user = format!("user-{index}");
        let answer = bed.login(&user).await;
        if answer.status == 200 {
            continue;
        }
        assert_out(&answer);
        assert_eq!(bed.reason(), Some(Reason::GrantRamped));
        out.push(user);
    }
    out
}

#[tokio::test]
async fn more_users_are_refused_each_day_and_who_is_stays_so_also_after_a_restart() {
    let bed = Bed::new(ramp());
    let mut before = Vec::new();
    for (time, at_least, at_most) in [(50, 0, 0), (60, 4, 22), (75, 19, 41), (90, 38, 56), (99, 52, 60)] {
        bed.go_to(day(time));
        let now = refused(&bed).await;
        assert!((at_least..=at_most).contains(&now.len()), "day {time}: {}", now.len());
        assert!(before.iter().all(|user| now.contains(user)), "day {time}");
        let restarted = Bed::new(ramp());
        restarted.go_to(day(time));
        assert_eq!(refused(&restarted).await, now);
        before = now;
    }
    assert_eq!(bed.charged(), 0, "all charges of right passwords went back");
    // A clock that is set back makes the share smaller, and nobody is refused who was not.
    bed.clock.set_back(DAY * 24);
    let back = refused(&bed).await;
    assert!(back.len() < before.len() && back.iter().all(|user| before.contains(user)));
}

#[tokio::test]
async fn another_key_reaches_other_users_first_and_processes_with_one_key_agree() {
    let key = |byte: u8| SharedKey::new([byte; 32]).unwrap();
    let mut all = Vec::new();
    for bed in [
        Bed::new(ramp()),
        Bed::with(ramp(), |builder| builder.ramp_key(key(1))),
        Bed::with(ramp(), |builder| builder.ramp_key(key(1))),
        Bed::with(ramp(), |builder| {
            let limiter = tower_password_grant::limiter::MemoryLimiter::new();
            builder.attack_protection(counted_by(limiter).shared_key(key(1)))
        }),
        Bed::with(ramp(), |builder| builder.ramp_key(key(2))),
    ] {
        bed.go_to(day(75));
        all.push(refused(&bed).await);
    }
    assert_eq!(all[1], all[2]);
    assert_eq!(all[1], all[3], "the shared key of the attack protection is the default");
    assert!(all[0] != all[1] && all[1] != all[4] && all[0] != all[4]);
}

#[tokio::test]
async fn a_user_who_is_out_leaves_no_charge_and_forgives_none() {
    let bed = Bed::new(ramp().except("kim", day(120)).unwrap());
    bed.go_to(day(100));
    for _ in 0..3 {
        bed.token(&login("lee", "wrong")).await.assert_error(400, "invalid_grant");
    }
    // The same wrong password counts once.
    let before = bed.charged();
    for _ in 0..20 {
        assert_out(&bed.login("lee").await);
    }
    assert_eq!(bed.charged(), before);
}

#[tokio::test]
async fn an_exception_outlives_ramp_and_end_and_its_end_is_that_of_the_announced_date() {
    let bed = Bed::new(ramp().except("kim", day(120)).unwrap());
    let announced = bed.login("kim").await;
    announced.assert_ok();
    for (time, kim, lee) in
        [(60, true, None), (100, true, Some(false)), (119, true, Some(false)), (120, false, Some(false))]
    {
        bed.go_to(day(time));
        let answer = bed.login("kim").await;
        assert_eq!(answer.status == 200, kim, "day {time}");
        for name in ["sunset", "deprecation", "link"] {
            assert_eq!(answer.header(name), announced.header(name), "day {time}");
        }
        if lee.is_some() {
            let calls = bed.calls();
            assert_out(&bed.login("lee").await);
            assert_eq!(bed.reason(), Some(Reason::GrantSunset));
            // Until the last exception is over, the password comes first.
            assert_eq!(bed.calls() - calls, usize::from(time < 120), "day {time}");
        }
    }
}

/// What 20 wrong passwords of one user get, then the right one of the locked account, and how often the verifier was asked.
async fn guessed(
    (profile, in_realm): (Profile, bool),
    plan: Sunset,
    time: u32,
    user: &str,
) -> (Vec<(http::StatusCode, http::HeaderMap, bytes::Bytes)>, usize) {
    let bed = Bed::of(profile, plan.clone(), |builder| builder);
    if in_realm {
        bed.clients.put(app().allow_realm_grant().realms(["one", "two"]).sunset(plan));
    }
    let body = |password: &str| match in_realm {
        true => format!("grant_type={REALM_GRANT}&realm=two&username={user}&password={password}"),
        false => login(user, password),
    };
    bed.go_to(day(time));
    let mut seen = Vec::new();
    for guess in 0..20 {
        seen.push(bytes(&bed.token(&body(&format!("wrong-{guess}"))).await));
    }
    let calls = bed.calls();
    seen.push(bytes(&bed.token(&body("right")).await));
    (seen, calls)
}

#[tokio::test]
async fn wrong_passwords_tell_neither_ramp_nor_exception_nor_the_end_while_an_exception_is_left() {
    let excepting = || ramp().except("kim", day(120)).unwrap();
    let [rfc, auth0] = [(Profile::Rfc6749, 400), (Profile::Auth0, 403)];
    for ((profile, status), in_realm) in [(rfc, false), (rfc, true), (auth0, false), (auth0, true)] {
        let way = (profile, in_realm);
        // `user-1` and `lee` are before and behind the front of the ramp at some time of these; `kim` is excepted.
        for time in [10, 55, 75, 95, 100, 110] {
            let expected = guessed(way, excepting(), time, "somebody").await;
            assert_eq!(expected.0[0].0, status);
            assert!(expected.0[0].2.starts_with(b"{\"error\":\"invalid_grant\""), "{expected:?}");
            assert_eq!(expected.0[19].0, 429);
            for user in ["kim", "lee", "user-1", "user-2", "user-3"] {
                assert_eq!(guessed(way, excepting(), time, user).await, expected, "{way:?}, day {time}, {user}");
            }
            // Nor does a client whose end is far away look another way, but for what is announced.
            let far = Sunset::at(day(100)).with_link(super::GUIDE).unwrap().look_up_exceptions(day(200)).unwrap();
            assert_eq!(guessed(way, far, time, "kim").await, expected, "{way:?}, day {time}");
        }
    }
}

#[derive(Clone, Default)]
struct Counting(Arc<AtomicUsize>);

#[async_trait]
impl Shield for Counting {
    async fn inspect(&self, _: &Password, _: &Subject) -> Result<Finding, BackendError> {
        self.0.fetch_add(1, SeqCst);
        Ok(Finding::Clear)
    }
}

#[tokio::test]
async fn nothing_else_is_asked_of_a_login_that_is_out() {
    for (has_shield, has_rule) in [(true, false), (false, true), (true, true)] {
        let (shield, rules) = (Counting::default(), Arc::<AtomicUsize>::default());
        let asked = Arc::clone(&rules);
        let bed = Bed::with(plan().except("kim", day(120)).unwrap(), |mut builder| {
            if has_shield {
                builder = builder.shield(shield.clone(), OnLeak::Block);
            }
            if has_rule {
                builder = builder.rule(rule_at_once_fn("counts", move |_| {
                    asked.fetch_add(1, SeqCst);
                    Ok(Ruling::proceed())
                }));
            }
            builder
        });
        let counts = || [shield.0.load(SeqCst), rules.load(SeqCst)];
        bed.go_to(day(100));
        assert_out(&bed.login("lee").await);
        assert_eq!(counts(), [0, 0]);
        bed.login("kim").await.assert_ok();
        assert_eq!(counts(), [usize::from(has_shield), usize::from(has_rule)]);
    }
}

#[tokio::test]
async fn ramp_and_exceptions_are_decided_at_the_edge_of_their_days() {
    let second = Duration::from_secs(1);
    let bed = Bed::new(plan().except("kim", day(120)).unwrap());
    for (time, kim, lee) in [
        (day(100) - second, true, true),
        (day(100), true, false),
        (day(120) - second, true, false),
        (day(120), false, false),
    ] {
        bed.go_to(time);
        let [at_kim, at_lee] = [bed.login("kim").await, bed.login("lee").await].map(|answer| answer.status == 200);
        assert_eq!([at_kim, at_lee], [kim, lee], "{time:?}");
    }
}

#[tokio::test]
async fn a_plan_is_taken_back_step_by_step() {
    let bed = Bed::new(plan());
    bed.go_to(day(100));
    assert_out(&bed.login("lee").await);
    for change in [plan().move_to(day(130)).unwrap(), plan().except("lee", day(101)).unwrap()] {
        bed.clients.put(app().sunset(change));
        bed.login("lee").await.assert_ok();
        bed.clients.put(app().sunset(plan()));
        assert_out(&bed.login("lee").await);
    }
    bed.clients.put(app().sunset(plan()).remove_sunset());
    let answer = bed.login("lee").await;
    answer.assert_ok();
    assert_eq!(answer.header("sunset"), None);
}
