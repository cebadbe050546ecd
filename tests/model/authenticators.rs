//! Authenticators: of equal codes, recovery codes, challenges and confirmations one counts, in every order.

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, SystemTime};

use shuttle::thread;
use tower_password_grant::mfa::FactorUser;
use tower_password_grant::store::{
    Authenticator, AuthenticatorId, Enrolled, Enrolment, FactorStore as _, MemoryFactors, OneTimeValues as _,
    RecoveryCodes, SecretDigest,
};

use crate::{Still, exhaust, sample};

const NOW: SystemTime = SystemTime::UNIX_EPOCH;
const ALICE: FactorUser<'_> = FactorUser::new(None, "alice");
/// More orders than the small scenes have.
const MOST: usize = 100_000;

fn ready<T, E: std::fmt::Debug>(answer: impl Future<Output = Result<T, E>>) -> T {
    match pin!(answer).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(answer) => answer.unwrap(),
        Poll::Pending => panic!("the store in memory waits for nothing"),
    }
}

fn id(prefix: &str, number: u32) -> AuthenticatorId {
    AuthenticatorId::parse(&format!("{prefix}|dev_{number:022}")).unwrap()
}

fn enrolment(number: u32) -> Enrolment {
    let made = |prefix| {
        let id = id(prefix, number);
        let kind = id.kind().unwrap();
        Authenticator::new(id, kind, None, Vec::new(), NOW)
    };
    let codes = RecoveryCodes::new(made("recovery-code"), vec![SecretDigest::of("code")]);
    Enrolment::new(made("totp"), Some(codes), true)
}

fn enrol(store: &MemoryFactors, number: u32) -> bool {
    ready(store.enrol(ALICE, enrolment(number), NOW)) == Enrolled::Begun
}

fn confirm(store: &MemoryFactors, number: u32) -> bool {
    ready(store.confirm(ALICE, &id("totp", number), true, NOW))
}

fn spend(store: &MemoryFactors, step: u64) -> bool {
    ready(store.spend_step(ALICE, &id("totp", 1), step))
}

fn swap(store: &MemoryFactors, old: &str, new: &str) -> bool {
    ready(store.swap_recovery_code(ALICE, &SecretDigest::of(old), &SecretDigest::of(new)))
}

fn consume(store: &MemoryFactors) -> bool {
    ready(store.consume(&SecretDigest::of("challenge"), NOW + Duration::from_secs(600)))
}

/// A store with an authenticator that waits.
fn waiting() -> Arc<MemoryFactors> {
    let store = MemoryFactors::new().with_clock(Still);
    assert!(enrol(&store, 1));
    Arc::new(store)
}

/// The same, confirmed.
fn active() -> Arc<MemoryFactors> {
    let store = waiting();
    assert!(confirm(&store, 1));
    store
}

type Part = fn(&MemoryFactors) -> bool;

fn together<const N: usize>(store: &Arc<MemoryFactors>, parts: [Part; N]) -> [bool; N] {
    let threads = parts.map(|part| {
        let store = Arc::clone(store);
        thread::spawn(move || part(&store))
    });
    threads.map(|thread| thread.join().unwrap())
}

/// Of two equal calls one is answered `true`, in all orders, and of three in many.
fn one_of(name: &str, begin: fn() -> Arc<MemoryFactors>, part: Part) {
    let won = |answers: &[bool]| answers.iter().filter(|won| **won).count();
    exhaust(name, MOST, move || assert_eq!(won(&together(&begin(), [part; 2])), 1));
    sample(move || assert_eq!(won(&together(&begin(), [part; 3])), 1));
}

#[test]
fn of_equal_calls_one_is_done() {
    one_of("spend and spend", active, |store| spend(store, 7));
    one_of("swap and swap", active, |store| swap(store, "code", "next"));
    one_of("confirm and confirm", waiting, |store| confirm(store, 1));
    one_of("consume and consume", active, consume);
}

#[test]
fn steps_go_forward_only() {
    exhaust("spend and spend the next", MOST, || {
        let store = active();
        let [_, later] = together(&store, [|store| spend(store, 7), |store| spend(store, 8)]);
        assert!(later && !spend(&store, 8) && !spend(&store, 7));
    });
}

#[test]
fn of_a_confirmation_and_a_first_enrolment_one_is_done() {
    exhaust("confirm and enrol", MOST, || {
        let store = waiting();
        let [confirmed, enrolled] = together(&store, [|store| confirm(store, 1), |store| enrol(store, 2)]);
        assert_ne!(confirmed, enrolled);
        assert_eq!(confirm(&store, 2), enrolled);
    });
}

#[test]
fn a_user_that_is_reset_while_a_code_is_used_has_nothing_left() {
    exhaust("swap and remove_all", MOST, || {
        let store = active();
        let reset: Part = |store| {
            ready(store.remove_all(ALICE));
            true
        };
        together(&store, [|store| swap(store, "code", "next"), reset]);
        assert!(!swap(&store, "code", "last") && !swap(&store, "next", "last") && !spend(&store, 7));
    });
}
