//! Each operation of the stores, with each of its calls going wrong in each way.

use std::pin::Pin;
use std::time::{Duration, Instant, SystemTime};

use serde_json::Value;
use tower_password_grant::BackendError;
use tower_password_grant::limiter::{AttemptLimiter as _, RecordChange, RecordKey, RecordStamp, Settlement};
use tower_password_grant::store::{AccessTokenStore, FamilyId, RefreshTokenStore, SecretDigest, UnsavedAccessToken};
use tower_password_grant::testing::{RefreshTokenUse, TokenState, TokenUsed, begin_family};
use tower_password_grant::user::AccountKey;

use super::engine::{Engine, Store};
use super::process::{kills, someone};
use super::proxy::Fault;
use super::refresh_token::{family_of, kept_digest};
use super::rig::{FAULTS, Rig, new_number, reserve};
use super::rows::{HOUR, access_token, digest, family};

type Scenario<S> = for<'a> fn(&'a Rig<S>) -> Pin<Box<dyn Future<Output = bool> + Send + 'a>>;

/// How often a call went wrong, and how often the operation was answered in spite of that. `checks`: what goes wrong late does so at
/// each call, also at those that only check a connection.
async fn play<S: Store>(mut rig: Rig<S>, scenario: Scenario<S>, faults: Vec<Fault>, checks: bool) -> (usize, usize) {
    let (mut strikes, mut answered) = (0, 0);
    for fault in faults {
        let (first, step) = if checks || !fault.is_long() { (0, 1) } else { (S::CALLS - 1, S::CALLS) };
        for before in (first..).step_by(step) {
            (rig.fault, rig.before) = (fault, before);
            let is_answered = scenario(&rig).await;
            if !rig.has_struck() {
                break;
            }
            strikes += 1;
            answered += usize::from(is_answered);
        }
    }
    (strikes, answered)
}

pub async fn all<S: Store>(engine: &Engine, good: &S) {
    let began = Instant::now();
    let scenarios: [(&str, Scenario<S>); 15] = [
        ("spend a value", |rig| Box::pin(spend(rig))),
        ("find a family", |rig| Box::pin(find(rig))),
        ("begin a family", |rig| Box::pin(begin(rig))),
        ("rotate it", |rig| Box::pin(rotate(rig))),
        ("end it", |rig| Box::pin(end(rig))),
        ("end those of a subject", |rig| Box::pin(end_all(rig))),
        ("keep an access token", |rig| Box::pin(keep(rig))),
        ("find it", |rig| Box::pin(find_access(rig))),
        ("remove it", |rig| Box::pin(remove(rig))),
        ("swap records", |rig| Box::pin(swap(rig))),
        ("reserve a guess", |rig| Box::pin(charge(rig))),
        ("give it back", |rig| Box::pin(give_back(rig))),
        ("let its charge stand", |rig| Box::pin(let_stand(rig))),
        ("log in", |rig| Box::pin(login(rig))),
        ("refresh", |rig| Box::pin(refresh(rig))),
    ];
    let checks = kills("SHARED_CHECKS", 0) > 0;
    let mut playing = Vec::new();
    for (name, scenario) in scenarios {
        let (long, short): (Vec<_>, Vec<_>) = FAULTS.into_iter().partition(Fault::is_long);
        let mut parts = Vec::new();
        // What takes time does so at the same time.
        for faults in long.into_iter().map(|fault| vec![fault]).chain([short]) {
            parts.push(tokio::spawn(play(Rig::new(engine, good).await, scenario, faults, checks)));
        }
        playing.push((name, parts));
    }
    let (mut strikes, mut told) = (0, Vec::new());
    for (name, parts) in playing {
        let (mut all, mut answered) = (0, 0);
        for part in parts {
            let of_part = part.await.unwrap_or_else(|error| panic!("{name}: {error}"));
            (all, answered) = (all + of_part.0, answered + of_part.1);
        }
        assert!(all >= FAULTS.len(), "{name}: {all}");
        strikes += all;
        told.push(format!("{name} {all}/{answered}"));
    }
    println!(
        "ok: {}, {:.1?}: {strikes} calls went wrong in {} ways, no false success, the next call works (operation, times, \
         answered all the same): {}",
        engine.title(),
        began.elapsed(),
        FAULTS.len(),
        told.join(", ")
    );
}

async fn spend<S: Store>(rig: &Rig<S>) -> bool {
    let (value, until) = (digest(new_number()), SystemTime::now() + HOUR);
    let first = rig.strike(1, rig.bad.consume(&value, until)).await;
    assert_ne!(first, Some(false), "a new value is not spent");
    let second = rig.bad.consume(&value, until).await.unwrap();
    assert!(!(first == Some(true) && second), "it is spent once");
    assert!(rig.good.is_spent(&value).await.unwrap() && !rig.good.consume(&value, until).await.unwrap());
    first.is_some()
}

/// A login, and the digest of its token.
async fn begun<S: Store>(rig: &Rig<S>) -> (FamilyId, SecretDigest, String) {
    let number = new_number();
    let user = format!("user-{number}");
    let login = family(&user, number, SystemTime::now() + HOUR);
    let id = login.id();
    begin_family(&rig.good, login, &digest(number), SystemTime::now()).await.unwrap();
    (id, digest(number), user)
}

async fn find<S: Store>(rig: &Rig<S>) -> bool {
    let (id, token, _) = begun(rig).await;
    let found = rig.strike(1, async { RefreshTokenStore::find(&rig.bad, id).await }).await;
    let is_live = found.as_ref().is_none_or(|found| found.as_ref().is_some_and(|found| !found.is_ended));
    assert!(is_live, "a login that is there is not gone");
    assert_eq!(rig.state(id, &token).await, Some(TokenState::Live));
    found.is_some()
}

async fn begin<S: Store>(rig: &Rig<S>) -> bool {
    let (number, now) = (new_number(), SystemTime::now());
    let login = family(&format!("user-{number}"), number, now + HOUR);
    let id = login.id();
    let first = rig.strike(1, async { Ok(begin_family(&rig.bad, login, &digest(number), now).await?) }).await;
    let state = rig.state(id, &digest(number)).await;
    assert!(state == Some(TokenState::Live) || first.is_none() && state.is_none(), "{state:?}");
    first.is_some()
}

/// A use of this token, with the access token that comes with it.
fn using(
    id: FamilyId,
    user: &str,
    presented: &SecretDigest,
    next: &SecretDigest,
    access: &SecretDigest,
) -> RefreshTokenUse {
    let record = access_token(user).with_family(Some(id));
    RefreshTokenUse::new(id, presented.clone(), SystemTime::now())
        .with_successor(next.clone(), [7; 32])
        .with_leeway(Duration::from_secs(60))
        .with_access_token(UnsavedAccessToken::new(access.clone(), record))
}

async fn rotate<S: Store>(rig: &Rig<S>) -> bool {
    let (id, token, user) = begun(rig).await;
    let [next, access, other, more] = [(); 4].map(|()| digest(new_number()));
    let first = rig.strike(2, async { Ok(using(id, &user, &token, &next, &access).by(&rig.bad).await?) }).await;
    assert!(matches!(first, None | Some(TokenUsed::Done)), "{first:?}");
    let is_rotated = rig.state(id, &next).await == Some(TokenState::Live);
    assert_eq!(rig.has_access(&access).await, is_rotated, "a rotation and its access token are one");
    assert!(is_rotated || first.is_none(), "a false success");
    // As a client does whose answer was lost.
    let again = using(id, &user, &token, &other, &more).by(&rig.bad).await.unwrap();
    match again {
        TokenUsed::Done => assert!(!is_rotated),
        TokenUsed::Repeated { salt } => assert!(is_rotated && salt == [7; 32]),
        TokenUsed::Replayed | TokenUsed::Gone => panic!("the login is lost: {again:?}"),
    }
    let mut live = 0;
    for token in [&token, &next, &other] {
        live += usize::from(rig.state(id, token).await == Some(TokenState::Live));
    }
    assert_eq!(live, 1);
    assert!(rig.has_access(&more).await);
    first.is_some()
}

async fn end<S: Store>(rig: &Rig<S>) -> bool {
    let (id, token, user) = begun(rig).await;
    let access = digest(new_number());
    rig.good.insert(access.clone(), access_token(&user).with_family(Some(id))).await.unwrap();
    let first = rig.strike(1, RefreshTokenStore::revoke_family(&rig.bad, id)).await;
    assert_ne!(first, Some(false), "it had not ended");
    let is_ended = rig.state(id, &token).await == Some(TokenState::Ended);
    assert!(is_ended || first.is_none(), "a false success");
    assert_eq!(rig.has_access(&access).await, !is_ended, "a family ends with its access tokens");
    assert_eq!(RefreshTokenStore::revoke_family(&rig.bad, id).await.unwrap(), !is_ended);
    assert_eq!(rig.state(id, &token).await, Some(TokenState::Ended));
    first.is_some()
}

async fn end_all<S: Store>(rig: &Rig<S>) -> bool {
    let (id, token, user) = begun(rig).await;
    let first = rig.strike(1, RefreshTokenStore::revoke_subject(&rig.bad, None, &user)).await;
    let is_ended = rig.state(id, &token).await == Some(TokenState::Ended);
    assert!(if is_ended { matches!(first, None | Some(1)) } else { first.is_none() }, "{first:?}");
    let second = RefreshTokenStore::revoke_subject(&rig.bad, None, &user).await.unwrap();
    assert_eq!(second, u64::from(!is_ended));
    assert_eq!(rig.state(id, &token).await, Some(TokenState::Ended));
    first.is_some()
}

async fn keep<S: Store>(rig: &Rig<S>) -> bool {
    let (id, _, user) = begun(rig).await;
    let access = digest(new_number());
    let kept = rig.strike(1, rig.bad.insert(access.clone(), access_token(&user).with_family(Some(id)))).await;
    assert!(rig.has_access(&access).await || kept.is_none(), "a false success");
    // Whatever is still on its way comes after the end.
    assert!(RefreshTokenStore::revoke_family(&rig.good, id).await.unwrap());
    assert!(!rig.has_access(&access).await);
    kept.is_some()
}

async fn find_access<S: Store>(rig: &Rig<S>) -> bool {
    let (id, _, user) = begun(rig).await;
    let access = digest(new_number());
    rig.good.insert(access.clone(), access_token(&user).with_family(Some(id))).await.unwrap();
    let found = rig.strike(1, AccessTokenStore::find(&rig.bad, &access)).await;
    assert!(!matches!(found, Some(None)), "a token that is there is not gone");
    found.is_some()
}

async fn remove<S: Store>(rig: &Rig<S>) -> bool {
    let access = digest(new_number());
    rig.good.insert(access.clone(), access_token(&format!("user-{}", new_number()))).await.unwrap();
    let removed = rig.strike(1, AccessTokenStore::revoke(&rig.bad, &access)).await;
    assert_ne!(removed, Some(false), "it was there");
    let is_there = rig.has_access(&access).await;
    assert!(!is_there || removed.is_none(), "a false success");
    assert_eq!(AccessTokenStore::revoke(&rig.bad, &access).await.unwrap(), is_there);
    removed.is_some()
}

async fn swap<S: Store>(rig: &Rig<S>) -> bool {
    let until = SystemTime::now() + HOUR;
    let key = RecordKey::from_bytes(u128::from(new_number()).to_be_bytes());
    let [first, second, third] = [1, 2, 3].map(|byte| RecordStamp::from_bytes([byte; 8]));
    let change = |seen, stamp| RecordChange::new(key, seen, stamp, vec![7; 85], until);
    let seen = async |store: &S| -> Result<_, BackendError> {
        Ok(store.load(&[key]).await?.records()[0].as_ref().map(|record| record.stamp()))
    };
    assert!(rig.good.swap(&[change(None, first)]).await.unwrap());
    // A look and a change: each of their calls goes wrong.
    let swapped = rig.strike(2, async {
        assert_eq!(seen(&rig.bad).await?, Some(first));
        rig.bad.swap(&[change(Some(first), second)]).await
    });
    let swapped = swapped.await;
    assert_ne!(swapped, Some(false), "nobody else was there");
    let stamp = seen(&rig.good).await.unwrap();
    assert!(stamp == Some(second) || swapped.is_none() && stamp == Some(first), "{stamp:?}");
    assert_eq!(rig.bad.swap(&[change(Some(first), third)]).await.unwrap(), stamp == Some(first));
    swapped.is_some()
}

fn victim() -> AccountKey<'static> {
    AccountKey::resolved(format!("victim-{}", new_number()))
}

async fn charge<S: Store>(rig: &Rig<S>) -> bool {
    let (user, from) = (victim(), someone());
    rig.charge(&user, from, 3).await;
    let charged = rig.strike(3, reserve(rig.limiter(), &user, from)).await;
    assert!(!matches!(charged, Some(None)), "there was room");
    let room = rig.room(&user, from).await;
    // What is answered is charged once; what is not may be.
    assert!(room == 6 || charged.is_none() && room == 7, "{room}");
    charged.is_some()
}

async fn give_back<S: Store>(rig: &Rig<S>) -> bool {
    let (user, from) = (victim(), someone());
    rig.charge(&user, from, 3).await;
    let reservation = reserve(rig.limiter(), &user, from).await.unwrap().unwrap();
    let again = reservation.again();
    let settled = rig.strike(3, rig.limiter().settle(reservation, Settlement::Untried)).await.is_some();
    if !settled {
        // Where it is not known, nothing is done again.
        let _ = rig.limiter().settle(again, Settlement::Untried).await;
    }
    let room = rig.room(&user, from).await;
    assert!(room == 7 || !settled && room == 6, "{room}: not given back twice, and not forgotten if it was said");
    settled
}

async fn let_stand<S: Store>(rig: &Rig<S>) -> bool {
    let (user, from) = (victim(), someone());
    rig.charge(&user, from, 3).await;
    let reservation = reserve(rig.limiter(), &user, from).await.unwrap().unwrap();
    let again = reservation.again();
    let settled = rig.strike(3, rig.limiter().settle(reservation, Settlement::Denied)).await.is_some();
    if !settled {
        rig.limiter().settle(again, Settlement::Denied).await.unwrap();
    }
    assert_eq!(rig.room(&user, from).await, 6, "the charge stays");
    settled
}

fn text(body: &Value, name: &str) -> String {
    body[name].as_str().unwrap_or_else(|| panic!("{body}")).to_owned()
}

async fn login<S: Store>(rig: &Rig<S>) -> bool {
    let (user, from) = (format!("user-{}", new_number()), someone());
    let body = rig.ask(rig.endpoints[0].login(from, "app", &user, "right")).await;
    if let Some(body) = &body {
        let refresh = text(body, "refresh_token");
        assert_eq!(rig.state(family_of(&refresh), &kept_digest(&refresh)).await, Some(TokenState::Live));
        assert!(rig.has_access(&SecretDigest::of(&text(body, "access_token"))).await, "a false success");
    }
    let access = AccessTokenStore::revoke_subject(&rig.good, None, &user).await.unwrap();
    let begun = RefreshTokenStore::revoke_subject(&rig.good, None, &user).await.unwrap();
    assert!(access == begun && begun <= 1, "a login and its access token are one: {begun}, {access}");
    assert_eq!(rig.endpoints[0].login(from, "app", &user, "right").await.0, 200);
    body.is_some()
}

async fn refresh<S: Store>(rig: &Rig<S>) -> bool {
    let user = format!("user-{}", new_number());
    let (status, login) = rig.endpoints[1].login(someone(), "app", &user, "right").await;
    assert_eq!(status, 200, "{login}");
    let first = text(&login, "refresh_token");
    let state = async |token: &str| rig.state(family_of(token), &kept_digest(token)).await.unwrap();
    let body = rig.ask(rig.endpoints[0].refresh("app", &first)).await;
    let (status, again) = rig.endpoints[0].refresh("app", &first).await;
    assert_eq!(status, 200, "the login is lost: {again}");
    let next = text(&again, "refresh_token");
    assert!(body.as_ref().is_none_or(|body| text(body, "refresh_token") == next), "two successors");
    assert_eq!(state(&next).await, TokenState::Live);
    assert!(matches!(state(&first).await, TokenState::Predecessor { .. }));
    for body in body.iter().chain([&again]) {
        assert!(rig.has_access(&SecretDigest::of(&text(body, "access_token"))).await);
    }
    body.is_some()
}
