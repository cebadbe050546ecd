//! Removing what is over, a few hundred rows at a time, so that no request waits for long.

use super::db::Db;
use super::failure::Failure;
use crate::protocol::client_builder::MAX_LEEWAY;

/// The most rows of each table in one step.
const ROWS: i64 = 256;

const SPENT_VALUES: &str = "DELETE FROM spent_values WHERE digest IN
    (SELECT digest FROM spent_values WHERE expires <= ?1 LIMIT ?2)";
const ACCESS_TOKENS: &str = "DELETE FROM access_tokens WHERE digest IN
    (SELECT digest FROM access_tokens WHERE expires <= ?1 LIMIT ?2)";
/// A family may have any number of tokens: they go before it does.
const REFRESH_TOKENS: &str = "DELETE FROM refresh_tokens WHERE digest IN
    (SELECT t.digest FROM refresh_families f CROSS JOIN refresh_tokens t ON t.family = f.row
     WHERE f.expires <= ?1 LIMIT ?2)";
/// What hides the access tokens of a family that was ended stays as long as they do.
const REFRESH_FAMILIES: &str = "DELETE FROM refresh_families WHERE row IN
    (SELECT row FROM (SELECT row, id, ended FROM refresh_families WHERE expires <= ?1 ORDER BY expires LIMIT ?2) due
     WHERE NOT EXISTS (SELECT 1 FROM refresh_tokens t WHERE t.family = due.row)
     AND (ended IS NULL OR NOT EXISTS (SELECT 1 FROM access_tokens a WHERE a.family = due.id)))";

/// For how long a family that was ended is kept, in milliseconds: longer than any request that may still insert an access
/// token of it takes.
const ENDED: i64 = 600_000;
const ENDED_ACCESS_TOKENS: &str = "DELETE FROM access_tokens WHERE digest IN
    (SELECT a.digest FROM (SELECT id FROM refresh_families WHERE ended <= ?1 ORDER BY ended LIMIT ?2) due
     CROSS JOIN access_tokens a ON a.family = due.id LIMIT ?2)";
const ENDED_REFRESH_TOKENS: &str = "DELETE FROM refresh_tokens WHERE digest IN
    (SELECT t.digest FROM (SELECT row FROM refresh_families WHERE ended <= ?1 ORDER BY ended LIMIT ?2) due
     CROSS JOIN refresh_tokens t ON t.family = due.row LIMIT ?2)";
const ENDED_FAMILIES: &str = "DELETE FROM refresh_families WHERE row IN
    (SELECT row FROM (SELECT row, id FROM refresh_families WHERE ended <= ?1 ORDER BY ended LIMIT ?2) due
     WHERE NOT EXISTS (SELECT 1 FROM refresh_tokens t WHERE t.family = due.row)
     AND NOT EXISTS (SELECT 1 FROM access_tokens a WHERE a.family = due.id))";

/// The longest time in which a predecessor may be presented again, in milliseconds.
const LEEWAY: i64 = MAX_LEEWAY.as_millis() as i64;
/// Who has a copy of the file and an old token could derive its successor from the salt. Such a predecessor is spent, as all
/// older tokens are.
const SALTS: &str = "UPDATE refresh_families SET predecessor = NULL, salt = NULL, used = NULL WHERE row IN
    (SELECT row FROM refresh_families WHERE used < ?1 LIMIT ?2)";

const EXPIRED: [&str; 4] = [SPENT_VALUES, ACCESS_TOKENS, REFRESH_TOKENS, REFRESH_FAMILIES];
const OF_ENDED: [&str; 3] = [ENDED_ACCESS_TOKENS, ENDED_REFRESH_TOKENS, ENDED_FAMILIES];

pub(super) fn statements() -> impl Iterator<Item = &'static str> {
    EXPIRED.into_iter().chain(OF_ENDED).chain([SALTS])
}

/// What one step removed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Step {
    pub(super) rows: u64,
    /// There may be more.
    pub(super) is_short: bool,
}

/// Removes what expired at `before` or earlier, what is left of families that were ended some time ago, and salts that
/// nobody may ask for any more. Instants are in milliseconds.
pub(super) fn step(db: &Db, now: i64, before: i64) -> Result<Step, Failure> {
    let mut step = Step { rows: 0, is_short: false };
    let ended = now.saturating_sub(ENDED);
    let due = EXPIRED.map(|sql| (sql, before)).into_iter().chain(OF_ENDED.map(|sql| (sql, ended)));
    for (sql, before) in due {
        let rows = db.execute(sql, [before, ROWS])? as u64;
        step.rows = step.rows.saturating_add(rows);
        step.is_short |= rows >= ROWS.unsigned_abs();
    }
    let blanked = db.execute(SALTS, [now.saturating_sub(LEEWAY), ROWS])? as u64;
    step.is_short |= blanked >= ROWS.unsigned_abs();
    Ok(step)
}
