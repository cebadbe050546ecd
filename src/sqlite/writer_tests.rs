use std::sync::mpsc;

use rusqlite::Connection;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::boundary::backend::BackendErrorKind;
use crate::sqlite::db::Db;
use crate::sqlite::failure::Failure;
use crate::sqlite::store::SqliteStore;
use crate::sqlite::tests::folder::Folder;

const SPEND: &str = "INSERT INTO spent_values (digest, expires) VALUES (?1, 9)";
const COUNT: &str = "SELECT count(*) FROM spent_values";
const DANGLING: &str = "INSERT INTO client_origins (origin, client) VALUES ('https://app.example', ?1)";

async fn spend(store: &SqliteStore, number: u8) -> Result<usize, BackendErrorKind> {
    store.write(move |db| db.execute(SPEND, [[number; 32]])).await.map_err(|error| error.kind())
}

async fn count(store: &SqliteStore) -> i64 {
    store.read(|db| db.row(COUNT, (), |row| Ok(row.get(0)?))).await.unwrap().unwrap()
}

/// An operation that keeps the writer busy: what comes meanwhile shares the next transaction.
struct Busy(mpsc::Sender<()>, JoinHandle<bool>);

impl Busy {
    async fn begin(store: &SqliteStore) -> Self {
        let ((go, wait), (begun, has_begun)) = (mpsc::channel(), oneshot::channel());
        let store = store.clone();
        let work = move |_: &Db| Ok(begun.send(()).is_ok() && wait.recv().is_ok());
        let task = tokio::spawn(async move { store.write(work).await.unwrap() });
        has_begun.await.unwrap();
        Self(go, task)
    }

    async fn end(self) {
        self.0.send(()).unwrap();
        assert!(self.1.await.unwrap());
    }
}

/// A foreign key that is checked at the end fails nothing but the commit.
#[tokio::test]
async fn a_commit_that_fails_is_an_error_for_everybody_who_waited_for_it() {
    let folder = Folder::new("commit");
    let store = folder.store();
    assert_eq!(spend(&store, 0).await, Ok(1));
    let busy = Busy::begin(&store).await;
    let mut group: Vec<_> = (1..20_u8)
        .map(|number| {
            let store = store.clone();
            tokio::spawn(async move { spend(&store, number).await })
        })
        .collect();
    let bad = store.clone();
    group.insert(
        7,
        tokio::spawn(async move {
            let dangling = bad.write(|db| {
                db.execute("PRAGMA defer_foreign_keys = ON", ())?;
                db.execute(DANGLING, ["nobody"])
            });
            dangling.await.map_err(|error| error.kind())
        }),
    );
    while store.stats().waiting < 20 {
        tokio::task::yield_now().await;
    }
    let before = store.stats();
    busy.end().await;
    for one in group {
        assert_eq!(one.await.unwrap(), Err(BackendErrorKind::Unavailable));
    }
    let after = store.stats();
    assert_eq!((after.failures - before.failures, after.commits - before.commits), (1, 1));
    assert_eq!(count(&store).await, 1);
    // And the connection is as good as before.
    assert_eq!(spend(&store, 1).await, Ok(1));
    store.close().await;
    let kept = Connection::open(folder.file()).unwrap();
    let rows: i64 = kept.query_row(COUNT, (), |row| row.get(0)).unwrap();
    assert_eq!(rows, 2);
}

/// One that fails and one that shares no transaction do each other no harm.
#[tokio::test]
async fn pruning_never_runs_in_the_transaction_of_a_request() {
    let folder = Folder::new("alone");
    let store = folder.store();
    let busy = Busy::begin(&store).await;
    let writes: Vec<_> = (0..10_u8)
        .map(|number| {
            let store = store.clone();
            tokio::spawn(async move { spend(&store, number).await })
        })
        .collect();
    let pruned = store.clone();
    let pruned = tokio::spawn(async move { pruned.prune().await.unwrap() });
    while store.stats().waiting < 11 {
        tokio::task::yield_now().await;
    }
    let before = store.stats().commits;
    busy.end().await;
    for write in writes {
        assert_eq!(write.await.unwrap(), Ok(1));
    }
    // What the others had written was committed, and over, before its first step.
    assert_eq!(pruned.await.unwrap(), 10);
    // That of the one that was busy, that of the ten, and one for each step, of which the last finds nothing.
    assert!(store.stats().commits - before >= 4);
    store.close().await;
}

/// The thread that looks something up.
async fn looks_up(store: &SqliteStore) -> String {
    let name = |_: &Db| Ok(std::thread::current().name().unwrap_or_default().to_owned());
    store.look_up(name).await.unwrap()
}

#[tokio::test]
async fn a_look_up_is_the_writers_while_it_waits_for_work_and_a_readers_while_it_writes() {
    let folder = Folder::new("look-up");
    let store = folder.store();
    // It may look for what is over first.
    while looks_up(&store).await != "sqlite-writer" {
        tokio::task::yield_now().await;
    }
    let busy = Busy::begin(&store).await;
    for _ in 0..10 {
        assert_eq!(looks_up(&store).await, "sqlite-reader");
    }
    busy.end().await;
    store.close().await;
    assert!(store.look_up(|_| Ok(())).await.is_err());
}

#[tokio::test]
async fn a_look_up_by_the_writer_is_no_transaction_and_no_cost_of_writing() {
    let folder = Folder::new("look-up-cost");
    let store = folder.store();
    assert_eq!(spend(&store, 1).await, Ok(1));
    let before = store.stats();
    for _ in 0..10 {
        let found = store.look_up(|db| db.row(COUNT, (), |row| Ok(row.get::<_, i64>(0)?))).await;
        assert_eq!(found.unwrap(), Some(1));
    }
    let after = store.stats();
    assert_eq!(after.reads - before.reads, 10);
    assert_eq!((after.operations, after.commits, after.steps), (before.operations, before.commits, before.steps));
    store.close().await;
}

/// A lone operation needs no savepoint: what it changed is undone with its transaction.
#[tokio::test]
async fn an_operation_that_fails_alone_leaves_nothing_and_is_no_failed_transaction() {
    let folder = Folder::new("lone");
    let store = folder.store();
    let failing = store.write(|db| {
        db.execute(SPEND, [[1; 32]])?;
        Err::<(), _>(Failure::Value("this"))
    });
    assert_eq!(failing.await.unwrap_err().kind(), BackendErrorKind::Fault);
    assert_eq!((count(&store).await, store.stats().failures), (0, 0));
    assert_eq!(spend(&store, 1).await, Ok(1));
    store.close().await;
}
