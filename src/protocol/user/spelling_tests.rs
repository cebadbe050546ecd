use proptest::prelude::*;

use super::*;

fn all_chars() -> impl Iterator<Item = char> {
    '\0'..=char::MAX
}

/// The planes with letters and marks, and that of the tags. The others have ideographs that nothing changes, or nothing.
fn assigned_chars() -> impl Iterator<Item = char> {
    ('\0'..'\u{34000}').chain('\u{e0000}'..'\u{e1000}')
}

/// What the rounds lead to, and how many of them change something.
fn fixed_point(name: &str) -> (String, usize) {
    let (mut form, mut done) = (name.to_owned(), 0);
    loop {
        let next = round(&form);
        if next == form {
            return (form, done);
        }
        (form, done) = (next, done + 1);
    }
}

fn form(name: &str) -> String {
    canonical(name).into_owned()
}

#[test]
fn every_code_point_alone_and_among_others_has_one_form_after_two_rounds() {
    let mut longest = 0;
    for c in assigned_chars() {
        for text in [c.to_string(), format!("A{c}\u{301}"), format!(" \u{3b1}\u{34f}{c}\u{345}{c}")] {
            let (form, rounds) = fixed_point(&text);
            assert_eq!(canonical(&text), form, "{text:?}");
            assert!(rounds <= 2, "{text:?} takes {rounds} rounds");
            longest = longest.max(form.len().div_ceil(text.len()));
        }
    }
    assert_eq!(longest, 11, "U+FDFA is the worst: 3 bytes become 33");
}

#[test]
fn the_table_is_in_order_and_knows_what_shows_as_nothing() {
    for (first, last) in DEFAULT_IGNORABLE {
        assert!(first <= last);
        assert!(is_default_ignorable(first) && is_default_ignorable(last), "{first:?}");
    }
    assert!(DEFAULT_IGNORABLE.windows(2).all(|pair| pair[0].1 < pair[1].0));
    // 4,174 code points have the property in Unicode 16 (`DerivedCoreProperties.txt`).
    assert_eq!(all_chars().filter(|c| is_default_ignorable(*c)).count(), 4174);
    let known = "\u{ad}\u{34f}\u{61c}\u{115f}\u{1160}\u{17b4}\u{180e}\u{200b}\u{200c}\u{200d}\u{200e}\u{200f}\u{202a}\
        \u{202b}\u{202c}\u{202d}\u{202e}\u{2060}\u{2061}\u{2066}\u{2067}\u{2068}\u{2069}\u{206f}\u{3164}\u{fe00}\u{fe0f}\
        \u{feff}\u{ffa0}\u{1d173}\u{e0001}\u{e0020}\u{e007f}\u{e0100}\u{e01ef}";
    for c in known.chars() {
        assert!(is_default_ignorable(c), "{c:?}");
        assert_eq!(canonical(&format!("al{c}ice")), "alice");
    }
    for c in "\0 az\u{ac}\u{ae}\u{a0}\u{301}\u{200a}\u{2010}\u{2028}\u{2070}\u{fe10}\u{fffd}\u{e1000}\u{10ffff}".chars()
    {
        assert!(!is_default_ignorable(c), "{c:?}");
    }
}

#[test]
fn known_spellings_have_known_forms() {
    for (spelling, form) in [
        ("Alice", "alice"),
        ("\u{3000}\u{a0}alice\u{2003}\t", "alice"),
        ("\u{ff21}\u{ff2c}\u{ff29}\u{ff23}\u{ff25}", "alice"),
        ("\u{1d400}lice", "alice"),
        ("\u{24d0}lice", "alice"),
        ("\u{212a}elvin", "kelvin"),
        ("o\u{fb03}ce", "office"),
        ("\u{132}s", "ijs"),
        ("zo\u{eb}", "zo\u{eb}"),
        ("ZOE\u{308}", "zo\u{eb}"),
        ("zoe\u{34f}\u{308}", "zo\u{eb}"),
        // Two marks in either order.
        ("q\u{307}\u{323}", "q\u{323}\u{307}"),
        ("\u{130}", "i\u{307}"),
        ("\u{1e9e}", "\u{df}"),
        ("\u{17f}am", "sam"),
        ("\u{3a3}\u{391}\u{3a3}", "\u{3c3}\u{3b1}\u{3c3}"),
        ("\u{3c3}\u{3b1}\u{3c2}", "\u{3c3}\u{3b1}\u{3c3}"),
        ("\u{1f468}\u{200d}\u{1f469}", "\u{1f468}\u{1f469}"),
        ("\u{ac00}", "\u{ac00}"),
        ("\u{1100}\u{1161}", "\u{ac00}"),
        ("\u{200b}\u{feff} \u{3164}", ""),
        // Letters that only look alike stay apart, and so do accents and what is inside.
        ("\u{430}lice", "\u{430}lice"),
        ("\u{131}", "\u{131}"),
        ("stra\u{df}e", "stra\u{df}e"),
        ("al  ice", "al  ice"),
        ("a\tb\u{1f}c", "a\tb\u{1f}c"),
    ] {
        assert_eq!(canonical(spelling), form, "{spelling:?}");
    }
}

#[test]
fn a_plain_name_is_borrowed() {
    for name in ["alice", "alice@example.com", "  o'brien-17 ", ""] {
        assert!(matches!(canonical(name), Cow::Borrowed(_)), "{name:?}");
    }
}

/// A letter with one capital of its own.
fn has_one_capital(c: char) -> bool {
    let mut upper = c.to_uppercase();
    let (first, more) = (upper.next().unwrap_or(c), upper.next());
    more.is_none() && canonical(first.encode_utf8(&mut [0; 4])) == canonical(c.encode_utf8(&mut [0; 4]))
}

proptest! {
    #[test]
    fn the_form_is_idempotent_and_at_most_eleven_times_as_long(name: String) {
        let once = canonical(&name);
        prop_assert_eq!(canonical(&once), once.clone());
        prop_assert!(once.len() <= name.len() * 11);
    }

    #[test]
    fn every_spelling_of_a_name_has_its_form(
        name in "[\\p{L}\\p{M}\\p{N}\\p{P} ]{0,20}",
        at: prop::sample::Index,
        invisible in prop::sample::select(&DEFAULT_IGNORABLE[..]),
        edge in "\\p{White_Space}{0,3}",
    ) {
        let expected = form(&name);
        for spelling in [
            name.nfc().collect::<String>(),
            name.nfd().collect(),
            name.nfkc().collect(),
            name.nfkd().collect(),
            format!("{edge}{name}{edge}"),
        ] {
            prop_assert_eq!(form(&spelling), expected.as_str());
        }
        let mut chars: Vec<char> = name.chars().collect();
        let at = at.index(chars.len() + 1);
        chars.insert(at, invisible.0);
        prop_assert_eq!(form(&chars.iter().collect::<String>()), expected.as_str());
        chars[at] = invisible.1;
        prop_assert_eq!(form(&chars.iter().collect::<String>()), expected.as_str());
        if name.chars().all(has_one_capital) {
            prop_assert_eq!(form(&name.to_uppercase()), expected.as_str());
        }
    }

    #[test]
    fn ascii_changes_but_for_its_case_and_edges_nothing_and_full_width_is_ascii(name in "[ -~]{0,30}") {
        let expected = name.trim().to_ascii_lowercase();
        prop_assert_eq!(form(&name), expected.as_str());
        prop_assert_eq!(round(&name), expected.as_str());
        let wide: String = name
            .chars()
            .map(|c| if c == ' ' { '\u{3000}' } else { char::from_u32(c as u32 + 0xfee0).unwrap() })
            .collect();
        prop_assert_eq!(form(&wide), expected);
    }
}
