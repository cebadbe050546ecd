//! The key under which each user is found: one form for all the spellings of a login name.

use std::collections::BTreeMap;

use tower_password_grant::user::AccountKey;

/// A user of the table: id and login name.
pub(crate) type User = (i64, String);

/// What the table's key column gets.
#[derive(Default)]
pub(crate) struct Keys {
    /// Ids of users with their keys.
    pub(crate) unique: Vec<(i64, String)>,
    /// Keys that several users would have, and those users. A person decides.
    pub(crate) shared: Vec<(String, Vec<User>)>,
}

/// Sorts the users by the form of their login names in which a store is asked for them.
pub(crate) fn keys(users: impl IntoIterator<Item = User>) -> Keys {
    let mut by_key = BTreeMap::<String, Vec<User>>::new();
    for (id, login) in users {
        let key = AccountKey::canonical(&login).as_str().to_owned();
        by_key.entry(key).or_default().push((id, login));
    }
    let mut keys = Keys::default();
    for (key, users) in by_key {
        match users.as_slice() {
            // A name of invisible characters alone leaves nothing to be found by.
            [(id, _)] if !key.is_empty() => keys.unique.push((*id, key)),
            _ => keys.shared.push((key, users)),
        }
    }
    keys
}
