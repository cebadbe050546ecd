//! Credentials of nobody: for a look-up that must find no account, and cost what any other costs.

use crate::protocol::secret::secrets::{RandomnessError, fill_random};
use crate::protocol::wire::form::MAX_USERNAME;

/// So many bits of a name are left to chance, at least: 14 letters or 19 digits.
const BITS: u32 = 56;

/// A name that nobody has, in the form of `like`, so that a directory takes the same way with it: of the same length, with the same
/// domain, and for each letter or digit another one of its kind.
///
/// A name that is too short to be surely nobody's has more letters or digits in front. It is never longer than the name of a request
/// can be.
pub(crate) fn name_of_nobody(like: &str) -> Result<String, RandomnessError> {
    let (domain, own, host) = parts(like);
    let form = [&padding(own), own].concat();
    let mut random = vec![0; form.chars().count()];
    fill_random(&mut random)?;
    let own: String = form.chars().zip(random).map(|(c, byte)| other(c, byte)).collect();
    let name = [domain, &own, host].concat();
    // No directory has a name like that: nothing of its form counts but the length.
    if name.len() > MAX_USERNAME { letters(like.len().min(MAX_USERNAME)) } else { Ok(name) }
}

/// What names the account, between the two ways to write the domain by which a directory may go: `DOMAIN\account` and `account@host`.
fn parts(name: &str) -> (&str, &str, &str) {
    let (domain, rest) = name.split_at(name.rfind('\\').map_or(0, |at| at.saturating_add(1)));
    let (own, host) = rest.split_at(rest.rfind('@').unwrap_or(rest.len()));
    (domain, own, host)
}

/// What is to stand in front of a name that leaves too little to chance.
fn padding(own: &str) -> String {
    let left = BITS.saturating_sub(own.chars().map(bits).sum());
    let like = own.chars().find(|c| bits(*c) > 0).unwrap_or('a');
    let count = left.div_ceil(bits(like).max(1));
    (0..count).map(|_| like).collect()
}

/// How much chance there is in another character of this kind.
fn bits(c: char) -> u32 {
    match c {
        'a'..='z' | 'A'..='Z' => 4,
        '0'..='9' => 3,
        c => siblings(c).count().checked_ilog2().unwrap_or(0),
    }
}

/// Another letter for a letter, and another digit for a digit, of as many bytes. Some come a little more often than others, which helps
/// nobody.
fn other(c: char, byte: u8) -> char {
    match c {
        'a'..='z' => char::from(b'a'.saturating_add(byte % 26)),
        'A'..='Z' => char::from(b'A'.saturating_add(byte % 26)),
        '0'..='9' => char::from(b'0'.saturating_add(byte % 10)),
        c => {
            let chosen = usize::from(byte).checked_rem(siblings(c).count());
            chosen.and_then(|chosen| siblings(c).nth(chosen)).unwrap_or(c)
        }
    }
}

/// The characters of the kind of this one, if it is a letter or digit beyond ASCII: those around it in Unicode.
fn siblings(c: char) -> impl Iterator<Item = char> {
    let kind = |c: char| (c.len_utf8(), c.is_alphabetic(), c.is_lowercase(), c.is_uppercase());
    let first = u32::from(c) & !31;
    let around = (first..=first | 31).filter_map(char::from_u32);
    around
        .filter(move |other| !c.is_ascii() && c.is_alphanumeric() && other.is_alphanumeric() && kind(*other) == kind(c))
}

/// So many random letters.
pub(crate) fn letters(count: usize) -> Result<String, RandomnessError> {
    let mut random = vec![0; count];
    fill_random(&mut random)?;
    Ok(random.into_iter().map(|byte| other('a', byte)).collect())
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use proptest::prelude::*;

    /// A name with `a` for each small letter and so on, and `ö` for a letter beyond ASCII.
    fn form(name: &str) -> String {
        let kind = |c| match c {
            'a'..='z' => 'a',
            'A'..='Z' => 'A',
            '0'..='9' => '0',
            c if c.is_alphabetic() => 'ö',
            c => c,
        };
        name.chars().map(kind).collect()
    }

    #[test]
    fn a_name_of_nobody_has_length_form_and_domain_of_another_and_never_comes_twice() {
        for like in [
            "alexandra.mueller-7@example.org",
            "ACME\\Alexandra Mueller",
            "ACME\\alexandra.mueller@mail.example.org",
            "a@b@alexandra.mueller@example.org",
            "1234567890123456789",
            "+49 1234 5678901234567",
            "александрасергеевна",
            "jörg.müller.lüdenscheidt",
        ] {
            let names: HashSet<String> = (0..1000).map(|_| name_of_nobody(like).unwrap()).collect();
            assert_eq!(names.len(), 1000);
            let (domain, _, host) = parts(like);
            for name in names {
                assert_eq!((name.len(), form(&name)), (like.len(), form(like)), "{name}");
                assert!(name.starts_with(domain) && name.ends_with(host), "{name}");
            }
        }
    }

    #[test]
    fn a_short_name_gets_as_much_in_front_as_makes_it_nobodys() {
        for (like, expected) in [
            ("al@example.org", "aaaaaaaaaaaaaa@aaaaaaa.aaa"),
            ("ACME\\al", "AAAA\\aaaaaaaaaaaaaa"),
            ("A", "AAAAAAAAAAAAAA"),
            ("4711", "0000000000000000000"),
            ("@", "aaaaaaaaaaaaaa@"),
            ("-", "aaaaaaaaaaaaaa-"),
            ("Иван", "öööööööööööö"),
        ] {
            let names: HashSet<String> = (0..1000).map(|_| name_of_nobody(like).unwrap()).collect();
            assert_eq!(names.len(), 1000);
            for name in names {
                assert_eq!(form(&name), expected, "{name}");
            }
        }
    }

    #[test]
    fn no_name_is_longer_than_a_request_can_send() {
        let domain = format!("al@{}", "x".repeat(MAX_USERNAME - 3));
        let signs = "-".repeat(MAX_USERNAME);
        for like in [domain, signs] {
            let name = name_of_nobody(&like).unwrap();
            assert_eq!((name.len(), form(&name)), (MAX_USERNAME, "a".repeat(MAX_USERNAME)));
        }
    }

    proptest! {
        #[test]
        fn a_name_of_nobody_is_one_that_a_request_may_have(like in ".{1,300}") {
            let name = name_of_nobody(&like).unwrap();
            prop_assert!(name.len() >= like.len() && name.len() <= MAX_USERNAME);
            let [controls, kept] = [&name, &like].map(|text| text.chars().filter(|c| c.is_control()).count());
            prop_assert!(controls <= kept);
        }
    }
}
