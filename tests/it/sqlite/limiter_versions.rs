//! Counts that another version of the library wrote.

use rusqlite::Connection;
use tower_password_grant::error::BackendErrorKind;
use tower_password_grant::limiter::{AttemptKey, AttemptLimiter as _, Guess, LimiterOperator as _, Reserved};
use tower_password_grant::user::AccountKey;

use super::limiter::{fail, reserve};
use crate::support::folder::Folder;

#[tokio::test]
async fn a_count_of_a_later_version_is_an_error_and_stays_until_an_operator_forgets_everything() {
    let folder = Folder::new();
    let store = folder.store();
    let limiter = store.limiter();
    fail(&limiter, "alice", 1).await;
    let file = Connection::open(folder.file()).unwrap();
    let later = "UPDATE limiter_tallies SET counts = CAST(x'02' || substr(counts, 2) AS BLOB) WHERE kind = 1";
    assert_eq!(file.execute(later, ()).unwrap(), 1);
    let account = AccountKey::canonical("alice");
    let key = AttemptKey::new(Guess::Account { realm: None, account: &account }, None);
    let error = limiter.reserve(&key).await.unwrap_err();
    assert_eq!(error.kind(), BackendErrorKind::Fault);
    assert!(format!("{error:?}").contains("a later version"), "{error:?}");
    assert!(limiter.unblock_account(None, &account).await.is_err());
    let kept: i64 = file
        .query_row("SELECT count(*) FROM limiter_tallies WHERE hex(substr(counts, 1, 1)) = '02'", (), |row| row.get(0))
        .unwrap();
    assert_eq!(kept, 1);
    // All other attempts are counted as ever.
    assert!(matches!(reserve(&limiter, "bob", 1).await, Reserved::Charged(_)));
    limiter.forget_everything().await.unwrap();
    assert!(matches!(reserve(&limiter, "alice", 1).await, Reserved::Charged(_)));
    store.close().await;
}
