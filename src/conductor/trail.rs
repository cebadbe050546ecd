//! What is known of a request so far: for its answer's headers, for telemetry and for the audit trail.

use std::borrow::Cow;
use std::cell::Cell;
use std::net::IpAddr;
use std::time::{Duration, SystemTime};

use http::HeaderValue;

use super::purpose::Purpose;
use crate::boundary::audit::{AccountDigest, AuditEvent, AuditOutcome};
use crate::boundary::limiter::Limit;
use crate::boundary::login_note::{LoginNote, NotedLogin};
use crate::limiter::ceiling::meter::Counted;
use crate::protocol::client::grant_type::{GrantType, way_of};
use crate::protocol::client::registered::Client;
use crate::protocol::realm::Realm;
use crate::protocol::scope::Scope;
use crate::protocol::token::family::RefreshFamily;
use crate::protocol::token::methods::AuthenticationMethods;
use crate::protocol::usage::row::ClientUser;
use crate::protocol::usage::way::LoginWay;

/// What is known of the sender once the head was judged, and what was counted on it since.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Caller {
    /// The other end of the connection.
    pub(crate) peer: Option<IpAddr>,
    /// The address that counts.
    pub(crate) address: Option<IpAddr>,
    /// The address that counts is on the allow-list.
    pub(crate) is_exempt: bool,
    /// What the monotonic clock showed when the head was judged, as long as nothing was [waited](Self::waits) for since.
    pub(crate) elapsed: Option<Duration>,
    /// What the ceiling of the address counted, until it is given back.
    pub(crate) counted: Counted,
    /// The limit of the attack protection that refused.
    pub(crate) limit: Option<Limit>,
    /// The limit in monitoring mode that would have refused.
    pub(crate) monitored: Option<Limit>,
    pub(crate) has_origin: bool,
    /// No page of another origin sent the request.
    pub(crate) is_own_site: bool,
}

impl Caller {
    /// The same, which has to be waited for: what the clock showed is over by then.
    #[inline]
    pub(crate) fn waits<T>(&mut self, pending: T) -> T {
        self.elapsed = None;
        pending
    }
}

/// The subject of the tokens that are issued, and how its login began.
#[derive(Debug)]
pub(crate) struct Issued {
    /// The identifier.
    pub(crate) subject: Cow<'static, str>,
    pub(crate) scope: Scope,
    /// That of the login, or of its refresh.
    pub(crate) grant_type: GrantType,
    /// Whether it is no new login, but one that goes on.
    pub(crate) goes_on: bool,
    /// Whether the login began by a password.
    pub(crate) by_password: bool,
    pub(crate) methods: AuthenticationMethods,
}

/// Keeps what was issued in room of its own, because it is rarely there. That of the thread's last request is taken again, as an
/// allocation costs a third of what a ledger adds to a login.
#[derive(Debug, Default)]
pub(crate) struct Kept(Option<Room>);

/// Empty while no request has it.
type Room = Box<Option<Issued>>;

thread_local! {
    static SPARE: Cell<Option<Room>> = const { Cell::new(None) };
}

impl Kept {
    #[inline]
    pub(crate) fn put(&mut self, issued: Issued) {
        let spare = SPARE.try_with(Cell::take).ok().flatten();
        let mut room = self.0.take().or(spare).unwrap_or_default();
        *room = Some(issued);
        self.0 = Some(room);
    }

    #[inline]
    pub(crate) fn get(&self) -> Option<&Issued> {
        self.0.as_deref()?.as_ref()
    }
}

impl Drop for Kept {
    #[inline]
    fn drop(&mut self) {
        if let Some(mut room) = self.0.take() {
            // Nothing of a user stays in it.
            *room = None;
            // Where the thread ends, it goes.
            let _ = SPARE.try_with(|spare| spare.set(Some(room)));
        }
    }
}

/// Kept outside the rungs, so that it survives their errors, deadlines and panics. What is rarely there is boxed: the
/// future of each request holds a trail.
#[derive(Debug)]
pub(crate) struct Trail {
    /// If anybody would see how long it takes.
    pub(crate) started: Option<Duration>,
    /// The endpoint that was asked.
    pub(crate) purpose: Purpose,
    pub(crate) caller: Caller,
    pub(crate) allowed_origin: Option<Box<HeaderValue>>,
    pub(crate) grant_type: Option<GrantType>,
    /// The realm of the request, once it was chosen.
    pub(crate) realm: Realm,
    /// The client that was found.
    pub(crate) client: Option<Client>,
    pub(crate) account: Option<AccountDigest>,
    pub(crate) unencoded_basic: bool,
    /// The password is right, and the shield knows it from a leak.
    pub(crate) password_leaked: bool,
    pub(crate) issued: Kept,
    /// The refresh token family that it is about.
    pub(crate) family: Option<RefreshFamily>,
    /// The request has ended the family, because it presented a spent token.
    pub(crate) is_replay: bool,
}

impl Trail {
    pub(crate) fn new(purpose: Purpose, caller: Caller, started: Option<Duration>) -> Self {
        Self {
            started,
            purpose,
            caller,
            allowed_origin: None,
            grant_type: None,
            realm: Realm::default(),
            client: None,
            account: None,
            unencoded_basic: false,
            password_leaked: false,
            issued: Kept::default(),
            family: None,
            is_replay: false,
        }
    }

    /// The event of a request that ended so, at this time and after so long.
    pub(super) fn event<'a>(
        &'a self,
        outcome: AuditOutcome<'a>,
        (at, duration): (SystemTime, Duration),
    ) -> AuditEvent<'a> {
        let issued = self.issued.get().filter(|_| matches!(outcome, AuditOutcome::Issued { .. }));
        AuditEvent {
            at,
            duration,
            outcome,
            grant_type: self.grant_type.map(GrantType::name),
            origin: issued.and_then(|issued| self.origin(issued.grant_type)),
            goes_on: issued.is_some_and(|issued| issued.goes_on),
            by_password: issued.is_some_and(|issued| issued.by_password),
            methods: issued.map_or(AuthenticationMethods::NONE, |issued| issued.methods),
            client: self.client.as_ref().map(Client::id),
            realm: self.realm.as_deref(),
            account: self.account,
            address: self.caller.address,
            peer: self.caller.peer,
            limit: self.caller.limit,
            monitored: self.caller.monitored,
            family: self.family.as_ref(),
            unencoded_basic: self.unencoded_basic,
            password_leaked: self.password_leaked,
        }
    }

    /// By which grant type the login began that tokens are issued for by this one.
    fn origin(&self, grant_type: GrantType) -> Option<&str> {
        match &self.family {
            Some(family) if grant_type.is_refresh() => Some(family.began()),
            _ => Some(grant_type.name()),
        }
    }

    /// The note of tokens that were issued at this time.
    #[inline]
    pub(super) fn note<'a>(&'a self, issued: &'a Issued, at: SystemTime) -> Option<LoginNote<'a>> {
        let login = NotedLogin {
            way: self.way(issued),
            is_by_password: issued.by_password,
            goes_on: issued.goes_on,
            at,
            family: self.family.as_ref().map(|family| (family.authenticated_at(), family.expires())),
        };
        let client = self.client.as_ref()?.id();
        Some(LoginNote { user: ClientUser::new(client, self.realm.as_deref(), &issued.subject), login })
    }

    /// The way of a login. A refresh is of the way of the login that it comes from.
    #[inline]
    fn way(&self, issued: &Issued) -> LoginWay {
        if self.grant_type.is_some_and(GrantType::is_second_factor) || issued.methods.has_second_factor() {
            return LoginWay::SecondFactor;
        }
        match &self.family {
            Some(family) if issued.grant_type.is_refresh() => way_of(family.began()),
            _ => issued.grant_type.way(),
        }
    }

    /// Whether the client is authenticated and asks for a login by password: its end date may be announced.
    pub(super) fn begins_password_login(&self) -> bool {
        self.grant_type.is_some_and(GrantType::begins_password_login)
    }
}
