//! The example with two servers over one PostgreSQL and one Redis, which starts and kills both engines itself.

use std::io::Write as _;
use std::path::Path;

use crate::assert_sentence;
use crate::example::Example;

/// What is not installed here, if anything.
fn missing() -> Option<&'static str> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let is_in_path = |names: &[&str]| {
        std::env::split_paths(&path).any(|folder| names.iter().any(|name| folder.join(name).is_file()))
    };
    let has_postgres = Path::new("/usr/lib/postgresql").is_dir() || is_in_path(&["initdb"]);
    match (has_postgres, is_in_path(&["redis-server", "valkey-server"])) {
        (false, _) => Some("postgresql"),
        (true, false) => Some("redis-server"),
        (true, true) => None,
    }
}

#[test]
fn two_servers_go_on_with_what_the_other_began_and_serve_again_after_each_engine_was_killed() {
    if let Some(package) = missing() {
        let why = format!("no {package} is installed");
        let is_required = |name| std::env::var(name).as_deref() == Ok("1");
        assert!(!is_required("REQUIRE_POSTGRES") && !is_required("REQUIRE_REDIS"), "{why}");
        let _ = std::io::stderr().write_all(format!("\nSKIPPED: the example cluster: {why}\n").as_bytes());
        return;
    }
    let folder = std::env::temp_dir().join(format!("two-servers-{}", std::process::id()));
    std::fs::create_dir(&folder).unwrap();
    let mut program = Example::program("cluster");
    let output = program.env("TMPDIR", &folder).env_remove("POSTGRES_URL").env_remove("REDIS_URL").output().unwrap();
    let told = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{told}\n{}", String::from_utf8_lossy(&output.stderr));
    let shown: Vec<&str> = told.lines().filter(|line| !line.is_empty() && !line.contains("127.0.0.1")).collect();
    let expected = [
        "# A login at one server goes on at the other",
        "a login at the first: 200",
        "its refresh at the second: 200",
        "the new access token at the API of the first: 200, user-1",
        "the same refresh token at both at once: 200 and 200",
        "# Guesses count at both servers together",
        "wrong passwords at the first and the second: 400, 400",
        "wrong passwords at the first and the second: 400, 400",
        "wrong passwords at the first and the second: 400, 400",
        "the right one at both: 429, 429",
        "an operator sees 1 lock at the first, and lifts 1 at the second",
        "the right one at the first: 200",
        "# PostgreSQL is killed: nobody is let in without a count",
        "a login: 503, retry-after: ",
        "it is started again: a login is 200 after ",
        "and the login of before goes on: 200",
        "# Redis is killed: nobody is let in without a count",
        "a login: 503, retry-after: ",
        "a refresh, which needs no count: 200",
        "it is started again: a login is 200 after ",
        "done",
    ];
    assert_eq!(shown.len(), expected.len(), "{told}");
    for (line, expected) in shown.iter().zip(expected) {
        assert!(line.starts_with(expected), "{line}\n{told}");
    }
    // A program that is missing is named.
    let complaint = Example::complaint("cluster", &[], &[("PATH", ""), ("TMPDIR", folder.to_str().unwrap())]);
    assert_sentence(&complaint, &["apt-get install"]);
    // Nothing is left behind, whether it worked or not: the folder is empty.
    std::fs::remove_dir(&folder).unwrap();
}
