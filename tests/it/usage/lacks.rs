//! What a report would get wrong without a word: families of which little is kept, and a memory that is full of days.

use async_trait::async_trait;
use tower_password_grant::store::{
    FamilyId, MemoryRefreshTokens, MemoryUsage, NewFamily, RefreshTokenStore, Rotation, StoredFamily,
};
use tower_password_grant::token::RefreshTokens;
use tower_password_grant::usage::{LoginWay, UsageLedger};
use tower_password_grant::{BackendError, MaybeFuture};

use super::{DAY, MONTH, client, ledger};
use crate::support::ManualClock;
use crate::support::factors::FactorBed;

/// Keeps families without the grant type of their login.
struct Forgetful(MemoryRefreshTokens);

#[async_trait]
impl RefreshTokenStore for Forgetful {
    async fn begin(&self, mut new: NewFamily) -> Result<Vec<FamilyId>, BackendError> {
        new.family = new.family.with_grant_type(None);
        self.0.begin(new).await
    }

    fn find(&self, family: FamilyId) -> MaybeFuture<'_, Result<Option<StoredFamily>, BackendError>> {
        self.0.find(family)
    }

    fn rotate(&self, rotation: Rotation) -> MaybeFuture<'_, Result<bool, BackendError>> {
        self.0.rotate(rotation)
    }

    async fn revoke_family(&self, family: FamilyId) -> Result<bool, BackendError> {
        self.0.revoke_family(family).await
    }

    async fn revoke_subject(&self, realm: Option<&str>, subject: &str) -> Result<u64, BackendError> {
        self.0.revoke_subject(realm, subject).await
    }
}

#[tokio::test]
async fn a_family_of_which_no_grant_type_is_kept_began_by_a_password() {
    let (usage, refresh) = (UsageLedger::new(MemoryUsage::new()), Forgetful(MemoryRefreshTokens::new()));
    let ledger = usage.clone();
    let bed = FactorBed::with(
        |factors| factors,
        |builder| builder.refresh_tokens(RefreshTokens::in_store(refresh)).usage(ledger),
    );
    let login = bed.login("alice", "").await.assert_ok();
    let token = login["refresh_token"].as_str().unwrap();
    bed.token(&format!("client_id=app&grant_type=refresh_token&refresh_token={token}")).await.assert_ok();
    let report = usage.report(MONTH).await.unwrap();
    let [app] = report.clients.as_slice() else { panic!("{report}") };
    assert_eq!((app.users, app.only_by_password, app.moved), (1, 1, 0), "{report}");
    assert!(app.last_password_refresh.is_some(), "{report}");
}

#[tokio::test]
async fn a_memory_that_has_no_room_for_the_logins_of_a_day_says_so() {
    use tower_password_grant::clock::Clock as _;
    let clock = ManualClock::new();
    let usage = ledger(MemoryUsage::new().with_capacity(2).unwrap(), &clock);
    for _ in 0..3 {
        usage.note(&client("app"), "alice", None, clock.now());
        usage.flush().await.unwrap();
        clock.advance(DAY);
    }
    let report = usage.report(MONTH).await.unwrap();
    let logins = report.clients[0].ways.iter().find(|way| way.way == LoginWay::Elsewhere).unwrap().logins;
    assert_eq!((logins, report.missed), (2, 1), "{report}");
}

#[tokio::test]
async fn a_realm_that_no_client_can_have_is_missed() {
    use tower_password_grant::clock::Clock as _;
    let clock = ManualClock::new();
    let usage = ledger(MemoryUsage::new(), &clock);
    for realm in ["", "a|b", "|", "a"] {
        usage.note(&client("app"), "k", Some(realm), clock.now());
    }
    let report = usage.report(MONTH).await.unwrap();
    assert_eq!((report.clients[0].users, report.missed), (1, 3), "{report}");
}
