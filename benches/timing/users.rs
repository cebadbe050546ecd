//! The users: as many names that exist as names that do not, equal in form, and one of every special kind.

use std::collections::HashMap;
use std::sync::Mutex;

use async_trait::async_trait;
use tower_password_grant::argon2::Argon2Parameters;
use tower_password_grant::store::{LoginName, StoredUser, UserStatus, UserStore};
use tower_password_grant::{BackendError, Password};

use super::random::Random;

/// Nobody guesses it; it is needed where the right password must look like a wrong one.
pub const PASSWORD: &str = "therightpassword";
pub const REALM: &str = "other";
/// Realms that the clients of a comparison do not list: one that another client lists, and one that does not exist.
pub const FOREIGN_REALM: &str = "third";
pub const NO_REALM: &str = "sixth";

pub const DISABLED: &str = "user-70";
pub const EXPIRED: &str = "user-71";
pub const UNUSABLE: &str = "user-72";
pub const CORRUPT: &str = "user-73";
pub const WITHOUT: &str = "user-74";
pub const OUTDATED: &str = "user-75";

/// Half of the names from `user-00` to `user-31`.
const NAMES: usize = 32;

/// The even ones exist, in no realm; the realm has one user of another name.
pub fn known(random: &mut Random) -> String {
    format!("user-{:02}", random.below(NAMES / 2) * 2)
}

pub fn unknown(random: &mut Random) -> String {
    format!("user-{:02}", random.below(NAMES / 2) * 2 + 1)
}

/// In the directory behind the first one.
pub fn other(random: &mut Random) -> String {
    format!("other-{:02}", random.below(NAMES))
}

pub fn wrong(random: &mut Random) -> String {
    random.letters(PASSWORD.len())
}

pub struct Users(Mutex<HashMap<String, StoredUser>>);

impl Users {
    /// Hashes of this cost; the outdated one costs half of it, or as little as there is.
    pub fn new(parameters: &Argon2Parameters, outdated: &Argon2Parameters) -> Self {
        let hash = |with: &Argon2Parameters| with.hash_blocking(&Password::new(PASSWORD.to_owned())).unwrap();
        let user = |name: &str, stored: Option<String>| StoredUser::new(name.to_owned()).with_password_hash(stored);
        let mut all = HashMap::new();
        for number in (0..NAMES).step_by(2) {
            let name = format!("user-{number:02}");
            all.insert(key(&name, None), user(&name, Some(hash(parameters))));
        }
        all.insert(key("user-76", Some(REALM)), user("user-76", Some(hash(parameters))));
        let current = hash(parameters);
        for (name, stored, status) in [
            (DISABLED, Some(current.clone()), UserStatus::Disabled),
            (EXPIRED, Some(current.clone()), UserStatus::PasswordExpired),
            (UNUSABLE, Some("!".to_owned()), UserStatus::Active),
            // As a column that is too short would keep it.
            (CORRUPT, Some(current[..current.len() - 20].replace("$argon2id", "$argon2x")), UserStatus::Active),
            (WITHOUT, None, UserStatus::Active),
            (OUTDATED, Some(hash(outdated)), UserStatus::Active),
        ] {
            all.insert(key(name, None), user(name, stored).with_status(status));
        }
        Self(Mutex::new(all))
    }

    /// Those of the directory behind the first one.
    pub fn others(parameters: &Argon2Parameters) -> Self {
        let hash = parameters.hash_blocking(&Password::new(PASSWORD.to_owned())).unwrap();
        let user = |name: String| (key(&name, None), StoredUser::new(name).with_password_hash(hash.clone()));
        Self(Mutex::new((0..NAMES).map(|number| user(format!("other-{number:02}"))).collect()))
    }

    pub fn exists(&self, login: &str, realm: Option<&str>) -> bool {
        self.0.lock().unwrap().contains_key(&key(login, realm))
    }
}

fn key(login: &str, realm: Option<&str>) -> String {
    format!("{}/{login}", realm.unwrap_or_default())
}

#[async_trait]
impl UserStore for Users {
    async fn find(&self, login: &LoginName<'_>, realm: Option<&str>) -> Result<Option<StoredUser>, BackendError> {
        Ok(self.0.lock().unwrap().get(&key(login.canonical(), realm)).cloned())
    }

    async fn save_hash(&self, user_id: &str, _old_hash: &str, new_hash: &str) -> Result<bool, BackendError> {
        let mut all = self.0.lock().unwrap();
        // Only one login of one user upgrades here, before anything is measured.
        let Some(user) = all.get_mut(&key(user_id, None)) else { return Ok(false) };
        *user = user.clone().with_password_hash(new_hash.to_owned());
        Ok(true)
    }
}
