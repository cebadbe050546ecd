use rusqlite::Connection;

use super::forget::{Key, look_through};
use super::record::record;
use super::report::{report, stayers};
use crate::protocol::client::registered::ClientId;
use crate::protocol::usage::day::{Day, DayRange};
use crate::protocol::usage::row::{ClientUser, LoginCount, Usage, UsageBatch, UsageRow};
use crate::protocol::usage::stayers::PageKey;
use crate::protocol::usage::way::LoginWay;
use crate::sqlite::db::Db;
use crate::sqlite::schema::SCHEMA;

const TODAY: Day = Day::from_number(20_600);

fn window() -> DayRange {
    DayRange::new(TODAY.before(29), TODAY)
}

/// Fills a file with so many users of one client, who have moved but for one in a hundred.
const FILL: [&str; 2] = [
    "INSERT INTO usage_places (number, client) VALUES (1, 'app')",
    "WITH RECURSIVE users (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM users WHERE n < ?1 - 1),
     ways (way) AS (VALUES (1), (8))
     INSERT INTO usage_rows (place, subject, way, first, last, refreshed, families_end)
     SELECT 1, printf('%036d', n), way, 20500, 20600, 20600, 20700 FROM users CROSS JOIN ways
     WHERE way = 1 OR n % 100 > 0",
];

fn filled(users: u32) -> Db {
    let connection = Connection::open_in_memory().unwrap();
    connection.execute_batch(SCHEMA).unwrap();
    let db = Db::new(connection);
    db.execute(FILL[0], ()).unwrap();
    db.execute(FILL[1], [users]).unwrap();
    db.take_steps();
    db
}

fn app() -> ClientId {
    ClientId::new("app").unwrap()
}

fn subject(number: u32) -> String {
    format!("{number:036}")
}

fn batch(subject: &str, day: Day, logins: u64) -> UsageBatch {
    let (app, way) = (app(), LoginWay::Password);
    let row = UsageRow::new(ClientUser::new(&app, None, subject), Usage::new(way, true, day));
    UsageBatch::new(vec![row], vec![LoginCount::new(app, way, true, day, 7, logins)])
}

/// The instructions of SQLite's virtual machine for a batch with a new row, one with a row that changes and one with nothing new;
/// for a page of last users and for a look at some rows for what is over.
fn costs(users: u32) -> [u64; 5] {
    let db = filled(users);
    let taken = |batch| {
        record(&db, &batch).unwrap();
        db.take_steps()
    };
    let new = taken(batch("new", TODAY, 1));
    let changed = taken(batch(&subject(users / 2), TODAY.after(1), 1));
    let nothing = taken(batch(&subject(users / 2), TODAY.after(1), 1));
    let after = PageKey::new(None, &subject(users / 2));
    let page = stayers(&db, "app", window(), Some(&after), 10).unwrap();
    assert_eq!(page.stayers.len(), 10);
    let page = db.take_steps();
    let key = Key { place: 1, subject: subject(users / 4).into(), way: 8 };
    assert!(look_through(&db, &key, TODAY.before(400)).unwrap().last.is_some());
    [new, changed, nothing, page, db.take_steps()]
}

#[test]
fn a_batch_a_page_and_a_step_of_pruning_cost_the_same_among_4_000_and_among_100_000_users() {
    let few = costs(4_000);
    assert_eq!(few, costs(100_000));
    let [new, changed, nothing, page, looked] = few;
    println!("{few:?}");
    assert!(new < 100 && changed < 120 && nothing < 90, "{few:?}");
    assert!(page < 40_000 && looked < 60_000, "{few:?}");
}

#[test]
fn a_report_looks_at_each_row_once() {
    for users in [1_000, 10_000] {
        let db = filled(users);
        let said = report(&db, window()).unwrap();
        assert_eq!((said[0].users, said[0].only_by_password), (users.into(), u64::from(users / 100)));
        let steps = db.take_steps() as f64 / (f64::from(users) * 1.99);
        assert!(steps < 12.0, "{steps} instructions for each row");
    }
}
