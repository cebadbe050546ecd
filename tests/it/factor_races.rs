//! Many equal codes at once on the store in memory: exactly one counts in each of 1,000 rounds.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tower_password_grant::mfa::FactorUser;
use tower_password_grant::store::{
    Authenticator, AuthenticatorId, Enrolled, Enrolment, FactorStore, MemoryFactors, OneTimeValues as _, RecoveryCodes,
    SecretDigest,
};
use tower_password_grant::testing::contract::together;

const ROUNDS: u64 = 1_000;
const NOW: SystemTime = SystemTime::UNIX_EPOCH;

fn subject(round: u64) -> String {
    format!("user-{round}")
}

/// An enrolment with one recovery code, by its number.
fn enrolment(number: u64) -> Enrolment {
    let made = |prefix: &str| {
        let id = AuthenticatorId::parse(&format!("{prefix}|dev_{number:022}")).unwrap();
        let kind = id.kind().unwrap();
        Authenticator::new(id, kind, None, Vec::new(), NOW)
    };
    let codes = RecoveryCodes::new(made("recovery-code"), vec![code(number)]);
    Enrolment::new(made("totp"), Some(codes), true)
}

fn code(number: u64) -> SecretDigest {
    SecretDigest::of(&number.to_string())
}

async fn begin(store: &MemoryFactors, round: u64) -> AuthenticatorId {
    let (subject, enrolment) = (subject(round), enrolment(round));
    let id = enrolment.authenticator.id.clone();
    assert_eq!(store.enrol(FactorUser::new(None, &subject), enrolment, NOW).await.unwrap(), Enrolled::Begun);
    id
}

async fn activate(store: &MemoryFactors, round: u64) -> AuthenticatorId {
    let id = begin(store, round).await;
    assert!(store.confirm(FactorUser::new(None, &subject(round)), &id, true, NOW).await.unwrap());
    id
}

/// Of so many calls at once exactly one is answered `true`, in each round. A call is made by its round and its number.
async fn one_wins<C: Future<Output = bool> + Send + 'static>(
    calls: u64,
    prepare: impl AsyncFn(&MemoryFactors, u64) -> AuthenticatorId,
    call: impl Fn(Arc<MemoryFactors>, AuthenticatorId, u64, u64) -> C,
) {
    let store = Arc::new(MemoryFactors::new());
    for round in 0..ROUNDS {
        let id = prepare(&store, round).await;
        let calls = (0..calls).map(|number| call(Arc::clone(&store), id.clone(), round, number));
        let won = together(calls).await.into_iter().filter(|won| *won).count();
        assert_eq!(won, 1, "round {round}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_100_equal_codes_at_once_one_is_spent() {
    one_wins(100, activate, |store, id, round, _| async move {
        store.spend_step(FactorUser::new(None, &subject(round)), &id, 7).await.unwrap()
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_50_equal_recovery_codes_at_once_one_is_swapped() {
    one_wins(50, activate, |store, _, round, number| async move {
        let new = SecretDigest::of(&format!("{round}-{number}"));
        store.swap_recovery_code(FactorUser::new(None, &subject(round)), &code(round), &new).await.unwrap()
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_50_equal_challenges_at_once_one_is_spent() {
    one_wins(50, begin, |store, _, round, _| async move {
        store.consume(&code(round), SystemTime::now() + Duration::from_secs(600)).await.unwrap()
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_confirmations_at_once_one_confirms() {
    one_wins(2, begin, |store, id, round, _| async move {
        store.confirm(FactorUser::new(None, &subject(round)), &id, true, NOW).await.unwrap()
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_enrolments_at_once_one_is_left() {
    let store = Arc::new(MemoryFactors::new());
    for round in 0..ROUNDS {
        let calls = (0..2).map(|number| {
            let store = Arc::clone(&store);
            async move {
                let (subject, enrolment) = (subject(round), enrolment(2 * round + number));
                let id = enrolment.authenticator.id.clone();
                store.enrol(FactorUser::new(None, &subject), enrolment, NOW).await.unwrap();
                id
            }
        });
        let ids = together(calls).await;
        let (subject, mut confirmed) = (subject(round), 0);
        let listed = store.list(FactorUser::new(None, &subject), NOW).await.unwrap();
        assert_eq!(listed.len(), 2, "an app and its codes");
        for id in &ids {
            let user = FactorUser::new(None, &subject);
            confirmed += u32::from(store.confirm(user, id, true, NOW).await.unwrap());
        }
        assert_eq!(confirmed, 1, "round {round}");
    }
}
