//! What becomes of the authenticators of one user: the rules that every store follows.

use std::time::SystemTime;

use super::authenticator::{
    Authenticator, AuthenticatorId, AuthenticatorKind, Enrolled, Enrolment, MOST_AUTHENTICATORS, Removed,
};

/// The authenticators of one user as a [`FactorStore`](crate::store::FactorStore) has read them. A store decides nothing: in one
/// transaction, beside which no other of this user runs, it reads all rows of the user, asks here, and writes the
/// [changes](FactorChanges).
///
/// ```
/// use tower_password_grant::store::{Authenticator, AuthenticatorId, Removed, UserFactors};
///
/// /// Removes an authenticator from the rows of its user.
/// fn remove(
///     rows: &mut Vec<Authenticator>,
///     id: &AuthenticatorId,
///     if_no_factor: bool,
/// ) -> Removed {
///     // SELECT .. FROM authenticators WHERE subject = $1 .. FOR UPDATE
///     match UserFactors::of(rows).remove(id, if_no_factor) {
///         Ok(changes) => {
///             // DELETE FROM authenticators WHERE id = ANY($1), with the recovery codes
///             rows.retain(|row| !changes.removed.contains(&row.id));
///             Removed::Gone
///         }
///         Err(answer) => answer,
///     }
/// }
/// ```
#[derive(Clone, Copy, Debug)]
pub struct UserFactors<'a>(&'a [Authenticator]);

/// What a store changes in one step, beside what an [`Enrolment`] adds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct FactorChanges {
    /// What goes. The digests of recovery codes go with the authenticator that stands for them.
    pub removed: Vec<AuthenticatorId>,
    /// What becomes active.
    pub confirmed: Vec<AuthenticatorId>,
}

impl<'a> UserFactors<'a> {
    /// All authenticators of one user, and of no other: unconfirmed ones and those that are over included, in any order.
    #[must_use]
    pub const fn of(authenticators: &'a [Authenticator]) -> Self {
        Self(authenticators)
    }

    /// What goes before the authenticators of this enrolment are added, the recovery codes with them. All of them are added
    /// inactive.
    ///
    /// # Errors
    /// Answers what the store answers if nothing is to be changed.
    pub fn enrol(self, enrolment: &Enrolment) -> Result<FactorChanges, Enrolled> {
        if enrolment.if_no_factor && self.has_factor() {
            return Err(Enrolled::HasFactor);
        }
        let (active, waiting): (Vec<&Authenticator>, Vec<_>) = self.0.iter().partition(|kept| kept.is_active);
        let added = if enrolment.recovery.is_some() { 2 } else { 1 };
        if active.len().saturating_add(added) > MOST_AUTHENTICATORS {
            return Err(Enrolled::TooMany);
        }
        Ok(FactorChanges { removed: ids(waiting), confirmed: Vec::new() })
    }

    /// What changes when the first right code of an authenticator has come; `None` if it does not become active by that:
    /// it is not there, it is active already or over, it stands for recovery codes, or `if_no_factor` forbids it.
    #[must_use]
    pub fn confirm(self, id: &AuthenticatorId, if_no_factor: bool, now: SystemTime) -> Option<FactorChanges> {
        let found = self.find(id)?;
        let is_open = !found.is_active && !is_recovery(found) && !found.is_over(now);
        if !is_open || (if_no_factor && self.has_factor()) {
            return None;
        }
        let codes = ids(self.recovery_codes(false));
        let mut changes = match self.recovery_codes(true).next() {
            Some(_) => FactorChanges { removed: codes, confirmed: Vec::new() },
            None => FactorChanges { removed: Vec::new(), confirmed: codes },
        };
        changes.confirmed.push(id.clone());
        Some(changes)
    }

    /// What goes with an authenticator. With an unconfirmed one go the recovery codes of its enrolment, with the last factor those
    /// that are active.
    ///
    /// # Errors
    /// Answers what the store answers if nothing is to be changed.
    pub fn remove(self, id: &AuthenticatorId, if_no_factor: bool) -> Result<FactorChanges, Removed> {
        if if_no_factor && self.has_factor() {
            return Err(Removed::HasFactor);
        }
        let found = self.find(id).ok_or(Removed::Unknown)?;
        let has_other = self.0.iter().any(|kept| kept.id != *id && kept.is_factor());
        let keeps_codes = is_recovery(found) || (found.is_active && has_other);
        let codes = self.recovery_codes(found.is_active).filter(|_| !keeps_codes);
        let removed = ids(codes.chain([found]));
        Ok(FactorChanges { removed, confirmed: Vec::new() })
    }

    fn find(self, id: &AuthenticatorId) -> Option<&'a Authenticator> {
        self.0.iter().find(|kept| kept.id == *id)
    }

    fn has_factor(self) -> bool {
        self.0.iter().any(Authenticator::is_factor)
    }

    fn recovery_codes(self, is_active: bool) -> impl Iterator<Item = &'a Authenticator> {
        self.0.iter().filter(move |kept| is_recovery(kept) && kept.is_active == is_active)
    }
}

fn is_recovery(kept: &Authenticator) -> bool {
    matches!(kept.kind, AuthenticatorKind::RecoveryCodes)
}

fn ids<'a>(kept: impl IntoIterator<Item = &'a Authenticator>) -> Vec<AuthenticatorId> {
    kept.into_iter().map(|kept| kept.id.clone()).collect()
}

#[cfg(test)]
#[path = "changes_tests.rs"]
mod tests;
