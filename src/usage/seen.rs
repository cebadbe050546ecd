//! What the ledger takes of an event: a login, or a refresh.

use std::time::SystemTime;

use crate::boundary::audit::{AuditEvent, AuditOutcome};
use crate::protocol::client::grant_type::GrantType;
use crate::protocol::client::registered::SECOND_FACTOR;
use crate::protocol::token::family::RefreshFamily;
use crate::protocol::usage::day::Day;
use crate::protocol::usage::row::{ClientUser, Usage};
use crate::protocol::usage::way::LoginWay;

/// A login, or a refresh of what one gave.
pub(super) struct Seen<'a> {
    pub(super) user: ClientUser<'a>,
    pub(super) usage: Usage,
    /// A refresh is counted nowhere.
    pub(super) is_login: bool,
    pub(super) at: SystemTime,
}

impl<'a> Seen<'a> {
    /// What an event says, if it has given tokens to somebody.
    pub(super) fn of(event: &AuditEvent<'a>) -> Option<Self> {
        let (AuditOutcome::Issued { subject, .. }, Some(client)) = (event.outcome, event.client) else { return None };
        let user = ClientUser::new(client, event.realm, subject);
        let way = way(event);
        let day = Day::of(event.at);
        let usage = match event.family {
            _ if !event.goes_on => Usage::new(way, event.by_password, day),
            // A factor may have been shown at a refresh, on a day on which nobody has typed the password.
            Some(family) if way != LoginWay::SecondFactor || !event.by_password => {
                Usage::new(way, event.by_password, Day::of(family.authenticated_at())).with_refreshed(Some(day))
            }
            _ => Usage::of_refresh(way, event.by_password, day),
        };
        let ends = |family: &RefreshFamily| Day::from_which(family.expires());
        let usage = usage.with_families_end(event.family.map(ends));
        Some(Self { user, usage, is_login: !event.goes_on, at: event.at })
    }

    /// A login past this endpoint.
    pub(super) const fn elsewhere(user: ClientUser<'a>, day: Day, at: SystemTime) -> Self {
        Self { user, usage: Usage::new(LoginWay::Elsewhere, false, day), is_login: true, at }
    }
}

/// The way of a login. A refresh is of the way of the login that it comes from.
fn way(event: &AuditEvent<'_>) -> LoginWay {
    let finishes = event.grant_type.is_some_and(|grant| SECOND_FACTOR.contains(&grant));
    if finishes || event.methods.has_second_factor() {
        return LoginWay::SecondFactor;
    }
    match event.origin {
        Some(origin) if origin == GrantType::PASSWORD.name() => LoginWay::Password,
        Some(origin) if origin == GrantType::PASSWORD_IN_REALM.name() => LoginWay::Realm,
        _ => LoginWay::Extension,
    }
}
