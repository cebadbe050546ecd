use proptest::prelude::*;

use super::*;
use crate::protocol::wire::form::{Known, MAX_PAIRS};
use reference::parameters;

#[path = "json_reference.rs"]
mod reference;

/// What is in a form: what is known, then what is not.
fn contents(form: Form) -> (Vec<Option<String>>, Vec<(String, String)>) {
    let known = [
        Known::GrantType,
        Known::Username,
        Known::Password,
        Known::Scope,
        Known::ClientId,
        Known::ClientSecret,
        Known::ClientAssertion,
        Known::ClientAssertionType,
        Known::RefreshToken,
    ];
    let known = known.map(|parameter| form.get(parameter).map(str::to_owned)).to_vec();
    let others = form.others().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    (known, others)
}

/// Whatever is a flat object of texts to `serde_json` is read as the form of the same pairs is, and nothing else is.
fn is_read_as_its_form(body: &[u8]) {
    let read = Form::parse_json(body, 0, &[]).map(contents);
    let shown = String::from_utf8_lossy(body);
    match parameters(body) {
        Some(pairs) => {
            let form = serde_urlencoded::to_string(pairs).unwrap();
            assert_eq!(read, Form::parse(form.as_bytes(), 0).map(contents), "{shown}");
        }
        None => assert!(read.is_err(), "{shown}"),
    }
}

fn refusal(body: &str) -> Option<Reason> {
    is_read_as_its_form(body.as_bytes());
    Form::parse_json(body.as_bytes(), 0, &[]).err()
}

fn decoded(quoted: &str) -> Option<String> {
    let mut texts = Texts::default();
    decode(quoted, &mut texts).map(|span| texts.get(span).to_owned())
}

#[test]
fn each_escape_is_decoded_once() {
    for (quoted, text) in [
        (r#"\" \\ \/ \b \f \n \r \t"#, "\" \\ / \u{8} \u{c} \n \r \t"),
        (r"\u0041\u00e9\u20AC\ud83d\ude00", "A\u{e9}\u{20ac}\u{1f600}"),
        (r"\\u0041 \u005cn", r"\u0041 \n"),
        (r"a\u0000b", "a\0b"),
        (r"\uffff\udbff\udfff", "\u{ffff}\u{10ffff}"),
        ("+ %41 é", "+ %41 é"),
    ] {
        assert_eq!(decoded(quoted).as_deref(), Some(text), "{quoted}");
        assert_eq!(serde_json::from_str::<String>(&format!("\"{quoted}\"")).unwrap(), text, "{quoted}");
    }
}

#[test]
fn what_is_no_escape_is_refused_by_the_decoder_alone_too() {
    for bad in [
        r"\",
        r"\x",
        r"\U0041",
        r"\u",
        r"\u004",
        r"\u+041",
        r"\u00g1",
        r"\ué",
        r"\ud800",
        r"\ud800x",
        r"\ud800\n",
        r"\ud800\u0041",
        r"\ud800\ud800",
        r"\udc00",
        r"\ude00\ud83d",
    ] {
        assert_eq!(decoded(bad), None, "{bad}");
        assert_eq!(refusal(&format!("{{\"a\":\"{bad}\"}}")), Some(Reason::MalformedJson), "{bad}");
        assert_eq!(refusal(&format!("{{\"{bad}\":\"a\"}}")), Some(Reason::MalformedJson), "{bad}");
    }
}

#[test]
fn only_a_flat_object_of_texts_and_nulls_is_read() {
    for value in [
        "1",
        "-1.5e3",
        "true",
        "false",
        "[]",
        "{}",
        r#"["a"]"#,
        r#"{"a":"b"}"#,
        "nul",
        "NULL",
        "nulla",
        "'a'",
        "a",
        "",
        "\"",
        "\"a",
        "\"\t\"",
        "\"\u{1}\"",
    ] {
        assert_eq!(refusal(&format!("{{\"a\":{value}}}")), Some(Reason::MalformedJson), "{value}");
        assert_eq!(refusal(&format!("{{\"a\":\"b\",\"password\":{value}}}")), Some(Reason::MalformedJson), "{value}");
    }
    for body in [
        "",
        " ",
        "null",
        "[]",
        "\"a\"",
        "1",
        "{",
        "}",
        "{}{}",
        "{}x",
        "{},",
        "{\"a\"}",
        "{\"a\":\"b\",}",
        "{,}",
        "{\"a\":\"b\" \"c\":\"d\"}",
        "{a:\"b\"}",
        "{null:\"b\"}",
        "{1:\"b\"}",
        "\u{feff}{}",
        "{}\u{feff}",
        "{}\0",
        "\u{a0}{}",
        "{} // x",
        "grant_type=password",
    ] {
        assert_eq!(refusal(body), Some(Reason::MalformedJson), "{body}");
    }
    for body in ["{}", " { }\r\n\t", "{\"a\" : null }", "{\"a\":\"\",\"\":\"\"}", "{\"password\":null}"] {
        assert_eq!(refusal(body), None, "{body}");
    }
    for bad in [&b"{\"a\":\"\xff\"}"[..], b"{\"\xc3\":\"\"}", b"{}\xff", b"\xff", b"{\"a\":\"\xed\xa0\x80\"}"] {
        assert_eq!(Form::parse_json(bad, 0, &[]).err(), Some(Reason::NotUtf8), "{bad:?}");
        is_read_as_its_form(bad);
    }
}

#[test]
fn no_name_stands_twice_however_it_is_written_and_whatever_it_holds() {
    for (one, other) in [
        ("username", "username"),
        ("username", r"us\u0065rname"),
        (r"\u0075sername", r"us\u0065rname"),
        ("device", "device"),
        ("device", r"d\u0065vice"),
        ("", ""),
    ] {
        for values in [["\"x\"", "\"x\""], ["\"x\"", "\"y\""], ["null", "\"x\""], ["\"\"", "null"], ["null", "null"]] {
            let [first, second] = values;
            let body = format!("{{\"{one}\":{first},\"a\":\"b\",\"{other}\":{second}}}");
            assert_eq!(refusal(&body), Some(Reason::RepeatedParameter), "{body}");
        }
    }
}

#[test]
fn as_many_members_as_a_form_has_pairs_are_read_and_no_more() {
    for (count, reason) in [(MAX_PAIRS, None), (MAX_PAIRS + 1, Some(Reason::TooManyParameters))] {
        for value in ["\"x\"", "null"] {
            let members: Vec<String> = (0..count).map(|number| format!("\"a{number}\":{value}")).collect();
            assert_eq!(refusal(&format!("{{{}}}", members.join(","))), reason, "{count}");
        }
    }
}

#[test]
fn its_texts_never_outgrow_their_buffer() {
    let escaped = r#"{"pass\u0077ord":"\u0041\ud83d\ude00\t","a":"plain","b":null}"#;
    for body in [escaped, "{}", r#"{"password":"x"}"#] {
        let form = Form::parse_json(body.as_bytes(), 7, &[]).unwrap();
        assert!(form.texts.end() as usize <= body.len(), "{body}");
    }
}

proptest! {
    #[test]
    fn the_same_pairs_are_the_same_in_json_and_in_a_form(
        pairs in proptest::collection::vec(
            ("(grant_type|username|password|scope|client_id|client_secret|refresh_token|realm|\\PC{0,6})", prop::option::of("(?s).{0,12}")),
            0..12,
        ),
        is_pretty: bool,
        escapes_all: bool,
    ) {
        let written = |text: &str| if escapes_all {
            format!("\"{}\"", text.encode_utf16().map(|unit| format!("\\u{unit:04x}")).collect::<String>())
        } else {
            serde_json::to_string(text).unwrap()
        };
        let space = if is_pretty { "\n  " } else { "" };
        let members: Vec<String> = pairs.iter().map(|(name, value)| {
            let value = value.as_deref().map_or("null".to_owned(), written);
            format!("{space}{}{space}:{space}{value}", written(name))
        }).collect();
        is_read_as_its_form(format!("{{{}{space}}}", members.join(",")).as_bytes());
    }

    #[test]
    fn whatever_the_body_is_it_is_read_as_its_form_or_refused(
        pieces in proptest::collection::vec(
            prop::sample::select(&[
                "{", "}", ":", ",", "[", "\"", "\"a\"", "\"b\":", "\"a\":\"b\",", "\"password\":", "\\", "\\u0061", "\\ud83d\\ude00",
                "\\udc00", " ", "\n", "0", "true", "null", "é", "\u{7f}", "\u{1}", "\"a text of more than sixteen\"", "\u{feff}",
            ][..]),
            0..12,
        ),
        is_framed: bool,
    ) {
        let text = pieces.concat();
        is_read_as_its_form(if is_framed { format!("{{\"x\":{text}}}") } else { text }.as_bytes());
    }

    #[test]
    fn any_bytes_are_read_or_refused_without_panic(body in proptest::collection::vec(any::<u8>(), 0..256)) {
        is_read_as_its_form(&body);
    }
}

#[test]
fn where_an_endpoint_has_lists_an_array_of_texts_is_one_and_nowhere_else() {
    let parse = |body: &str, lists: &[&str]| Form::parse_json(body.as_bytes(), 0, lists);
    let list =
        |body: &str| parse(body, &["types"]).map(|form| form.list("types").map(str::to_owned).collect::<Vec<_>>());
    for (body, elements) in [
        (r#"{"types":["otp"]}"#, vec!["otp"]),
        (r#"{"types":["otp", "o\u006fb"],"other":"x"}"#, vec!["otp", "oob"]),
        (r#"{"types":"otp oob"}"#, vec!["otp", "oob"]),
        (r#"{"types":[]}"#, vec![]),
        (r#"{"types":null}"#, vec![]),
    ] {
        assert_eq!(list(body).unwrap(), elements, "{body}");
    }
    for (body, reason) in [
        (r#"{"types":["otp",1]}"#, Reason::MalformedJson),
        (r#"{"types":[["otp"]]}"#, Reason::MalformedJson),
        (r#"{"types":[null]}"#, Reason::MalformedJson),
        (r#"{"types":{"a":"b"}}"#, Reason::MalformedJson),
        (r#"{"types":["otp"],"types":["oob"]}"#, Reason::RepeatedParameter),
        (r#"{"types":["a\nb"]}"#, Reason::IllegalCharacter),
        (r#"{"other":["otp"]}"#, Reason::MalformedJson),
    ] {
        assert_eq!(list(body).unwrap_err(), reason, "{body}");
    }
    assert_eq!(parse(r#"{"types":["otp"]}"#, &[]).err(), Some(Reason::MalformedJson));
    let many = format!("{{\"types\":[{}]}}", vec!["\"otp\""; 64].join(","));
    assert_eq!(list(&many).unwrap_err(), Reason::TooManyParameters);
}
