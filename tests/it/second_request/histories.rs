//! Histories that must look alike, request by request: the same twenty requests about names that are answered alike, at one and
//! the same time. Every answer is compared byte by byte, its status and `Retry-After` included.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::Duration;

use async_trait::async_trait;
use proptest::collection::vec;
use proptest::prelude::*;
use tower_password_grant::MaybeFuture;
use tower_password_grant::limiter::{Limit, Limits, Lockout, TokenBucket};
use tower_password_grant::user::{AccountKey, HostCode};
use tower_password_grant::{
    Attempt, BackendError, Client, CredentialVerifier, Denial, PasswordGrantLayer, StaticClients, Subject, Verdict,
};

use super::{Counted, Counter};
use crate::support::counts::full_or;
use crate::support::grants::OwnGrant;
use crate::support::protection::counted_by;
use crate::support::{self, Probe, basic, from_peer, send, token_request};

/// The leaked password: wrong for `wrong` and for a name that nobody has, right for the closed accounts.
const LEAKED: &str = "Winter-2025!";
const NAMES: [&str; 8] = ["unknown", "wrong", "unusable", "disabled", "locked", "expired", "unverified", "custom"];
const CODE_GRANT: &str = "urn:x:code";
/// Where the accounts logged in before they were closed. Nobody asks from there: a caller at such an address is spared by
/// the limit of the account, and the manual says what that tells.
const HOME: &str = "203.0.113.9";
const PEERS: [&str; 3] = ["192.0.2.1", "198.51.100.7", "2001:db8::7"];

#[derive(Clone)]
struct Accounts {
    /// Whether the accounts are still open.
    open: Arc<AtomicBool>,
    by_name: bool,
}

impl Accounts {
    fn judge(&self, name: &str, password: &str) -> Verdict {
        let name = AccountKey::canonical(name).as_str().to_owned();
        if self.open.load(SeqCst) && name != "unknown" {
            return Subject::new(format!("id-{name}")).into();
        }
        let is_right = password == LEAKED;
        let code = || HostCode::new("reset_forced", "set a new password").unwrap();
        match name.as_str() {
            "unknown" => Denial::UnknownUser.into(),
            "unusable" => Denial::UnusableHash.into(),
            "disabled" if is_right => Denial::Disabled.into(),
            "locked" if is_right => Denial::Locked.into(),
            "expired" if is_right => Denial::PasswordExpired.into(),
            "unverified" if is_right => Denial::Unverified.into(),
            "custom" if is_right => Denial::Custom(code()).into(),
            _ => Denial::WrongPassword.into(),
        }
    }

    fn key<'a>(&self, name: &'a str) -> AccountKey<'a> {
        let canonical = AccountKey::canonical(name);
        match canonical.as_str() {
            _ if self.by_name => canonical,
            "unknown" => AccountKey::phantom(name),
            known => AccountKey::resolved(format!("id-{known}")),
        }
    }
}

#[async_trait]
impl CredentialVerifier for Accounts {
    async fn verify(&self, attempt: Attempt) -> Result<Verdict, BackendError> {
        Ok(self.judge(attempt.username(), attempt.password().expose()))
    }

    fn account_key<'a>(
        &'a self,
        username: &'a str,
        _: Option<&'a str>,
    ) -> MaybeFuture<'a, Result<AccountKey<'a>, BackendError>> {
        MaybeFuture::ready(Ok(self.key(username)))
    }
}

impl Accounts {
    /// The same accounts by a grant of the application's own.
    fn grant(&self) -> OwnGrant {
        let (keys, accounts) = (self.clone(), self.clone());
        let grant = OwnGrant::new(CODE_GRANT, &["name", "code"], move |request| {
            Ok(accounts.judge(request.field("name").unwrap(), request.field("code").unwrap()))
        });
        grant.on_account(move |request| request.field("name").map(|name| keys.key(name)))
    }
}

/// One request, and how long after the one before.
#[derive(Clone, Debug)]
struct Ask {
    wait: u64,
    peer: usize,
    client: usize,
    /// 0 is the leaked one.
    password: usize,
    spelling: usize,
    by_code: bool,
    device: Option<u8>,
}

/// What an operator may have set.
#[derive(Clone, Debug)]
struct Setup {
    pair: u32,
    account: u32,
    address: u32,
    repeats: bool,
    watched: Option<usize>,
    exempt: bool,
    by_name: bool,
    concealed: bool,
}

fn ask() -> impl Strategy<Value = Ask> {
    let wait = prop_oneof![6 => Just(0_u64), 2 => Just(1), 2 => 2..40_u64, 1 => 60..2000_u64];
    let password = prop_oneof![3 => Just(0_usize), 2 => 1..4_usize];
    let peer = prop_oneof![4 => Just(0_usize), 1 => 0..PEERS.len()];
    (wait, peer, 0..3_usize, password, 0..3_usize, prop::bool::weighted(0.2), prop::option::weighted(0.1, 0..2_u8))
        .prop_map(|(wait, peer, client, password, spelling, by_code, device)| Ask {
            wait,
            peer,
            client,
            password,
            spelling,
            by_code,
            device,
        })
}

fn setup() -> impl Strategy<Value = Setup> {
    let budgets = (2..7_u32, 3..10_u32, 4..24_u32);
    let watched = prop::option::weighted(0.2, 0..3_usize);
    let flags = (prop::bool::weighted(0.8), prop::bool::weighted(0.2), any::<bool>(), any::<bool>());
    (budgets, watched, flags).prop_map(|((pair, account, address), watched, (repeats, exempt, by_name, concealed))| {
        Setup { pair, account, address, repeats, watched, exempt, by_name, concealed }
    })
}

fn limits(setup: &Setup) -> Limits {
    let minutes = |minutes: u64| Duration::from_secs(60 * minutes);
    let mut limits = Limits::new()
        .with_account_and_address_budget(Lockout::new(setup.pair, minutes(30)).locked_for(minutes(5), minutes(20)))
        .with_account_budget(Lockout::new(setup.account, minutes(60)).locked_for(minutes(10), minutes(40)))
        .with_address_budget(TokenBucket::new(setup.address, minutes(1)));
    if !setup.repeats {
        limits = limits.with_repeat_window(Duration::ZERO);
    }
    match setup.watched.map(|watched| [Limit::AccountAndAddress, Limit::Account, Limit::Address][watched]) {
        Some(limit) => limits.monitor(limit),
        None => limits,
    }
}

fn layer(counter: &Counter, setup: &Setup, accounts: &Accounts) -> PasswordGrantLayer {
    let full = |client: tower_password_grant::client::ClientBuilder| {
        client.allow_password_grant().allow_grant(CODE_GRANT).scopes("read").default_scope("read").build().unwrap()
    };
    let clients = [full(Client::public("pub")), full(Client::confidential("conf", &support::digest("s3cret")))];
    let exempt = setup.exempt.then(|| "198.51.100.7/32".parse().unwrap());
    let protection = counted_by(Arc::clone(&counter.limiter)).exempt_networks(exempt);
    let protection = if setup.concealed { protection.conceal_account_locks() } else { protection };
    support::builder(&Probe::default())
        .clients(StaticClients::new(clients).unwrap())
        .verifier(accounts.clone())
        .extension_grant(accounts.grant())
        .attack_protection(protection)
        .clock(counter.clock.clone())
        .build()
        .unwrap()
}

async fn answer(layer: &PasswordGrantLayer, peer: &str, client: usize, form: &[(&str, &str)]) -> String {
    let mut form = form.to_vec();
    let header = basic("conf", "s3cret");
    let headers: &[(&str, &str)] = match client {
        0 => {
            form.push(("client_id", "pub"));
            &[]
        }
        1 => {
            form.extend([("client_id", "conf"), ("client_secret", "s3cret")]);
            &[]
        }
        _ => &[("authorization", &header)],
    };
    let body = serde_urlencoded::to_string(form).unwrap();
    let answer = send(layer, from_peer(token_request(headers, &body), peer)).await;
    format!("{} {:?} {:?}", answer.status, answer.headers, answer.body)
}

/// What is answered to these requests about this name.
async fn history(counted: Counted, setup: &Setup, name: &str, asks: &[Ask]) -> Vec<String> {
    let counter = Counter::new(counted, limits(setup));
    let accounts = Accounts { open: Arc::new(AtomicBool::new(true)), by_name: setup.by_name };
    let layer = layer(&counter, setup, &accounts);
    let form = [("grant_type", "password"), ("username", name), ("password", LEAKED)];
    answer(&layer, HOME, 0, &form).await;
    accounts.open.store(false, SeqCst);
    counter.clock.advance(Duration::from_secs(3600));

    let mut answers = Vec::new();
    for ask in asks {
        counter.clock.advance(Duration::from_secs(ask.wait));
        let name = [name.to_owned(), name.to_uppercase(), format!(" {name}")][ask.spelling].clone();
        let password = if ask.password == 0 { LEAKED.to_owned() } else { format!("another {}", ask.password) };
        let device = ask.device.map(|device| device.to_string());
        let mut form = match ask.by_code {
            true => vec![("grant_type", CODE_GRANT), ("name", &name), ("code", &password)],
            false => vec![("grant_type", "password"), ("username", &name), ("password", &password)],
        };
        form.extend(device.as_deref().map(|device| ("device", device)));
        answers.push(answer(&layer, PEERS[ask.peer], ask.client, &form).await);
    }
    counter.close().await;
    answers
}

fn compare(counted: Counted, setup: &Setup, names: &[&str], asks: &[Ask]) -> Result<(), TestCaseError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let first = history(counted, setup, names[0], asks).await;
        for name in &names[1..] {
            prop_assert_eq!(&history(counted, setup, name, asks).await, &first, "{} and {}", names[0], name);
        }
        Ok(())
    })
}

fn config(full: usize) -> ProptestConfig {
    let cases = u32::try_from(full_or(full, full / 4)).unwrap();
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(config(96))]

    #[test]
    fn no_answer_of_twenty_tells_apart_names_that_are_answered_alike_in_memory(
        setup in setup(),
        asks in vec(ask(), 20),
    ) {
        compare(Counted::InMemory, &setup, &NAMES, &asks)?;
    }
}

proptest! {
    #![proptest_config(config(16))]

    #[test]
    fn no_answer_of_twenty_tells_apart_names_that_are_answered_alike_in_sqlite(
        setup in setup(),
        asks in vec(ask(), 20),
        (one, other) in (0..NAMES.len(), 1..NAMES.len()),
    ) {
        let names = [NAMES[one], NAMES[(one + other) % NAMES.len()]];
        compare(Counted::InSqlite, &setup, &names, &asks)?;
    }
}
