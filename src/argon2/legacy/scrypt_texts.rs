//! scrypt (RFC 7914).

use super::caps::{Caps, Flaw};
use super::decode::{base64, hex, number, parts};
use crate::argon2::formats::{Format, Known};

/// What the block size may be; the memory has a limit of its own.
const BLOCK: u32 = 32;
/// How often the most memory may be filled: the repetitions of a hash that takes less may be more.
const FILLS: u64 = 4;
/// A shorter hash is what a column that is too short left of it. scrypt's output begins with each shorter one, so it would
/// be right for a password with fewer bits.
const OUTPUT: usize = 32;
const ABOVE: &str = "its cost is above `max_scrypt_memory`, or its block size or parallelism is too high";

pub(crate) struct Scrypt {
    params: scrypt::Params,
    salt: Box<[u8]>,
    pub(super) expected: Box<[u8]>,
}

struct Cost {
    log_n: u32,
    block: u32,
    repeats: u32,
}

impl Scrypt {
    pub(super) fn read(known: &Known<'_>, caps: &Caps) -> Result<Self, Flaw> {
        let (cost, salt, expected) = match known.format {
            Format::ScryptDjango => of_django(known.body),
            Format::ScryptWerkzeug => of_werkzeug(known.body),
            Format::ScryptSpring => of_spring(known.body),
            _ => phc(known.body),
        }
        .ok_or(Flaw::Malformed)?;
        if expected.len() < OUTPUT {
            return Err(Flaw::Malformed);
        }
        Ok(Self { params: cost.within(caps)?, salt, expected })
    }

    pub(super) fn compute(&self, password: &[u8], output: &mut [u8]) -> bool {
        scrypt::scrypt(password, &self.salt, &self.params, output).is_ok()
    }
}

impl Cost {
    /// The limits come before the crate's own check, which multiplies what it was given.
    fn within(&self, caps: &Caps) -> Result<scrypt::Params, Flaw> {
        if self.log_n == 0 || self.block == 0 || self.repeats == 0 {
            return Err(Flaw::Malformed);
        }
        let filled = |repeats: u32| {
            let rows = 1_u64.checked_shl(self.log_n)?;
            rows.checked_mul(u64::from(self.block))?.checked_mul(128)?.checked_mul(u64::from(repeats))
        };
        let most = caps.scrypt.saturating_mul(1024);
        let is_within = filled(1).is_some_and(|bytes| bytes <= most)
            && filled(self.repeats).is_some_and(|bytes| bytes <= most.saturating_mul(FILLS))
            && self.block <= BLOCK
            && self.repeats <= BLOCK;
        if !is_within {
            return Err(Flaw::Costly(ABOVE));
        }
        let log_n = u8::try_from(self.log_n).map_err(|_| Flaw::Malformed)?;
        scrypt::Params::new(log_n, self.block, self.repeats).map_err(|_| Flaw::Malformed)
    }
}

type Read = Option<(Cost, Box<[u8]>, Box<[u8]>)>;

/// `$scrypt$ln=..,r=..,p=..$salt$hash`
fn phc(text: &str) -> Read {
    let [start, _, settings, salt, hash] = parts(text)?;
    let mut settings = settings.split(',');
    let mut next = |name| settings.next()?.strip_prefix(name).and_then(number);
    let cost = Cost { log_n: next("ln=")?, block: next("r=")?, repeats: next("p=")? };
    if settings.next().is_some() || !start.is_empty() {
        return None;
    }
    Some((cost, base64(salt)?, base64(hash)?))
}

/// `N$salt$r$p$hash`, the salt as it is.
fn of_django(body: &str) -> Read {
    let [n, salt, block, repeats, hash] = parts(body)?;
    Some((cost(n, block, repeats)?, salt.as_bytes().into(), base64(hash)?))
}

/// `N:r:p$salt$hash`, the salt as it is and the hash in hexadecimal digits.
fn of_werkzeug(body: &str) -> Read {
    let [settings, salt, hash] = parts(body)?;
    let mut settings = settings.split(':');
    let cost = cost(settings.next()?, settings.next()?, settings.next()?)?;
    if settings.next().is_some() {
        return None;
    }
    Some((cost, salt.as_bytes().into(), hex(hash)?))
}

/// `$e0801$salt$hash`: one hexadecimal number of the exponent of N, the block size and the repetitions.
fn of_spring(body: &str) -> Read {
    let [start, settings, salt, hash] = parts(body)?;
    let settings = u32::from_str_radix(settings, 16).ok().filter(|_| start.is_empty())?;
    let cost = Cost { log_n: settings >> 16, block: settings >> 8 & 0xff, repeats: settings & 0xff };
    Some((cost, base64(salt)?, base64(hash)?))
}

/// N itself, a power of two.
fn cost(n: &str, block: &str, repeats: &str) -> Option<Cost> {
    let n = number(n).filter(|n| n.is_power_of_two())?;
    Some(Cost { log_n: n.trailing_zeros(), block: number(block)?, repeats: number(repeats)? })
}
