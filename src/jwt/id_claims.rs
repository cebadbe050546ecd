use serde::Serialize;

use super::error::ClaimError;
use crate::protocol::token::claims::{Claims, has_meaning_everywhere, is_among};

/// What an ID token says of its user besides that and when the user logged in, for
/// [`JwtIssuer::with_id_tokens`](crate::jwt::JwtIssuer::with_id_tokens).
///
/// OpenID Connect Core 1.0 section 5.1 has names for common ones (`name`, `email`, `email_verified` ..), and section 5.4 says which
/// scope asks for which. Other names collide with none if they have a URI in front.
///
/// ```
/// use tower_password_grant::jwt::IdClaims;
///
/// let claims = IdClaims::new().claim("email", "alice@example.com")?;
/// let claims = claims.claim("email_verified", true)?;
/// assert!(claims.claim("sub", "somebody else").is_err());
/// # Ok::<_, tower_password_grant::jwt::ClaimError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct IdClaims(Claims);

/// Claims that have a meaning in ID tokens alone, or in tokens that an ID token could be taken for (OpenID Connect Core 1.0
/// section 2, the logout tokens of OpenID Connect).
const OF_OPENID_CONNECT: [&str; 7] = ["at_hash", "azp", "c_hash", "events", "nonce", "s_hash", "sub_jwk"];

impl IdClaims {
    /// No claims.
    #[must_use]
    pub const fn new() -> Self {
        Self(Claims::new())
    }

    /// The members of a value that serialises as a JSON object, such as a struct or a map. `None` and `()` have none.
    ///
    /// # Errors
    /// Fails as [`claim`](Self::claim) does, and when the value is no object or has a member twice.
    pub fn of<T: Serialize + ?Sized>(value: &T) -> Result<Self, ClaimError> {
        Self::checked(Claims::of(value)?)
    }

    /// Adds a claim. Of two of one name the last counts. The closure of
    /// [`with_id_tokens`](crate::jwt::JwtIssuer::with_id_tokens) answers another error type: end it with `Ok(claims.claim(..)?)`.
    ///
    /// # Errors
    /// Fails on a name that has a meaning for the protocol, in whatever case, such as `sub`, `aud`, `exp`, `nonce` or `acr`, and
    /// on a value that is no JSON.
    pub fn claim(self, name: &str, value: impl Serialize) -> Result<Self, ClaimError> {
        let Self(one) = Self::checked(Claims::one(name, &value)?)?;
        Ok(Self(self.0.followed_by(&one)))
    }

    fn checked(claims: Claims) -> Result<Self, ClaimError> {
        let has_meaning = |name: &String| has_meaning_everywhere(name) || is_among(name, &OF_OPENID_CONNECT);
        match claims.names().into_iter().find(has_meaning) {
            Some(name) => Err(ClaimError::OfTheProtocol(name)),
            None => Ok(Self(claims)),
        }
    }

    pub(super) const fn claims(&self) -> &Claims {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn no_claim_of_the_protocol_can_be_written_in_whatever_case() {
        let of_the_protocol = "acr act amr at_hash aud auth_time azp c_hash client_id cnf events exp iat iss jti may_act nbf \
                               nonce s_hash scope sid sub sub_jwk token_type token_use Sub AUD Nonce";
        for name in of_the_protocol.split(' ') {
            let error = ClaimError::OfTheProtocol(name.to_owned());
            assert_eq!(IdClaims::new().claim(name, "mallory").unwrap_err(), error);
            assert_eq!(IdClaims::of(&json!({ "email": "a@example.com", name: 1 })).unwrap_err(), error);
            assert!(!error.to_string().contains("mallory"));
        }
        // What means something to APIs alone says nothing here.
        for name in ["active", "entitlements", "groups", "realm", "roles", "username"] {
            assert!(IdClaims::new().claim(name, "readers").is_ok(), "{name}");
        }
    }

    #[test]
    fn of_two_claims_of_one_name_the_last_counts() {
        let claims = IdClaims::of(&json!({ "name": "Al", "email": null })).unwrap().claim("name", "Alice").unwrap();
        assert_eq!(claims, IdClaims::of(&json!({ "name": "Alice", "email": null })).unwrap());
        assert_eq!(format!("{claims:?}"), r#"IdClaims(Claims(["email", "name"]))"#);
    }

    #[test]
    fn what_is_no_object_is_refused() {
        assert!(matches!(IdClaims::of(&[1]), Err(ClaimError::Malformed(_))));
        let odd: std::collections::HashMap<Vec<u8>, u8> = [(vec![1], 1)].into();
        assert!(matches!(IdClaims::new().claim("a", &odd), Err(ClaimError::Malformed(_))));
        assert_eq!(IdClaims::of(&()).unwrap(), IdClaims::new());
    }
}
