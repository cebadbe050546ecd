//! What the server's settings promise, and what they cannot.

use std::fmt;

use super::cells::Cells;
use super::failure::Failure;
use super::store::PostgresStore;
use crate::boundary::backend::OperationError;

/// What a server is set to lose. None of it stops the store.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PostgresWarning {
    /// `synchronous_commit` is this, so that the server answers before its log is on a disk.
    LateCommit(String),
    /// `fsync` is off: a machine that is lost may take the whole database with it.
    NoSync,
    /// These tables have no log: they are empty after the server's death.
    Unlogged(String),
    /// So many stand-bys follow at a distance: a fail-over to one loses the last writes.
    StandBys(u64),
}

impl fmt::Display for PostgresWarning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LateCommit(setting) => write!(
                f,
                "`synchronous_commit` is `{setting}`: the last writes are lost with the server, so a login ends, one that was ended lives \
                 again, or some guesses and a spent value are forgotten; `on` keeps them"
            ),
            Self::NoSync => f.write_str("`fsync` is `off`: the database may be lost with the machine; set it to `on`"),
            Self::Unlogged(tables) => write!(
                f,
                "the tables {tables} have no log: they are empty after the server's death; `ALTER TABLE .. SET LOGGED` keeps them"
            ),
            Self::StandBys(count) => write!(
                f,
                "{count} stand-bys follow at a distance: a fail-over loses the last writes, so a login ends, one that was ended lives \
                 again, or some guesses and a spent value are forgotten; name one in `synchronous_standby_names`"
            ),
        }
    }
}

/// What was asked of the server.
struct Settings {
    synchronous_commit: String,
    fsync: String,
    synchronous_standby_names: String,
    stand_bys: u64,
    unlogged: Option<String>,
}

impl Settings {
    fn read(cells: &mut Cells) -> Result<Self, Failure> {
        Ok(Self {
            synchronous_commit: cells.text()?,
            fsync: cells.text()?,
            synchronous_standby_names: cells.text()?,
            stand_bys: cells.number()?.unsigned_abs(),
            unlogged: cells.text_or_none()?,
        })
    }

    fn warnings(self) -> Vec<PostgresWarning> {
        let Self { synchronous_commit, fsync, synchronous_standby_names, stand_bys, unlogged } = self;
        let has_synchronous = !synchronous_standby_names.trim().is_empty();
        let is_late = match synchronous_commit.as_str() {
            "off" => true,
            // It does not wait for the stand-by that was named.
            "local" => has_synchronous,
            _ => false,
        };
        let warnings = [
            is_late.then_some(PostgresWarning::LateCommit(synchronous_commit)),
            (fsync == "off").then_some(PostgresWarning::NoSync),
            unlogged.map(PostgresWarning::Unlogged),
            (stand_bys > 0 && !has_synchronous).then_some(PostgresWarning::StandBys(stand_bys)),
        ];
        warnings.into_iter().flatten().collect()
    }
}

impl PostgresStore {
    /// Looks at the settings of the server as this connection sees them, and answers what they promise less than they could:
    /// `synchronous_commit`, `fsync`, tables without a log, and stand-bys that are not synchronous.
    /// [`open`](super::PostgresStoreBuilder::open) does it once.
    ///
    /// # Errors
    /// Fails if the server cannot be asked.
    pub async fn check(&self) -> Result<Vec<PostgresWarning>, OperationError> {
        let asked = self.row(&self.statements().settings, &[]).await;
        let settings = asked.and_then(|mut cells| Settings::read(&mut cells)).map_err(Failure::into_backend)?;
        Ok(settings.warnings())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn warnings(settings: [&str; 3], stand_bys: u64, unlogged: Option<&str>) -> Vec<PostgresWarning> {
        let [synchronous_commit, fsync, synchronous_standby_names] = settings.map(str::to_owned);
        let unlogged = unlogged.map(str::to_owned);
        Settings { synchronous_commit, fsync, synchronous_standby_names, stand_bys, unlogged }.warnings()
    }

    #[test]
    fn what_may_be_lost_is_told_and_nothing_else_is() {
        for good in ["on", "remote_apply", "remote_write"] {
            assert_eq!(warnings([good, "on", ""], 0, None), []);
            assert_eq!(warnings([good, "on", "standby"], 2, None), []);
        }
        assert_eq!(warnings(["local", "on", ""], 0, None), []);
        assert_eq!(warnings(["local", "on", "standby"], 1, None), [PostgresWarning::LateCommit("local".to_owned())]);
        let all = warnings(["off", "off", " "], 2, Some("spent_values"));
        let [late, no_sync, unlogged, stand_bys] = all.as_slice() else { panic!("{all:?}") };
        assert!(late.to_string().contains("`off`") && no_sync.to_string().contains("`fsync`"));
        assert!(unlogged.to_string().contains("spent_values") && stand_bys.to_string().starts_with("2 stand-bys"));
    }
}
