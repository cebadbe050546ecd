//! Notices that the plan of a client's end was changed where its registration is kept.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Mutex;
use std::time::{Duration, SystemTime};

use crate::boundary::sync::held;
use crate::protocol::client::registered::{Client, ClientId};
use crate::protocol::secret::word_hash::Key;

/// The most clients in half of the memory. As many that were found last are remembered at least.
const MOST: usize = 4096;

/// The most changes of one client's plan that are said at once.
const AT_ONCE: u32 = 16;
/// After that, how long there is between two.
const BETWEEN: Duration = Duration::from_secs(60);

/// The plans with which clients were found last.
pub(crate) struct Plans(Mutex<Halves>);

/// The clients that were found lately, and those of the time before: when the first half is full, it takes the place of the other, so
/// that no client has its place for good.
struct Halves {
    recent: HashMap<ClientId, Known, Key>,
    before: HashMap<ClientId, Known, Key>,
}

impl Default for Plans {
    fn default() -> Self {
        let [recent, before] = std::array::from_fn(|_| HashMap::with_hasher(Key::random()));
        Self(Mutex::new(Halves { recent, before }))
    }
}

/// What is remembered of a client.
#[derive(Clone, Copy)]
struct Known {
    /// As it was said last.
    plan: Plan,
    /// When its changes so far are forgotten, by the clock that never goes back: each one counts for a while.
    settled: Duration,
}

/// A plan, as far as it is remembered.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Plan {
    digest: u64,
    end: Option<SystemTime>,
}

impl Plan {
    fn of(client: &Client) -> Self {
        let Some(sunset) = client.sunset() else { return Self { digest: 0, end: None } };
        let mut hasher = DefaultHasher::new();
        sunset.hash(&mut hasher);
        Self { digest: hasher.finish(), end: Some(sunset.end()) }
    }
}

/// The ends of a client's two plans, where it has one.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct ChangedPlan {
    pub(crate) before: Option<SystemTime>,
    pub(crate) after: Option<SystemTime>,
}

impl Plans {
    /// Notes the plan with which a client was found, and answers whether it is another one than was said last.
    ///
    /// Two copies of a registry that disagree for a while look like a change at each request. So what comes too soon is not said, and
    /// stays to be said as long as it is so.
    pub(crate) fn note(&self, client: &Client, elapsed: impl FnOnce() -> Duration) -> Option<ChangedPlan> {
        let now = Plan::of(client);
        let mut halves = held(self.0.lock());
        let known = halves.find(client.id(), now);
        if known.plan == now || !known.may_say(elapsed()) {
            return None;
        }
        let before = std::mem::replace(&mut known.plan, now);
        Some(ChangedPlan { before: before.end, after: now.end })
    }
}

impl Known {
    /// Whether one more change may be said, which counts then.
    fn may_say(&mut self, now: Duration) -> bool {
        let settled = self.settled.max(now).saturating_add(BETWEEN);
        let may = settled.saturating_sub(now) <= BETWEEN.saturating_mul(AT_ONCE);
        if may {
            self.settled = settled;
        }
        may
    }
}

impl Halves {
    /// What is known of a client that was found: if nothing, that it has this plan.
    fn find(&mut self, id: &ClientId, plan: Plan) -> &mut Known {
        if !self.recent.contains_key(id) && self.recent.len() >= MOST {
            std::mem::swap(&mut self.recent, &mut self.before);
            self.recent.clear();
        }
        let Self { recent, before } = self;
        let known = || before.remove(id).unwrap_or(Known { plan, settled: Duration::ZERO });
        recent.entry(id.clone()).or_insert_with(known)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::client::sunset::end::Sunset;

    fn client(id: &str, plan: Option<Sunset>) -> Client {
        let client = Client::public(id);
        match plan {
            Some(plan) => client.sunset(plan).build().unwrap(),
            None => client.build().unwrap(),
        }
    }

    #[test]
    fn each_change_of_a_plan_is_noticed_once() {
        let at = |days: u64| SystemTime::UNIX_EPOCH + Duration::from_secs(86_400 * days);
        let plan = |end: u64| Sunset::at(at(end));
        let (plans, changed) = (Plans::default(), |before, after| Some(ChangedPlan { before, after }));
        let stepped = plan(30).ramp_from(at(20)).unwrap();
        let excepted = stepped.clone().except("kim", at(40)).unwrap();
        for (plan, expected) in [
            (None, None),
            (None, None),
            (Some(plan(20)), changed(None, Some(at(20)))),
            (Some(plan(20)), None),
            (Some(plan(30)), changed(Some(at(20)), Some(at(30)))),
            (Some(stepped.clone()), changed(Some(at(30)), Some(at(30)))),
            (Some(excepted.clone()), changed(Some(at(30)), Some(at(30)))),
            (Some(excepted), None),
            (None, changed(Some(at(30)), None)),
            (None, None),
        ] {
            assert_eq!(plans.note(&client("app", plan.clone()), || Duration::ZERO), expected, "{plan:?}");
        }
        // Another client is another story, and the first sight of one is no change.
        assert_eq!(plans.note(&client("other", Some(plan(20))), || Duration::ZERO), None);
    }

    fn plan(end: u64) -> Option<Sunset> {
        Some(Sunset::at(SystemTime::UNIX_EPOCH + Duration::from_secs(end)))
    }

    #[test]
    fn the_memory_of_plans_is_bounded_and_those_that_were_found_last_are_in_it() {
        let plans = Plans::default();
        let note = |index: usize, plan| plans.note(&client(&index.to_string(), plan), || Duration::ZERO);
        for index in 0..5 * MOST {
            assert_eq!(note(index, None), None);
            // One that comes again and again is never forgotten.
            assert_eq!(note(0, None), None);
            let halves = held(plans.0.lock());
            assert!(halves.recent.len() <= MOST && halves.before.len() <= MOST);
        }
        for index in [0, 5 * MOST - 1, 4 * MOST + 1] {
            assert!(note(index, plan(9)).is_some(), "{index}");
        }
        assert!(note(1, plan(9)).is_none(), "it was forgotten");
        assert!(note(1, plan(8)).is_some(), "and has a place again");
    }

    #[test]
    fn copies_that_disagree_say_16_changes_and_then_one_a_minute_and_the_last_plan_is_said_in_the_end() {
        let plans = Plans::default();
        let note = |end, seconds: f64| plans.note(&client("app", plan(end)), || Duration::from_secs_f64(seconds));
        // Two requests a second, each to another copy, for two hours.
        let said =
            (0..14_400_u32).filter(|turn| note(u64::from(1 + turn % 2), f64::from(*turn) / 2.0).is_some()).count();
        assert!((120..=120 + 16).contains(&said), "{said}");
        // They agree again, on one or the other.
        let end = |end| plan(end).map(|plan| plan.end());
        for (agreed, since) in [(1, 7_200), (2, 7_500), (3, 7_800)] {
            let said: Vec<_> = (0..240).filter_map(|second| note(agreed, f64::from(since + second))).collect();
            assert!(said.len() <= 1 && said.iter().all(|said| said.after == end(agreed)), "{agreed}: {said:?}");
            assert_eq!(held(plans.0.lock()).recent.values().next().unwrap().plan.end, end(agreed));
        }
        // Another client is not held back by it, nor is this one after a while.
        assert_eq!(plans.note(&client("other", plan(1)), || Duration::from_secs(8_000)), None);
        assert!(plans.note(&client("other", plan(2)), || Duration::from_secs(8_000)).is_some());
        let later = (0..20).filter(|end| note(10 + end, 20_000.0).is_some()).count();
        assert_eq!(later, 16);
    }
}
