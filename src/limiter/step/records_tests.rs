use std::collections::{HashMap, HashSet};
use std::future::Future as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, SystemTime};

use proptest::prelude::*;

use super::*;
use crate::boundary::account::AccountKey;
use crate::boundary::backend::BackendError;
use crate::boundary::check::SecretCheck;
use crate::boundary::clock::Clock;
use crate::boundary::limiter::{
    AttemptKey, AttemptLimiter as _, Checked, Fingerprint, Guess, Refusal, Reservation, Reserved,
};
use crate::boundary::maybe::MaybeFuture;
use crate::limiter::memory::limiter::MemoryLimiter;
use crate::limiter::step::budget::{Lockout, TokenBucket};
use crate::limiter::step::digests::Digests;
use crate::limiter::step::limits::Limits;
use crate::protocol::secret::keyed::Keyed;

fn limits() -> Limits {
    let millis = Duration::from_millis;
    let lockout =
        |attempts, window, first| Lockout::new(attempts, millis(window)).locked_for(millis(first), millis(400));
    Limits::new()
        .with_account_and_address_budget(lockout(3, 200, 50))
        .with_account_budget(lockout(6, 300, 100))
        .with_client_and_address_budget(lockout(2, 60, 80))
        .with_address_budget(TokenBucket::new(8, millis(10)))
        .with_repeat_window(millis(30))
        .with_ipv6_factors(1, 2)
        .with_challenge_budget(lockout(2, 100, 100))
        .with_factor_budget(lockout(3, 60, 60))
        .with_factor_in_a_row_budget(lockout(5, 300, 100))
        .with_recovery_code_budget(lockout(2, 80, 80))
        .with_authenticator_budget(lockout(1, 20, 20))
        .with_delivery_budget(lockout(3, 120, 120))
}

/// The records of all attempts, as a store has them.
#[derive(Default)]
struct Store(HashMap<Key, Counts>);

impl Store {
    /// Loads the records with these keys, has a step done and keeps what changed.
    fn step<T>(
        &mut self,
        slots: Slots,
        key: impl Fn(Slot) -> Key,
        step: impl FnOnce(&mut Records<'_>, u64) -> T,
        now: u64,
    ) -> T {
        let mut held: Vec<_> =
            slots.iter().map(|slot| (slot, self.0.get(&key(slot)).copied().unwrap_or_default())).collect();
        let before = held.clone();
        let now = time(now, held.iter().map(|(_, counts)| counts));
        let mut records = Records::new(held.iter_mut().map(|(slot, counts)| (*slot, counts)), Slots::NONE);
        let outcome = step(&mut records, now);
        for ((slot, mut counts), (_, before)) in held.into_iter().zip(before) {
            if counts != before {
                counts.touch(now);
                self.0.insert(key(slot), counts);
            }
        }
        outcome
    }

    fn attempt<R, W>(&mut self, facts: &Facts, now: u64, compare: impl FnOnce() -> Compared<R, W>) -> Attempted<R, W> {
        let limits = limits();
        let slots = facts.touches(false);
        let step = |records: &mut Records<'_>, now| records.attempt(&Step::by(&limits), facts, now, compare).0;
        self.step(slots, |slot| facts.key(slot), step, now)
    }

    fn settle(&mut self, ticket: &Ticket, settlement: Settlement, now: u64) -> Option<BegunLock> {
        let limits = limits();
        let slots = ticket.touched_by(settlement).with(Slot::Account);
        let step = |records: &mut Records<'_>, now| records.settle(&Step::by(&limits), ticket, settlement, now);
        self.step(slots, |slot| ticket.key(slot), step, now)
    }

    fn resume(&mut self, ticket: &Ticket, now: u64) -> Option<BegunLock> {
        let (limits, key) = (limits(), ticket.spent_key());
        let mut spent = self.0.get(&key).copied().unwrap_or_default();
        if !Step::by(&limits).resume(ticket, &mut spent.tally, now) {
            return None;
        }
        spent.touch(now);
        self.0.insert(key, spent);
        self.settle(ticket, Settlement::Success, now)
    }

    /// Removes what says nothing any more, as a store may, but for what is touched by these.
    fn prune(&mut self, now: u64, under_way: &[(Reservation, Ticket)]) {
        let is_touched =
            |key: Key| under_way.iter().any(|(_, ticket)| Slot::ALL.iter().any(|slot| ticket.key(*slot) == key));
        self.0.retain(|key, counts| {
            let is_account =
                is_touched(*key) || counts.known != KnownAddresses::default() || counts.told.is_current(now);
            is_account || !counts.tally.is_forgotten(now, 400)
        });
    }
}

/// In milliseconds.
#[derive(Debug, Default)]
struct Millis(AtomicU64);

impl Clock for Millis {
    fn now(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + self.elapsed()
    }

    fn elapsed(&self) -> Duration {
        Duration::from_millis(self.0.load(Ordering::Relaxed))
    }
}

#[derive(Clone, Debug)]
enum Act {
    Wait(u64),
    Reserve(Who),
    Check(Who, bool),
    Settle(prop::sample::Index, Settlement),
    /// One that was pending, which may have succeeded since.
    Resume(prop::sample::Index, Settlement),
    Prune,
}

#[derive(Clone, Copy, Debug)]
enum Of {
    Account,
    Client,
    /// At one of two challenges.
    Factor(u8),
    RecoveryCode,
    /// To one of two authenticators.
    Delivery(u8),
}

#[derive(Clone, Debug)]
struct Who {
    name: u8,
    of: Of,
    from: Option<u8>,
    is_exempt: bool,
    secret: u64,
}

impl Who {
    /// The first two are of IPv4; two of the others are of one /56, a third of its /48.
    fn address(&self) -> Option<IpAddr> {
        let (around, subnet) = match self.from? {
            from @ 0..2 => return Some(Ipv4Addr::new(10, 0, 0, from).into()),
            from @ 2..4 => (1, u16::from(from)),
            4 => (1, 0x106),
            _ => (2, 7),
        };
        Some(Ipv6Addr::new(0x2001, 0xdb8, around, subnet, 0, 0, 0, 1).into())
    }

    fn with_key<T>(&self, act: impl FnOnce(&AttemptKey<'_>) -> T) -> T {
        let name = self.name.to_string();
        let account = AccountKey::resolved(name.as_str());
        let (realm, subject) = (None, name.as_str());
        let (challenge, authenticator) = match self.of {
            Of::Factor(number) | Of::Delivery(number) => ([number; 16], number.to_string()),
            Of::Account | Of::Client | Of::RecoveryCode => Default::default(),
        };
        let guess = match self.of {
            Of::Client => Guess::Client { client_id: &name },
            Of::Account => Guess::Account { realm, account: &account },
            Of::Factor(_) => Guess::Factor { realm, subject, challenge: &challenge },
            Of::RecoveryCode => Guess::RecoveryCode { realm, subject },
            Of::Delivery(_) => Guess::Delivery { realm, subject, authenticator: &authenticator },
        };
        let key = AttemptKey::new(guess, self.address()).with_fingerprint(Fingerprint::new(self.secret << 33));
        act(&if self.is_exempt { key.exempt() } else { key })
    }
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let who = || {
        let of = prop_oneof![
            2 => Just(Of::Client),
            6 => Just(Of::Account),
            4 => (0_u8..2).prop_map(Of::Factor),
            1 => Just(Of::RecoveryCode),
            1 => (0_u8..2).prop_map(Of::Delivery),
        ];
        (0_u8..3, of, prop::option::weighted(0.9, 0_u8..6), 0_u8..10, 1_u64..5)
            .prop_map(|(name, of, from, exempt, secret)| Who { name, of, from, is_exempt: exempt == 0, secret })
    };
    let settlement = || {
        prop_oneof![
            2 => Just(Settlement::Success),
            2 => Just(Settlement::Pending),
            4 => Just(Settlement::Denied),
            1 => Just(Settlement::Refused),
            1 => Just(Settlement::Undecided),
            1 => Just(Settlement::Untried),
        ]
    };
    let act = prop_oneof![
        3 => (0_u64..40).prop_map(Act::Wait),
        1 => (40_u64..700).prop_map(Act::Wait),
        8 => who().prop_map(Act::Reserve),
        4 => (who(), any::<bool>()).prop_map(|(who, is_right)| Act::Check(who, is_right)),
        8 => (any::<prop::sample::Index>(), settlement()).prop_map(|(which, how)| Act::Settle(which, how)),
        3 => (any::<prop::sample::Index>(), settlement()).prop_map(|(which, how)| Act::Resume(which, how)),
        1 => Just(Act::Prune),
    ];
    prop::collection::vec(act, 1..300)
}

fn ready<T: Unpin>(answer: MaybeFuture<'_, Result<T, BackendError>>) -> T {
    match pin!(answer).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(answer) => answer.unwrap(),
        Poll::Pending => panic!("the memory limiter waits for nothing"),
    }
}

type Told = Option<(Limit, Duration)>;

fn told(lock: Option<BegunLock>) -> Told {
    lock.map(|lock| (lock.limit(), lock.lasts()))
}

/// What is answered to an attempt: a refusal with its wait and its news, or what a limit in monitoring mode would have said.
#[derive(Debug, PartialEq, Eq)]
enum Said {
    Refused(Limit, Duration, Option<Duration>, Told),
    Charged(Slots, bool, Told),
    Right,
}

fn refused(refusal: Refusal) -> Said {
    Said::Refused(refusal.limit(), refusal.retry_after(), refusal.address_wait(), told(refusal.new_lock()))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Each numbered and timed by the records that it touches, beside one with a counter and a clock of the whole.
    #[test]
    fn records_decide_as_the_limiter_in_memory_does_and_tell_the_same(acts in acts()) {
        let clock = Arc::new(Millis::default());
        clock.0.store(1000, Ordering::Relaxed);
        let limiter = MemoryLimiter::new().with_limits(limits()).with_clock(clock.clone());
        let mut store = Store::default();
        let mut under_way: Vec<(Reservation, Ticket)> = Vec::new();
        let mut pending: Vec<(Ticket, Ticket)> = Vec::new();
        let mut finished = HashSet::new();
        for act in acts {
            let now = clock.0.load(Ordering::Relaxed);
            match act {
                Act::Wait(time) => {
                    clock.0.fetch_add(time, Ordering::Relaxed);
                }
                // One that is settled after its record is gone may show less: see below.
                Act::Prune => store.prune(now, &under_way),
                Act::Reserve(who) => who.with_key(|key| {
                    let facts = Facts::new(key, &limiter.digests);
                    let stored = store.attempt(&facts, now, || Compared::<(), ()>::Later(()));
                    let (in_memory, reservation) = match ready(limiter.reserve(key)) {
                        Reserved::Refused(refusal) => (refused(refusal), None),
                        Reserved::Charged(reservation) => {
                            let charged = Ticket::from_bytes(reservation.key()).charged;
                            (Said::Charged(charged, reservation.is_from_known_address(), None), Some(reservation))
                        }
                    };
                    let stored = match stored {
                        Attempted::Refused(refusal) => refused(refusal),
                        Attempted::Charged { ticket, is_known, news, .. } => {
                            // As it is kept in a reservation.
                            let ticket = Ticket::from_bytes(&ticket.to_bytes());
                            under_way.extend(reservation.map(|reservation| (reservation, ticket)));
                            Said::Charged(ticket.charged, is_known, told(news))
                        }
                        Attempted::Right { .. } => Said::Right,
                    };
                    prop_assert_eq!(stored, in_memory);
                    Ok(())
                })?,
                Act::Check(who, is_right) => who.with_key(|key| {
                    let facts = Facts::new(key, &limiter.digests);
                    let compare = || if is_right { Compared::Right(()) } else { Compared::Wrong(()) };
                    let stored = match store.attempt(&facts, now, compare) {
                        Attempted::Refused(refusal) => refused(refusal),
                        Attempted::Charged { news, .. } => Said::Charged(Slots::NONE, false, told(news)),
                        Attempted::Right { .. } => Said::Right,
                    };
                    let in_memory = match ready(limiter.check(key, SecretCheck::known(is_right))) {
                        Checked::Refused(refusal) => refused(refusal),
                        Checked::Decided(decided) if decided.is_right() => Said::Right,
                        Checked::Decided(decided) => Said::Charged(Slots::NONE, false, told(decided.new_lock())),
                    };
                    prop_assert_eq!(stored, in_memory);
                    Ok(())
                })?,
                Act::Resume(..) if pending.is_empty() => {}
                Act::Resume(which, settlement) => {
                    let which = which.index(pending.len());
                    let (in_memory, ticket) = pending[which];
                    let before = store.0.clone();
                    let stored = match settlement {
                        Settlement::Success => store.resume(&ticket, now),
                        _ => None,
                    };
                    let reservation = Reservation::new(in_memory.to_bytes()).resumed();
                    prop_assert_eq!(told(stored), told(ready(limiter.settle(reservation, settlement))));
                    if settlement == Settlement::Success && !finished.insert(which) {
                        prop_assert!(store.0 == before, "a second success changes nothing");
                    }
                }
                Act::Settle(..) if under_way.is_empty() => {}
                Act::Settle(which, settlement) => {
                    let (reservation, ticket) = under_way.swap_remove(which.index(under_way.len()));
                    if settlement == Settlement::Pending {
                        pending.push((Ticket::from_bytes(reservation.key()), ticket));
                    }
                    let stored = store.settle(&ticket, settlement, now);
                    prop_assert_eq!(told(stored), told(ready(limiter.settle(reservation, settlement))));
                }
            }
        }
    }

    /// Whatever else happens meanwhile: it gives something back once at most.
    #[test]
    fn what_was_pending_succeeds_once(acts in acts(), others in 0_usize..20) {
        let mut store = Store::default();
        let (digests, mut now, mut charged) = (Digests::new(Keyed::random()), 1000, Vec::new());
        for act in acts {
            match act {
                Act::Wait(time) => now += time,
                Act::Reserve(who) => who.with_key(|key| {
                    let facts = Facts::new(key, &digests);
                    if let Attempted::Charged { ticket, .. } =
                        store.attempt(&facts, now, || Compared::<(), ()>::Later(()))
                    {
                        charged.push(ticket);
                    }
                }),
                _ => {}
            }
        }
        let Some(first) = charged.first().copied() else { return Ok(()) };
        store.settle(&first, Settlement::Pending, now);
        store.resume(&first, now);
        for ticket in charged.iter().skip(1).take(others) {
            store.settle(ticket, Settlement::Denied, now);
        }
        let before = store.0.clone();
        prop_assert_eq!(store.resume(&first, now + 1), None);
        prop_assert_eq!(&store.0, &before);
    }

    #[test]
    fn a_clock_that_goes_back_shortens_no_lock(times in prop::collection::vec(0_u64..2000, 1..200)) {
        let digests = Digests::new(Keyed::random());
        let who = Who { name: 1, of: Of::Client, from: None, is_exempt: false, secret: 1 };
        let facts = who.with_key(|key| Facts::new(&AttemptKey { fingerprint: None, ..*key }, &digests));
        let mut store = Store::default();
        let (mut counted, mut locked_until) = (0, 0);
        for now in times {
            match store.attempt(&facts, now, || Compared::<(), ()>::Wrong(())) {
                Attempted::Refused(refusal) => {
                    prop_assert!(now.max(counted) < locked_until);
                    let wait = u64::try_from(refusal.retry_after().as_millis()).unwrap();
                    prop_assert_eq!(now.max(counted) + wait, locked_until);
                }
                Attempted::Charged { ticket, .. } => {
                    prop_assert!(now.max(counted) >= locked_until);
                    prop_assert_eq!(ticket.at, now.max(counted));
                    counted = ticket.at;
                    let pair = store.0[&facts.key(Slot::Pair)];
                    if let Some(lasts) = pair.tally.locked(&limits().policy.client, counted) {
                        locked_until = counted + lasts;
                    }
                }
                Attempted::Right { .. } => prop_assert!(false, "it is wrong"),
            }
        }
    }
}

fn wrong(store: &mut Store, facts: &Facts, now: u64) -> Ticket {
    match store.attempt(facts, now, || Compared::<(), ()>::Later(())) {
        Attempted::Charged { ticket, .. } => ticket,
        other => panic!("{other:?}"),
    }
}

fn facts(name: u8, from: u8) -> Facts {
    let who = Who { name, of: Of::Account, from: Some(from), is_exempt: false, secret: 1 };
    who.with_key(|key| Facts::new(&AttemptKey { fingerprint: None, ..*key }, &Digests::new(Keyed::random())))
}

#[test]
fn a_charge_is_numbered_above_every_record_that_it_touches_and_below_none_when_the_numbers_go_round() {
    let mut store = Store::default();
    let [one, other] = [facts(1, 0), facts(2, 0)].map(|facts| Facts { network: 5, beside: 5, ..facts });
    assert_eq!([1, 2].map(|_| wrong(&mut store, &one, 0).number), [1, 2]);
    // Through the address, which both have.
    assert_eq!(wrong(&mut store, &other, 0).number, 3);
    store.0.get_mut(&other.key(Slot::Account)).unwrap().number = u32::MAX;
    assert_eq!(wrong(&mut store, &other, 0).number, 4);
    store.0.get_mut(&other.key(Slot::Address)).unwrap().number = u32::MAX;
    store.0.get_mut(&other.key(Slot::Account)).unwrap().number = u32::MAX - 1;
    let pair = store.0.get_mut(&other.key(Slot::Pair)).unwrap();
    (pair.number, pair.tally) = (u32::MAX - 5, Tally::default());
    assert_eq!(wrong(&mut store, &other, 0).number, 0);
    assert_eq!(wrong(&mut store, &other, 0).number, 1);
}

#[test]
fn what_is_settled_after_its_record_was_removed_gives_nothing_back_of_a_later_one() {
    for settlement in [Settlement::Untried, Settlement::Undecided, Settlement::Success] {
        let (mut store, facts) = (Store::default(), facts(1, 0));
        let early: Vec<Ticket> = (0..2).map(|_| wrong(&mut store, &facts, 10)).collect();
        // The count is over; a store removes its records, and a later attempt begins them anew.
        store.prune(5000, &[]);
        assert!(store.0.is_empty());
        let late = wrong(&mut store, &facts, 5000);
        assert!(late.number <= early[1].number, "their numbers begin anew");
        let before = store.0.clone();
        early.iter().for_each(|ticket| {
            store.settle(ticket, settlement, 5001);
        });
        for slot in [Slot::Pair, Slot::Account, Slot::Address] {
            let [is, was] = [&store.0, &before].map(|records| records[&facts.key(slot)].tally);
            // A success forgets all failures of the pair, whenever they were.
            let forgives = settlement == Settlement::Success && slot == Slot::Pair;
            assert_eq!(is, if forgives { Tally::default() } else { was }, "{settlement:?} {slot:?}");
        }
        // Its own attempt takes back its own.
        store.settle(&late, Settlement::Untried, 5001);
        assert_ne!(store.0[&facts.key(Slot::Account)].tally, before[&facts.key(Slot::Account)].tally);
    }
}
