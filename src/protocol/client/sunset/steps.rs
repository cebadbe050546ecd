//! The steps of an end, as its registration keeps them. All instants are whole milliseconds, as the text of a registration has them.

use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

/// The most windows of one end.
pub(crate) const MAX_BROWNOUTS: usize = 64;
/// The most users whose exception stands in a registration.
pub(crate) const MAX_EXCEPTIONS: usize = 100;
/// A rehearsal of an end: for a while the client is refused as it will be after the end.
///
/// See [`Sunset::brownout`](crate::client::Sunset::brownout).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Brownout {
    pub(super) start: SystemTime,
    pub(super) end: SystemTime,
}

impl Brownout {
    /// Its first moment.
    #[must_use]
    pub const fn start(&self) -> SystemTime {
        self.start
    }

    /// The first moment after it.
    #[must_use]
    pub const fn end(&self) -> SystemTime {
        self.end
    }
}

/// What leads to the end, and what outlives it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Steps {
    /// In their order.
    pub(super) brownouts: Vec<Brownout>,
    pub(super) ramp: Option<SystemTime>,
    /// By the subject's identifier: until when it is excepted.
    pub(super) exceptions: BTreeMap<String, SystemTime>,
    /// Until when exceptions are looked up.
    pub(super) look_up: Option<SystemTime>,
    pub(super) families_end: Option<SystemTime>,
}

/// The date as HTTP writes it (RFC 9110 section 5.6.7), which it cannot before 1970 and after 9999.
pub(crate) fn http_date(date: SystemTime) -> Option<String> {
    const YEAR_10000: u64 = 253_402_300_800;
    let since = date.duration_since(UNIX_EPOCH).ok()?;
    (since.as_secs() < YEAR_10000).then(|| httpdate::fmt_http_date(date))
}
