//! A file of an earlier version: it is opened, brought up to date, and serves logins.

use std::path::Path;
use std::sync::Arc;

use rusqlite::Connection;
use tower::ServiceExt as _;
use tower_password_grant::argon2::{Argon2Parameters, Argon2Verifier};
use tower_password_grant::sqlite::{NewUser, SqliteStore};
use tower_password_grant::{
    AccountKey, AttemptKey, AttemptLimiter, Client, Guess, OpaqueIssuer, Password, PasswordGrant, PeerAddress,
    Reserved, Settlement,
};

use crate::folder::Folder;

/// Makes a file as the first version did, with what lies in this one.
fn make_first_schema(of: &Folder, path: &Path) {
    let connection = Connection::open(path).unwrap();
    connection.execute_batch(include_str!("../../src/sqlite/schema/1.sql")).unwrap();
    connection.execute("ATTACH ?1 AS newer", [of.file().to_str().unwrap()]).unwrap();
    for table in ["clients", "users", "user_names", "limiter", "limiter_tallies", "limiter_known"] {
        let mut statement =
            connection.prepare("SELECT group_concat(name) FROM pragma_table_info(?1) WHERE name <> 'wide'").unwrap();
        let columns: String = statement.query_row([table], |row| row.get(0)).unwrap();
        let copy = format!("INSERT INTO {table} ({columns}) SELECT {columns} FROM newer.{table}");
        assert!(connection.execute(&copy, ()).unwrap() > 0 || table == "limiter_known", "{table}");
    }
    // It used this bit of an address as any other.
    connection.execute("UPDATE limiter_tallies SET network = network | 32768 WHERE network <> 0", ()).unwrap();
    connection.pragma_update(None, "application_id", 0x5450_4773).unwrap();
    connection.pragma_update(None, "user_version", 1).unwrap();
}

#[tokio::test]
async fn a_file_of_the_first_schema_is_brought_up_to_date_and_keeps_its_clients_users_and_locks() {
    let folder = Folder::new();
    let store = folder.store();
    let client = Client::public("cli").allow_password_grant().scopes("read").default_scope("read").build().unwrap();
    store.put_client(&client).await.unwrap();
    let cheap = Argon2Parameters::new(64, 1, 1).unwrap();
    let hash = cheap.hash_blocking(&Password::new("pw".to_owned())).unwrap();
    assert!(store.add_user(NewUser::new("user-17", "alice").with_password_hash(hash)).await.unwrap());
    let limiter = store.limiter();
    let (mallory, from) = (AccountKey::canonical("mallory"), Some([192, 0, 2, 1].into()));
    let key = AttemptKey::new(Guess::Account { realm: None, account: &mallory }, from);
    while let Reserved::Charged(reservation) = limiter.reserve(&key).await.unwrap() {
        limiter.settle(reservation, Settlement::Denied).await.unwrap();
    }
    store.close().await;
    let before = folder.path().join("first.db");
    make_first_schema(&folder, &before);

    let store = SqliteStore::open(&before).unwrap();
    let limiter = Arc::new(store.limiter());
    assert!(matches!(limiter.reserve(&key).await.unwrap(), Reserved::Refused(_)), "the lock is still there");
    let verifier = Argon2Verifier::builder(store.clone()).parameters(cheap).build().unwrap();
    let layer = PasswordGrant::builder()
        .clients(store.clone())
        .verifier(verifier)
        .issuer(OpaqueIssuer::new(store.clone()))
        .limiter(limiter)
        .peer_address(PeerAddress::unknown())
        .build()
        .unwrap();
    for (password, status) in [("wrong", 400), ("pw", 200)] {
        let body = format!("grant_type=password&username=alice&password={password}&client_id=cli");
        let request = http::Request::post("/oauth/token")
            .header("content-type", "application/x-www-form-urlencoded")
            .body(http_body_util::Full::new(bytes::Bytes::from(body)))
            .unwrap();
        assert_eq!(layer.endpoint().oneshot(request).await.unwrap().status().as_u16(), status);
    }
    store.close().await;
    let connection = Connection::open(&before).unwrap();
    let version: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0)).unwrap();
    assert_eq!(version, 2);
}
