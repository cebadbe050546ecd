//! The profile OpaqueString (RFC 8265 section 4.2).

use precis_profiles::OpaqueString;
use precis_profiles::precis_core::profile::Profile as _;

use super::preparation::{PasswordPreparation, PreparationError};
use crate::protocol::secret::secrets::Password;

impl PasswordPreparation {
    /// The profile OpaqueString of RFC 8265 section 4.2: spaces other than the ASCII one become it, and then Normalization
    /// Form C. It refuses what its class does not allow: TAB and other control characters, unassigned code points,
    /// characters that show as nothing, and with them many emoji. Passwords with these are legal in a request (RFC 6749
    /// A.16), so somebody may have one.
    ///
    /// Needs the feature `opaque-string`.
    #[must_use]
    pub fn opaque_string() -> Self {
        Self {
            name: "OpaqueString",
            apply: |text| {
                let enforced = OpaqueString::new().enforce(text).map_err(|_| PreparationError(()))?;
                Ok(Password::new(enforced.into_owned()))
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn prepared(text: &str) -> Option<String> {
        let prepared = PasswordPreparation::opaque_string().apply(&Password::new(text.to_owned()));
        prepared.ok().map(|password| password.expose().to_owned())
    }

    #[test]
    fn spaces_and_composed_letters_are_one_and_width_and_case_stay_pr_01() {
        assert_eq!(prepared("a\u{a0}b\u{3000}c d").as_deref(), Some("a b c d"));
        assert_eq!(prepared("e\u{301}").as_deref(), Some("\u{e9}"));
        assert_eq!(prepared("\u{ff21}Bc").as_deref(), Some("\u{ff21}Bc"));
    }

    #[test]
    fn what_the_class_does_not_allow_is_an_error_and_no_other_text_pr_02_pr_03() {
        for refused in ["a\tb", "a\nb", "\u{2764}\u{fe0f}", "a\u{ad}b", "\u{ad}", "a\u{378}", "\u{202e}abc", ""] {
            assert_eq!(prepared(refused), None, "{refused:?}");
        }
    }

    /// The one character that becomes one which only some places allow: the Greek colon becomes the middle dot of Catalan.
    const ANO_TELEIA: char = '\u{387}';

    #[test]
    fn of_all_characters_only_the_greek_colon_is_not_the_same_twice_pr_05() {
        let is_odd = |once: String| prepared(&once) != Some(once);
        let odd: Vec<char> =
            ('\0'..=char::MAX).filter(|c| prepared(c.encode_utf8(&mut [0; 4])).is_some_and(is_odd)).collect();
        assert_eq!(odd, [ANO_TELEIA]);
        assert_eq!(prepared(&ANO_TELEIA.to_string()).as_deref(), Some("\u{b7}"));
        assert_eq!(prepared("\u{b7}"), None);
    }

    proptest! {
        #[test]
        fn twice_is_once_pr_05(text: String) {
            if let Some(once) = prepared(&text.replace(ANO_TELEIA, "")) {
                prop_assert_eq!(prepared(&once), Some(once));
            }
        }
    }
}
