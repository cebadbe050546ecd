//! Running this program again under callgrind, and reading what it counted.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use super::cases::METER;
use super::meter::Cost;

/// The argument that makes this program run its cases for callgrind.
const CHILD: &str = "--counted";
/// Which part of its cases that is, in the environment, where they are counted in parts.
const PART: &str = "COUNTED_PART";

/// What this program was started for.
pub enum Role {
    /// To run its cases under callgrind.
    Counted,
    /// To print what they cost, and to fail if one is above its ceiling, if it is to check.
    Report { checks: bool },
}

impl Role {
    /// By the arguments of the program; `usage` is how it is called.
    pub fn of_arguments(usage: &str) -> Result<Self, ExitCode> {
        let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
        match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
            [] => Ok(Self::Report { checks: false }),
            ["--check"] => Ok(Self::Report { checks: true }),
            [CHILD] => Ok(Self::Counted),
            _ => {
                eprintln!("usage: cargo bench {usage} [-- --check]");
                Err(ExitCode::from(2))
            }
        }
    }
}

/// The instructions of a case: all iterations together, the meter's own included.
#[derive(Clone, Copy)]
struct Count {
    total: u64,
    /// Of SHA-256. The counting processor has no SHA instructions, real ones do it ten times faster.
    sha256: u64,
}

/// Has the instructions of these cases counted, if it can be done here.
pub fn count_into(costs: &mut [Cost]) -> Result<(), ExitCode> {
    count_part_into(costs, "")
}

/// The same for a part of the cases: the program that is counted finds its name by [`part`].
pub fn count_part_into(costs: &mut [Cost], part: &str) -> Result<(), ExitCode> {
    match count(part) {
        Ok(counts) => fill_in(costs, &counts),
        Err(error) => {
            eprintln!("INSTRUCTIONS NOT COUNTED: {error}");
            if std::env::var_os("REQUIRE_VALGRIND").is_some_and(|value| value == "1") {
                return Err(ExitCode::FAILURE);
            }
        }
    }
    Ok(())
}

/// The part that is to be run, or nothing.
#[allow(dead_code, reason = "the benchmark of second factors calls it")]
pub fn part() -> String {
    std::env::var(PART).unwrap_or_default()
}

/// What was counted for each case, in the order of the cases.
fn count(part: &str) -> Result<Vec<Count>, String> {
    let directory = std::env::temp_dir().join(format!("tower-password-grant-ceilings-{}", std::process::id()));
    std::fs::create_dir_all(&directory).map_err(|error| format!("{}: {error}", directory.display()))?;
    let counts = run(&directory, part).and_then(|out| read(&out));
    // With this set the files stay, for `callgrind_annotate`.
    if std::env::var_os("KEEP_CALLGRIND").is_some() {
        eprintln!("callgrind's files are in {}", directory.display());
    } else {
        std::fs::remove_dir_all(&directory).map_err(|error| error.to_string())?;
    }
    counts
}

fn run(directory: &Path, part: &str) -> Result<PathBuf, String> {
    let out = directory.join("callgrind.out");
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--toggle-collect=*tpg_measured*"])
        .args(["--zero-before=*tpg_case_begins*", "--dump-after=*tpg_case_ends*"])
        // Each function with its name, each line with its number.
        .args(["--compress-strings=no", "--compress-pos=no"])
        .arg(format!("--callgrind-out-file={}", out.display()))
        .arg(program)
        .arg(CHILD)
        .env(PART, part)
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("valgrind cannot be run: {error}"))?;
    if output.status.success() {
        return Ok(out);
    }
    Err(format!("valgrind failed, {}: {}", output.status, String::from_utf8_lossy(&output.stderr)))
}

/// Callgrind numbers its dumps from 1, and some versions write an empty one with each.
fn read(out: &Path) -> Result<Vec<Count>, String> {
    let mut counts = Vec::new();
    for number in 1.. {
        let part = PathBuf::from(format!("{}.{number}", out.display()));
        let Ok(text) = std::fs::read_to_string(&part) else { break };
        let total = text.lines().find_map(|line| line.strip_prefix("totals: ")?.split(' ').next()?.parse().ok());
        match total.ok_or_else(|| format!("{} has no totals", part.display()))? {
            0 => {}
            total => counts.push(Count { total, sha256: sha256_in(&text) }),
        }
    }
    Ok(counts)
}

/// What the functions that do SHA-256 took themselves.
fn sha256_in(dump: &str) -> u64 {
    let (mut is_sha256, mut is_of_a_call, mut sum) = (false, false, 0);
    for line in dump.lines() {
        if let Some(function) = line.strip_prefix("fn=") {
            is_sha256 = function.contains("sha256") && function.contains("compress");
        } else if line.starts_with("calls=") {
            // The line behind it is the cost of what was called.
            is_of_a_call = true;
        } else if line.starts_with(|first: char| first.is_ascii_digit()) {
            let own = line.split(' ').nth(1).filter(|_| is_sha256 && !is_of_a_call);
            sum += own.and_then(|own| own.parse::<u64>().ok()).unwrap_or(0);
            is_of_a_call = false;
        }
    }
    sum
}

/// Gives each case its instructions for one iteration, without the meter's own.
fn fill_in(costs: &mut [Cost], counts: &[Count]) {
    assert_eq!(costs.len(), counts.len(), "one dump for each case");
    let meter = costs.iter().position(|cost| cost.name == METER).expect("the meter is a case");
    let (own, runs) = (counts[meter].total, costs[meter].iterations);
    for (cost, count) in costs.iter_mut().zip(counts) {
        let total = count.total.saturating_sub(own * cost.iterations / runs);
        cost.instructions = Some(total / cost.iterations);
        cost.beside_sha256 = Some(total.saturating_sub(count.sha256) / cost.iterations);
    }
}
