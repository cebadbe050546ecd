//! The suites that every store is held to.

use std::sync::Mutex;

use tower_password_grant::Client;
use tower_password_grant::limiter::LimiterOperator;
use tower_password_grant::sqlite::SqliteStore;
use tower_password_grant::store::{NewUser, StoredUser};
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
async fn authenticators_in_the_file_keep_the_contract() {
    let stores = Stores::default();
    contract::factor_store(async || stores.make_two()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_ledgers_rows_in_the_file_keep_the_contract() {
    let stores = Stores::default();
    contract::usage_store(async || stores.make_two()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_limiter_in_the_file_keeps_the_contract_t2() {
    let stores = Stores::default();
    contract::attempt_limiter(async || stores.make_two().map(|store| store.limiter())).await;
    contract::factor_limiter(async || stores.make_two().map(|store| store.limiter())).await;
    contract::limiter_operator(async || stores.make_two().map(|store| store.limiter())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_suites_of_the_limiter_run_again_over_one_file_whose_counts_are_forgotten() {
    let folder = Folder::new();
    let make = async || {
        let limiters = [folder.store(), folder.store()].map(|store| store.limiter());
        limiters[0].forget_everything().await.unwrap();
        limiters
    };
    for _ in 0..2 {
        contract::attempt_limiter(make).await;
        contract::factor_limiter(make).await;
        contract::limiter_operator(make).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_clients_in_the_file_keep_the_contract() {
    let stores = Stores::default();
    let make = async |clients: Vec<Client>| {
        let folder = Folder::new();
        let store = folder.store();
        for client in &clients {
            store.put_client(client).await.unwrap();
        }
        // As after a restart.
        store.close().await;
        let store = folder.store();
        stores.0.lock().unwrap().push(folder);
        store
    };
    contract::client_registry(make).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_users_in_the_file_keep_the_contract() {
    let stores = Stores::default();
    let make = async |users: [(String, StoredUser); 2]| {
        let [store, other] = stores.make_two();
        for (name, user) in users {
            let hash = user.password_hash().map(str::to_owned);
            assert!(store.add_user(NewUser::new(user.id(), &name).with_password_hash(hash)).await.unwrap());
        }
        [store, other]
    };
    contract::user_store(&make).await;
    contract::user_insert(&make).await;
    contract::password_change(&make, async |store, id, hash| {
        assert!(store.set_password_hash(id, Some(hash)).await.unwrap());
    })
    .await;
}
