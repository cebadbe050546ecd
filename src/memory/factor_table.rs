//! The authenticators of all users, in memory.

use std::collections::{BTreeMap, HashMap};
use std::mem;

use crate::protocol::factor::authenticator::{Authenticator, AuthenticatorId, Enrolled, Enrolment, FactorUser};
use crate::protocol::factor::changes::{FactorChanges, UserFactors};
use crate::protocol::secret::secrets::SecretDigest;

/// What is kept of one user.
struct Kept {
    realm: Option<Box<str>>,
    /// The oldest first.
    authenticators: Vec<Authenticator>,
    /// Each with the authenticator that stands for it.
    codes: Vec<(AuthenticatorId, SecretDigest)>,
    /// Its place among the users without an active authenticator.
    waiting: Option<u64>,
}

/// The name of a user in the queue of those who may have to make room.
type Owner = (Option<Box<str>>, Box<str>);

#[derive(Default)]
pub(super) struct FactorTable {
    /// By subject; those of all realms beside each other.
    users: HashMap<Box<str>, Vec<Kept>>,
    count: usize,
    /// The users without an active authenticator: the one whose enrolment is the oldest first.
    waiting: BTreeMap<u64, Owner>,
    enrolments: u64,
}

impl FactorTable {
    /// The authenticators of a user, the oldest first.
    pub(super) fn of(&self, user: FactorUser<'_>) -> &[Authenticator] {
        self.find(user).map_or(&[], |kept| &kept.authenticators)
    }

    /// Begins an enrolment; `None` if the user is new, and all of `capacity` are taken by users with active authenticators.
    pub(super) fn enrol(&mut self, user: FactorUser<'_>, enrolment: Enrolment, capacity: usize) -> Option<Enrolled> {
        let changes = match UserFactors::of(self.of(user)).enrol(&enrolment) {
            Ok(changes) => changes,
            Err(answer) => return Some(answer),
        };
        if self.find(user).is_none() {
            self.begin(user, capacity)?;
        }
        self.change(user, |kept| {
            kept.apply(&changes);
            kept.add(enrolment);
        });
        Some(Enrolled::Begun)
    }

    /// Makes the changes of a user.
    pub(super) fn apply(&mut self, user: FactorUser<'_>, changes: &FactorChanges) {
        self.change(user, |kept| kept.apply(changes));
    }

    /// Removes a user.
    pub(super) fn forget(&mut self, user: FactorUser<'_>) {
        self.change(user, |kept| kept.authenticators.clear());
    }

    /// The authenticator with this identifier.
    pub(super) fn authenticator(&mut self, user: FactorUser<'_>, id: &AuthenticatorId) -> Option<&mut Authenticator> {
        self.find_mut(user)?.authenticators.iter_mut().find(|kept| kept.id == *id)
    }

    /// The recovery code with this digest, if it is active.
    pub(super) fn code(&mut self, user: FactorUser<'_>, digest: &SecretDigest) -> Option<&mut SecretDigest> {
        let Kept { authenticators, codes, .. } = self.find_mut(user)?;
        let is_active = |id: &AuthenticatorId| authenticators.iter().any(|kept| kept.id == *id && kept.is_active);
        // To the last one, so that the time does not show the place of a code.
        codes
            .iter_mut()
            .fold(None, |found, (of, code)| if code.is(digest) && is_active(of) { Some(code) } else { found })
    }

    fn find(&self, user: FactorUser<'_>) -> Option<&Kept> {
        self.users.get(user.subject)?.iter().find(|kept| kept.realm.as_deref() == user.realm)
    }

    fn find_mut(&mut self, user: FactorUser<'_>) -> Option<&mut Kept> {
        self.users.get_mut(user.subject)?.iter_mut().find(|kept| kept.realm.as_deref() == user.realm)
    }

    /// Adds a user; without room, in the place of one without an active authenticator.
    fn begin(&mut self, user: FactorUser<'_>, capacity: usize) -> Option<()> {
        if self.count >= capacity {
            let (_, (realm, subject)) = self.waiting.first_key_value()?;
            let (realm, subject) = (realm.clone(), subject.clone());
            self.forget(FactorUser::new(realm.as_deref(), &subject));
        }
        self.count = self.count.saturating_add(1);
        let kept =
            Kept { realm: user.realm.map(Into::into), authenticators: Vec::new(), codes: Vec::new(), waiting: None };
        self.users.entry(user.subject.into()).or_default().push(kept);
        Some(())
    }

    /// Changes a user, and sets right what follows from that: nothing is kept of a user without authenticators, and one without
    /// an active one waits in the queue.
    fn change(&mut self, user: FactorUser<'_>, change: impl FnOnce(&mut Kept)) {
        let next = self.enrolments;
        let Some(kept) = self.find_mut(user) else { return };
        change(kept);
        let (is_empty, before) = (kept.authenticators.is_empty(), kept.waiting);
        let is_waiting = !is_empty && !kept.authenticators.iter().any(|kept| kept.is_active);
        let after = is_waiting.then_some(next);
        kept.waiting = after;
        if let Some(place) = before {
            self.waiting.remove(&place);
        }
        if let Some(place) = after {
            self.enrolments = place.saturating_add(1);
            self.waiting.insert(place, (user.realm.map(Into::into), user.subject.into()));
        }
        if is_empty {
            self.end(user);
        }
    }

    fn end(&mut self, user: FactorUser<'_>) {
        self.count = self.count.saturating_sub(1);
        let Some(realms) = self.users.get_mut(user.subject) else { return };
        realms.retain(|kept| kept.realm.as_deref() != user.realm);
        if realms.is_empty() {
            self.users.remove(user.subject);
        }
    }

    /// How many users are kept, and how many of them wait.
    #[cfg(test)]
    pub(super) fn counts(&self) -> [usize; 3] {
        let kept = self.users.values().map(Vec::len).sum();
        [self.count, kept, self.waiting.len()]
    }
}

impl Kept {
    fn apply(&mut self, changes: &FactorChanges) {
        self.authenticators.retain(|kept| !changes.removed.contains(&kept.id));
        self.codes.retain(|(of, _)| !changes.removed.contains(of));
        for kept in self.authenticators.iter_mut().filter(|kept| changes.confirmed.contains(&kept.id)) {
            kept.is_active = true;
        }
    }

    fn add(&mut self, enrolment: Enrolment) {
        let mut add = |authenticator: Authenticator| {
            self.authenticators.push(Authenticator { is_active: false, last_step: None, ..authenticator });
        };
        add(enrolment.authenticator);
        if let Some(mut recovery) = enrolment.recovery {
            let digests = mem::take(&mut recovery.digests);
            self.codes.extend(digests.into_iter().map(|digest| (recovery.authenticator.id.clone(), digest)));
            add(recovery.authenticator);
        }
    }
}
