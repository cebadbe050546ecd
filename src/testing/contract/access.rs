//! The promises of an [`AccessTokenStore`].

use serde_json::json;

use super::promise::{
    Call, Handles, PARALLEL, ROUNDS, answer, broken, earlier, give_up, is_same_time, later, made, must, must_be,
    new_digest, new_family_id, new_name, present, together,
};
use super::refresh_ends::neighbours;
use super::refresh_facts::ODD_TEXTS;
use crate::boundary::access::AccessTokenStore;
use crate::protocol::client::registered::ClientId;
use crate::protocol::secret::secrets::SecretDigest;
use crate::protocol::token::claims::Claims;
use crate::protocol::token::methods::AuthenticationMethod;
use crate::protocol::token::record::AccessTokenRecord;

pub(super) fn record(subject: &str) -> AccessTokenRecord {
    // A time that no store can keep exactly in seconds.
    let now = later(present(), 789);
    AccessTokenRecord::new(subject, made(ClientId::new("app")), now, later(now, 3_600_000))
}

async fn insert<S: AccessTokenStore>(store: &S, record: AccessTokenRecord) -> SecretDigest {
    let token = new_digest();
    answer(store.insert(token.clone(), record).await);
    token
}

pub(super) async fn is_found<S: AccessTokenStore>(store: &S, token: &SecretDigest) -> bool {
    answer(store.find(token).await).is_some()
}

fn records() -> Vec<AccessTokenRecord> {
    let mut records = vec![record(&new_name("subject"))];
    for text in ODD_TEXTS {
        let odd = record(text).with_realm(Some(text)).with_audience([text, "https://api.example/?a=b", ""]);
        let claims = made(Claims::of(&json!({(text): [text, {"a": [1, -2.5, true, null]}]})));
        let odd = odd.with_scope(made("! #[]^_`{|}~ 'a A a%".parse())).with_claims(claims);
        let authenticated = Some(earlier(odd.issued_at(), 1_234_567));
        let odd = odd.with_methods([AuthenticationMethod::Password, AuthenticationMethod::Push].into_iter().collect());
        records.push(odd.with_authenticated_at(authenticated).with_family(Some(new_family_id())));
    }
    let many = (0..100).map(|number| format!("https://api{number}.example"));
    records.push(record(&"ab\u{e9}".repeat(300)).with_audience(many));
    records
}

fn must_be_same(found: &AccessTokenRecord, given: &AccessTokenRecord) {
    must_be(found.subject_id(), given.subject_id(), "`find` gives the subject as it was");
    must_be(found.client(), given.client(), "`find` gives the client as it was");
    must_be(found.realm(), given.realm(), "`find` gives the realm as it was, and none is not an empty one");
    must_be(found.scope().as_str(), given.scope().as_str(), "`find` gives the scope as it was");
    must_be(found.audience(), given.audience(), "`find` gives the audience as it was, in its order");
    must_be(found.family(), given.family(), "`find` gives the family as it was");
    must_be(found.methods(), given.methods(), "`find` gives the methods of the authentication as they were");
    must_be(found.claims(), given.claims(), "`find` gives the claims as they were");
    must(is_same_time(found.issued_at(), given.issued_at()), "`find` gives the time of issue to the millisecond");
    must(is_same_time(found.expires(), given.expires()), "`find` gives the end of the token to the millisecond");
    let is_same = match (found.authenticated_at(), given.authenticated_at()) {
        (Some(found), Some(given)) => is_same_time(found, given),
        (found, given) => found == given,
    };
    must(is_same, "`find` gives the time of the authentication to the millisecond");
}

pub(super) async fn facts<S: AccessTokenStore>(store: S) {
    must(!is_found(&store, &new_digest()).await, "a token that was never given is not found");
    let mut inserted = Vec::new();
    for record in records() {
        inserted.push((insert(&store, record.clone()).await, record));
    }
    for (token, record) in &inserted {
        match answer(store.find(token).await) {
            Some(found) => must_be_same(&found, record),
            None => broken("a record that was inserted is found"),
        }
    }
}

pub(super) async fn revoke<S: AccessTokenStore>(store: S) {
    let subject = new_name("subject");
    let (token, other) = (insert(&store, record(&subject)).await, insert(&store, record(&subject)).await);
    must(!answer(store.revoke(&new_digest()).await), "`revoke` is false for a token that never was");
    must(answer(store.revoke(&token).await), "`revoke` is true for a token that was found");
    must(!is_found(&store, &token).await, "a token is not found after `revoke`");
    must(!answer(store.revoke(&token).await), "`revoke` is true once for each token");
    must(is_found(&store, &other).await, "`revoke` removes no other token");
}

pub(super) async fn revoke_family<S: AccessTokenStore>(store: S) {
    let subject = new_name("subject");
    let (family, other) = (new_family_id(), new_family_id());
    let mut tokens = Vec::new();
    for _ in 0..3 {
        tokens.push(insert(&store, record(&subject).with_family(Some(family))).await);
    }
    let others =
        [insert(&store, record(&subject).with_family(Some(other))).await, insert(&store, record(&subject)).await];
    let revoked = made(tokens.pop().ok_or("no token"));
    must(answer(store.revoke(&revoked).await), "`revoke` is true for a token that was found");
    let promise = "`revoke_family` answers how many records of the family there were";
    must_be(answer(store.revoke_family(family).await), 2, promise);
    must_be(answer(store.revoke_family(family).await), 0, promise);
    for token in &tokens {
        must(!is_found(&store, token).await, "no token of a family is found after `revoke_family`");
        must(!answer(store.revoke(token).await), "`revoke` is false for a token that is not found any more");
    }
    for token in &others {
        must(is_found(&store, token).await, "`revoke_family` removes no token of another family, or of none");
    }
}

pub(super) async fn revoke_subject<S: AccessTokenStore>(store: S) {
    let name = new_name("subject");
    let mut living = Vec::new();
    for realm in [None, Some(""), Some("a"), Some("A"), Some("a ")] {
        for subject in [name.clone(), name.to_uppercase(), format!("{name} "), format!("{name}%")] {
            for _ in 0..2 {
                let token = insert(&store, record(&subject).with_realm(realm)).await;
                living.push((realm, subject.clone(), token));
            }
        }
    }
    while let Some((realm, subject, _)) = living.first().cloned() {
        let promise = "`revoke_subject` answers how many records of exactly this subject and realm there were, and no \
                       realm is not an empty one";
        must_be(answer(store.revoke_subject(realm, &subject).await), 2, promise);
        must_be(answer(store.revoke_subject(realm, &subject).await), 0, promise);
        let (theirs, others): (Vec<_>, Vec<_>) =
            living.into_iter().partition(|known| known.0 == realm && known.1 == subject);
        for (_, _, token) in &theirs {
            must(!is_found(&store, token).await, "no token of a subject is found after `revoke_subject`");
        }
        for (_, _, token) in &others {
            let promise = "`revoke_subject` removes no token of another subject or realm";
            must(is_found(&store, token).await, promise);
        }
        living = others;
    }
}

/// More tokens of one login than any store needs to keep.
const CROWD: usize = 250;

/// A token of each login that a sloppy comparison takes for one of `name` in no realm, and of another client and family.
fn others(name: &str) -> Vec<AccessTokenRecord> {
    let neighbours = neighbours(name).into_iter().skip(1);
    let mut others: Vec<_> = neighbours.map(|(realm, subject)| record(&subject).with_realm(realm.as_deref())).collect();
    let (now, client) = (present(), made(ClientId::new("another")));
    others.push(AccessTokenRecord::new(name, client, now, later(now, 3_600_000)));
    others.push(record(name).with_family(Some(new_family_id())));
    others
}

/// Many tokens of a family, or many without one.
pub(super) async fn crowd<S: AccessTokenStore>(store: S, is_family: bool) {
    let name = new_name("subject");
    let family = is_family.then(new_family_id);
    let mut others = others(&name);
    if is_family {
        others.push(record(&name));
    }
    let mut kept = Vec::new();
    for other in others {
        kept.push(insert(&store, other).await);
    }
    let mut tokens = Vec::new();
    for _ in 0..CROWD {
        let token = insert(&store, record(&name).with_family(family)).await;
        must(is_found(&store, &token).await, "the newest token of a login is found");
        tokens.push(token);
    }
    for other in &kept {
        let promise =
            "tokens of a login remove none of another realm, subject, client or family, however many they are";
        must(is_found(&store, other).await, promise);
    }
    let mut is_newer = false;
    for token in &tokens {
        let is_there = is_found(&store, token).await;
        must(is_there || !is_newer, "tokens of a login remove its oldest ones, and none before an older one");
        is_newer |= is_there;
    }
}

/// Many logins of one subject, each with few tokens.
pub(super) async fn crowd_of_logins<S: AccessTokenStore>(store: S) {
    let name = new_name("subject");
    let mut kept = Vec::new();
    for (realm, subject) in neighbours(&name).into_iter().skip(1) {
        kept.push(insert(&store, record(&subject).with_realm(realm.as_deref())).await);
    }
    let families: Vec<_> = (0..CROWD / 5).map(|_| new_family_id()).collect();
    let mut tokens = Vec::new();
    for family in families.iter().cycle().take(3 * CROWD) {
        let token = insert(&store, record(&name).with_family(Some(*family))).await;
        must(is_found(&store, &token).await, "the newest token of a subject is found");
        tokens.push(token);
    }
    for other in &kept {
        let promise = "logins of a subject remove no token of another realm or subject, however many they are";
        must(is_found(&store, other).await, promise);
    }
    let mut is_newer = false;
    for token in &tokens {
        let is_there = is_found(&store, token).await;
        must(is_there || !is_newer, "logins of a subject remove its oldest tokens, and none before an older one");
        is_newer |= is_there;
    }
}

pub(super) async fn parallel<S: AccessTokenStore>(handles: [S; 2]) {
    let handles = Handles::new(handles);
    for _ in 0..ROUNDS {
        let (family, subject) = (new_family_id(), new_name("subject"));
        let logins = (0..PARALLEL).map(|number| {
            let (handles, record) = (handles.clone(), record(&subject).with_family(Some(family)));
            async move {
                let token = insert(handles.get(number), record).await;
                let promise = "a record is found as soon as it was inserted, over any handle";
                must(is_found(handles.get(number.saturating_add(1)), &token).await, promise);
                token
            }
        });
        let tokens = together(logins).await;
        let Some(token) = tokens.first() else { continue };
        let revocations = (0..PARALLEL).map(|number| {
            let (handles, token) = (handles.clone(), token.clone());
            async move { answer(handles.get(number).revoke(&token).await) }
        });
        let revoked = together(revocations).await.into_iter().filter(|revoked| *revoked).count();
        must_be(revoked, 1, "of parallel calls of `revoke` exactly one removed the token");
        let ends = (0..PARALLEL).map(|number| -> Call<u64> {
            let (handles, subject) = (handles.clone(), subject.clone());
            // Each of the two over each handle.
            match number % 4 {
                0 | 1 => Box::pin(async move { answer(handles.get(number).revoke_family(family).await) }),
                _ => Box::pin(async move { answer(handles.get(number).revoke_subject(None, &subject).await) }),
            }
        });
        let removed = together(ends).await.into_iter().sum::<u64>();
        let promise = "parallel calls of `revoke_family` and `revoke_subject` count each record once";
        must_be(removed, (PARALLEL as u64).saturating_sub(1), promise);
        for token in &tokens {
            for handle in 0..2 {
                let promise = "no token of a family is found after `revoke_family`, over any handle";
                must(!is_found(handles.get(handle), token).await, promise);
            }
        }
    }
}

/// Calls that happened, and whose answers nobody got.
pub(super) async fn lost_answers<S: AccessTokenStore>(handles: [S; 2]) {
    let handles = Handles::new(handles);
    for polls in 0..20 {
        let (family, subject) = (new_family_id(), new_name("subject"));
        let (token, given) = (new_digest(), record(&subject).with_family(Some(family)));
        give_up(handles.get(0).insert(token.clone(), given.clone()), polls).await;
        // The same request comes again, with a new token, to another process.
        let second = insert(handles.get(1), given.clone()).await;
        must(is_found(handles.get(0), &second).await, "a record is found as soon as it was inserted, over any handle");
        if let Some(found) = answer(handles.get(1).find(&token).await) {
            must_be_same(&found, &given);
        }
        give_up(handles.get(0).revoke(&second), polls).await;
        answer(handles.get(1).revoke(&second).await);
        let promise = "a token is not found after `revoke`, though an earlier call was given up";
        must(!is_found(handles.get(0), &second).await, promise);
        let third = insert(handles.get(0), given).await;
        give_up(handles.get(0).revoke_family(family), polls).await;
        answer(handles.get(1).revoke_family(family).await);
        for token in [&token, &third] {
            let promise = "no token of a family is found after `revoke_family`, though earlier calls were given up";
            must(!is_found(handles.get(0), token).await, promise);
        }
    }
}
