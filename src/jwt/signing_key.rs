use std::fmt;

use aws_lc_rs::encoding::{AsDer as _, Pkcs8V1Der};
use aws_lc_rs::error::{KeyRejected, Unspecified};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, RSA_PKCS1_SHA256, RsaKeyPair,
    RsaPublicKeyComponents,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use zeroize::Zeroizing;

use super::algorithm::SigningAlgorithm;
use super::error::KeyError;
use super::header::{Header, Kind};
use super::pem::{self, PrivateKeyPem};
use super::verification_key::{PublicKey, VerificationKey};

/// A private key that signs tokens, with its `kid`.
///
/// It has no `Clone`, and its `Debug` shows the public half only.
pub struct SigningKey {
    pair: Pair,
    public: VerificationKey,
    /// The header of ID tokens that it signs.
    id_token_header: Box<str>,
}

enum Pair {
    Es256(EcdsaKeyPair),
    EdDsa(Ed25519KeyPair),
    Rs256(RsaKeyPair),
}

impl SigningKey {
    /// Reads an unencrypted PKCS#8 private key (RFC 5958) from its PEM text (RFC 7468). These commands make one:
    ///
    /// ```text
    /// openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out key.pem
    /// openssl genpkey -algorithm ED25519 -out key.pem
    /// openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:3072 -out key.pem
    /// ```
    ///
    /// The text is the caller's to wipe.
    ///
    /// # Errors
    /// Fails when it is not exactly one such key, or one for another algorithm.
    pub fn from_pkcs8_pem(algorithm: SigningAlgorithm, pem: &str) -> Result<Self, KeyError> {
        Self::from_pkcs8_der(algorithm, &pem::private_key(pem)?)
    }

    /// Reads an unencrypted PKCS#8 private key (RFC 5958) from its DER bytes, which are the caller's to wipe.
    ///
    /// # Errors
    /// Fails when the bytes are no such key, or one for another algorithm.
    pub fn from_pkcs8_der(algorithm: SigningAlgorithm, der: &[u8]) -> Result<Self, KeyError> {
        let rejected = |_: KeyRejected| KeyError::Rejected(algorithm);
        let pair = match algorithm {
            SigningAlgorithm::Es256 => {
                EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der).map(Pair::Es256).map_err(rejected)
            }
            SigningAlgorithm::EdDsa => Ed25519KeyPair::from_pkcs8(der).map(Pair::EdDsa).map_err(rejected),
            SigningAlgorithm::Rs256 => {
                RsaKeyPair::from_pkcs8(der).map(Pair::Rs256).map_err(|error| match error.description_() {
                    "TooSmall" | "TooLarge" => KeyError::RsaSize,
                    _ => rejected(error),
                })
            }
        };
        Self::of(pair?)
    }

    /// A new key from the operating system's randomness. An RSA key gets 3072 bits and takes a second or more.
    ///
    /// Without [`to_pkcs8_pem`](Self::to_pkcs8_pem) it is lost at the next restart, and with it every token that it
    /// signed; and each of several processes has its own. For development, tests, and making key files.
    ///
    /// # Errors
    /// Fails when the cryptographic library does, for example for lack of randomness.
    pub fn generate(algorithm: SigningAlgorithm) -> Result<Self, KeyError> {
        let pair = match algorithm {
            SigningAlgorithm::Es256 => EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).map(Pair::Es256),
            SigningAlgorithm::EdDsa => Ed25519KeyPair::generate().map(Pair::EdDsa),
            SigningAlgorithm::Rs256 => RsaKeyPair::generate(KeySize::Rsa3072).map(Pair::Rs256),
        };
        Self::of(pair.map_err(|Unspecified| KeyError::Crypto)?)
    }

    /// The private key as PEM text, to keep a generated one. Everybody who reads it can make tokens.
    ///
    /// # Errors
    /// Fails when the cryptographic library does.
    pub fn to_pkcs8_pem(&self) -> Result<PrivateKeyPem, KeyError> {
        let pem = match &self.pair {
            Pair::Es256(pair) => pair.to_pkcs8v1().map(|der| PrivateKeyPem::of(der.as_ref())),
            Pair::EdDsa(pair) => pair.to_pkcs8v1().map(|der| PrivateKeyPem::of(der.as_ref())),
            Pair::Rs256(pair) => pair.as_der().map(|der: Pkcs8V1Der<'_>| PrivateKeyPem::of(der.as_ref())),
        };
        pem.map_err(|Unspecified| KeyError::Crypto)
    }

    /// Another `kid` than the thumbprint of RFC 7638, for verifiers that know the key by a name. No two keys may ever
    /// have the same one.
    ///
    /// # Errors
    /// Fails when it is empty, longer than 255 characters, or not printable ASCII.
    pub fn with_kid(self, kid: impl Into<String>) -> Result<Self, KeyError> {
        Ok(Self::named(self.pair, self.public.with_kid(kid)?))
    }

    /// The public half.
    #[must_use]
    pub fn verification_key(&self) -> &VerificationKey {
        &self.public
    }

    /// The `kid`.
    #[must_use]
    pub fn kid(&self) -> &str {
        self.public.kid()
    }

    /// The algorithm.
    #[must_use]
    pub fn algorithm(&self) -> SigningAlgorithm {
        self.public.algorithm()
    }

    /// A compact JWS (RFC 7515 section 7.1) over `payload`, whose header says of which kind it is.
    pub(super) fn sign(&self, kind: Kind, payload: &[u8]) -> Result<String, Unspecified> {
        // Room for all of it, so that no part of the token is left behind in a smaller buffer.
        let encoded = payload.len().saturating_add(self.signature_len()).saturating_mul(4).div_ceil(3);
        let header = match kind {
            Kind::AccessToken => self.public.encoded_header(),
            Kind::IdToken => &self.id_token_header,
        };
        let mut token = String::with_capacity(header.len().saturating_add(encoded).saturating_add(8));
        token.push_str(header);
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(payload, &mut token);
        let random = SystemRandom::new();
        let input = token.as_bytes();
        let signature = Zeroizing::new(match &self.pair {
            Pair::Es256(pair) => pair.sign(&random, input)?.as_ref().to_vec(),
            Pair::EdDsa(pair) => pair.try_sign(input)?.as_ref().to_vec(),
            Pair::Rs256(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &random, input, &mut signature)?;
                signature
            }
        });
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(&*signature, &mut token);
        Ok(token)
    }

    fn signature_len(&self) -> usize {
        match &self.pair {
            Pair::Es256(_) | Pair::EdDsa(_) => 64,
            Pair::Rs256(pair) => pair.public_modulus_len(),
        }
    }

    fn of(pair: Pair) -> Result<Self, KeyError> {
        let public = match &pair {
            Pair::Es256(pair) => {
                // SEC 1 section 2.3.3: 4, then both coordinates.
                let point = pair.public_key().as_ref();
                let coordinates = point.strip_prefix(&[4]).and_then(|both| both.split_at_checked(32));
                let (x, y) = coordinates.ok_or(KeyError::Crypto)?;
                PublicKey::p256(x, y)
            }
            Pair::EdDsa(pair) => PublicKey::ed25519(pair.public_key().as_ref()),
            Pair::Rs256(pair) => {
                let RsaPublicKeyComponents::<Vec<u8>> { n, e } = pair.public_key().into();
                PublicKey::rsa(&n, &e)
            }
        };
        Ok(Self::named(pair, VerificationKey::new(public)?))
    }

    fn named(pair: Pair, public: VerificationKey) -> Self {
        let id_token_header = Header::write(Kind::IdToken, public.algorithm(), public.kid()).into();
        Self { pair, public, id_token_header }
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey")
            .field("algorithm", &self.algorithm())
            .field("kid", &self.kid())
            .finish_non_exhaustive()
    }
}
