//! How the requests of a test are written: as forms, to endpoints of the default profile; or the same parameters as JSON, to
//! endpoints of the profile that reads it.

use std::cell::Cell;

use bytes::Bytes;
use tower_password_grant::mount::Profile;

use super::json_body::json_of;

thread_local! {
    static IN_JSON: Cell<bool> = const { Cell::new(false) };
    /// How many bodies were written as JSON.
    static WRITTEN: Cell<usize> = const { Cell::new(0) };
}

/// Runs a test of forms once more with JSON. What it expects is said in the words of the default profile all the same.
///
/// Requests that the test makes on other threads are forms. One at least has to be JSON.
pub fn in_json(test: impl FnOnce()) {
    struct Back;
    impl Drop for Back {
        fn drop(&mut self) {
            IN_JSON.set(false);
        }
    }

    IN_JSON.set(true);
    let (_back, before) = (Back, WRITTEN.get());
    test();
    assert!(WRITTEN.get() > before, "no request of this test was JSON");
}

/// Of the endpoints of this test.
pub fn profile() -> Profile {
    if IN_JSON.get() { Profile::Auth0 } else { Profile::default() }
}

/// The media type and the body as which a form is sent.
pub fn written(form: &str) -> (&'static str, Bytes) {
    if IN_JSON.get() {
        WRITTEN.set(WRITTEN.get() + 1);
        ("application/json", json_of(form).into())
    } else {
        ("application/x-www-form-urlencoded", Bytes::copy_from_slice(form.as_bytes()))
    }
}

/// More parameters of a login that is to give a refresh token, for which the other profile wants a scope.
pub fn login_with_refresh(more: &str) -> String {
    if !IN_JSON.get() {
        return more.to_owned();
    }
    match more.split_once("scope=") {
        Some((before, scope)) => format!("{before}scope=offline_access+{scope}"),
        None => format!("{more}&scope=offline_access+read+write"),
    }
}

/// A status and a code of the default profile as this test gets them.
pub fn refusal(status: u16, code: &str) -> (u16, &str) {
    match code {
        _ if !IN_JSON.get() => (status, code),
        "invalid_client" => (401, "access_denied"),
        "invalid_grant" | "unauthorized_client" | "unsupported_grant_type" => (403, code),
        _ => (status, code),
    }
}

/// Whether a sentence has what one of the default profile has. The other one begins some with a capital.
pub fn is_about(sentence: &str, piece: &str) -> bool {
    sentence.contains(piece) || IN_JSON.get() && sentence.to_lowercase().contains(piece)
}
