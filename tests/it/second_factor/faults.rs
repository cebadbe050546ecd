//! Stores and deliveries that fail, hang and panic, and requests that are dropped half-way: nothing is given, each charge is settled as
//! it is stated, and the user still gets in afterwards.

use std::cell::RefCell;
use std::future::Future as _;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use http::Method;
use serde_json::json;
use tower_password_grant::mfa::{Channel, DeliveryStatus};

use super::broken::{Broken, Call};
use super::ways::{PHONE, text};
use crate::support::factors::{FORM, request};
use crate::support::faults::{FAILURES, Mode};
use crate::support::{Answer, panics};

/// A request for which a part is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scene {
    Login,
    Refresh,
    Otp,
    FirstOtp,
    Recovery,
    Typed,
    Polled,
    Challenge,
    List,
    Remove,
    EnrolApp,
    EnrolPhone,
    EnrolDevice,
}

use Scene::*;

impl Scene {
    const ALL: [Self; 13] = [
        Login,
        Refresh,
        Otp,
        FirstOtp,
        Recovery,
        Typed,
        Polled,
        Challenge,
        List,
        Remove,
        EnrolApp,
        EnrolPhone,
        EnrolDevice,
    ];

    /// The methods that are asked, in their order.
    fn calls(self) -> &'static [Call] {
        match self {
            Login | Refresh | List => &[Call::List],
            Otp => &[Call::List, Call::SpendStep, Call::Consume],
            FirstOtp => &[Call::List, Call::SpendStep, Call::Consume, Call::Confirm],
            Recovery => &[Call::Look, Call::Swap, Call::Consume],
            Typed => &[Call::List, Call::Consume],
            Polled => &[Call::Consume, Call::List, Call::Status],
            Challenge => &[Call::List, Call::Deliver],
            Remove => &[Call::Remove],
            EnrolApp => &[Call::List, Call::Enrol],
            EnrolPhone => &[Call::List, Call::Enrol, Call::Deliver],
            EnrolDevice => &[Call::List, Call::Enrol, Call::EnrolmentUri, Call::Deliver],
        }
    }

    /// What the request is charged on when this method is asked, and is settled by how it ends.
    fn charged(self, call: Call) -> Option<&'static str> {
        match self {
            Login => Some("account"),
            Otp | FirstOtp | Typed => Some("factor"),
            // What is spent already is seen before it.
            Recovery => (call != Call::Look).then_some("recovery code"),
            // The turn comes before the charge.
            Polled => (call != Call::Consume).then_some("address"),
            _ => None,
        }
    }

    /// The status where all works.
    fn status(self) -> u16 {
        match self {
            Login | Refresh => 403,
            Remove => 204,
            _ => 200,
        }
    }
}

/// What alice has.
#[derive(Default)]
struct Has {
    secret: String,
    codes: RefCell<Vec<String>>,
    refresh: String,
}

impl Has {
    async fn of(scene: Scene, broken: &Broken) -> Self {
        let bed = &broken.bed;
        match scene {
            FirstOtp | EnrolApp | EnrolPhone | EnrolDevice => Self::default(),
            Typed | Challenge => {
                bed.reached_by("alice", Channel::Sms).await;
                Self::default()
            }
            Polled => {
                bed.reached_by("alice", Channel::Push).await;
                bed.outbox.answer(DeliveryStatus::Approved);
                Self::default()
            }
            Login | Refresh | Otp | Recovery | List | Remove => {
                let refresh = text(&bed.login("alice", "").await.assert_ok(), "refresh_token");
                let (secret, begun) = bed.enrol_app(&bed.manager("alice").await).await;
                bed.redeem_otp(&text(&begun, "mfa_token"), &bed.code(&secret)).await.assert_ok();
                bed.clock.advance(Duration::from_secs(30));
                let codes = begun["recovery_codes"].as_array().unwrap().iter();
                let codes = codes.map(|code| code.as_str().unwrap().to_owned()).collect();
                Self { secret, codes: RefCell::new(codes), refresh }
            }
        }
    }
}

/// A token, and what is presented beside it.
struct Begun(String, String);

/// What comes before the request of this scene.
async fn begin(scene: Scene, broken: &Broken, has: &Has) -> Begun {
    let bed = &broken.bed;
    let begun = |token: String, proof: &str| Begun(token, proof.to_owned());
    match scene {
        Login => begun(String::new(), ""),
        Refresh => begun(has.refresh.clone(), ""),
        Otp => begun(bed.left_open("alice").await, &bed.code(&has.secret)),
        FirstOtp => {
            let (secret, answer) = bed.enrol_app(&bed.manager("alice").await).await;
            begun(text(&answer, "mfa_token"), &bed.code(&secret))
        }
        Recovery => begun(bed.left_open("alice").await, &has.codes.borrow_mut().pop().expect("a code is left")),
        Typed | Polled => {
            let token = bed.left_open("alice").await;
            let oob_code = bed.sent(&token).await;
            Begun(token, oob_code)
        }
        Challenge => begun(bed.left_open("alice").await, ""),
        List => begun(bed.strong("alice").await, ""),
        Remove => {
            let bearer = bed.strong("alice").await;
            let listed = bed.list(&bearer).await.json();
            let app = listed.as_array().unwrap().iter().find(|one| one["type"] == "otp").expect("there is an app");
            let id = text(app, "id").replace('|', "%7C");
            Begun(bearer, id)
        }
        EnrolApp | EnrolPhone | EnrolDevice => begun(bed.manager("alice").await, ""),
    }
}

async fn ask(scene: Scene, broken: &Broken, Begun(token, proof): &Begun) -> Answer {
    let bed = &broken.bed;
    match scene {
        Login => bed.login("alice", "").await,
        Refresh => {
            let body = format!("client_id=app&grant_type=refresh_token&refresh_token={token}");
            bed.send(request(Method::POST, "/oauth/token", &[FORM], &body)).await
        }
        Otp | FirstOtp => bed.redeem_otp(token, proof).await,
        Recovery => bed.redeem_recovery(token, proof).await,
        Typed => bed.redeem_oob(token, proof, Some(&bed.typed())).await,
        Polled => bed.redeem_oob(token, proof, None).await,
        Challenge => bed.challenge(token, &json!({ "challenge_type": "oob" })).await,
        List => bed.list(token).await,
        Remove => bed.remove(token, proof).await,
        EnrolApp => bed.associate(token, &json!({ "authenticator_types": ["otp"] })).await,
        EnrolPhone => {
            let wanted = json!({ "authenticator_types": ["oob"], "oob_channels": ["sms"], "phone_number": PHONE });
            bed.associate(token, &wanted).await
        }
        EnrolDevice => {
            bed.associate(token, &json!({ "authenticator_types": ["oob"], "oob_channels": ["auth0"] })).await
        }
    }
}

/// How the charge of this kind is settled where a call fails or takes too long; a panic leaves it as it is.
fn settled(kind: &str, mode: Mode) -> Option<String> {
    let settlement = match mode {
        Mode::Unavailable | Mode::Fault | Mode::Hang if kind != "address" => "Undecided",
        Mode::Unavailable | Mode::Fault | Mode::Hang | Mode::Overloaded => "Untried",
        Mode::Work | Mode::Stuck | Mode::Panic => return None,
    };
    Some(format!("{kind} {settlement}"))
}

#[tokio::test(start_paused = true)]
async fn each_method_that_fails_is_an_error_of_the_server_that_gives_nothing_and_is_charged_as_stated_er_13() {
    panics::quiet();
    for scene in Scene::ALL {
        for call in scene.calls() {
            for (mode, status, code, wait) in FAILURES {
                let case = format!("{scene:?}, {call:?}, {mode:?}");
                let broken = Broken::waiting(0);
                let has = Has::of(scene, &broken).await;
                let begun = begin(scene, &broken, &has).await;
                let issued = broken.issued();
                broken.charges.lock().unwrap().clear();

                broken.parts.switch(*call).set(mode);
                let answer = ask(scene, &broken, &begun).await;
                assert_eq!((answer.status.as_u16(), answer.json()["error"].as_str()), (status, Some(code)), "{case}");
                assert_eq!(answer.header("retry-after"), wait, "{case}");
                assert_eq!((broken.issued(), broken.parts.alive()), (issued, 0), "{case}");
                let charges = std::mem::take(&mut *broken.charges.lock().unwrap());
                if let Some(kind) = scene.charged(*call) {
                    let expected: Vec<_> =
                        std::iter::once(format!("{kind} charged")).chain(settled(kind, mode)).collect();
                    assert_eq!(charges, expected, "{case}");
                }
                assert!(!charges.iter().any(|line| line.ends_with("Success")), "{case}: {charges:?}");

                // Nobody is locked out by it, and nothing is let in.
                broken.parts.switch(*call).set(Mode::Work);
                broken.bed.clock.advance(Duration::from_secs(30));
                let begun = begin(scene, &broken, &has).await;
                let answer = ask(scene, &broken, &begun).await;
                assert_eq!(answer.status.as_u16(), scene.status(), "{case}: {answer:?}");
            }
        }
    }
}

#[tokio::test]
async fn a_request_that_is_dropped_at_any_poll_gives_nothing_twice_and_the_user_still_gets_in_pw_08() {
    for scene in Scene::ALL {
        for polls in 0.. {
            let case = format!("{scene:?}, poll {polls}");
            let broken = Broken::waiting(1);
            let has = Has::of(scene, &broken).await;
            let begun = begin(scene, &broken, &has).await;
            let issued = broken.issued();
            broken.charges.lock().unwrap().clear();
            let is_done = {
                let mut asking = pin!(ask(scene, &broken, &begun));
                let mut cx = Context::from_waker(Waker::noop());
                (0..polls).any(|_| matches!(asking.as_mut().poll(&mut cx), Poll::Ready(_)))
            };
            assert_eq!(broken.parts.alive(), 0, "{case}: a future is left behind");
            let charges = std::mem::take(&mut *broken.charges.lock().unwrap());
            if let Some(kind) = scene.charged(Call::List).filter(|_| scene != Login) {
                let is_back = charges.contains(&format!("{kind} Success"));
                assert!(!is_back || broken.issued() > issued, "{case}: {charges:?}");
            }
            // The same once more, which a copy on the way may be.
            ask(scene, &broken, &begun).await;
            assert!(broken.issued() <= issued + 1, "{case}: two logins by one code");

            broken.bed.clock.advance(Duration::from_secs(30));
            if is_done {
                assert!(polls > scene.calls().len(), "{case}: each call waits once");
                break;
            }
            let gets_in = match scene {
                // The authenticator is gone by the second request, or the factor is active.
                Remove | FirstOtp | Refresh => continue,
                scene => scene,
            };
            let begun = begin(gets_in, &broken, &has).await;
            let answer = ask(gets_in, &broken, &begun).await;
            assert_eq!(answer.status.as_u16(), scene.status(), "{case}: {answer:?}");
        }
    }
}
