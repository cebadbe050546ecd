//! A service that is slow or says that it has too much to do.

use tokio::time::{Duration, Instant};

use super::scripted::{FIND, GUESS, RIGHT, Reply, STATE, Scripted, answer, counted, directory};
use crate::support::faults::Charges;

#[tokio::test]
async fn a_service_that_hangs_is_503_before_the_endpoint_cuts_the_guess_off_so_its_charge_comes_back() {
    let service = Scripted::start().await;
    let (house, ledger) = counted(directory(service.address)).await;
    service.always(GUESS, Reply::Hang);
    for round in 1..=12 {
        let asking = house.log_in_directly("alice", RIGHT);
        let waiting = async {
            service.reached(GUESS, round).await;
            // From here on the time runs to the next timer by itself.
            tokio::time::pause();
            Instant::now()
        };
        let (answer, began) = tokio::join!(asking, waiting);
        assert!(began.elapsed() <= Duration::from_secs(5), "{:?}", began.elapsed());
        tokio::time::resume();
        answer.assert_error(503, "temporarily_unavailable");
        assert_eq!(house.last(), "verifier_failed");
        assert_eq!(service.count(GUESS), round);
        assert_eq!(ledger.book().account, Charges { made: round as u64, left: 0 });
    }
}

#[tokio::test]
async fn guesses_that_hang_keep_their_places_from_other_guesses_and_from_no_refresh() {
    const PLACES: usize = 16;
    let service = Scripted::start().await;
    let (house, _) = counted(directory(service.address).count_by_login_name()).await;
    let token = house.refresh_token("alice", RIGHT).await;
    service.always(GUESS, Reply::Hang);
    let names: Vec<String> = (0..PLACES).map(|number| format!("nobody{number}")).collect();
    let mut hanging: Vec<_> = names.iter().map(|name| Box::pin(house.log_in_directly(name, RIGHT))).collect();
    let all = std::future::poll_fn(|cx| {
        for login in &mut hanging {
            assert!(login.as_mut().poll(cx).is_pending());
        }
        std::task::Poll::<()>::Pending
    });
    tokio::select! {
        () = all => {}
        () = service.reached(GUESS, 1 + PLACES) => {}
    }
    house.refresh(&token).await.assert_ok();
    tokio::time::pause();
    let refused = house.log_in_directly("alice", RIGHT).await;
    tokio::time::resume();
    refused.assert_error(503, "temporarily_unavailable");
    assert_eq!((house.last(), refused.header("retry-after")), ("overloaded".to_owned(), Some("1")));
    assert_eq!(service.count(GUESS), 1 + PLACES);
    drop(hanging);
    service.always(GUESS, answer("200 OK", "", r#"{"outcome":"right","id":"17","version":1}"#));
    house.log_in("alice", RIGHT).await.assert_ok();
}

#[tokio::test]
async fn a_service_that_turns_a_question_away_is_503_with_its_retry_after_within_bounds() {
    let service = Scripted::start().await;
    let (house, ledger) = counted(directory(service.address)).await;
    let cases = [
        ("429 Too Many Requests", "retry-after: 7\r\n", "7"),
        ("503 Service Unavailable", "retry-after: 7\r\n", "7"),
        ("429 Too Many Requests", "retry-after: 86400\r\n", "60"),
        ("429 Too Many Requests", "retry-after: 0\r\n", "1"),
        ("429 Too Many Requests", "retry-after: -3\r\n", "5"),
        ("429 Too Many Requests", "retry-after: 18446744073709551616\r\n", "5"),
        ("429 Too Many Requests", "retry-after: Fri, 31 Dec 1999 23:59:59 GMT\r\n", "5"),
        ("429 Too Many Requests", "retry-after: \u{fc}\r\n", "5"),
        ("503 Service Unavailable", "", "5"),
        ("500 Internal Server Error", "retry-after: 7\r\n", "5"),
        ("502 Bad Gateway", "", "5"),
    ];
    let mut asked = [0, 0, 0];
    for (status, lines, wait) in cases {
        for (path, place) in [(FIND, 0), (GUESS, 1), (STATE, 2)] {
            service.next(path, answer(status, lines, ""));
            let refused = house.log_in("alice", RIGHT).await;
            refused.assert_error(503, "temporarily_unavailable");
            assert_eq!(refused.header("retry-after"), Some(wait), "{status} {lines}");
            // It is not asked again.
            asked.iter_mut().take(place + 1).for_each(|count| *count += 1);
            assert_eq!([FIND, GUESS, STATE].map(|path| service.count(path)), asked, "{status} at {path}");
        }
    }
    assert_eq!(ledger.book().account.left, 0);
}
