//! The tables, and the name of the schema that they are in.

use super::error::PostgresError;

/// The version of the tables. Until the first release it stays 1, whatever changes in them.
///
/// A version keeps all that the statements of the one before it use: tables, columns, functions with their parameters, and what a
/// program of that version can read. So both can serve together, while servers are updated one after the other. What an earlier program
/// must not pass over is a new form of what it reads, which it refuses, and no new column beside it.
pub(super) const VERSION: i64 = 1;

/// The latest version whose tables this program can use: that of the next program.
pub(super) const LATEST: i64 = VERSION + 1;

/// The tables, and then the functions.
const SCHEMA: &str =
    concat!(include_str!("schema.sql"), include_str!("functions.sql"), include_str!("functions_of_users.sql"));

/// The longest name that PostgreSQL does not cut off, in bytes.
const LONGEST: usize = 63;

/// The name of a schema.
#[derive(Clone, Debug)]
pub(super) struct SchemaName(String);

impl SchemaName {
    /// # Errors
    /// Fails on a name that is empty or too long, or that the script cannot hold.
    pub(super) fn new(name: &str) -> Result<Self, PostgresError> {
        // Two dollar signs would end a function, and a backslash a text under an old setting.
        let is_plain = !["\0", "\\", "$$"].iter().any(|odd| name.contains(odd));
        let is_name = is_plain && !name.is_empty() && name.len() <= LONGEST;
        if is_name { Ok(Self(name.to_owned())) } else { Err(PostgresError::NotAName(name.to_owned())) }
    }

    /// As an identifier.
    pub(super) fn quoted(&self) -> String {
        format!("\"{}\"", self.0.replace('"', "\"\""))
    }

    /// As a text. A backslash means nothing in one that begins so.
    fn as_text(&self) -> String {
        format!("'{}'", self.0.replace('\'', "''"))
    }

    /// The script that makes the tables, or changes those of an earlier version into these.
    pub(super) fn script(&self) -> String {
        // What a name holds is not looked at again.
        let pieces = SCHEMA.split("{version}").map(|piece| {
            let pieces = piece.split("{name}").map(|piece| piece.replace("{schema}", &self.quoted()));
            pieces.collect::<Vec<_>>().join(&self.as_text())
        });
        pieces.collect::<Vec<_>>().join(&VERSION.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_quoted_and_nothing_in_it_is_read_as_a_statement() {
        let name = SchemaName::new("a\"b'; {name}").unwrap();
        assert_eq!(name.quoted(), "\"a\"\"b'; {name}\"");
        let script = name.script();
        assert!(
            script.contains("nspname = 'a\"b''; {name}')") && script.contains("\"a\"\"b'; {name}\".refresh_families")
        );
        for name in ["", "a\0b", "a\\b", "a$$; DROP TABLE b; --", &"x".repeat(64)] {
            assert!(matches!(SchemaName::new(name), Err(PostgresError::NotAName(_))), "{name:?}");
        }
    }
}
