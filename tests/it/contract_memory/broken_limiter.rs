//! Limiters that break one promise each.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::task::yield_now;
use tower_password_grant::BackendError;
use tower_password_grant::MaybeFuture;
use tower_password_grant::limiter::{
    AttemptKey, AttemptLimiter, BegunLock, Checked, Decided, Guess, Limit, Refusal, Reservation, Reserved, SecretCheck,
    Settlement,
};
use tower_password_grant::testing::contract;

use super::complaint;

#[derive(Clone, Copy, Debug, PartialEq)]
enum Fault {
    None,
    NeverRefuses,
    AlwaysRefuses,
    GetsAndThenSets,
    ChargesAtTheEnd,
    RefusedIsFree,
    SuccessGivesNothing,
    SuccessGivesItsOwn,
    SuccessForgetsEverybody,
    UntriedGivesNothing,
    UntriedGivesAll,
    UndecidedGivesNothing,
    SettlesAgain,
    SucceedsAgain,
    EachHandleCountsAlone,
    RefusalsCharge,
    RefusalsExtend,
    RefusalsChargeTheAddress,
    LockEndsAtOnce,
    JoinsByColon,
    JoinsByNul,
    NoRealmIsEmptyRealm,
    ForgetsTheKind,
    ForgetsTheGuess,
    IgnoresCase,
    CountsSingleAddresses,
    CountsAllAddresses,
    KnowsWhereItWasTried,
    KnowsAnybodyWhereOneLoggedIn,
    ChecksAreFree,
    ChecksCompareFirst,
    ChecksForgiveNothing,
    ChecksGetAndThenSet,
    ChecksCountAlone,
    ChecksAreAlwaysRight,
}

const FAULTS: &[(Fault, &str)] = &[
    (Fault::None, ""),
    (Fault::NeverRefuses, "a limiter refuses"),
    (Fault::AlwaysRefuses, "the first attempt is charged, not refused"),
    (Fault::GetsAndThenSets, "parallel attempts never exceed the budget"),
    (Fault::ChargesAtTheEnd, "parallel attempts never exceed the budget"),
    (Fault::RefusedIsFree, "an attempt that is settled as `Refused` stays charged"),
    (Fault::SuccessGivesNothing, "a full login takes its own charge back"),
    (Fault::SuccessGivesItsOwn, "a full login forgets the failures of its account from its address"),
    (Fault::SuccessForgetsEverybody, "`settle` takes back what the attempt itself was charged"),
    (Fault::UntriedGivesNothing, "`Untried` gives all its charges back"),
    (Fault::UntriedGivesAll, "`Untried` gives back no more than it was charged"),
    (Fault::UndecidedGivesNothing, "`Undecided` gives the account's charges back"),
    (Fault::SettlesAgain, "a reservation that is settled again takes back no more"),
    (Fault::SucceedsAgain, "a settlement that happened, and is tried again because its answer was lost"),
    (Fault::EachHandleCountsAlone, "all handles of one store count together"),
    (Fault::RefusalsCharge, "attempts that are refused are not charged"),
    (Fault::RefusalsExtend, "refused attempts never extend a lock"),
    (Fault::RefusalsChargeTheAddress, "a refused attempt is charged to no budget"),
    (Fault::LockEndsAtOnce, "a lock holds until its time is over"),
    (Fault::JoinsByColon, "keys are equal only if every part is"),
    (Fault::JoinsByNul, "keys are equal only if every part is"),
    (Fault::NoRealmIsEmptyRealm, "keys are equal only if every part is"),
    (Fault::ForgetsTheKind, "keys are equal only if every part is"),
    (Fault::ForgetsTheGuess, "keys are equal only if every part is"),
    (Fault::IgnoresCase, "keys are equal only if every part is"),
    (Fault::CountsSingleAddresses, "the addresses of one /64 are one sender"),
    (Fault::CountsAllAddresses, "senders outside of one /64 are not one"),
    (Fault::KnowsWhereItWasTried, "an address is known only for an account that logged in from there"),
    (Fault::KnowsAnybodyWhereOneLoggedIn, "an address is known only for an account that logged in from there"),
    (Fault::ChecksAreFree, "a check that was wrong is charged"),
    (Fault::ChecksCompareFirst, "a look that refuses comes before the comparison"),
    (Fault::ChecksForgiveNothing, "a check that was right forgets the wrong ones"),
    (Fault::ChecksGetAndThenSet, "parallel checks never exceed the budget"),
    (Fault::ChecksCountAlone, "checks and attempts count together"),
    (Fault::ChecksAreAlwaysRight, "a check that was wrong is told as wrong"),
];

const BUDGET: u32 = 5;
const ADDRESS_BUDGET: u32 = 300;

/// A limiter as plain as it can be, with a fault.
struct Sketch {
    fault: Fault,
    state: Arc<Mutex<State>>,
}

fn handles(fault: Fault) -> [Sketch; 2] {
    let state = Arc::<Mutex<State>>::default();
    [(); 2].map(|()| {
        let state = if fault == Fault::EachHandleCountsAlone { Arc::default() } else { Arc::clone(&state) };
        Sketch { fault, state }
    })
}

#[derive(Default)]
struct State {
    pairs: HashMap<String, u32>,
    addresses: HashMap<String, u32>,
    refusals: u32,
    /// The pairs that are known, or addresses.
    known: HashSet<String>,
    /// The pair and the address of each reservation, by its number.
    reserved: Vec<(String, String)>,
}

impl State {
    fn charge(&mut self, pair: &str, address: &str) {
        *self.pairs.entry(pair.to_owned()).or_default() += 1;
        *self.addresses.entry(address.to_owned()).or_default() += 1;
    }

    fn take_back(&mut self, pair: &str, address: &str) {
        for count in [self.pairs.get_mut(pair), self.addresses.get_mut(address)].into_iter().flatten() {
            *count = count.saturating_sub(1);
        }
    }

    fn has_room(&self, pair: &str) -> bool {
        self.pairs.get(pair).copied().unwrap_or(0) < BUDGET
    }
}

impl Sketch {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    fn names(&self, key: &AttemptKey<'_>) -> (String, String) {
        let address = match self.fault {
            Fault::CountsSingleAddresses => key.address,
            Fault::CountsAllAddresses => None,
            _ => key.network(),
        };
        let address = format!("{address:?}");
        let guess = match key.guess {
            Guess::Account { realm, account } => {
                let id = account.as_str();
                let id = if self.fault == Fault::IgnoresCase { id.to_lowercase() } else { id.to_owned() };
                let kind = match self.fault {
                    Fault::ForgetsTheKind => "",
                    Fault::ForgetsTheGuess if account.kind().as_str() == "name" => "client",
                    _ => account.kind().as_str(),
                };
                match self.fault {
                    Fault::JoinsByColon => format!("{kind}:{}:{id}", realm.unwrap_or("none")),
                    Fault::JoinsByNul => format!("{kind}\0{}\0{id}", realm.unwrap_or("none")),
                    Fault::NoRealmIsEmptyRealm => format!("{kind} {:?} {id:?}", realm.unwrap_or("")),
                    Fault::ForgetsTheGuess => format!("{kind} {id:?}"),
                    _ => format!("{kind} {realm:?} {id:?}"),
                }
            }
            Guess::Client { client_id } => format!("client {client_id:?}"),
            _ => panic!("another guess"),
        };
        (format!("{guess} {address}"), address)
    }

    /// `has_room` is what was seen before, if it was looked up in a step of its own.
    fn decide(&self, has_room: Option<bool>, (pair, address): (String, String)) -> Reserved {
        let mut state = self.lock();
        let has_room = has_room.unwrap_or_else(|| state.has_room(&pair));
        let has_room = match self.fault {
            Fault::NeverRefuses => true,
            Fault::AlwaysRefuses => false,
            Fault::LockEndsAtOnce => has_room || state.refusals > 200,
            _ => has_room,
        };
        let spent = state.addresses.get(&address).copied().unwrap_or(0) >= ADDRESS_BUDGET;
        if spent && self.fault != Fault::NeverRefuses {
            return Reserved::Refused(Refusal::new(Limit::Address, Duration::from_secs(60)));
        }
        if !has_room {
            state.refusals += 1;
            match self.fault {
                Fault::RefusalsCharge => *state.pairs.entry(pair).or_default() += 1,
                Fault::RefusalsChargeTheAddress => *state.addresses.entry(address).or_default() += 1,
                _ => {}
            }
            let longer = if self.fault == Fault::RefusalsExtend { state.refusals } else { 0 };
            return Reserved::Refused(Refusal::new(
                Limit::AccountAndAddress,
                Duration::from_secs(900 + u64::from(longer)),
            ));
        }
        if self.fault != Fault::ChargesAtTheEnd {
            state.charge(&pair, &address);
        }
        let is_known = match self.fault {
            Fault::KnowsWhereItWasTried => !state.known.insert(pair.clone()),
            _ => state.known.contains(&pair) || state.known.contains(&address),
        };
        let mut key = [0; 32];
        key[..8].copy_from_slice(&(state.reserved.len() as u64).to_be_bytes());
        state.reserved.push((pair, address));
        Reserved::Charged(Reservation::new(key).from_known_address(is_known))
    }
}

impl AttemptLimiter for Sketch {
    fn reserve<'a>(&'a self, key: &'a AttemptKey<'a>) -> MaybeFuture<'a, Result<Reserved, BackendError>> {
        let names = self.names(key);
        if self.fault == Fault::GetsAndThenSets {
            return MaybeFuture::new(async move {
                let has_room = self.lock().has_room(&names.0);
                yield_now().await;
                Ok(self.decide(Some(has_room), names))
            });
        }
        MaybeFuture::ready(Ok(self.decide(None, names)))
    }

    fn settle(
        &self,
        reservation: Reservation,
        settlement: Settlement,
    ) -> MaybeFuture<'_, Result<Option<BegunLock>, BackendError>> {
        let is_done = match self.fault {
            Fault::SettlesAgain => false,
            Fault::SucceedsAgain => settlement != Settlement::Success,
            _ => true,
        };
        if reservation.is_again() && is_done {
            return MaybeFuture::ready(Ok(None));
        }
        let number = u64::from_be_bytes(*reservation.key().first_chunk().unwrap());
        let mut state = self.lock();
        let (pair, address) = state.reserved[usize::try_from(number).unwrap()].clone();
        if self.fault == Fault::ChargesAtTheEnd {
            state.charge(&pair, &address);
        }
        if settlement == Settlement::Success {
            let known = if self.fault == Fault::KnowsAnybodyWhereOneLoggedIn { &address } else { &pair };
            state.known.insert(known.clone());
        }
        match (settlement, self.fault) {
            (Settlement::Success, Fault::SuccessGivesNothing)
            | (Settlement::Untried, Fault::UntriedGivesNothing)
            | (Settlement::Undecided, Fault::UndecidedGivesNothing) => {}
            (Settlement::Success, Fault::SuccessForgetsEverybody) => state.pairs.clear(),
            (Settlement::Success, Fault::SuccessGivesItsOwn) => state.take_back(&pair, &address),
            (Settlement::Untried, Fault::UntriedGivesAll) => drop(state.pairs.remove(&pair)),
            (Settlement::Success, _) => {
                state.take_back(&pair, &address);
                state.pairs.remove(&pair);
            }
            (Settlement::Untried | Settlement::Undecided, _) | (Settlement::Refused, Fault::RefusedIsFree) => {
                state.take_back(&pair, &address);
            }
            _ => {}
        }
        MaybeFuture::ready(Ok(None))
    }

    fn check<'a>(
        &'a self,
        key: &'a AttemptKey<'a>,
        check: SecretCheck<'a>,
    ) -> MaybeFuture<'a, Result<Checked, BackendError>> {
        let names = self.names(key);
        MaybeFuture::new(async move {
            let names = match self.fault {
                Fault::ChecksCountAlone => (format!("{} by check", names.0), names.1),
                _ => names,
            };
            let has_room = match self.fault {
                Fault::ChecksGetAndThenSet => {
                    let has_room = self.lock().has_room(&names.0);
                    yield_now().await;
                    Some(has_room)
                }
                _ => None,
            };
            let (check, early) = match self.fault {
                Fault::ChecksCompareFirst => (None, Some(check.decide())),
                _ => (Some(check), None),
            };
            let reservation = match self.decide(has_room, names) {
                Reserved::Charged(reservation) => reservation,
                Reserved::Refused(refusal) => return Ok(Checked::Refused(refusal)),
                _ => panic!("another answer"),
            };
            let outcome = early.or(check.map(SecretCheck::decide)).unwrap();
            let settlement = match (outcome.is_right(), self.fault) {
                (true, Fault::ChecksForgiveNothing) => Settlement::Untried,
                (false, Fault::ChecksAreFree) => Settlement::Untried,
                (true, _) => Settlement::Success,
                (false, _) => Settlement::Denied,
            };
            self.settle(reservation, settlement).await?;
            let told = match self.fault {
                Fault::ChecksAreAlwaysRight => SecretCheck::known(true).decide(),
                _ => outcome,
            };
            Ok(Checked::Decided(Decided::new(told)))
        })
    }
}

/// A limiter that has no check of its own.
struct Plain(Sketch);

impl AttemptLimiter for Plain {
    fn reserve<'a>(&'a self, key: &'a AttemptKey<'a>) -> MaybeFuture<'a, Result<Reserved, BackendError>> {
        self.0.reserve(key)
    }

    fn settle(
        &self,
        reservation: Reservation,
        settlement: Settlement,
    ) -> MaybeFuture<'_, Result<Option<BegunLock>, BackendError>> {
        self.0.settle(reservation, settlement)
    }
}

#[test]
fn a_limiter_without_a_check_of_its_own_keeps_the_promises_of_checks() {
    let make = async || handles(Fault::None).map(Plain);
    assert_eq!(complaint(contract::attempt_limiter(make)), "");
}

#[test]
fn each_broken_limiter_is_told_which_promise_it_breaks() {
    let mut wrong = Vec::new();
    for (fault, promise) in FAULTS {
        let told = complaint(contract::attempt_limiter(async || handles(*fault)));
        if !told.contains(promise) || told.is_empty() != promise.is_empty() {
            wrong.push(format!("{fault:?}: {told:?} and not {promise:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
