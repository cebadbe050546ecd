//! Logins that are left open, and the ways to finish them.

use std::time::Duration;

use http::Method;
use serde_json::{Value, json};
use tower_password_grant::mfa::{Channel, DeliveryStatus};

use crate::support::Answer;
use crate::support::factors::{FactorBed, JSON, request};

pub const PHONE: &str = "+15555550199";

const OOB: &str = "http://auth0.com/oauth/grant-type/mfa-oob";
const RECOVERY: &str = "http://auth0.com/oauth/grant-type/mfa-recovery-code";

/// A text of a JSON answer.
#[track_caller]
pub fn text(json: &Value, name: &str) -> String {
    json[name].as_str().unwrap_or_else(|| panic!("no `{name}` in {json}")).to_owned()
}

impl FactorBed {
    /// A right password of a user with a factor at `app`: the token of the login that it leaves open.
    pub async fn left_open(&self, name: &str) -> String {
        let answer = self.login(name, "").await;
        assert_eq!(answer.status, 403, "{answer:?}");
        text(&answer.json(), "mfa_token")
    }

    /// `POST /mfa/challenge` of `app` with more members, as SDKs send it.
    pub async fn challenge(&self, mfa_token: &str, more: &Value) -> Answer {
        let mut body = json!({ "client_id": "app", "mfa_token": mfa_token });
        let members = body.as_object_mut().unwrap();
        members.extend(more.as_object().unwrap().clone());
        self.send(request(Method::POST, "/mfa/challenge", &[JSON], &body.to_string())).await
    }

    /// The code of a challenge out of band, with what it is asked by.
    pub async fn sent(&self, mfa_token: &str) -> String {
        let answer = self.challenge(mfa_token, &json!({ "challenge_type": "oob" })).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        text(&answer.json(), "oob_code")
    }

    /// The code that was sent last.
    pub fn typed(&self) -> String {
        self.outbox.last().code.expect("no code was sent")
    }

    /// The grant out of band at `app`.
    pub async fn redeem_oob(&self, mfa_token: &str, oob_code: &str, binding_code: Option<&str>) -> Answer {
        let binding = binding_code.map(|code| format!("&binding_code={code}")).unwrap_or_default();
        self.token(&format!("client_id=app&grant_type={OOB}&mfa_token={mfa_token}&oob_code={oob_code}{binding}")).await
    }

    /// The grant of a recovery code at `app`.
    pub async fn redeem_recovery(&self, mfa_token: &str, code: &str) -> Answer {
        let code = code.replace(' ', "+");
        self.token(&format!("client_id=app&grant_type={RECOVERY}&mfa_token={mfa_token}&recovery_code={code}")).await
    }

    /// A user who is reached on this channel, which is confirmed. Gives the recovery codes. Afterwards another code can be sent.
    pub async fn reached_by(&self, name: &str, channel: Channel) -> Vec<String> {
        let mut wanted = json!({ "authenticator_types": ["oob"], "oob_channels": [channel.as_str()] });
        match channel {
            Channel::Email => wanted["email"] = "pat@example.com".into(),
            Channel::Push => {}
            _ => wanted["phone_number"] = PHONE.into(),
        }
        let begun = self.associate(&self.manager(name).await, &wanted).await;
        assert_eq!(begun.status, 200, "{begun:?}");
        let begun = begun.json();
        let code = self.outbox.last().code;
        if code.is_none() {
            self.outbox.answer(DeliveryStatus::Approved);
        }
        let confirmed = self.redeem_oob(&text(&begun, "mfa_token"), &text(&begun, "oob_code"), code.as_deref()).await;
        confirmed.assert_ok();
        self.outbox.answer(DeliveryStatus::Pending);
        self.clock.advance(Duration::from_secs(30));
        let codes = begun["recovery_codes"].as_array().expect("no recovery codes");
        codes.iter().map(|code| code.as_str().unwrap().to_owned()).collect()
    }
}
