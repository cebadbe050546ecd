//! Notices that the plan of a client's end was changed where its registration is kept.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Mutex;
use std::time::SystemTime;

use crate::boundary::sync::held;
use crate::protocol::client::registered::{Client, ClientId};
use crate::protocol::secret::word_hash::Key;

/// The most clients whose plans are remembered.
const MOST: usize = 1024;

/// The plans with which clients were found last.
pub(crate) struct Plans(Mutex<HashMap<ClientId, Known, Key>>);

impl Default for Plans {
    fn default() -> Self {
        Self(Mutex::new(HashMap::with_hasher(Key::random())))
    }
}

/// A plan, as far as it is remembered.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Known {
    digest: u64,
    end: Option<SystemTime>,
}

impl Known {
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
    /// Notes the plan with which a client was found, and answers whether it is another one than before.
    pub(crate) fn note(&self, client: &Client) -> Option<ChangedPlan> {
        let now = Known::of(client);
        let mut plans = held(self.0.lock());
        match plans.get_mut(client.id()) {
            Some(known) if *known == now => None,
            Some(known) => {
                let before = std::mem::replace(known, now);
                Some(ChangedPlan { before: before.end, after: now.end })
            }
            None => {
                if plans.len() < MOST {
                    plans.insert(client.id().clone(), now);
                }
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

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
            assert_eq!(plans.note(&client("app", plan.clone())), expected, "{plan:?}");
        }
        // Another client is another story, and the first sight of one is no change.
        assert_eq!(plans.note(&client("other", Some(plan(20)))), None);
    }

    #[test]
    fn the_memory_of_plans_is_bounded_and_those_in_it_stay() {
        let plans = Plans::default();
        for index in 0..2 * MOST {
            assert_eq!(plans.note(&client(&index.to_string(), None)), None);
        }
        assert_eq!(held(plans.0.lock()).len(), MOST);
        let plan = || Some(Sunset::at(SystemTime::UNIX_EPOCH));
        assert!(plans.note(&client("0", plan())).is_some());
        assert!(plans.note(&client(&MOST.to_string(), plan())).is_none());
    }
}
