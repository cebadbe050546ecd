//! What must look alike looks alike in this profile, too: why a user is denied, and whether a name has an account.

use std::time::Duration;

use http::{HeaderMap, StatusCode};
use tower_password_grant::limiter::AttackProtection;
use tower_password_grant::mount::Profile;
use tower_password_grant::rules::{LoginEvent, Ruling, rule_fn};
use tower_password_grant::{Attempt, Denial, Subject, verify_fn};

use crate::support::{AUTH, Answer, ManualClock, Probe, builder, send_in, token_request};

const REQUESTS: usize = 20;

/// A whole answer.
type Whole = (StatusCode, HeaderMap, bytes::Bytes);

/// The names of the users, each with what a login of it comes to.
fn denial(name: &str) -> Denial {
    match name {
        "wrong" => Denial::WrongPassword,
        "disabled" => Denial::Disabled,
        "locked" => Denial::Locked,
        "expired" => Denial::PasswordExpired,
        "unverified" => Denial::Unverified,
        _ => Denial::UnknownUser,
    }
}

const NAMES: [&str; 7] = ["nobody", "wrong", "disabled", "locked", "expired", "unverified", "another"];

/// What so many logins of this user are answered, each a second after the one before. `repeats`: always with the same password.
async fn answers(protection: AttackProtection, client: &str, name: &str, repeats: bool) -> Vec<Whole> {
    let clock = ManualClock::new();
    let verifier = verify_fn(|attempt: Attempt| {
        let denial = denial(attempt.username());
        async { Ok(denial.into()) }
    });
    let layer = builder(&Probe::default()).verifier(verifier).clock(clock.clone()).attack_protection(protection);
    let layer = layer.profile(Profile::Auth0).build().unwrap();
    let mut wholes = Vec::new();
    for number in 0..REQUESTS {
        let password = if repeats { 0 } else { number };
        let body = format!("grant_type=password&username={name}&password=guess{password}");
        let request = match client {
            "conf" => token_request(AUTH, &body),
            client => token_request(&[], &format!("{body}&client_id={client}")),
        };
        let Answer { status, headers, body, .. } = send_in(Profile::Auth0, &layer, request).await;
        wholes.push((status, headers, body));
        clock.advance(Duration::from_millis(1001));
    }
    wholes
}

#[tokio::test]
async fn all_denials_of_a_user_are_byte_equal_at_each_of_20_requests_and_under_their_lock() {
    let conceal = |conceals| {
        let protection = AttackProtection::new();
        if conceals { protection.conceal_account_locks() } else { protection }
    };
    for conceals in [false, true] {
        let protection = || conceal(conceals);
        for (client, repeats) in [("conf", false), ("pub", false), ("conf", true), ("pub", true)] {
            let expected = answers(protection(), client, NAMES[0], repeats).await;
            let statuses: Vec<_> = expected.iter().map(|(status, ..)| status.as_u16()).collect();
            // Ten guesses, then the lock of this name at this address, whether or not it has an account. Users of public clients
            // may not learn of it, where that is set.
            let is_silent = repeats || conceals && client == "pub";
            let locked = if is_silent { REQUESTS } else { 10 };
            assert_eq!(statuses[..locked], vec![403; locked], "{client} {repeats}");
            assert_eq!(statuses[locked..], vec![429; REQUESTS - locked], "{client} {repeats}");
            let resets = expected.iter().filter(|(_, headers, _)| headers.contains_key("x-ratelimit-reset"));
            assert_eq!(resets.count(), REQUESTS - locked);
            for name in &NAMES[1..] {
                assert_eq!(answers(protection(), client, name, repeats).await, expected, "{name} {client} {repeats}");
            }
        }
    }
}

#[tokio::test]
async fn a_rules_denial_shows_itself_to_the_right_password_alone() {
    let rule = || rule_fn("closed", |_: LoginEvent| async { Ok(Ruling::deny("closed on Sundays").unwrap()) });
    let verifier = || {
        verify_fn(|attempt: Attempt| {
            let is_right = (attempt.username(), attempt.password().expose()) == ("alice", "right");
            let verdict = if is_right { Subject::new("user-alice").into() } else { denial(attempt.username()).into() };
            async { Ok(verdict) }
        })
    };
    let of = async |name: &str| {
        let layer = builder(&Probe::default()).verifier(verifier()).clock(ManualClock::new()).rule(rule());
        let layer = layer.profile(Profile::Auth0).build().unwrap();
        let mut wholes = Vec::new();
        for number in 0..REQUESTS {
            let body = format!("grant_type=password&username={name}&password=guess{number}");
            let Answer { status, headers, body, .. } =
                send_in(Profile::Auth0, &layer, token_request(AUTH, &body)).await;
            wholes.push((status, headers, body));
        }
        wholes
    };
    // Alice has an account, and a rule that would refuse her.
    assert_eq!(of("alice").await, of("nobody").await);
}
