//! A password that is changed while a login is under way leaves no live token: the user is looked at once more when the tokens
//! are issued and not yet sent (T62).

use std::pin::Pin;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use tower_password_grant::MaybeFuture;
use tower_password_grant::argon2::{Argon2Parameters, Argon2Verifier};
use tower_password_grant::audit::{AuditEvent, AuditOutcome, Reason};
use tower_password_grant::sqlite::SqliteStore;
use tower_password_grant::store::{
    AccessTokenRecord, AccessTokenStore, FamilyId, LoginName, MemoryAccessTokens, MemoryRefreshTokens, NewFamily,
    NewUser, RefreshTokenStore, Rotation, SecretDigest, StoredFamily, StoredUser, UserStatus, UserStore,
};
use tower_password_grant::token::{RefreshTokens, Token};
use tower_password_grant::{
    BackendError, CredentialVerifier, Denial, Grant, IssuedTokens, OpaqueIssuer, Password, PasswordGrant,
    PasswordGrantLayer, PeerAddress, StaticClients, Subject, TokenIssuer, verify_fn,
};

use crate::support::tokens::{Users, clients};
use crate::support::{self, Answer, PW, send, token_request};

/// When somebody else changes the password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    BeforeIssue,
    AfterIssue,
    BeforeBegin,
    AfterBegin,
}

type Change = Arc<dyn Fn() -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync>;

/// What happens during a login, and what came of it.
#[derive(Clone, Default)]
struct Script {
    change: Arc<Mutex<Option<(At, Change)>>>,
    access: Arc<Mutex<Vec<SecretDigest>>>,
    refresh: Arc<Mutex<Vec<FamilyId>>>,
}

impl Script {
    async fn reach(&self, at: At) {
        let change = self.change.lock().unwrap().take_if(|(when, _)| *when == at);
        if let Some((_, change)) = change {
            change().await;
        }
    }
}

/// An issuer of opaque tokens that keeps what it gave.
struct Issuer<A>(Script, Arc<A>);

#[async_trait]
impl<A: AccessTokenStore> TokenIssuer for Issuer<A> {
    async fn issue(&self, grant: Grant) -> Result<IssuedTokens, BackendError> {
        self.0.reach(At::BeforeIssue).await;
        let token = Token::random("at_")?;
        let expires = grant.issued_at() + grant.lifetime();
        let record =
            AccessTokenRecord::new(grant.subject().id(), grant.client().id().clone(), grant.issued_at(), expires);
        self.1.insert(token.digest(), record.with_family(grant.family())).await?;
        self.0.access.lock().unwrap().push(token.digest());
        self.0.reach(At::AfterIssue).await;
        Ok(IssuedTokens::bearer(token, grant.lifetime()))
    }
}

struct Families<R>(Script, Arc<R>);

#[async_trait]
impl<R: RefreshTokenStore> RefreshTokenStore for Families<R> {
    async fn begin(&self, new: NewFamily) -> Result<Vec<FamilyId>, BackendError> {
        self.0.reach(At::BeforeBegin).await;
        self.0.refresh.lock().unwrap().push(new.family.id());
        let ended = self.1.begin(new).await?;
        self.0.reach(At::AfterBegin).await;
        Ok(ended)
    }

    fn find(&self, family: FamilyId) -> MaybeFuture<'_, Result<Option<StoredFamily>, BackendError>> {
        MaybeFuture::new(async move { self.1.find(family).await })
    }

    fn rotate(&self, rotation: Rotation) -> MaybeFuture<'_, Result<bool, BackendError>> {
        MaybeFuture::new(async move { self.1.rotate(rotation).await })
    }

    async fn revoke_family(&self, family: FamilyId) -> Result<bool, BackendError> {
        self.1.revoke_family(family).await
    }

    async fn revoke_subject(&self, realm: Option<&str>, subject: &str) -> Result<u64, BackendError> {
        self.1.revoke_subject(realm, subject).await
    }
}

/// An endpoint over these stores.
struct House<A, R> {
    script: Script,
    access: Arc<A>,
    families: Arc<R>,
    layer: PasswordGrantLayer,
    reasons: Arc<Mutex<Vec<Reason>>>,
}

impl<A: AccessTokenStore, R: RefreshTokenStore> House<A, R> {
    fn new(access: A, families: R, verifier: impl CredentialVerifier) -> Self {
        let (script, access, families) = (Script::default(), Arc::new(access), Arc::new(families));
        let reasons = Arc::<Mutex<Vec<Reason>>>::default();
        let heard = Arc::clone(&reasons);
        let layer = PasswordGrant::builder()
            .clients(StaticClients::new(clients()).unwrap())
            .verifier(verifier)
            .issuer(Issuer(script.clone(), Arc::clone(&access)))
            .access_tokens(OpaqueIssuer::new(Arc::clone(&access)))
            .refresh_tokens(RefreshTokens::in_store(Families(script.clone(), Arc::clone(&families))))
            .audit(move |event: &AuditEvent<'_>| {
                if let AuditOutcome::Refused { reason, .. } = event.outcome {
                    heard.lock().unwrap().push(reason);
                }
            })
            .peer_address(PeerAddress::socket_addr())
            .build()
            .unwrap();
        Self { script, access, families, layer, reasons }
    }

    /// Logs in, while the password is changed at this moment.
    async fn login(&self, client: &str, change: Option<(At, Change)>) -> Answer {
        *self.script.change.lock().unwrap() = change;
        let answer = if client == "pub" {
            send(&self.layer, token_request(&[], &format!("{PW}&client_id=pub"))).await
        } else {
            let basic = support::basic(client, &format!("{client}-pw"));
            send(&self.layer, token_request(&[("authorization", &basic)], PW)).await
        };
        assert!(self.script.change.lock().unwrap().is_none(), "the change has happened");
        answer
    }

    /// How many of the tokens that were ever issued are good.
    async fn live(&self) -> usize {
        let (access, refresh) =
            (self.script.access.lock().unwrap().clone(), self.script.refresh.lock().unwrap().clone());
        let mut live = 0;
        for digest in &access {
            live += usize::from(AccessTokenStore::find(&self.access, digest).await.unwrap().is_some());
        }
        for family in refresh {
            // Whose only token was never used.
            let found = RefreshTokenStore::find(&self.families, family).await.unwrap();
            live += usize::from(found.is_some_and(|found| !found.is_ended));
        }
        live
    }

    fn last_reason(&self) -> Option<Reason> {
        self.reasons.lock().unwrap().last().copied()
    }
}

/// A login with a refresh token, and one without, at each moment.
const LOGINS: [(&str, At); 6] = [
    ("pub", At::BeforeIssue),
    ("pub", At::AfterIssue),
    ("pub", At::BeforeBegin),
    ("pub", At::AfterBegin),
    ("svc", At::BeforeIssue),
    ("svc", At::AfterIssue),
];

#[tokio::test]
async fn a_password_that_is_changed_while_its_login_is_issued_leaves_no_live_token_in_memory_t62() {
    for (client, at) in LOGINS {
        let users = Users::new();
        let house = House::new(MemoryAccessTokens::new(), MemoryRefreshTokens::new(), users.clone());
        let before = house.login(client, None).await;
        before.assert_ok();
        let (access, families) = (Arc::clone(&house.access), Arc::clone(&house.families));
        let change: Change = Arc::new(move || {
            let (users, access, families) = (users.clone(), Arc::clone(&access), Arc::clone(&families));
            Box::pin(async move {
                // First the password, then the logins.
                users.change("user-alice", |account| account.version = "2".to_owned());
                RefreshTokenStore::revoke_subject(&families, None, "user-alice").await.unwrap();
                AccessTokenStore::revoke_subject(&access, None, "user-alice").await.unwrap();
            })
        });
        house.login(client, Some((at, change))).await.assert_error(400, "invalid_grant");
        assert_eq!((house.last_reason(), house.live().await), (Some(Reason::CredentialsChanged), 0), "{client} {at:?}");
        house.login(client, None).await.assert_ok();
    }
}

#[tokio::test]
async fn a_password_that_is_changed_while_its_login_is_issued_leaves_no_live_token_in_sqlite_t62() {
    let folder = std::env::temp_dir().join(format!("spec-second-look-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let parameters = Argon2Parameters::new(64, 1, 1).unwrap();
    let hash = |password: &str| parameters.hash_blocking(&Password::new(password.to_owned())).unwrap();
    for (number, (client, at)) in LOGINS.into_iter().enumerate() {
        let store = SqliteStore::open(folder.join(format!("{number}.db"))).unwrap();
        let user = NewUser::new("user-alice", "alice").with_password_hash(hash("correct horse"));
        assert!(store.add_user(user).await.unwrap());
        let verifier =
            Argon2Verifier::builder(store.clone()).parameters(parameters.clone()).threads(1).build().unwrap();
        let house = House::new(store.clone(), store.clone(), verifier);
        house.login(client, None).await.assert_ok();
        let (other, new) = (store.clone(), hash("another horse"));
        let change: Change = Arc::new(move || {
            let (store, new) = (other.clone(), new.clone());
            Box::pin(async move { assert!(store.set_password_hash("user-alice", Some(&new)).await.unwrap()) })
        });
        house.login(client, Some((at, change))).await.assert_error(400, "invalid_grant");
        assert_eq!((house.last_reason(), house.live().await), (Some(Reason::CredentialsChanged), 0), "{client} {at:?}");

        // The same for an account that is closed.
        store.set_password_hash("user-alice", Some(&hash("correct horse"))).await.unwrap();
        let other = store.clone();
        let close: Change = Arc::new(move || {
            let store = other.clone();
            Box::pin(async move { assert!(store.set_user_status("user-alice", UserStatus::Disabled).await.unwrap()) })
        });
        house.login(client, Some((at, close))).await.assert_error(400, "invalid_grant");
        assert_eq!((house.last_reason(), house.live().await), (Some(Reason::Disabled), 0), "{client} {at:?}");
        store.close().await;
    }
    std::fs::remove_dir_all(&folder).unwrap();
}

#[tokio::test]
async fn a_login_that_cannot_be_looked_at_again_is_503_and_its_tokens_end_er_13() {
    for (client, at) in [("pub", At::AfterBegin), ("svc", At::AfterIssue)] {
        let users = Users::new();
        let house = House::new(MemoryAccessTokens::new(), MemoryRefreshTokens::new(), users.clone());
        let is_down = Arc::clone(&users.is_down);
        let fail: Change = Arc::new(move || {
            *is_down.lock().unwrap() = true;
            Box::pin(async {})
        });
        house.login(client, Some((at, fail))).await.assert_error(503, "temporarily_unavailable");
        assert_eq!((house.last_reason(), house.live().await), (Some(Reason::VerifierFailed), 0), "{client}");
    }
}

/// A store without `find_by_id`, with the hash of one password.
struct Names(String);

#[async_trait]
impl UserStore for Names {
    async fn find(&self, _: &LoginName<'_>, _: Option<&str>) -> Result<Option<StoredUser>, BackendError> {
        Ok(Some(StoredUser::new("user-alice").with_password_hash(self.0.clone())))
    }

    async fn save_hash(&self, _: &str, _: &str, _: &str) -> Result<bool, BackendError> {
        Ok(false)
    }
}

/// A verifier around another one.
struct Around<V>(V);

#[async_trait]
impl<V: CredentialVerifier> CredentialVerifier for Around<V> {
    async fn verify(
        &self,
        attempt: tower_password_grant::Attempt,
    ) -> Result<tower_password_grant::Verdict, BackendError> {
        self.0.verify(attempt).await
    }

    async fn recheck(
        &self,
        login: &tower_password_grant::user::Recheck,
    ) -> Result<tower_password_grant::Verdict, BackendError> {
        self.0.recheck(login).await
    }
}

#[tokio::test]
async fn a_verifier_that_cannot_look_again_logs_in_as_before() {
    let closure = || verify_fn(|_| async { Ok(Subject::new("user-alice").into()) });
    let parameters = Argon2Parameters::new(64, 1, 1).unwrap();
    let hash = parameters.hash_blocking(&Password::new("correct horse".to_owned())).unwrap();
    let argon2 = || Argon2Verifier::builder(Names(hash.clone())).parameters(parameters.clone()).threads(1);
    let verifiers: [Arc<dyn CredentialVerifier>; 4] = [
        Arc::new(closure()),
        Arc::new(Around(closure())),
        Arc::new(argon2().build().unwrap()),
        Arc::new(Around(argon2().build().unwrap())),
    ];
    for verifier in verifiers {
        let house = House::new(MemoryAccessTokens::new(), MemoryRefreshTokens::new(), verifier);
        house.login("svc", None).await.assert_ok();
        house.login("pub", None).await.assert_ok();
        assert_eq!(house.live().await, 3);
    }
}

#[tokio::test]
async fn a_login_that_was_denied_meanwhile_has_the_face_of_a_wrong_password() {
    let wrong = {
        let house = House::new(MemoryAccessTokens::new(), MemoryRefreshTokens::new(), Users::new());
        send(&house.layer, token_request(&[], "grant_type=password&username=alice&password=x&client_id=pub")).await
    };
    let users = Users::new();
    let house = House::new(MemoryAccessTokens::new(), MemoryRefreshTokens::new(), users.clone());
    let lock: Change = Arc::new(move || {
        users.change("user-alice", |account| account.denial = Some(Denial::Locked));
        Box::pin(async {})
    });
    let denied = house.login("pub", Some((At::AfterBegin, lock))).await;
    assert_eq!((denied.status, denied.body), (wrong.status, wrong.body));
}
