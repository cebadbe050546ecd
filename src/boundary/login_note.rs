//! What a ledger of usage takes down when tokens are issued: less than an event has, so that nothing has to be made for it.

use std::time::SystemTime;

use crate::protocol::usage::row::ClientUser;
use crate::protocol::usage::way::LoginWay;

/// A login, or a refresh of what one gave.
#[derive(Clone, Copy, Debug)]
pub struct LoginNote<'a> {
    pub(crate) user: ClientUser<'a>,
    pub(crate) login: NotedLogin,
}

/// What is noted of a login beside its user. Days are reckoned from it later, by what writes it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NotedLogin {
    pub(crate) way: LoginWay,
    pub(crate) is_by_password: bool,
    /// No login has begun: one goes on.
    pub(crate) goes_on: bool,
    pub(crate) at: SystemTime,
    /// When the login of the refresh token family was, and when the family ends, if there is one.
    pub(crate) family: Option<(SystemTime, SystemTime)>,
}

/// Takes a note of each login and of each refresh. It must not block.
pub trait LoginNotes: Send + Sync + 'static {
    /// Takes one note.
    fn take_note(&self, note: &LoginNote<'_>);
}
