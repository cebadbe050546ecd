//! The body of a token request as a JSON object (RFC 8259): the parameters of a [`Form`], for clients that write them so.
//!
//! The object is flat: each member holds a text, or null, which is as if it were absent. Some endpoints have parameters that may be
//! arrays of texts: each text is one parameter of that name. No name stands twice. What a parameter may be is judged as in a form.
//!
//! Texts are decoded here and not by `serde_json`, which would leave a copy of a password that has escapes.

use std::iter::once;

use zeroize::Zeroizing;

use super::error::Reason;
use super::form::{Form, count_pair, hex_pair};
use super::json_scanner::{Written, members};
use super::texts::{Span, Texts};

impl Form {
    /// Reads `body`. `room` bytes more are kept free for texts that come from headers. `lists`: what may be an array.
    pub(crate) fn parse_json(body: &[u8], room: usize, lists: &[&str]) -> Result<Self, Reason> {
        let text = std::str::from_utf8(body).map_err(|_| Reason::NotUtf8)?;
        // No text is longer than it is written.
        let mut form = Self::with_capacity(body.len().saturating_add(room));
        // Unless it is one of the members that is refused.
        let (mut refusal, mut pairs) = (Reason::MalformedJson, 0);
        let found = |name: Written<'_>, value: Written<'_>| {
            let added = form.add_member(name, value, lists, &mut pairs);
            added.map_err(|reason| refusal = reason).ok()
        };
        match members(text, found) {
            Ok(()) => Ok(form),
            Err(_) => Err(refusal),
        }
    }

    fn add_member(
        &mut self,
        name: Written<'_>,
        value: Written<'_>,
        lists: &[&str],
        pairs: &mut usize,
    ) -> Result<(), Reason> {
        count_pair(pairs)?;
        let name = push(name, &mut self.texts).ok_or(Reason::MalformedJson)?;
        if value.json.starts_with('[') && lists.contains(&self.texts.get(name)) {
            return self.add_list(name, value, pairs);
        }
        let value = match value.json {
            "null" => Span::default(),
            _ => push(value, &mut self.texts).ok_or(Reason::MalformedJson)?,
        };
        self.refuse_repeated(name)?;
        self.add_decoded(name, value, false).map_err(|reason| self.blame_named(name, reason))
    }

    /// Refuses what was there already. Those that are known must not repeat anyway.
    fn refuse_repeated(&self, name: Span) -> Result<(), Reason> {
        if self.has_other(self.texts.get(name)) { Err(Reason::RepeatedParameter) } else { Ok(()) }
    }

    #[cold]
    fn add_list(&mut self, name: Span, list: Written<'_>, pairs: &mut usize) -> Result<(), Reason> {
        self.refuse_repeated(name)?;
        for element in list.elements().ok_or(Reason::MalformedJson)? {
            count_pair(pairs)?;
            let element = push(element, &mut self.texts).ok_or(Reason::MalformedJson)?;
            self.add_decoded(name, element, false)?;
        }
        Ok(())
    }
}

/// Appends a text without its quotes and escapes. `None`: it is none, or not one of Unicode.
fn push(written: Written<'_>, texts: &mut Texts) -> Option<Span> {
    let quoted = written.quoted()?;
    if written.is_plain { Some(texts.push(quoted)) } else { decode(quoted, texts) }
}

/// Appends a text without its escapes (RFC 8259 section 7), piece by piece, so that no other copy of a password is made.
fn decode(quoted: &str, texts: &mut Texts) -> Option<Span> {
    let start = texts.end();
    let mut rest = quoted;
    while let Some((plain, escape)) = rest.split_once('\\') {
        texts.append(plain);
        rest = decode_escape(escape, texts)?;
    }
    texts.append(rest);
    Some(texts.span_from(start))
}

/// Appends the character of an escape, which is given without its backslash; gives what follows it.
fn decode_escape<'a>(escape: &'a str, texts: &mut Texts) -> Option<&'a str> {
    let mut characters = escape.chars();
    let character = match characters.next()? {
        '"' => "\"",
        '\\' => "\\",
        '/' => "/",
        'b' => "\u{8}",
        'f' => "\u{c}",
        'n' => "\n",
        'r' => "\r",
        't' => "\t",
        'u' => return decode_utf_16(characters.as_str(), texts),
        _ => return None,
    };
    texts.append(character);
    Some(characters.as_str())
}

/// Appends the character that `digits` starts with: a unit of UTF-16, or two of which the second is an escape, too.
fn decode_utf_16<'a>(digits: &'a str, texts: &mut Texts) -> Option<&'a str> {
    let (first, rest) = unit(digits)?;
    let (second, rest) = match first {
        0xd800..=0xdbff => unit(rest.strip_prefix("\\u")?).map(|(second, rest)| (Some(second), rest))?,
        _ => (None, rest),
    };
    let character = char::decode_utf16(once(first).chain(second)).next()?.ok()?;
    texts.append(character.encode_utf8(Zeroizing::new([0; 4]).as_mut()));
    Some(rest)
}

fn unit(text: &str) -> Option<(u16, &str)> {
    let (high, rest) = hex_pair(text)?;
    let (low, rest) = hex_pair(rest)?;
    Some((u16::from_be_bytes([high, low]), rest))
}

#[cfg(test)]
#[path = "json_form_tests.rs"]
mod tests;
