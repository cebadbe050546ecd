//! What is remembered of one key: a pure state machine with explicit time, in milliseconds.

use super::budget::{Lockout, TokenBucket};

/// The charges on one key. Its holder knows by which kind of budget it is counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    /// When the charges are forgotten, or the lock ends, or the bucket is full again.
    until: u64,
    /// The number of the reservation that began this count: an earlier one has nothing here to take back.
    born: u32,
    /// The fingerprint of the secret that was denied last, if nothing was charged since; 0 for none.
    print: u32,
    charges: u32,
    /// Locks in a row.
    strikes: u8,
    /// Whether the owner got the notice of the lock.
    pub(crate) is_told: bool,
    /// How many of the charges were decided against; it stops at its end.
    denied: u16,
}

/// How long an attempt may be under way, in milliseconds: what is not decided by then was dropped.
pub(crate) const UNDER_WAY: u64 = 60_000;
/// When to try again while attempts are under way, in milliseconds.
const SOON: u64 = 1000;

/// The end of all time. What ends then does not end: a clock that has reached it must not lift a lock.
const NEVER: u64 = u64::MAX;

/// What is written of a tally: all but the fingerprint, which stays in memory or is written beside it.
pub(crate) type TallyBytes = [u8; 20];

impl Tally {
    #[inline]
    pub(crate) fn to_bytes(self) -> TallyBytes {
        let parts = [
            &self.until.to_le_bytes()[..],
            &self.born.to_le_bytes()[..],
            &self.charges.to_le_bytes()[..],
            &self.denied.to_le_bytes()[..],
            &[self.strikes, u8::from(self.is_told)][..],
        ];
        let mut bytes = [0; 20];
        parts.into_iter().flatten().zip(&mut bytes).for_each(|(part, byte)| *byte = *part);
        bytes
    }

    #[inline]
    pub(crate) fn from_bytes(bytes: &TallyBytes) -> Self {
        let [u0, u1, u2, u3, u4, u5, u6, u7, b0, b1, b2, b3, c0, c1, c2, c3, d0, d1, strikes, is_told] = *bytes;
        Self {
            until: u64::from_le_bytes([u0, u1, u2, u3, u4, u5, u6, u7]),
            born: u32::from_le_bytes([b0, b1, b2, b3]),
            print: 0,
            charges: u32::from_le_bytes([c0, c1, c2, c3]),
            strikes,
            is_told: is_told != 0,
            denied: u16::from_le_bytes([d0, d1]),
        }
    }

    /// The fingerprint of the secret that was denied last; 0 for none.
    #[inline]
    pub(crate) fn print(&self) -> u32 {
        self.print
    }

    /// The same with the fingerprint that was kept elsewhere.
    #[inline]
    pub(crate) fn with_print(self, print: u32) -> Self {
        Self { print, ..self }
    }

    /// From when on it [is forgotten](Self::is_forgotten).
    #[inline]
    pub(crate) fn forgotten_at(&self, memory: u64) -> u64 {
        if self.strikes == 0 { self.until } else { self.until.saturating_add(memory) }
    }

    /// Whether it holds nothing that still counts.
    #[inline]
    pub(crate) fn is_over(&self, now: u64) -> bool {
        self.until <= now && self.until != NEVER
    }

    /// Whether the next charge would be the same without it: a lock that is over makes the next one longer for `memory`.
    #[inline]
    pub(crate) fn is_forgotten(&self, now: u64, memory: u64) -> bool {
        self.is_over(now) && (self.strikes == 0 || now.saturating_sub(self.until) >= memory)
    }

    /// How long an attempt would be refused.
    #[inline]
    pub(crate) fn locked(&self, budget: &Lockout, now: u64) -> Option<u64> {
        (self.charges >= budget.attempts && !self.is_over(now)).then(|| self.until.saturating_sub(now).max(1))
    }

    /// How long to tell a refused client to wait. As long as attempts are under way that may turn out right, it is no more
    /// than a full house.
    #[inline]
    pub(crate) fn wait(&self, budget: &Lockout, now: u64) -> Option<u64> {
        let lock = self.locked(budget, now)?;
        Some(if self.is_decided(budget, now) { lock } else { lock.min(SOON) })
    }

    /// Whether every charge of a lock was decided against, or dropped long ago.
    #[inline]
    pub(crate) fn is_decided(&self, budget: &Lockout, now: u64) -> bool {
        let began = self.until.saturating_sub(budget.lock(self.strikes));
        u32::from(self.denied) >= self.charges.min(u16::MAX.into()) || now.saturating_sub(began) >= UNDER_WAY
    }

    /// Charges one attempt that is not refused, and tells whether a lock begins by it.
    pub(crate) fn charge(&mut self, budget: &Lockout, now: u64, number: u32) -> bool {
        if self.is_over(now) {
            // Failures that fell short of a lock keep the earlier ones in mind, or they would pay.
            let is_soon = now.saturating_sub(self.until) < budget.longest;
            let strikes = if is_soon { self.strikes } else { 0 };
            *self = Self { born: number, strikes, ..Self::default() };
        }
        self.charges = self.charges.saturating_add(1);
        self.print = 0;
        if self.charges < budget.attempts {
            // A clock that went back must not make the count shorter.
            self.until = self.until.max(now.saturating_add(self.quiet(budget)));
            return false;
        }
        self.strikes = self.strikes.saturating_add(1);
        self.until = now.saturating_add(budget.lock(self.strikes));
        true
    }

    /// How long without a charge ends the count. After a lock not sooner than it would be forgotten without any charge: an
    /// attempt must not make the next lock shorter.
    #[inline]
    fn quiet(&self, budget: &Lockout) -> u64 {
        if self.strikes == 0 { budget.window } else { budget.window.max(budget.longest) }
    }

    /// A charge was decided against: remembers its secret.
    #[inline]
    pub(crate) fn deny(&mut self, now: u64, number: u32, print: u32) {
        if !self.is_over(now) && self.holds(number) {
            self.denied = self.denied.saturating_add(1);
            self.print = print;
        }
    }

    /// Whether the last charge was for the same secret, less than `within` ago, and was denied. What is still under way, or
    /// was dropped, is not known to be wrong.
    #[inline]
    pub(crate) fn is_repeat(&self, budget: &Lockout, now: u64, print: u32, within: u64) -> bool {
        let charged = self.until.saturating_sub(self.quiet(budget));
        let is_live = self.charges > 0 && self.charges < budget.attempts && !self.is_over(now);
        is_live && print != 0 && self.print == print && now.saturating_sub(charged) < within
    }

    /// Takes back the charge of the reservation with this number. What is over is begun anew by the next charge, so only a
    /// lock asks for the time.
    pub(crate) fn refund(&mut self, budget: &Lockout, now: impl FnOnce() -> u64, number: u32) {
        if self.charges == 0 || !self.holds(number) {
            return;
        }
        if self.charges >= budget.attempts {
            let now = now();
            if self.is_over(now) {
                return;
            }
            // No lock any more, and none was. When the charges that stay were made is not known: not after now.
            self.strikes = self.strikes.saturating_sub(1);
            self.until = now.saturating_add(self.quiet(budget));
            self.is_told = false;
        }
        self.charges = self.charges.saturating_sub(1);
        self.print = 0;
        if self.charges == 0 && self.strikes == 0 {
            *self = Self::default();
        }
    }

    /// The same in a place of its own, which holds nothing that an earlier reservation charged there.
    #[inline]
    pub(crate) fn moved(self, number: u32) -> Self {
        Self { born: number, ..self }
    }

    /// Whether it still holds what the reservation with this number charged. The numbers go round.
    #[inline]
    fn holds(&self, number: u32) -> bool {
        number.wrapping_sub(self.born) < 1 << 31
    }

    /// How long an attempt would be refused by a bucket.
    #[inline]
    pub(crate) fn empty(&self, budget: &TokenBucket, now: u64) -> Option<u64> {
        if self.until == NEVER {
            return Some(NEVER.saturating_sub(now).max(1));
        }
        let taken = self.until.saturating_sub(now).saturating_add(budget.interval);
        let size = u64::from(budget.burst).saturating_mul(budget.interval);
        (taken > size).then(|| taken.saturating_sub(size))
    }

    /// Takes one attempt, which is not refused, out of a bucket.
    #[inline]
    pub(crate) fn take(&mut self, budget: &TokenBucket, now: u64, number: u32) {
        if self.is_over(now) {
            *self = Self { born: number, ..Self::default() };
        }
        self.until = self.until.max(now).saturating_add(budget.interval);
    }

    /// Gives one attempt back into a bucket, without what time has `paid` of it since. With 0 attempts under way can hold
    /// back what time fills in, up to as many as they are. A full one stays as full as it is.
    #[inline]
    pub(crate) fn give(&mut self, budget: &TokenBucket, number: u32, paid: u64) {
        if self.until != NEVER && self.holds(number) {
            self.until = self.until.saturating_sub(budget.interval.saturating_sub(paid));
        }
    }
}

#[cfg(test)]
#[path = "tally_tests.rs"]
mod tests;
