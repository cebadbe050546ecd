//! The limiter beside the histories, in random orders of steps.

use std::collections::HashSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use proptest::prelude::*;

use super::*;
use crate::limiter::memory::known_table::KnownTable;
use crate::limiter::step::cell::cell_of;
use crate::limiter::step::key::{Key, Place};
use crate::limiter::tests::{COUNTED, Charged, Histories, Try};

#[derive(Clone, Debug)]
enum Step {
    Wait(u64),
    Reserve(Try),
    /// One of the attempts under way; the right secret is 0.
    Settle(prop::sample::Index, u8),
    UnblockAccount(u32),
    UnblockAddress(u32),
}

/// The first four are of IPv4; of the others two are of one /56, a third of its /48.
fn address(from: u32) -> IpAddr {
    let (around, subnet) = match from {
        0..4 => return Ipv4Addr::from_bits(0x0a00_0000 | from).into(),
        4 | 5 => (1, from as u16),
        6 => (1, 0x106),
        _ => (2, 7),
    };
    Ipv6Addr::new(0x2001, 0xdb8, around, subnet, 0, 0, 0, 1).into()
}

fn steps(accounts: u32, senders: u32, length: usize) -> impl Strategy<Value = Vec<Step>> {
    let attempt = (0..accounts, 0_u8..8, prop::option::weighted(0.9, 0..senders), 0_u8..10, 0_u32..4).prop_map(
        |(who, kind, from, exempt, secret)| Try { who, is_client: kind == 0, from, is_exempt: exempt == 0, secret },
    );
    let step = prop_oneof![
        2 => (0_u64..40).prop_map(Step::Wait),
        1 => (40_u64..700).prop_map(Step::Wait),
        12 => attempt.prop_map(Step::Reserve),
        6 => (any::<prop::sample::Index>(), 0_u8..5).prop_map(|(which, how)| Step::Settle(which, how)),
        1 => (0..accounts).prop_map(Step::UnblockAccount),
        1 => (0..senders).prop_map(Step::UnblockAddress),
    ];
    prop::collection::vec(step, 1..length)
}

/// When the last lock of a tally was over, if it is.
fn lock_over(tally: Tally, budget: &Lockout, now: u64) -> Option<u64> {
    let over = tally.forgotten_at(0);
    (over <= now).then(|| tally.locked(budget, over.checked_sub(1)?).map(|_| over)).flatten()
}

/// Ends the counts of all keys that are counted where those of the attempt are, where a lock is over. A place of one's own may
/// have begun as a copy of a cell.
fn end_locked_cells(limiter: &MemoryLimiter, histories: &mut Histories, attempt: &Try, now: u64) {
    let each = limiter.limits.capacity.div_ceil(SHARDS);
    let place = |key: Key, place| ((key.0 ^ key.1.rotate_right(16)) % SHARDS as u64, cell_of(each, key, place));
    let guess = |is_client: bool, who: u32| {
        let (name, realm) = (who.to_string(), None);
        let account = AccountKey::resolved(name.as_str());
        limiter.digests.guess(&if is_client {
            Guess::Client { client_id: &name }
        } else {
            Guess::Account { realm, account: &account }
        })
    };
    let pair = |(is_client, who, from): (bool, u32, Option<u32>)| {
        let key = (guess(is_client, who), limiter.digests.network(from.map(address)));
        let known = shard_of(&limiter.tables.accounts, (key.0, 0)).is_some_and(|accounts| {
            accounts.known.get(key.0).is_some_and(|known| known.contains(key.1, now, u64::MAX))
        });
        let mut table = shard_of(&limiter.tables.pairs, key).unwrap();
        let mut copy = Tally::default();
        let (tally, is_own) = table.look(key, known, &mut copy);
        let cell = place(key, if known { Place::Spared } else { Place::Shared });
        (if is_own { Ok(key) } else { Err(cell) }, *tally)
    };
    let account = |who: u32| {
        let key = (guess(false, who), 0);
        let mut accounts = shard_of(&limiter.tables.accounts, key).unwrap();
        let mut copy = Tally::default();
        let (tally, is_own) = accounts.tallies.look(key, false, &mut copy);
        (if is_own { Ok(key) } else { Err(place(key, Place::Shared)) }, *tally)
    };
    let budget = limiter.limits.policy.pair_limit(attempt.kind()).1;
    let (at, tally) = pair((attempt.is_client, attempt.who, attempt.from));
    if let Some(over) = lock_over(tally, budget, now) {
        histories.end_pairs(|key| pair(*key).0 == at, over);
    }
    let (at, tally) = account(attempt.who);
    if let Some(over) = lock_over(tally, &limiter.limits.policy.account, now) {
        histories.end_accounts(|who| account(who).0 == at, over);
    }
}

/// Runs the limiter beside the histories. With room they decide alike; without, the limiter is never laxer, once it is
/// granted that a lock of a cell is a lock of all its keys and so ends the counts of all.
fn compare(capacity: usize, has_room: bool, steps: Vec<Step>) -> Result<(), TestCaseError> {
    let lockout = |attempts, window, first| {
        Lockout::new(attempts, Duration::from_millis(window))
            .locked_for(Duration::from_millis(first), Duration::from_millis(400))
    };
    let (limiter, clock) = with_clock(
        MemoryLimiter::new().with_limits(
            Limits::new()
                .with_account_and_address_budget(lockout(3, 200, 50))
                .with_account_budget(lockout(6, 300, 100))
                .with_client_and_address_budget(lockout(2, 60, 80))
                .with_address_budget(TokenBucket::new(8, Duration::from_millis(10)))
                .with_repeat_window(Duration::from_millis(30))
                .with_ipv6_factors(1, 2)
                .with_known_addresses(Duration::MAX)
                .with_capacity(capacity),
        ),
    );
    // An account that loses its known addresses begins anew in other cells; it takes more accounts than there is room for.
    for shard in 0..SHARDS {
        shard_at(&limiter.tables.accounts, shard).unwrap().known = KnownTable::new(1000);
    }
    let mut histories = Histories::new(limiter.limits.policy, has_room);
    let mut under_way: Vec<(Try, Charged, u32, Reservation)> = Vec::new();
    let mut denied = HashSet::new();
    for (number, step) in (0_u32..).zip(steps) {
        let now = limiter.now();
        match step {
            Step::Wait(time) => clock.wait(Duration::from_millis(time)),
            Step::Reserve(attempt) => {
                let name = attempt.who.to_string();
                let account = AccountKey::resolved(name.as_str());
                let guess = if attempt.is_client {
                    Guess::Client { client_id: &name }
                } else {
                    Guess::Account { realm: None, account: &account }
                };
                let address = attempt.from.map(address);
                let print = u64::from(attempt.who * 16 + u32::from(attempt.is_client) * 8 + attempt.secret + 1) << 33;
                let key = AttemptKey::new(guess, address).with_fingerprint(Fingerprint::new(print));
                let key = if attempt.is_exempt { key.exempt() } else { key };
                if !has_room {
                    end_locked_cells(&limiter, &mut histories, &attempt, now);
                }
                let expected = histories.judge(&attempt, now);
                match (reserve(&limiter, &key), expected) {
                    (Ok(reservation), Ok(expected)) => {
                        let charged = Ticket::from_bytes(reservation.key()).charged;
                        let charged = COUNTED.map(|slot| charged.has(slot));
                        if has_room {
                            prop_assert_eq!(charged, expected, "{:?}", attempt);
                        } else if !denied.contains(&(attempt.is_client, attempt.who, attempt.secret)) {
                            // Only a secret that is known to be wrong is free.
                            let at_least =
                                charged.iter().zip(expected).all(|(charged, expected)| *charged || !expected);
                            prop_assert!(at_least, "{:?} {:?} {:?}", attempt, charged, expected);
                        }
                        histories.charge(&attempt, charged, now, number);
                        under_way.push((attempt, charged, number, reservation));
                    }
                    (Err(refusal), Err((limit, wait))) if has_room => {
                        prop_assert_eq!((refusal.limit(), refusal.retry_after()), (limit, Duration::from_millis(wait)));
                    }
                    (Err(refusal), _) => prop_assert!(!has_room, "{:?} {:?}", attempt, refusal),
                    (Ok(_), Err(refusal)) => prop_assert!(false, "{attempt:?} was granted, not {refusal:?}"),
                }
            }
            Step::Settle(which, how) if !under_way.is_empty() => {
                let (attempt, charged, number, reservation) = under_way.swap_remove(which.index(under_way.len()));
                let settlement = match (how, attempt.secret) {
                    (0, _) => continue,
                    (1, _) => Settlement::Undecided,
                    (2, _) => Settlement::Untried,
                    (_, 0) => Settlement::Success,
                    _ => Settlement::Denied,
                };
                if settlement == Settlement::Denied {
                    denied.insert((attempt.is_client, attempt.who, attempt.secret));
                }
                let at = Ticket::from_bytes(reservation.key()).at;
                settle(&limiter, reservation, settlement);
                histories.settle(&attempt, charged, (at, now), number, settlement);
            }
            Step::Settle(..) => {}
            Step::UnblockAccount(who) => {
                ready(limiter.unblock_account(None, &AccountKey::resolved(who.to_string())));
                histories.unblock_account(who);
            }
            Step::UnblockAddress(from) => {
                ready(limiter.unblock_address(address(from)));
                histories.unblock_address(from);
            }
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn with_room_it_decides_as_the_whole_history_does(steps in steps(4, 4, 300)) {
        compare(SHARDS * 256, true, steps)?;
    }

    #[test]
    fn with_room_it_decides_as_the_whole_history_does_over_ipv6(steps in steps(4, 8, 300)) {
        compare(SHARDS * 256, true, steps)?;
    }

    #[test]
    fn without_room_it_is_never_laxer(each in 0_usize..3, steps in steps(60, 4, 600)) {
        compare(SHARDS * each, false, steps)?;
    }
}
