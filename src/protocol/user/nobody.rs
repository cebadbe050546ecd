//! Credentials of nobody: for a look-up that must find no account, and cost what any other costs.

use crate::protocol::secret::secrets::{RandomnessError, fill_random};
use crate::protocol::wire::form::MAX_USERNAME;

/// So many random letters, with 122 bits, stand before the name.
const LETTERS: usize = 26;

/// A name that nobody has, in the form of `like`: an e-mail address for an e-mail address. Letters and digits are others, and more
/// stand before them than anybody guesses. It has at most as many bytes as the name of a request.
pub(crate) fn name_of_nobody(like: &str) -> Result<String, RandomnessError> {
    let mut random = vec![0; like.chars().count()];
    fill_random(&mut random)?;
    let mut name = letters(LETTERS)?;
    for (c, byte) in like.chars().zip(random) {
        let c = match c {
            c if c.is_alphabetic() => letter(byte),
            c if c.is_numeric() => digit(byte),
            c => c,
        };
        if name.len().saturating_add(c.len_utf8()) > MAX_USERNAME {
            break;
        }
        name.push(c);
    }
    Ok(name)
}

/// So many random letters.
pub(crate) fn letters(count: usize) -> Result<String, RandomnessError> {
    let mut random = vec![0; count];
    fill_random(&mut random)?;
    Ok(random.into_iter().map(letter).collect())
}

/// Some letters come a little more often than others, which helps nobody.
fn letter(byte: u8) -> char {
    char::from(b'a'.saturating_add(byte % 26))
}

fn digit(byte: u8) -> char {
    char::from(b'0'.saturating_add(byte % 10))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_name_of_nobody_has_the_form_of_another_and_never_comes_twice() {
        let names: HashSet<String> = (0..1000).map(|_| name_of_nobody("ACME\\jö.d7@example.org").unwrap()).collect();
        assert_eq!(names.len(), 1000);
        for name in names {
            let form: String = name.chars().map(|c| if c.is_ascii_lowercase() { 'a' } else { c }).collect();
            let number = form.chars().find(char::is_ascii_digit).unwrap();
            assert_eq!(form, format!("{}\\aa.a{number}@aaaaaaa.aaa", "a".repeat(LETTERS + 4)), "{name}");
        }
    }

    proptest! {
        #[test]
        fn a_name_of_nobody_is_one_that_a_request_may_have(like in ".{1,300}") {
            let name = name_of_nobody(&like).unwrap();
            prop_assert!(name.len() >= LETTERS && name.len() <= MAX_USERNAME);
            let [controls, kept] = [&name, &like].map(|text| text.chars().filter(|c| c.is_control()).count());
            prop_assert!(controls <= kept);
        }
    }
}
