//! Reading a stored text.

use std::sync::Arc;

use super::argon2_hash::{Argon2Hash, Caps};
use super::format::HashFormat;
use super::formats::{self, Format};
use super::legacy;
use super::unusable::{MALFORMED, UnusableHash};
use crate::boundary::users::stored_user::trimmed;
use crate::protocol::secret::secret_keys::SecretKeys;

/// No format that is read needs more.
const LONGEST: usize = 512;
/// What a format of the application's own may have.
const LONGEST_OWN: usize = 16 * 1024;

/// What can be read, and up to which cost.
pub(super) struct Readable {
    pub(super) caps: Caps,
    pub(super) legacy: legacy::Caps,
    pub(super) own: Vec<Arc<dyn HashFormat>>,
    pub(super) keys: Option<SecretKeys>,
}

/// A stored hash that can be compared.
pub(super) enum Stored<'t> {
    Argon2 {
        hash: Box<Argon2Hash>,
        name: &'static str,
        /// Another system has written it, and prepared no password for it.
        is_foreign: bool,
    },
    Legacy {
        hash: legacy::Hash,
        name: &'static str,
    },
    Own {
        format: Arc<dyn HashFormat>,
        text: &'t str,
    },
}

impl Readable {
    /// Reads a stored text whose cost is below the limits.
    pub(super) fn read<'t>(&self, text: &'t str) -> Result<Stored<'t>, UnusableHash> {
        let text = trimmed(text);
        let is_asked = !text.starts_with("$argon2") && text.len() <= LONGEST_OWN;
        if let Some(format) = self.own.iter().find(|format| is_asked && format.recognises(text)) {
            return Ok(Stored::Own { format: Arc::clone(format), text });
        }
        let known = formats::recognise(text)?;
        if !text.is_ascii() || text.len() > LONGEST {
            return Err(UnusableHash::of(known.name, MALFORMED));
        }
        if known.format != Format::Argon2 {
            return legacy::Hash::read(&known, &self.legacy).map(|hash| Stored::Legacy { hash, name: known.name });
        }
        let hash = Argon2Hash::read(known.body, &self.caps, self.keys.as_ref());
        let hash = hash.map_err(|cause| UnusableHash::of(known.name, cause))?;
        Ok(Stored::Argon2 { hash: Box::new(hash), name: known.name, is_foreign: known.is_foreign })
    }
}
