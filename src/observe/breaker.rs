//! Whether an engine is worth a call: after some failures in a row it is left alone for a while, then asked by one call at a time.

use std::future::Future;
use std::time::Duration;

use tokio::time::Instant;

use super::telemetry;
use crate::boundary::sync::{Mutex, MutexGuard, held};
use crate::protocol::secret::secrets::fill_random;

/// So many failures in a row are an outage.
const MOST_FAILURES: u32 = 5;
/// How long the engine is left alone at first. Each failure of a probe doubles it.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
/// So that an engine that is back serves again within seconds.
const LONGEST_PAUSE: Duration = Duration::from_secs(3);

/// Stands before the calls of one engine. Only failures of the engine count: a bad value or a conflict is an answer.
#[derive(Debug)]
pub(crate) struct Breaker {
    engine: &'static str,
    state: Mutex<State>,
}

/// What the error of a call says of its engine.
pub(crate) trait Outage: Sized {
    /// Whether the engine has failed, and not what was asked of it.
    fn is_outage(&self) -> bool;

    /// The engine was not asked. It may be in this time.
    fn not_asked(wait: Duration) -> Self;
}

#[derive(Clone, Copy, Debug)]
struct State {
    /// In a row.
    failures: u32,
    /// Until then nothing is asked, if it is open.
    open: Option<Open>,
}

#[derive(Clone, Copy, Debug)]
struct Open {
    pause: Duration,
    until: Instant,
    is_probed: bool,
}

/// What the breaker says of a call that ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Change {
    None,
    /// The engine is left alone from now on.
    Opened,
    /// It is back.
    Closed,
}

/// A call that may be made. Dropped without a word it says nothing of the engine.
#[must_use = "the call has to say how it ended"]
struct Permit<'a> {
    breaker: &'a Breaker,
    is_probe: bool,
}

impl Breaker {
    /// Before this engine, as a sentence begins with it.
    pub(crate) const fn new(engine: &'static str) -> Self {
        Self { engine, state: Mutex::new(State { failures: 0, open: None }) }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        held(self.state.lock())
    }

    /// Makes a call, unless the engine is left alone.
    pub(crate) async fn call<T, E: Outage>(&self, call: impl Future<Output = Result<T, E>>) -> Result<T, E> {
        let permit = self.admit(Instant::now()).map_err(E::not_asked)?;
        let answer = call.await;
        let change = match &answer {
            Err(error) if error.is_outage() => permit.failed(Instant::now()),
            _ => permit.answered(),
        };
        match change {
            Change::None => {}
            Change::Opened => telemetry::engine_away(self.engine),
            Change::Closed => telemetry::engine_back(self.engine),
        }
        answer
    }

    /// Lets a call pass. `Err`: not before this time is over.
    fn admit(&self, now: Instant) -> Result<Permit<'_>, Duration> {
        let mut state = self.lock();
        let Some(open) = &mut state.open else { return Ok(Permit { breaker: self, is_probe: false }) };
        if now < open.until {
            return Err(open.until.duration_since(now));
        }
        if open.is_probed {
            // The probe tells soon.
            return Err(FIRST_PAUSE);
        }
        open.is_probed = true;
        Ok(Permit { breaker: self, is_probe: true })
    }
}

impl Permit<'_> {
    /// The engine has answered.
    fn answered(mut self) -> Change {
        let mut state = self.breaker.lock();
        let was_open = state.open.is_some();
        // A call of before the outage is no proof that it is over.
        if was_open && !self.is_probe {
            return Change::None;
        }
        *state = State { failures: 0, open: None };
        self.is_probe = false;
        if was_open { Change::Closed } else { Change::None }
    }

    /// The engine has failed.
    fn failed(mut self, now: Instant) -> Change {
        let mut state = self.breaker.lock();
        let pause = match state.open {
            None => {
                state.failures = state.failures.saturating_add(1);
                if state.failures < MOST_FAILURES {
                    return Change::None;
                }
                FIRST_PAUSE
            }
            Some(open) if self.is_probe => open.pause.saturating_mul(2).min(LONGEST_PAUSE),
            Some(_) => return Change::None,
        };
        let was_open = state.open.is_some();
        let until = now.checked_add(with_jitter(pause)).unwrap_or(now);
        state.open = Some(Open { pause, until, is_probed: false });
        self.is_probe = false;
        if was_open { Change::None } else { Change::Opened }
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        if self.is_probe
            && let Some(open) = &mut self.breaker.lock().open
        {
            // The next call is the probe.
            open.is_probed = false;
        }
    }
}

/// Between half of it and all, so that the processes of a service do not come back in one moment.
fn with_jitter(pause: Duration) -> Duration {
    let mut random = [0; 1];
    // Without randomness all wait for the same time.
    let _ = fill_random(&mut random);
    let half = pause.checked_div(2).unwrap_or_default();
    half.saturating_add(half.mul_f64(f64::from(u8::from_le_bytes(random)) / 255.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fail(breaker: &Breaker, now: Instant) -> Change {
        breaker.admit(now).unwrap_or_else(|_| panic!("it is open")).failed(now)
    }

    /// A breaker that has just opened.
    fn opened(now: Instant) -> Breaker {
        let breaker = Breaker::new("the engine");
        for _ in 1..MOST_FAILURES {
            assert_eq!(fail(&breaker, now), Change::None);
        }
        assert_eq!(fail(&breaker, now), Change::Opened);
        breaker
    }

    #[test]
    fn five_failures_in_a_row_open_it_and_an_answer_between_them_does_not() {
        let (now, breaker) = (Instant::now(), Breaker::new("the engine"));
        for _ in 0..3 {
            for _ in 1..MOST_FAILURES {
                assert_eq!(fail(&breaker, now), Change::None);
            }
            assert_eq!(breaker.admit(now).ok().unwrap().answered(), Change::None);
        }
        let wait = opened(now).admit(now).err().unwrap();
        assert!(wait >= FIRST_PAUSE / 2 && wait <= FIRST_PAUSE, "{wait:?}");
    }

    #[test]
    fn one_call_at_a_time_asks_whether_the_engine_is_back() {
        let now = Instant::now();
        let breaker = opened(now);
        let later = now + FIRST_PAUSE;
        let probe = breaker.admit(later).ok().unwrap();
        assert!(breaker.admit(later).is_err());
        assert_eq!(probe.answered(), Change::Closed);
        assert!(breaker.admit(later).is_ok() && breaker.admit(later).is_ok());
    }

    #[test]
    fn a_probe_that_is_dropped_says_nothing_and_the_next_call_is_one() {
        let now = Instant::now();
        let breaker = opened(now);
        let later = now + FIRST_PAUSE;
        drop(breaker.admit(later));
        let probe = breaker.admit(later).ok().unwrap();
        assert!(breaker.admit(later).is_err());
        assert_eq!(probe.failed(later), Change::None);
    }

    #[test]
    fn each_probe_that_fails_doubles_the_pause_up_to_three_seconds() {
        let mut now = Instant::now();
        let (breaker, mut pause) = (opened(now), FIRST_PAUSE);
        for _ in 0..10 {
            let wait = breaker.admit(now).err().unwrap();
            assert!(wait >= pause / 2 && wait <= pause, "{wait:?} of {pause:?}");
            now += wait;
            assert_eq!(fail(&breaker, now), Change::None);
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
        assert_eq!(pause, LONGEST_PAUSE);
    }

    #[derive(Debug, PartialEq)]
    enum Ended {
        Down,
        Conflict,
        NotAsked,
    }

    impl Outage for Ended {
        fn is_outage(&self) -> bool {
            *self == Self::Down
        }

        fn not_asked(_: Duration) -> Self {
            Self::NotAsked
        }
    }

    #[tokio::test(start_paused = true)]
    async fn only_failures_of_the_engine_open_it_and_it_comes_back_without_a_restart() {
        let breaker = Breaker::new("the engine");
        let call = async |ended: Result<u8, Ended>| breaker.call(async { ended }).await;
        for _ in 0..20 {
            assert_eq!(call(Err(Ended::Conflict)).await, Err(Ended::Conflict));
        }
        for _ in 0..MOST_FAILURES {
            assert_eq!(call(Err(Ended::Down)).await, Err(Ended::Down));
        }
        assert_eq!(call(Ok(1)).await, Err(Ended::NotAsked));
        tokio::time::sleep(FIRST_PAUSE).await;
        assert_eq!(call(Err(Ended::Down)).await, Err(Ended::Down));
        assert_eq!(call(Ok(1)).await, Err(Ended::NotAsked));
        tokio::time::sleep(LONGEST_PAUSE).await;
        assert_eq!((call(Ok(1)).await, call(Ok(2)).await), (Ok(1), Ok(2)));
    }

    #[test]
    fn what_was_asked_before_the_outage_neither_ends_nor_prolongs_it() {
        let (now, breaker) = (Instant::now(), Breaker::new("the engine"));
        let early = [(); 2].map(|()| breaker.admit(now).ok().unwrap());
        for _ in 0..MOST_FAILURES {
            fail(&breaker, now);
        }
        let wait = breaker.admit(now).err().unwrap();
        let [answered, failed] = early;
        assert_eq!((answered.answered(), failed.failed(now)), (Change::None, Change::None));
        assert_eq!(breaker.admit(now).err(), Some(wait));
    }
}
