//! Reads lists of passwords and of their hashes.

use std::io::BufRead;

use sha1::{Digest as _, Sha1};

use super::error::LeakedPasswordsError as Error;

/// What the filter keeps of a password: the first 64 bits of its SHA-1 hash.
pub(super) fn key_of(password: &[u8]) -> u64 {
    key_of_hash(&Sha1::digest(password).into())
}

fn key_of_hash(hash: &[u8; 20]) -> u64 {
    hash.first_chunk().copied().map_or(0, u64::from_be_bytes)
}

/// The keys of a list with one password in each line.
pub(super) fn read_passwords(list: impl BufRead) -> Result<Vec<u64>, Error> {
    read_lines(list, |line| Some(key_of(line)))
}

/// The keys of a list with one hash in each line.
pub(super) fn read_hashes(list: impl BufRead) -> Result<Vec<u64>, Error> {
    read_lines(list, parse_hash)
}

fn read_lines(mut list: impl BufRead, key: impl Fn(&[u8]) -> Option<u64>) -> Result<Vec<u64>, Error> {
    let mut keys = Vec::new();
    let mut line = Vec::new();
    let mut number = 0_u64;
    while list.read_until(b'\n', &mut line)? > 0 {
        number = number.saturating_add(1);
        let text = line.strip_suffix(b"\n").unwrap_or(&line);
        let text = text.strip_suffix(b"\r").unwrap_or(text);
        if !text.is_empty() {
            keys.push(key(text).ok_or(Error::Line(number))?);
        }
        line.clear();
    }
    Ok(keys)
}

/// The key of `HEX40` or `HEX40:COUNT`.
fn parse_hash(line: &[u8]) -> Option<u64> {
    let (digits, rest) = line.split_first_chunk::<40>()?;
    let count = match rest.split_first() {
        None => &b"0"[..],
        Some((b':', count)) => count,
        Some(_) => return None,
    };
    if count.is_empty() || !count.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let mut hash = [0; 20];
    let (pairs, _) = digits.as_chunks::<2>();
    for (byte, [high, low]) in hash.iter_mut().zip(pairs) {
        *byte = hex(*high)? << 4 | hex(*low)?;
    }
    Some(key_of_hash(&hash))
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `printf password | sha1sum`
    const HASH: &str = "5baa61e4c9b93f3f0682250b6cf8331b7ee68fd8";

    #[test]
    fn a_hash_and_its_password_have_one_key() {
        assert_eq!(key_of(b"password"), 0x5baa_61e4_c9b9_3f3f);
        for line in [HASH.to_owned(), HASH.to_uppercase(), format!("{HASH}:0"), format!("{HASH}:10434004")] {
            assert_eq!(parse_hash(line.as_bytes()), Some(key_of(b"password")), "{line}");
        }
    }

    #[test]
    fn other_lines_are_no_hashes() {
        let cut = &HASH[..39];
        for line in [
            cut.to_owned(),
            format!("{HASH}0"),
            format!("{HASH}:"),
            format!("{HASH}:x"),
            format!("{HASH}:-1"),
            format!("{HASH}: 1"),
            format!("{HASH} "),
            format!(" {HASH}"),
            format!("{cut}g"),
            format!("{cut}:"),
            format!("+{cut}"),
            "\u{feff}".to_owned() + HASH,
        ] {
            assert_eq!(parse_hash(line.as_bytes()), None, "{line}");
        }
    }
}
