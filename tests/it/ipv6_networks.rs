//! A sender that owns a whole IPv6 network has no more than a few budgets: a /56 has 4 times and a /48 16 times what a /64
//! has, for accounts, addresses and client secrets alike, and one /48 fills at most a sixteenth of a table (PW-10, T12).

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use tokio::task::JoinSet;
use tower_password_grant::PeerAddress;
use tower_password_grant::limiter::{
    AttemptKey, AttemptLimiter, Guess, Limit, Limits, MemoryLimiter, RequestCeiling, Reserved, Settlement,
};
use tower_password_grant::mount::TrustedProxies;
use tower_password_grant::user::AccountKey;

use crate::support::counts::full_or;
#[cfg(feature = "sqlite")]
use crate::support::counts::is_full;
#[cfg(feature = "sqlite")]
use crate::support::folder;
use crate::support::protection::{up_to, without_ceiling};
use crate::support::server::{Connection, Server, raw_request};
use crate::support::{self, AUTH, Fixture, ManualClock, basic, from_peer, token_request};

/// An address of the /64 with this number of a /48.
fn at(around: u16, subnet: u16, host: u16) -> IpAddr {
    Ipv6Addr::new(0x2001, 0xdb8, around, subnet, 0, 0, 0, host).into()
}

/// An endpoint whose time stands still, over each limiter with these limits; over the one in memory alone where the counts are not
/// full.
fn each(limits: impl Fn(Limits) -> Limits, scene: impl AsyncFn(&'static str, &Fixture)) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let clock = ManualClock::new();
    let limits = limits(Limits::new());
    let memory = MemoryLimiter::new().with_limits(limits).with_clock(clock.clone());
    let fixture = |limiter: Arc<dyn AttemptLimiter>| {
        let clock = clock.clone();
        Fixture::with(|builder| builder.clock(clock).attack_protection(without_ceiling().limiter(limiter)))
    };
    runtime.block_on(scene("memory", &fixture(Arc::new(memory))));
    #[cfg(feature = "sqlite")]
    if is_full() {
        let folder = folder::Folder::new();
        let wall = tower_password_grant::testing::ManualClock::at(folder::at(0));
        let store = tower_password_grant::sqlite::SqliteStore::builder(folder.file()).clock(wall).open().unwrap();
        let limiter = store.limiter().with_limits(limits);
        runtime.block_on(scene("sqlite", &fixture(Arc::new(limiter))));
        runtime.block_on(store.close());
    }
}

/// The statuses of these requests, of which many are under way at once.
async fn storm(
    fixture: &Fixture,
    requests: impl IntoIterator<Item = (IpAddr, String, String)>,
) -> BTreeMap<u16, usize> {
    let (mut tasks, mut statuses) = (JoinSet::new(), BTreeMap::new());
    let mut count = |status: u16| *statuses.entry(status).or_default() += 1;
    for (from, header, body) in requests {
        while tasks.len() >= 256 {
            count(tasks.join_next().await.unwrap().unwrap());
        }
        let fixture = fixture.clone();
        tasks.spawn(async move {
            let request = token_request(&[("authorization", header.as_str())], &body);
            fixture.send(from_peer(request, &from.to_string())).await.status.as_u16()
        });
    }
    while let Some(status) = tasks.join_next().await {
        count(status.unwrap());
    }
    statuses
}

fn guess(account: usize, number: usize) -> String {
    format!("grant_type=password&username=account{account}&password=guess{number}")
}

/// How many logins of accounts at addresses that are new for them go on, of 100 over IPv4 and of 100 over as many /48s.
async fn newcomers(fixture: &Fixture) -> [usize; 2] {
    let mut good = [0; 2];
    for number in 0..100_u16 {
        for (kind, from) in [[198, 51, 100, number as u8].into(), at(100 + number, number, 1)].into_iter().enumerate() {
            let answer = fixture.send(from_peer(token_request(AUTH, support::PW), &from.to_string())).await;
            good[kind] += usize::from(answer.status.as_u16() == 200);
        }
    }
    good
}

async fn assert_newcomers_log_in(fixture: &Fixture, name: &str) {
    assert_eq!(newcomers(fixture).await, [100, 100], "{name}");
}

#[test]
fn of_4800_guesses_at_once_from_one_60_the_budget_of_a_56_is_verified() {
    each(
        |limiter| limiter,
        async |name, fixture| {
            let conf = AUTH[0].1.to_owned();
            // At accounts of their own, so that each /64 has its 300.
            let guesses = (0..4800).map(|n| (at(1, 0x10 + n as u16 % 16, n as u16), conf.clone(), guess(n, n)));
            let statuses = storm(fixture, guesses).await;
            assert_eq!(statuses, BTreeMap::from([(400, 1200), (429, 3600)]), "{name}");
            assert_eq!(fixture.probe.calls(), 1200, "{name}");
            // The other networks of the /48 have what is left of 16 times 300.
            let guesses = (0..4800).map(|n| (at(1, (n as u16 % 64) << 8, 1), conf.clone(), guess(n, n)));
            let statuses = storm(fixture, guesses).await;
            assert_eq!(statuses[&400], 3600, "{name}: {statuses:?}");
            assert_newcomers_log_in(fixture, name).await;
        },
    );
}

#[test]
fn of_4800_guesses_at_one_account_from_one_60_four_budgets_are_verified() {
    each(
        |limits| limits.disable(Limit::Account),
        async |name, fixture| {
            let conf = AUTH[0].1.to_owned();
            let guesses = (0..4800).map(|n| (at(1, 0x10 + n as u16 % 16, 1), conf.clone(), guess(0, n)));
            let statuses = storm(fixture, guesses).await;
            assert_eq!(statuses, BTreeMap::from([(400, 40), (429, 4760)]), "{name}");
            // And from the whole /48: 16 budgets.
            let guesses = (0..4800).map(|n| (at(1, n as u16, 1), conf.clone(), guess(0, n)));
            let statuses = storm(fixture, guesses).await;
            assert_eq!(statuses, BTreeMap::from([(400, 120), (429, 4680)]), "{name}");
        },
    );
}

#[test]
fn of_guesses_at_client_secrets_from_one_48_what_it_may_is_compared_and_newcomers_log_in() {
    each(
        |limiter| limiter,
        async |name, fixture| {
            // Clients that do not exist have budgets like others: each /64 sends ten guesses.
            let sent = full_or(40_960, 9_600);
            let guesses = (0..sent).map(|n| {
                let client = basic(&format!("client{}", n / 10), &format!("guess{n}"));
                (at(1, (n / 10) as u16, 1), client, support::PW.to_owned())
            });
            let statuses = storm(fixture, guesses).await;
            assert_eq!(statuses, BTreeMap::from([(401, 4800), (429, sent - 4800)]), "{name}");
            // One real client: sixteen budgets of ten.
            let guesses = (0..2_000_u16).map(|n| {
                let client = basic("conf", &format!("guess{n}"));
                (at(2, n, 1), client, support::PW.to_owned())
            });
            let statuses = storm(fixture, guesses).await;
            assert_eq!(statuses, BTreeMap::from([(401, 160), (429, 1840)]), "{name}");
            assert_newcomers_log_in(fixture, name).await;
        },
    );
}

#[test]
fn one_48_fills_no_table_even_where_its_own_budget_is_lifted() {
    each(
        |limits| limits.with_capacity(4096).disable(Limit::Address),
        async |name, fixture| {
            let guesses = (0..full_or(40_960, 12_288)).map(|n| {
                let client = basic(&format!("client{n}"), "guess");
                (at(1, (n / 10) as u16, 1), client, support::PW.to_owned())
            });
            let statuses = storm(fixture, guesses).await;
            // Beyond its sixteenth it shares cells, which are soon spent.
            assert!(statuses[&401] < 4096, "{name}: {statuses:?}");
            // One in 256 other /48s shares its cells, by a hash that nobody can choose.
            let [ipv4, ipv6] = newcomers(fixture).await;
            assert!(ipv4 == 100 && ipv6 >= 90, "{name}: {ipv4} and {ipv6}");
        },
    );
}

#[test]
fn a_sixteenth_of_each_table_is_all_that_one_48_has_and_operators_see_it() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let limits = MemoryLimiter::new().with_limits(Limits::new().with_capacity(64 * 64).disable(Limit::Address));
    let limiter = Arc::new(limits);
    let shared = Arc::clone(&limiter);
    let fixture = Fixture::with(|builder| builder.attack_protection(without_ceiling().limiter(shared)));
    runtime.block_on(async {
        let guesses = (0..10_000_usize).map(|n| {
            let client = basic(&format!("client{n}"), "guess");
            (at(1, n as u16, 1), client, support::PW.to_owned())
        });
        storm(&fixture, guesses).await;
        let stats = limiter.stats();
        assert!(stats.pairs <= 64 * 64 / 16 && stats.wide <= 64 * 64 / 16, "{stats:?}");
        assert!(stats.was_crowded && !stats.was_full, "{stats:?}");
    });
}

#[tokio::test]
async fn addresses_that_an_account_knows_are_spared_and_ipv4_has_no_wider_network() {
    let clock = ManualClock::new();
    let fixture = Fixture::with(|builder| builder.clock(clock.clone()).attack_protection(without_ceiling()));
    let login = async |from: IpAddr| {
        let request = token_request(&[], &support::pw("client_id=pub"));
        fixture.send(from_peer(request, &from.to_string())).await.status.as_u16()
    };
    assert_eq!(login(at(1, 1, 1)).await, 200);
    let public = |n: usize| format!("{}&client_id=pub", guess(n, n));
    for n in 0..1200 {
        let request = token_request(&[], &public(n));
        let from = at(1, 2 + n as u16 % 16, 1);
        fixture.send(from_peer(request, &from.to_string())).await.assert_error(400, "invalid_grant");
    }
    // The /56 is spent: for addresses that are new to the account, not for that which it knows.
    assert_eq!(login(at(1, 0x20, 1)).await, 429);
    assert_eq!(login(at(1, 1, 1)).await, 200);
    assert_eq!(login(at(1, 0x100, 1)).await, 200);
    // Neighbours in IPv4 have nothing in common, however they are written.
    for n in 0..1300_usize {
        let from = std::net::Ipv4Addr::from_bits(0xc633_6400 + n as u32 % 16).to_ipv6_mapped();
        let request = token_request(&[], &public(n));
        fixture.send(from_peer(request, &from.to_string())).await.assert_error(400, "invalid_grant");
    }
}

/// Locks a /56 for an account by 40 guesses, the last of which is dropped; then tells which refusals have news of it.
async fn news_of_a_lock_that_a_dropped_attempt_began(limiter: &dyn AttemptLimiter, wait: impl Fn()) -> [bool; 4] {
    let account = AccountKey::resolved("alice");
    let reserve = async |from: IpAddr| {
        let guess = Guess::Account { realm: None, account: &account };
        limiter.reserve(&AttemptKey::new(guess, Some(from))).await.unwrap()
    };
    for number in 0..40 {
        let Reserved::Charged(one) = reserve(at(1, number % 8, 1)).await else { panic!("{number} was refused") };
        if number < 39 {
            assert_eq!(limiter.settle(one, Settlement::Denied).await.unwrap(), None, "{number}");
        }
    }
    let refused = async || {
        let Reserved::Refused(refusal) = reserve(at(1, 9, 1)).await else { panic!("it is locked") };
        assert_eq!(refusal.limit(), Limit::AccountAndAddress);
        refusal.new_lock().is_some()
    };
    // The last attempt may be under way and turn out right.
    let early = [refused().await, refused().await];
    wait();
    let [early, still] = early;
    [early, still, refused().await, refused().await]
}

#[tokio::test]
async fn the_owner_is_notified_of_the_lock_of_a_wider_network_that_a_dropped_attempt_began() {
    let clock = ManualClock::new();
    let memory = MemoryLimiter::new().with_clock(Arc::new(clock.clone()));
    let news = news_of_a_lock_that_a_dropped_attempt_began(&memory, || clock.advance_secs(60)).await;
    assert_eq!(news, [false, false, true, false]);
    #[cfg(feature = "sqlite")]
    if is_full() {
        let folder = folder::Folder::new();
        let wall = tower_password_grant::testing::ManualClock::at(folder::at(0));
        let store =
            tower_password_grant::sqlite::SqliteStore::builder(folder.file()).clock(wall.clone()).open().unwrap();
        let wait = || wall.advance(std::time::Duration::from_secs(60));
        let news = news_of_a_lock_that_a_dropped_attempt_began(&store.limiter(), wait).await;
        assert_eq!(news, [false, false, true, false], "sqlite");
        store.close().await;
    }
}

#[tokio::test]
async fn the_ceiling_of_requests_has_the_same_tiers() {
    let ceiling = RequestCeiling::per_address(100, 1);
    let fixture = Fixture::with(|builder| builder.clock(ManualClock::new()).attack_protection(up_to(ceiling)));
    let send = async |from: IpAddr| {
        let request = from_peer(token_request(&[], "grant_type=nonsense"), &from.to_string());
        fixture.send(request).await.status.as_u16()
    };
    let mut statuses = BTreeMap::<u16, usize>::new();
    for n in 0..4800_u16 {
        *statuses.entry(send(at(1, n % 16, n)).await).or_default() += 1;
    }
    assert_eq!(statuses[&429], 4400, "{statuses:?}");
    statuses.clear();
    for n in 0..4800_u16 {
        *statuses.entry(send(at(1, n << 4, n)).await).or_default() += 1;
    }
    assert_eq!(statuses[&429], 3600, "{statuses:?}");
    assert_ne!(send(at(2, 1, 1)).await, 429);
}

#[test]
fn the_tiers_hold_over_real_sockets_behind_a_proxy() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let proxies = TrustedProxies::x_forwarded_for(["127.0.0.1/32".parse().unwrap()]);
        let fixture = Fixture::with(|builder| {
            builder
                .peer_address(PeerAddress::socket_addr().behind(proxies))
                .clock(ManualClock::new())
                .attack_protection(without_ceiling())
        });
        let server = Server::start(&fixture.layer).await;
        let mut tasks = JoinSet::new();
        for part in 0..8_usize {
            let address: SocketAddr = server.address;
            tasks.spawn(async move {
                let (mut connection, mut verified) = (Connection::open(address).await, 0);
                for n in (0..4800).skip(part).step_by(8) {
                    let from = at(1, 0x10 + (n / 8) as u16 % 16, n as u16);
                    let lines = format!("Authorization: {}\r\nX-Forwarded-For: {from}\r\n", AUTH[0].1);
                    let status = connection.exchange_quickly(raw_request(&lines, &guess(n, n))).await;
                    verified += usize::from(status == 400);
                }
                verified
            });
        }
        assert_eq!(tasks.join_all().await.into_iter().sum::<usize>(), 1200);
        assert_eq!(fixture.probe.calls(), 1200);
    });
}
