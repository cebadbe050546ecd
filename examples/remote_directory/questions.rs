//! What the user service can be asked: three questions, each a POST with a JSON body, each answered with 200 and a JSON body.
//!
//! No name and no password is ever part of a URL, which ends up in logs: people type passwords into the field of the name, too.

use std::borrow::Cow;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// The most bytes of a question: a name of 1024 bytes and a password of 4096, each of which JSON may write as six.
pub(crate) const MAX_QUESTION: usize = 32 * 1024;

/// A question, and where it is asked.
pub(crate) trait Question: Serialize + Sync {
    const PATH: &'static str;
    type Answer: DeserializeOwned;
}

/// A question that may be asked twice, because asking changes nothing. A [`Guess`] is none: the service may count it.
pub(crate) trait Repeatable: Question {}

/// Is this the user's password?
///
/// A service that counts guesses itself needs the address of the user (`Attempt::address`) here, too: all guesses come to it from
/// one address, that of the token endpoint.
#[derive(Serialize, Deserialize)]
pub(crate) struct Guess<'a> {
    pub(crate) name: Cow<'a, str>,
    pub(crate) password: Cow<'a, str>,
}

/// An outcome that is not in this list is no answer, and so never a yes.
#[derive(Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub(crate) enum Guessed {
    Right {
        id: UserId,
        version: u32,
    },
    UnknownUser,
    WrongPassword,
    /// Only after the right password.
    Disabled,
}

impl Question for Guess<'_> {
    const PATH: &'static str = "/v1/guess";
    type Answer = Guessed;
}

/// Whose name is this? The service knows which spellings are one account.
#[derive(Serialize, Deserialize)]
pub(crate) struct Named<'a> {
    pub(crate) name: Cow<'a, str>,
}

/// With an outcome, and not with an `id` that may be missing: an answer that lost it must not say "nobody".
#[derive(Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub(crate) enum Found {
    Account { id: UserId },
    Nobody,
}

impl Question for Named<'_> {
    const PATH: &'static str = "/v1/find";
    type Answer = Found;
}

impl Repeatable for Named<'_> {}

/// May this user still be logged in?
#[derive(Serialize, Deserialize)]
pub(crate) struct StateOf<'a> {
    pub(crate) id: Cow<'a, str>,
}

#[derive(Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub(crate) enum State {
    Active { version: u32 },
    Disabled,
    UnknownUser,
}

impl Question for StateOf<'_> {
    const PATH: &'static str = "/v1/state";
    type Answer = State;
}

impl Repeatable for StateOf<'_> {}

/// The key of an account, which is not empty.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct UserId(String);

impl UserId {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    pub(crate) fn into_text(self) -> String {
        self.0
    }
}

impl TryFrom<String> for UserId {
    type Error = &'static str;

    fn try_from(id: String) -> Result<Self, Self::Error> {
        if id.is_empty() { Err("a user without an id") } else { Ok(Self(id)) }
    }
}
