//! The promise of a move between directories in the face of `kill -9`: afterwards a user is in the new directory whole or not at
//! all, and the next login works.
//!
//! This program is the server and its murderer, like `sqlite_crash`: it kills the server with SIGKILL at each step between the old
//! directory's yes and the answer, looks into the file, and starts the server again over it.
//!
//! `CRASH_KILLS_AT_EACH_STEP` (default 5) is the number of kills at each step.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(clippy::arithmetic_side_effects, missing_docs, unreachable_pub)]

#[path = "../it/support/diverted.rs"]
mod diverted;
#[path = "../sqlite_crash/process.rs"]
mod process;
mod server;
#[path = "../sqlite_crash/trap.rs"]
mod trap;

use std::path::Path;
use std::time::Duration;

use process::{Folder, Server, kills, member, post, someone};
use server::{PASSWORD, STEPS, Step, serve};

fn main() {
    process::run(serve, || {
        let kills = kills("CRASH_KILLS_AT_EACH_STEP", 5);
        let folder = Folder::new("moving");
        for step in STEPS {
            let moved = (0..kills).filter(|round| kill_at(step, *round as u64, &folder.file())).count();
            println!("ok: {kills} kills at {step:?}, {moved} users whole in the new directory, none by half");
        }
    });
}

fn form(user: &str) -> String {
    format!("grant_type=password&client_id=app&username={user}&password={PASSWORD}")
}

/// Kills the server at this step of the first login of a user. Answers whether the user was moved.
fn kill_at(step: Step, round: u64, file: &Path) -> bool {
    let user = format!("{step:?}-{round}").to_lowercase();
    let request = form(&user);
    let delay = Duration::from_micros(if step == Step::AtCommit { 50 * round } else { 0 });
    Server::start(file).kill_at(step as usize, delay, move |address| post(address, someone(), &request));

    let is_moved = is_moved(file, &user);
    let is_done = matches!(step, Step::AfterInsert | Step::BeforeAnswer);
    assert!(is_moved == is_done || step == Step::AtCommit, "{step:?}: moved is {is_moved}");
    let server = Server::start(file);
    for _ in 0..2 {
        let (status, body) = post(server.address, someone(), &form(&user)).unwrap();
        assert_eq!(status, 200, "{step:?}: {body}");
        let (status, body) = post(
            server.address,
            someone(),
            &format!("grant_type=refresh_token&client_id=app&refresh_token={}", member(&body, "refresh_token")),
        )
        .unwrap();
        assert_eq!(status, 200, "{step:?}: {body}");
    }
    let wrong = post(server.address, someone(), &form(&user).replace(PASSWORD, "wrong")).unwrap();
    assert_eq!(wrong.0, 400, "{step:?}: {}", wrong.1);
    server.kill();
    assert!(self::is_moved(file, &user), "{step:?}: the next login moves a user that the killed one has not");
    is_moved
}

/// Whether the user is in the file with id, name and hash. One by half is a failure.
fn is_moved(file: &Path, user: &str) -> bool {
    let file = rusqlite::Connection::open(file).unwrap();
    let count = |sql: &str, value: &str| file.query_row(sql, [value], |row| row.get::<_, i64>(0)).unwrap();
    let id = format!("id-of-{user}");
    let rows = count("SELECT count(*) FROM users WHERE id = ?1", &id);
    let names = count("SELECT count(*) FROM user_names WHERE user = ?1", &id);
    let whole = count(
        "SELECT count(*) FROM user_names n JOIN users u ON u.id = n.user WHERE n.directory = '-' AND n.name = ?1
            AND u.password_hash LIKE '$argon2id$%' AND u.status = 'active'",
        user,
    );
    assert!(rows == names && names == whole && whole <= 1, "{user} is there by half: {rows}, {names}, {whole}");
    whole == 1
}
