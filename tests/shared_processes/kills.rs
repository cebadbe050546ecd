//! SIGKILL of a server, and of the engine, while a request stands at each of its steps.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use tower_password_grant::store::{AccessTokenStore, RefreshTokenStore, SecretDigest};
use tower_password_grant::testing::{TokenState, token_state};

use super::crew::Server;
use super::engine::{Engine, Store};
use super::process::{kills, member, post, someone};
use super::refresh_token::{family_of, kept_digest};
use super::steps::Call::{Answer, Begin, Find, Load, Rotate, Swap, User};
use super::steps::Moment::{After, Before, During};
use super::steps::{Step, moments};

/// So soon a server serves again after its engine takes connections.
const SOON: Duration = Duration::from_secs(5);

pub fn login(address: SocketAddr, from: Ipv4Addr, user: &str, password: &str) -> Option<(u16, String)> {
    post(address, from, &format!("grant_type=password&client_id=app&username={user}&password={password}"))
}

pub fn refresh(address: SocketAddr, token: &str) -> Option<(u16, String)> {
    post(address, someone(), &format!("grant_type=refresh_token&client_id=app&refresh_token={token}"))
}

/// What a client was given.
#[derive(Clone, Debug)]
pub struct Tokens {
    pub refresh: String,
    pub access: String,
}

impl Tokens {
    pub fn of(body: &str) -> Self {
        Self { refresh: member(body, "refresh_token"), access: member(body, "access_token") }
    }
}

/// How long it takes a server to serve again, whose engine takes connections since then.
pub fn serves_again(address: SocketAddr, since: Instant, user: &str) -> Duration {
    loop {
        let answer = login(address, someone(), user, "right");
        if matches!(answer, Some((200, _))) {
            return since.elapsed();
        }
        assert!(since.elapsed() < SOON, "not served again: {answer:?}");
        thread::sleep(Duration::from_millis(10));
    }
}

/// The first answer that is none of a server whose engine, or its disk, is slow.
fn served(ask: impl Fn() -> Option<(u16, String)>) -> (u16, String) {
    (0..20).map(|_| ask().expect("the server lives")).find(|(status, _)| *status != 503).expect("the engine answers")
}

/// What stands still.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Request {
    Guess,
    Login,
    Refresh,
}

/// Each step of each request. Guesses are charged and settled, each by a load and a swap.
fn steps() -> Vec<(Request, Step)> {
    let around = |call, nth| [Before, During, After].map(|moment| Step { call, moment, nth });
    let one = |call| Step { call, moment: Before, nth: 0 };
    let of = |request, steps: Vec<Step>| steps.into_iter().map(move |step| (request, step));
    let counted = [around(Load, 0), around(Swap, 0), around(Load, 1), around(Swap, 1)].concat();
    of(Request::Guess, [counted, vec![one(User)]].concat())
        .chain(of(Request::Login, [&around(Begin, 0)[..], &[one(Answer)]].concat()))
        .chain(of(Request::Refresh, [&around(Find, 0)[..], &around(Rotate, 0)[..], &[one(User), one(Answer)]].concat()))
        .collect()
}

/// How often each wrong password was looked at, by all servers.
pub fn verified(trail: &Path) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for user in std::fs::read_to_string(trail).unwrap_or_default().lines() {
        *counts.entry(user.to_owned()).or_default() += 1;
    }
    counts
}

/// Kills over one engine.
pub struct Kills<'a, S> {
    pub engine: &'a Engine,
    /// Of this program, to look.
    pub store: S,
    /// A line for each wrong password.
    pub trail: PathBuf,
}

impl<S: Store> Kills<'_, S> {
    pub fn server(&self) -> Server {
        Server::start(&self.engine.url(), Some(&self.trail))
    }

    pub async fn state(&self, token: &str) -> TokenState {
        token_state(&self.store, family_of(token), &kept_digest(token)).await.unwrap().expect("the family is there").0
    }

    pub async fn is_found(&self, access: &str) -> bool {
        AccessTokenStore::find(&self.store, &SecretDigest::of(access)).await.unwrap().is_some()
    }

    pub async fn at_each_step(&self) {
        self.of_servers(kills("SHARED_STEP_KILLS", 1)).await;
        self.of_engines(kills("SHARED_ENGINE_STEPS", 4)).await;
    }

    async fn of_servers(&self, rounds: usize) {
        let began = Instant::now();
        let mut done = 0;
        for (number, (request, step)) in steps().into_iter().enumerate() {
            for round in 0..rounds {
                let user = format!("server-{number}-{round}");
                let mut server = self.server();
                let (tokens, from) = (self.first(server.address, &user), someone());
                server.trap(step);
                let asked = self.ask(&server, request, &user, from, &tokens);
                server.stands();
                thread::sleep(if step.moment == During { moments(round) } else { Duration::ZERO });
                server.kill();
                assert!(asked.join().unwrap().is_none(), "{step:?}: the answer was lost");
                let server = self.server();
                self.check(&server, (request, step), (&user, from, &tokens), None).await;
                done += 1;
            }
        }
        println!(
            "ok: {}, {:.1?}: {done} kills of a server, {rounds} at each step: no login lost, none doubly live, no charge forgotten",
            self.engine.title(),
            began.elapsed()
        );
    }

    /// `most` of the steps, spread over all.
    async fn of_engines(&self, most: usize) {
        let (began, steps) = (Instant::now(), steps());
        let mut server = self.server();
        let (mut slowest, mut done, mut unknown) = (Duration::ZERO, 0, 0);
        for turn in 0..most {
            // As many steps of the later turns as of the first ones, and other moments.
            let number = (turn * steps.len()).div_ceil(most.min(steps.len())) % steps.len();
            let (request, step) = steps[number];
            let user = format!("engine-{turn}");
            let (tokens, from) = (self.first(server.address, &user), someone());
            server.trap(step);
            let asked = self.ask(&server, request, &user, from, &tokens);
            server.stands();
            thread::sleep(if step.moment == During { moments(turn) } else { Duration::ZERO });
            self.engine.kill();
            server.let_go();
            let answer = asked.join().unwrap().expect("the server lives");
            let wrong = request == Request::Guess;
            assert!([if wrong { 400 } else { 200 }, 503].contains(&answer.0), "{step:?}: {answer:?}");
            unknown += usize::from(answer.0 == 503);
            self.engine.begin();
            let since = Instant::now();
            slowest = slowest.max(serves_again(server.address, since, "back"));
            self.look_again(since).await;
            self.check(&server, (request, step), (&user, from, &tokens), Some(answer)).await;
            done += 1;
        }
        println!(
            "ok: {}, {:.1?}: {done} kills of the engine at a step of {}: {unknown} answers 503, the others true; served again \
             after {slowest:.1?} at most",
            self.engine.title(),
            began.elapsed(),
            steps.len()
        );
    }

    /// Waits until this program's own store works again.
    pub async fn look_again(&self, since: Instant) {
        while AccessTokenStore::find(&self.store, &SecretDigest::of("none")).await.is_err() {
            assert!(since.elapsed() < SOON, "not served again");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// The login with whose token a refresh is made.
    fn first(&self, address: SocketAddr, user: &str) -> Tokens {
        let (status, body) = served(|| login(address, someone(), &format!("{user}-first"), "right"));
        assert_eq!(status, 200, "{body}");
        Tokens::of(&body)
    }

    fn ask(
        &self,
        server: &Server,
        request: Request,
        user: &str,
        from: Ipv4Addr,
        tokens: &Tokens,
    ) -> thread::JoinHandle<Option<(u16, String)>> {
        let (address, user, token) = (server.address, user.to_owned(), tokens.refresh.clone());
        thread::spawn(move || match request {
            Request::Guess => login(address, from, &user, "guess"),
            Request::Login => login(address, from, &user, "right"),
            Request::Refresh => refresh(address, &token),
        })
    }

    /// Looks at what a kill has left, and goes on as this client would.
    async fn check(
        &self,
        server: &Server,
        (request, step): (Request, Step),
        (user, from, tokens): (&str, Ipv4Addr, &Tokens),
        answer: Option<(u16, String)>,
    ) {
        let told = answer.as_ref().is_some_and(|(status, _)| *status != 503);
        match request {
            Request::Guess => {
                let before = verified(&self.trail).get(user).copied().unwrap_or_default();
                let least = usize::from(was_verified(step) || told);
                // With its engine gone a server may still look at a password that was charged before.
                let most = if answer.is_some() { 1 } else { least };
                assert!((least..=most).contains(&before), "{step:?}: verified {before} times");
                let (mut denied, mut unknown) = (0, 0);
                loop {
                    let (status, body) =
                        login(server.address, from, user, &format!("guess{}", denied + unknown)).unwrap();
                    match status {
                        400 => denied += 1,
                        429 => break,
                        // A disk that has other work may be slow. It may be charged.
                        503 if unknown < 20 => unknown += 1,
                        _ => panic!("{step:?}: {status} {body}"),
                    }
                }
                // What is not known to be charged may be, and what was verified is.
                let counts = format!("{step:?}: {before} verified, then {denied}, and {unknown} unknown");
                assert!(denied + before <= 10 && denied + unknown >= 9, "{counts}");
            }
            Request::Login => {
                let given = answer.filter(|_| told).map(|(_, body)| Tokens::of(&body));
                if let Some(tokens) = &given {
                    assert_eq!(self.state(&tokens.refresh).await, TokenState::Live, "{step:?}: a false success");
                    assert!(self.is_found(&tokens.access).await, "{step:?}: a false success");
                }
                let access = AccessTokenStore::revoke_subject(&self.store, None, user).await.unwrap();
                let begun = RefreshTokenStore::revoke_subject(&self.store, None, user).await.unwrap();
                assert!(begun <= 1 && access == begun, "{step:?}: a login and its access token: {begun} and {access}");
                let is_done = step.moment == After || step.call == Answer;
                assert!(step.moment == During || begun == u64::from(is_done || told), "{step:?}: begun is {begun}");
                let (status, body) = served(|| login(server.address, from, user, "right"));
                assert_eq!(status, 200, "{step:?}: {body}");
            }
            Request::Refresh => self.check_refresh(server, step, tokens, answer.filter(|_| told)).await,
        }
    }

    async fn check_refresh(&self, server: &Server, step: Step, tokens: &Tokens, answer: Option<(u16, String)>) {
        let is_rotated = match self.state(&tokens.refresh).await {
            TokenState::Live => false,
            TokenState::Predecessor { .. } => true,
            state => panic!("{step:?}: {state:?}"),
        };
        let is_done = (step.call, step.moment) == (Rotate, After) || step.call == Answer;
        let may_be = (step.call, step.moment) == (Rotate, During);
        assert!(may_be || is_rotated == (is_done || answer.is_some()), "{step:?}: rotated is {is_rotated}");
        assert!(self.is_found(&tokens.access).await, "{step:?}: the login's own");
        let given = answer.map(|(_, body)| Tokens::of(&body));
        if let Some(given) = &given {
            assert_eq!(self.state(&given.refresh).await, TokenState::Live, "{step:?}: a false success");
            assert!(self.is_found(&given.access).await, "{step:?}: a false success");
        }
        // As a client does whose answer was lost.
        let (status, body) = served(|| refresh(server.address, &tokens.refresh));
        assert_eq!(status, 200, "{step:?}: the login is lost: {body}");
        let next = Tokens::of(&body);
        assert!(given.is_none_or(|given| given.refresh == next.refresh), "{step:?}: two successors");
        assert!(matches!(self.state(&tokens.refresh).await, TokenState::Predecessor { .. }), "{step:?}");
        assert_eq!(self.state(&next.refresh).await, TokenState::Live, "{step:?}");
        assert!(self.is_found(&next.access).await, "{step:?}");
    }
}

/// Whether the password has been looked at before this step.
fn was_verified(step: Step) -> bool {
    matches!((step.call, step.nth), (Load | Swap, 1))
}
