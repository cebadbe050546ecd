//! Users of the file, while no other process has it at work: what they have, and what they are given.

use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use tower_password_grant::mfa::FactorUser;
use tower_password_grant::sqlite::SqliteStore;
use tower_password_grant::store::{
    Authenticator, AuthenticatorId, Enrolment, FactorStore as _, RecoveryCodes, SecretDigest,
};

/// The recovery codes of a user.
pub const CODES: usize = 8;

/// What a user has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    Nothing,
    /// An authenticator app and recovery codes that are not confirmed.
    Waiting,
    /// The same, confirmed.
    Active,
}

/// What the file says of a user.
pub struct Seen {
    pub authenticators: usize,
    active: usize,
    pub last_step: Option<u64>,
    /// Whether the first recovery code is there.
    pub old: bool,
    /// How many there are.
    pub codes: usize,
}

impl Seen {
    pub fn kept(&self) -> Kept {
        match (self.authenticators, self.active) {
            (0, 0) => Kept::Nothing,
            (2, 0) => Kept::Waiting,
            (2, 2) => Kept::Active,
            other => panic!("{other:?}: half of what belongs together"),
        }
    }
}

pub fn now() -> SystemTime {
    SystemTime::now()
}

pub fn user(name: &str) -> FactorUser<'_> {
    FactorUser::new(Some("staff"), name)
}

/// The identifier of this number.
fn id(prefix: &str, number: u64) -> AuthenticatorId {
    AuthenticatorId::parse(&format!("{prefix}|dev_{number:022}")).unwrap()
}

/// The authenticator app of a user, if there is one.
pub async fn app_of(store: &SqliteStore, name: &str) -> Option<AuthenticatorId> {
    let listed = store.list(user(name), now()).await.unwrap();
    listed.into_iter().map(|kept| kept.id).find(|id| id.as_str().starts_with("totp"))
}

pub fn code(name: &str, number: usize) -> SecretDigest {
    SecretDigest::of(&format!("{name}-{number}"))
}

/// A number that nothing else has, in any process.
pub fn unique() -> u64 {
    use std::sync::atomic::{AtomicU64, Ordering};
    static NEXT: AtomicU64 = AtomicU64::new(0);
    u64::from(std::process::id()) << 32 | NEXT.fetch_add(1, Ordering::Relaxed)
}

pub fn enrolment(name: &str) -> Enrolment {
    let made = |prefix: &str| {
        let id = id(prefix, unique());
        let kind = id.kind().unwrap();
        Authenticator::new(id, kind, None, b"sealed".to_vec(), now())
    };
    let digests = (0..CODES).map(|number| code(name, number)).collect();
    Enrolment::new(made("totp"), Some(RecoveryCodes::new(made("recovery-code"), digests)), true)
}

fn over<T>(file: &Path, work: impl AsyncFnOnce(&SqliteStore) -> T) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let store = SqliteStore::open(file).unwrap();
        let answer = work(&store).await;
        store.close().await;
        answer
    })
}

pub fn prepare(file: &Path, name: &str, what: Kept) {
    if what == Kept::Nothing {
        return;
    }
    over(file, async |store| {
        store.enrol(user(name), enrolment(name), now()).await.unwrap();
        if what == Kept::Active {
            let app = app_of(store, name).await.unwrap();
            assert!(store.confirm(user(name), &app, true, now()).await.unwrap());
            // As of a login a while ago.
            assert!(store.spend_step(user(name), &app, 1).await.unwrap());
        }
    });
}

pub fn look(file: &Path, name: &str) -> Seen {
    let listed = over(file, async |store| store.list(user(name), now()).await.unwrap());
    let rows = rusqlite::Connection::open(file).unwrap();
    let sql =
        "SELECT digest FROM recovery_codes c JOIN authenticators a ON a.row = c.authenticator WHERE a.subject = ?1";
    let mut digests = rows.prepare(sql).unwrap();
    let digests: Vec<[u8; 32]> = digests.query_map([name], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    assert!(listed.iter().all(|kept| kept.created > UNIX_EPOCH && kept.sealed.starts_with(b"sealed")));
    Seen {
        authenticators: listed.len(),
        active: listed.iter().filter(|kept| kept.is_active).count(),
        last_step: listed.iter().find_map(|kept| kept.last_step),
        old: digests.contains(code(name, 0).as_bytes()),
        codes: digests.len(),
    }
}
