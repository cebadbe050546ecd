use std::time::UNIX_EPOCH;

use rusqlite::Connection;

use super::*;
use crate::protocol::factor::authenticator::RecoveryCodes;
use crate::sqlite::schema::SCHEMA;

fn new(prefix: &str, number: u64) -> Authenticator {
    let id = AuthenticatorId::parse(&format!("{prefix}|dev_{number:022}")).unwrap();
    let kind = id.kind().unwrap();
    Authenticator::new(id, kind, None, vec![7; 60], UNIX_EPOCH)
}

fn owner(number: u64) -> Owner {
    Owner { subject: format!("user-{number:06}"), realm: Some("staff".to_owned()) }
}

fn code(text: &str) -> SecretDigest {
    SecretDigest::of(text)
}

/// Fills a file with so many users, each with an active authenticator app and recovery codes.
const FILL: [&str; 2] = [
    "WITH RECURSIVE users (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM users WHERE n < ?1),
     kinds (prefix) AS (VALUES ('totp'), ('recovery-code'))
     INSERT INTO authenticators (id, subject, realm, sealed, created, is_active)
     SELECT printf('%s|dev_%022d', prefix, n), printf('user-%06d', n), 'staff', zeroblob(60), 0, 1
     FROM users CROSS JOIN kinds",
    "INSERT INTO recovery_codes (authenticator, digest)
     SELECT row, randomblob(32) FROM authenticators WHERE id LIKE 'recovery-code%' AND ?1 > 0",
];

/// A file with so many users. One of them has two recovery codes that are known.
fn filled(users: u64) -> Db {
    let connection = Connection::open_in_memory().unwrap();
    connection.execute_batch(SCHEMA).unwrap();
    let db = Db::new(connection);
    db.batch("BEGIN").unwrap();
    for sql in FILL {
        db.execute(sql, [users.cast_signed()]).unwrap();
    }
    let (middle, number) = (owner(users / 2), users * 2);
    remove_all_of(&db, middle.realm.as_deref(), &middle.subject).unwrap();
    let recovery = RecoveryCodes::new(new("recovery-code", number), vec![code("old"), code("other")]);
    enrol(&db, &middle, &Enrolment::new(new("totp", number), Some(recovery), true)).unwrap();
    for prefix in ["totp", "recovery-code"] {
        db.execute(ACTIVATE, [new(prefix, number).id.as_str()]).unwrap();
    }
    db.batch("COMMIT").unwrap();
    db
}

/// The instructions of SQLite's virtual machine for the list of a user, a spent step and a swapped code.
fn costs(users: u64) -> [u64; 3] {
    let (db, user, id) = (filled(users), owner(users / 2), new("totp", users * 2).id);
    db.take_steps();
    assert_eq!(of_user(&db, &user).unwrap().len(), 2);
    let list = db.take_steps();
    assert_eq!(db.execute(SPEND, params![user.subject, user.realm, id.as_str(), 7]).unwrap(), 1);
    let spend = db.take_steps();
    let (old, next) = (code("old"), code("next"));
    let swapped = db.execute(SWAP, params![user.subject, user.realm, old.as_bytes(), next.as_bytes()]);
    assert_eq!(swapped.unwrap(), 1);
    [list, spend, db.take_steps()]
}

#[test]
fn a_list_a_step_and_a_code_cost_the_same_among_100_and_among_100_000_users() {
    let few = costs(100);
    assert_eq!(few, costs(100_000));
    assert!(few.iter().all(|steps| *steps < 120), "{few:?}");
}
