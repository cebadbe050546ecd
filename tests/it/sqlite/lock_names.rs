//! Whose the locks in the file are.

use tower_password_grant::limiter::{LimiterOperator as _, Reserved};
use tower_password_grant::user::AccountKey;

use super::limiter::{address, fail, reserve};
use crate::support::folder::Folder;
use crate::support::locks::locks;

#[tokio::test]
async fn each_limiter_of_a_store_names_its_locks_and_another_process_lifts_them_without_names() {
    let folder = Folder::new();
    let store = folder.store();
    let limiter = store.limiter();
    for _ in 0..10 {
        fail(&limiter, "alice", 1).await;
    }
    let alice = AccountKey::canonical("alice");
    let named = locks(&store.limiter()).await.remove(0);
    assert_eq!((named.account, named.address), (Some(alice.clone()), address(1)));
    let elsewhere = folder.store();
    let unnamed = locks(&elsewhere.limiter()).await.remove(0);
    assert_eq!((unnamed.account, unnamed.address), (None, None));
    // An operator who asks by the name learns whose it is.
    let found = elsewhere.limiter().locks_of(None, &alice).await.unwrap().remove(0);
    assert_eq!((found.limit, found.account), (unnamed.limit, Some(alice.clone())));
    assert_eq!(elsewhere.limiter().unblock_account(None, &alice).await.unwrap(), 2);
    assert!(matches!(reserve(&limiter, "alice", 1).await, Reserved::Charged(_)));
    elsewhere.close().await;
    store.close().await;
}
