use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::limiter::tests::History;

const BUDGET: Lockout = Lockout { attempts: 3, window: 60, first: 40, longest: 200 };

#[derive(Clone, Copy, Debug)]
enum Step {
    Wait(u64),
    /// Tries this secret.
    Attempt(u32),
    /// Settles one of the attempts under way.
    Deny(prop::sample::Index),
    Untried(prop::sample::Index),
    /// A full login of another attempt, or an operator.
    Clear,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        3 => (0_u64..30).prop_map(Step::Wait),
        1 => (30_u64..300).prop_map(Step::Wait),
        8 => (1_u32..4).prop_map(Step::Attempt),
        3 => any::<prop::sample::Index>().prop_map(Step::Deny),
        2 => any::<prop::sample::Index>().prop_map(Step::Untried),
        1 => Just(Step::Clear),
    ];
    prop::collection::vec(step, 1..150)
}

fn budgets() -> impl Strategy<Value = Lockout> {
    (1_u32..5, 1_u64..100, 1_u64..100, 1_u64..400).prop_map(|(attempts, window, first, more)| Lockout {
        attempts,
        window,
        first,
        longest: first + more,
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    /// Counts fall by time, by a refund of their own and by a full login only; refusals change nothing.
    #[test]
    fn it_decides_as_the_whole_history_does(budget in budgets(), steps in steps(), first_number: u32) {
        let (mut tally, mut history) = (Tally::default(), History::default());
        let (mut now, mut number) = (0, first_number);
        let mut under_way: Vec<(u32, u32)> = Vec::new();
        // When each charge that was not taken back was made, since the last full login.
        let mut kept: Vec<(u32, u64)> = Vec::new();
        for step in steps {
            match step {
                Step::Wait(time) => now += time,
                Step::Attempt(print) => {
                    let refusal = tally.locked(&budget, now);
                    prop_assert_eq!(refusal, history.refusal(&budget, now));
                    let is_repeat = tally.is_repeat(&budget, now, print, 20);
                    prop_assert_eq!(is_repeat, history.is_repeat(&budget, now, print, 20));
                    prop_assert!(!(is_repeat && refusal.is_some()));
                    if refusal.is_none() && !is_repeat {
                        number = number.wrapping_add(1);
                        let locks = tally.charge(&budget, now, number);
                        prop_assert_eq!(locks, history.charge(&budget, now, number));
                        under_way.push((number, print));
                        kept.push((number, now));
                    }
                }
                Step::Deny(which) if !under_way.is_empty() => {
                    let (number, print) = under_way.swap_remove(which.index(under_way.len()));
                    tally.deny(now, number, print);
                    history.deny(&budget, now, number, print);
                }
                Step::Untried(which) if !under_way.is_empty() => {
                    let (number, _) = under_way.swap_remove(which.index(under_way.len()));
                    tally.refund(&budget, || now, number);
                    history.refund(&budget, now, number);
                    kept.retain(|(other, _)| *other != number);
                }
                Step::Deny(_) | Step::Untried(_) => {}
                Step::Clear => {
                    (tally, history) = (Tally::default(), History::default());
                    kept.clear();
                }
            }
            let shortest = budget.window.min(budget.first);
            for (_, start) in &kept {
                let held = kept.iter().filter(|(_, time)| (*start..start + shortest).contains(time)).count();
                prop_assert!(held <= budget.attempts as usize, "{held} within {shortest}");
            }
        }
    }

    /// T13: what was locked once stays so until then, whichever way the clock jumps.
    #[test]
    fn no_jump_of_the_clock_lifts_a_lock(
        budget in budgets(),
        times in prop::collection::vec(
            prop_oneof![Just(0), Just(u64::MAX), Just(u64::MAX - 1), 0_u64..1000, (u64::MAX - 1000)..u64::MAX, any::<u64>()],
            1..60,
        ),
    ) {
        let (mut tally, mut until) = (Tally::default(), None);
        for (number, now) in (0..).zip(times) {
            match tally.locked(&budget, now) {
                Some(wait) => prop_assert!(wait >= 1),
                None => {
                    prop_assert!(until.is_none_or(|until| until <= now && until != u64::MAX), "{now} {until:?}");
                    let locks = tally.charge(&budget, now, number);
                    until = locks.then(|| now.saturating_add(budget.first));
                }
            }
            let _ = tally.is_repeat(&budget, now, 1, u64::MAX);
            let _ = tally.is_forgotten(now, budget.longest);
        }
    }

    #[test]
    fn extreme_budgets_and_times_do_not_overflow(
        attempts in prop_oneof![Just(1), Just(u32::MAX)],
        window in prop_oneof![Just(1), Just(u64::MAX)],
        first in prop_oneof![Just(1), Just(u64::MAX)],
        strikes: u8,
        charges in prop_oneof![Just(0), Just(1), Just(u32::MAX)],
        until in prop_oneof![Just(0), Just(u64::MAX), any::<u64>()],
        now in prop_oneof![Just(0), Just(u64::MAX), any::<u64>()],
        number: u32,
    ) {
        let budget = Lockout { attempts, window, first, longest: u64::MAX };
        let bucket = TokenBucket::new(attempts, Duration::from_millis(window));
        let tally = Tally { until, born: number, print: 1, charges, strikes, is_told: false, denied: 0 };
        for change in [
            |tally: &mut Tally, budget: &Lockout, _: &TokenBucket, now, number| { tally.charge(budget, now, number); },
            |tally: &mut Tally, budget: &Lockout, _: &TokenBucket, now, number| tally.refund(budget, || now, number),
            |tally: &mut Tally, _: &Lockout, bucket: &TokenBucket, now, number| tally.take(bucket, now, number),
            |tally: &mut Tally, _: &Lockout, bucket: &TokenBucket, _, number| tally.give(bucket, number, 0),
            |tally: &mut Tally, _: &Lockout, _: &TokenBucket, now, number| tally.deny(now, number, 1),
        ] {
            let mut changed = tally;
            change(&mut changed, &budget, &bucket, now, number);
            let _ = (changed.locked(&budget, now), changed.empty(&bucket, now), changed.is_forgotten(now, first));
        }
    }

    /// Any span of time holds as many as the burst, what time fills in, and what was given back of what was taken before.
    #[test]
    fn a_bucket_never_gives_more_than_its_burst_and_its_rate(
        burst in 1_u32..6,
        interval in 1_u64..50,
        steps in prop::collection::vec((0_u64..40, prop::option::weighted(0.3, any::<prop::sample::Index>())), 1..120),
    ) {
        let bucket = TokenBucket::new(burst, Duration::from_millis(interval));
        let (mut tally, mut now) = (Tally::default(), 0);
        let mut under_way: Vec<(u32, u64)> = Vec::new();
        let mut kept: Vec<(u32, u64)> = Vec::new();
        let mut given: Vec<(u64, u64)> = Vec::new();
        for (number, (wait, give)) in (0..).zip(steps) {
            now += wait;
            if let Some(which) = give.filter(|_| !under_way.is_empty()) {
                let (number, taken) = under_way.swap_remove(which.index(under_way.len()));
                tally.give(&bucket, number, 0);
                kept.retain(|(other, _)| *other != number);
                given.push((taken, now));
            }
            match tally.empty(&bucket, now) {
                Some(wait) => prop_assert!((1..=interval).contains(&wait)),
                None => {
                    tally.take(&bucket, now, number);
                    under_way.push((number, now));
                    kept.push((number, now));
                }
            }
            for (_, start) in &kept {
                let held = kept.iter().filter(|(_, time)| time >= start).count() as u64;
                let back = given.iter().filter(|(taken, at)| taken <= start && at >= start).count() as u64;
                prop_assert!(held <= u64::from(burst) + back + (now - start).div_ceil(interval), "{held}");
            }
        }
    }
}

/// Charges until it locks; tells for how long.
fn lock(tally: &mut Tally, now: u64) -> u64 {
    let charged = (0..10).take_while(|number| {
        tally.locked(&BUDGET, now).is_none() && {
            tally.charge(&BUDGET, now, *number);
            true
        }
    });
    assert_eq!(charged.count(), 3);
    tally.locked(&BUDGET, now).unwrap()
}

#[test]
fn locks_grow_twofold_up_to_the_longest_and_are_remembered_for_as_long_as_that() {
    let (mut tally, mut now) = (Tally::default(), 1000);
    for length in [40, 80, 160, 200, 200] {
        assert_eq!(lock(&mut tally, now), length);
        assert_eq!(tally.locked(&BUDGET, now + length - 1), Some(1));
        now += length;
        assert_eq!(tally.locked(&BUDGET, now), None);
    }
    // Within 200 after the end of the last one it is remembered; then no more. Nor does waiting out a short one pay.
    let mut first = Tally::default();
    assert_eq!(lock(&mut first, 1000), 40);
    assert_eq!(lock(&mut first, 1000 + 40 + 199), 80);
    let (mut soon, mut late) = (tally, tally);
    assert_eq!(lock(&mut soon, now + 199), 200);
    assert_eq!(lock(&mut late, now + 200), 40);
    assert!(!tally.is_forgotten(now + 199, 200) && tally.is_forgotten(now + 200, 200));
}

#[test]
fn an_attempt_after_a_lock_does_not_make_it_forgotten_sooner() {
    let (mut tally, mut now) = (Tally::default(), 0);
    for length in [40, 80, 160, 200] {
        assert_eq!(lock(&mut tally, now), length);
        now += length;
    }
    tally.charge(&BUDGET, now, 9);
    // The window is 60, but locks are remembered for 200.
    tally.charge(&BUDGET, now + 199, 9);
    tally.charge(&BUDGET, now + 199, 9);
    assert_eq!(tally.locked(&BUDGET, now + 199), Some(200));
}

#[test]
fn a_reservation_from_before_gives_nothing_back() {
    // From before the end of a window, the end of a lock, or a success: the tally is as if it had never been.
    for (made, then) in [(0, 60), (0, 40)] {
        let mut tally = Tally::default();
        if then == 40 {
            lock(&mut tally, made);
        } else {
            tally.charge(&BUDGET, made, 2);
        }
        assert!(tally.is_over(then));
        tally.charge(&BUDGET, then, 3);
        let before = tally;
        tally.refund(&BUDGET, || then, 2);
        tally.deny(then, 2, 7);
        assert_eq!(tally, before);
        tally.refund(&BUDGET, || then, 3);
        assert_ne!(tally, before);
    }
    let mut after_success = Tally::default();
    after_success.charge(&BUDGET, 5, u32::MAX);
    let before = after_success;
    after_success.refund(&BUDGET, || 5, u32::MAX - 1);
    assert_eq!(after_success, before);
    // The numbers go round.
    after_success.charge(&BUDGET, 5, 0);
    after_success.refund(&BUDGET, || 5, 0);
    assert_eq!(after_success.charges, before.charges);
}

#[test]
fn a_bucket_whose_time_has_no_end_does_not_fill_again() {
    for interval in [Duration::MAX, Duration::from_millis(u64::MAX), Duration::from_millis(u64::MAX / 300)] {
        let bucket = TokenBucket::new(300, interval);
        let mut tally = Tally::default();
        let taken = (0..1000).take_while(|number| {
            tally.empty(&bucket, 7).is_none() && {
                tally.take(&bucket, 7, *number);
                true
            }
        });
        assert_eq!(taken.count(), 300);
    }
    let bucket = TokenBucket::new(3, Duration::from_secs(60));
    let mut tally = Tally::default();
    tally.take(&bucket, u64::MAX, 1);
    tally.give(&bucket, 1, 0);
    assert!([0, 1, u64::MAX].iter().all(|now| tally.empty(&bucket, *now).is_some()));
}

proptest! {
    #[test]
    fn what_is_written_of_a_tally_is_read_again_but_for_the_fingerprint(
        until: u64, born: u32, print: u32, charges: u32, strikes: u8, is_told: bool, denied: u16,
    ) {
        let tally = Tally { until, born, print, charges, strikes, is_told, denied };
        let read = Tally::from_bytes(&tally.to_bytes());
        prop_assert_eq!(read, Tally { print: 0, ..tally });
        prop_assert_eq!(read.with_print(print), tally);
    }

    #[test]
    fn a_tally_is_forgotten_from_the_time_on_that_it_says(until in 0..1_000_000_u64, strikes in 0..3_u8, memory in 0..1000_u64) {
        let tally = Tally { until, strikes, ..Tally::default() };
        let end = tally.forgotten_at(memory);
        prop_assert!(tally.is_forgotten(end, memory));
        prop_assert!(end == 0 || !tally.is_forgotten(end - 1, memory));
    }
}
