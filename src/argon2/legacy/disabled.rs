//! Without the feature no such hash can be read.

use std::convert::Infallible;

#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Caps(());

pub(crate) struct Hash(Infallible);

impl Hash {
    pub(crate) fn read(_text: &str, _caps: &Caps) -> Option<Self> {
        None
    }

    pub(crate) fn matches(&self, _password: &[u8]) -> Option<bool> {
        match self.0 {}
    }
}
