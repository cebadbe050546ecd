//! What an operator reads when something that the application calls itself cannot be done.

use std::error::Error;
use std::time::Duration;

use tower_password_grant::argon2::{Argon2Parameters, Argon2Verifier};
use tower_password_grant::error::{BackendErrorKind, OperationError};
use tower_password_grant::limiter::LimiterOperator as _;
use tower_password_grant::sqlite::SqliteStore;
use tower_password_grant::store::{NewUser, RefreshTokenStore as _};
use tower_password_grant::{
    Attempt, BackendError, Client, ClientRegistry, CredentialVerifier as _, Password, verify_fn,
};

/// As an application that passes its errors between threads has it.
type Shared = Box<dyn Error + Send + Sync>;

fn closed(error: &dyn Error) {
    assert_eq!(format!("{error:?}"), "the SQLite store is closed");
    assert_eq!(error.to_string(), "the SQLite store is closed");
}

/// A store that is closed, in a file of its own.
async fn closed_store(name: &str) -> SqliteStore {
    let folder = std::env::temp_dir().join(format!("operator-errors-{name}-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let store = SqliteStore::open(folder.join("auth.db")).unwrap();
    store.close().await;
    std::fs::remove_dir_all(&folder).unwrap();
    store
}

#[tokio::test]
async fn whatever_an_operator_calls_fails_with_an_error_that_a_question_mark_takes() {
    async fn add_user(store: &SqliteStore) -> Result<bool, Shared> {
        Ok(store.add_user(NewUser::new("user-1", "alice")).await?)
    }
    async fn put_client(store: &SqliteStore) -> Result<(), Shared> {
        Ok(store.put_client(&Client::public("cli").allow_password_grant().build()?).await?)
    }
    async fn unblock(store: &SqliteStore) -> Result<usize, Shared> {
        Ok(store.limiter().unblock_address([192, 0, 2, 1].into()).await?)
    }
    async fn look_around(store: &SqliteStore) -> Result<usize, Shared> {
        let locks = store.limiter().locks(None, 10).await?.locks.len();
        Ok(store.client_ids("", 10).await?.len() + locks)
    }
    async fn end_logins(store: &SqliteStore) -> Result<bool, Shared> {
        let ended = store.log_out(None, "user-1").await? + store.prune().await?;
        Ok(store.remove_user("user-1").await? && store.remove_client("cli").await? && ended > 0)
    }
    let store = closed_store("calls").await;
    closed(&*add_user(&store).await.unwrap_err());
    closed(&*put_client(&store).await.unwrap_err());
    closed(&*unblock(&store).await.unwrap_err());
    closed(&*look_around(&store).await.unwrap_err());
    closed(&*end_logins(&store).await.unwrap_err());
}

#[tokio::test]
async fn a_part_of_the_application_that_a_main_calls_fails_in_words_too() {
    async fn main(store: &SqliteStore) -> Result<(), Box<dyn Error>> {
        ClientRegistry::find(store, "cli").await?;
        Ok(())
    }
    async fn log_out(store: &SqliteStore) -> Result<u64, Box<dyn Error>> {
        Ok(store.revoke_subject(None, "user-1").await?)
    }
    let store = closed_store("traits").await;
    closed(&*main(&store).await.unwrap_err());
    closed(&*log_out(&store).await.unwrap_err());
    let error = ClientRegistry::find(&store, "cli").await.unwrap_err();
    assert_eq!(format!("{error:?}"), "Unavailable: the SQLite store is closed");
}

#[tokio::test]
async fn a_failed_hash_is_an_error_with_its_kind_and_keeps_it_through_a_trait() {
    let store = closed_store("hash").await;
    let small = Argon2Parameters::new(8, 1, 1).unwrap();
    let users = Argon2Verifier::builder(store).parameters(small).threads(1).build().unwrap();
    let hash: Result<String, Shared> =
        async { Ok(users.hash_password(Password::new("correct horse".to_owned())).await?) }.await;
    assert!(hash.unwrap().starts_with("$argon2id$"));

    let busy = || OperationError::from(BackendError::overloaded(Duration::from_millis(1500)));
    assert_eq!(format!("{:?}", busy()), "too much work waits already: try again in 2 s");
    assert_eq!(
        (busy().kind(), busy().retry_after()),
        (BackendErrorKind::Overloaded, Some(Duration::from_millis(1500)))
    );
    // A verifier that makes an account at its first login calls what operators call.
    let signs_up = verify_fn(move |_: Attempt| async move { Err(busy())? });
    let error = signs_up.verify(attempt()).await.unwrap_err();
    assert_eq!(error.kind(), BackendErrorKind::Overloaded);
}

fn attempt() -> Attempt {
    tower_password_grant::testing::attempt("alice", "correct horse").build().unwrap()
}

#[test]
fn an_error_tells_its_causes_once() {
    #[derive(Debug)]
    struct Outer(std::io::Error);
    impl std::fmt::Display for Outer {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            write!(f, "the directory is away: {}", self.0)
        }
    }
    impl Error for Outer {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            Some(&self.0)
        }
    }
    let error = BackendError::unavailable(Outer(std::io::Error::other("no route"))).into_error();
    assert_eq!(format!("{error:?}"), "the directory is away: no route");
    assert_eq!(error.source().unwrap().to_string(), "no route");
    let text = BackendError::fault("the table `users` is missing: run the migration").into_error();
    assert_eq!((format!("{text:?}"), text.kind()), (text.to_string(), BackendErrorKind::Fault));
}
