//! Second factors: authenticator apps, and the telephones and devices of the users, which are this console.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use tower_password_grant::BackendError;
use tower_password_grant::mfa::{Channel, CodeDelivery, Delivery, DeliveryStatus, Factors};
use tower_password_grant::store::MemoryFactors;
use tower_password_grant::user::SecretKeys;

use super::Error;

/// What each layer makes its second factors of.
pub(crate) struct SecondFactors {
    store: Arc<MemoryFactors>,
    keys: SecretKeys,
    pub(crate) console: Arc<Console>,
}

impl SecondFactors {
    /// They end with the process. Yours are in the file of the users, and your keys in another one: `SecretKeys::new`.
    pub(crate) fn new(domain: &str) -> Result<Self, Error> {
        let console = Console { domain: domain.to_owned(), answers: Mutex::default(), code: Mutex::default() };
        Ok(Self { store: Arc::default(), keys: SecretKeys::random()?, console: Arc::new(console) })
    }

    /// Demanded of users who have one, and where the rule demands it.
    pub(crate) fn settings(&self) -> Factors {
        Factors::new(Arc::clone(&self.store), self.keys.clone())
            .totp("Example Shop")
            .deliver(Channel::Sms, Arc::clone(&self.console))
            .deliver(Channel::Push, Arc::clone(&self.console))
    }
}

/// Prints codes instead of sending them, and the address at which a device answers a question.
pub(crate) struct Console {
    domain: String,
    /// What the devices answered, by the identifier of the question.
    answers: Mutex<HashMap<String, DeliveryStatus>>,
    /// The last code.
    code: Mutex<Option<String>>,
}

impl Console {
    pub(crate) fn last_code(&self) -> Option<String> {
        self.code.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn note(&self, id: &str, answer: DeliveryStatus) -> Option<DeliveryStatus> {
        self.answers.lock().unwrap_or_else(PoisonError::into_inner).insert(id.to_owned(), answer)
    }
}

#[async_trait]
impl CodeDelivery for Console {
    async fn deliver(&self, delivery: Delivery<'_>) -> Result<(), BackendError> {
        let Delivery { id, contact, .. } = delivery;
        if let Some(code) = delivery.code {
            println!("sms to {contact}: {code}");
            *self.code.lock().unwrap_or_else(PoisonError::into_inner) = Some(code.to_owned());
        } else {
            println!("push to {contact}: POST https://{}/devices/{id}/approve or deny", self.domain);
            self.note(id, DeliveryStatus::Pending);
        }
        Ok(())
    }

    async fn status(&self, id: &str) -> Result<DeliveryStatus, BackendError> {
        let answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(answers.get(id).copied().unwrap_or(DeliveryStatus::Expired))
    }
}

/// What the app on a device does when its user has decided. The identifier of the question is known to the device alone.
pub(crate) async fn answer(
    State(console): State<Arc<Console>>,
    Path((id, answer)): Path<(String, String)>,
) -> StatusCode {
    let answer = match answer.as_str() {
        "approve" => DeliveryStatus::Approved,
        "deny" => DeliveryStatus::Denied,
        _ => return StatusCode::NOT_FOUND,
    };
    match console.status(&id).await {
        Ok(DeliveryStatus::Pending) => {
            console.note(&id, answer).map_or(StatusCode::NOT_FOUND, |_| StatusCode::NO_CONTENT)
        }
        _ => StatusCode::NOT_FOUND,
    }
}
