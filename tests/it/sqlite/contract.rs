//! The suites that every store is held to.

use std::sync::Mutex;

use tower_password_grant::sqlite::SqliteStore;
use tower_password_grant::testing::contract;

use crate::support::folder::Folder;

/// Makes empty stores, and removes their files at the end.
#[derive(Default)]
struct Stores(Mutex<Vec<Folder>>);

impl Stores {
    /// Two of one file, as two processes have them.
    fn make_two(&self) -> [SqliteStore; 2] {
        let folder = Folder::new();
        let stores = [folder.store(), folder.store()];
        self.0.lock().unwrap().push(folder);
        stores
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn refresh_tokens_in_the_file_keep_the_contract_rf_10_rf_13() {
    let stores = Stores::default();
    contract::refresh_token_store(async || stores.make_two()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn access_tokens_in_the_file_keep_the_contract() {
    let stores = Stores::default();
    contract::access_token_store(async || stores.make_two()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_and_a_refresh_in_the_file_keep_their_access_tokens_in_one_step() {
    let stores = Stores::default();
    contract::tokens_in_one_step(async || stores.make_two()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_time_values_in_the_file_keep_the_contract() {
    let stores = Stores::default();
    contract::one_time_values(async || stores.make_two()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_limiter_in_the_file_keeps_the_contract_t2() {
    let stores = Stores::default();
    contract::attempt_limiter(async || stores.make_two().map(|store| store.limiter())).await;
    contract::limiter_operator(async || stores.make_two().map(|store| store.limiter())).await;
}
