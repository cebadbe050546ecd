use super::*;
use crate::protocol::wire::auth0::AUTH0;
use crate::protocol::wire::charset::is_nqschar;
use crate::protocol::wire::error::Reason;
use crate::protocol::wire::faces::Face;
use crate::protocol::wire::host_code::HostCode;
use crate::protocol::wire::rfc6749::RFC_6749;
use proptest::prelude::*;
use serde_json::{Value, json};

fn wording(table: Table) -> Wording {
    Wording {
        table,
        page_headers: "content-type",
        formats: BodyFormats::Form,
        error_uri: None,
        challenge: HeaderValue::from_static("Basic realm=\"x\""),
        bearer_challenge: HeaderValue::from_static("Bearer realm=\"x\""),
        scope_challenge: HeaderValue::from_static("Bearer realm=\"x\", error=\"insufficient_scope\""),
    }
}

fn setting(wording: &Wording) -> Setting<'_> {
    Setting {
        methods: Methods::FORM,
        formats: BodyFormats::Form,
        version: Version::HTTP_11,
        is_head_request: false,
        has_origin: false,
        allowed_origin: None,
        sunset: None,
        wording,
    }
}

fn json(response: &Response<Bytes>) -> Value {
    serde_json::from_slice(response.body()).unwrap()
}

#[test]
fn an_empty_answer_has_no_type_and_a_client_that_wants_json_gets_some() {
    let wording = wording(RFC_6749);
    let revoked = |accept: &[&'static str]| {
        let request = accept.iter().map(|line| (ACCEPT, HeaderValue::from_static(line))).collect();
        revoked(request, &setting(&wording))
    };
    for accept in [&[][..], &["*/*"], &["text/html, application/*"], &["application/json;q=0"], &["application/jsonx"]]
    {
        let answer = revoked(accept);
        assert!(answer.body().is_empty() && !answer.headers().contains_key(CONTENT_TYPE), "{accept:?}");
    }
    for accept in [&["application/json"][..], &["text/html", "*/*, Application/JSON ; q=0.5"]] {
        let answer = revoked(accept);
        assert_eq!((&answer.body()[..], &answer.headers()[CONTENT_TYPE]), (&b"{}"[..], &JSON), "{accept:?}");
    }
    let answer = options(&setting(&wording));
    assert!(answer.body().is_empty() && !answer.headers().contains_key(CONTENT_TYPE));
}

#[test]
fn waiting_times_are_rounded_up_to_whole_seconds_ht_21() {
    assert_eq!(seconds_to_wait(Duration::ZERO), 1);
    assert_eq!(seconds_to_wait(Duration::from_millis(1001)), 2);
    assert_eq!(seconds_to_wait(Duration::from_secs(900)), 900);
}

fn refuse(error: &TokenError, request: HeaderMap, setting: &Setting<'_>) -> Response<Bytes> {
    let row = setting.wording.table.row(error.face());
    // Half a second before a whole one.
    let now = SystemTime::UNIX_EPOCH + Duration::from_millis(1_700_000_000_500);
    refusal(error, row, row.tells_time().then_some(now), request, setting)
}

#[test]
fn another_profile_is_another_table_and_nothing_else() {
    let (own, other) = (wording(RFC_6749), wording(AUTH0));
    let answer = |error: TokenError, wording| refuse(&error, HeaderMap::new(), &setting(wording));
    let status = |reason: Reason, wording| answer(reason.into(), wording).status().as_u16();
    for (reason, statuses) in [
        (Reason::WrongPassword, [400, 403]),
        (Reason::UnknownClient, [401, 401]),
        (Reason::UnsupportedGrantType, [400, 403]),
        (Reason::RequestsThrottled, [429, 429]),
    ] {
        assert_eq!([status(reason, &own), status(reason, &other)], statuses, "{reason}");
    }
    let sentence = |error: TokenError| json(&answer(error, &other))["error_description"].clone();
    assert_eq!(sentence(Reason::Disabled.into()), "Wrong email or password.");
    assert_eq!(sentence(TokenError::new(Reason::Disabled).at_refresh()), "Unknown or invalid refresh token.");
    // Its headers are those of its rows.
    let nobody = |wording| answer(Reason::NoClient.into(), wording);
    assert!(!nobody(&other).headers().contains_key(WWW_AUTHENTICATE));
    assert!(nobody(&own).headers().contains_key(WWW_AUTHENTICATE));
    // What looks alike looks alike in each.
    for reason in Reason::ALL.iter().filter(|reason| reason.face() == Face::Denied) {
        assert_eq!(answer((*reason).into(), &other).body(), answer(Reason::WrongPassword.into(), &other).body());
    }
}

#[test]
fn a_sentence_names_what_its_error_is_about_bounded_and_cleaned() {
    let (own, other) = (wording(RFC_6749), wording(AUTH0));
    let answer = |error: &TokenError, wording| json(&refuse(error, HeaderMap::new(), &setting(wording)));
    let sentence = |error: &TokenError, wording| answer(error, wording)["error_description"].clone();
    let missing = TokenError::missing("realm");
    assert_eq!(sentence(&missing, &other), "Missing required parameter: realm");
    assert_eq!(sentence(&missing, &own), "a required parameter is missing or empty");
    let grant = TokenError::new(Reason::GrantNotAllowed).about("urn:x");
    assert_eq!(sentence(&grant, &other), "Grant type 'urn:x' not allowed for the client.");
    assert_eq!(sentence(&grant, &own), "the client may not use this grant type");
    let odd = TokenError::missing(&format!("\"{}\r\n\\{}", '\u{e9}', "x".repeat(1000)));
    let expected = format!("Missing required parameter: ?????{}", "x".repeat(195));
    assert_eq!(answer(&odd, &other), json!({ "error": "invalid_request", "error_description": expected }));
}

#[test]
fn the_time_of_day_stands_beside_the_time_to_wait_where_the_row_says_so() {
    let (own, other) = (wording(RFC_6749), wording(AUTH0));
    let error = TokenError::new(Reason::AccountThrottled).with_retry_after(Duration::from_millis(899_001));
    let answer = refuse(&error, HeaderMap::new(), &setting(&other));
    let told = ["retry-after", "x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset"];
    // Both are rounded up, so that nobody who waits for it comes too early.
    assert_eq!(told.map(|name| answer.headers()[name].to_str().unwrap()), ["900", "10", "0", "1700000901"]);
    let answer = refuse(&error, HeaderMap::new(), &setting(&own));
    assert_eq!(told.map(|name| answer.headers().contains_key(name)), [true, false, false, false]);
    // Nothing else says it, though it says when to come back.
    let answer = refuse(&Reason::Overloaded.into(), HeaderMap::new(), &setting(&other));
    assert_eq!(told.map(|name| answer.headers().contains_key(name)), [true, false, false, false]);
}

#[test]
fn an_error_says_a_sentence_and_members_of_its_own_beside_the_code_of_its_row() {
    let wording = wording(RFC_6749);
    let mut error = TokenError::new(Reason::Custom);
    error.details().description = ErrorText::new("a second factor is needed", 256).ok();
    error.details().members.set("mfa_token", "\"\\\u{e9}\n").unwrap();
    error.details().members.set("mfa_requirements", &json!({ "challenge": [{ "type": "otp" }] })).unwrap();
    let answer = refuse(&error, HeaderMap::new(), &setting(&wording));
    assert_eq!(answer.status(), 400);
    let expected = json!({
        "error": "invalid_grant",
        "error_description": "a second factor is needed",
        "mfa_token": "\"\\\u{e9}\n",
        "mfa_requirements": { "challenge": [{ "type": "otp" }] },
    });
    assert_eq!(json(&answer), expected);
    // Its event has the names alone.
    assert!(format!("{error:?}").contains("mfa_token") && !format!("{error:?}").contains('\u{e9}'));
    assert!(ErrorText::new("say \"please\"", 256).is_err());
}

proptest! {
    #[test]
    fn every_error_is_one_json_object_within_the_character_sets_er_08(
        index in 0..Reason::ALL.len(),
        code in "[ !#-\\[\\]-~]{1,20}",
        description in "[ !#-\\[\\]-~]{0,40}",
        own in any::<bool>(),
        is_default in any::<bool>(),
    ) {
        let table = if is_default { RFC_6749 } else { AUTH0 };
        let mut error = TokenError::new(Reason::ALL[index]);
        if own {
            error = error.with_host_code(HostCode::new(code, description).unwrap());
        }
        let response = refuse(&error, HeaderMap::new(), &setting(&wording(table)));
        for (name, value) in json(&response).as_object().unwrap() {
            prop_assert!(["error", "error_description"].contains(&name.as_str()));
            prop_assert!(value.as_str().unwrap().bytes().all(is_nqschar));
        }
        let has_challenge = response.headers().contains_key(WWW_AUTHENTICATE);
        // RFC 6750 section 3.1 has one with a 403, too.
        let wants = response.status() == StatusCode::UNAUTHORIZED || error.reason == Reason::BearerScope;
        let is_right = if is_default { has_challenge == wants } else { wants || !has_challenge };
        prop_assert!(is_right);
    }
}

#[test]
fn nothing_of_the_request_is_left_in_the_headers_of_its_answer() {
    let wording = wording(RFC_6749);
    let request = || -> HeaderMap {
        let lines =
            [(ACCEPT, "text/html"), (ORIGIN, "https://a.example"), (CONTENT_TYPE, "a/b"), (CONTENT_TYPE, "c/d")];
        lines.into_iter().map(|(name, value)| (name, HeaderValue::from_static(value))).collect()
    };
    let (error, setting) = (TokenError::new(Reason::WrongPassword), setting(&wording));
    let refused = |headers| refuse(&error, headers, &setting);
    let tokens = |headers| success(b"{}".to_vec(), headers, &setting);
    for (reused, own) in [
        (refused(request()), refused(HeaderMap::new())),
        (tokens(request()), tokens(HeaderMap::new())),
        (revoked(request(), &setting), revoked(HeaderMap::new(), &setting)),
        (
            introspected(Vec::new(), None, request(), &setting),
            introspected(Vec::new(), None, HeaderMap::new(), &setting),
        ),
    ] {
        assert_eq!(reused.headers(), own.headers());
        assert!(reused.headers().contains_key("cache-control"));
    }
}
