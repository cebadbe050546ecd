//! What is done once to a table that is older than this server: each user gets a key to be found by.

use tokio_postgres::Transaction;

use crate::keys::{Keys, User, keys};
use crate::start::Error;

/// Adds the column `account_key`, fills it, and lets no two users have the same. It may run again, after names were changed.
/// Gives the keys that nobody got, because several users would have them.
pub(crate) async fn prepare(table: Transaction<'_>) -> Result<Vec<(String, Vec<User>)>, Error> {
    table
        .batch_execute(
            "ALTER TABLE users ADD COLUMN IF NOT EXISTS account_key text;
             LOCK TABLE users IN SHARE ROW EXCLUSIVE MODE;",
        )
        .await?;
    let rows = table.query("SELECT id, login FROM users", &[]).await?;
    let users: Vec<User> =
        rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).collect::<Result<_, tokio_postgres::Error>>()?;

    let Keys { unique, shared } = keys(users);
    let (ids, keys): (Vec<i64>, Vec<String>) = unique.into_iter().unzip();
    // The index comes back last, so that keys may change hands in between.
    table.batch_execute("DROP INDEX IF EXISTS users_by_account_key; UPDATE users SET account_key = NULL;").await?;
    let fill = "UPDATE users SET account_key = new.key FROM unnest($1::bigint[], $2::text[]) AS new (id, key)
                WHERE users.id = new.id";
    table.execute(fill, &[&ids, &keys]).await?;
    table.batch_execute("CREATE UNIQUE INDEX users_by_account_key ON users (account_key)").await?;
    table.commit().await?;
    Ok(shared)
}
