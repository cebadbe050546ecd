//! Rotation of refresh tokens: never two live tokens, and none of a family that has ended (T56, T57).

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, SystemTime};

use shuttle::scheduler::{PctScheduler, RandomScheduler};
use shuttle::sync::Mutex;
use shuttle::thread;
use tower_password_grant::ClientId;
use tower_password_grant::store::{FamilyId, MemoryRefreshTokens, RefreshFamily, RefreshTokenStore, SecretDigest};
use tower_password_grant::testing::{RefreshTokenUse, TokenState, TokenUsed, begin_family, token_state};

use crate::{exhaust, orders, run, sample};

const NOW: SystemTime = SystemTime::UNIX_EPOCH;
const ID: FamilyId = FamilyId::from_bytes([7; 16]);
/// More orders than the small scenes have.
const MOST: usize = 100_000;

fn ready<T, E: std::fmt::Debug>(answer: impl Future<Output = Result<T, E>>) -> T {
    match pin!(answer).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(answer) => answer.unwrap(),
        Poll::Pending => panic!("the store in memory waits for nothing"),
    }
}

/// What a store of refresh tokens does in the scenes: by names of tokens, with the last letter as salt.
trait Tokens: Send + Sync + 'static {
    fn rotate(&self, token: &str, successor: &str, leeway: u64) -> TokenUsed;
    fn revoke_family(&self) -> bool;
    fn revoke_subject(&self) -> u64;
    fn state(&self, token: &str) -> Option<TokenState>;
}

impl Tokens for MemoryRefreshTokens {
    fn rotate(&self, token: &str, successor: &str, leeway: u64) -> TokenUsed {
        let using = RefreshTokenUse::new(ID, SecretDigest::of(token), NOW)
            .with_successor(SecretDigest::of(successor), salt(successor))
            .with_leeway(Duration::from_secs(leeway));
        ready(using.by(self))
    }

    fn revoke_family(&self) -> bool {
        ready(RefreshTokenStore::revoke_family(self, ID))
    }

    fn revoke_subject(&self) -> u64 {
        ready(RefreshTokenStore::revoke_subject(self, None, "alice"))
    }

    fn state(&self, token: &str) -> Option<TokenState> {
        ready(token_state(self, ID, &SecretDigest::of(token))).map(|(state, _)| state)
    }
}

fn salt(successor: &str) -> [u8; 32] {
    [successor.as_bytes().last().copied().unwrap_or(0); 32]
}

/// A family whose tokens `t0` and `t1` were used: `t2` is live.
fn family() -> Arc<dyn Tokens> {
    let store = MemoryRefreshTokens::new();
    let client = ClientId::new("app").unwrap();
    let facts = RefreshFamily::new(ID, "alice", client, NOW, NOW + Duration::from_secs(3600));
    ready(begin_family(&store, facts, &SecretDigest::of("t0"), NOW));
    assert_eq!(Tokens::rotate(&store, "t0", "t1", 10), TokenUsed::Done);
    assert_eq!(Tokens::rotate(&store, "t1", "t2", 10), TokenUsed::Done);
    Arc::new(store)
}

/// The tokens that any scene may make live.
const TOKENS: [&str; 9] = ["t0", "t1", "t2", "a", "b", "c", "aa", "bb", "cc"];

fn live(store: &Arc<dyn Tokens>) -> Vec<&'static str> {
    TOKENS.into_iter().filter(|token| store.state(token) == Some(TokenState::Live)).collect()
}

fn never_two_live(store: &Arc<dyn Tokens>) {
    assert!(live(store).len() <= 1, "two live tokens: {:?}", live(store));
}

fn ended(store: &Arc<dyn Tokens>) {
    assert_eq!(live(store), [""; 0], "a live token of a family that was ended");
    for token in TOKENS {
        assert_eq!(store.rotate(token, "x", 10), TokenUsed::Gone, "a live token of a family that was ended");
    }
}

type Part<T> = fn(&Arc<dyn Tokens>) -> T;

/// Runs each part in a thread of its own, and answers what they answered.
fn together<T: Send + 'static, const N: usize>(store: &Arc<dyn Tokens>, parts: [Part<T>; N]) -> [T; N] {
    let threads = parts.map(|part| {
        let store = Arc::clone(store);
        thread::spawn(move || part(&store))
    });
    threads.map(|thread| thread.join().unwrap())
}

/// A client that uses `t2`, and then its successor, if it got one.
fn refresh(store: &Arc<dyn Tokens>, successor: &str, leeway: u64) -> TokenUsed {
    let rotated = store.rotate("t2", successor, leeway);
    let next = match rotated {
        TokenUsed::Done => successor.to_owned(),
        TokenUsed::Repeated { salt } => char::from(salt[0]).to_string(),
        _ => return rotated,
    };
    store.rotate(&next, &format!("{successor}{successor}"), leeway);
    rotated
}

fn two_uses_of(store: &Arc<dyn Tokens>, leeway: bool) {
    let parts: [Part<TokenUsed>; 2] = if leeway {
        [|store| store.rotate("t2", "a", 10), |store| store.rotate("t2", "b", 10)]
    } else {
        [|store| store.rotate("t2", "a", 0), |store| store.rotate("t2", "b", 0)]
    };
    let [one, other] = together(store, parts);
    let (winner, loser) = if one == TokenUsed::Done { ("a", other) } else { ("b", one) };
    assert!(one == TokenUsed::Done || other == TokenUsed::Done, "nobody was let in");
    if leeway {
        assert_eq!(loser, TokenUsed::Repeated { salt: salt(winner) }, "two live tokens were given");
        assert_eq!(live(store), [winner]);
    } else {
        assert_eq!(loser, TokenUsed::Replayed, "two live tokens were given");
        ended(store);
    }
}

#[test]
fn of_two_uses_of_one_token_one_is_done_rf_12_t56() {
    exhaust("rotate and rotate, within the leeway", MOST, || two_uses_of(&family(), true));
    exhaust("rotate and rotate, without leeway", MOST, || two_uses_of(&family(), false));
    sample(|| {
        let store = family();
        let parts: [Part<TokenUsed>; 3] =
            [|store| refresh(store, "a", 10), |store| refresh(store, "b", 10), |store| refresh(store, "c", 10)];
        let done = together(&store, parts).into_iter().filter(|answer| *answer == TokenUsed::Done).count();
        assert_eq!(done, 1);
        never_two_live(&store);
    });
}

#[test]
fn a_family_that_ends_while_it_is_used_has_no_live_token_t57() {
    let ends: [(&str, Part<bool>); 3] = [
        ("rotate and revoke_family", |store| store.revoke_family()),
        ("rotate and revoke_subject", |store| store.revoke_subject() == 1),
        ("rotate and replay", |store| store.rotate("t0", "b", 10) == TokenUsed::Replayed),
    ];
    for (name, end) in ends {
        exhaust(name, MOST, move || {
            let store = family();
            let [_, has_ended] = together(&store, [|store| refresh(store, "a", 10) == TokenUsed::Done, end]);
            assert!(has_ended, "{name}");
            ended(&store);
        });
        let scene = move || {
            let store = family();
            let one: Part<bool> = |store| refresh(store, "a", 10) == TokenUsed::Done;
            let other: Part<bool> = |store| refresh(store, "b", 10) == TokenUsed::Done;
            // The slower client may have ended it as well, by a repeat that came too late.
            let [one, other, _] = together(&store, [one, other, end]);
            assert!(!(one && other), "{name}");
            ended(&store);
        };
        sample(scene);
    }
    // All three at once: it ends once.
    sample(|| {
        let store = family();
        let parts: [Part<bool>; 3] = [
            |store| store.revoke_family(),
            |store| store.revoke_subject() == 1,
            |store| store.rotate("t0", "b", 10) == TokenUsed::Replayed,
        ];
        assert_eq!(together(&store, parts).into_iter().filter(|ended| *ended).count(), 1);
        ended(&store);
    });
}

#[test]
fn a_repeat_beside_the_use_of_the_successor_is_one_or_ends_the_family_rf_13() {
    exhaust("repeat and the use of the successor", MOST, || {
        let store = family();
        let parts: [Part<TokenUsed>; 2] = [|store| store.rotate("t1", "b", 10), |store| store.rotate("t2", "a", 10)];
        match together(&store, parts) {
            // The window was open.
            [TokenUsed::Repeated { salt }, TokenUsed::Done] => {
                assert_eq!(salt, self::salt("t2"));
                assert_eq!(live(&store), ["a"]);
            }
            // The successor was used: the holder of its predecessor is a thief or too late.
            [TokenUsed::Replayed, TokenUsed::Done] => ended(&store),
            answers => panic!("{answers:?}"),
        }
    });
}

/// A store that looks and changes in two steps.
struct GetThenSet {
    live: Mutex<String>,
    ended: Mutex<bool>,
}

impl Tokens for GetThenSet {
    fn rotate(&self, token: &str, successor: &str, _: u64) -> TokenUsed {
        if *self.ended.lock().unwrap() {
            return TokenUsed::Gone;
        }
        let live = self.live.lock().unwrap().clone();
        if live != token {
            return TokenUsed::Repeated { salt: salt(&live) };
        }
        successor.clone_into(&mut self.live.lock().unwrap());
        TokenUsed::Done
    }

    fn revoke_family(&self) -> bool {
        let had_ended = std::mem::replace(&mut *self.ended.lock().unwrap(), true);
        self.live.lock().unwrap().clear();
        !had_ended
    }

    fn revoke_subject(&self) -> u64 {
        u64::from(self.revoke_family())
    }

    fn state(&self, token: &str) -> Option<TokenState> {
        (*self.live.lock().unwrap() == token).then_some(TokenState::Live)
    }
}

fn get_then_set() -> Arc<dyn Tokens> {
    Arc::new(GetThenSet { live: Mutex::new("t2".to_owned()), ended: Mutex::default() })
}

fn uses_of_get_then_set() {
    two_uses_of(&get_then_set(), true);
}

#[test]
#[should_panic(expected = "two live tokens were given")]
fn control_a_store_that_gets_and_then_sets_is_found_out_by_exhaustion() {
    exhaust("get, then set", MOST, uses_of_get_then_set);
}

#[test]
#[should_panic(expected = "two live tokens were given")]
fn control_a_store_that_gets_and_then_sets_is_found_out_at_random() {
    run(RandomScheduler::new(orders()), uses_of_get_then_set);
}

#[test]
#[should_panic(expected = "two live tokens were given")]
fn control_a_store_that_gets_and_then_sets_is_found_out_by_priorities() {
    run(PctScheduler::new(3, orders()), uses_of_get_then_set);
}

#[test]
#[should_panic(expected = "a live token of a family that was ended")]
fn control_a_store_whose_rotation_looks_at_the_end_too_early_is_found_out() {
    exhaust("look, then revoke, then set", MOST, || {
        let store = get_then_set();
        let parts: [Part<bool>; 2] =
            [|store| store.rotate("t2", "a", 10) == TokenUsed::Done, |store| store.revoke_family()];
        together(&store, parts);
        ended(&store);
    });
}
