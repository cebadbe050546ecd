//! Random parameters have the same answer in JSON and in a form.

use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use proptest::prelude::*;

use super::expect::auth0;
use super::json_bodies::request;
use crate::support::{AUTH, token_request};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn the_same_parameters_have_the_same_answer_in_json_and_in_a_form(
        fields in proptest::collection::btree_map(
            "(grant_type|username|password|scope|realm|audience|client_id|client_secret|refresh_token|[a-c]{0,2})",
            prop_oneof![Just("alice".to_owned()), Just("password".to_owned()), Just(String::new()), "\\PC{0,8}", "(?s).{0,4}"],
            0..7,
        ),
        is_login: bool,
        has_header: bool,
    ) {
        let mut fields = fields;
        if is_login {
            for (name, value) in [("grant_type", "password"), ("username", "alice"), ("password", "correct horse")] {
                fields.insert(name.to_owned(), value.to_owned());
            }
        }
        let form = serde_urlencoded::to_string(&fields).unwrap();
        let headers = if has_header { AUTH } else { &[] };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let answered = |request: Request<Full<Bytes>>| {
            let fixture = auth0(|builder| builder);
            let answer = runtime.block_on(fixture.send(request));
            let body = if answer.status == 200 { answer.json()["scope"].to_string() } else { format!("{:?}", answer.body) };
            (answer.status, answer.headers, body, fixture.probe.seen.lock().unwrap().clone())
        };
        let in_json = answered(request("/oauth/token", headers, serde_json::to_vec(&fields).unwrap()));
        prop_assert_eq!(in_json, answered(token_request(headers, &form)));
    }
}
