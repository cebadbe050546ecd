//! PBKDF2 (RFC 8018 section 5.2).

use pbkdf2::pbkdf2_hmac;
use pbkdf2::sha2::{Sha256, Sha512};
use sha1::Sha1;

use super::caps::{Caps, Flaw};
use super::decode::{base64, hex, number, parts};
use crate::argon2::formats::{Format, Known};

/// The fewest bytes of a hash.
const OUTPUT: usize = 16;
const ABOVE: &str = "its rounds, times the blocks of its output, are above `max_pbkdf2_rounds`";

#[derive(Clone, Copy)]
enum Digest {
    Sha1,
    Sha256,
    Sha512,
}

impl Digest {
    /// The bytes of a hash as these systems make it.
    const fn output(self) -> usize {
        match self {
            Self::Sha1 => 20,
            Self::Sha256 => 32,
            Self::Sha512 => 64,
        }
    }
}

pub(crate) struct Pbkdf2 {
    digest: Digest,
    rounds: u32,
    salt: Box<[u8]>,
    pub(super) expected: Box<[u8]>,
}

impl Pbkdf2 {
    pub(super) fn read(known: &Known<'_>, caps: &Caps) -> Result<Self, Flaw> {
        let body = known.body;
        let read = match known.format {
            Format::Pbkdf2Sha1Django => of_django(body, Digest::Sha1),
            Format::Pbkdf2Sha256Django => of_django(body, Digest::Sha256),
            Format::Pbkdf2Werkzeug => of_werkzeug(body),
            // What Spring Security 5.5 and 5.8 make by default.
            Format::Pbkdf2Sha1Spring => of_spring(body, Digest::Sha1, 185_000, 8),
            Format::Pbkdf2Sha256Spring => of_spring(body, Digest::Sha256, 310_000, 16),
            Format::AspNetIdentity => of_asp_net(body),
            Format::Pbkdf2Sha1 => with_parameters(body, Digest::Sha1),
            Format::Pbkdf2Sha512 => with_parameters(body, Digest::Sha512),
            _ => with_parameters(body, Digest::Sha256),
        };
        let read = read.filter(|read| read.rounds > 0 && read.expected.len() >= OUTPUT).ok_or(Flaw::Malformed)?;
        if read.cost() > u64::from(caps.pbkdf2) {
            return Err(Flaw::Costly(ABOVE));
        }
        Ok(read)
    }

    /// All rounds, which each block of the output takes anew (RFC 8018 section 5.2).
    fn cost(&self) -> u64 {
        let blocks = u64::try_from(self.expected.len().div_ceil(self.digest.output())).unwrap_or(u64::MAX);
        u64::from(self.rounds).saturating_mul(blocks)
    }

    pub(super) fn compute(&self, password: &[u8], output: &mut [u8]) -> bool {
        match self.digest {
            Digest::Sha1 => pbkdf2_hmac::<Sha1>(password, &self.salt, self.rounds, output),
            Digest::Sha256 => pbkdf2_hmac::<Sha256>(password, &self.salt, self.rounds, output),
            Digest::Sha512 => pbkdf2_hmac::<Sha512>(password, &self.salt, self.rounds, output),
        }
        true
    }

    /// Only with a hash of full length. PBKDF2's output begins with each shorter one, so a hash that a column has cut off would
    /// be right for a password with fewer bits.
    fn whole(digest: Digest, rounds: u32, salt: Box<[u8]>, expected: Box<[u8]>) -> Option<Self> {
        (expected.len() == digest.output()).then_some(Self { digest, rounds, salt, expected })
    }
}

/// passlib's `29000$salt$hash`, or `i=29000,l=32$salt$hash`.
fn with_parameters(body: &str, digest: Digest) -> Option<Pbkdf2> {
    let [settings, salt, hash] = parts(body)?;
    let (salt, expected) = (base64(salt)?, base64(hash)?);
    if let Some(rounds) = number(settings) {
        return Pbkdf2::whole(digest, rounds, salt, expected);
    }
    let (mut rounds, mut length) = (None, digest.output());
    for setting in settings.split(',') {
        match setting.split_once('=')? {
            ("i", value) => rounds = Some(number(value)?),
            ("l", value) => length = usize::try_from(number(value)?).ok()?,
            _ => return None,
        }
    }
    (expected.len() == length).then_some(Pbkdf2 { digest, rounds: rounds?, salt, expected })
}

/// `rounds$salt$hash`, the salt as it is.
fn of_django(body: &str, digest: Digest) -> Option<Pbkdf2> {
    let [rounds, salt, hash] = parts(body)?;
    Pbkdf2::whole(digest, number(rounds)?, salt.as_bytes().into(), base64(hash)?)
}

/// `sha256:rounds$salt$hash`, the salt as it is and the hash in hexadecimal digits.
fn of_werkzeug(body: &str) -> Option<Pbkdf2> {
    let [settings, salt, hash] = parts(body)?;
    let (digest, rounds) = settings.split_once(':')?;
    let digest = match digest {
        "sha1" => Digest::Sha1,
        "sha256" => Digest::Sha256,
        "sha512" => Digest::Sha512,
        _ => return None,
    };
    Pbkdf2::whole(digest, number(rounds)?, salt.as_bytes().into(), hex(hash)?)
}

/// Salt and hash of 32 bytes, in hexadecimal digits.
fn of_spring(body: &str, digest: Digest, rounds: u32, salt: usize) -> Option<Pbkdf2> {
    let bytes = hex(body)?;
    let (salt, expected) = bytes.split_at_checked(salt)?;
    (expected.len() == 32).then(|| Pbkdf2 { digest, rounds, salt: salt.into(), expected: expected.into() })
}

/// Version 2: 0, 16 bytes of salt, 32 of hash, by SHA-1 in 1000 rounds. Version 3: 1, then digest, rounds and the salt's length
/// as big-endian numbers of four bytes, the salt and the hash.
fn of_asp_net(body: &str) -> Option<Pbkdf2> {
    let bytes = base64(body)?;
    let (version, rest) = bytes.split_first()?;
    if *version == 0 {
        let (salt, expected) = rest.split_at_checked(16)?;
        let is_whole = expected.len() == 32;
        return is_whole.then(|| Pbkdf2 {
            digest: Digest::Sha1,
            rounds: 1000,
            salt: salt.into(),
            expected: expected.into(),
        });
    }
    let (numbers, rest) = rest.split_at_checked(12)?;
    let (numbers, _) = numbers.as_chunks::<4>();
    let mut numbers = numbers.iter().map(|number| u32::from_be_bytes(*number));
    let (digest, rounds, salt) = (numbers.next()?, numbers.next()?, numbers.next()?);
    let (salt, expected) = rest.split_at_checked(usize::try_from(salt).ok()?)?;
    let digest = match digest {
        0 => Digest::Sha1,
        1 => Digest::Sha256,
        2 => Digest::Sha512,
        _ => return None,
    };
    // ASP.NET makes 32 bytes whatever the digest is, and nothing in the record tells how many there were.
    (expected.len() >= 32).then(|| Pbkdf2 { digest, rounds, salt: salt.into(), expected: expected.into() })
}
