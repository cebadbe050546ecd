//! Where a code goes: a telephone number or an e-mail address, as its user typed it.

/// The digits of a telephone number (ITU-T E.164): 15 at most, and no country has fewer than 7.
const DIGITS: std::ops::RangeInclusive<usize> = 7..=15;

/// The most characters of an e-mail address (RFC 5321 section 4.5.3.1).
const MOST_EMAIL: usize = 254;

/// What of a telephone number stays readable.
const READABLE: usize = 4;

/// Whether it is an international telephone number: a `+`, a country code that does not begin with 0, no spaces (ITU-T E.164).
pub(crate) fn is_phone_number(text: &str) -> bool {
    let Some(digits) = text.strip_prefix('+') else { return false };
    let is_number = !digits.starts_with('0') && digits.bytes().all(|byte| byte.is_ascii_digit());
    is_number && DIGITS.contains(&digits.len())
}

/// Whether it can be an e-mail address: one `@` with something on both sides, and nothing that could be read as two addresses.
/// Whether it is one shows only when a code arrives.
pub(crate) fn is_email(text: &str) -> bool {
    let is_apart = |letter: char| letter.is_whitespace() || letter.is_control() || ",;<>()[]\\\"".contains(letter);
    let parts: Vec<&str> = text.split('@').collect();
    text.len() <= MOST_EMAIL
        && !text.contains(is_apart)
        && matches!(&parts[..], [local, domain] if !local.is_empty() && !domain.is_empty())
}

/// A telephone number as it is shown: `XXXXXXXX0199`.
pub(crate) fn masked_phone_number(number: &str) -> String {
    let hidden = number.len().saturating_sub(READABLE);
    number.chars().enumerate().map(|(at, letter)| if at < hidden { 'X' } else { letter }).collect()
}

/// An e-mail address as it is shown: `p***@e***`.
pub(crate) fn masked_email(address: &str) -> String {
    let first = |part: &str| part.chars().next().map(String::from).unwrap_or_default();
    let (local, domain) = address.split_once('@').unwrap_or((address, ""));
    format!("{}***@{}***", first(local), first(domain))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_telephone_number_is_international_and_has_digits_alone() {
        for good in ["+15555550199", "+442079460123", "+2901234", "+123456789012345"] {
            assert!(is_phone_number(good), "{good}");
        }
        for bad in [
            "",
            "+",
            "15555550199",
            "+1 555 555 0199",
            "+05555550199",
            "+123456",
            "+1234567890123456",
            "++5555550199",
            "+1555555019a",
            "+1555555０１９９",
            "0015555550199",
            "+15555550199;ext=1",
        ] {
            assert!(!is_phone_number(bad), "{bad}");
        }
    }

    #[test]
    fn an_address_is_one_address() {
        for good in ["pat@example.com", "a@b", "pat+codes@mail.example.org", "pät@exämple.de"] {
            assert!(is_email(good), "{good}");
        }
        for bad in
            ["", "pat", "@example.com", "pat@", "a@b@c", "a@b,c@d", "a b@c", "<a@b>", "a@b\r\nBcc: c", "a@b\u{a0}"]
        {
            assert!(!is_email(bad), "{bad}");
        }
        assert!(!is_email(&format!("{}@example.com", "a".repeat(250))));
    }

    #[test]
    fn what_is_shown_is_enough_for_its_owner() {
        assert_eq!(masked_phone_number("+15555550199"), "XXXXXXXX0199");
        assert_eq!(masked_phone_number("+2901234"), "XXXX1234");
        assert_eq!(masked_email("pat@example.com"), "p***@e***");
        assert_eq!(masked_email("ä@b"), "ä***@b***");
    }
}
