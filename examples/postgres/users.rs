//! The table of users.

use async_trait::async_trait;
use deadpool_postgres::Pool;
use tokio_postgres::Config;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::ToSql;
use tower_password_grant::BackendError;
use tower_password_grant::store::{LoginName, StoredUser, UserStatus, UserStore};

use crate::pool;
use crate::start::{self, Error};

/// The users in PostgreSQL.
pub(crate) struct Users {
    pool: Pool,
}

impl Users {
    /// Users of the server that `config` names. Connects at the first look-up.
    pub(crate) fn new(config: Config) -> Result<Self, Error> {
        Ok(Self { pool: pool::pool(config)? })
    }

    /// Whether the table is as `find` needs it.
    pub(crate) async fn check(&self) -> Result<(), Error> {
        let client = self.pool.get().await.map_err(unreachable)?;
        client.query("SELECT id, password_hash, disabled, account_key FROM users LIMIT 0", &[]).await.map_err(
            |error| match error.code() {
                Some(&SqlState::UNDEFINED_TABLE) => {
                    Error::from("the database has no table `users`: psql \"$DATABASE\" -f examples/postgres/users.sql")
                }
                Some(&SqlState::UNDEFINED_COLUMN) => {
                    Error::from("the users have no keys yet: run this once with the argument `prepare`")
                }
                _ => error.into(),
            },
        )?;
        Ok(())
    }

    /// The one user of a statement. Any error is "cannot tell": 503, never a wrong password.
    async fn one(&self, statement: &str, key: &(dyn ToSql + Sync)) -> Result<Option<StoredUser>, BackendError> {
        let client = pool::connection(&self.pool).await?;
        let statement = client.prepare_cached(statement).await?;
        let Some(row) = client.query_opt(&statement, &[key]).await? else { return Ok(None) };
        let (id, hash, disabled) = (row.try_get::<_, i64>(0)?, row.try_get::<_, String>(1)?, row.try_get(2)?);
        let status = if disabled { UserStatus::Disabled } else { UserStatus::Active };
        Ok(Some(StoredUser::new(id.to_string()).with_password_hash(hash).with_status(status)))
    }
}

/// What stands in the way between this program and the server.
pub(crate) fn unreachable(error: impl std::error::Error + Send + Sync + 'static) -> Error {
    format!("{}; is this the server that DATABASE names, and is it up?", start::causes(&error)).into()
}

#[async_trait]
impl UserStore for Users {
    async fn find(&self, login: &LoginName<'_>, _realm: Option<&str>) -> Result<Option<StoredUser>, BackendError> {
        self.one("SELECT id, password_hash, disabled FROM users WHERE account_key = $1", &login.canonical()).await
    }

    async fn find_by_id(&self, user_id: &str, _realm: Option<&str>) -> Result<Option<StoredUser>, BackendError> {
        let Ok(id) = user_id.parse::<i64>() else { return Ok(None) };
        self.one("SELECT id, password_hash, disabled FROM users WHERE id = $1", &id).await
    }

    async fn save_hash(&self, user_id: &str, old_hash: &str, new_hash: &str) -> Result<bool, BackendError> {
        let Ok(id) = user_id.parse::<i64>() else { return Ok(false) };
        let client = pool::connection(&self.pool).await?;
        let replace = "UPDATE users SET password_hash = $3 WHERE id = $1 AND password_hash = $2";
        let statement = client.prepare_cached(replace).await?;
        Ok(client.execute(&statement, &[&id, &old_hash, &new_hash]).await? == 1)
    }
}
