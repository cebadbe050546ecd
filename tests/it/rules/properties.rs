//! No token has more than client, endpoint, verifier and login allow, whatever rules decide at the login and at its refreshes.

use std::collections::{BTreeSet, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use proptest::option;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use tower_password_grant::Client;
use tower_password_grant::rules::Ruling;
use tower_password_grant::store::MemoryRefreshTokens;
use tower_password_grant::token::RefreshTokens;

use super::parts::ruling;
use crate::support::digest;
use crate::support::tokens::{Tokens, text};

const NAMES: [&str; 5] = ["a", "b", "c", "d", "e"];

type Names = BTreeSet<&'static str>;

/// What one rule decides.
#[derive(Clone, Debug, Default)]
struct Change {
    added: Names,
    removed: Names,
    seconds: Option<u64>,
}

impl Change {
    fn ruling(&self) -> Ruling {
        let ruling = self.removed.iter().fold(Ruling::proceed(), |ruling, name| ruling.remove_scope(name));
        let ruling = self.added.iter().fold(ruling, |ruling, name| ruling.add_scope(name));
        match self.seconds {
            Some(seconds) => ruling.shorten_lifetime(Duration::from_secs(seconds)).unwrap(),
            None => ruling,
        }
    }
}

/// A login or a refresh: what the client asks for, what the verifier lets the user have now, and what two rules decide.
#[derive(Clone, Debug)]
struct Round {
    asked: Names,
    verifier: Option<Names>,
    changes: [Change; 2],
    /// Since the round before.
    seconds: u64,
}

fn names() -> impl Strategy<Value = Names> {
    subsequence(&NAMES[..], 1..=5).prop_map(Names::from_iter)
}

fn round() -> impl Strategy<Value = Round> {
    let few = || proptest::collection::btree_set(select(&NAMES[..]), 0..3);
    let change = || (few(), few(), option::of(1..900_u64));
    let change = move || change().prop_map(|(added, removed, seconds)| Change { added, removed, seconds });
    (names(), option::of(names()), [change(), change()], 0..300_u64)
        .prop_map(|(asked, verifier, changes, seconds)| Round { asked, verifier, changes, seconds })
}

fn all() -> Names {
    NAMES.into()
}

fn scope(names: &Names) -> String {
    names.iter().copied().collect::<Vec<_>>().join(" ")
}

/// An endpoint at which each request is decided by the next two of these changes.
fn endpoint(
    registered: &Names,
    ceiling: Option<&Names>,
    [lifetime, family_lifetime]: [u64; 2],
    changes: &Arc<Mutex<VecDeque<Change>>>,
) -> Tokens {
    let client = Client::confidential("conf", &digest("conf-pw")).allow_password_grant().allow_refresh_tokens();
    let client = client.scopes(&scope(registered)).build().unwrap();
    let next = |name| {
        let changes = Arc::clone(changes);
        ruling(name, move |_| changes.lock().unwrap().pop_front().unwrap().ruling())
    };
    Tokens::with(vec![client], |builder| {
        let refresh = RefreshTokens::in_store(MemoryRefreshTokens::new());
        let builder = builder
            .refresh_tokens(refresh.lifetime(Duration::from_secs(family_lifetime)))
            .access_token_lifetime(Duration::from_secs(lifetime))
            .rule(next("one"))
            .rule(next("other"));
        match ceiling {
            Some(ceiling) => builder.scope_ceiling(scope(ceiling)),
            None => builder,
        }
    })
}

#[test]
fn no_token_has_more_than_client_endpoint_verifier_and_login_allow_whatever_rules_decide() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    proptest!(ProptestConfig::with_cases(96), |(
        registered in names(),
        ceiling in option::of(names()),
        lifetime in 60..900_u64,
        family_lifetime in 1000..2000_u64,
        rounds in proptest::collection::vec(round(), 1..5),
    )| {
        let changes = Arc::default();
        let tokens = endpoint(&registered, ceiling.as_ref(), [lifetime, family_lifetime], &changes);
        let ceiling = ceiling.unwrap_or_else(all);
        // What the login was given, and its refresh token.
        let mut login: Option<(Names, String)> = None;
        let mut age = 0;
        for round in rounds {
            let user_may = round.verifier.as_ref().map(scope);
            tokens.users.change("user-alice", |user| user.scope = user_may);
            *changes.lock().unwrap() = round.changes.clone().into();
            let family = login.as_ref().map_or_else(all, |(family, _)| family.clone());
            let limits = [registered.clone(), ceiling.clone(), round.verifier.unwrap_or_else(all), family];
            let within = limits.iter().fold(all(), |most, limit| &most & limit);
            // A request may ask for what its client is registered for, and a refresh for what its login has.
            let askable = login.as_ref().map_or(&registered, |(family, _)| family);
            let asked = Some(&round.asked & askable).filter(|asked| !asked.is_empty()).unwrap_or_else(|| askable.clone());
            let parameter = format!("&scope={}", scope(&asked).replace(' ', "+"));
            let answer = runtime.block_on(async { match &login {
                None => tokens.login_with("conf", &parameter).await,
                Some((_, token)) => {
                    tokens.clock.advance_secs(round.seconds);
                    age += round.seconds;
                    tokens.refresh_with("conf", token, &parameter).await
                }
            } });

            let decided = &asked & &within;
            let [added, removed] = [|change: &Change| change.added.clone(), |change: &Change| change.removed.clone()]
                .map(|part| round.changes.iter().flat_map(part).collect::<Names>());
            let expected = &(&decided | &(&added & &within)) - &removed;
            if decided.is_empty() || expected.is_empty() {
                answer.assert_error(400, "invalid_scope");
                continue;
            }
            let json = answer.assert_ok();
            let given = text(&json, "scope");
            let given: BTreeSet<&str> = given.split(' ').collect();
            for limit in &limits {
                prop_assert!(given.is_subset(limit), "{given:?} beyond {limit:?}");
            }
            prop_assert_eq!(&given, &expected);
            let shortened = round.changes.iter().filter_map(|change| change.seconds);
            let most = shortened.chain([lifetime, family_lifetime - age]).min();
            prop_assert_eq!(json["expires_in"].as_u64(), most);
            let family = login.map_or(expected, |(family, _)| family);
            login = Some((family, text(&json, "refresh_token")));
        }
    });
}
