//! JWT access tokens (RFC 9068), ID tokens (OpenID Connect Core 1.0), and the JWKS document to verify them with (RFC 7517).
//! Feature `jwt`.
//!
//! Resource servers verify these tokens by themselves, without asking the token endpoint. The price is that a token
//! cannot be taken back before it expires: keep lifetimes short.
//!
//! ```
//! use tower_password_grant::jwt::{JwtIssuer, KeySet, SigningAlgorithm, SigningKey};
//!
//! // In production: `SigningKey::from_pkcs8_pem` with a key that outlives the process.
//! let keys = KeySet::new(SigningKey::generate(SigningAlgorithm::Es256)?);
//! let issuer = JwtIssuer::new("https://as.example", ["https://api.example"], keys.clone())?;
//! let jwks = issuer.jwks();
//! // PasswordGrant::builder().issuer(issuer).document("/.well-known/jwks.json", jwks) ..
//!
//! // Later, while the endpoint runs: a new key signs, tokens of the old one still verify.
//! keys.rotate(SigningKey::generate(SigningAlgorithm::Es256)?)?;
//! # Ok::<_, Box<dyn std::error::Error>>(())
//! ```
//!
//! [`JwtIssuer::with_id_tokens`] gives clients that log in with the scope `openid` an ID token beside the access token.
//!
//! A [`JwtVerifier`] says what these tokens stand for, in the same process ([`JwtIssuer::verifier`]) or in another one, which
//! has the keys from a document ([`JwkSet`]) or fetches them ([`RemoteJwks`]).
//!
//! # Choosing an algorithm
//!
//! | | Signature, bytes | Signing | Choose it |
//! |---|---|---|---|
//! | [`Es256`](SigningAlgorithm::Es256) | 64 | fast | by default |
//! | [`EdDsa`](SigningAlgorithm::EdDsa) | 64 | fastest | when every resource server knows it |
//! | [`Rs256`](SigningAlgorithm::Rs256) | 256 and more | slow | for resource servers that know nothing else |
//!
//! [ID tokens](JwtIssuer::with_id_tokens) may have a key of their own ([`KeySet::sign_id_tokens_with`]): many clients take RS256
//! alone, while the access tokens, of which there are more, are signed faster.
//!
//! RFC 9068 section 2.1 wants RS256 to be among the algorithms that an authorization server supports.
//!
//! # Rotating keys
//!
//! 1. [Publish](KeySet::publish) the new key's public half, and wait until no verifier caches an older document
//!    ([`Jwks::with_max_age`]).
//! 2. [Rotate](KeySet::rotate) to the new key. The old public half stays published.
//! 3. When the last token of the old key has expired, [retire](KeySet::retire) it.
//!
//! After a restart, publish the retired keys again: [`VerificationKey::to_jwk`] and [`VerificationKey::from_jwk`] carry
//! them over without their private halves. Several processes with one key file publish the same document.

mod algorithm;
mod base64url;
mod compact;
mod error;
mod header;
mod id_claims;
mod issuer;
mod jwk_set;
mod jwks;
mod key_set;
mod payload;
mod pem;
mod read_claims;
mod remote;
mod signing_key;
mod trusted;
mod verification_key;
mod verifier;

pub use algorithm::SigningAlgorithm;
pub use error::{ClaimError, JwksError, JwtConfigError, KeyError};
pub use id_claims::IdClaims;
pub use issuer::JwtIssuer;
pub use jwk_set::JwkSet;
pub use jwks::Jwks;
pub use key_set::KeySet;
pub use pem::PrivateKeyPem;
pub use remote::RemoteJwks;
pub use signing_key::SigningKey;
pub use verification_key::VerificationKey;
pub use verifier::{JwtKeys, JwtVerifier};
