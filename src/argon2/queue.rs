//! The jobs that wait for a thread, in two lanes: a reserved part of the places is for accounts at addresses from which they
//! logged in before, so that a flood of guesses, whose addresses are known for none, does not starve everybody alike.
//!
//! Reserved places are lent to everybody until they are needed. Then the job that came last on a lent place gives its way. The
//! threads take from both lanes in turn, by the same part, so that neither lane waits for the other one to be empty. What does
//! not fit into the reserved part waits with the others, as if its address were new.

use super::lane::{Lane, Sender, Waiting};
use super::places::{Percents, Places};

/// A part of one, of the threads' time.
const WHOLE: u8 = 100;

/// A job gets no place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoPlace {
    /// All are taken.
    Full,
    /// All that one address, or one /48, may have are taken.
    ShareTaken,
}

/// A job has a place.
pub(super) struct Placed<J> {
    /// The number under which it can be withdrawn.
    pub(super) number: u64,
    /// The job that had the place on loan.
    pub(super) displaced: Option<Waiting<J>>,
}

pub(super) struct Queue<J> {
    reserved: Lane<J>,
    common: Lane<J>,
    /// What the reserved lane may take of each turn, in percent.
    part: u8,
    /// What it was not given of the turns so far. If nobody waits in it, not more than that the next job has the next turn.
    due: u8,
    next: u64,
}

impl<J> Queue<J> {
    pub(super) fn new(percents: Percents) -> Self {
        let part = percents.reserved.min(WHOLE);
        Self { reserved: Lane::new(), common: Lane::new(), part, due: WHOLE.saturating_sub(part), next: 0 }
    }

    pub(super) fn len(&self) -> usize {
        self.reserved.len().saturating_add(self.common.len())
    }

    /// How many wait on reserved places.
    pub(super) fn reserved_len(&self) -> usize {
        self.reserved.len()
    }

    /// Puts a job at the end of a lane.
    pub(super) fn push(&mut self, job: J, sender: Sender, places: Places) -> Result<Placed<J>, NoPlace> {
        let is_full = self.len() >= places.all;
        let is_reserved = matches!(sender, Sender::Known { .. })
            && self.reserved.len() < places.reserved
            && self.reserved.has_share(sender, &places.reserved_shares);
        if is_reserved {
            // As long as a reserved place is left in a full queue, more wait in the other lane than it has places of its own.
            let displaced = if is_full { self.common.pop_newest() } else { None };
            let waiting = self.number(job, sender);
            let number = waiting.number;
            self.reserved.push(waiting);
            return Ok(Placed { number, displaced });
        }
        if is_full {
            return Err(NoPlace::Full);
        }
        // Accounts have no share here: those of strangers are not known.
        let sender = sender.as_stranger();
        if !self.common.has_share(sender, &places.shares) {
            return Err(NoPlace::ShareTaken);
        }
        let waiting = self.number(job, sender);
        let number = waiting.number;
        self.common.push(waiting);
        Ok(Placed { number, displaced: None })
    }

    fn number(&mut self, job: J, sender: Sender) -> Waiting<J> {
        let number = self.next;
        self.next = number.wrapping_add(1);
        Waiting::new(job, number, sender)
    }

    /// Takes the job that waits longest, of the lane whose turn it is.
    pub(super) fn pop(&mut self) -> Option<Waiting<J>> {
        if self.common.is_empty() {
            return self.reserved.pop();
        }
        let due = self.due.saturating_add(self.part);
        if self.reserved.is_empty() {
            self.due = due.min(WHOLE.saturating_sub(self.part));
            return self.common.pop();
        }
        self.due = due.checked_sub(WHOLE).unwrap_or(due);
        if due < WHOLE { self.common.pop() } else { self.reserved.pop() }
    }

    /// Takes a job out, if it still waits.
    pub(super) fn withdraw(&mut self, number: u64) -> Option<Waiting<J>> {
        self.reserved.withdraw(number).or_else(|| self.common.withdraw(number))
    }
}

#[cfg(test)]
#[path = "queue_tests.rs"]
mod tests;
