use rusqlite::{Connection, params};

use super::*;
use crate::boundary::clock::SystemClock;
use crate::sqlite::schema::SCHEMA;

/// Families that ended, or expired, at once, each with an access token.
fn filled(families: i64, ended: Option<i64>, expires: i64, access_expires: i64) -> Db {
    let mut connection = Connection::open_in_memory().unwrap();
    connection.execute_batch(SCHEMA).unwrap();
    let transaction = connection.transaction().unwrap();
    for number in 0..families {
        // Spread as random keys are.
        let spread = number.wrapping_mul(0x9e37_79b9_7f4a_7c15_u64.cast_signed()).to_be_bytes();
        let (id, digest) = ([spread, spread].concat(), [spread, spread, spread, spread].concat());
        let family =
            "INSERT INTO refresh_families (row, id, subject, client, scope, authenticated_at, expires, lineage,
            ended) VALUES (?1, ?2, ?1, 'cli', '', 0, ?3, x'01', ?4)";
        transaction.prepare_cached(family).unwrap().execute(params![number, id, expires, ended]).unwrap();
        let token =
            "INSERT INTO access_tokens (digest, subject, client, scope, audience, issued, expires, login, number, claims)
            VALUES (?1, ?2, 'cli', '', '[]', 0, ?3, ?4, 1, '{}')";
        transaction.prepare_cached(token).unwrap().execute(params![digest, number, access_expires, id]).unwrap();
    }
    transaction.commit().unwrap();
    Db::new(connection)
}

fn pruner() -> Pruner {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    Pruner::new(Arc::clone(&clock), CountingTime::begin(clock, 0))
}

/// The most instructions of one step, those of all steps, and the rows that they removed.
fn prune_all(db: &Db, now: i64) -> (u64, u64, u64) {
    let pruner = pruner();
    let (mut most, mut all, mut rows) = (0, 0, 0);
    for _ in 0..100_000 {
        db.take_steps();
        let step = pruner.step(db, Instants { expired: now, ended: now - ENDED, used: now - KEPT }).unwrap();
        // As on a disk that takes no time.
        pruner.took(Duration::ZERO);
        let steps = db.take_steps();
        assert!(step.rows <= u64::from(MOST));
        most = most.max(steps);
        all += steps;
        rows += step.rows;
        if !step.is_short {
            return (most, all, rows);
        }
    }
    panic!("it does not end");
}

#[test]
fn a_step_costs_the_same_however_much_is_due_and_each_row_is_paid_once() {
    let now = 10 * ENDED;
    let far = 100 * ENDED;
    for families in [500, 5_000] {
        let due = [
            // Ended at once, and their access tokens live.
            filled(families, Some(0), far, far),
            // Expired at once, with and without their access tokens.
            filled(families, None, 0, 0),
            filled(families, Some(0), 0, 0),
        ];
        for (number, db) in due.iter().enumerate() {
            let (most, all, rows) = prune_all(db, now);
            assert_eq!(rows, 2 * families.unsigned_abs(), "{number}");
            assert!(most < 25_000, "{families} {number}: {most} instructions in one step");
            assert!(all / rows < 70, "{families} {number}: {} instructions for each row", all / rows);
        }
    }
}

#[test]
fn a_step_that_took_too_long_halves_the_next_and_none_is_without_rows() {
    let pruner = pruner();
    let rows = || pruner.rows.load(Ordering::Relaxed);
    for _ in 0..1000 {
        pruner.took(TIME);
    }
    assert_eq!(rows(), MOST);
    pruner.took(TIME + Duration::from_nanos(1));
    assert_eq!(rows(), MOST / 2);
    for _ in 0..1000 {
        pruner.took(Duration::MAX);
    }
    assert_eq!(rows(), LEAST);
}

#[test]
fn no_table_waits_for_ever_where_another_has_more_than_can_be_removed() {
    let db = filled(0, None, 0, 0);
    let pruner = pruner();
    let count = |sql| db.row(sql, (), |row| Ok(row.get::<_, i64>(0)?)).unwrap().unwrap();
    let access =
        "INSERT INTO access_tokens (login, number, digest, subject, client, scope, audience, issued, expires, claims)
        VALUES (zeroblob(32), 1, zeroblob(32), '', '', '', '', 0, 0, '')";
    db.execute(access, ()).unwrap();
    let mut number = 0_i64;
    while count("SELECT count(*) FROM access_tokens") > 0 {
        assert!(number < 100_000, "it is still there");
        while count("SELECT count(*) FROM spent_values") < i64::from(MOST) {
            number += 1;
            db.execute("INSERT INTO spent_values (digest, expires) VALUES (?1, 0)", [number.to_be_bytes()]).unwrap();
        }
        pruner.step(&db, Instants { expired: 0, ended: 0, used: 0 }).unwrap();
    }
}

/// A lineage of this version with a predecessor, and one that a later version wrote.
#[test]
fn predecessors_are_forgotten_in_steps_but_not_those_of_a_later_version() {
    let db = filled(600, None, 100 * ENDED, 0);
    let lineage = [[1].as_slice(), &[7; 40], &[8; 72]].concat();
    db.execute("UPDATE refresh_families SET lineage = ?1, used = row", [&lineage]).unwrap();
    let later = [[2].as_slice(), &lineage[1..]].concat();
    db.execute("UPDATE refresh_families SET lineage = ?1 WHERE row % 100 = 7", [&later]).unwrap();
    let count = |sql, bytes: &[u8]| db.row(sql, [bytes], |row| Ok(row.get::<_, i64>(0)?)).unwrap().unwrap();
    let pruner = pruner();
    let step = || pruner.step(&db, Instants { expired: 0, ended: 0, used: 500 }).unwrap();
    assert!((0..100_000).any(|_| !step().is_short), "it does not end");
    let kept = "SELECT count(*) FROM refresh_families WHERE lineage = ?1 AND used = row";
    assert_eq!((count(kept, &lineage), count(kept, &later)), (99, 6));
    let forgotten = "SELECT count(*) FROM refresh_families WHERE lineage = ?1 AND used IS NULL";
    assert_eq!(count(forgotten, &lineage[..41]), 495);
}
