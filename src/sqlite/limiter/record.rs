//! How a tally is written into a row: a version, the tally, and the fingerprint of the secret that was denied last where that may
//! lie in the file.

use crate::protection::tally::{Tally, TallyBytes};
use crate::sqlite::columns::get;
use crate::sqlite::failure::Failure;

/// The version of what is written here. A row of a later one is an error, and stays as it is.
const VERSION: u8 = 1;

pub(super) fn bytes(tally: Tally, keeps_print: bool) -> Vec<u8> {
    let print = tally.print().to_le_bytes();
    [&[VERSION][..], &tally.to_bytes()[..], if keeps_print { &print[..] } else { &[] }].concat()
}

/// The tally of a row, and the fingerprint if it lies beside it.
pub(super) fn read(row: &rusqlite::Row<'_>, column: usize) -> Result<(Tally, Option<u32>), Failure> {
    let found: Vec<u8> = get(row, column)?;
    parse(&found)
}

fn parse(found: &[u8]) -> Result<(Tally, Option<u32>), Failure> {
    const DAMAGED: Failure = Failure::Row("a damaged count of attempts");
    let rest = match found.split_first() {
        Some((&VERSION, rest)) => rest,
        Some((&later, _)) if later > VERSION => {
            return Err(Failure::Row("a count of attempts that a later version of the library wrote"));
        }
        _ => return Err(DAMAGED),
    };
    let (tally, print) = rest.split_first_chunk::<{ size_of::<TallyBytes>() }>().ok_or(DAMAGED)?;
    let print = match print {
        [] => None,
        print => Some(u32::from_le_bytes(print.try_into().map_err(|_| DAMAGED)?)),
    };
    Ok((Tally::from_bytes(tally), print))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn nothing_is_lost_on_the_way_through_a_row(counts: [u8; 20], print: u32) {
            let tally = Tally::from_bytes(&counts).with_print(print);
            prop_assert_eq!(parse(&bytes(tally, true)).unwrap(), (tally.with_print(0), Some(print)));
            prop_assert_eq!(parse(&bytes(tally, false)).unwrap(), (tally.with_print(0), None));
        }

        #[test]
        fn what_another_version_wrote_or_what_is_damaged_is_an_error(found in prop::collection::vec(any::<u8>(), 0..40)) {
            let is_whole = found.first() == Some(&VERSION) && [21, 25].contains(&found.len());
            prop_assert_eq!(parse(&found).is_ok(), is_whole);
        }
    }
}
