//! What operators see and lift, and which owners get a notice (T26, T41).

use std::future::{pending, poll_fn};
use std::net::IpAddr;
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::Duration;

use tower_password_grant::limiter::{
    ActiveLock, AttackProtection, Limit, LimiterOperator as _, Limits, LockNotice, Lockout, MemoryLimiter, TokenBucket,
};
use tower_password_grant::user::AccountKey;
use tower_password_grant::{Client, StaticClients, verify_fn};

use crate::support::guesses::{Bed, assert_denied, assert_throttled, login};
use crate::support::locks::locks;
use crate::support::protection::counted_by;
use crate::support::{self, ManualClock, PW, basic, from_peer, pw, send, token_request};

const HERE: &str = "192.0.2.1";
const THERE: &str = "198.51.100.7";
const RIGHT: &str = "correct horse";
const MINUTE: Duration = Duration::from_secs(60);

/// An endpoint and its limiter, which share a clock.
fn bed(
    limits: impl FnOnce(Limits) -> Limits,
    change: impl FnOnce(AttackProtection) -> AttackProtection,
) -> (Bed, Arc<MemoryLimiter>) {
    let clock = ManualClock::new();
    let limiter = MemoryLimiter::new().with_limits(limits(Limits::new())).with_clock(clock.clone());
    let limiter = Arc::new(limiter);
    let given = Arc::clone(&limiter);
    let bed = Bed::on(clock, |builder| builder.attack_protection(change(counted_by(given))));
    (bed, limiter)
}

fn plain() -> (Bed, Arc<MemoryLimiter>) {
    bed(|limits| limits, |protection| protection)
}

fn alice() -> AccountKey<'static> {
    AccountKey::canonical("alice")
}

fn address(text: &str) -> Option<IpAddr> {
    text.parse().ok()
}

async fn lock_pair(bed: &Bed, peer: &str, name: &str) {
    for guess in 0..10 {
        assert_denied(&bed.try_from(peer, name, &format!("{peer} {guess}")).await);
    }
}

/// A hundred guesses, from as many addresses.
async fn lock_account(bed: &Bed, name: &str) {
    for n in 0..100 {
        assert_denied(&bed.try_from(&format!("203.0.113.{n}"), name, &format!("guess{n}")).await);
    }
}

async fn lock_client(bed: &Bed, peer: &str, id: &str) {
    for guess in 0..10 {
        let header = basic(id, &format!("guess{guess}"));
        bed.post_from(peer, &[("authorization", &header)], PW).await.assert_error(401, "invalid_client");
    }
}

#[tokio::test]
async fn every_lock_is_listed_with_its_rule_account_client_address_and_remaining_time() {
    let (bed, limiter) = plain();
    assert!(locks(&*limiter).await.is_empty());
    lock_pair(&bed, HERE, " ALICE ").await;
    bed.clock.advance(MINUTE);
    lock_account(&bed, "zoë").await;
    lock_client(&bed, THERE, "nobody").await;
    for n in 0..290 {
        assert_denied(&bed.try_from(THERE, &format!("name{n}"), "x").await);
    }
    let mut listed = locks(&*limiter).await;
    listed.sort_by_key(|lock| lock.remaining);
    let [bucket, pair, client, account] = <[ActiveLock; 4]>::try_from(listed).unwrap();
    assert_eq!((bucket.limit, bucket.remaining, bucket.address), (Limit::Address, MINUTE, address(THERE)));
    assert!(bucket.account.is_none() && bucket.client_id.is_none() && bucket.realm.is_none());
    assert_eq!((pair.limit, pair.remaining, pair.address), (Limit::AccountAndAddress, 14 * MINUTE, address(HERE)));
    assert_eq!((pair.account.as_ref(), pair.client_id.as_deref()), (Some(&alice()), None));
    assert_eq!(
        (client.limit, client.remaining, client.address),
        (Limit::ClientAndAddress, 15 * MINUTE, address(THERE))
    );
    assert_eq!((client.account.as_ref(), client.client_id.as_deref()), (None, Some("nobody")));
    assert_eq!((account.limit, account.remaining, account.address), (Limit::Account, 60 * MINUTE, None));
    assert_eq!(account.account, Some(AccountKey::canonical("zoë")));
    assert!(!format!("{pair:?}{account:?}").contains("alice"), "names stay out of logs");

    for (minutes, left) in [(1, 3), (13, 2), (1, 1), (45, 0)] {
        bed.clock.advance(MINUTE * minutes);
        assert_eq!(locks(&*limiter).await.len(), left, "{:?}", locks(&*limiter).await);
    }
}

#[tokio::test]
async fn the_locks_of_one_account_are_found_by_its_realm_and_key() {
    let (bed, limiter) = plain();
    lock_pair(&bed, HERE, "alice").await;
    lock_pair(&bed, THERE, "zoë").await;
    bed.clock.advance(MINUTE);
    let found = limiter.locks_of(None, &alice()).await.unwrap();
    let seen: Vec<_> = found.iter().map(|lock| (lock.limit, lock.address, lock.remaining)).collect();
    assert_eq!(seen, [(Limit::AccountAndAddress, address(HERE), 14 * MINUTE)]);
    assert_eq!(found[0].account, Some(alice()));
    for n in 0..90 {
        assert_denied(&bed.try_from(&format!("203.0.113.{n}"), "alice", &format!("guess{n}")).await);
    }
    let limits: Vec<_> = limiter.locks_of(None, &alice()).await.unwrap().iter().map(|lock| lock.limit).collect();
    assert!(
        limits.len() == 2 && limits.contains(&Limit::Account) && limits.contains(&Limit::AccountAndAddress),
        "{limits:?}"
    );
    // Neither another realm nor another kind of key.
    assert!(limiter.locks_of(Some("staff"), &alice()).await.unwrap().is_empty());
    assert!(limiter.locks_of(None, &AccountKey::resolved("alice")).await.unwrap().is_empty());
}

#[tokio::test]
async fn after_everything_was_forgotten_nobody_is_locked_and_guessers_begin_anew() {
    let (bed, limiter) = plain();
    lock_pair(&bed, HERE, "alice").await;
    lock_account(&bed, "zoë").await;
    lock_client(&bed, THERE, "conf").await;
    limiter.forget_everything().await.unwrap();
    assert!(locks(&*limiter).await.is_empty());
    bed.try_from(THERE, "alice", RIGHT).await.assert_ok();
    lock_pair(&bed, HERE, "alice").await;
    assert_throttled(&bed.try_from(HERE, "alice", RIGHT).await, 900);
}

#[tokio::test]
async fn a_rule_that_is_watched_only_lists_no_locks() {
    let (bed, limiter) = bed(|limits| limits.monitor(Limit::AccountAndAddress), |protection| protection);
    lock_pair(&bed, HERE, "alice").await;
    assert!(locks(&*limiter).await.is_empty());
}

#[tokio::test]
async fn unblocking_an_account_lifts_its_locks_from_all_addresses_and_no_other_s() {
    let (bed, limiter) = plain();
    lock_pair(&bed, HERE, "alice").await;
    lock_pair(&bed, THERE, "alice").await;
    lock_pair(&bed, HERE, "zoë").await;
    for n in 0..80 {
        assert_denied(&bed.try_from(&format!("203.0.113.{n}"), "alice", &format!("guess{n}")).await);
    }
    for peer in [HERE, THERE, "203.0.113.200"] {
        assert_throttled(&bed.try_from(peer, "alice", RIGHT).await, 3600);
    }
    // Two locked pairs, eighty others, and the account.
    assert_eq!(limiter.unblock_account(None, &alice()).await.unwrap(), 2 + 80 + 1);
    for peer in [HERE, THERE, "203.0.113.200"] {
        bed.try_from(peer, "alice", RIGHT).await.assert_ok();
    }
    assert_throttled(&bed.try_from(HERE, "zoë", " %&+£€").await, 900);
    assert_eq!(limiter.unblock_account(None, &AccountKey::canonical("nobody")).await.unwrap(), 0);
}

#[tokio::test]
async fn unblocking_an_account_is_for_its_realm() {
    let client = |id, realm: Option<&str>| {
        let client = Client::public(id).allow_password_grant().scopes("read").default_scope("read");
        realm.into_iter().fold(client, |client, realm| client.realm(realm)).build().unwrap()
    };
    let clients = StaticClients::new([client("plain", None), client("staff", Some("staff"))]).unwrap();
    let clock = ManualClock::new();
    let limiter = Arc::new(MemoryLimiter::new().with_clock(clock.clone()));
    let given = Arc::clone(&limiter);
    let bed = Bed::on(clock, |builder| builder.clients(clients).attack_protection(counted_by(given)));
    for id in ["plain", "staff"] {
        for guess in 0..10 {
            let body = format!("{}&client_id={id}", login("alice", &format!("guess{guess}")));
            assert_denied(&bed.post_from(HERE, &[], &body).await);
        }
    }
    let realms = locks(&*limiter).await.into_iter().map(|lock| lock.realm).collect::<Vec<_>>();
    assert!(realms.len() == 2 && realms.contains(&None) && realms.contains(&Some("staff".to_owned())), "{realms:?}");
    assert!(limiter.unblock_account(Some("staff"), &alice()).await.unwrap() > 0);
    bed.post_from(HERE, &[], &pw("client_id=staff")).await.assert_ok();
    assert_throttled(&bed.post_from(HERE, &[], &pw("client_id=plain")).await, 900);
}

#[tokio::test]
async fn unblocking_an_address_lifts_its_bucket_and_its_locks_on_all_accounts_and_clients() {
    let (bed, limiter) = plain();
    let (peer, neighbour) = ("2001:db8:0:1::1", "2001:db8:0:1:ffff::2");
    lock_pair(&bed, peer, "alice").await;
    lock_client(&bed, peer, "conf2").await;
    for n in 0..280 {
        assert_denied(&bed.try_from(peer, &format!("name{n}"), "x").await);
    }
    assert_throttled(&bed.try_from(peer, "zoë", " %&+£€").await, 60);
    lock_pair(&bed, HERE, "alice").await;
    assert!(limiter.unblock_address(neighbour.parse().unwrap()).await.unwrap() > 280);
    bed.try_from(peer, "alice", RIGHT).await.assert_ok();
    let header = basic("conf2", "s3cret2");
    bed.post_from(peer, &[("authorization", &header)], PW).await.assert_ok();
    for n in 0..280 {
        assert_denied(&bed.try_from(peer, &format!("name{n}"), "x").await);
    }
    assert_throttled(&bed.try_from(HERE, "alice", RIGHT).await, 900);
    assert_eq!(limiter.unblock_address("2001:db8:0:2::1".parse().unwrap()).await.unwrap(), 0);
}

#[tokio::test]
async fn unblocking_a_pair_or_a_client_lifts_that_one_lock() {
    let (bed, limiter) = plain();
    lock_pair(&bed, HERE, "alice").await;
    lock_pair(&bed, THERE, "alice").await;
    assert!(limiter.unblock_account_at(None, &alice(), address(HERE)).await.unwrap());
    assert!(!limiter.unblock_account_at(None, &alice(), address(HERE)).await.unwrap(), "it is gone");
    bed.try_from(HERE, "alice", RIGHT).await.assert_ok();
    assert_throttled(&bed.try_from(THERE, "alice", RIGHT).await, 900);

    lock_client(&bed, HERE, "conf").await;
    assert_throttled(&bed.try_from(HERE, "alice", RIGHT).await, 900);
    assert!(!limiter.unblock_client("conf", address(THERE)).await.unwrap());
    assert!(limiter.unblock_client("conf", address(HERE)).await.unwrap());
    bed.try_from(HERE, "alice", RIGHT).await.assert_ok();
}

#[tokio::test]
async fn an_unblocked_guesser_has_a_whole_budget_and_starts_with_the_shortest_lock() {
    let (bed, limiter) = plain();
    for minutes in [15, 30] {
        lock_pair(&bed, HERE, "alice").await;
        assert_throttled(&bed.try_from(HERE, "alice", RIGHT).await, minutes * 60);
        bed.clock.advance(MINUTE * u32::try_from(minutes).unwrap());
    }
    lock_pair(&bed, HERE, "alice").await;
    assert!(limiter.unblock_account_at(None, &alice(), address(HERE)).await.unwrap());
    lock_pair(&bed, HERE, "alice").await;
    assert_throttled(&bed.try_from(HERE, "alice", RIGHT).await, 900);
}

/// A notice without its borrows: limit, realm, account, address, seconds.
type Noted = (Limit, Option<String>, String, Option<IpAddr>, u64);

fn notebook() -> (Arc<Mutex<Vec<Noted>>>, impl Fn(&LockNotice<'_>) + Send + Sync + 'static) {
    let notes: Arc<Mutex<Vec<Noted>>> = Arc::default();
    let keep = Arc::clone(&notes);
    let notify = move |notice: &LockNotice<'_>| {
        let account = notice.account.as_str().to_owned();
        let realm = notice.realm.map(str::to_owned);
        keep.lock().unwrap().push((notice.limit, realm, account, notice.address, notice.lasts.as_secs()));
    };
    (notes, notify)
}

#[tokio::test]
async fn an_owner_is_told_once_however_many_addresses_are_locked_meanwhile_t41() {
    let (notes, notify) = notebook();
    let (bed, _) = bed(
        |limits| limits.with_account_budget(Lockout::new(10_000, MINUTE * 60)),
        |protection| protection.lock_notifier(notify),
    );
    for n in 0..50 {
        lock_pair(&bed, &format!("203.0.113.{n}"), "alice").await;
        assert_throttled(&bed.try_from(&format!("203.0.113.{n}"), "alice", "more").await, 900);
        bed.clock.advance(Duration::from_secs(10));
    }
    let first = (Limit::AccountAndAddress, None, "alice".to_owned(), address("203.0.113.0"), 900);
    assert_eq!(*notes.lock().unwrap(), std::slice::from_ref(&first));
    // Other accounts have owners of their own, which it does not concern; nor does a lock of a client.
    lock_pair(&bed, HERE, "zoë").await;
    lock_client(&bed, HERE, "conf2").await;
    let zoe = (Limit::AccountAndAddress, None, "zoë".to_owned(), address(HERE), 900);
    assert_eq!(*notes.lock().unwrap(), [first, zoe]);
    // A lock that begins when the one with a notice has ended is news.
    bed.clock.advance(MINUTE * 15);
    lock_pair(&bed, THERE, "alice").await;
    assert_eq!(notes.lock().unwrap().len(), 3);
}

#[tokio::test]
async fn the_lock_of_an_account_over_all_addresses_is_told_once_t41() {
    let (notes, notify) = notebook();
    let (bed, _) = bed(|limits| limits, |protection| protection.lock_notifier(notify));
    lock_account(&bed, "alice").await;
    let expected = (Limit::Account, None, "alice".to_owned(), address("203.0.113.99"), 3600);
    assert_eq!(*notes.lock().unwrap(), [expected]);
    for n in 0..50 {
        assert_throttled(&bed.try_from(&format!("198.51.100.{n}"), "alice", "more").await, 3600);
    }
    assert_eq!(notes.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn nobody_is_told_when_the_last_attempt_of_the_budget_succeeded_or_of_watched_rules() {
    let (notes, notify) = notebook();
    let (bed, limiter) = bed(|limits| limits, |protection| protection.lock_notifier(notify));
    for round in 0..3 {
        for guess in 0..9 {
            assert_denied(&bed.try_from(HERE, "alice", &format!("{round} {guess}")).await);
        }
        bed.try_from(HERE, "alice", RIGHT).await.assert_ok();
    }
    assert!(locks(&*limiter).await.is_empty() && notes.lock().unwrap().is_empty());

    let (watched_notes, notify) = notebook();
    let watched = |limits: Limits| limits.monitor(Limit::AccountAndAddress).monitor(Limit::Account);
    let (bed, _) = self::bed(watched, |protection| protection.lock_notifier(notify));
    for guess in 0..150 {
        assert_denied(&bed.try_from(HERE, "alice", &format!("{guess}")).await);
    }
    assert!(watched_notes.lock().unwrap().is_empty());
}

#[tokio::test]
async fn logins_under_way_are_no_lock_and_those_that_were_dropped_are_reported_with_a_later_refusal_t3_t41() {
    let (notes, notify) = notebook();
    let builder = support::builder(&support::Probe::default()).verifier(verify_fn(|_| pending()));
    let clock = ManualClock::new();
    let layer =
        builder.clock(clock.clone()).attack_protection(AttackProtection::new().lock_notifier(notify)).build().unwrap();
    let ask = || from_peer(token_request(&[], &pw("client_id=pub")), HERE);
    for _ in 0..10 {
        let mut request = pin!(send(&layer, ask()));
        assert!(poll_fn(|cx| Poll::Ready(request.as_mut().poll(cx).is_pending())).await);
    }
    // They might be right yet: a client that comes now is asked to come again soon, and no notice goes out.
    assert_throttled(&send(&layer, ask()).await, 1);
    assert!(notes.lock().unwrap().is_empty());
    clock.advance(Duration::from_secs(60));
    for _ in 0..5 {
        assert_throttled(&send(&layer, ask()).await, 840);
    }
    let expected = (Limit::AccountAndAddress, None, "alice".to_owned(), address(HERE), 840);
    assert_eq!(*notes.lock().unwrap(), [expected]);
}

#[tokio::test]
async fn names_without_an_account_are_told_by_their_key_like_any_other_t23() {
    let (notes, notify) = notebook();
    let (bed, _) = bed(|limits| limits, |protection| protection.lock_notifier(notify));
    lock_pair(&bed, HERE, "Nobody").await;
    assert_eq!(notes.lock().unwrap()[0].2, "nobody");
}

#[tokio::test]
async fn a_notifier_that_panics_harms_no_answer_and_no_lock() {
    let (bed, limiter) = bed(
        |limits| limits,
        |protection| protection.lock_notifier(|_: &LockNotice<'_>| panic!("the notifier panics on purpose")),
    );
    lock_pair(&bed, HERE, "alice").await;
    assert_throttled(&bed.try_from(HERE, "alice", RIGHT).await, 900);
    assert_eq!(locks(&*limiter).await.len(), 1);
    bed.try_from(THERE, "alice", RIGHT).await.assert_ok();
}

#[tokio::test]
async fn an_address_without_budget_is_listed_until_it_has_some_again() {
    let (bed, limiter) = bed(|limits| limits.with_address_budget(TokenBucket::new(3, MINUTE)), |protection| protection);
    for round in 0..4 {
        for n in 0..3 {
            let body = format!("{}&client_id=pub", login(&format!("{round} {n}"), "x"));
            assert_denied(&bed.post_from(HERE, &[], &body).await);
        }
        let held = locks(&*limiter).await;
        assert_eq!(held.len(), 1);
        assert_eq!((held[0].limit, held[0].address, held[0].remaining), (Limit::Address, address(HERE), MINUTE));
        bed.clock.advance(MINUTE);
        assert!(locks(&*limiter).await.is_empty());
        bed.clock.advance(MINUTE * 2);
    }
}
