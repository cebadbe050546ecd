//! The answer of the challenge endpoint.

use std::time::Duration;

use serde_json::json;

use crate::protocol::factor::authenticator::Channel;
use crate::protocol::factor::polling::INTERVAL;

/// The user reads a code in an app.
pub(crate) fn otp() -> Vec<u8> {
    json!({ "challenge_type": "otp" }).to_string().into_bytes()
}

/// Something was sent on this channel. It is worth nothing after this time.
pub(crate) fn out_of_band(channel: Channel, oob_code: &str, lasts: Duration) -> Vec<u8> {
    let mut answer = json!({ "challenge_type": "oob", "oob_code": oob_code, "expires_in": lasts.as_secs() });
    let (name, value) =
        if channel.has_code() { ("binding_method", json!("prompt")) } else { ("interval", json!(INTERVAL.as_secs())) };
    if let Some(members) = answer.as_object_mut() {
        members.insert(name.to_owned(), value);
    }
    answer.to_string().into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_typed_and_a_question_is_asked_about() {
        let lasts = Duration::from_secs(300);
        let read = |json: Vec<u8>| serde_json::from_slice::<serde_json::Value>(&json).unwrap();
        assert_eq!(read(otp()), json!({ "challenge_type": "otp" }));
        for channel in [Channel::Sms, Channel::Voice, Channel::Email] {
            assert_eq!(
                read(out_of_band(channel, "c0de", lasts)),
                json!({ "challenge_type": "oob", "oob_code": "c0de", "expires_in": 300, "binding_method": "prompt" })
            );
        }
        assert_eq!(
            read(out_of_band(Channel::Push, "c0de", lasts)),
            json!({ "challenge_type": "oob", "oob_code": "c0de", "expires_in": 300, "interval": 5 })
        );
    }
}
