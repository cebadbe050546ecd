//! A service with second factors over a file, in a process of its own, with traps at each step of a request. Its time and its users
//! lie in files beside that one, so that all its processes agree.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use tower_password_grant::clock::Clock;
use tower_password_grant::limiter::{
    AttackProtection, AttemptKey, AttemptLimiter, BegunLock, Limits, Lockout, RequestCeiling, Reservation, Reserved,
    Settlement,
};
use tower_password_grant::mfa::{FactorUser, Factors, When};
use tower_password_grant::mount::{Metadata, RequestLimits};
use tower_password_grant::sqlite::{SqliteLimiter, SqliteStore};
use tower_password_grant::store::{
    Authenticator, AuthenticatorId, Enrolled, Enrolment, FactorStore, FamilyId, NewFamily, OneTimeValues,
    RefreshTokenStore, Removed, Rotation, SecretDigest, StoreIdentity, StoredFamily,
};
use tower_password_grant::token::RefreshTokens;
use tower_password_grant::user::{Recheck, SecretKeys};
use tower_password_grant::{
    Attempt, BackendError, Client, CredentialVerifier, Denial, Grant, IssuedTokens, MaybeFuture, OpaqueIssuer,
    PasswordGrant, Subject, TokenIssuer, Verdict,
};

use super::trap::{self, Trap, senders};

pub const ISSUER: &str = "https://as.example/";
/// A machine with much else to do makes nothing of this slow enough for a 503.
const PATIENCE: Duration = Duration::from_secs(60);
/// The file whose service counts, and tries whatever comes.
pub const WITHOUT_BUDGETS: &str = "free.db";

/// Where a request stands still for ever, to be killed there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub enum At {
    BeforeCharge = 1,
    AfterCharge,
    BeforeSpend,
    AfterSpend,
    BeforeSwap,
    AfterSwap,
    BeforeConsume,
    AfterConsume,
    BeforeRecheck,
    AfterRecheck,
    BeforeConfirm,
    AfterConfirm,
    BeforeIssue,
    AfterIssue,
    /// Of the login's family, with its access token.
    BeforeBegin,
    AfterBegin,
    BeforeSettle,
    AfterSettle,
    /// Of the password that the login began with.
    BeforeSettlePassword,
    AfterSettlePassword,
    BeforeEnrol,
    AfterEnrol,
    BeforeRemove,
    AfterRemove,
    BeforeAnswer,
}

/// The time that a file says, in seconds since 1970.
#[derive(Clone, Debug)]
pub struct FileTime(PathBuf);

impl FileTime {
    const BEGINNING: u64 = 1_800_000_000;

    /// That of the service over this file.
    pub fn beside(file: &Path) -> Self {
        Self(file.with_file_name("time"))
    }

    /// So many seconds from the beginning.
    pub fn set(&self, seconds: u64) {
        replace(&self.0, &seconds.to_string());
    }

    pub fn seconds(&self) -> u64 {
        fs::read_to_string(&self.0).map_or(0, |text| text.parse().unwrap())
    }

    pub fn advance(&self, seconds: u64) {
        self.set(self.seconds() + seconds);
    }
}

impl Clock for FileTime {
    fn now(&self) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(Self::BEGINNING + self.seconds())
    }

    fn elapsed(&self) -> Duration {
        Duration::from_secs(self.seconds())
    }
}

/// Writes a file in one step.
fn replace(file: &Path, text: &str) {
    let new = file.with_extension("new");
    fs::write(&new, text).unwrap();
    fs::rename(new, file).unwrap();
}

/// Users whose password is `correct horse`. A file says which of them are locked, or have another version of it.
#[derive(Clone, Debug)]
pub struct People(PathBuf);

impl People {
    pub fn beside(file: &Path) -> Self {
        Self(file.parent().unwrap().to_owned())
    }

    pub fn lock(&self, name: &str) {
        replace(&self.file(name), "locked");
    }

    pub fn change_password(&self, name: &str) {
        replace(&self.file(name), "1");
    }

    fn file(&self, name: &str) -> PathBuf {
        self.0.join(format!("user-{name}"))
    }

    fn verdict(&self, name: &str) -> Verdict {
        match fs::read_to_string(self.file(name)).as_deref() {
            Ok("locked") => Denial::Disabled.into(),
            version => Subject::new(name.to_owned()).with_credential_version(version.unwrap_or("0")).into(),
        }
    }
}

struct Verifier(People, Trap);

#[async_trait]
impl CredentialVerifier for Verifier {
    async fn verify(&self, attempt: Attempt) -> Result<Verdict, BackendError> {
        if attempt.password().expose() == "correct horse" {
            Ok(self.0.verdict(attempt.username()))
        } else {
            Ok(Denial::WrongPassword.into())
        }
    }

    async fn recheck(&self, login: &Recheck) -> Result<Verdict, BackendError> {
        self.1.pass(At::BeforeRecheck as usize).await;
        let verdict = self.0.verdict(login.subject_id());
        self.1.pass(At::AfterRecheck as usize).await;
        Ok(verdict)
    }
}

/// The store, with traps around each step.
struct Trapped {
    store: SqliteStore,
    trap: Trap,
}

impl Trapped {
    async fn around<T>(&self, [before, after]: [At; 2], call: impl Future<Output = T>) -> T {
        self.trap.pass(before as usize).await;
        let answer = call.await;
        self.trap.pass(after as usize).await;
        answer
    }
}

#[async_trait]
impl OneTimeValues for Trapped {
    async fn consume(&self, value: &SecretDigest, expires: SystemTime) -> Result<bool, BackendError> {
        self.around([At::BeforeConsume, At::AfterConsume], self.store.consume(value, expires)).await
    }

    async fn is_spent(&self, value: &SecretDigest) -> Result<bool, BackendError> {
        self.store.is_spent(value).await
    }
}

#[async_trait]
impl FactorStore for Trapped {
    async fn list(&self, user: FactorUser<'_>, now: SystemTime) -> Result<Vec<Authenticator>, BackendError> {
        FactorStore::list(&self.store, user, now).await
    }

    async fn enrol(
        &self,
        user: FactorUser<'_>,
        enrolment: Enrolment,
        now: SystemTime,
    ) -> Result<Enrolled, BackendError> {
        self.around([At::BeforeEnrol, At::AfterEnrol], self.store.enrol(user, enrolment, now)).await
    }

    async fn confirm(
        &self,
        user: FactorUser<'_>,
        id: &AuthenticatorId,
        if_no_factor: bool,
        now: SystemTime,
    ) -> Result<bool, BackendError> {
        self.around([At::BeforeConfirm, At::AfterConfirm], self.store.confirm(user, id, if_no_factor, now)).await
    }

    async fn remove(
        &self,
        user: FactorUser<'_>,
        id: &AuthenticatorId,
        if_no_factor: bool,
    ) -> Result<Removed, BackendError> {
        let removing = FactorStore::remove(&self.store, user, id, if_no_factor);
        self.around([At::BeforeRemove, At::AfterRemove], removing).await
    }

    async fn remove_all(&self, user: FactorUser<'_>) -> Result<(), BackendError> {
        FactorStore::remove_all(&self.store, user).await
    }

    async fn spend_step(&self, user: FactorUser<'_>, id: &AuthenticatorId, step: u64) -> Result<bool, BackendError> {
        self.around([At::BeforeSpend, At::AfterSpend], self.store.spend_step(user, id, step)).await
    }

    async fn swap_recovery_code(
        &self,
        user: FactorUser<'_>,
        old: &SecretDigest,
        new: &SecretDigest,
    ) -> Result<bool, BackendError> {
        self.around([At::BeforeSwap, At::AfterSwap], self.store.swap_recovery_code(user, old, new)).await
    }
}

#[async_trait]
impl RefreshTokenStore for Trapped {
    async fn begin(&self, new: NewFamily) -> Result<Vec<FamilyId>, BackendError> {
        self.around([At::BeforeBegin, At::AfterBegin], RefreshTokenStore::begin(&self.store, new)).await
    }

    fn find(&self, family: FamilyId) -> MaybeFuture<'_, Result<Option<StoredFamily>, BackendError>> {
        RefreshTokenStore::find(&self.store, family)
    }

    fn rotate(&self, rotation: Rotation) -> MaybeFuture<'_, Result<bool, BackendError>> {
        RefreshTokenStore::rotate(&self.store, rotation)
    }

    async fn revoke_family(&self, family: FamilyId) -> Result<bool, BackendError> {
        RefreshTokenStore::revoke_family(&self.store, family).await
    }

    async fn revoke_subject(&self, realm: Option<&str>, subject: &str) -> Result<u64, BackendError> {
        RefreshTokenStore::revoke_subject(&self.store, realm, subject).await
    }

    fn identity(&self) -> Option<StoreIdentity> {
        RefreshTokenStore::identity(&self.store)
    }
}

/// The limiter, with traps around each step.
struct TrappedLimiter {
    limiter: SqliteLimiter,
    trap: Trap,
}

impl AttemptLimiter for TrappedLimiter {
    fn reserve<'a>(&'a self, key: &'a AttemptKey<'a>) -> MaybeFuture<'a, Result<Reserved, BackendError>> {
        MaybeFuture::new(async move {
            self.trap.pass(At::BeforeCharge as usize).await;
            let reserved = self.limiter.reserve(key).await;
            self.trap.pass(At::AfterCharge as usize).await;
            reserved
        })
    }

    fn settle(
        &self,
        reservation: Reservation,
        settlement: Settlement,
    ) -> MaybeFuture<'_, Result<Option<BegunLock>, BackendError>> {
        MaybeFuture::new(async move {
            let [before, after] = if reservation.is_resumed() {
                [At::BeforeSettlePassword, At::AfterSettlePassword]
            } else {
                [At::BeforeSettle, At::AfterSettle]
            };
            self.trap.pass(before as usize).await;
            let settled = self.limiter.settle(reservation, settlement).await;
            self.trap.pass(after as usize).await;
            settled
        })
    }
}

/// The issuer, with traps around what it does.
struct TrappedIssuer {
    issuer: OpaqueIssuer<SqliteStore>,
    trap: Trap,
}

#[async_trait]
impl TokenIssuer for TrappedIssuer {
    async fn issue(&self, grant: Grant) -> Result<IssuedTokens, BackendError> {
        self.trap.pass(At::BeforeIssue as usize).await;
        let issued = self.issuer.issue(grant).await;
        self.trap.pass(At::AfterIssue as usize).await;
        issued
    }

    fn store_identity(&self) -> Option<StoreIdentity> {
        self.issuer.store_identity()
    }
}

/// Budgets that nothing spends.
fn without_budgets() -> Limits {
    let many = Lockout::new(u32::MAX, Duration::from_secs(60));
    Limits::new().with_challenge_budget(many).with_factor_budget(many).with_factor_in_a_row_budget(many)
}

pub async fn serve(file: PathBuf) {
    let (trap, time) = (Trap::default(), FileTime::beside(&file));
    let store = SqliteStore::builder(&file).clock(time.clone()).busy_timeout(PATIENCE).open().unwrap();
    let app = Client::public("app").allow_password_grant().allow_refresh_tokens().allow_second_factor();
    let app = app.scopes("read").default_scope("read").build().unwrap();
    store.put_client(&app).await.unwrap();
    let trapped = || Trapped { store: store.clone(), trap: trap.clone() };
    let limits = if file.ends_with(WITHOUT_BUDGETS) { without_budgets() } else { Limits::new() };
    let limiter = TrappedLimiter { limiter: store.limiter().with_limits(limits), trap: trap.clone() };
    let issuer = OpaqueIssuer::new(store.clone());
    let factors = Factors::new(trapped(), SecretKeys::new("1", [7; 32]).unwrap());
    let layer = PasswordGrant::builder()
        .clients(store.clone())
        .verifier(Verifier(People::beside(&file), trap.clone()))
        .issuer(TrappedIssuer { issuer: issuer.clone(), trap: trap.clone() })
        .access_tokens(issuer)
        .refresh_tokens(RefreshTokens::in_store(trapped()))
        .metadata(Metadata::new(ISSUER))
        .second_factor(factors.demand(When::Always).totp("Example Bank"))
        .attack_protection(AttackProtection::new().limiter(limiter).request_ceiling(RequestCeiling::none()))
        .clock(time)
        .request_limits(RequestLimits::new().deadline(Some(2 * PATIENCE)).store_deadline(Some(PATIENCE)))
        .peer_address(senders())
        .build()
        .unwrap();
    trap::serve(layer, trap, At::BeforeAnswer as usize).await;
}
