//! The rate of a ceiling, as an operator set it.

use std::fmt;

use super::meter::{Meter, RateError};
use crate::boundary::setting::SettingError;
use crate::limiter::step::budget::Mode;

/// A rate, what becomes of requests above it, and the requests so far.
pub(super) struct Rate {
    meter: Result<Meter, RateError>,
    mode: Mode,
}

impl Rate {
    /// `burst` requests at once, and `per_second` in the long run.
    pub(super) fn new(burst: u32, per_second: u32) -> Self {
        Self { meter: Meter::new(burst, per_second), mode: Mode::Block }
    }

    /// Nothing is counted, and nothing is wrong.
    pub(super) const fn none() -> Self {
        Self { meter: Err(RateError { burst: 0, per_second: 0 }), mode: Mode::Off }
    }

    pub(super) fn monitor(&mut self) {
        self.mode = self.mode.monitored();
    }

    pub(super) fn is_none(&self) -> bool {
        self.mode == Mode::Off
    }

    pub(super) fn is_monitor(&self) -> bool {
        self.mode == Mode::Monitor
    }

    /// What counts the requests, if they are counted.
    #[inline]
    pub(super) fn meter(&self) -> Option<&Meter> {
        self.meter.as_ref().ok()
    }

    /// Whether a meter can have the rate that this method set.
    pub(super) fn check(&self, setting: &'static str) -> Result<(), SettingError> {
        match &self.meter {
            Err(RateError { burst, per_second }) if !self.is_none() => {
                let given = format_args!("{burst} at once and {per_second} a second");
                Err(SettingError::new(setting, given, "1 or more at once, and 1 to 1,000,000 a second"))
            }
            _ => Ok(()),
        }
    }
}

impl fmt::Debug for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rate").field("mode", &self.mode).finish_non_exhaustive()
    }
}
