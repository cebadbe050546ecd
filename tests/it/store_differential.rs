//! Random sequences of operations give the same answers on each store and on a reference that shares no code with them.
//!
//! To add a store, add one line to [`refresh_stores`], [`access::stores`], [`usage::stores`] or [`value_stores`], and for a
//! limiter in [`limiters`].

mod access;
mod limiters;
mod usage;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;
use std::time::{Duration, SystemTime};

use proptest::prelude::*;
use proptest::test_runner::{RngAlgorithm, TestRng, TestRunner};
use tokio::runtime::{Builder, Runtime};
use tower_password_grant::ClientId;
use tower_password_grant::store::{
    FamilyId, MemoryOneTimeValues, MemoryRefreshTokens, OneTimeValues, RefreshFamily, RefreshTokenStore, SecretDigest,
};
use tower_password_grant::testing::{RefreshTokenUse, TokenState, TokenUsed, begin_family, token_state};

use crate::support::counts::is_full;
#[cfg(feature = "sqlite")]
use crate::support::folder;
use crate::support::reference::{self, Outcome, Reference, State, Use};

/// Room for a file in each fourth sequence, because each of its steps is a durable commit.
#[cfg(feature = "sqlite")]
fn folder() -> Option<folder::Folder> {
    static SEQUENCE: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
    let is_due = SEQUENCE.fetch_add(1, std::sync::atomic::Ordering::Relaxed).is_multiple_of(4);
    is_due.then(folder::Folder::new)
}

/// The stores of one sequence, and the folder of the one that has a file.
type Stores<S> = (Vec<(&'static str, Box<S>)>, Option<Box<dyn std::any::Any>>);

fn refresh_stores() -> Stores<dyn RefreshTokenStore> {
    #[allow(unused_mut, reason = "without a feature there is nothing to add")]
    let mut stores: Stores<dyn RefreshTokenStore> = (vec![("memory", Box::new(MemoryRefreshTokens::new()))], None);
    #[cfg(feature = "sqlite")]
    if let Some(folder) = folder() {
        stores.0.push(("sqlite", Box::new(folder.store())));
        stores.1 = Some(Box::new(folder));
    }
    stores
}

fn value_stores() -> Stores<dyn OneTimeValues> {
    #[allow(unused_mut, reason = "without a feature there is nothing to add")]
    let mut stores: Stores<dyn OneTimeValues> = (vec![("memory", Box::new(MemoryOneTimeValues::new()))], None);
    #[cfg(feature = "sqlite")]
    if let Some(folder) = folder() {
        stores.0.push(("sqlite", Box::new(folder.store())));
        stores.1 = Some(Box::new(folder));
    }
    stores
}

const REALMS: [Option<&str>; 3] = [None, Some(""), Some("staff")];
const SUBJECTS: [&str; 3] = ["alice", "ALICE", "bob"];

/// Sequences of at most this many operations.
const LONGEST: usize = 200;
const SEQUENCES: u32 = 400;

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

/// A number of sequences, or of what must come in so many; a quarter where the counts are not full.
fn share(full: u32) -> u32 {
    if is_full() { full } else { full / 4 }
}

/// The same sequences in each run; `DIFFERENTIAL_SEQUENCES` sets how many.
fn runner(sequences: u32) -> TestRunner {
    let cases = std::env::var("DIFFERENTIAL_SEQUENCES").map(|number| number.parse().unwrap());
    let cases = cases.unwrap_or_else(|_| share(sequences));
    let config = ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() };
    TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha))
}

fn digest(number: usize) -> SecretDigest {
    SecretDigest::of(&number.to_string())
}

fn family(number: usize) -> FamilyId {
    FamilyId::from_bytes(u128::try_from(number).unwrap().to_be_bytes())
}

/// Times near the present, which stores with a clock of their own look at.
fn present() -> SystemTime {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    SystemTime::UNIX_EPOCH + Duration::from_secs(now.as_secs())
}

#[derive(Clone, Debug)]
enum Step {
    Begin {
        realm: usize,
        subject: usize,
        lifetime: u64,
    },
    /// Of the tokens that there are, counted from the newest one; beyond them: one that nobody was given.
    Rotate {
        token: usize,
        has_successor: bool,
        leeway: u64,
        idle: u64,
    },
    Find {
        token: usize,
    },
    RevokeFamily {
        family: usize,
    },
    RevokeSubject {
        realm: usize,
        subject: usize,
    },
    /// In milliseconds, and back if it is negative.
    Wait(i64),
}

fn step() -> impl Strategy<Value = Step> {
    let leeway = prop_oneof![Just(0_u64), Just(1_000), Just(10_000)];
    let idle = prop_oneof![2 => Just(u64::MAX), 1 => Just(20_000), 1 => Just(60_000)];
    let near = prop_oneof![8 => 0..3_usize, 2 => 0..12_usize, 1 => 0..400_usize];
    let lifetime = prop_oneof![Just(30_000_u64), Just(3_600_000)];
    prop_oneof![
        3 => (0..3_usize, 0..3_usize, lifetime)
            .prop_map(|(realm, subject, lifetime)| Step::Begin { realm, subject, lifetime }),
        16 => (near.clone(), any::<u8>(), leeway, idle).prop_map(|(token, odds, leeway, idle)| {
            Step::Rotate { token, has_successor: odds > 30, leeway, idle }
        }),
        4 => near.prop_map(|token| Step::Find { token }),
        1 => (0..12_usize).prop_map(|family| Step::RevokeFamily { family }),
        1 => (0..3_usize, 0..3_usize).prop_map(|(realm, subject)| Step::RevokeSubject { realm, subject }),
        6 => prop_oneof![
            Just(0), Just(1), Just(999), Just(1_000), Just(1_001), Just(9_000), Just(10_000), Just(20_000), -5_000..0_i64
        ].prop_map(Step::Wait),
    ]
}

/// Mostly logins of one subject, some of which are over soon: more than a store keeps.
fn crowded_step() -> impl Strategy<Value = Step> {
    let begin = |realm, subject| {
        prop_oneof![1 => Just(5_000_u64), 9 => Just(3_600_000)].prop_map(move |lifetime| Step::Begin {
            realm,
            subject,
            lifetime,
        })
    };
    prop_oneof![30 => begin(0, 0), 1 => begin(1, 0), 1 => begin(0, 2), 10 => step()]
}

/// What a store says of a token. One of a family that has ended or is over may be found or not.
type Said = Option<(State, SystemTime)>;

fn said(state: TokenState) -> State {
    match state {
        TokenState::Live => State::Live,
        TokenState::Predecessor { used } => State::Predecessor(used),
        TokenState::Spent => State::Spent,
        TokenState::Ended => State::Ended,
    }
}

fn outcome(used: TokenUsed) -> Outcome {
    match used {
        TokenUsed::Done => Outcome::Done,
        TokenUsed::Repeated { salt } => Outcome::Repeated(salt),
        TokenUsed::Replayed => Outcome::Replayed,
        TokenUsed::Gone => Outcome::Gone,
    }
}

/// How often something was answered, over all sequences: each must have been.
type Counts = BTreeMap<&'static str, u32>;

struct Refreshing<'a> {
    counts: &'a mut Counts,
    model: Reference,
    stores: Vec<(&'static str, Box<dyn RefreshTokenStore>)>,
    now: SystemTime,
    tokens: usize,
    families: usize,
}

impl Refreshing<'_> {
    fn token(&self, back: usize) -> SecretDigest {
        digest(self.tokens.checked_sub(back + 1).unwrap_or(usize::MAX - back))
    }

    /// The family of a token; for one that nobody was given, any.
    fn family_of(&self, token: &SecretDigest) -> FamilyId {
        let line = self.model.lines.iter().find(|line| line.age(token.as_bytes()).is_some());
        let line = line.or(self.model.lines.get(self.tokens % self.families.max(1)));
        line.map_or(family(usize::MAX), |line| line.facts.id())
    }

    /// What is left of an answer that may differ.
    fn compared(&self, id: FamilyId, said: Said) -> Said {
        let line = self.model.lines.iter().find(|line| line.facts.id() == id)?;
        said.filter(|(state, _)| self.now < line.facts.expires() && *state != State::Ended)
    }

    async fn compare(&mut self, token: &SecretDigest, what: &str) -> Said {
        let id = self.family_of(token);
        let expected = self.model.state(id, token);
        let expected = self.compared(id, expected);
        for (name, store) in &self.stores {
            let found = token_state(&**store, id, token).await.unwrap();
            let found = self.compared(id, found.map(|(state, last_used)| (said(state), last_used)));
            assert_eq!(found, expected, "{name}: {what}");
        }
        expected
    }

    fn count(&mut self, what: &'static str) {
        *self.counts.entry(what).or_default() += 1;
    }

    async fn play(&mut self, step: &Step) {
        match step {
            Step::Begin { realm, subject, lifetime } => {
                let until = self.now + Duration::from_millis(*lifetime);
                let client = ClientId::new("app").unwrap();
                let facts = RefreshFamily::new(family(self.families), SUBJECTS[*subject], client, self.now, until)
                    .with_realm(REALMS[*realm]);
                let token = digest(self.tokens);
                (self.families, self.tokens) = (self.families + 1, self.tokens + 1);
                for (_, store) in &self.stores {
                    begin_family(&**store, facts.clone(), &token, self.now).await.unwrap();
                }
                let before = self.model.lines.iter().filter(|line| line.has_ended).count();
                self.model.begin(facts, &token, self.now);
                if self.model.lines.iter().filter(|line| line.has_ended).count() > before {
                    self.count("begun in place of another");
                }
            }
            Step::Rotate { token, has_successor, leeway, idle } => {
                let token = self.token(*token);
                let mut using = Use {
                    family: self.family_of(&token),
                    token,
                    successor: None,
                    now: self.now,
                    leeway: Duration::from_millis(*leeway),
                    idle: Duration::from_millis(*idle),
                };
                let mut real = RefreshTokenUse::new(using.family, using.token.clone(), using.now)
                    .with_leeway(using.leeway)
                    .with_idle_lifetime(using.idle);
                if *has_successor {
                    let salt = *SecretDigest::of(&format!("salt {}", self.tokens)).as_bytes();
                    real = real.with_successor(digest(self.tokens), salt);
                    using.successor = Some((digest(self.tokens), salt));
                }
                let expected = self.model.rotate(&using);
                // One that was proposed in vain is proposed again, so that few tokens are nobody's.
                self.tokens += usize::from(*has_successor && expected == Outcome::Done);
                for (name, store) in &self.stores {
                    assert_eq!(outcome(real.by(&**store).await.unwrap()), expected, "{name}: {step:?}");
                }
                self.count(match expected {
                    Outcome::Done => "done",
                    Outcome::Repeated(_) => "repeated",
                    Outcome::Replayed => "replayed",
                    Outcome::Gone => "gone",
                });
            }
            Step::Find { token } => {
                let token = self.token(*token);
                let expected = self.compare(&token, &format!("{step:?}")).await;
                self.count(if expected.is_some() { "found" } else { "not found" });
            }
            Step::RevokeFamily { family: number } => {
                // How often one that is over ends is nobody's business.
                let (id, now) = (family(*number), self.now);
                let is_over = self.model.lines.iter().any(|line| line.facts.id() == id && now >= line.facts.expires());
                let expected = self.model.end(|line| line.facts.id() == id) == 1;
                for (name, store) in &self.stores {
                    let revoked = store.revoke_family(id).await.unwrap();
                    assert!(is_over || revoked == expected, "{name}: {step:?}");
                }
                self.count(if expected { "revoked" } else { "not revoked" });
            }
            Step::RevokeSubject { realm, subject } => {
                let (realm, subject, now) = (REALMS[*realm], SUBJECTS[*subject], self.now);
                let is_theirs =
                    |line: &reference::Line| line.facts.realm() == realm && line.facts.subject_id() == subject;
                let over = self
                    .model
                    .lines
                    .iter()
                    .filter(|line| is_theirs(line) && !line.has_ended && now >= line.facts.expires());
                let over = over.count() as u64;
                let expected = self.model.end(is_theirs);
                for (name, store) in &self.stores {
                    let revoked = store.revoke_subject(realm, subject).await.unwrap();
                    assert!((expected - over..=expected).contains(&revoked), "{name}: {step:?}: {revoked}");
                }
                self.count(if expected > 0 { "subject revoked" } else { "no subject revoked" });
            }
            Step::Wait(millis) => {
                let time = Duration::from_millis(millis.unsigned_abs());
                let then = if *millis < 0 { self.now - time } else { self.now + time };
                // A store may have forgotten what is over: the clock does not go back to where it was not.
                let is_revived = |end: SystemTime| then < end && end <= self.now;
                if !self.model.lines.iter().any(|line| is_revived(line.facts.expires())) {
                    self.now = then;
                }
            }
        }
    }

    /// After all: what each token that there ever was is.
    async fn compare_all(&mut self) {
        for number in 0..self.tokens {
            self.compare(&digest(number), &format!("token {number}")).await;
        }
    }
}

/// Plays sequences of these steps, and counts the answers.
fn play_refreshing(mut runner: TestRunner, step: impl Strategy<Value = Step>, steps: RangeInclusive<usize>) -> Counts {
    let (runtime, mut counts) = (runtime(), Counts::new());
    let counted = std::cell::RefCell::new(&mut counts);
    let played = runner.run(&prop::collection::vec(step, steps), |steps| {
        let mut counts = counted.borrow_mut();
        let (model, (stores, _folder), now) = (Reference::default(), refresh_stores(), present());
        let mut play = Refreshing { counts: &mut counts, model, stores, now, tokens: 0, families: 0 };
        runtime.block_on(async {
            for step in &steps {
                play.play(step).await;
            }
            play.compare_all().await;
        });
        Ok(())
    });
    played.unwrap_or_else(|failed| panic!("{failed}"));
    println!("{counts:?}");
    counts
}

#[test]
fn refresh_token_stores_end_the_same_logins_of_one_subject_when_there_are_too_many() {
    let counts = play_refreshing(runner(SEQUENCES / 10), crowded_step(), 150..=2 * LONGEST);
    let bounded = counts.get("begun in place of another").copied().unwrap_or(0);
    assert!(bounded >= share(100), "{bounded} logins were too many: the sequences do not reach it");
}

#[test]
fn refresh_token_stores_answer_as_the_reference_does_rf_10_rf_13_rf_14() {
    let counts = play_refreshing(runner(SEQUENCES), step(), 1..=LONGEST);
    let answers = [
        "done",
        "repeated",
        "replayed",
        "gone",
        "found",
        "not found",
        "revoked",
        "not revoked",
        "subject revoked",
        "no subject revoked",
    ];
    for answer in answers {
        let times = counts.get(answer).copied().unwrap_or(0);
        assert!(times >= share(100), "`{answer}` was answered {times} times: the sequences do not reach it");
    }
}

#[test]
fn stores_of_one_time_values_answer_as_the_reference_does() {
    let runtime = runtime();
    let played = runner(SEQUENCES).run(&prop::collection::vec(0..60_usize, 1..=LONGEST), |values| {
        let (mut spent, (stores, _folder)) = (BTreeSet::new(), value_stores());
        let until = present() + Duration::from_secs(600);
        for value in values {
            let expected = spent.insert(value);
            for (name, store) in &stores {
                let fresh = runtime.block_on(store.consume(&digest(value), until)).unwrap();
                assert_eq!(fresh, expected, "{name}: {value}");
            }
        }
        Ok(())
    });
    played.unwrap_or_else(|failed| panic!("{failed}"));
}
