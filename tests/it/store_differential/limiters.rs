//! Limiters: in memory, in a file, and over records in a map that forgets each as soon as it may. Their reference is the one in
//! memory, which is held to the history of all attempts by tests of its own.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;
use tower_password_grant::limiter::{
    ActiveLock, AttemptKey, AttemptLimiter, BegunLock, Checked, Fingerprint, Guess, Limit, LimiterOperator, Limits,
    Lockout, MemoryLimiter, Refusal, Reservation, Reserved, SecretCheck, Settlement, SharedKey, StoredLimiter,
    TokenBucket,
};
use tower_password_grant::testing::ManualClock;
use tower_password_grant::user::AccountKey;

#[cfg(feature = "sqlite")]
use super::folder;
use super::{LONGEST, SEQUENCES, runner, runtime, share};
use crate::support::locks::locks;
use crate::support::records::MapRecords;

/// How often something was answered.
type Counts = BTreeMap<String, u32>;

const MINUTE: u64 = 60_000;

trait Limiter: AttemptLimiter + LimiterOperator {}

impl<L: AttemptLimiter + LimiterOperator> Limiter for L {}

#[derive(Clone, Debug)]
struct Try {
    who: u8,
    from: Option<u8>,
    is_client: bool,
    is_exempt: bool,
    /// 0 is the right one.
    secret: u8,
}

#[derive(Clone, Debug)]
enum Step {
    /// In milliseconds.
    Wait(u64),
    Reserve(Try),
    Check(Try),
    /// One of the attempts under way.
    Settle(prop::sample::Index, u8),
    LocksOf(u8),
    Unblock(Try, u8),
    ForgetEverything,
}

fn step() -> impl Strategy<Value = Step> {
    let attempt = || {
        let from = prop_oneof![4 => 0_u8..2, 2 => 4_u8..6, 1 => 0_u8..8];
        (0_u8..3, prop::option::weighted(0.9, from), 0_u8..8, 0_u8..10, 0_u8..4).prop_map(
            |(who, from, kind, exempt, secret)| Try { who, from, is_client: kind == 0, is_exempt: exempt == 0, secret },
        )
    };
    prop_oneof![
        4 => (0..4 * MINUTE).prop_map(Step::Wait),
        1 => (4 * MINUTE..70 * MINUTE).prop_map(Step::Wait),
        40 => attempt().prop_map(Step::Reserve),
        6 => attempt().prop_map(|attempt| Step::Check(Try { is_client: true, ..attempt })),
        18 => (any::<prop::sample::Index>(), 0_u8..8).prop_map(|(which, how)| Step::Settle(which, how)),
        4 => (0_u8..4).prop_map(Step::LocksOf),
        2 => (attempt(), 0_u8..3).prop_map(|(attempt, what)| Step::Unblock(attempt, what)),
        1 => Just(Step::ForgetEverything),
    ]
}

/// The first four are of IPv4; of the others two are of one /56, a third of its /48.
fn address(from: u8) -> IpAddr {
    let (around, subnet) = match from {
        0..4 => return Ipv4Addr::new(192, 0, 2, from).into(),
        4 | 5 => (1, from.into()),
        6 => (1, 0x106),
        _ => (2, 7),
    };
    Ipv6Addr::new(0x2001, 0xdb8, around, subnet, 0, 0, 0, 1).into()
}

/// Locks and windows of minutes, so that records are forgotten within a sequence.
fn limits() -> Limits {
    let lockout = |attempts, window, first| {
        let minutes = |minutes| Duration::from_millis(minutes * MINUTE);
        Lockout::new(attempts, minutes(window)).locked_for(minutes(first), minutes(40))
    };
    Limits::new()
        .with_account_and_address_budget(lockout(3, 20, 5))
        .with_account_budget(lockout(8, 30, 10))
        .with_client_and_address_budget(lockout(2, 6, 8))
        .with_address_budget(TokenBucket::new(6, Duration::from_millis(2 * MINUTE)))
        .with_repeat_window(Duration::from_millis(3 * MINUTE))
        .with_ipv6_factors(1, 2)
        .with_known_addresses(Duration::from_millis(90 * MINUTE))
}

struct Limiters {
    all: Vec<(&'static str, Box<dyn Limiter>)>,
    clock: ManualClock,
    records: MapRecords,
    /// Of each limiter, in their order.
    under_way: Vec<(Try, Vec<Reservation>)>,
    _folder: Option<Box<dyn std::any::Any>>,
}

impl Limiters {
    fn new(limits: Limits) -> Self {
        let clock = ManualClock::new();
        let records = MapRecords::with_clock(Arc::new(clock.clone()));
        let key = SharedKey::new([7; 32]).unwrap();
        #[allow(unused_mut, reason = "without a feature there is nothing to add")]
        let mut limiters = Self {
            all: vec![
                ("memory", Box::new(MemoryLimiter::new().with_limits(limits).with_clock(clock.clone()))),
                ("records", Box::new(StoredLimiter::new(records.clone(), &key).with_limits(limits))),
            ],
            records,
            clock: clock.clone(),
            under_way: Vec::new(),
            _folder: None,
        };
        #[cfg(feature = "sqlite")]
        if let Some(folder) = folder() {
            let store = tower_password_grant::sqlite::SqliteStore::builder(folder.file()).clock(clock).open().unwrap();
            limiters.all.push(("sqlite", Box::new(store.limiter().with_limits(limits))));
            limiters._folder = Some(Box::new(folder));
        }
        limiters
    }

    /// The answer of all, which must be the same.
    async fn same(&self, step: &Step, mut ask: impl AsyncFnMut(usize, &dyn Limiter) -> String) -> String {
        let mut first: Option<String> = None;
        for (at, (name, limiter)) in self.all.iter().enumerate() {
            let answer = ask(at, &**limiter).await;
            let expected = first.get_or_insert_with(|| answer.clone());
            assert_eq!(&answer, expected, "{name}: {step:?}");
        }
        first.unwrap_or_default()
    }

    async fn play(&mut self, step: &Step, counts: &mut Counts) {
        let answer = match step {
            Step::Wait(millis) => {
                self.clock.advance(Duration::from_millis(*millis));
                return;
            }
            Step::Reserve(attempt) => {
                let (asked, mut reservations) = (attempt.asked(), Vec::new());
                let answer = self
                    .same(step, async |_, limiter| match limiter.reserve(&asked.key()).await.unwrap() {
                        Reserved::Charged(reservation) => {
                            let (monitored, known) = (reservation.monitored(), reservation.is_from_known_address());
                            reservations.push(reservation);
                            format!("charged {monitored:?} {}", if known { "known" } else { "new" })
                        }
                        Reserved::Refused(refusal) => refused(&refusal),
                        other => panic!("{other:?}"),
                    })
                    .await;
                if !reservations.is_empty() {
                    self.under_way.push((attempt.clone(), reservations));
                }
                answer
            }
            Step::Check(attempt) => {
                let (asked, check) = (attempt.asked(), || SecretCheck::known(attempt.secret == 0));
                self.same(step, async |_, limiter| match limiter.check(&asked.key(), check()).await.unwrap() {
                    Checked::Decided(decided) => {
                        let news = notice(decided.new_lock());
                        format!("compared {} {:?} {news}", decided.is_right(), decided.monitored())
                    }
                    Checked::Refused(refusal) => refused(&refusal),
                    other => panic!("{other:?}"),
                })
                .await
            }
            Step::Settle(_, 0) => return,
            Step::Settle(..) if self.under_way.is_empty() => return,
            Step::Settle(which, how) => {
                let (attempt, mut reservations) = self.under_way.swap_remove(which.index(self.under_way.len()));
                let settlement = match (how, attempt.secret) {
                    (1, _) => Settlement::Undecided,
                    (2, _) => Settlement::Untried,
                    (3, _) => Settlement::Refused,
                    (_, 0) => Settlement::Success,
                    _ => Settlement::Denied,
                };
                let again: Vec<_> = reservations.iter().map(Reservation::again).collect();
                reservations.reverse();
                self.same(step, async |at, limiter| {
                    let news = limiter.settle(reservations.pop().unwrap(), settlement).await.unwrap();
                    // As after an answer that was lost: nothing happens.
                    assert!(limiter.settle(again[at].again(), settlement).await.unwrap().is_none());
                    format!("settled {}", notice(news))
                })
                .await
            }
            Step::LocksOf(who) => {
                let account = AccountKey::resolved(who.to_string());
                self.same(step, async |_, limiter| listed(limiter.locks_of(None, &account).await.unwrap())).await
            }
            Step::Unblock(attempt, what) => {
                let (name, from) = (attempt.who.to_string(), attempt.from.map(address));
                let account = AccountKey::resolved(name.as_str());
                // Records cannot be counted that fall short of a lock.
                let mut counted = None;
                let mut told = |at: usize, gone: usize| {
                    let expected = *counted.get_or_insert(gone);
                    let name = self.all[at].0;
                    assert!(gone == expected || name == "records" && gone < expected, "{name}: {step:?}: {gone}");
                    "unblocked".to_owned()
                };
                let answer = self
                    .same(step, async |at, limiter| match (what, from) {
                        (0, _) if attempt.is_client => {
                            format!("unblocked {}", limiter.unblock_client(&name, from).await.unwrap())
                        }
                        (0, _) => {
                            format!("unblocked {}", limiter.unblock_account_at(None, &account, from).await.unwrap())
                        }
                        (1, Some(from)) => told(at, limiter.unblock_address(from).await.unwrap()),
                        _ => told(at, limiter.unblock_account(None, &account).await.unwrap()),
                    })
                    .await;
                self.clock.advance(Duration::from_millis(1));
                answer
            }
            Step::ForgetEverything => {
                for (_, limiter) in &self.all {
                    limiter.forget_everything().await.unwrap();
                }
                self.clock.advance(Duration::from_millis(1));
                "forgotten".to_owned()
            }
        };
        let what = answer.split_whitespace().take(2).collect::<Vec<_>>().join(" ");
        *counts.entry(what).or_default() += 1;
        self.same(step, async |_, limiter| listed(locks(limiter).await)).await;
    }
}

/// What an attempt's key borrows.
struct Asked {
    attempt: Try,
    name: String,
    account: AccountKey<'static>,
}

impl Try {
    fn asked(&self) -> Asked {
        let name = self.who.to_string();
        Asked { attempt: self.clone(), account: AccountKey::resolved(name.clone()), name }
    }
}

impl Asked {
    fn key(&self) -> AttemptKey<'_> {
        let Try { who, from, is_client, is_exempt, secret } = self.attempt;
        let guess = match is_client {
            true => Guess::Client { client_id: &self.name },
            false => Guess::Account { realm: None, account: &self.account },
        };
        let print = u64::from(who) * 16 + u64::from(is_client) * 8 + u64::from(secret) + 1;
        let key = AttemptKey::new(guess, from.map(address)).with_fingerprint(Fingerprint::new(print << 33));
        if is_exempt { key.exempt() } else { key }
    }
}

fn notice(lock: Option<BegunLock>) -> String {
    lock.map_or_else(String::new, |lock| format!("news {} {:?}", lock.limit(), lock.lasts()))
}

fn refused(refusal: &Refusal) -> String {
    let (limit, wait) = (refusal.limit(), refusal.retry_after());
    format!("refused {limit} {wait:?} {:?} {}", refusal.address_wait(), notice(refusal.new_lock()))
}

/// Without names, which a limiter keeps as long as there is room.
fn listed(locks: Vec<ActiveLock>) -> String {
    let mut said: Vec<_> = locks.iter().map(|lock| format!("{} {:?}", lock.limit, lock.remaining)).collect();
    said.sort_unstable();
    format!("{} listed {}", if said.is_empty() { "none" } else { "some" }, said.join("; "))
}

fn play(limits: Limits) -> Counts {
    let (runtime, mut counts, mut forgotten) = (runtime(), Counts::new(), 0);
    let counted = std::cell::RefCell::new((&mut counts, &mut forgotten));
    let played = runner(SEQUENCES / 4).run(&prop::collection::vec(step(), 1..=LONGEST), |steps| {
        let (counts, forgotten) = &mut *counted.borrow_mut();
        let mut limiters = Limiters::new(limits);
        runtime.block_on(async {
            let mut most = 0;
            for step in &steps {
                limiters.play(step, counts).await;
                let records = limiters.records.len();
                **forgotten += usize::from(records < most);
                most = records;
            }
        });
        Ok(())
    });
    played.unwrap_or_else(|failed| panic!("{failed}"));
    println!("{counts:?}, records forgotten {forgotten} times");
    assert!(forgotten > 100, "records were forgotten {forgotten} times");
    counts
}

#[test]
fn limiters_answer_as_the_one_in_memory_does_t2_t41() {
    let counts = play(limits());
    for answer in [
        "charged None",
        "refused account_and_address",
        "refused account",
        "refused address",
        "refused client_and_address",
        "compared true",
        "compared false",
        "settled",
        "settled news",
        "unblocked",
        "unblocked true",
        "unblocked false",
        "some listed",
        "none listed",
        "forgotten",
    ] {
        let times = counts.get(answer).copied().unwrap_or(0);
        assert!(times >= share(5), "`{answer}` was answered {times} times: the sequences do not reach it");
    }
}

#[test]
fn limiters_monitor_as_the_one_in_memory_does() {
    let counts =
        play(limits().monitor(Limit::AccountAndAddress).monitor(Limit::Address).disable(Limit::ClientAndAddress));
    for answer in ["charged Some(AccountAndAddress)", "charged Some(Address)", "refused account"] {
        let times = counts.get(answer).copied().unwrap_or(0);
        assert!(times >= share(5), "`{answer}` was answered {times} times: the sequences do not reach it");
    }
}
