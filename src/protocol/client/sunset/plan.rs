//! The steps of an end, as they are planned: each date is held against the others where it is given.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::end::Sunset;
use super::steps::{Brownout, MAX_BROWNOUTS, MAX_EXCEPTIONS, Steps, http_date};
use crate::protocol::client::error::ClientError;
use crate::protocol::millis;

/// The shortest window: its end is told in whole seconds.
const SHORTEST_BROWNOUT: Duration = Duration::from_secs(1);

/// The steps of an end.
impl Sunset {
    /// A rehearsal: for `length` from `start` on, the client is refused as it will be after the end. Its developers see what will
    /// happen, and you see which clients still call, while there is time.
    ///
    /// Each request of a grant by which a password login begins is answered 400 `unauthorized_client` (RFC 6749 section 5.2; 403 in
    /// the [profile of Auth0](crate::mount::Profile::Auth0)), with the window's end in `error_description` and the
    /// [link](Self::with_link) in `error_uri`. That is after client authentication, and before anything of a user is looked up or
    /// charged. Refreshes go on, and exceptions do not count.
    ///
    /// Instants are kept as whole milliseconds, rounded down.
    ///
    /// # Errors
    /// Fails for a window shorter than a second, one that ends after the end, one that overlaps another one, one that is not between
    /// 1970 and 9999, and for a 65th.
    pub fn brownout(mut self, start: SystemTime, length: Duration) -> Result<Self, ClientError> {
        let end = start.checked_add(length).ok_or(ClientError::Brownout)?;
        add(&mut self.steps, Brownout { start: floor(start)?, end: floor(end)? }, self.end)?;
        Ok(self)
    }

    /// From `start` to the end a growing share of the users is refused, in a line from none to all. The answer is that of the end.
    ///
    /// It is decided only after the right password, and before a second factor is asked for: a wrong password is answered as ever.
    /// What the right one was charged goes back. A keyed hash of client, realm and subject decides: a user who is
    /// refused stays refused as the share grows, after a restart and in other processes. See
    /// [`Builder::ramp_key`](crate::Builder::ramp_key). A clock that is set back makes the share smaller, and so does an end that is
    /// moved to a later day.
    ///
    /// A second call replaces the first.
    ///
    /// # Errors
    /// Fails for a `start` that is not before the end.
    pub fn ramp_from(mut self, start: SystemTime) -> Result<Self, ClientError> {
        let start = floor(start)?;
        if millis::floor(start) >= millis::floor(self.end) {
            return Err(ClientError::RampAfterEnd);
        }
        self.steps.ramp = Some(start);
        Ok(self)
    }

    /// Lets one user log in until `until`, in spite of [ramp](Self::ramp_from) and end, but not of a [brownout](Self::brownout).
    /// `subject` is the identifier that the verifier gives, and that tokens carry: with its realm in front, where
    /// [`Realms`](crate::realms::Realms) puts it there. A verifier of your own that gives the same identifier in two realms has both users
    /// excepted.
    ///
    /// As long as one user is excepted, the end of the client is decided after the right password, as the ramp is: else the answer to
    /// a wrong one would tell which users are. The end that is announced stays the same.
    ///
    /// A second date for the same user replaces the first.
    ///
    /// # Errors
    /// Fails for an empty `subject`, and for a 101st user: [more](Self::look_up_exceptions) belong into a table of your own.
    /// [`ClientBuilder::build`](crate::client::ClientBuilder::build) refuses a date that is not after the first moment at which the
    /// user could be refused.
    pub fn except(mut self, subject: &str, until: SystemTime) -> Result<Self, ClientError> {
        if subject.is_empty() {
            return Err(ClientError::ExceptionSubject);
        }
        let until = floor(until)?;
        let exceptions = &mut self.steps.exceptions;
        if exceptions.len() >= MAX_EXCEPTIONS && !exceptions.contains_key(subject) {
            return Err(ClientError::TooManyExceptions);
        }
        exceptions.insert(subject.to_owned(), until);
        Ok(self)
    }

    /// Asks [`SunsetExceptions`](crate::client::SunsetExceptions) until `until` about each user who would be refused by ramp or end:
    /// for more than 100 users, or for a table that support staff can change. Until then the end of the client is decided after the
    /// right password.
    ///
    /// # Errors
    /// None but for a date that cannot be kept. [`ClientBuilder::build`](crate::client::ClientBuilder::build) refuses one that is not
    /// after the first moment at which a user could be refused.
    pub fn look_up_exceptions(mut self, until: SystemTime) -> Result<Self, ClientError> {
        self.steps.look_up = Some(floor(until)?);
        Ok(self)
    }

    /// Ends at `date` what was begun by a password: the refresh token families of such logins. From then on all of them are refused
    /// like expired ones, and no access token outlives it. A login after it, of a user who is excepted, gets no refresh token.
    ///
    /// Each use is held to the date as it is then. A family keeps an end of its own, so a date that is moved to a later day or taken
    /// back holds for all of them. That end is what the [ledger of usage](crate::usage::UsageLedger) shows: its families end on that
    /// day or, by the plan, before.
    ///
    /// Default: families live as long as [they do](crate::token::RefreshTokens::lifetime), also after the end.
    ///
    /// # Errors
    /// Fails for a `date` before the end of the grant.
    pub fn end_families_at(mut self, date: SystemTime) -> Result<Self, ClientError> {
        let date = floor(date)?;
        if millis::floor(date) < millis::floor(self.end) {
            return Err(ClientError::FamiliesEndEarly);
        }
        self.steps.families_end = Some(date);
        Ok(self)
    }

    /// The same plan with another end, to pause or to hurry. Exceptions keep their dates; those that would be over before their users
    /// could be refused are of no use any more, and go.
    ///
    /// # Errors
    /// Fails when a step would not fit any more: a window or the ramp after the end, families that end before it.
    pub fn move_to(&self, end: SystemTime) -> Result<Self, ClientError> {
        let mut moved = self.with_end(end);
        let brownouts = std::mem::take(&mut moved.steps.brownouts);
        for brownout in brownouts {
            add(&mut moved.steps, brownout, end)?;
        }
        if let Some(start) = moved.steps.ramp {
            moved = moved.ramp_from(start)?;
        }
        if let Some(date) = moved.steps.families_end {
            moved = moved.end_families_at(date)?;
        }
        Ok(moved.without_idle_exceptions())
    }

    /// The same plan without its [brownouts](Self::brownout): takes back what is under way, too.
    #[must_use]
    pub fn without_brownouts(mut self) -> Self {
        self.steps.brownouts.clear();
        self
    }

    /// The same plan without its [ramp](Self::ramp_from): all users are let in again until the end. Exceptions that are over by then go,
    /// too.
    #[must_use]
    pub fn without_ramp(mut self) -> Self {
        self.steps.ramp = None;
        self.without_idle_exceptions()
    }

    /// Without exceptions that are over before anybody is refused.
    fn without_idle_exceptions(mut self) -> Self {
        let first = self.first_refusal();
        self.steps.exceptions.retain(|_, until| millis::floor(*until) > first);
        self.steps.look_up = self.steps.look_up.filter(|until| millis::floor(*until) > first);
        self
    }

    /// When the first user may be refused, brownouts aside.
    fn first_refusal(&self) -> i64 {
        millis::floor(self.steps.ramp.unwrap_or(self.end))
    }

    /// The same plan without an [exception](Self::except) for this user.
    #[must_use]
    pub fn without_exception(mut self, subject: &str) -> Self {
        self.steps.exceptions.remove(subject);
        self
    }

    /// Holds a plan that was just made against the clock, of which its parts know nothing: each of its dates lies ahead. A plan
    /// that is under way has dates that are over by and by, and stays valid: nothing checks it so by itself.
    ///
    /// # Errors
    /// Fails for an end or a ramp that lies in the past, and for brownouts and exceptions that are over. The error names the first of
    /// them. Families end with the grant or later.
    pub fn check(&self, now: SystemTime) -> Result<(), ClientError> {
        let Steps { brownouts, ramp, exceptions, look_up, .. } = &self.steps;
        let is_over = |date: SystemTime| millis::floor(date) <= millis::floor(now);
        let began = |date: SystemTime| millis::floor(date) < millis::floor(now);
        let dates = [
            (is_over(self.end), "the date"),
            (brownouts.iter().any(|brownout| is_over(brownout.end)), "a brownout"),
            (ramp.is_some_and(began), "the begin of the ramp"),
            (exceptions.values().copied().any(is_over), "an exception"),
            (look_up.is_some_and(is_over), "the look-up of exceptions"),
        ];
        let over = dates.into_iter().find(|(is_over, _)| *is_over);
        over.map_or(Ok(()), |(_, what)| Err(ClientError::SunsetOver(what)))
    }

    /// The rehearsals, in their order.
    pub fn brownouts(&self) -> impl Iterator<Item = Brownout> {
        self.steps.brownouts.iter().copied()
    }

    /// When the [ramp](Self::ramp_from) begins, if there is one.
    #[must_use]
    pub fn ramp_start(&self) -> Option<SystemTime> {
        self.steps.ramp
    }

    /// The users who are [excepted](Self::except), each with the end of its exception. Ones that are over are among them.
    pub fn exceptions(&self) -> impl Iterator<Item = (&str, SystemTime)> {
        self.steps.exceptions.iter().map(|(subject, until)| (subject.as_str(), *until))
    }

    /// Until when exceptions are [looked up](Self::look_up_exceptions), if they are.
    #[must_use]
    pub fn exceptions_looked_up_until(&self) -> Option<SystemTime> {
        self.steps.look_up
    }

    /// When families of refresh tokens [end](Self::end_families_at) that a password began, if the plan says it.
    #[must_use]
    pub fn families_end(&self) -> Option<SystemTime> {
        self.steps.families_end
    }

    /// What is wrong with two dates of the plan, which may have been given in either order.
    pub(crate) fn contradiction(&self) -> Option<ClientError> {
        if self.is_reversed() {
            return Some(ClientError::SunsetBeforeDeprecation);
        }
        let first = self.first_refusal();
        let mut dates = self.steps.exceptions.values().chain(&self.steps.look_up);
        dates.any(|until| millis::floor(*until) <= first).then_some(ClientError::ExceptionTooEarly)
    }
}

/// Adds a window, in its place.
fn add(steps: &mut Steps, new: Brownout, end: SystemTime) -> Result<(), ClientError> {
    let is_long_enough = new.end.duration_since(new.start).is_ok_and(|length| length >= SHORTEST_BROWNOUT);
    if !is_long_enough || new.start < UNIX_EPOCH || http_date(new.end).is_none() {
        return Err(ClientError::Brownout);
    }
    if millis::floor(new.end) > millis::floor(end) {
        return Err(ClientError::BrownoutAfterEnd);
    }
    let brownouts = &mut steps.brownouts;
    if brownouts.iter().any(|other| new.start < other.end && other.start < new.end) {
        return Err(ClientError::BrownoutsOverlap);
    }
    if brownouts.len() >= MAX_BROWNOUTS {
        return Err(ClientError::TooManyBrownouts);
    }
    let place = brownouts.partition_point(|other| other.start < new.start);
    brownouts.insert(place, new);
    Ok(())
}

/// The instant as the registration keeps it.
fn floor(time: SystemTime) -> Result<SystemTime, ClientError> {
    millis::instant(millis::floor(time)).ok_or(ClientError::SunsetDate)
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
