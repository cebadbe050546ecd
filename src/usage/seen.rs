//! What the ledger takes of an event, and which days it reckons from that.

use crate::boundary::audit::{AuditEvent, AuditOutcome};
use crate::boundary::login_note::{LoginNote, NotedLogin};
use crate::protocol::client::grant_type::way_of;
use crate::protocol::client::registered::SECOND_FACTOR;
use crate::protocol::usage::day::Day;
use crate::protocol::usage::row::{ClientUser, Usage};
use crate::protocol::usage::way::LoginWay;

/// What an event says, if it has given tokens to somebody.
pub(super) fn of_event<'a>(event: &AuditEvent<'a>) -> Option<LoginNote<'a>> {
    let (AuditOutcome::Issued { subject, .. }, Some(client)) = (event.outcome, event.client) else { return None };
    let login = NotedLogin {
        way: way(event),
        is_by_password: event.by_password,
        goes_on: event.goes_on,
        at: event.at,
        family: event.family.map(|family| (family.authenticated_at(), family.expires())),
    };
    Some(LoginNote { user: ClientUser::new(client, event.realm, subject), login })
}

/// The way of a login. A refresh is of the way of the login that it comes from.
fn way(event: &AuditEvent<'_>) -> LoginWay {
    let finishes = event.grant_type.is_some_and(|grant| SECOND_FACTOR.contains(&grant));
    if finishes || event.methods.has_second_factor() {
        return LoginWay::SecondFactor;
    }
    event.origin.map_or(LoginWay::Extension, way_of)
}

/// The days of a login or a refresh.
pub(super) fn usage(login: &NotedLogin) -> Usage {
    let NotedLogin { way, is_by_password, goes_on, at, family } = *login;
    let day = Day::of(at);
    let usage = match family {
        _ if !goes_on => Usage::new(way, is_by_password, day),
        // A factor may have been shown at a refresh, on a day on which nobody has typed the password.
        Some((began, _)) if way != LoginWay::SecondFactor || !is_by_password => {
            Usage::new(way, is_by_password, Day::of(began)).with_refreshed(Some(day))
        }
        _ => Usage::of_refresh(way, is_by_password, day),
    };
    usage.with_families_end(family.map(|(_, ends)| Day::from_which(ends)))
}
