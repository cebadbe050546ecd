use std::fmt;
use std::sync::Arc;

use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ED25519, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::algorithm::SigningAlgorithm;
use super::error::KeyError;
use super::header::{Header, Kind};

const NO_JWK: KeyError = KeyError::Jwk("not a JSON object of a JWK");

/// The public half of a key, as it is published in the JWKS document. Cloning is cheap.
#[derive(Clone)]
pub struct VerificationKey {
    kid: Arc<str>,
    /// The header of access tokens that this crate's issuers sign with it.
    encoded_header: Arc<str>,
    public: Arc<PublicKey>,
    /// The same key, ready to verify with.
    parsed: Arc<ParsedPublicKey>,
}

/// The members of RFC 7518 section 6 and RFC 8037 section 2, base64url-encoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum PublicKey {
    P256 { x: String, y: String },
    Ed25519 { x: String },
    Rsa { n: String, e: String },
}

/// What is written into a document: public members only, because there are no others.
#[derive(Serialize)]
pub(super) struct Jwk<'a> {
    kty: &'static str,
    #[serde(rename = "use")]
    usage: &'static str,
    alg: &'static str,
    kid: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    crv: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    x: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    y: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    n: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    e: Option<&'a str>,
}

/// What is read. Every member is typed and none may stand twice; members unknown to RFC 7517 and 7518 are ignored.
#[derive(Deserialize)]
struct ReadJwk {
    kty: String,
    #[serde(rename = "use")]
    usage: Option<String>,
    alg: Option<String>,
    kid: Option<String>,
    key_ops: Option<Vec<String>>,
    crv: Option<String>,
    x: Option<String>,
    y: Option<String>,
    n: Option<String>,
    e: Option<String>,
    d: Option<serde::de::IgnoredAny>,
    p: Option<serde::de::IgnoredAny>,
    q: Option<serde::de::IgnoredAny>,
    dp: Option<serde::de::IgnoredAny>,
    dq: Option<serde::de::IgnoredAny>,
    qi: Option<serde::de::IgnoredAny>,
    oth: Option<serde::de::IgnoredAny>,
    k: Option<serde::de::IgnoredAny>,
}

impl VerificationKey {
    pub(super) fn new(public: PublicKey) -> Result<Self, KeyError> {
        let parsed = Arc::new(public.parse()?);
        let kid = public.thumbprint();
        let encoded_header = Header::write(Kind::AccessToken, public.algorithm(), &kid).into();
        Ok(Self { kid: kid.into(), encoded_header, public: Arc::new(public), parsed })
    }

    /// Another `kid` than the thumbprint.
    ///
    /// # Errors
    /// Fails when it is empty, longer than 255 characters, or not printable ASCII.
    pub fn with_kid(mut self, kid: impl Into<String>) -> Result<Self, KeyError> {
        let kid: String = kid.into();
        if kid.is_empty() || kid.len() > 255 || !crate::protocol::wire::charset::is_vschar(&kid) {
            return Err(KeyError::Kid);
        }
        self.encoded_header = Header::write(Kind::AccessToken, self.algorithm(), &kid).into();
        self.kid = kid.into();
        Ok(self)
    }

    /// Reads a public key from a JWK (RFC 7517 section 4), for example one that [`to_jwk`](Self::to_jwk) wrote before a
    /// restart. Without `kid` it gets its thumbprint (RFC 7638).
    ///
    /// # Errors
    /// Fails when it is malformed, not for ES256, EdDSA or RS256 signatures, no valid point or modulus, or when it holds
    /// a private or symmetric key.
    pub fn from_jwk(json: &str) -> Result<Self, KeyError> {
        Self::read(serde_json::from_str(json).map_err(|_| NO_JWK)?)
    }

    /// As [`from_jwk`](Self::from_jwk), from a part of a document.
    pub(super) fn from_value(json: Value) -> Result<Self, KeyError> {
        Self::read(serde_json::from_value(json).map_err(|_| NO_JWK)?)
    }

    fn read(jwk: ReadJwk) -> Result<Self, KeyError> {
        let private = [&jwk.d, &jwk.p, &jwk.q, &jwk.dp, &jwk.dq, &jwk.qi, &jwk.oth, &jwk.k];
        if jwk.kty == "oct" || private.into_iter().any(Option::is_some) {
            return Err(KeyError::PrivateJwk);
        }
        if jwk.usage.is_some_and(|usage| usage != "sig") {
            return Err(KeyError::Jwk("`use` is not `sig`"));
        }
        if jwk.key_ops.is_some_and(|uses| !uses.iter().any(|one| one == "verify")) {
            return Err(KeyError::Jwk("`key_ops` has no `verify`"));
        }
        let public = match (jwk.kty.as_str(), jwk.crv.as_deref(), jwk.x, jwk.y, jwk.n, jwk.e) {
            ("EC", Some("P-256"), Some(x), Some(y), None, None) => PublicKey::P256 { x, y },
            ("OKP", Some("Ed25519"), Some(x), None, None, None) => PublicKey::Ed25519 { x },
            ("RSA", None, None, None, Some(n), Some(e)) => PublicKey::Rsa { n, e },
            _ => return Err(KeyError::Jwk("its members are not those of a P-256, Ed25519 or RSA key")),
        };
        if jwk.alg.is_some_and(|alg| alg != public.algorithm().name()) {
            return Err(KeyError::Jwk("`alg` does not fit the key"));
        }
        let key = Self::new(public)?;
        match jwk.kid {
            Some(kid) => key.with_kid(kid),
            None => Ok(key),
        }
    }

    /// The key as a JWK (RFC 7517 section 4).
    #[must_use]
    pub fn to_jwk(&self) -> String {
        serde_json::to_string(&self.as_jwk()).unwrap_or_default()
    }

    /// The `kid`; by default the thumbprint of RFC 7638 with SHA-256.
    #[must_use]
    pub fn kid(&self) -> &str {
        &self.kid
    }

    pub(super) fn encoded_header(&self) -> &str {
        &self.encoded_header
    }

    /// The algorithm.
    #[must_use]
    pub fn algorithm(&self) -> SigningAlgorithm {
        self.public.algorithm()
    }

    /// Whether this is a signature of `message`: the raw 64 bytes of RFC 7518 section 3.4 with ES256, never DER.
    pub(super) fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        self.parsed.verify_sig(message, signature).is_ok()
    }

    pub(super) fn as_jwk(&self) -> Jwk<'_> {
        let mut jwk = Jwk {
            kty: "RSA",
            usage: "sig",
            alg: self.algorithm().name(),
            kid: &self.kid,
            crv: None,
            x: None,
            y: None,
            n: None,
            e: None,
        };
        match &*self.public {
            PublicKey::P256 { x, y } => {
                (jwk.kty, jwk.crv, jwk.x, jwk.y) = ("EC", Some("P-256"), Some(x.as_str()), Some(y.as_str()));
            }
            PublicKey::Ed25519 { x } => {
                (jwk.kty, jwk.crv, jwk.x) = ("OKP", Some("Ed25519"), Some(x.as_str()));
            }
            PublicKey::Rsa { n, e } => {
                (jwk.n, jwk.e) = (Some(n.as_str()), Some(e.as_str()));
            }
        }
        jwk
    }
}

impl PublicKey {
    pub(super) fn p256(x: &[u8], y: &[u8]) -> Self {
        Self::P256 { x: URL_SAFE_NO_PAD.encode(x), y: URL_SAFE_NO_PAD.encode(y) }
    }

    pub(super) fn ed25519(x: &[u8]) -> Self {
        Self::Ed25519 { x: URL_SAFE_NO_PAD.encode(x) }
    }

    pub(super) fn rsa(n: &[u8], e: &[u8]) -> Self {
        Self::Rsa { n: URL_SAFE_NO_PAD.encode(n), e: URL_SAFE_NO_PAD.encode(e) }
    }

    const fn algorithm(&self) -> SigningAlgorithm {
        match self {
            Self::P256 { .. } => SigningAlgorithm::Es256,
            Self::Ed25519 { .. } => SigningAlgorithm::EdDsa,
            Self::Rsa { .. } => SigningAlgorithm::Rs256,
        }
    }

    /// RFC 7638 section 3: the required members in the order of their names, without white space.
    fn thumbprint(&self) -> String {
        let text = match self {
            Self::P256 { x, y } => format!(r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#),
            Self::Ed25519 { x } => format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}"#),
            Self::Rsa { n, e } => format!(r#"{{"e":"{e}","kty":"RSA","n":"{n}"}}"#),
        };
        URL_SAFE_NO_PAD.encode(Sha256::digest(text))
    }

    /// The key to verify with; fails where no signature ever could.
    fn parse(&self) -> Result<ParsedPublicKey, KeyError> {
        let parsed = match self {
            Self::P256 { x, y } => {
                let point = [&[4][..], &member(x)?, &member(y)?].concat();
                if point.len() != 65 {
                    return Err(KeyError::Jwk("a coordinate of P-256 has 32 bytes"));
                }
                ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point)
            }
            Self::Ed25519 { x } => {
                let x = member(x)?;
                if x.len() != 32 {
                    return Err(KeyError::Jwk("a key of Ed25519 has 32 bytes"));
                }
                ParsedPublicKey::new(&ED25519, x)
            }
            Self::Rsa { n, e } => {
                let (n, e) = (member(n)?, member(e)?);
                let leading = n.first().map_or(0, |byte| byte.leading_zeros());
                let bits = n.len().saturating_mul(8).saturating_sub(leading as usize);
                if !(2048..=8192).contains(&bits) {
                    return Err(KeyError::RsaSize);
                }
                if leading == 8 || e.first().is_none_or(|byte| *byte == 0) {
                    return Err(KeyError::Jwk("`n` and `e` have no leading zeros"));
                }
                let der = RsaPublicKeyComponents { n, e }.as_der().map_err(|_| KeyError::Jwk("no RSA key"))?;
                ParsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, der.as_ref())
            }
        };
        parsed.map_err(|_| KeyError::Jwk("its numbers are no valid key"))
    }
}

impl PartialEq for VerificationKey {
    fn eq(&self, other: &Self) -> bool {
        self.kid == other.kid && self.public == other.public
    }
}

impl Eq for VerificationKey {}

impl fmt::Debug for VerificationKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VerificationKey").field("kid", &self.kid).field("public", &self.public).finish()
    }
}

fn member(text: &str) -> Result<Vec<u8>, KeyError> {
    URL_SAFE_NO_PAD.decode(text).map_err(|_| KeyError::Jwk("a member is not base64url without padding"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_thumbprints_are_those_of_rfc_7638_and_rfc_8037() {
        let rsa = PublicKey::Rsa {
            n: "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw"
                .to_owned(),
            e: "AQAB".to_owned(),
        };
        assert_eq!(VerificationKey::new(rsa).unwrap().kid(), "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs");
        let okp = PublicKey::Ed25519 { x: "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo".to_owned() };
        assert_eq!(VerificationKey::new(okp).unwrap().kid(), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
    }

    /// The public key of RFC 7517 A.1.
    const P256: &str = r#"{"kty":"EC","crv":"P-256","x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4","y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM","use":"enc","kid":"1"}"#;

    #[test]
    fn public_keys_survive_the_way_there_and_back() {
        let key = VerificationKey::from_jwk(&P256.replace("enc", "sig")).unwrap();
        assert_eq!((key.kid(), key.algorithm()), ("1", SigningAlgorithm::Es256));
        assert_eq!(VerificationKey::from_jwk(&key.to_jwk()).unwrap(), key);
    }

    #[test]
    fn what_must_not_be_published_is_refused() {
        let good = P256.replace("enc", "sig");
        let with = |member: &str| good.replace("\"kty\"", &format!("{member},\"kty\""));
        assert!(VerificationKey::from_jwk(&with(r#""x5t":"ignored""#)).is_ok());
        assert!(VerificationKey::from_jwk(&with(r#""key_ops":["verify"]"#)).is_ok());
        for private in [r#""d":"AQ""#, r#""k":"AQ""#, r#""qi":1"#, r#""oth":[]"#] {
            assert_eq!(VerificationKey::from_jwk(&with(private)).unwrap_err(), KeyError::PrivateJwk, "{private}");
        }
        let symmetric = r#"{"kty":"oct","k":"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T"}"#;
        assert_eq!(VerificationKey::from_jwk(symmetric).unwrap_err(), KeyError::PrivateJwk);
        for bad in [
            "",
            "[]",
            P256,
            &with(r#""alg":"RS256""#),
            &with(r#""kty":"EC""#),
            &with(r#""n":"AQAB""#),
            &with(r#""key_ops":["sign"]"#),
            &with(r#""key_ops":"verify""#),
            &good.replace("P-256", "P-384"),
            &good.replace("MKBC", "MKBD"),
            &good.replace("MKBC", "MK=="),
            &good.replace("MKBC", ""),
            r#"{"kty":"OKP","crv":"Ed25519","x":"AAAA"}"#,
            r#"{"kty":"OKP","crv":"X25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#,
        ] {
            assert!(matches!(VerificationKey::from_jwk(bad).unwrap_err(), KeyError::Jwk(_)), "{bad}");
        }
        let small = format!(r#"{{"kty":"RSA","n":"{}","e":"AQAB"}}"#, URL_SAFE_NO_PAD.encode([0xff; 128]));
        assert_eq!(VerificationKey::from_jwk(&small).unwrap_err(), KeyError::RsaSize);
        for exponent in ["AQ", "Ag", "AA", ""] {
            let weak = format!(r#"{{"kty":"RSA","n":"{}","e":"{exponent}"}}"#, URL_SAFE_NO_PAD.encode([0xff; 256]));
            assert!(matches!(VerificationKey::from_jwk(&weak).unwrap_err(), KeyError::Jwk(_)), "{exponent}");
        }
        let nameless = good.replace(r#""kid":"1""#, r#""kid":"""#);
        assert_eq!(VerificationKey::from_jwk(&nameless).unwrap_err(), KeyError::Kid);
    }
}
