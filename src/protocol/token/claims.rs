//! What an issuer says about a token or its user, besides what every token has.

use std::fmt;

use serde::de::DeserializeOwned;
use serde::ser::{Error as _, Serialize, Serializer};
use serde_json::Value;

use super::methods::{ACR, AMR};
use crate::protocol::wire::charset::is_plain_json;
use crate::protocol::wire::json_object::JsonObject;

/// Claims of an access token besides those that [`AccessTokenRecord`](crate::store::AccessTokenRecord) has a method for: a JSON
/// object, whose members are read when they are asked for.
///
/// ```
/// use serde::Serialize;
/// use tower_password_grant::token::Claims;
///
/// #[derive(Serialize)]
/// struct Extra { tenant: &'static str, roles: [&'static str; 2] }
///
/// let claims = Claims::of(&Extra { tenant: "acme", roles: ["admin", "author"] })?;
/// assert_eq!(claims.get::<String>("tenant").as_deref(), Some("acme"));
/// assert_eq!(claims.get::<Vec<String>>("roles").map(|roles| roles.len()), Some(2));
/// assert_eq!(claims.get::<u64>("tenant"), None);
/// # Ok::<_, tower_password_grant::token::MalformedClaims>(())
/// ```
#[derive(Clone, Default)]
pub struct Claims(
    /// None for an object without members.
    Option<Box<str>>,
);

/// Claims that are no JSON object in which each member stands once.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("claims must be a JSON object in which no member stands twice: give a struct or a map whose keys are texts")]
pub struct MalformedClaims(());

const EMPTY: &str = "{}";

/// To refer to where there are none.
pub(crate) static NO_CLAIMS: Claims = Claims::new();

/// The claim that has the names of those which introspection shows. It is a claim so that every store keeps it and every signed
/// token says it.
pub(crate) const SHOWN: &str = "shown_claims";

/// Claims of each token that an issuer of this crate writes itself, or that change how long a token is worth something.
pub(crate) const WRITTEN: [&str; 12] =
    ["iss", "sub", "aud", "client_id", "scope", "jti", "iat", "exp", "nbf", "auth_time", AMR, ACR];

/// Says which credentials the user of a token had that manages second factors.
pub(crate) const CREDENTIALS: &str = "credentials_digest";

/// Those that it writes into access tokens alone.
pub(crate) const WRITTEN_FOR_APIS: [&str; 3] = ["realm", SHOWN, CREDENTIALS];

/// Claims that RFC 7662, RFC 7800, RFC 8693, RFC 9068 or OpenID Connect gives a meaning in each token beside those.
const MEANT: [&str; 6] = ["act", "cnf", "may_act", "sid", "token_type", "token_use"];

/// Claims that RFC 7662 or RFC 9068 gives a meaning in access tokens alone.
const MEANT_FOR_APIS: [&str; 5] = ["active", "entitlements", "groups", "roles", "username"];

/// Whether a claim of this name has a meaning in tokens of each kind. Some APIs read names without regard to case.
pub(crate) fn has_meaning_everywhere(name: &str) -> bool {
    is_among(name, &WRITTEN) || is_among(name, &MEANT)
}

/// Whether one of these names is this one, in whatever case.
pub(crate) fn is_among(name: &str, names: &[&str]) -> bool {
    names.iter().any(|own| own.eq_ignore_ascii_case(name))
}

/// Whether a claim of this name has a meaning already, so that no login rule may give it another one.
pub(crate) fn has_meaning(name: &str) -> bool {
    has_meaning_everywhere(name) || is_among(name, &WRITTEN_FOR_APIS) || is_among(name, &MEANT_FOR_APIS)
}

impl Claims {
    /// No claims.
    #[must_use]
    pub const fn new() -> Self {
        Self(None)
    }

    /// The members of a value that serialises as a JSON object, such as a struct or a map. `None` and `()` have none.
    ///
    /// # Errors
    /// Fails when the value is no object, cannot be serialised, or has a member twice.
    pub fn of<T: Serialize + ?Sized>(value: &T) -> Result<Self, MalformedClaims> {
        match serde_json::to_string(value).map_err(|_| MalformedClaims(()))?.as_str() {
            "null" => Ok(Self::new()),
            json => Self::from_json(json),
        }
    }

    /// The members of a JSON object, as [`as_json`](Self::as_json) gave it: for stores that keep it as text.
    ///
    /// # Errors
    /// Fails when the text is no JSON object, or has a member twice.
    pub fn from_json(json: &str) -> Result<Self, MalformedClaims> {
        if json == EMPTY {
            return Ok(Self::new());
        }
        JsonObject::read(json).ok().and_then(Self::rest).ok_or(MalformedClaims(()))
    }

    /// The members that are left of an object; none if not all of them can be read.
    pub(crate) fn rest(object: JsonObject<'_>) -> Option<Self> {
        let object = object.sorted();
        if object.is_empty() {
            return Some(Self::new());
        }
        if !object.is_sound() {
            return None;
        }
        let length = object.iter().map(|(name, value)| name.len().saturating_add(value.len()).saturating_add(4));
        // Exactly as long as it gets, where no name has escapes.
        Some(Self::written(length.fold(1, usize::saturating_add), object.iter()))
    }

    /// What these members are written as, in some `length` bytes.
    fn written<'m>(length: usize, members: impl Iterator<Item = (&'m str, &'m str)>) -> Self {
        let mut json = String::with_capacity(length);
        let mut before = '{';
        for (name, value) in members {
            json.push(before);
            push_text(&mut json, name);
            json.push(':');
            json.push_str(value);
            before = ',';
        }
        json.push('}');
        Self(Some(json.into()))
    }

    /// One claim.
    pub(crate) fn one<T: Serialize + ?Sized>(name: &str, value: &T) -> Result<Self, MalformedClaims> {
        let value = serde_json::to_string(value).map_err(|_| MalformedClaims(()))?;
        Self::from_json(Self::written(value.len(), [(name, value.as_str())].into_iter()).as_json())
    }

    /// These and the later ones, which count where both have a name.
    pub(crate) fn followed_by(&self, later: &Self) -> Self {
        let (Some(before), Some(last)) = (self.object(), later.object()) else {
            return if later.is_empty() { self.clone() } else { later.clone() };
        };
        let length = self.as_json().len().saturating_add(later.as_json().len());
        Self::written(length, before.iter().filter(|(name, _)| !last.has(name)).chain(last.iter()))
    }

    /// The JSON object, to store it, or to read all of it with `serde_json`.
    #[must_use]
    pub fn as_json(&self) -> &str {
        self.0.as_deref().unwrap_or(EMPTY)
    }

    /// The claim of this name, if it is there and is a `T`.
    #[must_use]
    pub fn get<T: DeserializeOwned>(&self, name: &str) -> Option<T> {
        serde_json::from_str(self.object().as_ref()?.get(name)?).ok()
    }

    /// Whether there is a claim of this name, whatever it holds.
    #[must_use]
    pub fn contains(&self, name: &str) -> bool {
        // A name without escapes stands there as it is.
        let may_be = |json: &str| !is_plain_json(name) || json.contains(name);
        self.0.as_deref().is_some_and(may_be) && self.object().is_some_and(|object| object.has(name))
    }

    /// The names, sorted.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        self.object().iter().flat_map(|object| object.iter().map(|(name, _)| name.to_owned())).collect()
    }

    /// These, with the note that introspection shows them.
    pub(crate) fn shown(&self) -> Self {
        if self.is_empty() {
            return Self::new();
        }
        // A list of texts can always be written.
        Self::one(SHOWN, &self.names()).map_or_else(|_| self.clone(), |note| self.followed_by(&note))
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.object().iter().flat_map(JsonObject::iter).count()
    }

    /// Whether lists and objects stand more than so deep in each other, the object of the claims included.
    pub(crate) fn is_deeper_than(&self, most: usize) -> bool {
        // Each has an end, too.
        self.as_json().len() > most.saturating_mul(2) && depth(self.as_json()) > most
    }

    /// Whether there is no claim.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// The members, in the order of their names; none if there are none.
    pub(crate) fn object(&self) -> Option<JsonObject<'_>> {
        // It was readable when it came in.
        JsonObject::read(self.0.as_deref()?).ok().map(JsonObject::sorted)
    }

    fn value(&self) -> serde_json::Result<Value> {
        serde_json::from_str(self.as_json())
    }
}

/// How deep lists and objects stand in each other.
fn depth(json: &str) -> usize {
    let (mut deepest, mut depth) = (0, 0_usize);
    let (mut is_text, mut is_escaped) = (false, false);
    for byte in json.bytes() {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' => is_escaped = true,
            b'"' => is_text = !is_text,
            _ if is_text => {}
            b'{' | b'[' => {
                depth = depth.saturating_add(1);
                deepest = deepest.max(depth);
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

/// A JSON string. Most names need no escapes.
fn push_text(json: &mut String, text: &str) {
    if is_plain_json(text) {
        json.extend(["\"", text, "\""]);
    } else {
        json.push_str(&Value::from(text).to_string());
    }
}

/// By what the members hold, not by how it is written.
impl PartialEq for Claims {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0 || self.value().ok().zip(other.value().ok()).is_some_and(|(one, other)| one == other)
    }
}

impl Serialize for Claims {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.value().map_err(S::Error::custom)?.serialize(serializer)
    }
}

impl fmt::Debug for Claims {
    /// The names alone: the claims may hold personal data.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Claims").field(&self.names()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn claims_come_back_as_they_were_whatever_their_names_and_values() {
        let value = json!({"é\"\\\n": [1, -2.5, {"a": null}], "tenant": "acme", "big": u64::MAX});
        let claims = Claims::of(&value).unwrap();
        assert_eq!(serde_json::to_value(&claims).unwrap(), value);
        assert_eq!(Claims::from_json(claims.as_json()).unwrap(), claims);
        assert_eq!(claims.names(), ["big", "tenant", "é\"\\\n"]);
        assert_eq!((claims.get::<u64>("big"), claims.get::<u8>("big")), (Some(u64::MAX), None));
        assert!(claims.contains("tenant") && !claims.contains("acme") && !claims.is_empty());
        assert!(!format!("{claims:?}").contains("acme"));
        let spaced =
            Claims::from_json(r#" { "big":18446744073709551615, "tenant":"acme", "é\"\\\n":[1,-2.5,{"a":null}]}"#);
        assert_eq!(spaced.unwrap(), claims);
    }

    #[test]
    fn of_two_claims_of_one_name_the_later_counts() {
        let (before, later) = (json!({"a": 1, "é\"": [2]}), json!({"\u{e9}\"": "x", "b": {"c": null}}));
        let both = Claims::of(&before).unwrap().followed_by(&Claims::of(&later).unwrap());
        assert_eq!(both, Claims::of(&json!({"a": 1, "é\"": "x", "b": {"c": null}})).unwrap());
        assert_eq!((both.len(), Claims::new().len()), (3, 0));
        let one = Claims::one("a\n", &[1]).unwrap();
        assert_eq!(one.names(), ["a\n"]);
        for (first, second) in [(&one, &Claims::new()), (&Claims::new(), &one)] {
            assert_eq!(first.followed_by(second), one);
        }
        assert!(Claims::one("a", &f64::NAN).unwrap().contains("a"));
    }

    #[test]
    fn the_depth_of_claims_is_that_of_their_lists_and_objects_and_not_of_their_texts() {
        let claims = Claims::of(&json!({"a": [[], {"b": [1]}], "c\\\"[[[[": "{{[[\\\"[["})).unwrap();
        assert_eq!(depth(claims.as_json()), 4);
        assert_eq!((depth("{}"), depth(r#"{"a":"\\","b":[]}"#)), (1, 2));
        let deep = Claims::one("a", &(0..31).fold(json!(1), |inner, _| json!([inner]))).unwrap();
        assert!(deep.is_deeper_than(31) && !deep.is_deeper_than(32));
    }

    #[test]
    fn no_members_are_no_claims() {
        for none in [
            Claims::new(),
            Claims::of(&()).unwrap(),
            Claims::of(&json!({})).unwrap(),
            Claims::from_json(" { } ").unwrap(),
        ] {
            assert!(none == Claims::default() && none.is_empty() && none.names().is_empty());
            assert_eq!((none.as_json(), none.get::<Value>("a"), none.contains("a")), ("{}", None, false));
        }
    }

    #[test]
    fn what_is_no_object_with_each_member_once_is_no_claims() {
        for text in ["", "[]", "7", "null", r#"{"a":1,"a":1}"#, r#"{"a":1e999}"#, r#"{"a":"\ud800"}"#] {
            assert!(Claims::from_json(text).is_err(), "{text}");
        }
        assert!(Claims::of(&[1]).is_err() && Claims::of("a").is_err());
    }
}
