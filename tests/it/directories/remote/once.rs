//! A guess reaches the service at most once, whatever happens to the connection.

use std::time::Duration;

use super::scripted::{FIND, GUESS, RIGHT, Reply, STATE, Scripted, counted, directory};
use crate::support::faults::Charges;

#[tokio::test]
async fn a_guess_is_sent_once_when_the_service_closes_the_pooled_connection_after_reading_it() {
    let service = Scripted::start().await;
    let (house, ledger) = counted(directory(service.address).count_by_login_name()).await;
    for round in 1..=12 {
        house.log_in("alice", RIGHT).await.assert_ok();
        service.next(GUESS, Reply::Close);
        house.log_in("alice", RIGHT).await.assert_error(503, "temporarily_unavailable");
        assert_eq!(house.last(), "verifier_failed");
        assert_eq!(service.count(GUESS), 2 * round);
        let asked = service.asked();
        let (guess, before) = asked.split_last().unwrap();
        assert!(before.iter().any(|asked| asked.connection == guess.connection), "it comes from the pool");
    }
    assert_eq!(ledger.book().account, Charges { made: 24, left: 0 }, "every charge came back");
}

#[tokio::test]
async fn look_ups_and_rechecks_are_repeated_once_over_a_new_connection() {
    let service = Scripted::start().await;
    let (house, _) = counted(directory(service.address)).await;
    for path in [FIND, STATE] {
        service.next(path, Reply::Close);
    }
    house.log_in("alice", RIGHT).await.assert_ok();
    assert_eq!([FIND, GUESS, STATE].map(|path| service.count(path)), [2, 1, 2]);
    for _ in 0..2 {
        service.next(FIND, Reply::Close);
    }
    house.log_in("alice", RIGHT).await.assert_error(503, "temporarily_unavailable");
    assert_eq!([FIND, GUESS, STATE].map(|path| service.count(path)), [4, 1, 2]);
}

#[tokio::test]
async fn a_connection_that_the_service_closes_while_it_is_idle_costs_no_login_and_no_second_guess() {
    let service = Scripted::start().await;
    let (house, _) = counted(directory(service.address)).await;
    for round in 1..=20 {
        house.log_in("alice", RIGHT).await.assert_ok();
        assert_eq!(service.count(GUESS), round);
        service.hang_up();
        // Noticed by neither side, by the service, by both.
        for _ in 0..round % 4 {
            tokio::task::yield_now().await;
        }
    }
}

#[tokio::test]
async fn a_service_that_is_down_is_503_and_every_charge_comes_back() {
    let down = Scripted::down();
    let address = down.local_addr().unwrap();
    let (house, ledger) = counted(directory(address)).await;
    let (guessing, guesses) = counted(directory(address).count_by_login_name()).await;
    for _ in 0..12 {
        for house in [&house, &guessing] {
            house.log_in("alice", RIGHT).await.assert_error(503, "temporarily_unavailable");
            assert_eq!(house.last(), "verifier_failed");
        }
    }
    assert_eq!(ledger.book().account, Charges { made: 0, left: 0 }, "the look-up comes before the charge");
    assert_eq!(guesses.book().account, Charges { made: 12, left: 0 });
    let service = Scripted::listen(down);
    for house in [&house, &guessing] {
        house.log_in("alice", RIGHT).await.assert_ok();
    }
    assert_eq!(service.count(GUESS), 2);
}

#[tokio::test]
async fn a_guess_that_found_no_connection_is_tried_once_more() {
    let down = Scripted::down();
    let address = down.local_addr().unwrap();
    let (house, _) = counted(directory(address).count_by_login_name()).await;
    tokio::time::pause();
    let coming_up = async {
        // Time stands still as long as this one is busy, so the second try waits.
        for _ in 0..100 {
            std::thread::sleep(Duration::from_micros(200));
            for _ in 0..100 {
                tokio::task::yield_now().await;
            }
        }
        let service = Scripted::listen(down);
        tokio::time::resume();
        service
    };
    let (answer, service) = tokio::join!(house.log_in_directly("alice", RIGHT), coming_up);
    answer.assert_ok();
    assert_eq!(service.count(GUESS), 1);
}

#[tokio::test]
async fn a_guess_that_is_counted_by_its_name_asks_for_the_form_that_is_counted_t8() {
    const SENT: &str = " \u{fb01}ona\u{200b}";
    let service = Scripted::start().await;
    for (users, asked) in
        [(directory(service.address), SENT), (directory(service.address).count_by_login_name(), "fiona")]
    {
        let (house, _) = counted(users).await;
        house.log_in(SENT, RIGHT).await;
        let guess = service.asked().into_iter().rfind(|asked| asked.path == GUESS).unwrap();
        assert_eq!(guess.question["name"], asked);
    }
}
