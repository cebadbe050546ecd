//! Step and swap: two processes that count in one store of records, each by a limiter of its own.

use std::sync::Arc;

use async_trait::async_trait;
use shuttle::thread;
use tower_password_grant::BackendError;
use tower_password_grant::limiter::{
    AttemptKey, AttemptLimiter, AttemptRecords, Checked, Guess, Limit, Limits, LoadedRecords, Lockout, RecordChange,
    RecordKey, Reservation, Reserved, SecretCheck, Settlement, SharedKey, StoredLimiter,
};
use tower_password_grant::user::AccountKey;

use crate::records::MapRecords;
use crate::{HERE, HOUR, Still, exhaust, ready, sample};

/// More orders than the small scenes have.
const MOST: usize = 1_000_000;

/// What two processes do in the scenes.
struct Process<S>(StoredLimiter<S>);

impl<S: AttemptRecords> Process<S> {
    fn new(records: S, budget: u32) -> Self {
        let limits = Limits::new()
            .with_account_and_address_budget(Lockout::new(budget, HOUR))
            .with_client_and_address_budget(Lockout::new(budget, HOUR))
            .disable(Limit::Address)
            .disable(Limit::Account);
        Self(StoredLimiter::new(records, &SharedKey::new([7; 32]).unwrap()).with_limits(limits))
    }

    /// A guess at an account; whether it was charged.
    fn guess(&self, settlement: Settlement) -> bool {
        let account = AccountKey::resolved("alice");
        let key = AttemptKey::new(Guess::Account { realm: None, account: &account }, Some(HERE));
        match ready(self.0.reserve(&key)) {
            Reserved::Charged(reservation) => {
                ready(self.0.settle(reservation, settlement));
                true
            }
            _ => false,
        }
    }

    /// A check of a client's secret; whether its outcome was told.
    fn check(&self, is_right: bool) -> bool {
        let key = AttemptKey::new(Guess::Client { client_id: "cli" }, Some(HERE));
        matches!(ready(self.0.check(&key, SecretCheck::known(is_right))), Checked::Decided(_))
    }
}

fn records() -> MapRecords {
    MapRecords::with_clock(Arc::new(Still))
}

/// Runs each part in a thread of its own, which is a process with a limiter of its own, and answers what they answered.
fn together<S, T, const N: usize>(records: &S, budget: u32, parts: [fn(&Process<S>) -> T; N]) -> [T; N]
where
    S: AttemptRecords + Clone,
    T: Send + 'static,
{
    let threads = parts.map(|part| {
        let process = Process::new(records.clone(), budget);
        thread::spawn(move || part(&process))
    });
    threads.map(|thread| thread.join().unwrap())
}

fn told(answers: impl IntoIterator<Item = bool>) -> usize {
    answers.into_iter().map(usize::from).sum()
}

fn two_guesses_of_one<S: AttemptRecords + Clone>(records: &S) {
    let parts: [fn(&Process<S>) -> bool; 2] = [|process| process.guess(Settlement::Denied); 2];
    assert_eq!(told(together(records, 1, parts)), 1, "more guesses than the budget");
}

fn two_wrong_checks_of_one<S: AttemptRecords + Clone>(records: &S) {
    let parts: [fn(&Process<S>) -> bool; 2] = [|process| process.check(false); 2];
    assert_eq!(told(together(records, 1, parts)), 1, "more guesses than the budget");
    assert!(!Process::new(records.clone(), 1).check(true));
}

#[test]
fn guesses_of_two_processes_never_exceed_the_budget_t2() {
    exhaust("two processes, a guess each", MOST, || two_guesses_of_one(&records()));
    exhaust("two processes, a wrong check each", MOST, || two_wrong_checks_of_one(&records()));
    sample(|| {
        let records = records();
        let parts: [fn(&Process<MapRecords>) -> usize; 3] =
            [|process| told([(); 2].map(|()| process.guess(Settlement::Denied))); 3];
        assert_eq!(together(&records, 3, parts).into_iter().sum::<usize>(), 3);
        assert!(!Process::new(records, 3).guess(Settlement::Denied));
    });
}

#[test]
fn what_was_pending_succeeds_once_whichever_process_says_so() {
    exhaust("two processes, a success of what was pending each", MOST, || {
        let records = records();
        let process = Process::new(records.clone(), 2);
        let account = AccountKey::resolved("alice");
        let key = AttemptKey::new(Guess::Account { realm: None, account: &account }, Some(HERE));
        let Reserved::Charged(right) = ready(process.0.reserve(&key)) else { panic!("the first is charged") };
        let bytes = *right.key();
        ready(process.0.settle(right, Settlement::Pending));
        let threads = [(); 2].map(|()| {
            let process = Process::new(records.clone(), 2);
            let succeed = move || ready(process.0.settle(Reservation::new(bytes).resumed(), Settlement::Success));
            thread::spawn(succeed)
        });
        for thread in threads {
            let _ = thread.join().unwrap();
        }
        assert_eq!(told([(); 3].map(|()| process.guess(Settlement::Denied))), 2, "its charge came back");
        ready(process.0.settle(Reservation::new(bytes).resumed(), Settlement::Success));
        assert!(!process.guess(Settlement::Denied), "it was forgiven twice");
    });
}

#[test]
fn what_one_process_takes_back_is_there_for_the_other_and_no_more() {
    let scene = || {
        let records = records();
        let parts: [fn(&Process<MapRecords>) -> bool; 2] =
            [|process| process.guess(Settlement::Untried), |process| process.guess(Settlement::Denied)];
        let [_, denied] = together(&records, 1, parts);
        let left = Process::new(records, 1).guess(Settlement::Denied);
        assert_eq!(told([denied, left]), 1, "a charge was lost, or taken back twice");
    };
    sample(scene);
}

#[test]
fn a_right_check_at_the_edge_of_the_budget_is_told_or_comes_after_it() {
    exhaust("a right check beside a wrong one", MOST, || {
        let records = records();
        let parts: [fn(&Process<MapRecords>) -> bool; 2] =
            [|process| process.check(true), |process| process.check(false)];
        let [right, wrong] = together(&records, 1, parts);
        assert!(wrong, "a right check takes no place");
        // Right and then wrong: the wrong one is charged. Wrong and then right: the right one came too late.
        assert!(!Process::new(records, 1).check(true), "told {right}, and the wrong one is not charged");
    });
    sample(|| {
        let records = records();
        let parts: [fn(&Process<MapRecords>) -> usize; 3] = [
            |process| told([process.check(false), process.check(false)]),
            |process| told([process.check(false), process.check(false)]),
            |process| {
                process.check(true);
                0
            },
        ];
        // What a right one forgives is one budget more.
        let wrong: usize = together(&records, 2, parts).into_iter().sum();
        assert!((2..=4).contains(&wrong), "{wrong}");
    });
}

/// A store that swaps whatever the stamps are.
#[derive(Clone)]
struct Stampless(MapRecords);

#[async_trait]
impl AttemptRecords for Stampless {
    async fn load(&self, keys: &[RecordKey]) -> Result<LoadedRecords, BackendError> {
        self.0.load(keys).await
    }

    async fn swap(&self, changes: &[RecordChange]) -> Result<bool, BackendError> {
        let keys: Vec<_> = changes.iter().map(RecordChange::key).collect();
        let loaded = self.0.load(&keys).await?;
        let stamps = loaded.records().iter().map(|record| record.as_ref().map(|record| record.stamp()));
        let changes: Vec<_> = changes
            .iter()
            .zip(stamps)
            .map(|(change, seen)| {
                let bytes = change.bytes().to_vec();
                RecordChange::new(change.key(), seen, change.stamp(), bytes, change.forgotten_at())
            })
            .collect();
        self.0.swap(&changes).await
    }
}

#[test]
#[should_panic(expected = "more guesses than the budget")]
fn control_a_swap_that_ignores_stamps_is_found_out_by_exhaustion() {
    exhaust("guesses over a swap without stamps", MOST, || two_guesses_of_one(&Stampless(records())));
}

#[test]
#[should_panic(expected = "more guesses than the budget")]
fn control_a_swap_that_ignores_stamps_is_found_out_at_random() {
    sample(|| two_wrong_checks_of_one(&Stampless(records())));
}
