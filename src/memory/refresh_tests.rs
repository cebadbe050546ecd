use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use super::*;
use crate::boundary::refresh_use::{Used, use_token};
use crate::protocol::client::registered::ClientId;
use crate::protocol::secret::secrets::SecretDigest;
use crate::protocol::token::family::RefreshFamily;
use crate::protocol::token::lineage::{Lineage, TokenUse};

const NOW: SystemTime = SystemTime::UNIX_EPOCH;
const HOUR: Duration = Duration::from_secs(3600);

fn id(number: u16) -> FamilyId {
    let mut id = [0; 16];
    id[..2].copy_from_slice(&number.to_be_bytes());
    FamilyId::from_bytes(id)
}

fn family_of(number: u16) -> RefreshFamily {
    login(number, "alice", None, "app")
}

fn login(number: u16, subject: &str, realm: Option<&str>, app: &str) -> RefreshFamily {
    RefreshFamily::new(id(number), subject, ClientId::new(app).unwrap(), NOW, NOW + HOUR).with_realm(realm)
}

fn token(family: u16, generation: u16) -> SecretDigest {
    SecretDigest::of(&format!("{family}:{generation}"))
}

async fn begin(
    store: &MemoryRefreshTokens,
    family: RefreshFamily,
    now: SystemTime,
) -> Result<Vec<FamilyId>, BackendError> {
    let number = u16::from_be_bytes(*family.id().as_bytes().first_chunk().unwrap());
    store.begin(NewFamily { lineage: Lineage::new(token(number, 0), now), family, now, access_token: None }).await
}

async fn use_by(store: &MemoryRefreshTokens, family: u16, using: &TokenUse) -> Used {
    match store.find(id(family)).await.unwrap() {
        Some(found) => use_token(store, found, using, None).await.unwrap(),
        None => Used::Gone,
    }
}

/// Uses a token, whose successor is that of the next generation.
async fn use_token_of(store: &MemoryRefreshTokens, family: u16, generation: u16) -> Used {
    let successor = Some((token(family, generation + 1), [0; 32]));
    use_by(store, family, &TokenUse { successor, ..TokenUse::new(token(family, generation), NOW) }).await
}

fn counts(store: &MemoryRefreshTokens) -> [usize; 5] {
    held(store.families.lock()).counts()
}

async fn is_found(store: &MemoryRefreshTokens, family: u16) -> bool {
    store.find(id(family)).await.unwrap().is_some()
}

#[tokio::test]
async fn in_a_full_store_the_oldest_login_goes_and_no_use_costs_anybody_theirs() {
    for capacity in [1, 2, 3, 8] {
        let store = MemoryRefreshTokens::new().with_capacity(capacity).unwrap();
        for family in 0..8 {
            begin(&store, family_of(family), NOW).await.unwrap();
        }
        let oldest = 8 - capacity as u16;
        for generation in 0..1000 {
            assert_eq!(use_token_of(&store, oldest, generation).await, Used::Done, "{capacity} {generation}");
        }
        assert_eq!(counts(&store), [capacity, capacity, 0, 1, capacity]);
        for family in 0..8 {
            assert_eq!(is_found(&store, family).await, family >= oldest);
        }
        // The first of a thousand old tokens is known still.
        assert_eq!(use_token_of(&store, oldest, 0).await, Used::Replayed);
    }
}

#[tokio::test]
async fn what_ends_or_is_over_leaves_nothing_behind_and_goes_first_when_there_is_no_room() {
    let store = MemoryRefreshTokens::new().with_capacity(4).unwrap();
    for family in 0..4 {
        begin(&store, family_of(family), NOW).await.unwrap();
    }
    assert!(store.revoke_family(id(2)).await.unwrap() && store.revoke_family(id(1)).await.unwrap());
    assert_eq!(counts(&store), [4, 2, 2, 1, 2]);
    begin(&store, family_of(4), NOW).await.unwrap();
    assert_eq!(counts(&store), [4, 3, 1, 1, 3]);
    for family in 0..5 {
        assert_eq!(is_found(&store, family).await, family != 2, "{family}");
    }
    begin(&store, family_of(5), NOW + HOUR).await.unwrap();
    assert_eq!(counts(&store), [1, 1, 0, 1, 1]);
}

/// A clock that has run for an hour.
#[derive(Debug)]
struct OldClock;

impl Clock for OldClock {
    fn now(&self) -> SystemTime {
        NOW
    }

    fn elapsed(&self) -> Duration {
        HOUR
    }
}

#[tokio::test]
async fn a_predecessor_is_kept_from_the_moment_when_its_family_is_however_long_the_clock_has_run() {
    let store = MemoryRefreshTokens::new().with_clock(OldClock);
    let using = TokenUse { successor: Some((token(1, 1), [0; 32])), ..TokenUse::new(token(1, 0), NOW) };
    let lineage = Lineage::new(token(1, 0), NOW).after(&using).unwrap();
    let new = NewFamily { lineage: lineage.clone(), family: family_of(1), now: NOW, access_token: None };
    store.begin(new).await.unwrap();
    assert_eq!(store.find(id(1)).await.unwrap().unwrap().lineage.to_bytes(), lineage.to_bytes());
}

#[tokio::test]
async fn a_family_with_the_id_of_another_is_refused() {
    let store = MemoryRefreshTokens::new();
    begin(&store, family_of(1), NOW).await.unwrap();
    assert!(begin(&store, login(1, "bob", None, "web"), NOW).await.is_err());
    assert_eq!(store.find(id(1)).await.unwrap().unwrap().family.subject_id(), "alice");
}

#[tokio::test]
async fn a_thousand_logins_of_one_subject_cost_nobody_else_theirs_and_leave_a_hundred() {
    let store = MemoryRefreshTokens::new().with_capacity(1000).unwrap();
    let others = [("bob", None, "app"), ("alice", None, "web"), ("alice", Some(""), "app"), ("ann", None, "app")];
    for (number, (subject, realm, app)) in (0..).zip(others) {
        begin(&store, login(number, subject, realm, app), NOW).await.unwrap();
    }
    for number in 1000..2000 {
        begin(&store, family_of(number), NOW).await.unwrap();
        // One that logs out and in again takes nobody's place either.
        if number % 3 == 0 {
            assert!(store.revoke_family(id(number)).await.unwrap());
        }
    }
    for number in 0..4 {
        assert_eq!(use_token_of(&store, number, 0).await, Used::Done, "{number}");
    }
    let [_, living, _, logins, most] = counts(&store);
    assert_eq!((living, logins, most), (104, 5, 100));
    // The newest ones are left.
    assert_eq!(store.revoke_subject(None, "alice").await.unwrap(), 101);
    assert!(!is_found(&store, 1849).await && is_found(&store, 1850).await);
}

#[tokio::test]
async fn of_a_hundred_logins_the_one_that_is_over_goes_before_the_oldest() {
    let store = MemoryRefreshTokens::new();
    // More than one call removes, and they are over before the one that matters.
    for number in 0..100 {
        begin(&store, login(number, "bob", None, "app"), NOW).await.unwrap();
    }
    let longer = |number| RefreshFamily::new(id(number), "alice", ClientId::new("app").unwrap(), NOW, NOW + HOUR * 2);
    for number in 100..200 {
        begin(&store, if number == 150 { family_of(number) } else { longer(number) }, NOW).await.unwrap();
    }
    begin(&store, longer(200), NOW + HOUR).await.unwrap();
    for number in 100..=200 {
        assert_eq!(is_found(&store, number).await, number != 150, "{number}");
    }
    assert!(is_found(&store, 99).await, "bob's are not all removed: there was a choice");
    begin(&store, longer(201), NOW + HOUR).await.unwrap();
    assert!(!is_found(&store, 100).await && is_found(&store, 101).await);
}

#[derive(Debug)]
struct Passed(AtomicU64);

impl Clock for Passed {
    fn now(&self) -> SystemTime {
        NOW
    }

    fn elapsed(&self) -> Duration {
        Duration::from_secs(self.0.load(Ordering::Relaxed))
    }
}

#[tokio::test]
async fn a_minute_after_its_use_a_token_is_spent_whatever_the_wall_clock_shows() {
    let passed = Arc::new(Passed(0.into()));
    let store = MemoryRefreshTokens::new().with_clock(Arc::clone(&passed));
    let repeat = || TokenUse { leeway: Duration::from_secs(10), ..TokenUse::new(token(0, 0), NOW) };
    begin(&store, family_of(0), NOW).await.unwrap();
    assert_eq!(use_token_of(&store, 0, 0).await, Used::Done);
    passed.0.store(60, Ordering::Relaxed);
    assert_eq!(use_by(&store, 0, &repeat()).await, Used::Repeated { salt: [0; 32] });
    passed.0.store(61, Ordering::Relaxed);
    assert_eq!(use_by(&store, 0, &repeat()).await, Used::Replayed);
    assert!(store.find(id(0)).await.unwrap().is_some_and(|found| found.is_ended));
}
