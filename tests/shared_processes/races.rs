//! Requests at once at two and at four processes.

use std::collections::BTreeSet;
use std::time::Instant;

use tower_password_grant::store::{AccessTokenStore, SecretDigest};
use tower_password_grant::testing::{TokenState, token_state};

use super::crew::{Server, at_once, count, others, start};
use super::engine::Store;
use super::process::{kills, someone};
use super::refresh_token::{family_of, kept_digest};
use super::rows::digest;
use super::worker::{Task, Told};

/// What the races are about, over one engine.
pub struct Races<S> {
    pub title: &'static str,
    pub url: String,
    /// Of this program, to look.
    pub store: S,
}

impl<S: Store> Races<S> {
    pub async fn run(&self) {
        // As long as there is nothing else that is over.
        self.prunes(&mut start(4, &self.url), kills("SHARED_ROUNDS", 3)).await;
        for number in [2, 4] {
            let mut servers = start(number, &self.url);
            self.guesses(&mut servers, kills("SHARED_GUESS_ROUNDS", 10) / 2).await;
            self.refreshes(&mut servers, kills("SHARED_REFRESH_ROUNDS", 20) / 2).await;
            let rounds = kills("SHARED_ROUNDS", 3);
            self.logins(&mut servers, rounds).await;
            self.ends(&mut servers, 4 * rounds).await;
            self.values(&mut servers, 4 * rounds).await;
        }
    }

    pub fn say(&self, servers: &[Server], began: Instant, text: &str) {
        println!("ok: {}, {} processes, {:.1?}: {text}", self.title, servers.len(), began.elapsed());
    }

    async fn guesses(&self, servers: &mut [Server], rounds: usize) {
        const GUESSES: usize = 200;
        let (began, number) = (Instant::now(), servers.len());
        let (mut verified, mut away) = (0, 0);
        for round in 0..rounds {
            let (from, user) = (someone(), format!("guessed-{number}-{round}"));
            let times = GUESSES / number;
            let tasks = (0..number).map(|server| {
                let (user, first) = (user.clone(), server * times);
                Task::Guess { user, first, times, from }
            });
            let told = at_once(servers, tasks);
            let tried: u64 = told.iter().map(|told| told.count).sum();
            let busy = count(&told, 503);
            // What is answered 503 may be charged.
            assert!(tried == 10 || tried < 10 && busy > 0, "round {round}: {told:?}");
            assert_eq!(others(&told, &[400, 429, 503]), 0, "round {round}: {told:?}");
            assert!(count(&told, 400) as u64 <= tried, "round {round}: {told:?}");
            verified += tried;
            away += busy;
            // The right password waits, too, at all of them.
            let right = at_once(servers, (0..number).map(|_| Task::Login { user: user.clone(), times: 1, from }));
            assert_eq!(count(&right, 429) + count(&right, 503), number, "round {round}: {right:?}");
        }
        let text =
            format!("{rounds} rounds of {GUESSES} guesses: {verified} verified, 10 in each; {away} answered 503");
        self.say(servers, began, &text);
    }

    async fn state(&self, token: &str) -> TokenState {
        token_state(&self.store, family_of(token), &kept_digest(token)).await.unwrap().expect("the family is there").0
    }

    async fn is_found(&self, access: &str) -> bool {
        AccessTokenStore::find(&self.store, &SecretDigest::of(access)).await.unwrap().is_some()
    }

    /// A login of a client of its own, over one of the servers.
    fn login(&self, servers: &mut [Server], user: &str) -> Told {
        let mut told = at_once(&mut servers[..1], [Task::Login { user: user.to_owned(), times: 1, from: someone() }]);
        assert_eq!(count(&told, 200), 1, "{told:?}");
        told.remove(0)
    }

    async fn refreshes(&self, servers: &mut [Server], rounds: usize) {
        const REFRESHES: usize = 64;
        let (began, number) = (Instant::now(), servers.len());
        let (mut same, mut access, mut away) = (0, 0, 0);
        for round in 0..rounds {
            let login = self.login(servers, &format!("refreshed-{number}-{round}"));
            let first = &login.refresh[0];
            let refresh = Task::Refresh { client: "app".to_owned(), token: first.clone(), times: REFRESHES / number };
            let told = at_once(servers, vec![refresh; number]);
            assert_eq!(others(&told, &[200, 503]), 0, "round {round}: {told:?}");
            let successors: BTreeSet<&String> = told.iter().flat_map(|told| &told.refresh).collect();
            assert_eq!(successors.len(), 1, "round {round}: {successors:?}");
            let next = successors.first().unwrap();
            assert_eq!(self.state(next).await, TokenState::Live, "round {round}");
            assert!(matches!(self.state(first).await, TokenState::Predecessor { .. }), "round {round}");
            // One of the answers is as good as another.
            for token in told.iter().filter_map(|told| told.access.first()) {
                assert!(self.is_found(token).await, "round {round}");
                access += 1;
            }
            (same, away) = (same + count(&told, 200), away + count(&told, 503));
        }
        let text = format!(
            "{rounds} rounds of {REFRESHES} refreshes of one token: {same} answers with {rounds} successors, one in each, \
             {access} of their access tokens looked at, all found; {away} answered 503"
        );
        self.say(servers, began, &text);
    }

    async fn logins(&self, servers: &mut [Server], rounds: usize) {
        /// Before, and at once.
        const LOGINS: [usize; 2] = [64, 64];
        let (began, number, all) = (Instant::now(), servers.len(), LOGINS[0] + LOGINS[1]);
        for round in 0..rounds {
            let user = format!("often-{number}-{round}");
            let (mut live, mut ended, mut told) = (0, 0, Vec::new());
            for logins in LOGINS {
                let task = || Task::Login { user: user.clone(), times: logins / number, from: someone() };
                told.extend(at_once(servers, (0..number).map(|_| task())));
            }
            assert_eq!(others(&told, &[200, 503]), 0, "round {round}: {told:?}");
            for told in &told {
                for (refresh, access) in told.refresh.iter().zip(&told.access) {
                    let state = self.state(refresh).await;
                    assert_eq!(self.is_found(access).await, state == TokenState::Live, "round {round}: {state:?}");
                    live += usize::from(state == TokenState::Live);
                    ended += usize::from(state == TokenState::Ended);
                }
            }
            // One that is not known to have begun may count.
            let unknown = count(&told, 503);
            assert!(
                live <= 100 && live + unknown >= 100 && live + ended + unknown == all,
                "round {round}: {live}, {ended}"
            );
        }
        let text = format!(
            "{rounds} rounds of {} logins of one user at once after {} others, 100 live in each, the others ended with their tokens",
            LOGINS[1], LOGINS[0]
        );
        self.say(servers, began, &text);
    }

    /// One server ends a family while another one refreshes its token and the others give it access tokens.
    async fn ends(&self, servers: &mut [Server], rounds: usize) {
        const INSERTED: u64 = 8;
        let (began, number) = (Instant::now(), servers.len());
        let (mut rotations, mut given) = (0, 0);
        for round in 0..rounds {
            let user = format!("ended-{number}-{round}");
            let login = self.login(servers, &user);
            let (first, of_all) = (login.refresh[0].clone(), (round % 2 == 1).then(|| user.clone()));
            let number_of = |server: usize| (number as u64) << 40 | (round as u64) << 20 | (server as u64) << 10;
            // The last one does both by itself if there are two.
            let tasks = (0..number).map(|server| match server {
                0 => Task::End { token: first.clone(), of_all: of_all.clone(), later: 1_701 * (round as u64 % 23) },
                1 if number > 2 || round % 4 < 2 => Task::Follow { token: first.clone(), most: 12 },
                _ => {
                    Task::Insert { token: first.clone(), user: user.clone(), first: number_of(server), times: INSERTED }
                }
            });
            let told = at_once(servers, tasks);
            assert_eq!(told[0].count, 1, "round {round}: it ended once");
            assert_eq!(others(&told, &[200, 400, 503]), 0, "round {round}: {told:?}");
            for token in told.iter().flat_map(|told| &told.refresh).chain([&first]) {
                assert_eq!(self.state(token).await, TokenState::Ended, "round {round}");
                rotations += 1;
            }
            for token in told.iter().flat_map(|told| &told.access).chain(&login.access) {
                assert!(!self.is_found(token).await, "round {round}: an access token lives on");
                given += 1;
            }
            let inserted = |server: usize| (0..told[server].count).map(move |nth| number_of(server) + nth);
            for number in (1..number).flat_map(inserted) {
                let found = AccessTokenStore::find(&self.store, &digest(number)).await.unwrap();
                assert!(found.is_none(), "round {round}: an access token came after the end");
                given += 1;
            }
            let last = told.iter().filter_map(|told| told.refresh.last()).next().unwrap_or(&first).clone();
            let refused = at_once(
                servers,
                (0..number).map(|_| Task::Refresh { client: "app".to_owned(), token: last.clone(), times: 1 }),
            );
            assert_eq!(count(&refused, 400) + count(&refused, 503), number, "round {round}: {refused:?}");
        }
        let text = format!(
            "{rounds} families ended in the midst of rotations and insertions: of {rotations} refresh and {given} access \
             tokens none lives on"
        );
        self.say(servers, began, &text);
    }

    async fn values(&self, servers: &mut [Server], rounds: usize) {
        const VALUES: u64 = 50;
        let (began, number) = (Instant::now(), servers.len());
        let mut spent = 0;
        for round in 0..rounds as u64 {
            let first = (1 << 50) | ((number as u64) << 40) | (round * VALUES);
            let told = at_once(servers, vec![Task::Spend { first, values: VALUES }; number]);
            let by_all: u64 = told.iter().map(|told| told.count).sum();
            assert_eq!(by_all, VALUES, "round {round}: {told:?}");
            for value in first..first + VALUES {
                assert!(self.store.is_spent(&digest(value)).await.unwrap(), "round {round}");
            }
            spent += by_all;
        }
        self.say(
            servers,
            began,
            &format!(
                "{} one-time values, each at all processes at once: {spent} spent, once each",
                rounds as u64 * VALUES
            ),
        );
    }

    /// All servers write what is over and what is not, and prune, while one of them refreshes.
    async fn prunes(&self, servers: &mut [Server], rounds: usize) {
        const ROWS: u64 = 20;
        let (began, number, turns) = (Instant::now(), servers.len() as u64, rounds as u64);
        let login = self.login(servers, "kept-meanwhile");
        let first = |server: u64| 1 << 52 | server << 30;
        let tasks = (0..number).map(|server| Task::Prune { first: first(server), rows: ROWS, turns });
        let told = at_once(servers, tasks);
        let removed = told.iter().map(|told| told.count).sum::<u64>() + self.store.prune().await;
        let written = number * ROWS * turns;
        // A family, an access token and a one-time value of each row.
        let is_pruned = if self.title == "PostgreSQL" { 3 * written } else { 0 };
        assert_eq!(removed, is_pruned, "each row is removed once: {told:?}");
        for number in (0..number).flat_map(|server| (0..ROWS * turns).map(move |row| first(server) + row)) {
            let kept = SecretDigest::of(&format!("kept {number}"));
            assert!(AccessTokenStore::find(&self.store, &kept).await.unwrap().is_some(), "{number} is not over");
            let over = AccessTokenStore::find(&self.store, &digest(number)).await.unwrap();
            assert!(over.is_none() || is_pruned == 0, "{number} is over");
        }
        assert_eq!(self.state(&login.refresh[0]).await, TokenState::Live);
        assert!(self.is_found(&login.access[0]).await);
        let text = format!(
            "{turns} turns of writing and pruning at once: {removed} rows that were over removed, each once; {written} others stay"
        );
        self.say(servers, began, &text);
    }
}
