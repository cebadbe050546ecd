//! The second factor of the demo: an authenticator app, or a text message that the console shows, and recovery codes.

use std::time::Duration;

use async_trait::async_trait;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use qrcode::QrCode;
use qrcode::render::svg::Color;
use tower_password_grant::BackendError;
use tower_password_grant::mfa::{Channel, CodeDelivery, Delivery, Factors};
use tower_password_grant::rules::{LoginEvent, LoginRule, Ruling, rule_fn};
use tower_password_grant::sqlite::SqliteStore;
use tower_password_grant::user::SecretKeys;

use crate::demo::{Error, STEP_UP};

/// Seals the secrets of the apps in the file. Yours is random (`openssl rand 32`), and kept apart from the file.
const KEY: &[u8] = b"a demo key that everybody knows!";

/// How old a factor may be where the API needs one.
pub(crate) const RECENT: Duration = Duration::from_secs(300);

/// A user without a factor needs none to log in. From the first one on, every login takes one.
pub(crate) fn factors(store: &SqliteStore) -> Result<Factors, Error> {
    let keys = SecretKeys::new("demo", KEY.to_vec())?;
    Ok(Factors::new(store.clone(), keys).totp("Demo").deliver(Channel::Sms, Console))
}

/// Prints text messages. Yours hands them to a provider, and never to a log.
struct Console;

#[async_trait]
impl CodeDelivery for Console {
    async fn deliver(&self, message: Delivery<'_>) -> Result<(), BackendError> {
        let code = message.code.unwrap_or_default();
        println!("\nText message to {}: {code} is your code for {}.", message.contact, message.client);
        Ok(())
    }
}

/// In the extensions of a request: its client was told by the API that the login is too weak.
#[derive(Clone, Copy)]
struct StepUp;

/// Where the authorization code flow has `acr_values`, this demo has a header. It can only make a login stronger.
pub(crate) fn read_step_up(mut request: Request) -> Request {
    if request.headers().contains_key(STEP_UP) {
        request.extensions_mut().insert(StepUp);
    }
    request
}

/// Such a client gets its next tokens for a second factor.
pub(crate) fn step_up() -> impl LoginRule {
    rule_fn("step up", |login: LoginEvent| async move {
        Ok(match login.extensions().get() {
            Some(StepUp) => Ruling::proceed().demand_second_factor_within(RECENT),
            None => Ruling::proceed(),
        })
    })
}

/// Draws a text for the camera of a telephone. It comes in the body, as a URL would stand in logs.
pub(crate) async fn qr_code(text: String) -> Result<impl IntoResponse, StatusCode> {
    let code = QrCode::new(text).map_err(|_| StatusCode::PAYLOAD_TOO_LARGE)?;
    let drawing = code.render::<Color<'_>>().min_dimensions(200, 200).build();
    Ok(([(CONTENT_TYPE, "image/svg+xml")], drawing))
}
