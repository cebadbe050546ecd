//! What an end says of a login, at a moment: one set of pure rules, whatever keeps the registration.

use std::time::SystemTime;

use super::end::Sunset;
use crate::protocol::millis;
use crate::protocol::secret::keyed::Keyed;
use crate::protocol::wire::error::Reason;

/// Where a client stands on the way to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Its users log in as ever.
    Open,
    /// The end is rehearsed until then.
    Brownout(SystemTime),
    /// A share of its users is refused, after the right password.
    Ramp,
    /// The end is over.
    Ended,
}

/// A share of all users, of 2^64 parts: none to all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Share(u128);

/// All users.
const ALL: u128 = 1 << 64;

impl Share {
    /// The share of the time between two instants that has passed at a third one.
    fn passed(from: SystemTime, to: SystemTime, now: SystemTime) -> Self {
        let [from, to, now] = [from, to, now].map(|time| i128::from(millis::floor(time)));
        // Both are below 2^65.
        let part = |time: i128| u128::try_from(time.saturating_sub(from)).unwrap_or_default();
        let (whole, passed) = (part(to), part(now).min(part(to)));
        Self(passed.saturating_mul(ALL).checked_div(whole).unwrap_or(ALL))
    }

    /// Whether the user with this digest is among them. Each share has all users of the smaller ones.
    fn has(self, digest: impl FnOnce() -> u64) -> bool {
        match self.0 {
            0 => false,
            ALL.. => true,
            part => u128::from(digest()) < part,
        }
    }
}

/// A user who logs in, as a plan sees one.
#[derive(Clone, Copy)]
pub(crate) struct Applicant<'a> {
    pub(crate) client: &'a str,
    pub(crate) realm: Option<&'a str>,
    pub(crate) subject: &'a str,
}

impl Applicant<'_> {
    /// What decides when the ramp reaches the user: the same in each process that has the key.
    fn digest(self, key: &Keyed) -> u64 {
        // Ids have 256 bytes at most, realms far fewer than 2^32. A realm with an empty name is another one than none.
        let realm = self.realm.map_or(0, |realm| (realm.len() as u64).saturating_add(1));
        let lengths = ((self.client.len() as u64) << 32) | realm;
        key.digest(lengths, [self.client, self.realm.unwrap_or_default(), self.subject].map(str::as_bytes))
    }
}

/// What a plan says of a user whose password is right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Admission {
    /// The user logs in.
    In,
    /// Not any more, for this reason.
    Out(Reason),
    /// The same, unless a look-up finds an exception.
    Asked(Reason),
}

impl Sunset {
    /// Where the client stands.
    pub(crate) fn phase_at(&self, now: SystemTime) -> Phase {
        if let Some(brownout) = self.steps.brownouts.iter().find(|one| (one.start..one.end).contains(&now)) {
            return Phase::Brownout(brownout.end);
        }
        match self.steps.ramp {
            _ if now >= self.end() => Phase::Ended,
            Some(start) if now >= start => Phase::Ramp,
            _ => Phase::Open,
        }
    }

    /// Which part of the users is refused after the right password, or by the end: 0.0 before the ramp, 1.0 after the end. A brownout is
    /// no part of it.
    #[must_use]
    #[allow(clippy::cast_precision_loss, reason = "a part of one, for people")]
    pub fn share_at(&self, now: SystemTime) -> f64 {
        self.refused_at(now).0 as f64 / ALL as f64
    }

    fn refused_at(&self, now: SystemTime) -> Share {
        match self.steps.ramp {
            _ if now >= self.end() => Share(ALL),
            Some(start) => Share::passed(start, self.end(), now),
            None => Share(0),
        }
    }

    /// Whether a user may be excepted now, so that ramp and end are decided after the right password.
    pub(crate) fn has_exceptions(&self, now: SystemTime) -> bool {
        self.steps.exceptions.values().chain(&self.steps.look_up).any(|until| now < *until)
    }

    /// What the plan says of a user whose password is right. A window that has begun meanwhile is no part of it: the request was
    /// there before.
    pub(crate) fn admission_of(&self, user: Applicant<'_>, key: &Keyed, now: SystemTime) -> Admission {
        if !self.refused_at(now).has(|| user.digest(key)) {
            return Admission::In;
        }
        if self.steps.exceptions.get(user.subject).is_some_and(|until| now < *until) {
            return Admission::In;
        }
        let reason = if now >= self.end() { Reason::GrantSunset } else { Reason::GrantRamped };
        let is_looked_up = self.steps.look_up.is_some_and(|until| now < until);
        if is_looked_up { Admission::Asked(reason) } else { Admission::Out(reason) }
    }
}

#[cfg(test)]
#[path = "judge_tests.rs"]
mod tests;
