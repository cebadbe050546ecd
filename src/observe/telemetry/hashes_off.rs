//! The same functions without `tracing`: nothing is said.

pub(crate) const fn hash_unusable(_subject: &str, _format: &'static str, _cause: &'static str) {}

pub(crate) const fn upgrade_lost(_subject: &str, _written: usize, _kept: usize, _is_restored: bool) {}

pub(crate) const fn upgrade_failed(_subject: &str, _cause: &'static str) {}
