//! What the files hold of refresh tokens that were used: an old token and the salt of each use give the newest.

use std::collections::HashSet;
use std::time::Duration;

use rusqlite::Connection;
use tower_password_grant::ClientId;
use tower_password_grant::clock::Clock as _;
use tower_password_grant::sqlite::SqliteStore;
use tower_password_grant::store::{FamilyId, RefreshFamily, RefreshTokenStore};
use tower_password_grant::testing::{ManualClock, RefreshTokenUse, TokenUsed, begin_family};

use crate::support::folder::{Folder, at, digest};

fn store_at(folder: &Folder, clock: &ManualClock) -> SqliteStore {
    SqliteStore::builder(folder.file()).clock(clock.clone()).prune_every(Duration::from_secs(3600)).open().unwrap()
}

/// Ids that lie anywhere among each other.
fn id(number: usize) -> FamilyId {
    FamilyId::from_bytes(*digest(&format!("family {number}")).as_bytes().first_chunk().unwrap())
}

fn salt(number: usize, generation: usize) -> [u8; 32] {
    *digest(&format!("salt {number}:{generation}")).as_bytes()
}

async fn begin(store: &SqliteStore, number: usize) {
    let (subject, client) = (format!("user-{number}"), ClientId::new("cli").unwrap());
    let family = RefreshFamily::new(id(number), subject, client, at(0), at(1_000_000));
    begin_family(store, family, &digest(&format!("{number}:0")), at(0)).await.unwrap();
}

/// Uses the token of this generation.
async fn rotate(store: &SqliteStore, clock: &ManualClock, number: usize, generation: usize) {
    let name = |generation: usize| digest(&format!("{number}:{generation}"));
    let used = RefreshTokenUse::new(id(number), name(generation), clock.now())
        .with_successor(name(generation + 1), salt(number, generation));
    assert_eq!(used.by(store).await.unwrap(), TokenUsed::Done);
}

/// How many of these salts are anywhere in the files.
fn count_salts(folder: &Folder, families: usize, generations: usize) -> usize {
    let bytes = folder.bytes();
    let all: HashSet<&[u8]> = bytes.windows(32).collect();
    let salts = (0..families).flat_map(|number| (0..generations).map(move |generation| salt(number, generation)));
    salts.filter(|salt| all.contains(&salt[..])).count()
}

#[tokio::test]
async fn the_files_of_an_open_store_hold_no_salt_a_minute_after_its_use_and_a_prune() {
    const FAMILIES: usize = 300;
    let (folder, clock) = (Folder::new(), ManualClock::at(at(0)));
    let store = store_at(&folder, &clock);
    for number in 0..FAMILIES {
        begin(&store, number).await;
    }
    let mut uses = [0; FAMILIES];
    for round in 0..3 {
        for (number, uses) in uses.iter_mut().enumerate() {
            // Rows grow and shrink beside others, and some go.
            if number % 7 == 0 && round == 2 {
                RefreshTokenStore::revoke_family(&store, id(number)).await.unwrap();
            } else if number % (round + 1) == 0 {
                rotate(&store, &clock, number, *uses).await;
                *uses += 1;
            }
        }
        clock.advance(Duration::from_secs(61));
        if round == 1 {
            store.prune().await.unwrap();
        }
    }
    assert!(count_salts(&folder, FAMILIES, 3) > 0, "the test finds what is there");
    clock.advance(Duration::from_secs(3600));
    store.prune().await.unwrap();
    assert_eq!(count_salts(&folder, FAMILIES, 3), 0);
    store.close().await;
}

#[tokio::test]
async fn a_reader_that_holds_the_log_back_fails_no_prune_and_the_next_one_after_it_empties_the_log() {
    let (folder, clock) = (Folder::new(), ManualClock::at(at(0)));
    let store = store_at(&folder, &clock);
    begin(&store, 0).await;
    rotate(&store, &clock, 0, 0).await;
    let reader = Connection::open(folder.file()).unwrap();
    reader.execute_batch("BEGIN").unwrap();
    let count = |table: &str| {
        let sql = format!("SELECT count(*) FROM {table}");
        reader.query_row(&sql, (), |row| row.get::<_, i64>(0)).unwrap()
    };
    assert_eq!(count("refresh_families"), 1);
    clock.advance(Duration::from_secs(61));
    store.prune().await.unwrap();
    assert_eq!(count_salts(&folder, 1, 1), 1, "the reader sees the state from before");
    begin(&store, 1).await;
    reader.execute_batch("COMMIT").unwrap();
    store.prune().await.unwrap();
    assert_eq!(count_salts(&folder, 1, 1), 0);
    store.close().await;
}
