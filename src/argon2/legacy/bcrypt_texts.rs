//! bcrypt, and bcrypt over a digest of the password.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use super::caps::{Caps, Flaw};
use super::decode::{number, parts};
use crate::argon2::formats::{Format, Known};

/// bcrypt looks at so many bytes of a password.
const BYTES: usize = 72;
const ABOVE: &str = "its cost is above `max_bcrypt_cost`";
const LONG: &str = "bcrypt looks at 72 bytes of a password, and this one has more";

/// A stored text and what of the password it was made.
pub(crate) struct Bcrypt {
    text: Box<str>,
    input: Input,
}

enum Input {
    Password,
    /// The hexadecimal SHA-256 of the password.
    HexDigest,
    /// The SHA-256 of the password in base64.
    Digest,
    /// The HMAC of the password in base64, keyed with the salt as it is written.
    Keyed(Box<str>),
}

impl Bcrypt {
    pub(super) fn read(known: &Known<'_>, caps: &Caps) -> Result<Self, Flaw> {
        let (text, input) = match known.format {
            Format::BcryptOfSha256Django => (known.body.to_owned(), Input::HexDigest),
            Format::BcryptOfSha256Passlib => of_passlib(known.body).ok_or(Flaw::Malformed)?,
            _ => (known.body.to_owned(), Input::Password),
        };
        let cost = text.parse::<bcrypt::HashParts>().map_err(|_| Flaw::Malformed)?.get_cost();
        if cost > caps.bcrypt {
            return Err(Flaw::Costly(ABOVE));
        }
        if cost < 4 || text.starts_with("$2x$") {
            return Err(Flaw::Malformed);
        }
        Ok(Self { text: text.into(), input })
    }

    pub(super) fn matches(&self, password: &[u8]) -> Result<bool, &'static str> {
        let digest = || Zeroizing::new(<[u8; 32]>::from(Sha256::digest(password)));
        let given = match &self.input {
            Input::Password if password.len() > BYTES => return Err(LONG),
            Input::Password => Zeroizing::new(password.to_vec()),
            Input::HexDigest => Zeroizing::new(digest().iter().flat_map(|byte| hex(*byte)).collect()),
            Input::Digest => base64(&digest()),
            Input::Keyed(salt) => {
                let mut keyed = Hmac::<Sha256>::new_from_slice(salt.as_bytes()).map_err(|_| LONG)?;
                keyed.update(password);
                base64(&Zeroizing::new(<[u8; 32]>::from(keyed.finalize().into_bytes())))
            }
        };
        bcrypt::verify(&*given, &self.text).map_err(|_| "bcrypt refuses it")
    }
}

fn hex(byte: u8) -> [u8; 2] {
    [byte >> 4, byte & 15].map(|digit| char::from_digit(u32::from(digit), 16).map_or(0, |digit| digit as u8))
}

fn base64(digest: &[u8; 32]) -> Zeroizing<Vec<u8>> {
    Zeroizing::new(STANDARD.encode(digest).into_bytes())
}

/// `v=2,t=2b,r=12$salt$hash`, and the older `2b,12$salt$hash`.
fn of_passlib(body: &str) -> Option<(String, Input)> {
    let [settings, salt, hash] = parts(body)?;
    let mut settings = settings.split(',');
    let mut next = || settings.next();
    let first = next()?;
    let (variant, cost, is_keyed) = match first.strip_prefix("v=") {
        Some("2") => (next()?.strip_prefix("t=")?, next()?.strip_prefix("r=")?, true),
        Some(_) => return None,
        None => (first, next()?, false),
    };
    if next().is_some() || !matches!(variant, "2a" | "2b" | "2y") {
        return None;
    }
    let input = if is_keyed { Input::Keyed(salt.into()) } else { Input::Digest };
    Some((format!("${variant}${:02}${salt}{hash}", number(cost)?), input))
}
