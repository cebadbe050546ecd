//! What is demanded of a login beyond right credentials, held against what it has proven.
//!
//! [`weigh`] is the one place that compares the two, and the only maker of a [`Cleared`], without which there is no grant. What is
//! open becomes a challenge and nothing else. The makers of proofs are private to the ladder: nothing beyond it makes one up.

use std::time::SystemTime;

use crate::protocol::client::sunset::judge::Admission;
use crate::protocol::token::methods::{AuthenticationMethod, AuthenticationMethods};
use crate::protocol::wire::error::Reason;

/// What a login has to prove. Demands add up, and none is taken back: it is neither copied nor made anew for the same login.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "a demand holds for the login that it is added to"]
pub(crate) struct Demand {
    unleaked_password: bool,
    rules: usize,
    /// That the settings were asked whether they demand a factor of this login.
    asks_for_factors: bool,
    factor: Option<Since>,
}

/// A second factor of this time or later. The beginning of time: however old it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Since(SystemTime);

impl Demand {
    /// What the settings of the endpoint say of each login. `unleaked_password`: the password of a login that has one is known from
    /// no leak. `rules`: so many login rules let it go on. `asks_for_factors`: there are second factors, and what the settings demand of
    /// them depends on the login.
    pub(crate) const fn by_settings(unleaked_password: bool, rules: usize, asks_for_factors: bool) -> Self {
        Self { unleaked_password, rules, asks_for_factors, factor: None }
    }

    /// A second factor, however long ago it was shown.
    pub(super) const fn second_factor() -> Self {
        Self::second_factor_since(SystemTime::UNIX_EPOCH)
    }

    /// A second factor that was shown at this time or later.
    pub(super) const fn second_factor_since(earliest: SystemTime) -> Self {
        Self { unleaked_password: false, rules: 0, asks_for_factors: false, factor: Some(Since(earliest)) }
    }

    /// Demands that as well.
    pub(super) fn and(&mut self, other: Self) {
        self.asks_for_factors |= other.asks_for_factors;
        self.unleaked_password |= other.unleaked_password;
        self.rules = self.rules.max(other.rules);
        self.factor = self.factor.max(other.factor);
    }
}

/// What is known of a login beyond the word of its verifier.
#[derive(Debug)]
pub(crate) struct Proven {
    /// What the plan of the client says of the user.
    admission: Admission,
    password: Look,
    rules: usize,
    is_asked_for_factors: bool,
    methods: AuthenticationMethods,
    factor: Option<Since>,
}

/// What a look at the password of a login has found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Look {
    /// Nothing to look at: it has none.
    NoPassword,
    /// Nothing looked at it.
    NotLooked,
    /// It is among no leaked ones.
    Clear,
    Leaked,
    /// The shield could not decide: the list is an extra, which fails open.
    Failed,
}

impl Proven {
    /// By a verdict of now: these methods, with a password of this request among them or not.
    #[inline(always)]
    pub(super) fn by_verdict(
        methods: AuthenticationMethods,
        has_password: bool,
        admission: Admission,
        now: SystemTime,
    ) -> Self {
        let password = if has_password { Look::NotLooked } else { Look::NoPassword };
        Self { password, ..Self::at(methods, admission, now) }
    }

    /// By the login of a family, which goes on: these methods, at this time.
    pub(super) fn by_family(methods: AuthenticationMethods, authenticated_at: SystemTime) -> Self {
        Self::at(methods, Admission::In, authenticated_at)
    }

    /// By a second factor that was shown now, beside what was proven when the login was left open. One that was counted then is
    /// none beside itself.
    pub(super) fn by_factor(right: Right, admission: Admission, now: SystemTime) -> Self {
        let Right { earlier, method } = right;
        // Of a first factor that has no name here it is known that there was one.
        let first = if earlier.is_empty() { earlier.with(AuthenticationMethod::MultiFactor) } else { earlier };
        let methods = if earlier.contains(method) { earlier } else { first.with(method) };
        Self::at(methods, admission, now)
    }

    #[inline(always)]
    fn at(methods: AuthenticationMethods, admission: Admission, time: SystemTime) -> Self {
        let factor = if methods.has_second_factor() { Some(Since(time)) } else { None };
        Self { admission, password: Look::NoPassword, rules: 0, is_asked_for_factors: false, methods, factor }
    }

    /// Whether the plan of the client lets the user in, as far as is known.
    #[inline(always)]
    pub(super) const fn is_in(&self) -> bool {
        matches!(self.admission, Admission::In)
    }

    /// Whether somebody is to be asked if the user is excepted.
    pub(super) const fn awaits_look_up(&self) -> bool {
        matches!(self.admission, Admission::Asked(_))
    }

    /// A look-up that was to be asked has found that the user is excepted, or not.
    pub(super) const fn note_exception(&mut self, is_excepted: bool) {
        if let Admission::Asked(reason) = self.admission {
            self.admission = if is_excepted { Admission::In } else { Admission::Out(reason) };
        }
    }

    /// In which ways the user was authenticated.
    pub(super) const fn methods(&self) -> AuthenticationMethods {
        self.methods
    }

    /// Whether there is no second factor, however old.
    pub(super) const fn lacks_factor(&self) -> bool {
        self.factor.is_none()
    }

    /// One rule more has let the login go on.
    #[inline]
    pub(super) const fn note_rule(&mut self) {
        self.rules = self.rules.saturating_add(1);
    }

    /// The settings were asked what they demand of second factors.
    pub(super) const fn note_asked_for_factors(&mut self) {
        self.is_asked_for_factors = true;
    }

    /// A look at the password has found this.
    pub(super) const fn note_password(&mut self, look: Look) {
        self.password = look;
    }
}

/// A second factor was shown to finish a login. Made where one was checked for a charge, and the challenge of that login was spent.
#[derive(Debug)]
pub(crate) struct Right {
    earlier: AuthenticationMethods,
    method: AuthenticationMethod,
}

impl Right {
    /// By this method, beside what counted when the login was left open. `None`: it does not count.
    pub(super) fn checked(earlier: AuthenticationMethods, method: AuthenticationMethod, counts: bool) -> Option<Self> {
        counts.then_some(Self { earlier, method })
    }
}

/// A login that has proven what is demanded.
#[derive(Debug)]
pub(crate) struct Cleared(());

/// What a login lacks.
#[derive(Debug)]
pub(crate) enum Lack {
    /// The plan of the client does not let the user in any more.
    Out(Reason),
    /// Nobody was asked whether the user is excepted from that.
    LookUp,
    /// The password is known from a leak.
    Leaked,
    /// Nothing looked at the password.
    Unlooked,
    /// A rule was not asked.
    Rule,
    /// The settings were not asked whether they demand a second factor.
    Unasked,
    /// A second factor, or one that is recent enough.
    Factor(Open),
}

/// A login with a second factor open. It becomes a challenge, and nothing else.
#[derive(Debug)]
pub(crate) struct Open(AuthenticationMethods);

impl Open {
    /// What counts of what was proven, for the challenge. A factor that is too old does not.
    pub(super) const fn counted(self) -> AuthenticationMethods {
        self.0
    }
}

/// Decides whether a login gives anything.
#[inline(always)]
pub(crate) fn weigh(demand: &Demand, proven: &Proven) -> Result<Cleared, Lack> {
    weigh_admission(proven)?;
    weigh_password(demand, proven)?;
    // What is demanded was left out: nothing is decided.
    if proven.rules < demand.rules {
        return Err(Lack::Rule);
    }
    if demand.asks_for_factors && !proven.is_asked_for_factors {
        return Err(Lack::Unasked);
    }
    if proven.factor < demand.factor {
        return Err(Lack::Factor(open(proven)));
    }
    Ok(Cleared(()))
}

/// What counts of a login that lacks a factor: where one is too old, the password alone.
#[cold]
fn open(proven: &Proven) -> Open {
    let password = AuthenticationMethod::Password;
    Open(match proven.factor {
        None => proven.methods,
        Some(_) if proven.methods.contains(password) => AuthenticationMethods::NONE.with(password),
        Some(_) => AuthenticationMethods::NONE,
    })
}

/// Decides whether the plan of the client has a place for a login, before anything that comes after it.
#[inline(always)]
pub(crate) const fn weigh_admission(proven: &Proven) -> Result<(), Lack> {
    match proven.admission {
        Admission::In => Ok(()),
        Admission::Out(reason) => Err(Lack::Out(reason)),
        Admission::Asked(_) => Err(Lack::LookUp),
    }
}

/// Decides whether the password of a login is good enough, before anything that comes after it.
#[inline(always)]
pub(crate) const fn weigh_password(demand: &Demand, proven: &Proven) -> Result<(), Lack> {
    if !demand.unleaked_password {
        return Ok(());
    }
    match proven.password {
        Look::NoPassword | Look::Clear | Look::Failed => Ok(()),
        Look::Leaked => Err(Lack::Leaked),
        // What is demanded was left out: nothing is decided.
        Look::NotLooked => Err(Lack::Unlooked),
    }
}

#[cfg(test)]
#[path = "clearance_tests.rs"]
mod tests;
