//! HTTP behaviour on the wire: real sockets, real servers.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use tower_password_grant::mount::RequestLimits;

use crate::support::server::{Connection, H2, Server, raw_request};
use crate::support::{AUTH, CONF, Fixture, PW, basic, pw, token_request};

fn authorized(body: &str) -> String {
    raw_request(&format!("Authorization: {CONF}\r\n"), body)
}

/// A request head without a length; `lines` each with their CRLF.
fn head(method: &str, lines: &str) -> String {
    format!(
        "{method} /oauth/token HTTP/1.1\r\nHost: as.example\r\nAuthorization: {CONF}\r\n\
         Content-Type: application/x-www-form-urlencoded\r\n{lines}\r\n"
    )
}

fn chunked(pieces: &[&str], trailers: &str) -> String {
    let chunks: String = pieces.iter().map(|piece| format!("{:x}\r\n{piece}\r\n", piece.len())).collect();
    format!("{}{chunks}0\r\n{trailers}\r\n", head("POST", "Transfer-Encoding: chunked\r\n"))
}

#[tokio::test]
async fn one_connection_serves_many_requests_ok_or_not_ht_26() {
    let fixture = Fixture::new();
    let server = Server::start(&fixture.layer).await;
    let mut connection = Connection::open(server.address).await;
    for _ in 0..3 {
        connection.exchange(authorized(PW)).await.assert_ok();
        connection
            .exchange(authorized("grant_type=password&username=alice&password=x"))
            .await
            .assert_error(400, "invalid_grant");
        assert_eq!(connection.exchange("GET /other HTTP/1.1\r\nHost: as.example\r\n\r\n").await.body, "inner");
    }
}

#[tokio::test]
async fn the_same_request_gets_the_same_answer_over_every_version_ht_26() {
    let conf2 = basic("conf2", "wrong");
    let cases: [(&str, &str); 9] = [
        (CONF, PW),
        (CONF, "grant_type=password&username=alice&password=x"),
        (CONF, "grant_type=foo"),
        (CONF, ""),
        (CONF, "%zz"),
        (CONF, "grant_type=password&username=a&username=b"),
        (&conf2, PW),
        ("Bearer x", PW),
        (CONF, "grant_type=password&username=alice&password=correct+horse&scope=admin"),
    ];
    let server = Server::start(&Fixture::new().layer).await;
    let mut h2 = H2::open(server.address).await;
    for (authorization, body) in cases {
        let request = raw_request(&format!("Authorization: {authorization}\r\n"), body);
        let mut connection = Connection::open(server.address).await;
        let first = connection.exchange(request.replace("HTTP/1.1", "HTTP/1.0")).await;
        assert!(connection.is_closed().await);
        let second = Connection::open(server.address).await.exchange(request).await;
        let third = h2.exchange(token_request(&[("authorization", authorization)], body)).await;
        for other in [&second, &third] {
            assert_eq!(other.status, first.status);
            assert_eq!(other.header("www-authenticate"), first.header("www-authenticate"));
            if first.status != 200 {
                assert_eq!(other.body, first.body);
            }
        }
    }
}

#[tokio::test]
async fn methods_are_405_on_the_wire_and_head_has_no_body_ht_06() {
    let fixture = Fixture::new();
    let server = Server::start(&fixture.layer).await;
    for method in ["GET", "HEAD", "PUT", "PATCH", "DELETE", "TRACE"] {
        let mut connection = Connection::open(server.address).await;
        let answer = connection.exchange(head(method, "Content-Length: 0\r\n")).await;
        assert_eq!((answer.status.as_u16(), answer.header("allow")), (405, Some("POST, OPTIONS")));
        assert_eq!(answer.body.is_empty(), method == "HEAD");
        // The connection is still in step.
        connection.exchange(authorized(PW)).await.assert_ok();
    }
    let mut connection = Connection::open(server.address).await;
    let answer = connection.exchange(head("OPTIONS", "")).await;
    assert_eq!((answer.status.as_u16(), answer.header("allow")), (204, Some("POST, OPTIONS")));
}

#[tokio::test]
async fn a_declared_length_over_the_limit_is_413_at_once_and_the_connection_closes_ht_12() {
    let fixture = Fixture::new();
    let server = Server::start(&fixture.layer).await;
    let mut connection = Connection::open(server.address).await;
    // No byte of the body is ever sent.
    let answer = connection.exchange(head("POST", "Content-Length: 10000000\r\n")).await;
    answer.assert_error(413, "invalid_request");
    assert_eq!(answer.header("connection"), Some("close"));
    assert!(connection.is_closed().await);
    let mut h2 = H2::open(server.address).await;
    let answer = h2.exchange(token_request(AUTH, &"x".repeat(40_000))).await;
    answer.assert_error(413, "invalid_request");
    assert_eq!(answer.header("connection"), None);
    h2.exchange(token_request(AUTH, PW)).await.assert_ok();
}

#[tokio::test]
async fn a_chunked_body_may_have_the_limit_and_not_a_byte_more_ht_13() {
    let fixture = Fixture::with(|builder| builder.request_limits(RequestLimits::new().max_body(PW.len() + 8)));
    let server = Server::start(&fixture.layer).await;
    let mut connection = Connection::open(server.address).await;
    connection.exchange(chunked(&[PW, "&abcdefg"], "")).await.assert_ok();
    let answer = connection.exchange(chunked(&[PW, "&abcdefgh"], "")).await;
    answer.assert_error(413, "invalid_request");
    assert!(connection.is_closed().await);
    assert_eq!(fixture.probe.calls(), 1);
}

#[tokio::test]
async fn chunks_of_any_size_without_a_length_work_and_trailers_are_ignored_ht_16() {
    let server = Server::start(&Fixture::new().layer).await;
    let mut connection = Connection::open(server.address).await;
    let letters: Vec<_> = PW.split_inclusive(|_: char| true).collect();
    connection.exchange(chunked(&letters, "")).await.assert_ok();
    connection.exchange(chunked(&[PW], "Authorization: Basic eDp5\r\nX-Sum: 1\r\n")).await.assert_ok();
}

#[tokio::test]
async fn continue_is_sent_only_if_the_body_will_be_read_ht_15() {
    let fixture = Fixture::new();
    let server = Server::start(&fixture.layer).await;
    let expect = |method, length| head(method, &format!("Content-Length: {length}\r\nExpect: 100-continue\r\n"));

    let mut connection = Connection::open(server.address).await;
    let interim = connection.exchange(expect("POST", PW.len())).await;
    assert_eq!(interim.status, 100);
    connection.exchange(PW).await.assert_ok();

    for (method, length, status) in [("POST", 10_000_000, 413), ("PUT", PW.len(), 405)] {
        let mut connection = Connection::open(server.address).await;
        let answer = connection.exchange(expect(method, length)).await;
        answer.assert_error(status, "invalid_request");
    }
    let wrong_type = expect("POST", PW.len()).replace("x-www-form-urlencoded", "json");
    let answer = Connection::open(server.address).await.exchange(wrong_type).await;
    answer.assert_error(400, "invalid_request");
    assert_eq!(fixture.probe.calls(), 1);
}

#[tokio::test]
async fn a_slow_body_is_408_and_the_connection_closes_ht_17() {
    let fixture = Fixture::with(|builder| {
        builder.request_limits(RequestLimits::new().body_deadline(Some(Duration::from_millis(50))))
    });
    let server = Server::start(&fixture.layer).await;
    let mut connection = Connection::open(server.address).await;
    let whole = authorized(PW);
    let answer = connection.exchange(&whole.as_bytes()[..whole.len() - 5]).await;
    answer.assert_error(408, "invalid_request");
    assert_eq!(answer.header("connection"), Some("close"));
    assert!(connection.is_closed().await);
    assert_eq!(fixture.probe.calls(), 0);
}

#[tokio::test]
async fn an_incomplete_body_never_counts_as_a_request_ht_18() {
    let fixture = Fixture::new();
    let server = Server::start(&fixture.layer).await;
    // The parameters are all there; only the promised length or last chunk is missing.
    let short = head("POST", &format!("Content-Length: {}\r\n", PW.len() + 1)) + PW;
    let unfinished = chunked(&[PW], "");
    for request in [short.as_bytes(), &unfinished.as_bytes()[..unfinished.len() - 5]] {
        let mut connection = Connection::open(server.address).await;
        connection.write(request).await;
        connection.finish().await;
        // hyper may close without an answer; it must not be a token.
        assert!(connection.is_closed().await || fixture.probe.calls() == 0);
        drop(connection);
        Connection::open(server.address).await.write(request).await;
    }
    Connection::open(server.address).await.exchange(authorized(PW)).await.assert_ok();
    assert_eq!(fixture.probe.calls(), 1);
}

#[tokio::test]
async fn a_huge_authorization_header_is_refused_by_us_or_the_server_ht_14() {
    let fixture = Fixture::new();
    let server = Server::start(&fixture.layer).await;
    let huge = raw_request(&format!("Authorization: Basic {}\r\n", "A".repeat(100 * 1024)), PW);
    let mut connection = Connection::open(server.address).await;
    connection.exchange(huge).await.assert_error(401, "invalid_client");
    assert_eq!(fixture.probe.calls(), 0);
}

#[tokio::test]
async fn two_header_lines_are_told_apart_from_one_on_the_wire_ca_16_ht_04() {
    let fixture = Fixture::new();
    let server = Server::start(&fixture.layer).await;
    let line = format!("Authorization: {CONF}\r\n");
    let mut connection = Connection::open(server.address).await;
    connection.exchange(raw_request(&line.repeat(2), PW)).await.assert_error(400, "invalid_request");
    let form = "Content-Type: application/x-www-form-urlencoded\r\n";
    connection.exchange(raw_request(&format!("{line}{form}"), PW)).await.assert_error(400, "invalid_request");
    assert_eq!(fixture.probe.calls(), 0);
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order_ht_26() {
    let server = Server::start(&Fixture::new().layer).await;
    let mut connection = Connection::open(server.address).await;
    connection.write(authorized(PW) + &authorized("") + &authorized(&pw("scope=write"))).await;
    connection.read(false).await.assert_ok();
    connection.read(false).await.assert_error(400, "invalid_request");
    assert_eq!(connection.read(false).await.assert_ok()["scope"], "write");
}

#[tokio::test]
async fn the_own_origin_is_known_over_http_2_by_its_authority_ht_11_ht_26() {
    let server = Server::start(&Fixture::new().layer).await;
    let mut h2 = H2::open(server.address).await;
    let own = format!("http://{}", server.address);
    h2.exchange(token_request(&[AUTH[0], ("origin", &own)], PW)).await.assert_ok();
    let foreign = token_request(&[AUTH[0], ("origin", "http://127.0.0.1:1")], PW).map(|body: Full<Bytes>| body);
    h2.exchange(foreign).await.assert_error_about(400, "invalid_request", "origin");
}
