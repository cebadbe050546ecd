//! What a refusal says in this profile.

use tower_password_grant::mount::Profile;

use crate::support::{AUTH, Fixture, PW};

#[tokio::test]
async fn a_wrong_password_is_answered_as_these_sdks_expect_and_by_default_as_rfc_6749_has_it() {
    let body = &PW.replace("correct+horse", "wrong");
    let auth0 = Fixture::with(|builder| builder.profile(Profile::Auth0)).token(AUTH, body).await;
    auth0.assert_error(403, "invalid_grant");
    assert_eq!(auth0.json()["error_description"], "Wrong email or password.");
    let default = Fixture::new().token(AUTH, body).await;
    default.assert_error(400, "invalid_grant");
    assert_eq!(default.json()["error_description"], "the credentials are not valid");
}
