//! The one form of a login name; [`AccountKey::canonical`](crate::user::AccountKey::canonical) documents it.

use std::borrow::Cow;

use unicode_normalization::UnicodeNormalization as _;

use crate::protocol::wire::charset::is_lowercase_word;

/// How often the steps are repeated. A test shows that the third round changes nothing any more.
const ROUNDS: usize = 8;

/// The code points with the property `Default_Ignorable_Code_Point` (Unicode 16, `DerivedCoreProperties.txt`), in order:
/// what shows as nothing, so that a name with it looks like the name without it.
const DEFAULT_IGNORABLE: [(char, char); 17] = [
    ('\u{ad}', '\u{ad}'),       // soft hyphen
    ('\u{34f}', '\u{34f}'),     // combining grapheme joiner
    ('\u{61c}', '\u{61c}'),     // Arabic letter mark
    ('\u{115f}', '\u{1160}'),   // Hangul fillers
    ('\u{17b4}', '\u{17b5}'),   // Khmer inherent vowels
    ('\u{180b}', '\u{180f}'),   // Mongolian variation selectors, vowel separator
    ('\u{200b}', '\u{200f}'),   // zero-width space, joiner and non-joiner, direction marks
    ('\u{202a}', '\u{202e}'),   // direction embeddings and overrides
    ('\u{2060}', '\u{206f}'),   // word joiner, invisible operators, direction isolates
    ('\u{3164}', '\u{3164}'),   // Hangul filler
    ('\u{fe00}', '\u{fe0f}'),   // variation selectors
    ('\u{feff}', '\u{feff}'),   // byte order mark
    ('\u{ffa0}', '\u{ffa0}'),   // half-width Hangul filler
    ('\u{fff0}', '\u{fff8}'),   // unassigned
    ('\u{1bca0}', '\u{1bca3}'), // shorthand format controls
    ('\u{1d173}', '\u{1d17a}'), // musical format controls
    ('\u{e0000}', '\u{e0fff}'), // tags, variation selectors
];

pub(crate) fn canonical(name: &str) -> Cow<'_, str> {
    // As most are.
    if is_lowercase_word(name) {
        return Cow::Borrowed(name);
    }
    let trimmed = name.trim();
    if trimmed.is_ascii() {
        let has_upper = trimmed.bytes().any(|byte| byte.is_ascii_uppercase());
        return if has_upper { Cow::Owned(trimmed.to_ascii_lowercase()) } else { Cow::Borrowed(trimmed) };
    }
    let mut form = round(trimmed);
    for _ in 1..ROUNDS {
        let next = round(&form);
        if next == form {
            break;
        }
        form = next;
    }
    Cow::Owned(form)
}

fn round(text: &str) -> String {
    let visible = text.chars().filter(|c| !is_default_ignorable(*c));
    let lower: String = visible.nfkc().flat_map(char::to_lowercase).map(one_sigma).collect();
    lower.trim().to_owned()
}

/// Both small sigmas have one capital, so only one of them can stay.
fn one_sigma(c: char) -> char {
    if c == '\u{3c2}' { '\u{3c3}' } else { c }
}

/// Whether a character shows as nothing, as those do that change the direction of what follows.
pub(crate) fn is_default_ignorable(c: char) -> bool {
    let after = DEFAULT_IGNORABLE.partition_point(|(first, _)| *first <= c);
    after.checked_sub(1).and_then(|index| DEFAULT_IGNORABLE.get(index)).is_some_and(|(_, last)| c <= *last)
}

#[cfg(test)]
#[path = "spelling_tests.rs"]
mod tests;
