//! The frame of a JSON object (RFC 8259 section 4): its names, and where what they hold begins and ends.
//!
//! Nearly all that a token or a request holds is a text without escapes or a whole number. These are seen at once; everything else
//! is read by `serde_json`. Nothing is copied here.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::charset::{end_of_digits, end_of_plain_json};

/// What a member holds, as it is written, without the white space around it.
#[derive(Clone, Copy)]
pub(super) struct Written<'a> {
    pub(super) json: &'a str,
    /// A text without escapes: it stands between its quotes as it is.
    pub(super) is_plain: bool,
}

impl<'a> Written<'a> {
    /// What stands between the quotes, if it is a text: with its escapes, if it is not plain.
    pub(super) fn quoted(self) -> Option<&'a str> {
        if self.is_plain { without_quotes(self.json) } else { self.json.strip_prefix('"')?.strip_suffix('"') }
    }

    /// The text that it is. It is borrowed, if it has no escapes.
    // Each member of a token is asked for its text: what is plain takes no call.
    #[inline(always)]
    pub(super) fn text(self) -> Option<Cow<'a, str>> {
        if self.is_plain { without_quotes(self.json).map(Cow::Borrowed) } else { self.text_with_escapes() }
    }

    /// The elements of it, if it is an array.
    pub(super) fn elements(self) -> Option<impl Iterator<Item = Self>> {
        let elements: Vec<&'a RawValue> = serde_json::from_str(self.json).ok()?;
        Some(elements.into_iter().map(|element| Self { json: element.get(), is_plain: false }))
    }

    #[inline(never)]
    fn text_with_escapes(self) -> Option<Cow<'a, str>> {
        #[derive(Deserialize)]
        struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

        serde_json::from_str(self.json).ok().map(|Text(text)| text)
    }
}

#[inline(always)]
fn without_quotes(text: &str) -> Option<&str> {
    text.get(1..text.len().wrapping_sub(1))
}

/// Hands on each member of an object, its name and what it holds, in the order in which they are written; as long as they are
/// taken.
///
/// # Errors
/// From which byte on the text is no object, or what it holds is not taken.
pub(super) fn members<'a>(
    json: &'a str,
    found: impl FnMut(Written<'a>, Written<'a>) -> Option<()>,
) -> Result<(), usize> {
    let mut scanner = Scanner { rest: json };
    scanner.object(found).ok_or_else(|| json.len().saturating_sub(scanner.rest.len()))
}

struct Scanner<'a> {
    rest: &'a str,
}

impl<'a> Scanner<'a> {
    fn object(&mut self, mut found: impl FnMut(Written<'a>, Written<'a>) -> Option<()>) -> Option<()> {
        self.take('{')?;
        if self.take('}').is_none() {
            loop {
                let name = self.name()?;
                self.take(':')?;
                found(name, self.value()?)?;
                if self.take(',').is_none() {
                    break;
                }
            }
            self.take('}')?;
        }
        self.skip_space();
        self.rest.is_empty().then_some(())
    }

    #[inline]
    fn skip_space(&mut self) {
        // Few tokens have any.
        if self.rest.as_bytes().first().is_some_and(|byte| *byte <= b' ') {
            self.rest = self.rest.trim_start_matches([' ', '\t', '\n', '\r']);
        }
    }

    #[inline]
    fn take(&mut self, mark: char) -> Option<()> {
        self.skip_space();
        self.rest = self.rest.strip_prefix(mark)?;
        Some(())
    }

    /// What is no text is no name: that is seen where it is taken.
    #[inline(always)]
    fn name(&mut self) -> Option<Written<'a>> {
        self.skip_space();
        // As nearly all are.
        let Some(length) = self.plain_text() else { return self.value() };
        let (json, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest;
        Some(Written { json, is_plain: true })
    }

    fn value(&mut self) -> Option<Written<'a>> {
        self.skip_space();
        let plain = self.plain_text();
        let length = plain.or_else(|| self.whole_number()).or_else(|| self.any_value())?;
        let (json, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest;
        Some(Written { json, is_plain: plain.is_some() })
    }

    /// The length of a text without escapes, with its quotes.
    fn plain_text(&self) -> Option<usize> {
        let [b'"', text @ ..] = self.rest.as_bytes() else { return None };
        let end = end_of_plain_json(text)?;
        (text.get(end) == Some(&b'"')).then(|| end.wrapping_add(2))
    }

    /// The length of a number of digits alone.
    fn whole_number(&self) -> Option<usize> {
        let json = self.rest.as_bytes();
        let length = end_of_digits(json)?;
        let is_number = json.first() != Some(&b'0') && matches!(json.get(length), Some(b',' | b'}'));
        (length > 0 && is_number).then_some(length)
    }

    /// The length of any other value.
    fn any_value(&self) -> Option<usize> {
        let mut reader = serde_json::Deserializer::from_str(self.rest);
        <&RawValue>::deserialize(&mut reader).ok().map(|value| value.get().len())
    }
}

#[cfg(test)]
mod tests {
    use std::fmt;

    use proptest::prelude::*;
    use serde::de::{Deserializer, MapAccess, Visitor};

    use super::*;

    /// The members as `serde_json` reads them.
    struct Members(Vec<(String, String)>);

    impl<'de> Deserialize<'de> for Members {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            deserializer.deserialize_map(Listing)
        }
    }

    struct Listing;

    impl<'de> Visitor<'de> for Listing {
        type Value = Members;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
            let mut members = Vec::new();
            while let Some((name, value)) = map.next_entry::<String, &RawValue>()? {
                members.push((name, value.get().to_owned()));
            }
            Ok(Members(members))
        }
    }

    fn read(json: &str) -> Option<Vec<(String, String)>> {
        let mut all = Vec::new();
        let found = |name: Written<'_>, value: Written<'_>| {
            let text = serde_json::from_str::<String>(value.json).ok();
            assert_eq!(value.text().as_deref(), text.as_deref(), "{json}");
            assert!(!value.is_plain || text.is_some_and(|text| value.json == format!("\"{text}\"")), "{json}");
            all.push((name.text()?.into_owned(), value.json.to_owned()));
            Some(())
        };
        members(json, found).ok().map(|()| all)
    }

    fn is_read_as_by_serde_json(json: &str) {
        assert_eq!(read(json), serde_json::from_str(json).ok().map(|Members(members)| members), "{json}");
    }

    #[test]
    fn each_kind_of_value_is_read_in_each_place() {
        let values = "\"\" \"a\" \"a longer text\" \"\\n\" \"\\ud83d\\ude00\" \"\\ud800\" \"\\x\" \"é\" \" \t\" \" 0 1 12345678901 00 01 -1 - 1.5 1. 1e3 \
             1e999 +1 0x1 true nul null [] [1,{}] [1 {} {\"a\":1} { : , } a \u{feff} ' // \0"
            .split(' ');
        for value in values {
            for json in [
                format!("{{\"a\":{value}}}"),
                format!("{{\"a\":{value},\"b\":1}}"),
                format!(" {{ \"a\" : {value} ,\n\"b\"\t:\r1 }} "),
                format!("{{{value}:1}}"),
                format!("{{\"a\":1{value}}}"),
                format!("{{\"a\":1,{value}}}"),
                format!("{{\"a\":1}}{value}"),
                format!("{value}{{\"a\":1}}"),
                value.to_owned(),
            ] {
                is_read_as_by_serde_json(&json);
            }
        }
    }

    #[test]
    fn where_the_text_stops_to_be_an_object_is_told() {
        for (json, at) in
            [("", 0), ("[]", 0), ("{\"a\":1", 6), ("{\"a\":01}", 5), ("{\"a\" 1}", 5), ("{\"a\":1,}", 7), ("{}x", 2)]
        {
            assert_eq!(members(json, |_, _| Some(())), Err(at), "{json}");
        }
    }

    #[test]
    fn nothing_is_read_behind_a_member_that_is_not_taken() {
        let mut seen = 0;
        let found = |_: Written<'_>, value: Written<'_>| {
            seen += 1;
            (value.json != "2").then_some(())
        };
        assert_eq!(members("{\"a\":1,\"b\":2,\"c\":3", found), Err(12));
        assert_eq!(seen, 2);
    }

    proptest! {
        #[test]
        fn whatever_the_text_is_it_is_read_as_by_serde_json(
            pieces in proptest::collection::vec(
                prop::sample::select(&[
                    "{", "}", ":", ",", "[", "]", "\"", "\"a\"", "\"b\":", "\"a\":1,", "\\", "\\u0061", " ", "\n", "0", "17", "-",
                    ".5", "e3", "true", "null", "é", "\u{7f}", "\u{1}", "\"a text of more than sixteen\"", "\u{a0}", "\u{feff}",
                ][..]),
                0..12,
            ),
            is_framed: bool,
        ) {
            let text = pieces.concat();
            is_read_as_by_serde_json(&if is_framed { format!("{{\"x\":{text}}}") } else { text });
        }
    }
}
