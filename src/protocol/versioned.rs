//! Bytes that begin with the version of what they mean.

/// Why they cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unreadable {
    /// A later version wrote them: nothing is known of what they mean, so they must not be replaced.
    Later(u8),
    Damaged,
}

/// What stands behind the version, which counts from 1.
pub(crate) fn open(bytes: &[u8], version: u8) -> Result<&[u8], Unreadable> {
    match bytes.split_first() {
        Some((found, rest)) if *found == version => Ok(rest),
        Some((later, _)) if *later > version => Err(Unreadable::Later(*later)),
        _ => Err(Unreadable::Damaged),
    }
}

/// Takes the next bytes, if there are so many.
pub(crate) fn take<const N: usize>(rest: &mut &[u8]) -> Result<[u8; N], Unreadable> {
    let (taken, left) = rest.split_first_chunk().ok_or(Unreadable::Damaged)?;
    *rest = left;
    Ok(*taken)
}

/// Nothing may be left behind the last bytes that mean something.
pub(crate) fn end(rest: &[u8]) -> Result<(), Unreadable> {
    if rest.is_empty() { Ok(()) } else { Err(Unreadable::Damaged) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_of_this_version_are_opened_and_others_are_later_or_damaged() {
        assert_eq!(open(&[2, 7, 8], 2), Ok(&[7, 8][..]));
        assert_eq!(
            [open(&[3, 7], 2), open(&[1, 7], 2), open(&[0], 2), open(&[], 2)],
            [Err(Unreadable::Later(3)), Err(Unreadable::Damaged), Err(Unreadable::Damaged), Err(Unreadable::Damaged)]
        );
    }

    #[test]
    fn each_byte_is_taken_once_and_none_beyond_the_end() {
        let mut rest = &[1, 2, 3][..];
        assert_eq!(take(&mut rest), Ok([1, 2]));
        assert_eq!((take::<2>(&mut rest), end(rest)), (Err(Unreadable::Damaged), Err(Unreadable::Damaged)));
        assert_eq!((take(&mut rest), end(rest)), (Ok([3]), Ok(())));
    }
}
