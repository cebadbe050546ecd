use http::StatusCode;

use super::*;
use crate::protocol::wire::charset::is_nqschar;
use crate::protocol::wire::error::Reason;
use crate::protocol::wire::faces::{Face, Fixed, Header, Row, Sentence};

fn rows(profile: Profile) -> impl Iterator<Item = (Face, &'static Row)> {
    Face::ALL.iter().map(move |face| (*face, profile.table().row(*face)))
}

#[test]
fn every_row_is_json_within_the_character_sets_er_08() {
    for (_, row) in Profile::ALL.into_iter().flat_map(rows) {
        if let Sentence::Fixed(Fixed { text, body }) = row.sentence {
            let json: serde_json::Value = serde_json::from_str(body).unwrap();
            assert_eq!(json, serde_json::json!({ "error": row.code, "error_description": text }));
        }
        assert!(row.code.bytes().chain(row.sentence.written(None).bytes()).all(is_nqschar));
    }
}

#[test]
fn by_default_each_401_has_a_challenge_and_nothing_else_but_a_bearer_without_its_scope_has_one_er_11() {
    for (face, row) in rows(Profile::Rfc6749) {
        // RFC 6750 section 3.1.
        let is_wanted = row.status == StatusCode::UNAUTHORIZED || face == Face::BearerScope;
        assert_eq!(has_challenge(row), is_wanted, "{face:?}");
    }
}

#[test]
fn in_the_profile_of_auth0_only_a_failed_authorization_header_has_a_challenge() {
    for (face, row) in rows(Profile::Auth0) {
        let by_header = matches!(
            face,
            Face::ClientByHeader | Face::BearerToken | Face::BearerInvalid | Face::BearerExpired | Face::BearerScope
        );
        assert_eq!(has_challenge(row), by_header, "{face:?}");
        let status = if face == Face::BearerScope { StatusCode::FORBIDDEN } else { StatusCode::UNAUTHORIZED };
        assert!(!by_header || row.status == status, "{face:?}");
    }
}

#[test]
fn in_the_profile_of_auth0_every_status_but_500_and_503_is_one_that_an_sdk_reads_the_code_of() {
    for (face, row) in rows(Profile::Auth0) {
        match face {
            Face::Fault => assert_eq!(row.status, 500),
            Face::Unavailable => assert_eq!(row.status, 503),
            _ => assert!(row.status.is_client_error(), "{face:?}"),
        }
    }
}

#[test]
fn in_each_profile_the_same_answers_say_when_to_come_back() {
    let waits =
        |profile| rows(profile).filter(|(_, row)| row.headers.contains(&Header::RetryAfter)).map(|(face, _)| face);
    assert!(waits(Profile::Rfc6749).eq(waits(Profile::Auth0)));
    assert!(rows(Profile::Rfc6749).all(|(_, row)| !row.tells_time()));
    for (face, row) in rows(Profile::Auth0) {
        assert_eq!(row.tells_time(), row.status == StatusCode::TOO_MANY_REQUESTS, "{face:?}");
    }
}

#[test]
fn four_scopes_are_common_in_the_profile_of_auth0_and_none_by_default() {
    let common = Profile::Auth0.common_scopes().map(Scope::as_str);
    assert_eq!(common, Some("email offline_access openid profile"));
    assert_eq!(Profile::default().common_scopes(), None);
}

#[test]
fn the_manual_has_every_reason_with_its_answer_in_each_profile() {
    let manual = include_str!("../manual/errors.md");
    for reason in Reason::ALL {
        let cells = Profile::ALL.map(|profile| {
            let row = profile.table().row(reason.face());
            format!("{} `{}`", row.status.as_u16(), row.code)
        });
        let line = format!("\n| `{reason}` | {} | ", cells.join(" | "));
        assert!(manual.contains(&line), "{line}");
    }
}

fn has_challenge(row: &Row) -> bool {
    row.headers
        .iter()
        .any(|header| matches!(header, Header::Challenge | Header::BearerChallenge | Header::ScopeChallenge))
}
