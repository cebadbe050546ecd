//! Without the feature no such hash can be read.

use std::convert::Infallible;

use crate::argon2::error::Argon2ConfigError;
use crate::argon2::formats::Known;
use crate::argon2::unusable::UnusableHash;

#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Caps(());

impl Caps {
    /// There is nothing to choose.
    pub(crate) const fn check(self) -> Result<(), Argon2ConfigError> {
        Ok(())
    }
}

pub(crate) struct Hash(Infallible);

impl Hash {
    pub(crate) fn read(known: &Known<'_>, _caps: &Caps) -> Result<Self, UnusableHash> {
        Err(UnusableHash::of(known.name, "it is read only with the feature `legacy-hashes` of this crate"))
    }

    pub(crate) fn matches(&self, _password: &[u8]) -> Result<bool, &'static str> {
        match self.0 {}
    }
}
