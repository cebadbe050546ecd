//! Removing what is over, a few hundred rows at a time, so that no request waits for long.

use super::db::Db;
use super::failure::Failure;

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
const REFRESH_FAMILIES: &str = "DELETE FROM refresh_families WHERE row IN
    (SELECT row FROM (SELECT row FROM refresh_families WHERE expires <= ?1 ORDER BY expires LIMIT ?2) due
     WHERE NOT EXISTS (SELECT 1 FROM refresh_tokens t WHERE t.family = due.row))";

pub(super) const STATEMENTS: [&str; 4] = [SPENT_VALUES, ACCESS_TOKENS, REFRESH_TOKENS, REFRESH_FAMILIES];

/// What one step removed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Step {
    pub(super) rows: u64,
    /// There may be more.
    pub(super) is_short: bool,
}

/// Removes what ended at `before` or earlier, in milliseconds.
pub(super) fn step(db: &Db, before: i64) -> Result<Step, Failure> {
    let mut step = Step { rows: 0, is_short: false };
    for sql in STATEMENTS {
        let rows = db.execute(sql, [before, ROWS])? as u64;
        step.rows = step.rows.saturating_add(rows);
        step.is_short |= rows >= ROWS.unsigned_abs();
    }
    Ok(step)
}
