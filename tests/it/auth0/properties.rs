//! No login and no refresh gives more than client, endpoint, verifier, rules and login allow, and a refresh token comes with
//! `offline_access` alone.

use std::collections::{BTreeSet, VecDeque};
use std::sync::{Arc, Mutex};

use proptest::option;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use tower_password_grant::Client;
use tower_password_grant::bearer::AccessTokenVerifier as _;
use tower_password_grant::rules::Ruling;

use super::parts::{parameter, with_clients};
use crate::rules::parts::ruling;
use crate::support::tokens::{Tokens, text};
use crate::support::{Answer, digest};

/// Three that a client can be registered for, one that none is, and those that every client may ask for.
const NAMES: [&str; 8] = ["a", "b", "c", "x", "email", "offline_access", "openid", "profile"];
const COMMON: [&str; 4] = ["email", "offline_access", "openid", "profile"];
const AUDIENCES: [&str; 3] = ["https://one.example", "urn:two", "three"];
const OWN: &str = "https://api.example";

type Names = BTreeSet<&'static str>;

/// What is registered, and what the endpoint has.
#[derive(Clone, Debug)]
struct World {
    registered: Names,
    default: bool,
    refreshes: bool,
    audiences: Vec<&'static str>,
    ceiling: Option<Names>,
}

/// A login or a refresh.
#[derive(Clone, Debug)]
struct Round {
    asked: Names,
    audience: Option<&'static str>,
    verifier: Option<Names>,
    added: Names,
    removed: Names,
}

fn names(least: usize) -> impl Strategy<Value = Names> {
    subsequence(&NAMES[..], least..=NAMES.len()).prop_map(Names::from_iter)
}

fn world() -> impl Strategy<Value = World> {
    let registered = subsequence(&NAMES[..3], 0..=3).prop_map(Names::from_iter);
    let most = names(4).prop_map(|names| &names | &["offline_access"].into());
    (registered, any::<bool>(), prop::bool::weighted(0.8), subsequence(&AUDIENCES[..], 0..=2), option::of(most))
        .prop_map(|(registered, default, refreshes, audiences, ceiling)| World {
            registered,
            default,
            refreshes,
            audiences,
            ceiling,
        })
}

fn round() -> impl Strategy<Value = Round> {
    let few = || proptest::collection::btree_set(select(&NAMES[..]), 0..2);
    let audience = option::weighted(0.3, select([&AUDIENCES[..], &["unknown"]].concat()));
    (names(0), audience, option::weighted(0.3, names(4)), few(), few())
        .prop_map(|(asked, audience, verifier, added, removed)| Round { asked, audience, verifier, added, removed })
}

fn scope(names: &Names) -> String {
    names.iter().copied().collect::<Vec<_>>().join(" ")
}

impl World {
    fn endpoint(&self, rounds: &Arc<Mutex<VecDeque<Round>>>) -> Tokens {
        let mut client = Client::confidential("conf", &digest("conf-pw")).allow_password_grant();
        if !self.registered.is_empty() {
            client = client.scopes(&scope(&self.registered));
        }
        if let Some(default) = self.default_scope() {
            client = client.default_scope(&scope(&default));
        }
        if self.refreshes {
            client = client.allow_refresh_tokens();
        }
        let client = self.audiences.iter().fold(client, |client, audience| client.allow_audience(audience));
        let rounds = Arc::clone(rounds);
        with_clients(vec![client.build().unwrap()], |builder| {
            let builder = builder.rule(ruling("random", move |_| {
                let Round { added, removed, .. } = rounds.lock().unwrap().pop_front().unwrap();
                let ruling = removed.iter().fold(Ruling::proceed(), |ruling, name| ruling.remove_scope(name));
                added.iter().fold(ruling, |ruling, name| ruling.add_scope(name))
            }));
            match &self.ceiling {
                Some(ceiling) => builder.scope_ceiling(scope(ceiling)),
                None => builder,
            }
        })
    }

    fn default_scope(&self) -> Option<Names> {
        self.registered.first().filter(|_| self.default).map(|first| [*first].into())
    }

    /// What the client may ask for.
    fn reach(&self) -> Names {
        &self.registered | &COMMON.into()
    }
}

/// What a login was given, and the refresh token that goes on with it.
struct Login {
    scope: Names,
    audience: Option<&'static str>,
    token: String,
}

/// What a login or a refresh comes to.
#[derive(Debug)]
enum Outcome {
    Refused(u16, &'static str),
    Given { scope: Names, audience: Option<&'static str>, limits: [Names; 4] },
}

impl World {
    /// What this round comes to: the first, or one after this login.
    fn expected(&self, round: &Round, login: Option<&Login>) -> Outcome {
        // The audience: of those of the client, or at a refresh that of the login.
        let asked = round.audience.filter(|_| !self.audiences.is_empty());
        let audience = login.map_or(asked, |login| login.audience);
        if asked.is_some_and(|asked| audience != Some(asked) || !self.audiences.contains(&asked)) {
            return Outcome::Refused(403, "access_denied");
        }
        // The scope: what is left of what was asked, else the default, or at a refresh that of the login.
        let (family, default) = match login {
            None => (self.reach(), self.default_scope()),
            Some(login) => (login.scope.clone(), Some(login.scope.clone())),
        };
        let kept = Some(&round.asked & &family).filter(|kept| !kept.is_empty()).or(default).unwrap_or_default();
        let all = || Names::from(NAMES);
        let ceiling = self.ceiling.clone().unwrap_or_else(all);
        let limits = [self.reach(), ceiling, round.verifier.clone().unwrap_or_else(all), family];
        let within = limits.iter().fold(all(), |most, limit| &most & limit);
        let decided = &kept & &within;
        let scope = &(&decided | &(&round.added & &within)) - &round.removed;
        if decided.is_empty() || scope.is_empty() {
            return Outcome::Refused(400, "invalid_scope");
        }
        Outcome::Given { scope, audience, limits }
    }
}

#[test]
fn no_login_and_no_refresh_gives_more_than_any_limit_and_a_refresh_token_takes_its_scope_and_its_grant() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    proptest!(ProptestConfig::with_cases(128), |(
        world in world(),
        rounds in proptest::collection::vec(round(), 1..6),
    )| {
        let ruled = Arc::<Mutex<VecDeque<Round>>>::default();
        let tokens = world.endpoint(&ruled);
        let mut login: Option<Login> = None;
        for round in rounds {
            tokens.users.change("user-alice", |user| user.scope = round.verifier.as_ref().map(scope));
            *ruled.lock().unwrap() = [round.clone()].into();
            let answer = runtime.block_on(sent(&tokens, &round, login.as_ref()));
            let (expected, audience, limits) = match world.expected(&round, login.as_ref()) {
                Outcome::Given { scope, audience, limits } => (scope, audience, limits),
                Outcome::Refused(status, code) => {
                    prop_assert_eq!((answer.status.as_u16(), &answer.json()["error"]), (status, &code.into()));
                    continue;
                }
            };
            let json = answer.assert_ok();
            let given = text(&json, "scope");
            let given: BTreeSet<&str> = given.split(' ').collect();
            for limit in &limits {
                prop_assert!(given.is_subset(limit), "{given:?} beyond {limit:?}");
            }
            prop_assert_eq!(&given, &expected);
            let token = text(&json, "access_token");
            let record = runtime.block_on(async { tokens.access.verify(&token).await }).unwrap().unwrap();
            prop_assert_eq!(record.audience(), [audience.unwrap_or(OWN)]);
            prop_assert_eq!(record.scope().iter().collect::<BTreeSet<_>>(), expected.clone());

            let token = json.get("refresh_token").map(|token| token.as_str().unwrap().to_owned());
            login = match login {
                Some(login) => Some(Login { token: token.unwrap(), ..login }),
                None => {
                    prop_assert_eq!(token.is_some(), world.refreshes && expected.contains("offline_access"));
                    token.map(|token| Login { scope: expected, audience, token })
                }
            };
        }
    });
}

/// The answer to the login of this round, or to its refresh of this login.
async fn sent(tokens: &Tokens, round: &Round, login: Option<&Login>) -> Answer {
    let mut more = parameter("scope", &scope(&round.asked));
    if let Some(audience) = round.audience {
        more += &parameter("audience", audience);
    }
    match login {
        None => tokens.login_with("conf", &more).await,
        Some(login) => tokens.refresh_with("conf", &login.token, &more).await,
    }
}
