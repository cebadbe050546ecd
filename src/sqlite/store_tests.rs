use super::*;
use crate::boundary::backend::BackendErrorKind;
use crate::sqlite::tests::folder::Folder;

const ADD: &str = "INSERT INTO spent_values (digest, expires) VALUES (?1, 9)";
const COUNT: &str = "SELECT count(*) FROM spent_values";

async fn count(store: &SqliteStore) -> i64 {
    let found = store.read(|db| db.row(COUNT, (), |row| Ok(row.get(0)?))).await;
    found.unwrap().unwrap()
}

#[tokio::test]
async fn a_panic_undoes_its_own_operation_and_the_store_goes_on() {
    let folder = Folder::new("panic");
    let store = folder.store();
    let mut works = Vec::new();
    for number in 0..60_u8 {
        let store = store.clone();
        works.push(tokio::spawn(async move {
            let work = store.write(move |db| {
                db.execute(ADD, [[number; 32]])?;
                assert!(number % 3 != 0, "on purpose");
                Ok(number)
            });
            match work.await {
                Ok(answer) => assert!(answer == number && number % 3 != 0),
                Err(error) => assert!(number % 3 == 0 && error.kind() == BackendErrorKind::Fault),
            }
        }));
    }
    for work in works {
        work.await.unwrap();
    }
    assert!(store.read(|_| -> Result<(), Failure> { panic!("on purpose") }).await.is_err());
    assert!(store.read(|_| -> Result<(), Failure> { panic!("on purpose") }).await.is_err());
    assert_eq!(count(&store).await, 40);
    store.close().await;
}

#[tokio::test]
async fn an_operation_that_ends_the_transaction_is_an_error_for_all_in_it() {
    let folder = Folder::new("lost");
    let store = folder.store();
    let before = store.write(|db| db.execute(ADD, [[1; 32]])).await;
    assert_eq!(before.unwrap(), 1);
    // As a full disk may.
    let lost = store.write(|db| {
        db.execute(ADD, [[2; 32]])?;
        db.execute("ROLLBACK", ())
    });
    assert_eq!(lost.await.unwrap_err().kind(), BackendErrorKind::Unavailable);
    assert_eq!(store.write(|db| db.execute(ADD, [[3; 32]])).await.unwrap(), 1);
    assert_eq!(count(&store).await, 2);
    assert_eq!(store.stats().failures, 1);
    store.close().await;
}

#[tokio::test]
async fn readers_cannot_write() {
    let folder = Folder::new("reader");
    let store = folder.store();
    assert!(store.read(|db| db.execute(ADD, [[1; 32]])).await.is_err());
    assert_eq!(count(&store).await, 0);
    store.close().await;
}

#[tokio::test]
async fn a_look_up_whose_thread_ended_is_an_error() {
    let (sender, mut answer) = tokio::sync::oneshot::channel::<Result<(), Unanswered>>();
    assert!(answered_soon(&mut answer).is_none(), "it may still come");
    drop(sender);
    assert!(answered_soon(&mut answer).unwrap().is_err());
}
