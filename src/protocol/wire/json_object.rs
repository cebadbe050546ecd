//! A JSON object, read strictly: no member stands twice (RFC 7515 section 4, RFC 7519 section 4).

use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt;

use serde::Deserialize;
use serde::de::{DeserializeOwned, Deserializer, MapAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;

/// Its members in the order of their names. What they hold is read when it is asked for.
pub(crate) struct JsonObject<'a>(Vec<Member<'a>>);

struct Member<'a> {
    start: u64,
    name: Cow<'a, str>,
    value: &'a RawValue,
}

/// The first bytes of a name. Two starts have the order of their names, if they differ: most comparisons need no more.
fn start(name: &str) -> u64 {
    let mut start = [0; 8];
    for (slot, byte) in start.iter_mut().zip(name.bytes()) {
        *slot = byte;
    }
    u64::from_be_bytes(start)
}

impl Member<'_> {
    fn cmp(&self, start: u64, name: &str) -> Ordering {
        self.start.cmp(&start).then_with(|| (*self.name).cmp(name))
    }
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

impl<'a> JsonObject<'a> {
    pub(crate) fn read(json: &'a str) -> Result<Self, Unreadable> {
        let Members(mut members) = serde_json::from_str(json)
            .map_err(|error| Unreadable::Object { line: error.line(), column: error.column() })?;
        members.sort_unstable_by(|one, other| one.cmp(other.start, &other.name));
        let is_twice = |pair: &[Member<'_>]| matches!(pair, [one, other] if one.cmp(other.start, &other.name).is_eq());
        if members.windows(2).any(is_twice) { Err(Unreadable::Twice) } else { Ok(Self(members)) }
    }

    /// Leaves out the members that are `null`.
    pub(crate) fn without_nulls(mut self) -> Self {
        self.0.retain(|member| member.value.get() != "null");
        self
    }

    fn position(&self, name: &str) -> Option<usize> {
        let start = start(name);
        self.0.binary_search_by(|member| member.cmp(start, name)).ok()
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.position(name).is_some()
    }

    /// The text of what a member holds.
    pub(crate) fn get(&self, name: &str) -> Option<&'a str> {
        self.0.get(self.position(name)?).map(|member| member.value.get())
    }

    /// Takes a member out.
    pub(crate) fn take(&mut self, name: &str) -> Option<&'a str> {
        let position = self.position(name)?;
        Some(self.0.remove(position).value.get())
    }

    /// Takes a text out. It is borrowed, if it has no escapes.
    pub(crate) fn take_text(&mut self, name: &'static str) -> Result<Option<Cow<'a, str>>, Unreadable> {
        self.take(name).map(|value| text(name, value)).transpose()
    }

    /// Takes a member out and reads it.
    pub(crate) fn take_as<T: DeserializeOwned>(&mut self, name: &'static str) -> Result<Option<T>, Unreadable> {
        let read = |value| serde_json::from_str(value).map_err(|_| Unreadable::Member(name));
        self.take(name).map(read).transpose()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &'a RawValue)> {
        self.0.iter().map(|member| (&*member.name, member.value))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether all of it can be read. Texts without escapes can: there is no other look at them.
    pub(crate) fn is_sound(&self) -> bool {
        let is_plain = |value: &str| value.starts_with('"') && !value.contains('\\');
        let is_readable = |value: &str| is_plain(value) || serde_json::from_str::<Value>(value).is_ok();
        self.0.iter().all(|member| is_readable(member.value.get()))
    }
}

fn text<'a>(name: &'static str, value: &'a str) -> Result<Cow<'a, str>, Unreadable> {
    serde_json::from_str(value).map(|Text(text)| text).map_err(|_| Unreadable::Member(name))
}

struct Members<'a>(Vec<Member<'a>>);

#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Listing)
    }
}

struct Listing;

impl<'de> Visitor<'de> for Listing {
    type Value = Members<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members<'de>, A::Error> {
        // As many as an access token has.
        let mut members = Vec::with_capacity(12);
        while let Some((Text(name), value)) = map.next_entry()? {
            members.push(Member { start: start(&name), name, value });
        }
        Ok(Members(members))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
    }

    #[test]
    fn what_is_no_object_or_has_a_member_twice_is_refused() {
        for text in ["", "null", "[]", "{", "{}x", r#"{"a":1,}"#, r#"{"a":01}"#, "{\"a\":\"\n\"}"] {
            assert!(matches!(JsonObject::read(text), Err(Unreadable::Object { .. })), "{text}");
        }
        for text in [r#"{"a":1,"b":2,"a":1}"#, r#"{"a":1,"\u0061":1}"#] {
            assert!(matches!(JsonObject::read(text), Err(Unreadable::Twice)), "{text}");
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
