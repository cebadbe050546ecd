//! How counts are written into a row: a version, since when and up to which number they are counted, the tally, and the
//! fingerprint of the secret that was denied last where that may lie in the file. When they were changed last stands
//! beside them.

use crate::limiter::step::records::Counts;
use crate::limiter::step::tally::{Tally, TallyBytes};
use crate::protocol::versioned::{self, Unreadable, take};
use crate::sqlite::columns::get;
use crate::sqlite::failure::Failure;

/// The version of what is written here. A row of a later one is an error, and stays as it is.
const VERSION: u8 = 1;

/// Of a row whose fingerprint lies elsewhere.
const SHORT: usize = 1 + 8 + 4 + size_of::<TallyBytes>();

pub(super) fn bytes(counts: &Counts, keeps_print: bool) -> Vec<u8> {
    let Counts { since, number, tally, .. } = counts;
    let mut bytes = Vec::with_capacity(SHORT + 4);
    bytes.push(VERSION);
    bytes.extend_from_slice(&since.to_le_bytes());
    bytes.extend_from_slice(&number.to_le_bytes());
    bytes.extend_from_slice(&tally.to_bytes());
    if keeps_print {
        bytes.extend_from_slice(&tally.print().to_le_bytes());
    }
    bytes
}

/// The counts of a row, from their column and the next one, and the fingerprint if it lies beside them.
pub(super) fn read(row: &rusqlite::Row<'_>, column: usize) -> Result<(Counts, Option<u32>), Failure> {
    let found: Vec<u8> = get(row, column)?;
    let (counts, print) = parse(&found)?;
    let changed = get::<i64>(row, column.saturating_add(1))?.max(0).cast_unsigned();
    Ok((Counts { changed, ..counts }, print))
}

fn parse(found: &[u8]) -> Result<(Counts, Option<u32>), Failure> {
    versioned::open(found, VERSION).and_then(split).map_err(|unreadable| match unreadable {
        Unreadable::Later(_) => Failure::Row("a count of attempts that a later version of the library wrote"),
        Unreadable::Damaged => Failure::Row("a damaged count of attempts"),
    })
}

fn split(mut rest: &[u8]) -> Result<(Counts, Option<u32>), Unreadable> {
    let since = u64::from_le_bytes(take(&mut rest)?);
    let number = u32::from_le_bytes(take(&mut rest)?);
    let tally = Tally::from_bytes(&take(&mut rest)?);
    let print = if rest.is_empty() { None } else { Some(u32::from_le_bytes(take(&mut rest)?)) };
    versioned::end(rest)?;
    Ok((Counts { since, number, tally, ..Counts::default() }, print))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn nothing_is_lost_on_the_way_through_a_row(since: u64, number: u32, counts: [u8; 20], print: u32) {
            let tally = Tally::from_bytes(&counts);
            let counts = Counts { since, number, tally: tally.with_print(print), ..Counts::default() };
            let read = Counts { tally: tally.with_print(0), ..counts };
            prop_assert_eq!(parse(&bytes(&counts, true)).unwrap(), (read, Some(print)));
            prop_assert_eq!(parse(&bytes(&counts, false)).unwrap(), (read, None));
        }

        #[test]
        fn what_another_version_wrote_or_what_is_damaged_is_an_error(found in prop::collection::vec(any::<u8>(), 0..48)) {
            let is_whole = found.first() == Some(&VERSION) && [SHORT, SHORT + 4].contains(&found.len());
            prop_assert_eq!(parse(&found).is_ok(), is_whole);
        }
    }
}
