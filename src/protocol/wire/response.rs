//! The successful response (RFC 6749 section 5.1).

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use serde::Serialize;

use super::charset::{is_member_name, is_plain_json, is_vschar};
use super::error::Reason;
use super::json_object::JsonObject;
use super::members::{MemberError, Members};
use crate::protocol::scope::Scope;
use crate::protocol::secret::secrets::Token;
use crate::protocol::token::claims::Claims;
use crate::protocol::token::unsaved::UnsavedAccessToken;

/// What an issuer gives for a [`Grant`](crate::Grant).
///
/// ```
/// use std::time::Duration;
/// use tower_password_grant::IssuedTokens;
/// use tower_password_grant::token::Token;
///
/// let token = Token::random("at_")?;
/// let issued = IssuedTokens::bearer(token, Duration::from_secs(600));
/// let issued = issued.with_extra("tenant", "acme")?;
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
pub struct IssuedTokens {
    access_token: Token,
    token_type: Cow<'static, str>,
    expires_in: Duration,
    refresh_token: Option<Token>,
    /// Boxed, because few answers have one, and each is handed on from call to call.
    id_token: Option<Box<Token>>,
    extra: Members,
    unsaved: Option<UnsavedAccessToken>,
}

impl IssuedTokens {
    /// A bearer token (RFC 6750) that lives for `expires_in`, rounded down to whole seconds.
    #[must_use]
    pub fn bearer(access_token: Token, expires_in: Duration) -> Self {
        Self {
            access_token,
            token_type: Cow::Borrowed("Bearer"),
            expires_in,
            refresh_token: None,
            id_token: None,
            extra: Members::default(),
            unsaved: None,
        }
    }

    /// Another token type: a registered name or an absolute URI (RFC 6749 section 8.1).
    ///
    /// # Errors
    /// Fails when it is neither.
    pub fn with_token_type(mut self, token_type: &str) -> Result<Self, MemberError> {
        let is_uri = super::uri::is_absolute_uri(token_type);
        if !is_member_name(token_type) && !is_uri {
            return Err(MemberError::TokenType);
        }
        self.token_type = Cow::Owned(token_type.to_owned());
        Ok(self)
    }

    /// The record of the access token, which the issuer did not save because its grant
    /// [leaves](crate::Grant::leaves_record) it to the store of the refresh tokens. Any other grant must not come with one.
    #[must_use]
    pub fn with_unsaved(mut self, record: UnsavedAccessToken) -> Self {
        self.unsaved = Some(record);
        self
    }

    /// Whether there is a record that is to be saved.
    pub(crate) const fn is_unsaved(&self) -> bool {
        self.unsaved.is_some()
    }

    /// Takes out the record that is to be saved.
    pub(crate) const fn take_unsaved(&mut self) -> Option<UnsavedAccessToken> {
        self.unsaved.take()
    }

    /// A refresh token that the application itself keeps and takes back.
    #[must_use]
    pub fn with_refresh_token(mut self, refresh_token: Token) -> Self {
        self.refresh_token = Some(refresh_token);
        self
    }

    /// An ID token (OpenID Connect Core 1.0 section 3.1.3.3), for a client whose granted scope has `openid`.
    #[must_use]
    pub fn with_id_token(mut self, id_token: Token) -> Self {
        self.id_token = Some(Box::new(id_token));
        self
    }

    /// A member of the application's own (RFC 6749 section 8.2). A second one of the same name replaces the first.
    ///
    /// # Errors
    /// Fails when the name is one of RFC 6749's own or `id_token`, or has a character outside letters, digits and `-._`, or when the value
    /// cannot be written as JSON.
    pub fn with_extra(
        mut self,
        name: impl Into<Cow<'static, str>>,
        value: impl Serialize,
    ) -> Result<Self, MemberError> {
        self.extra.set(name, &value)?;
        Ok(self)
    }

    pub(crate) fn access_token(&self) -> &Token {
        &self.access_token
    }

    /// Whether the application gave a refresh token of its own.
    pub(crate) fn has_refresh_token(&self) -> bool {
        self.refresh_token.is_some()
    }

    /// Whether the tokens can be sent: visible ASCII, and for a bearer token what fits an `Authorization` header.
    #[inline]
    pub(crate) fn check(&self) -> Result<(), Reason> {
        let bearer = match &self.token_type {
            // The issuer named no other.
            Cow::Borrowed(_) => true,
            Cow::Owned(other) => other.eq_ignore_ascii_case("bearer") || other.eq_ignore_ascii_case("dpop"),
        };
        let access = self.access_token.expose();
        let legal = if bearer { self.access_token.is_token68() } else { !access.is_empty() && is_vschar(access) };
        let refresh =
            self.refresh_token.as_ref().is_none_or(|token| !token.expose().is_empty() && is_vschar(token.expose()));
        // Base64url with dots between.
        let id = self.id_token.as_deref().is_none_or(Token::is_token68);
        if legal && refresh && id { Ok(()) } else { Err(Reason::IllegalToken) }
    }

    /// The JSON body. `scope` is left out only in scopeless mode. `members` of login rules take the place of those of the issuer.
    pub(crate) fn to_json(&self, scope: &Scope, members: Option<&Claims>) -> Result<Vec<u8>, Reason> {
        let seconds = self.expires_in.as_secs();
        let refresh = self.refresh_token.as_ref().map(Token::expose);
        let id_token = self.id_token.as_deref().map(Token::expose);
        let scope = Some(scope.as_str()).filter(|scope| !scope.is_empty());
        let access = self.access_token.expose();

        // The exact room of an answer whose texts need no escapes: a full vector becomes a body without another
        // allocation, and no half-grown buffer with a token in it is left behind.
        let digits = seconds.checked_ilog10().map_or(1, |log| log.saturating_add(1) as usize);
        let required = [(ACCESS_TOKEN, access), (TOKEN_TYPE, &*self.token_type)];
        let optional = [(REFRESH_TOKEN, refresh), (ID_TOKEN, id_token), (SCOPE, scope)];
        let optional = optional.into_iter().filter_map(|(prefix, text)| Some((prefix, text?)));
        let fixed = EXPIRES_IN.len().saturating_add(digits).saturating_add(1);
        let room = required.into_iter().chain(optional).fold(fixed, |room, (prefix, text)| {
            room.saturating_add(prefix.len()).saturating_add(text.len()).saturating_add(1)
        });

        let mut json = Vec::with_capacity(room);
        push_token(&mut json, ACCESS_TOKEN, &self.access_token)?;
        push_plain(&mut json, TOKEN_TYPE, &self.token_type);
        json.extend_from_slice(EXPIRES_IN.as_bytes());
        write_json(&mut json, &seconds)?;
        if let Some(refresh) = &self.refresh_token {
            push_token(&mut json, REFRESH_TOKEN, refresh)?;
        }
        if let Some(id_token) = &self.id_token {
            push_token(&mut json, ID_TOKEN, id_token)?;
        }
        if let Some(scope) = scope {
            push_plain(&mut json, SCOPE, scope);
        }
        match members.and_then(Claims::object) {
            None => self.write_extra(&mut json, |_| true)?,
            Some(ruled) => self.write_ruled(&mut json, &ruled)?,
        }
        json.push(b'}');
        Ok(json)
    }

    /// The members of the issuer that are to be written.
    #[inline]
    fn write_extra(&self, json: &mut Vec<u8>, is_written: impl Fn(&str) -> bool) -> Result<(), Reason> {
        for (name, value) in self.extra.iter().filter(|(name, _)| is_written(name)) {
            json.push(b',');
            write_json(json, name)?;
            json.push(b':');
            write_json(json, value)?;
        }
        Ok(())
    }

    #[cold]
    fn write_ruled(&self, json: &mut Vec<u8>, ruled: &JsonObject<'_>) -> Result<(), Reason> {
        self.write_extra(json, |name| !ruled.has(name))?;
        for (name, value) in ruled.iter() {
            json.push(b',');
            write_json(json, name)?;
            json.push(b':');
            json.extend_from_slice(value.as_bytes());
        }
        Ok(())
    }
}

impl fmt::Debug for IssuedTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IssuedTokens")
            .field("token_type", &self.token_type)
            .field("expires_in", &self.expires_in)
            .finish_non_exhaustive()
    }
}

// What stands before the text of a member.
const ACCESS_TOKEN: &str = r#"{"access_token":""#;
const TOKEN_TYPE: &str = r#","token_type":""#;
const EXPIRES_IN: &str = r#","expires_in":"#;
const REFRESH_TOKEN: &str = r#","refresh_token":""#;
const ID_TOKEN: &str = r#","id_token":""#;
const SCOPE: &str = r#","scope":""#;

/// Texts hardly ever need escapes, and then they are copied as they are.
/// Tokens that fit a header have no character that needs an escape.
#[inline]
fn push_token(json: &mut Vec<u8>, prefix: &str, token: &Token) -> Result<(), Reason> {
    if token.is_known_token68() {
        push_plain(json, prefix, token.expose());
        return Ok(());
    }
    push_text(json, prefix, token.expose())
}

fn push_text(json: &mut Vec<u8>, prefix: &str, text: &str) -> Result<(), Reason> {
    if is_plain_json(text) {
        push_plain(json, prefix, text);
        return Ok(());
    }
    // The text comes with its quotes.
    json.extend_from_slice(prefix.strip_suffix('"').unwrap_or(prefix).as_bytes());
    write_json(json, text)
}

fn push_plain(json: &mut Vec<u8>, prefix: &str, text: &str) {
    json.extend_from_slice(prefix.as_bytes());
    json.extend_from_slice(text.as_bytes());
    json.push(b'"');
}

fn write_json(json: &mut Vec<u8>, value: &(impl Serialize + ?Sized)) -> Result<(), Reason> {
    serde_json::to_writer(json, value).map_err(|_| Reason::IllegalToken)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn issued(token: &str) -> IssuedTokens {
        IssuedTokens::bearer(Token::new(token.to_owned()), Duration::from_secs(60))
    }

    #[test]
    fn members_of_the_standard_cannot_be_replaced_and_none_stands_twice_te_11_ok_08_ab_08() {
        assert_eq!(issued("a").with_extra("scope", "x").unwrap_err(), MemberError::Reserved);
        assert_eq!(issued("a").with_extra("x y", "x").unwrap_err(), MemberError::Name);
        let twice = issued("a").with_extra("x", 1).unwrap().with_extra("x", 2).unwrap();
        let json = String::from_utf8(twice.to_json(&"read".parse().unwrap(), None).unwrap()).unwrap();
        assert_eq!(json, r#"{"access_token":"a","token_type":"Bearer","expires_in":60,"scope":"read","x":2}"#);
    }

    #[test]
    fn a_member_of_a_rule_takes_the_place_of_one_of_the_issuer() {
        let issued = issued("a").with_extra("x", 1).unwrap().with_extra("y", 2).unwrap();
        let ruled = Claims::of(&serde_json::json!({ "x": ["\u{e9}\n"], "z": null })).unwrap();
        let json = String::from_utf8(issued.to_json(&Scope::default(), Some(&ruled)).unwrap()).unwrap();
        let end = r#""expires_in":60,"y":2,"x":["é\n"],"z":null}"#;
        assert!(json.ends_with(end), "{json}");
        assert_eq!(issued.to_json(&Scope::default(), Some(&Claims::new())), issued.to_json(&Scope::default(), None));
    }

    #[test]
    fn an_id_token_is_a_member_of_its_own_which_no_other_can_be_taken_for() {
        for name in ["id_token", "ID_Token"] {
            assert_eq!(issued("a").with_extra(name, "x").unwrap_err(), MemberError::Reserved);
        }
        let with = |text: &str| issued("a").with_id_token(Token::new(text.to_owned()));
        let json = with("e30.e30.c2ln").with_refresh_token(Token::new("r".to_owned())).with_extra("x", 1).unwrap();
        let json = String::from_utf8(json.to_json(&"openid".parse().unwrap(), None).unwrap()).unwrap();
        let end = r#""refresh_token":"r","id_token":"e30.e30.c2ln","scope":"openid","x":1}"#;
        assert!(json.ends_with(end), "{json}");
        for bad in ["", "a b", "é"] {
            assert_eq!(with(bad).check().unwrap_err(), Reason::IllegalToken, "{bad:?}");
        }
        // The room was known beforehand, so no half-grown buffer with a token in it was left behind.
        let json = with("e30.e30.c2ln").to_json(&"openid".parse().unwrap(), None).unwrap();
        assert_eq!(json.len(), json.capacity());
    }

    #[test]
    fn tokens_that_fit_no_header_are_not_sent_ab_05() {
        for bad in ["", "a b", "é", "a\"", "a=b"] {
            assert!(issued(bad).check().is_err(), "{bad:?}");
        }
        assert!(issued("abc-._~+/==").check().is_ok());
    }

    #[test]
    fn token_types_are_names_or_uris_se_06() {
        assert_eq!(issued("a").with_token_type("a b").unwrap_err(), MemberError::TokenType);
        assert!(issued("a").with_token_type("https://as.example/token-type").is_ok());
    }
}
