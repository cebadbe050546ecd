//! Notices of locks to the owners of accounts.

use std::net::IpAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::boundary::account::{AccountKey, AccountKeyKind};
use crate::boundary::limiter::BegunLock;
use crate::boundary::notifier::{LockNotice, LockNotifier};
use crate::observe::telemetry;

/// The realm and key of an account whose owner may get a notice.
pub(crate) struct Owner {
    realm: Option<String>,
    account: AccountKey<'static>,
}

/// Tells owners, if the application has a way to.
pub(crate) struct Notices(Option<Box<dyn LockNotifier>>);

impl Notices {
    pub(crate) fn new(notifier: Option<Box<dyn LockNotifier>>) -> Self {
        Self(notifier)
    }

    /// The owner that gets the notice of a lock, if there is one.
    #[inline]
    pub(super) fn owner(&self, realm: Option<&str>, account: &AccountKey<'_>) -> Option<Box<Owner>> {
        let owner = || Owner { realm: realm.map(str::to_owned), account: account.clone().into_owned() };
        self.0.as_ref().map(|_| Box::new(owner()))
    }

    /// Gives notice of a lock that began when the attempt was settled.
    #[inline]
    pub(super) fn tell_later(&self, lock: Option<BegunLock>, owner: Option<Box<Owner>>, address: Option<IpAddr>) {
        if let (Some(lock), Some(owner)) = (lock, owner) {
            self.tell(lock, owner.realm.as_deref(), &owner.account, address);
        }
    }

    /// Tells the owner of this account of a lock.
    pub(super) fn tell(&self, lock: BegunLock, realm: Option<&str>, account: &AccountKey<'_>, address: Option<IpAddr>) {
        // An unknown name has no owner.
        let Some(notifier) = self.0.as_ref().filter(|_| account.kind() != AccountKeyKind::Phantom) else {
            return;
        };
        let notice = LockNotice { limit: lock.limit, realm, account, address, lasts: lock.lasts };
        if catch_unwind(AssertUnwindSafe(|| notifier.locked(&notice))).is_err() {
            telemetry::notifier_failed();
        }
    }
}
