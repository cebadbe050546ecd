//! Agreement with PyOTP, another implementation of RFC 6238.
//!
//! Needs a Python with `pyotp`: `python3`, or the one that `PYTHON` names. Without it the test says so and ends, unless
//! `REQUIRE_INTEROP=1` is set.

use std::io::Write as _;
use std::process::{Command, Stdio};
use std::time::{Duration, UNIX_EPOCH};

use super::otp::{matching_step, new_otp};

const SECRETS: usize = 50;

/// Reads lines `URI TIME ..`, and writes for each one what is in the URI, then the code of each time.
const SCRIPT: &str = "
import sys, pyotp
for line in sys.stdin:
    uri, *times = line.split()
    totp = pyotp.parse_uri(uri)
    assert isinstance(totp, pyotp.TOTP) and totp.digest().name == 'sha1', uri
    codes = [totp.at(int(time)) for time in times]
    print(totp.secret, totp.interval, totp.digits, totp.issuer, totp.name, *codes, sep='\\t')
";

fn python() -> Command {
    Command::new(std::env::var_os("PYTHON").unwrap_or_else(|| "python3".into()))
}

fn is_there() -> bool {
    if python().args(["-c", "import pyotp"]).output().is_ok_and(|output| output.status.success()) {
        return true;
    }
    let why = "python3 with `pyotp` is missing (pip install pyotp, PYTHON names another python)";
    assert_ne!(std::env::var("REQUIRE_INTEROP").as_deref(), Ok("1"), "{why}");
    // Past the capture of test output, so that nobody takes this for a pass.
    let _ = std::io::stderr().write_all(format!("\nSKIPPED: PyOTP interop: {why}\n").as_bytes());
    false
}

/// The edges of steps, the ends of 32 bits, and times that are spread over some centuries.
fn times() -> Vec<u64> {
    let edges = [0, 29, 30, 59, 1_111_111_109, (1 << 31) - 1, 1 << 31, (1 << 32) - 1, 1 << 32];
    let spread = (1..40_u64).map(|number| number * 366_000_001 + number * number * 7);
    edges.into_iter().chain(spread).collect()
}

#[test]
fn pyotp_reads_each_uri_and_makes_the_codes_that_are_taken_and_no_others() {
    if !is_there() {
        return;
    }
    let names = [("Example Bank", "pat@example.com"), ("Läden & Co/?#", "auth0|9:7 %41ä")];
    let otps: Vec<_> =
        (0..SECRETS).map(|at| (names[at % 2], new_otp(names[at % 2].0, names[at % 2].1).unwrap())).collect();
    let times = times();
    let columns = times.iter().map(|time| format!(" {time}")).collect::<String>();
    let asked: String = otps.iter().map(|(_, otp)| format!("{}{columns}\n", &*otp.uri)).collect();
    let mut child = python().args(["-c", SCRIPT]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(asked.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    let told = String::from_utf8(output.stdout).unwrap();
    assert_eq!(told.lines().count(), SECRETS);
    for (line, ((application, account), otp)) in told.lines().zip(&otps) {
        let fields: Vec<&str> = line.split('\t').collect();
        assert_eq!(fields[..5], [&*otp.text, "30", "6", application, account]);
        assert_eq!(fields.len(), 5 + times.len());
        for (code, time) in fields[5..].iter().zip(&times) {
            let now = UNIX_EPOCH + Duration::from_secs(*time);
            assert_eq!(matching_step(&otp.secret, code, now), Some(time / 30), "{time}");
            // A step later it is still taken, and then no more.
            let later = |steps: u64| now + Duration::from_secs(steps * 30);
            assert_eq!(matching_step(&otp.secret, code, later(1)), Some(time / 30), "{time}");
            let code_of_both = matching_step(&otp.secret, code, later(2));
            assert!(code_of_both.is_none_or(|step| step > time / 30), "{time}");
        }
    }
}
