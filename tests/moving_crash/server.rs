//! The server that is killed: a move into a SQLite file, and traps at which it stands still.

use std::path::PathBuf;

use async_trait::async_trait;
use tower_password_grant::argon2::{Argon2Parameters, Argon2Verifier};
use tower_password_grant::limiter::AttackProtection;
use tower_password_grant::realms::Migrate;
use tower_password_grant::sqlite::SqliteStore;
use tower_password_grant::store::UserInsert;
use tower_password_grant::token::RefreshTokens;
use tower_password_grant::{BackendError, Client, Denial, OpaqueIssuer, PasswordGrant, Subject, verify_fn};

use super::diverted::{Diverted, Entrance, Newcomer};
use super::trap::{self, Trap, senders};

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

/// Traps around the step that adds a user.
struct Trapped {
    trap: Trap,
    file: PathBuf,
}

#[async_trait]
impl Entrance for Trapped {
    async fn take(&self, store: &SqliteStore, newcomer: Newcomer<'_>) -> Result<bool, BackendError> {
        self.trap.pass(Step::BeforeInsert as usize).await;
        if self.trap.is_set_at(Step::InInsert as usize) {
            return self.trap.hold_up(Step::InInsert as usize, &self.file, newcomer.enter(store)).await;
        }
        if self.trap.is_set_at(Step::AtCommit as usize) {
            let (own, user, login) = (store.clone(), newcomer.user.clone(), newcomer.login.clone().into_owned());
            let writing = async move { own.insert_user(&user, &login, None).await };
            return self.trap.let_commit(store, &self.file, writing).await;
        }
        let is_added = newcomer.enter(store).await;
        self.trap.pass(Step::AfterInsert as usize).await;
        is_added
    }
}

pub async fn serve(file: PathBuf) {
    let trap = Trap::default();
    let store = SqliteStore::open(&file).unwrap();
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
    let trapped = Diverted { store: store.clone(), entrance: Trapped { trap: trap.clone(), file } };
    let cheap = Argon2Parameters::new(64, 1, 1).unwrap();
    let new = Argon2Verifier::builder(trapped).parameters(cheap).threads(1).build().unwrap();
    let layer = PasswordGrant::builder()
        .clients(store.clone())
        .verifier(Migrate::new(old, new))
        .issuer(OpaqueIssuer::new(store.clone()))
        .refresh_tokens(RefreshTokens::in_store(store.clone()))
        .attack_protection(AttackProtection::new().limiter(store.limiter()))
        .peer_address(senders())
        .build()
        .unwrap();
    trap::serve(layer, trap, Step::BeforeAnswer as usize).await;
}
