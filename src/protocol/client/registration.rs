//! A client's registration as a text, for stores.
//!
//! `1.66e1c6b8a4a9a0d3.{"id":"cli",..}`: the version of what stands behind it, a digest by which damage is found, and a JSON
//! object.

use sha2::{Digest as _, Sha256};

use super::error::RegistrationError;
use super::members::Members;
use super::registered::Client;

/// The version of the text. A change of what a member means is a new one. A new member is not: clients without it are read by
/// versions that do not know it.
const VERSION: u32 = 1;

/// A registration as a text, for a registry over a table of your own.
impl Client {
    /// The whole registration as a text to store: in a column, under a key, in a file. [`from_text`](Self::from_text) makes the
    /// same client of it.
    ///
    /// It is one line of UTF-8, mostly of 100 to 500 bytes. The lists of a registration have no bound, so neither has the text:
    /// `TEXT`, not `VARCHAR`. Equal registrations have equal texts. Instants are kept as whole milliseconds, rounded down.
    ///
    /// - **Secrets**: it holds their [digests](crate::store::SecretDigest), never a secret. A reader learns what the client may do. A
    ///   program that can write it decides what the client may do: protect it like the table of users.
    /// - **Versions**: a text that one version of this crate wrote means the same to all later ones. One that says more than this
    ///   version knows is [refused](crate::client::RegistrationError::Later) and not half understood.
    /// - **Changes**: read it, change the client by [`to_builder`](Self::to_builder), and write it again. A text that was changed
    ///   by hand is refused as damaged.
    ///
    /// What the registration does not say, such as whether an operator disabled the client, belongs in a column of its own.
    ///
    /// ```
    /// use std::collections::HashMap;
    ///
    /// use async_trait::async_trait;
    /// use tower_password_grant::{BackendError, Client, ClientRegistry, ClientSecret};
    ///
    /// /// Your table: `CREATE TABLE clients (id TEXT PRIMARY KEY, registration TEXT)`.
    /// #[derive(Default)]
    /// struct Clients(HashMap<String, String>);
    ///
    /// impl Clients {
    ///     fn put(&mut self, client: &Client) {
    ///         // INSERT .. ON CONFLICT (id) DO UPDATE SET registration = $2
    ///         self.0.insert(client.id().to_string(), client.to_text());
    ///     }
    /// }
    ///
    /// #[async_trait]
    /// impl ClientRegistry for Clients {
    ///     async fn find(&self, client_id: &str) -> Result<Option<Client>, BackendError> {
    ///         // SELECT registration FROM clients WHERE id = $1
    ///         let found = self.0.get(client_id);
    ///         Ok(found.map(|text| Client::from_text(text)).transpose()?)
    ///     }
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let secret = ClientSecret::generate()?;
    /// let shop = Client::confidential("shop", &secret.digest()).allow_password_grant();
    /// let shop = shop.scopes("read").default_scope("read").build()?;
    ///
    /// let mut clients = Clients::default();
    /// clients.put(&shop);
    /// let found = clients.find("shop").await?.ok_or("it was put")?;
    /// assert_eq!(found.to_text(), shop.to_text());
    /// assert!(!shop.to_text().contains(secret.expose()));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn to_text(&self) -> String {
        // Members have names, and values are texts, numbers and lists of them: JSON has a form for each. Where it had none, the
        // text would be read as damaged.
        let json = serde_json::to_string(&Members::of(self)).unwrap_or_default();
        format!("{VERSION}.{}.{json}", checksum(&json))
    }

    /// Reads what [`to_text`](Self::to_text) wrote, with every check of a registration.
    ///
    /// # Errors
    /// Fails when a later version wrote the text, when it is damaged, and when this version refuses the client. `?` makes a
    /// [`BackendError`](crate::BackendError) of it, which answers 503.
    pub fn from_text(text: &str) -> Result<Self, RegistrationError> {
        let (version, rest) = text.split_once('.').ok_or(RegistrationError::Damaged)?;
        match version.parse::<u32>() {
            Ok(VERSION) => {}
            Ok(later) if later > VERSION => return Err(RegistrationError::Later),
            _ => return Err(RegistrationError::Damaged),
        }
        let (sum, json) = rest.split_once('.').ok_or(RegistrationError::Damaged)?;
        if sum != checksum(json) {
            return Err(RegistrationError::Damaged);
        }
        let members: Members = serde_json::from_str(json).map_err(|error| unread(&error))?;
        Ok(members.into_builder()?.build()?)
    }
}

/// 64 bits by which a text that was cut off or changed is found. No seal: anyone can make it.
fn checksum(json: &str) -> String {
    Sha256::digest(json.as_bytes()).iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

/// Why JSON is not read that is as it was written.
fn unread(error: &serde_json::Error) -> RegistrationError {
    if error.is_data() { RegistrationError::Later } else { RegistrationError::Damaged }
}

#[cfg(test)]
#[path = "registration_tests.rs"]
mod tests;
