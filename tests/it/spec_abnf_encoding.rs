//! Grammar and encoding (RFC 6749 Appendices A and B).

use bytes::Bytes;
use http_body_util::Full;
use tower_password_grant::Client;
use tower_password_grant::client::ClientError;

use crate::support::{AUTH, Fixture, pw, token_request};

fn login(username: &str, password: &str) -> String {
    format!("grant_type=password&username={username}&password={password}")
}

/// Percent-encodes every byte.
fn escaped(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

/// The text that the verifier gets for this raw password.
async fn heard(raw: &str) -> String {
    let fixture = Fixture::new();
    let answer = fixture.token(AUTH, &login("alice", raw)).await;
    if answer.status != 200 {
        answer.assert_error(400, "invalid_grant");
    }
    fixture.probe.last().1
}

/// Asserts that the request is refused as malformed and nobody is asked.
async fn malformed(body: &str) {
    let fixture = Fixture::new();
    fixture.token(AUTH, body).await.assert_error_about(400, "invalid_request", "malformed");
    assert_eq!(fixture.probe.calls(), 0);
}

#[tokio::test]
pub async fn client_ids_and_secrets_are_printable_ascii_ab_01() {
    let fixture = Fixture::new();
    for body in ["client_id=caf%C3%A9", "client_id=a%7F", "client_id=a%09", "client_id=conf&client_secret=%C3%A9"] {
        fixture.token(&[], &pw(body)).await.assert_error_about(400, "invalid_request", "malformed");
    }
    let long = format!("client_id={}", "x".repeat(257));
    fixture.token(&[], &pw(&long)).await.assert_error_about(400, "invalid_request", "malformed");
    for id in ["caf\u{e9}", "a\u{7f}", "a\tb", "", &"x".repeat(257)] {
        assert_eq!(Client::public(id).build().unwrap_err(), ClientError::Id, "{id:?}");
    }
}

#[tokio::test]
pub async fn forbidden_characters_in_names_and_passwords_reach_nobody_ab_02_se_04() {
    for bad in
        ['\0', '\u{1}', '\u{8}', '\n', '\u{b}', '\u{c}', '\r', '\u{1b}', '\u{1f}', '\u{7f}', '\u{fffe}', '\u{ffff}']
    {
        let bad = escaped(&format!("a{bad}b"));
        malformed(&login(&bad, "x")).await;
        malformed(&login("alice", &bad)).await;
    }
}

#[tokio::test]
pub async fn allowed_characters_reach_the_verifier_ab_02() {
    for good in
        ["\t", " ", "~", "\u{80}", "\u{9f}", "\u{d7ff}", "\u{e000}", "\u{fffd}", "\u{1f600}", "\u{10ffff}", "\u{1fffe}"]
    {
        assert_eq!(heard(&escaped(good)).await, good);
        let fixture = Fixture::new();
        fixture.token(AUTH, &login(&escaped(&format!("a{good}")), "x")).await.assert_error(400, "invalid_grant");
        assert_eq!(fixture.probe.last().0, format!("a{good}"));
    }
}

#[tokio::test]
pub async fn line_breaks_and_nul_in_any_parameter_reach_no_trait_se_04() {
    for bad in ["%00", "%0A", "%0D"] {
        malformed(&pw(&format!("device=a{bad}"))).await;
        malformed(&pw(&format!("dev{bad}ice=a"))).await;
    }
}

#[tokio::test]
pub async fn lengths_are_bounded_before_anybody_is_asked_ab_02_ht_14() {
    let fixture = Fixture::new();
    for (username, password, fine) in [(1024, 4096, true), (1025, 1, false), (1, 4097, false)] {
        let answer = fixture.token(AUTH, &login(&"u".repeat(username), &"p".repeat(password))).await;
        if fine {
            answer.assert_error(400, "invalid_grant");
        } else {
            answer.assert_error_about(400, "invalid_request", "malformed");
        }
    }
    assert_eq!(fixture.probe.calls(), 1);
}

#[tokio::test]
pub async fn an_empty_password_is_a_missing_one_ab_03() {
    let fixture = Fixture::new();
    fixture.token(AUTH, &login("alice", "")).await.assert_error_about(400, "invalid_request", "missing");
    assert_eq!(fixture.probe.calls(), 0);
}

#[tokio::test]
pub async fn texts_are_form_decoded_and_read_as_utf_8_en_01() {
    let fixture = Fixture::new();
    let body = login("zo%C3%AB", "+%25%26%2B%C2%A3%E2%82%AC");
    fixture.token(AUTH, &body).await.assert_ok();
    assert_eq!(fixture.probe.last(), ("zo\u{eb}".to_owned(), "\u{20}\u{25}\u{26}\u{2b}\u{a3}\u{20ac}".to_owned()));
}

#[tokio::test]
pub async fn plus_is_a_space_and_hex_has_either_case_en_02() {
    assert_eq!(heard("a+b%2bc%2Bd%20e").await, "a b+c+d e");
    // A raw space is what some tools send.
    assert_eq!(heard("a b").await, "a b");
}

#[tokio::test]
pub async fn texts_are_decoded_exactly_once_en_03() {
    assert_eq!(heard("%2525").await, "%25");
    assert_eq!(heard("%252B").await, "%2B");
}

#[tokio::test]
pub async fn bytes_that_are_not_utf_8_are_an_error_never_replaced_en_04() {
    for bad in ["%FF", "%C3%28", "%C0%AF", "%ED%A0%80", "%F4%90%80%80", "%C3"] {
        malformed(&login("alice", bad)).await;
        malformed(&login(bad, "x")).await;
        malformed(&pw(&format!("foo={bad}"))).await;
        malformed(&pw(&format!("{bad}=foo"))).await;
    }
}

#[tokio::test]
pub async fn broken_escapes_are_an_error_anywhere_en_05() {
    for bad in ["%", "%2", "%zz", "%2g", "a%", "%+1", "%%41"] {
        malformed(&login("alice", bad)).await;
        malformed(&pw(&format!("foo={bad}"))).await;
        malformed(&pw(&format!("{bad}=foo"))).await;
    }
}

#[tokio::test]
pub async fn only_the_ampersand_separates_en_06() {
    assert_eq!(heard("a;b").await, "a;b");
    assert_eq!(heard("a;scope=admin").await, "a;scope=admin");
}

#[tokio::test]
pub async fn the_first_equals_sign_splits_and_empty_pairs_are_skipped_en_07() {
    assert_eq!(heard("a=b").await, "a=b");
    assert_eq!(heard("==").await, "==");
    let fixture = Fixture::new();
    fixture.token(AUTH, "&&grant_type=password&&username=alice&x&password=correct+horse&=&&").await.assert_ok();
}

#[tokio::test]
pub async fn raw_utf_8_bytes_are_taken_as_such_and_other_raw_bytes_refused_en_08_en_04() {
    assert_eq!(heard("\u{eb}").await, "\u{eb}");
    let fixture = Fixture::new();
    let mut raw = login("alice", "x").into_bytes();
    raw.push(0xeb);
    let request = token_request(AUTH, "").map(|_| Full::new(Bytes::from(raw)));
    fixture.send(request).await.assert_error_about(400, "invalid_request", "malformed");
    assert_eq!(fixture.probe.calls(), 0);
}

#[tokio::test]
pub async fn nothing_is_normalised_en_09() {
    assert_eq!(heard("%C3%A9").await, "\u{e9}");
    assert_eq!(heard("e%CC%81").await, "e\u{301}");
    assert_eq!(heard("%C2%A0%EF%BC%A1").await, "\u{a0}\u{ff21}");
}
