//! How long the writer stays awake for the next job.

use std::thread::available_parallelism;
use std::time::Duration;

/// How long at most: about as long as it takes to wake a thread, and a request from its look-up to its write.
const AWAKE: Duration = Duration::from_micros(100);
/// Up to this wait it would have paid: the wait of a thread that slept has its waking in it.
const PAID: Duration = Duration::from_micros(200);

/// What the writer did last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Last {
    /// It looked something up. A write of the same request may follow at once.
    LookUp,
    /// It wrote.
    Write,
}

/// Whether it pays to wait awake, judged by the last time: a thread that is woken serves a lone request late, and one
/// that waits awake for nothing takes a processor from others.
#[derive(Debug)]
pub(super) struct Attention {
    after_look_up: bool,
    after_write: bool,
    /// On a single processor it would keep the next job from being made.
    is_useful: bool,
}

impl Attention {
    pub(super) fn new() -> Self {
        Self::on(available_parallelism().map_or(1, usize::from))
    }

    const fn on(processors: usize) -> Self {
        Self { after_look_up: true, after_write: true, is_useful: processors > 1 }
    }

    /// How long to wait awake now.
    pub(super) const fn after(&self, last: Last) -> Duration {
        let paid = match last {
            Last::LookUp => self.after_look_up,
            Last::Write => self.after_write,
        };
        if paid && self.is_useful { AWAKE } else { Duration::ZERO }
    }

    /// The next job came after so long.
    pub(super) fn waited(&mut self, last: Last, time: Duration) {
        let paid = match last {
            Last::LookUp => &mut self.after_look_up,
            Last::Write => &mut self.after_write,
        };
        *paid = time <= PAID;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_waits_awake_where_the_last_such_wait_was_short_and_never_on_one_processor() {
        let mut attention = Attention::on(2);
        assert_eq!(attention.after(Last::Write), AWAKE);
        attention.waited(Last::Write, PAID * 2);
        assert_eq!((attention.after(Last::Write), attention.after(Last::LookUp)), (Duration::ZERO, AWAKE));
        attention.waited(Last::Write, PAID);
        attention.waited(Last::LookUp, Duration::MAX);
        assert_eq!((attention.after(Last::Write), attention.after(Last::LookUp)), (AWAKE, Duration::ZERO));
        assert_eq!(Attention::on(1).after(Last::Write), Duration::ZERO);
    }
}
