//! Jobs that wait one behind the other: first come, first served, and no sender takes all places.

use std::collections::{HashMap, VecDeque};
use std::time::Instant;

use super::places::Shares;
use crate::protocol::address::Network;

/// Whose job it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sender {
    /// Somebody at this address, if there is one.
    Stranger(Option<Network>),
    /// Somebody who tries an account at an address from which it logged in before. The account goes by a digest: two that
    /// have the same share a share.
    Known { network: Network, account: u64 },
}

/// What has a share.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Sharer {
    One(Network),
    /// The 48 bits of an IPv6 network.
    Net48(u64),
    Account(u64),
}

impl Sender {
    const fn network(self) -> Option<Network> {
        match self {
            Self::Stranger(network) => network,
            Self::Known { network, .. } => Some(network),
        }
    }

    /// The same without what is known.
    pub(super) const fn as_stranger(self) -> Self {
        Self::Stranger(self.network())
    }

    /// What a job is counted on. Somebody who has a whole /48 has 65,536 networks.
    fn sharers(self) -> impl Iterator<Item = Sharer> {
        let around = match self.network() {
            Some(Network::V6(bits)) => Some(Sharer::Net48(bits >> 16)),
            _ => None,
        };
        let account = match self {
            Self::Known { account, .. } => Some(Sharer::Account(account)),
            Self::Stranger(_) => None,
        };
        self.network().map(Sharer::One).into_iter().chain(around).chain(account)
    }
}

/// Each job with the number under which it can be withdrawn. The numbers ascend from front to back.
pub(super) struct Lane<J> {
    jobs: VecDeque<Waiting<J>>,
    /// How many jobs of each sharer wait. One without any has no entry, so there are at most three for each job.
    of_each: HashMap<Sharer, usize>,
}

pub(super) struct Waiting<J> {
    pub(super) job: J,
    pub(super) since: Instant,
    pub(super) number: u64,
    sender: Sender,
}

impl<J> Waiting<J> {
    /// One that begins to wait now.
    pub(super) fn new(job: J, number: u64, sender: Sender) -> Self {
        Self { job, since: Instant::now(), number, sender }
    }
}

impl<J> Lane<J> {
    pub(super) fn new() -> Self {
        Self { jobs: VecDeque::new(), of_each: HashMap::new() }
    }

    pub(super) fn len(&self) -> usize {
        self.jobs.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.jobs.is_empty()
    }

    /// Whether one more job of this sender is within its share. Without an address there is no share to exceed.
    pub(super) fn has_share(&self, sender: Sender, shares: &Shares) -> bool {
        sender.sharers().all(|sharer| {
            let share = match sharer {
                Sharer::One(_) => shares.of_one,
                Sharer::Net48(_) => shares.of_48,
                Sharer::Account(_) => shares.of_account,
            };
            self.of_each.get(&sharer).is_none_or(|count| *count < share)
        })
    }

    pub(super) fn push(&mut self, waiting: Waiting<J>) {
        for sharer in waiting.sender.sharers() {
            let count = self.of_each.entry(sharer).or_default();
            *count = count.saturating_add(1);
        }
        self.jobs.push_back(waiting);
    }

    /// Takes the job that waits longest.
    pub(super) fn pop(&mut self) -> Option<Waiting<J>> {
        let waiting = self.jobs.pop_front();
        self.left(waiting)
    }

    /// Takes the job that came last.
    pub(super) fn pop_newest(&mut self) -> Option<Waiting<J>> {
        let waiting = self.jobs.pop_back();
        self.left(waiting)
    }

    /// Takes a job out, if it still waits here.
    pub(super) fn withdraw(&mut self, number: u64) -> Option<Waiting<J>> {
        let index = self.jobs.binary_search_by_key(&number, |waiting| waiting.number).ok()?;
        let waiting = self.jobs.remove(index);
        self.left(waiting)
    }

    fn left(&mut self, waiting: Option<Waiting<J>>) -> Option<Waiting<J>> {
        for sharer in waiting.iter().flat_map(|waiting| waiting.sender.sharers()) {
            match self.of_each.get_mut(&sharer) {
                Some(count) if *count > 1 => *count = count.saturating_sub(1),
                _ => drop(self.of_each.remove(&sharer)),
            }
        }
        waiting
    }

    /// How many sharers are counted, and how many jobs of this one.
    #[cfg(test)]
    pub(super) fn counted(&self, sharer: Sharer) -> (usize, usize) {
        (self.of_each.len(), self.of_each.get(&sharer).copied().unwrap_or(0))
    }
}
