//! The authenticators of users, a row for each, with the digests of recovery codes in the row that stands for them.
//!
//! What becomes of those of one user is decided outside the database, from what was read, and written if there are still the same.

use std::time::SystemTime;

use async_trait::async_trait;

use super::cells::Cells;
use super::connection::PostgresValue::{self, BigInt, Bytes, BytesList, Text, TextList};
use super::failure::Failure;
use super::store::{PostgresStore, finds_room};
use crate::boundary::backend::BackendError;
use crate::boundary::factors::store::FactorStore;
use crate::protocol::factor::authenticator::{
    Authenticator, AuthenticatorId, Enrolled, Enrolment, FactorUser, Removed,
};
use crate::protocol::factor::changes::{FactorChanges, UserFactors};
use crate::protocol::millis::floor;
use crate::protocol::secret::secrets::SecretDigest;

/// How often a change is decided anew where another one was first each time: one of them was done at each turn.
const TURNS: u32 = 64;

fn read_authenticator(mut cells: Cells) -> Result<Authenticator, Failure> {
    const BAD: Failure = Failure::Row("an authenticator");
    let id = AuthenticatorId::parse(&cells.text()?).ok_or(BAD)?;
    let kind = id.kind().ok_or(BAD)?;
    let (name, sealed, created) = (cells.text_or_none()?, cells.bytes()?, cells.instant()?);
    let (is_active, last_step) = (cells.bool()?, cells.number_or_none()?.map(i64::cast_unsigned));
    Ok(Authenticator { is_active, last_step, ..Authenticator::new(id, kind, name, sealed, created) })
}

/// The identifiers of those that are active, or of those that wait, in the order of their bytes.
fn seen(kept: &[Authenticator], is_active: bool) -> Vec<Option<&str>> {
    let mut ids: Vec<_> = kept.iter().filter(|kept| kept.is_active == is_active).map(|kept| kept.id.as_str()).collect();
    ids.sort_unstable();
    ids.into_iter().map(Some).collect()
}

fn texts(ids: &[AuthenticatorId]) -> Vec<Option<&str>> {
    ids.iter().map(|id| Some(id.as_str())).collect()
}

/// The values of `change_factors`.
fn change<'a>(user: FactorUser<'a>, kept: &'a [Authenticator], changes: &'a FactorChanges) -> [PostgresValue<'a>; 6] {
    [
        Text(Some(user.subject)),
        Text(user.realm),
        TextList(seen(kept, true)),
        TextList(seen(kept, false)),
        TextList(texts(&changes.removed)),
        TextList(texts(&changes.confirmed)),
    ]
}

/// An authenticator that is added, or none.
fn added(new: Option<&Authenticator>) -> [PostgresValue<'_>; 4] {
    [
        Text(new.map(|new| new.id.as_str())),
        Text(new.and_then(|new| new.name.as_deref())),
        Bytes(new.map(|new| new.sealed.as_slice())),
        BigInt(new.map(|new| floor(new.created))),
    ]
}

/// The values of `enrol_factor` behind those of `change_factors`.
fn enrolled(enrolment: &Enrolment) -> Vec<PostgresValue<'_>> {
    let recovery = enrolment.recovery.as_ref();
    let digests = recovery.map(|recovery| recovery.digests.as_slice()).unwrap_or_default();
    let codes = BytesList(digests.iter().map(|digest| Some(&digest.as_bytes()[..])).collect());
    let (new, codes_of) = (added(Some(&enrolment.authenticator)), added(recovery.map(|codes| &codes.authenticator)));
    [&new[..], &codes_of, &[codes]].concat()
}

impl PostgresStore {
    /// All authenticators of a user, the oldest first.
    async fn factors_of(&self, user: FactorUser<'_>) -> Result<Vec<Authenticator>, Failure> {
        let rows = self.rows(&self.statements().factors_of, &[Text(Some(user.subject)), Text(user.realm)]).await?;
        rows.into_iter().map(|row| read_authenticator(Cells::of(row))).collect()
    }

    /// Does what is decided from the authenticators of a user, with these values behind those of the change, if they are still the
    /// same. Answers why nothing is to be done.
    async fn change_factors<E>(
        &self,
        user: FactorUser<'_>,
        statement: &str,
        more: &[PostgresValue<'_>],
        decide: impl Fn(UserFactors<'_>) -> Result<FactorChanges, E>,
    ) -> Result<Result<(), E>, Failure> {
        for _ in 0..TURNS {
            let kept = self.factors_of(user).await?;
            let changes = match decide(UserFactors::of(&kept)) {
                Ok(changes) => changes,
                Err(answer) => return Ok(Err(answer)),
            };
            let values = [&change(user, &kept, &changes)[..], more].concat();
            if self.row(statement, &values).await?.bool()? {
                return Ok(Ok(()));
            }
        }
        Err(Failure::Overtaken(TURNS))
    }
}

#[async_trait]
impl FactorStore for PostgresStore {
    async fn list(&self, user: FactorUser<'_>, now: SystemTime) -> Result<Vec<Authenticator>, BackendError> {
        let mut found = self.factors_of(user).await.map_err(Failure::into_backend)?;
        found.retain(|kept| !kept.is_over(now));
        Ok(found)
    }

    async fn enrol(
        &self,
        user: FactorUser<'_>,
        enrolment: Enrolment,
        _now: SystemTime,
    ) -> Result<Enrolled, BackendError> {
        finds_room(&[user.subject]).map_err(Failure::into_backend)?;
        let (statement, more) = (&self.statements().enrol_factor, enrolled(&enrolment));
        let done = self.change_factors(user, statement, &more, |kept| kept.enrol(&enrolment));
        Ok(done.await.map_err(Failure::into_backend)?.err().unwrap_or(Enrolled::Begun))
    }

    async fn confirm(
        &self,
        user: FactorUser<'_>,
        id: &AuthenticatorId,
        if_no_factor: bool,
        now: SystemTime,
    ) -> Result<bool, BackendError> {
        let decide = |kept: UserFactors<'_>| kept.confirm(id, if_no_factor, now).ok_or(());
        let done = self.change_factors(user, &self.statements().change_factors, &[], decide);
        Ok(done.await.map_err(Failure::into_backend)?.is_ok())
    }

    async fn remove(
        &self,
        user: FactorUser<'_>,
        id: &AuthenticatorId,
        if_no_factor: bool,
    ) -> Result<Removed, BackendError> {
        let decide = |kept: UserFactors<'_>| kept.remove(id, if_no_factor);
        let done = self.change_factors(user, &self.statements().change_factors, &[], decide);
        Ok(done.await.map_err(Failure::into_backend)?.err().unwrap_or(Removed::Gone))
    }

    async fn remove_all(&self, user: FactorUser<'_>) -> Result<(), BackendError> {
        let values = [Text(user.realm), TextList(vec![Some(user.subject)])];
        self.row(&self.statements().remove_factors_of, &values).await.map(drop).map_err(Failure::into_backend)
    }

    async fn spend_step(&self, user: FactorUser<'_>, id: &AuthenticatorId, step: u64) -> Result<bool, BackendError> {
        let step = i64::try_from(step).map_err(|_| Failure::Value("a time step").into_backend())?;
        let values = [Text(Some(user.subject)), Text(user.realm), Text(Some(id.as_str())), BigInt(Some(step))];
        self.is_done(&self.statements().spend_step, &values).await
    }

    async fn swap_recovery_code(
        &self,
        user: FactorUser<'_>,
        old: &SecretDigest,
        new: &SecretDigest,
    ) -> Result<bool, BackendError> {
        let (old, new) = (Bytes(Some(old.as_bytes())), Bytes(Some(new.as_bytes())));
        let values = [Text(Some(user.subject)), Text(user.realm), old, new];
        self.is_done(&self.statements().swap_recovery_code, &values).await
    }
}
