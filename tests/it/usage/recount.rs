//! The ledger against a recount of the audit trail, over all ways through the layer.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use serde_json::Value;
use tower_password_grant::audit::{AuditEvent, AuditOutcome, AuditSink};
use tower_password_grant::clock::{Clock as _, SharedClock};
use tower_password_grant::store::MemoryUsage;
use tower_password_grant::usage::{Day, DayRange, LoginWay, Page, UsageLedger, UsageReport};
use tower_password_grant::{Client, StaticClients, Subject};

use super::client;
use crate::support::factors::FactorBed;
use crate::support::grants::OwnGrant;

const BY_TICKET: &str = "urn:example:ticket";
const BY_PASSPHRASE: &str = "urn:example:passphrase";
const IN_REALM: &str = "http://auth0.com/oauth/grant-type/password-realm";

/// A login or a refresh, as the audit trail has it.
#[derive(Clone, Debug)]
struct Line {
    client: String,
    user: (Option<String>, String),
    grant_type: String,
    origin: Option<String>,
    by_password: bool,
    /// Of the login that began the family.
    origin_at: Option<SystemTime>,
    family_ends: Option<SystemTime>,
    at: SystemTime,
}

impl Line {
    fn of(event: &AuditEvent<'_>) -> Option<Self> {
        let AuditOutcome::Issued { subject, .. } = event.outcome else { return None };
        Some(Self {
            client: event.client?.to_string(),
            user: (event.realm.map(str::to_owned), subject.to_owned()),
            grant_type: event.grant_type?.to_owned(),
            origin: event.origin.map(str::to_owned),
            by_password: event.by_password,
            origin_at: event.family.map(|family| family.authenticated_at()),
            family_ends: event.family.map(|family| family.expires()),
            at: event.at,
        })
    }
}

type User = (Option<String>, String);

/// The days of one user on one side.
#[derive(Default)]
struct Days {
    logins: BTreeSet<u32>,
    refreshes: BTreeSet<u32>,
}

impl Days {
    fn is_in(&self, window: (u32, u32)) -> bool {
        self.logins.iter().chain(&self.refreshes).any(|day| (window.0..=window.1).contains(day))
    }
}

/// What a client's row of the report must say: users, only by password, moved, fallen back.
fn recounted(lines: &[Line], client: &str, window: (u32, u32)) -> [u64; 4] {
    let number = |at| Day::of(at).number();
    let mut users: BTreeMap<User, [Days; 2]> = BTreeMap::new();
    for line in lines.iter().filter(|line| line.client == client) {
        let days = &mut users.entry(line.user.clone()).or_default()[usize::from(line.by_password)];
        if line.grant_type == "refresh_token" {
            days.refreshes.insert(number(line.at));
        } else {
            days.logins.insert(number(line.at));
        }
    }
    let is_in = |day: &u32| (window.0..=window.1).contains(day);
    let mut counts = [0; 4];
    for [other, password] in users.values() {
        let fallen_back = password
            .logins
            .iter()
            .filter(|day| is_in(day))
            .max()
            .is_some_and(|last| other.logins.iter().any(|day| day < last));
        let seen = [other.is_in(window), password.is_in(window)];
        let moved = seen[0] && !password.logins.is_empty() && !fallen_back;
        let facts = [seen[0] || seen[1], seen[1] && !seen[0], moved, fallen_back];
        counts.iter_mut().zip(facts).for_each(|(count, fact)| *count += u64::from(fact));
    }
    counts
}

/// Logins and users of each way.
fn ways(lines: &[Line], client: &str, window: (u32, u32)) -> BTreeMap<(bool, LoginWay), (u64, u64)> {
    let mut found: BTreeMap<(bool, LoginWay), (u64, BTreeSet<User>)> = BTreeMap::new();
    let mut factor_families = BTreeSet::new();
    for line in lines.iter().filter(|line| line.client == client) {
        let family = (line.user.clone(), line.origin_at);
        let is_refresh = line.grant_type == "refresh_token";
        let by_factor = if is_refresh { factor_families.contains(&family) } else { line.grant_type.contains("mfa") };
        if by_factor {
            factor_families.insert(family);
        }
        let way = match line.origin.as_deref() {
            _ if by_factor => LoginWay::SecondFactor,
            Some("password") => LoginWay::Password,
            Some(IN_REALM) => LoginWay::Realm,
            Some("note") => LoginWay::Elsewhere,
            _ => LoginWay::Extension,
        };
        let (logins, users) = found.entry((!line.by_password, way)).or_default();
        let is_in = (window.0..=window.1).contains(&Day::of(line.at).number());
        *logins += u64::from(is_in && !is_refresh);
        if is_in {
            users.insert(line.user.clone());
        }
    }
    found.into_iter().map(|(way, (logins, users))| (way, (logins, users.len() as u64))).collect()
}

/// What an application may give: it keeps a trail, and hands the events on to a ledger.
struct Sink {
    lines: Arc<Mutex<Vec<Line>>>,
    ledger: UsageLedger,
}

impl AuditSink for Sink {
    fn record(&self, event: &AuditEvent<'_>) {
        self.lines.lock().unwrap().extend(Line::of(event));
        self.ledger.record(event);
    }

    fn follow_clock(&self, clock: &SharedClock) -> bool {
        self.ledger.follow_clock(clock)
    }
}

/// The endpoint with its ledger, and the trail.
struct World {
    bed: FactorBed,
    usage: UsageLedger,
    /// Another one, which a sink of the application's hands its events to.
    by_events: UsageLedger,
    trail: Arc<Mutex<Vec<Line>>>,
    tokens: Vec<(&'static str, String)>,
}

fn clients() -> Vec<Client> {
    let all = |client: tower_password_grant::client::ClientBuilder| {
        let client = client.allow_password_grant().allow_refresh_tokens().allow_second_factor();
        client.allow_grant(BY_TICKET).allow_grant(BY_PASSPHRASE).scopes("read").default_scope("read")
    };
    let staff = all(Client::public("staff")).allow_realm_grant().realms(["one", "two"]);
    [all(Client::public("app")), staff].map(|client| client.build().unwrap()).into()
}

impl World {
    fn new() -> Self {
        let (usage, by_events) = (UsageLedger::new(MemoryUsage::new()), UsageLedger::new(MemoryUsage::new()));
        let trail: Arc<Mutex<Vec<Line>>> = Arc::default();
        let (lines, handed_on) = (Arc::clone(&trail), by_events.clone());
        let grant = |name, by_password| {
            let own = OwnGrant::new(name, &["user"], |request| {
                // As the verifier knows the user, who is looked at again.
                let subject = Subject::new(format!("user-{}", request.field("user").unwrap()));
                Ok(subject.with_credential_version("0").into())
            });
            own.begins_password_login(by_password)
        };
        let bed = FactorBed::with(
            |factors| factors,
            |builder| {
                builder
                    .clients(StaticClients::new(clients()).unwrap())
                    .extension_grant(grant(BY_TICKET, false))
                    .extension_grant(grant(BY_PASSPHRASE, true))
                    .audit(Sink { lines, ledger: handed_on })
                    .usage(usage.clone())
            },
        );
        Self { bed, usage, by_events, trail, tokens: Vec::new() }
    }

    async fn send(&mut self, client: &'static str, body: &str) -> Value {
        let json = self.bed.token(&format!("client_id={client}&{body}")).await.json();
        if let Some(token) = json["refresh_token"].as_str() {
            self.tokens.push((client, token.to_owned()));
        }
        json
    }

    /// A login past the endpoint.
    fn note(&self, id: &str, name: &str) {
        let (at, subject) = (self.bed.clock.now(), format!("user-{name}"));
        self.usage.note(&client(id), &subject, None, at);
        self.by_events.note(&client(id), &subject, None, at);
        let origin = Some("note".to_owned());
        self.trail.lock().unwrap().push(Line {
            client: id.to_owned(),
            user: (None, subject),
            grant_type: "note".to_owned(),
            origin,
            by_password: false,
            origin_at: None,
            family_ends: None,
            at,
        });
    }

    async fn check(&self, days: u32) -> UsageReport {
        let report = self.usage.report(Duration::from_secs(u64::from(days) * 86_400)).await.unwrap();
        assert_eq!(self.by_events.report(Duration::from_secs(u64::from(days) * 86_400)).await.unwrap(), report);
        let lines = self.trail.lock().unwrap().clone();
        let window = (report.window.first.number(), report.window.last.number());
        for usage in &report.clients {
            let id = usage.client.as_str();
            let seen = [usage.users, usage.only_by_password, usage.moved, usage.fallen_back];
            assert_eq!(seen, recounted(&lines, id, window), "{id} in {days} days\n{report}");
            let seen: BTreeMap<_, _> =
                usage.ways.iter().map(|way| ((!way.is_by_password, way.way), (way.logins, way.users))).collect();
            assert_eq!(seen, ways(&lines, id, window), "{id} in {days} days\n{report}");
            let own = || lines.iter().filter(|line| line.client == id && line.by_password);
            let last = |refreshes: bool| {
                own()
                    .filter(|line| (line.grant_type == "refresh_token") == refreshes)
                    .map(|line| Day::of(line.at))
                    .max()
            };
            assert_eq!((usage.last_password_login, usage.last_password_refresh), (last(false), last(true)));
            let ends = own().filter_map(|line| line.family_ends).map(Day::from_which).max();
            assert_eq!(usage.password_families_end, ends);
            let first = Page::first(Duration::from_secs(u64::from(days) * 86_400));
            let page = self.usage.stayers(&usage.client, &first).await.unwrap();
            assert_eq!(page.stayers.len() as u64, usage.only_by_password);
        }
        report
    }
}

/// Numbers that look random, and are the same in each run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }
}

async fn traffic(seed: u64) {
    let (mut world, mut dice) = (World::new(), Dice(seed));
    let mut secrets = Vec::new();
    for name in ["0", "1"] {
        secrets.push(world.bed.enrolled(name).await);
    }
    for step in 0..400 {
        world.bed.clock.advance_secs(60 + dice.roll(40_000));
        let (who, id) = (dice.roll(8), ["app", "staff"][dice.roll(2) as usize]);
        let login = format!("username={who}&password=correct+horse");
        match dice.roll(10) {
            0 | 1 => {
                let json = world.send(id, &format!("grant_type=password&{login}")).await;
                if let (Some(token), Some(secret), "app") = (json["mfa_token"].as_str(), secrets.get(who as usize), id)
                {
                    let code = world.bed.code(secret);
                    let grant = "http://auth0.com/oauth/grant-type/mfa-otp";
                    world.send(id, &format!("grant_type={grant}&mfa_token={token}&otp={code}")).await;
                }
            }
            2 => drop(world.send("staff", &format!("grant_type={IN_REALM}&realm=two&{login}")).await),
            3 => drop(world.send(id, &format!("grant_type=password&username={who}&password=wrong")).await),
            4 => drop(world.send(id, &format!("grant_type={BY_TICKET}&user={who}")).await),
            5 => drop(world.send(id, &format!("grant_type={BY_PASSPHRASE}&user={who}")).await),
            6 => world.note(id, &who.to_string()),
            _ if world.tokens.is_empty() => {}
            _ => {
                let at = dice.roll(world.tokens.len() as u64) as usize;
                let (id, token) = world.tokens.swap_remove(at);
                world.send(id, &format!("grant_type=refresh_token&refresh_token={token}")).await;
            }
        }
        if step % 40 == 39 {
            for days in [1, 7, 30, 365] {
                world.check(days).await;
            }
        }
    }
    let report = world.check(30).await;
    let seen: BTreeSet<LoginWay> = report.clients.iter().flat_map(|usage| &usage.ways).map(|way| way.way).collect();
    assert_eq!(seen, LoginWay::ALL.into_iter().collect());
    assert!(report.clients.iter().any(|usage| usage.last_password_refresh.is_some()));
    assert_eq!((report.missed, report.waiting), (0, 0));
    let window = DayRange::up_to(Day::of(world.bed.clock.now()), Duration::from_secs(30 * 86_400));
    assert_eq!(report.window, window);
}

#[tokio::test]
async fn the_ledger_says_what_a_recount_of_the_audit_trail_says() {
    for seed in [1, 2, 3] {
        traffic(seed).await;
    }
}

#[tokio::test]
async fn an_event_says_how_the_login_began_that_it_goes_on_with() {
    let mut world = World::new();
    let secret = world.bed.enrolled("0").await;
    world.trail.lock().unwrap().clear();
    let json = world.send("app", "grant_type=password&username=0&password=correct+horse").await;
    let (token, code) = (json["mfa_token"].as_str().unwrap().to_owned(), world.bed.code(&secret));
    let factor = "http://auth0.com/oauth/grant-type/mfa-otp";
    world.send("app", &format!("grant_type={factor}&mfa_token={token}&otp={code}")).await;
    world.send("app", "grant_type=password&username=1&password=correct+horse").await;
    world.send("app", &format!("grant_type={BY_TICKET}&user=1")).await;
    world.send("app", &format!("grant_type={BY_PASSPHRASE}&user=1")).await;
    for (client, token) in world.tokens.clone() {
        world.send(client, &format!("grant_type=refresh_token&refresh_token={token}")).await;
    }
    let lines = world.trail.lock().unwrap().clone();
    let seen: Vec<_> =
        lines.iter().map(|line| (&*line.grant_type, line.origin.as_deref().unwrap(), line.by_password)).collect();
    let expected = [
        (factor, "password", true),
        ("password", "password", true),
        (BY_TICKET, BY_TICKET, false),
        (BY_PASSPHRASE, BY_PASSPHRASE, true),
    ];
    let refreshed = expected.map(|(_, origin, by_password)| ("refresh_token", origin, by_password));
    assert_eq!(seen, [expected, refreshed].concat());
}
