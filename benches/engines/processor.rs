//! The processor time of an engine, from the kernel's own count.

use std::fs;
use std::time::Duration;

/// What the threads of a process that lives have taken, to the nanosecond.
fn of_threads(process: u32) -> Duration {
    let threads = fs::read_dir(format!("/proc/{process}/task")).into_iter().flatten().flatten();
    let taken = threads.filter_map(|thread| {
        let text = fs::read_to_string(thread.path().join("schedstat")).ok()?;
        Some(Duration::from_nanos(text.split_whitespace().next()?.parse().ok()?))
    });
    taken.sum()
}

/// What the children of a process took that have ended, in ticks of a hundredth of a second.
fn of_ended_children(process: u32) -> Duration {
    let text = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    // The name stands in parentheses and may hold anything.
    let fields: Vec<&str> = text.rsplit_once(')').map_or("", |(_, rest)| rest).split_whitespace().collect();
    let ticks = |place: usize| fields.get(place).and_then(|field| field.parse::<u64>().ok()).unwrap_or_default();
    Duration::from_millis(10 * (ticks(13) + ticks(14)))
}

fn children(process: u32) -> Vec<u32> {
    let text = fs::read_to_string(format!("/proc/{process}/task/{process}/children")).unwrap_or_default();
    text.split_whitespace().filter_map(|child| child.parse().ok()).collect()
}

/// What a process and its children have taken, those that have ended included. A child that ends in between is counted twice or
/// not at all for a moment, so nothing may end while a stretch of time is begun or closed.
pub fn of(process: u32) -> Duration {
    let living: Duration = children(process).into_iter().map(of_threads).sum();
    living + of_threads(process) + of_ended_children(process)
}

/// The resident memory of a process, in bytes.
pub fn memory(process: u32) -> u64 {
    let text = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = text.lines().find(|line| line.starts_with("VmRSS:"));
    line.and_then(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok()).unwrap_or_default() * 1024
}
