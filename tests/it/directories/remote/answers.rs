//! Answers that are none: never a verdict, and never a word of them in a log.

use super::scripted::{CREDENTIAL, FIND, GUESS, RIGHT, Reply, STATE, Scripted, answer, counted, directory};
use crate::support::capture::Capture;
use crate::support::faults::Charges;

const CANARY: &str = "C4naryXq7Zt3Kw9Lm5Rb2Vh8Np";

/// Bodies with status 200 that no question has as an answer.
fn bodies() -> Vec<String> {
    let huge = format!(r#"{{"outcome":"right","id":"17","version":1,"more":"{}"}}"#, CANARY.repeat(1000));
    let texts = [
        "",
        "null",
        "true",
        "{}",
        "[]",
        "<html>C4naryXq7Zt3Kw9Lm5Rb2Vh8Np</html>",
        r#""C4naryXq7Zt3Kw9Lm5Rb2Vh8Np""#,
        r#"{"id":"17","version":1}"#,
        r#"{"outcome":"C4naryXq7Zt3Kw9Lm5Rb2Vh8Np"}"#,
        r#"{"outcome":null}"#,
        r#"{"outcome":"right"}"#,
        r#"{"outcome":"right","id":"","version":1}"#,
        r#"{"outcome":"right","id":17,"version":1}"#,
        r#"{"outcome":"right","id":"17","version":"C4naryXq7Zt3Kw9Lm5Rb2Vh8Np"}"#,
        r#"{"outcome":"right","id":"17","version":-1}"#,
        r#"{"outcome":"right","id":"17","version":1"#,
        r#"{"outcome":"right","id":"17","version":1}{}"#,
        r#"{"outcome":"account"}"#,
        r#"{"outcome":"account","id":null}"#,
        r#"{"outcome":"active"}"#,
    ];
    texts.map(str::to_owned).into_iter().chain([huge]).collect()
}

#[tokio::test]
async fn an_answer_that_cannot_be_read_is_an_error_and_gives_the_charge_back() {
    let service = Scripted::start().await;
    let (house, ledger) = counted(directory(service.address)).await;
    for path in [FIND, GUESS, STATE] {
        for body in bodies() {
            let before = service.count(path);
            service.next(path, answer("200 OK", "", &body));
            house.log_in("alice", RIGHT).await.assert_error(500, "server_error");
            assert_eq!(service.count(path), before + 1, "it is not asked again: {body}");
        }
        assert_eq!(ledger.book().account.left, 0, "{path}");
    }
    house.log_in("alice", RIGHT).await.assert_ok();
}

#[tokio::test]
async fn a_status_other_than_200_is_never_a_verdict_whatever_its_body_says() {
    let service = Scripted::start().await;
    let (house, _) = counted(directory(service.address)).await;
    let right = r#"{"outcome":"right","id":"17","version":1}"#;
    for status in ["201 Created", "204 No Content", "302 Found", "400 Bad Request", "401 Unauthorized", "404 Not Found"]
    {
        let body = if status.starts_with("204") { "" } else { right };
        let lines = format!("location: http://{}{GUESS}\r\n", service.address);
        let before = service.count(GUESS);
        service.next(GUESS, answer(status, &lines, body));
        house.log_in("alice", RIGHT).await.assert_error(500, "server_error");
        assert_eq!(service.count(GUESS), before + 1, "a redirect is not followed: {status}");
    }
}

#[tokio::test]
async fn the_service_is_asked_the_same_about_a_name_that_nobody_has_t19() {
    let service = Scripted::start().await;
    let (house, _) = counted(directory(service.address)).await;
    for (logins, name) in ["alice", "nobody", "alice", "nobody"].into_iter().enumerate() {
        house.log_in(name, "wrong").await.assert_error(400, "invalid_grant");
        assert_eq!([FIND, GUESS, STATE].map(|path| service.count(path)), [logins + 1, logins + 1, 0], "{name}");
    }
}

#[tokio::test]
async fn neither_name_password_credential_nor_answer_shows_in_a_log_or_a_url() {
    let (capture, _guard) = Capture::listen();
    let service = Scripted::start().await;
    let (house, ledger) = counted(directory(service.address)).await;
    let odd = [
        format!("C4nary {CANARY}\r\n\r\n"),
        format!("HTTP/1.1 418 {CANARY}\r\nx-{CANARY}: {CANARY}\r\ncontent-length: 0\r\n\r\n"),
        format!("HTTP/1.1 200 OK\r\ncontent-length: {CANARY}\r\n\r\n{CANARY}"),
        format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{CANARY}\r\n"),
        format!("HTTP/1.1 200 OK\r\nx: {}\r\ncontent-length: 0\r\n\r\n", CANARY.repeat(2000)),
    ];
    let replies = odd.into_iter().map(Reply::Bytes);
    let replies = replies.chain(bodies().into_iter().map(|body| answer("200 OK", "", &body)));
    let mut rounds = 0;
    for reply in replies {
        // A password in the field of the name, too, and one that JSON escapes.
        for (name, password) in [("alice", CANARY.to_owned()), (CANARY, format!("\"\\{CANARY}\u{1F511}"))] {
            service.next(GUESS, reply.clone());
            let refused = house.log_in(name, &password).await;
            assert!(refused.status.is_server_error(), "{refused:?}");
            rounds += 1;
            let asked = service.asked();
            let guess = asked.iter().rfind(|asked| asked.path == GUESS).unwrap();
            assert_eq!((&guess.question["name"], &guess.question["password"]), (&name.into(), &password.into()));
            assert!(guess.head.contains(&format!("authorization: Bearer {CREDENTIAL}")), "{}", guess.head);
        }
    }
    assert_eq!(service.count(GUESS), rounds);
    assert!(service.asked().iter().all(|asked| [FIND, GUESS, STATE].contains(&&*asked.path)));
    assert!(service.asked().iter().all(|asked| !asked.head.contains(CANARY)));
    let said = capture.text();
    assert!(said.contains("verifier_failed") && said.contains("cannot be read at line 1"), "{said}");
    for secret in [CANARY, CREDENTIAL] {
        assert!(!said.contains(secret), "{said}");
    }
    assert_eq!(ledger.book().account, Charges { made: rounds as u64, left: 0 });
}
