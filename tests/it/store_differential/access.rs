//! Stores of access tokens.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::time::Duration;

use proptest::prelude::*;
use tower_password_grant::ClientId;
use tower_password_grant::store::{AccessTokenRecord, AccessTokenStore, FamilyId, MemoryAccessTokens};

#[cfg(feature = "sqlite")]
use super::folder;
use super::{LONGEST, REALMS, SEQUENCES, SUBJECTS, Stores, digest, family, present, runner, runtime, share};

/// Stores that keep so many tokens of one login.
pub(super) fn stores(per_login: u32) -> Stores<dyn AccessTokenStore> {
    let memory = MemoryAccessTokens::new().with_tokens_per_login(per_login as usize).unwrap();
    #[allow(unused_mut, reason = "without a feature there is nothing to add")]
    let mut stores: Stores<dyn AccessTokenStore> = (vec![("memory", Box::new(memory))], None);
    #[cfg(feature = "sqlite")]
    if let Some(folder) = folder() {
        let file = folder.file();
        let builder = tower_password_grant::sqlite::SqliteStore::builder(file).access_tokens_per_login(per_login);
        let store = builder.open().unwrap();
        stores.0.push(("sqlite", Box::new(store)));
        stores.1 = Some(Box::new(folder));
    }
    stores
}

#[derive(Clone, Debug)]
enum Step {
    Insert { realm: usize, subject: usize, family: Option<usize> },
    Find(usize),
    Revoke(usize),
    RevokeFamily(usize),
    RevokeSubject { realm: usize, subject: usize },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0..3_usize, 0..3_usize, prop::option::of(0..6_usize))
            .prop_map(|(realm, subject, family)| Step::Insert { realm, subject, family }),
        4 => (0..120_usize).prop_map(Step::Find),
        2 => (0..120_usize).prop_map(Step::Revoke),
        1 => (0..6_usize).prop_map(Step::RevokeFamily),
        1 => (0..3_usize, 0..3_usize).prop_map(|(realm, subject)| Step::RevokeSubject { realm, subject }),
    ]
}

#[derive(PartialEq, Clone, Debug)]
struct Kept {
    realm: Option<&'static str>,
    subject: &'static str,
    family: Option<FamilyId>,
    /// One more than the newest of the same login that was there when it came.
    number: u32,
}

impl Kept {
    /// Whether both belong to one login.
    fn is_beside(&self, other: &Self) -> bool {
        match (self.family, other.family) {
            (None, None) => (self.realm, self.subject) == (other.realm, other.subject),
            (one, another) => one == another,
        }
    }
}

/// Adds a token, in the place of what comes before the newest `per_login` of its login.
fn insert(model: &mut BTreeMap<usize, Kept>, token: usize, mut kept: Kept, per_login: u32) {
    let newest = model.values().filter(|other| other.is_beside(&kept)).map(|other| other.number).max();
    kept.number = newest.unwrap_or(0) + 1;
    model.retain(|_, other| !other.is_beside(&kept) || other.number + per_login > kept.number);
    model.insert(token, kept);
}

fn record(kept: &Kept) -> AccessTokenRecord {
    let (client, now) = (ClientId::new("app").unwrap(), present());
    AccessTokenRecord::new(kept.subject, client, now, now + Duration::from_secs(3600))
        .with_realm(kept.realm)
        .with_family(kept.family)
}

fn is_same(record: Option<&AccessTokenRecord>, kept: Option<&Kept>) -> bool {
    match (record, kept) {
        (Some(record), Some(kept)) => {
            (record.realm(), record.subject_id(), record.family()) == (kept.realm, kept.subject, kept.family)
        }
        (record, kept) => record.is_none() && kept.is_none(),
    }
}

#[test]
fn access_token_stores_answer_as_the_reference_does() {
    play(100);
}

#[test]
fn access_token_stores_end_the_same_tokens_of_one_login_when_there_are_too_many() {
    let bounded = play(4);
    assert!(bounded >= share(100) as usize, "{bounded} tokens were too many: the sequences do not reach it");
}

/// Plays sequences on stores that keep so many tokens of one login, and answers how many were too many.
fn play(per_login: u32) -> usize {
    let (runtime, bounded) = (runtime(), Cell::new(0));
    let played = runner(SEQUENCES).run(&prop::collection::vec(step(), 1..=LONGEST), |steps| {
        let (mut model, (stores, _folder)): (BTreeMap<usize, Kept>, _) = (BTreeMap::new(), stores(per_login));
        let mut tokens = 0;
        for step in &steps {
            let before = model.len();
            match *step {
                Step::Insert { realm, subject, family: of } => {
                    let (realm, subject) = (REALMS[realm], SUBJECTS[subject]);
                    let kept = Kept { realm, subject, family: of.map(family), number: 0 };
                    for (_, store) in &stores {
                        runtime.block_on(store.insert(digest(tokens), record(&kept))).unwrap();
                    }
                    insert(&mut model, tokens, kept, per_login);
                    bounded.set(bounded.get() + before + 1 - model.len());
                    tokens += 1;
                }
                Step::Find(token) => {
                    for (name, store) in &stores {
                        let found = runtime.block_on(store.find(&digest(token))).unwrap();
                        assert!(is_same(found.as_ref(), model.get(&token)), "{name}: {step:?}");
                    }
                }
                Step::Revoke(token) => {
                    let expected = model.remove(&token).is_some();
                    for (name, store) in &stores {
                        let revoked = runtime.block_on(store.revoke(&digest(token))).unwrap();
                        assert_eq!(revoked, expected, "{name}: {step:?}");
                    }
                }
                Step::RevokeFamily(number) => {
                    model.retain(|_, kept| kept.family != Some(family(number)));
                    for (name, store) in &stores {
                        let removed = runtime.block_on(store.revoke_family(family(number))).unwrap();
                        assert_eq!(removed, (before - model.len()) as u64, "{name}: {step:?}");
                    }
                }
                Step::RevokeSubject { realm, subject } => {
                    let (realm, subject) = (REALMS[realm], SUBJECTS[subject]);
                    model.retain(|_, kept| kept.realm != realm || kept.subject != subject);
                    for (name, store) in &stores {
                        let removed = runtime.block_on(store.revoke_subject(realm, subject)).unwrap();
                        assert_eq!(removed, (before - model.len()) as u64, "{name}: {step:?}");
                    }
                }
            }
        }
        for token in 0..tokens {
            for (name, store) in &stores {
                let found = runtime.block_on(store.find(&digest(token))).unwrap();
                assert!(is_same(found.as_ref(), model.get(&token)), "{name}: token {token}");
            }
        }
        Ok(())
    });
    played.unwrap_or_else(|failed| panic!("{failed}"));
    bounded.get()
}
