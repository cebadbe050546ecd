//! What the settings of an [`Argon2VerifierBuilder`](super::Argon2VerifierBuilder) may be. Nothing is cut to fit.

use std::time::Duration;

use super::argon2_hash::Caps;
use super::error::Argon2ConfigError;
use super::places::Percents;
use super::pool::{LONGEST, Limit, Limits};

/// The longest of all waits here: clients give up long before.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

pub(super) fn check(setting: &'static str, is_in_range: bool, range: &'static str) -> Result<(), Argon2ConfigError> {
    if is_in_range { Ok(()) } else { Err(Argon2ConfigError::Setting { setting, range }) }
}

fn is_wait(time: Duration) -> bool {
    !time.is_zero() && time <= LONGEST_WAIT
}

pub(super) fn check_queue(limits: &Limits) -> Result<(), Argon2ConfigError> {
    let wait = "more than 0 and at most 60 seconds";
    match limits.jobs {
        Limit::Time(longest) => check("max_wait", is_wait(longest), wait)?,
        Limit::Jobs(jobs) => check("queue_capacity", jobs <= LONGEST, "0 to 65,536 jobs")?,
    }
    let Percents { of_one, reserved } = limits.percents;
    check("queue_percent_per_address", (1..=100).contains(&of_one), "1 to 100 percent")?;
    let most = "at most 90 percent, because users at new addresses log in, too";
    check("queue_percent_for_known_addresses", reserved <= 90, most)?;
    check("queue_deadline", is_wait(limits.deadline), wait)
}

pub(super) fn check_waits(hold: Duration, store: Option<Duration>) -> Result<(), Argon2ConfigError> {
    check("hold_refusals", hold <= LONGEST_WAIT, "0 to 60 seconds")?;
    check("store_deadline", store != Some(Duration::ZERO), "more than 0, or `None` for no deadline of its own")
}

/// The caps that were chosen, or the default ones and at least the cost of new hashes.
pub(super) fn caps(chosen: Option<Caps>, (memory, passes, lanes): (u32, u32, u32)) -> Result<Caps, Argon2ConfigError> {
    if let Some(caps) = chosen {
        let holds_new = caps.memory >= memory && caps.passes >= passes && caps.lanes >= lanes;
        check(
            "max_stored_cost",
            holds_new,
            "at least the cost of new hashes (`parameters`), or no new hash could be verified",
        )?;
        return Ok(caps);
    }
    Ok(Caps { memory: memory.max(128 * 1024), passes: passes.max(10), lanes: lanes.max(16) })
}
