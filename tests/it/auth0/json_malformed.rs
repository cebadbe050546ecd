//! JSON bodies that are no flat object of texts in UTF-8.

use super::expect::auth0;
use super::json_bodies::{MALFORMED, ask, assert_refused, login};

/// Each of these bodies is refused, and nobody is asked.
async fn assert_malformed(bodies: impl IntoIterator<Item = Vec<u8>>) {
    let fixture = auth0(|builder| builder);
    for body in bodies {
        let shown = String::from_utf8_lossy(&body).into_owned();
        let answer = ask(&fixture, body).await;
        assert_eq!(answer.status.as_u16(), 400, "{shown}");
        assert_refused(&answer, MALFORMED);
    }
    assert_eq!(fixture.probe.calls(), 0);
}

/// What is no text of JSON.
const NO_TEXTS: [&str; 28] = [
    "1",
    "0",
    "-1.5e3",
    "true",
    "false",
    "[]",
    "{}",
    r#"["x"]"#,
    r#"{"x":"y"}"#,
    r#"[["x"]]"#,
    "nul",
    "NULL",
    "None",
    "'x'",
    "undefined",
    "",
    r#""\ud800""#,
    r#""\udc00""#,
    r#""\ud83d\u0041""#,
    r#""\ude00\ud83d""#,
    r#""\x41""#,
    r#""\u00""#,
    r#""\u+041""#,
    "\"a\tb\"",
    "\"a\nb\"",
    "\"a\u{0}b\"",
    "\"x",
    "\"x\" \"y\"",
];

#[tokio::test]
async fn a_value_that_is_no_text_is_refused() {
    let nested = |open: &str, close: &str| login(&format!(r#","a":{}{}"#, open.repeat(4_000), close.repeat(4_000)));
    let nested = [nested("[", "]"), nested(r#"{"a":"#, "}"), nested("[", "")];
    // In place of a value that is not known, of one that is, and of one that is needed.
    let values = NO_TEXTS.into_iter().flat_map(|value| {
        [
            login(&format!(r#","device":{value}"#)),
            login(&format!(r#","scope":{value}"#)),
            format!(r#"{{"grant_type":"password","username":"alice","password":{value}}}"#),
        ]
    });
    assert_malformed(values.chain(nested).map(String::into_bytes)).await;
}

#[tokio::test]
async fn a_name_that_is_no_text_is_refused() {
    let names = [r#""\ud800""#, r#""\x""#, "\"a\nb\"", "device", "1", "null", "'x'", ""];
    assert_malformed(names.map(|name| login(&format!(r#",{name}:"x""#)).into_bytes())).await;
}

/// What is no flat object of JSON.
const NO_OBJECTS: [&str; 13] = [
    "",
    " ",
    "null",
    "true",
    "1",
    "[]",
    r#""x""#,
    "{",
    "}",
    "{,}",
    r#"{"a"}"#,
    r#"{"a":"b",}"#,
    r#"{"a":"b" "c":"d"}"#,
];

#[tokio::test]
async fn what_is_no_object_or_more_than_one_is_refused() {
    let whole = login("");
    let around = [
        ("[", "]"),
        ("\u{feff}", ""),
        ("", "x"),
        ("", "{}"),
        ("", &*whole),
        ("", "\0"),
        ("", ";"),
        ("\u{a0}", ""),
        ("", "\u{feff}"),
        ("/**/", ""),
    ];
    let around = around.map(|(before, after)| format!("{before}{whole}{after}"));
    let cut = whole[..whole.len() - 1].to_owned();
    let bodies = NO_OBJECTS.into_iter().map(str::to_owned).chain(around).chain([cut]);
    assert_malformed(bodies.map(String::into_bytes)).await;
}

#[tokio::test]
async fn bytes_that_are_not_utf_8_are_refused_in_a_value_in_a_name_and_behind() {
    let whole = login("");
    let open = &whole[..whole.len() - 1];
    let bad = [&b"\xff"[..], b"\xc3", b"\xc0\xaf", b"\xed\xa0\x80", b"\xf4\x90\x80\x80"];
    let bodies = bad.into_iter().flat_map(|bad| {
        let bad = |before: &str, after: &str| [before.as_bytes(), bad, after.as_bytes()].concat();
        [bad(&format!("{open},\"a\":\""), "\"}"), bad(&format!("{open},\""), "\":\"x\"}"), bad(&whole, "")]
    });
    let in_utf_16 = whole.encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert_malformed(bodies.chain([in_utf_16])).await;
}
