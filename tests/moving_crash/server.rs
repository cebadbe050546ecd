//! The server that is killed: a move into a SQLite file, and traps at which it stands still.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use async_trait::async_trait;
use axum::extract::{ConnectInfo, Request};
use axum::middleware::{Next, from_fn};
use tower_password_grant::argon2::{Argon2Parameters, Argon2Verifier};
use tower_password_grant::limiter::AttackProtection;
use tower_password_grant::mount::TrustedProxies;
use tower_password_grant::realms::Migrate;
use tower_password_grant::sqlite::SqliteStore;
use tower_password_grant::store::{LoginName, StoredUser, UserInsert, UserStore};
use tower_password_grant::token::RefreshTokens;
use tower_password_grant::{
    BackendError, Client, Denial, OpaqueIssuer, PasswordGrant, PeerAddress, Subject, verify_fn,
};

use super::trap::{Trap, listen};

/// Everybody's, in the old directory.
pub const PASSWORD: &str = "right";

/// Where a login stands still for ever, to be killed there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub enum Step {
    /// The old directory is about to say yes.
    BeforeYes = 1,
    BeforeInsert,
    /// The write is on its way, and waits for another transaction.
    InInsert,
    /// It waits no more, and is killed while it is written.
    AtCommit,
    AfterInsert,
    BeforeAnswer,
}

pub const STEPS: [Step; 6] =
    [Step::BeforeYes, Step::BeforeInsert, Step::InInsert, Step::AtCommit, Step::AfterInsert, Step::BeforeAnswer];

/// The store, with traps around the step that adds a user.
struct Trapped {
    store: SqliteStore,
    trap: Trap,
    /// Another connection, to keep the store's own transaction waiting.
    file: PathBuf,
}

impl Trapped {
    /// Keeps writers waiting until it is dropped.
    fn hold(&self) -> rusqlite::Connection {
        let other = rusqlite::Connection::open(&self.file).unwrap();
        other.execute_batch("BEGIN IMMEDIATE").unwrap();
        other
    }
}

#[async_trait]
impl UserStore for Trapped {
    async fn find(&self, login: &LoginName<'_>, realm: Option<&str>) -> Result<Option<StoredUser>, BackendError> {
        UserStore::find(&self.store, login, realm).await
    }

    async fn find_by_id(&self, user_id: &str, realm: Option<&str>) -> Result<Option<StoredUser>, BackendError> {
        self.store.find_by_id(user_id, realm).await
    }

    async fn save_hash(&self, user_id: &str, old_hash: &str, new_hash: &str) -> Result<bool, BackendError> {
        self.store.save_hash(user_id, old_hash, new_hash).await
    }
}

#[async_trait]
impl UserInsert for Trapped {
    async fn insert_user(
        &self,
        user: &StoredUser,
        login: &LoginName<'_>,
        realm: Option<&str>,
    ) -> Result<bool, BackendError> {
        self.trap.pass(Step::BeforeInsert as usize).await;
        if self.trap.is_set_at(Step::InInsert as usize) {
            let other = self.hold();
            let inserting = self.store.insert_user(user, login, realm);
            let standing = self.trap.pass(Step::InInsert as usize);
            tokio::select! { _ = inserting => panic!("nothing held the insert up"), () = standing => {} }
            drop(other);
        }
        if self.trap.is_set_at(Step::AtCommit as usize) {
            let other = self.hold();
            let (store, user, login) = (self.store.clone(), user.clone(), login.clone().into_owned());
            let writing = tokio::spawn(async move { store.insert_user(&user, &login, None).await });
            while self.store.stats().waiting > 0 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            drop(other);
            println!("standing");
            let _ = writing.await;
            return std::future::pending().await;
        }
        let is_added = self.store.insert_user(user, login, realm).await;
        self.trap.pass(Step::AfterInsert as usize).await;
        is_added
    }
}

pub async fn serve(file: &Path) {
    let trap = Trap::default();
    let store = SqliteStore::open(file).unwrap();
    let app = Client::public("app").allow_password_grant().allow_refresh_tokens();
    let app = app.scopes("read").default_scope("read").build().unwrap();
    store.put_client(&app).await.unwrap();
    let old_trap = trap.clone();
    let old = verify_fn(move |attempt| {
        let trap = old_trap.clone();
        async move {
            if attempt.password().expose() != PASSWORD {
                return Ok(Denial::WrongPassword.into());
            }
            trap.pass(Step::BeforeYes as usize).await;
            Ok(Subject::new(format!("id-of-{}", attempt.username())).into())
        }
    });
    let trapped = Trapped { store: store.clone(), trap: trap.clone(), file: file.to_owned() };
    let cheap = Argon2Parameters::new(64, 1, 1).unwrap();
    let new = Argon2Verifier::builder(trapped).parameters(cheap).threads(1).build().unwrap();
    let layer = PasswordGrant::builder()
        .clients(store.clone())
        .verifier(Migrate::new(old, new))
        .issuer(OpaqueIssuer::new(store.clone()))
        .refresh_tokens(RefreshTokens::in_store(store.clone()))
        .attack_protection(AttackProtection::new().limiter(store.limiter()))
        // Each sender has an address of its own, so that none spends another's budgets.
        .peer_address(
            PeerAddress::extension(|info: &ConnectInfo<SocketAddr>| Some(info.0.ip()))
                .behind(TrustedProxies::x_forwarded_for(["127.0.0.1/32".parse().unwrap()])),
        )
        .build()
        .unwrap();
    let last = trap.clone();
    let app = axum::Router::new().layer(layer).layer(from_fn(move |request: Request, next: Next| {
        let last = last.clone();
        async move {
            let response = next.run(request).await;
            last.pass(Step::BeforeAnswer as usize).await;
            response
        }
    }));
    listen(app, trap).await;
}
