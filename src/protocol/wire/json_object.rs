//! A JSON object, read strictly: no member stands twice (RFC 7515 section 4, RFC 7519 section 4).

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeOwned, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::json_scanner::{Written, members};

/// What its members hold is read when it is asked for.
pub(crate) struct JsonObject<'a>(Vec<Member<'a>>);

struct Member<'a> {
    start: u64,
    name: Cow<'a, str>,
    value: Written<'a>,
    /// It is as good as gone.
    is_taken: bool,
}

/// The first bytes of a name. Two starts have the order of their names, if they differ: most comparisons need no more.
#[inline]
fn start(name: &str) -> u64 {
    let bytes = name.as_bytes();
    match bytes.first_chunk() {
        Some(first) => u64::from_be_bytes(*first),
        // Behind a one, so that the bits in front of it are those that are missing.
        None => {
            let short = bytes.iter().fold(1, |start: u64, byte| start << 8 | u64::from(*byte));
            short << short.leading_zeros() << 1
        }
    }
}

impl<'a> Member<'a> {
    fn new(name: Cow<'a, str>, value: Written<'a>) -> Self {
        Self { start: start(&name), name, value, is_taken: false }
    }

    #[inline]
    fn is(&self, start: u64, name: &str) -> bool {
        self.start == start && *self.name == *name
    }
}

/// Of so many, each is compared with each: they are so few that putting them in order takes longer.
const FEW: usize = 16;

fn is_any_twice(members: &[Member<'_>]) -> bool {
    if members.len() <= FEW {
        let mut rest = members;
        while let [one, others @ ..] = rest {
            if others.iter().any(|other| other.is(one.start, &one.name)) {
                return true;
            }
            rest = others;
        }
        return false;
    }
    let mut names: Vec<&str> = members.iter().map(|member| &*member.name).collect();
    names.sort_unstable();
    names.windows(2).any(|pair| matches!(pair, [one, other] if one == other))
}

/// The text is not what it should be. No message repeats a part of it.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unreadable {
    #[error("no JSON object, from {line}:{column} on")]
    Object { line: usize, column: usize },
    #[error("a member stands twice")]
    Twice,
    #[error("a member holds what cannot be read")]
    Unsound,
    #[error("the member `{0}` is missing or of another type")]
    Member(&'static str),
}

impl Unreadable {
    /// The text is no object from this byte on.
    fn object(json: &str, at: usize) -> Self {
        let before = json.get(..at).unwrap_or(json);
        let line = before.bytes().filter(|byte| *byte == b'\n').count().saturating_add(1);
        let column = before.rsplit('\n').next().map_or(0, str::len).saturating_add(1);
        Self::Object { line, column }
    }
}

impl<'a> JsonObject<'a> {
    pub(crate) fn read(json: &'a str) -> Result<Self, Unreadable> {
        // As many as an access token has.
        let mut own = Vec::with_capacity(12);
        let found = |name: Written<'a>, value| {
            own.push(Member::new(name.text()?, value));
            Some(())
        };
        members(json, found).map_err(|at| Unreadable::object(json, at))?;
        if is_any_twice(&own) { Err(Unreadable::Twice) } else { Ok(Self(own)) }
    }

    /// The members that were not taken out, in the order of their names.
    pub(crate) fn sorted(mut self) -> Self {
        self.0.retain(|member| !member.is_taken);
        self.0.sort_unstable_by(|one, other| one.start.cmp(&other.start).then_with(|| one.name.cmp(&other.name)));
        self
    }

    /// Leaves out the members that are `null`.
    pub(crate) fn without_nulls(mut self) -> Self {
        self.0.retain(|member| member.value.json != "null");
        self
    }

    /// One after the other: there are so few that no search is faster.
    #[inline]
    fn position(&self, name: &str) -> Option<usize> {
        let start = start(name);
        self.0.iter().position(|member| member.is(start, name) && !member.is_taken)
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.position(name).is_some()
    }

    /// The text of what a member holds.
    #[inline]
    pub(crate) fn get(&self, name: &str) -> Option<&'a str> {
        self.0.get(self.position(name)?).map(|member| member.value.json)
    }

    #[inline]
    fn take_written(&mut self, name: &str) -> Option<Written<'a>> {
        let position = self.position(name)?;
        let member = self.0.get_mut(position)?;
        member.is_taken = true;
        Some(member.value)
    }

    /// Takes a member out.
    #[inline]
    pub(crate) fn take(&mut self, name: &str) -> Option<&'a str> {
        self.take_written(name).map(|value| value.json)
    }

    /// Takes a text out. It is borrowed, if it has no escapes.
    #[inline]
    pub(crate) fn take_text(&mut self, name: &'static str) -> Result<Option<Cow<'a, str>>, Unreadable> {
        self.take_written(name).map(|value| value.text().ok_or(Unreadable::Member(name))).transpose()
    }

    /// Takes a member out and reads it.
    pub(crate) fn take_as<T: DeserializeOwned>(&mut self, name: &'static str) -> Result<Option<T>, Unreadable> {
        let read = |value| serde_json::from_str(value).map_err(|_| Unreadable::Member(name));
        self.take(name).map(read).transpose()
    }

    fn rest(&self) -> impl Iterator<Item = &Member<'a>> {
        self.0.iter().filter(|member| !member.is_taken)
    }

    /// The names, and the texts of what they hold.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &'a str)> {
        self.rest().map(|member| (&*member.name, member.value.json))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rest().next().is_none()
    }

    /// Whether all of it can be read. Texts without escapes can: there is no other look at them.
    pub(crate) fn is_sound(&self) -> bool {
        let is_readable = |value: Written<'_>| value.is_plain || serde_json::from_str::<Sound>(value.json).is_ok();
        self.rest().all(|member| is_readable(member.value))
    }
}

/// A value that can be read, and is not kept. Not `Value`: that one reads the text below a name of its own anew, so that a text
/// within a text would have no bound of its depth.
struct Sound;

impl<'de> Deserialize<'de> for Sound {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Self)
    }
}

impl<'de> Visitor<'de> for Sound {
    type Value = Self;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_str<E>(self, _: &str) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_unit<E>(self) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self, A::Error> {
        while items.next_element::<Self>()?.is_some() {}
        Ok(self)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self, A::Error> {
        while members.next_entry::<Self, Self>()?.is_some() {}
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn starts_have_the_order_of_their_names() {
        let names =
            ["", "\u{1}", "A", "a", "a\u{1}", "ab", "abc", "abcdefg", "abcdefgh", "abcdefgi", "b", "é", "\u{7ff}é"];
        for pair in names.windows(2) {
            assert!(start(pair[0]) < start(pair[1]), "{pair:?}");
        }
        for (one, same) in [("", "\0"), ("a", "a\0"), ("abcdefgh", "abcdefghi"), ("abcdefg", "abcdefg\0")] {
            assert_eq!(start(one), start(same), "{one}: the names are compared then");
        }
    }

    #[test]
    fn a_text_within_a_value_is_never_read_as_json() {
        let is_sound = |value: &str| JsonObject::read(&format!("{{\"a\":{value}}}")).unwrap().is_sound();
        let name = "$serde_json::private::RawValue";
        for within in ["[[1]]", "no json", "\\ud83d\\ude00"] {
            assert!(is_sound(&format!("{{\"{name}\":\"{within}\"}}")), "{within}");
            assert!(is_sound(&format!("[{{\"b\":{{\"{name}\":\"{within}\"}}}}]")), "{within}");
        }
        assert!(!is_sound(&format!("{}1{}", "[".repeat(200), "]".repeat(200))));
    }

    #[test]
    fn members_are_found_by_their_names_however_these_are_written() {
        let mut object = JsonObject::read(r#"{"b":1,"a":"x","\u0063":null}"#).unwrap();
        assert_eq!(
            (object.get("a"), object.get("b"), object.get("c"), object.get("d")),
            (Some("\"x\""), Some("1"), Some("null"), None)
        );
        assert_eq!(object.take_as::<u64>("b"), Ok(Some(1)));
        assert_eq!(object.take_as::<u64>("a"), Err(Unreadable::Member("a")));
        assert_eq!(object.iter().map(|(name, _)| name).collect::<Vec<_>>(), ["c"]);
        assert!(object.without_nulls().is_empty());
        let object = JsonObject::read(r#"{"b long name":1,"a":2,"b long one":3,"\u0000":4,"":5}"#).unwrap().sorted();
        assert_eq!(
            object.iter().map(|(name, _)| name).collect::<Vec<_>>(),
            ["", "\0", "a", "b long name", "b long one"]
        );
    }

    #[test]
    fn what_is_no_object_or_has_a_member_twice_is_refused() {
        for text in ["", "null", "[]", "{", "{}x", r#"{"a":1,}"#, r#"{"a":01}"#, "{\"a\":\"\n\"}"] {
            assert!(matches!(JsonObject::read(text), Err(Unreadable::Object { .. })), "{text}");
        }
        for text in [r#"{"a":1,"b":2,"a":1}"#, r#"{"a":1,"\u0061":1}"#] {
            assert!(matches!(JsonObject::read(text), Err(Unreadable::Twice)), "{text}");
        }
        for count in 0..40 {
            let names = (0..count).map(|number| format!("a member {number}"));
            for twice in [None].into_iter().chain(names.clone().map(Some)) {
                let is_once = twice.is_none();
                let members: Vec<String> = names.clone().chain(twice).map(|name| format!("\"{name}\":1")).collect();
                let text = format!("{{{}}}", members.join(","));
                assert_eq!(JsonObject::read(&text).is_ok(), is_once, "{text}");
            }
        }
    }

    #[test]
    fn numbers_and_texts_that_nobody_can_hold_are_not_sound() {
        let is_sound = |value: &str| JsonObject::read(&format!("{{\"a\":{value}}}")).unwrap().is_sound();
        for value in ["1", "-1.5e3", r#""\ud83d\ude00""#, r#""é""#, "[{}]"] {
            assert!(is_sound(value), "{value}");
        }
        for value in ["1e999", r#""\ud800""#, &format!("{}{}", "[".repeat(200), "]".repeat(200))] {
            assert!(!is_sound(value), "{value}");
        }
    }
}
