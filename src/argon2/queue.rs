//! The jobs that wait for a thread: first come, first served, and no address takes all places, nor does an IPv6 /48.

use std::collections::{HashMap, VecDeque};
use std::time::Instant;

use crate::protocol::address::Network;

/// The least share of an address, where the queue has twice as many places: two logins at once are nothing strange.
const LEAST_SHARE: usize = 2;

/// How many jobs may wait now.
#[derive(Clone, Copy, Debug)]
pub(super) struct Places {
    /// Of everybody.
    pub(super) all: usize,
    /// Of one address.
    pub(super) of_one: usize,
    /// Of all addresses of one IPv6 /48 together.
    pub(super) of_48: usize,
}

impl Places {
    /// `percent` of the queue for each address, at least one place; and twice that for each /48. An idle thread has not yet
    /// taken the job that it was woken for, so it counts as room for one more, for any sender.
    pub(super) fn new(capacity: usize, percent: u8, idle: usize) -> Self {
        let part =
            |percent: u8| capacity.saturating_mul(usize::from(percent.min(100))).checked_div(100).unwrap_or(capacity);
        let of_one = part(percent).max((capacity / 2).clamp(1, LEAST_SHARE));
        let of_48 = part(percent.saturating_mul(2)).max(of_one);
        let [all, of_one, of_48] = [capacity, of_one, of_48].map(|places| places.saturating_add(idle));
        Self { all, of_one, of_48 }
    }
}

/// A job gets no place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoPlace {
    /// All are taken.
    Full,
    /// All that one address, or one /48, may have are taken.
    ShareTaken,
}

/// What has a share.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Sharer {
    One(Network),
    /// The 48 bits of an IPv6 network.
    Net48(u64),
}

impl Sharer {
    /// What a job of this network is counted on: somebody who has a whole /48 has 65,536 networks.
    fn each(network: Option<Network>) -> impl Iterator<Item = Self> {
        let around = match network {
            Some(Network::V6(bits)) => Some(Self::Net48(bits >> 16)),
            _ => None,
        };
        network.map(Self::One).into_iter().chain(around)
    }
}

/// Each job with the number under which it can be withdrawn. The numbers ascend from front to back.
pub(super) struct Queue<J> {
    jobs: VecDeque<Waiting<J>>,
    /// How many jobs of each address and each /48 wait. One without any has no entry, so there are at most two for each job.
    of_each: HashMap<Sharer, usize>,
    next: u64,
}

pub(super) struct Waiting<J> {
    pub(super) job: J,
    pub(super) since: Instant,
    number: u64,
    network: Option<Network>,
}

impl<J> Queue<J> {
    pub(super) fn new() -> Self {
        Self { jobs: VecDeque::new(), of_each: HashMap::new(), next: 0 }
    }

    pub(super) fn len(&self) -> usize {
        self.jobs.len()
    }

    /// Puts a job at the end. One without an address has no share to exceed.
    pub(super) fn push(&mut self, job: J, network: Option<Network>, places: Places) -> Result<u64, NoPlace> {
        if self.jobs.len() >= places.all {
            return Err(NoPlace::Full);
        }
        let is_taken = |sharer| {
            let share = if matches!(sharer, Sharer::One(_)) { places.of_one } else { places.of_48 };
            self.of_each.get(&sharer).is_some_and(|count| *count >= share)
        };
        if Sharer::each(network).any(is_taken) {
            return Err(NoPlace::ShareTaken);
        }
        for sharer in Sharer::each(network) {
            let count = self.of_each.entry(sharer).or_default();
            *count = count.saturating_add(1);
        }
        let number = self.next;
        self.next = number.wrapping_add(1);
        self.jobs.push_back(Waiting { job, since: Instant::now(), number, network });
        Ok(number)
    }

    /// Takes the job that waits longest.
    pub(super) fn pop(&mut self) -> Option<Waiting<J>> {
        let waiting = self.jobs.pop_front()?;
        self.leave(waiting.network);
        Some(waiting)
    }

    /// Takes a job out, if it still waits.
    pub(super) fn withdraw(&mut self, number: u64) -> Option<Waiting<J>> {
        let index = self.jobs.binary_search_by_key(&number, |waiting| waiting.number).ok()?;
        let waiting = self.jobs.remove(index)?;
        self.leave(waiting.network);
        Some(waiting)
    }

    fn leave(&mut self, network: Option<Network>) {
        for sharer in Sharer::each(network) {
            match self.of_each.get_mut(&sharer) {
                Some(count) if *count > 1 => *count = count.saturating_sub(1),
                _ => drop(self.of_each.remove(&sharer)),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

    use super::*;
    use proptest::prelude::*;

    fn network(number: u8) -> Network {
        Network::of(IpAddr::V4(Ipv4Addr::new(192, 0, 2, number)))
    }

    #[test]
    fn a_share_is_a_part_of_the_queue_but_at_least_two_places_or_half_of_it_and_what_is_idle() {
        for (capacity, percent, idle, all, of_one, of_48) in [
            (100, 25, 0, 100, 25, 50),
            (100, 60, 0, 100, 60, 100),
            (100, 100, 0, 100, 100, 100),
            (100, 255, 0, 100, 100, 100),
            (100, 0, 0, 100, 2, 2),
            (7, 25, 0, 7, 2, 3),
            (4, 25, 0, 4, 2, 2),
            (3, 25, 0, 3, 1, 1),
            (2, 25, 0, 2, 1, 1),
            (1, 25, 0, 1, 1, 1),
            (0, 25, 3, 3, 4, 4),
            (100, 25, 2, 102, 27, 52),
            (usize::MAX, 50, 1, usize::MAX, usize::MAX / 100 + 1, usize::MAX / 100 + 1),
        ] {
            let places = Places::new(capacity, percent, idle);
            assert_eq!((places.all, places.of_one, places.of_48), (all, of_one, of_48), "{capacity} {percent} {idle}");
        }
    }

    #[test]
    fn one_sender_has_one_share_whatever_its_addresses_look_like_t45() {
        let mut queue = Queue::new();
        let places = Places { all: 10, of_one: 2, of_48: 10 };
        let of = |text: &str| Some(Network::of(text.parse().unwrap()));
        for (text, expected) in [
            ("192.0.2.1", Ok(0)),
            ("::ffff:192.0.2.1", Ok(1)),
            ("64:ff9b::192.0.2.1", Err(NoPlace::ShareTaken)),
            ("2001:db8::1", Ok(2)),
            ("2001:db8::ffff:2", Ok(3)),
            ("2001:db8:0:0:1::3", Err(NoPlace::ShareTaken)),
            ("2001:db8:0:1::3", Ok(4)),
        ] {
            assert_eq!(queue.push((), of(text), places), expected, "{text}");
        }
        let rotated = (0..100).map(|n| Network::of(IpAddr::V6(Ipv6Addr::from_bits((0x2001_0db8 << 96) | n))));
        assert!(rotated.into_iter().all(|network| queue.push((), Some(network), places).is_err()));
    }

    #[test]
    fn the_networks_of_one_48_have_one_share_together_and_leave_the_rest_to_others() {
        let mut queue = Queue::new();
        let places = Places::new(100, 25, 0);
        let of_48 = |around: u128, subnet: u128| {
            let bits = (0x2001_0db8 << 96) | around << 80 | subnet << 64;
            Some(Network::of(IpAddr::V6(Ipv6Addr::from_bits(bits))))
        };
        let taken: Vec<_> = (0..1000).filter_map(|subnet| queue.push((), of_48(1, subnet), places).ok()).collect();
        assert_eq!(taken.len(), 50);
        assert_eq!(queue.push((), of_48(1, 0), places), Err(NoPlace::ShareTaken));
        for other in [of_48(2, 0), Some(network(1)), None] {
            assert!(queue.push((), other, places).is_ok(), "{other:?}");
        }
        // A place that is given up may be taken again from any of its networks, but not twice.
        queue.withdraw(taken[7]).unwrap();
        assert!(queue.push((), of_48(1, 2000), places).is_ok());
        assert_eq!(queue.push((), of_48(1, 2001), places), Err(NoPlace::ShareTaken));
        while queue.pop().is_some() {}
        assert!(queue.of_each.is_empty());
    }

    #[test]
    fn nobody_is_refused_for_the_share_of_no_address() {
        let mut queue = Queue::new();
        for number in 0..10 {
            assert_eq!(queue.push((), None, Places { all: 10, of_one: 2, of_48: 10 }), Ok(number));
        }
        assert_eq!(queue.push((), None, Places { all: 10, of_one: 2, of_48: 10 }), Err(NoPlace::Full));
    }

    #[derive(Clone, Debug)]
    enum Step {
        Push(Option<u8>),
        Pop,
        Withdraw(u64),
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            4 => prop::option::weighted(0.9, 0..4_u8).prop_map(Step::Push),
            1 => Just(Step::Pop),
            1 => (0..60_u64).prop_map(Step::Withdraw),
        ];
        prop::collection::vec(step, 0..200)
    }

    proptest! {
        #[test]
        fn jobs_leave_in_the_order_they_came_and_the_counts_are_those_of_the_jobs_that_wait(steps in steps()) {
            let mut queue = Queue::new();
            let mut model: Vec<(u64, Option<u8>)> = Vec::new();
            let places = Places { all: 12, of_one: 4, of_48: 12 };
            for step in steps {
                match step {
                    Step::Push(of) => {
                        let waiting = model.iter().filter(|(_, other)| *other == of).count();
                        let expected = match of {
                            _ if model.len() >= 12 => Err(NoPlace::Full),
                            Some(_) if waiting >= 4 => Err(NoPlace::ShareTaken),
                            _ => Ok(queue.next),
                        };
                        let pushed = queue.push(of, of.map(network), places);
                        prop_assert_eq!(pushed, expected);
                        model.extend(pushed.ok().map(|number| (number, of)));
                    }
                    Step::Pop => {
                        let first = (!model.is_empty()).then(|| model.remove(0));
                        prop_assert_eq!(queue.pop().map(|waiting| (waiting.number, waiting.job)), first);
                    }
                    Step::Withdraw(number) => {
                        let at = model.iter().position(|(other, _)| *other == number);
                        let expected = at.map(|at| model.remove(at));
                        prop_assert_eq!(queue.withdraw(number).map(|waiting| (waiting.number, waiting.job)), expected);
                    }
                }
                let mut counts = BTreeMap::new();
                for of in model.iter().filter_map(|(_, of)| *of) {
                    *counts.entry(of).or_insert(0_usize) += 1;
                }
                prop_assert_eq!(queue.len(), model.len());
                prop_assert_eq!(queue.of_each.len(), counts.len());
                for (of, count) in counts {
                    prop_assert_eq!(queue.of_each.get(&Sharer::One(network(of))), Some(&count));
                }
            }
        }
    }
}
