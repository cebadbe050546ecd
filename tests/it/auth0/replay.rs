//! The profile is a table of refusals and a few named rules: what succeeds by default has the same bytes here, but for its tokens.

use http::HeaderMap;
use tower_password_grant::mount::Profile;

use crate::support::Answer;
use crate::wire_replay::{BOTH, CONFIDENTIAL, PUBLIC, confidential, public, replay_in};

/// All of an answer but its token and what the server's clock adds.
fn parts(answer: &Answer) -> (u16, HeaderMap, String) {
    let token = answer.assert_ok()["access_token"].as_str().unwrap().to_owned();
    let mut headers = answer.headers.clone();
    headers.remove("date");
    let body = String::from_utf8(answer.body.to_vec()).unwrap();
    (answer.status.as_u16(), headers, body.replace(&token, "token"))
}

#[tokio::test]
async fn what_recorded_clients_get_by_default_they_get_byte_for_byte_in_this_profile() {
    let confidential = CONFIDENTIAL.iter().chain(&[("bruno_basic", BOTH)]).map(|(name, _)| (confidential(), *name));
    let public = PUBLIC.iter().map(|(name, _)| (public(), *name));
    for (client, name) in confidential.chain(public) {
        let own = replay_in(Profile::Auth0, client.clone(), &[name]).await;
        let default = replay_in(Profile::default(), client, &[name]).await;
        assert_eq!(parts(&own[0]), parts(&default[0]), "{name}");
    }
}
