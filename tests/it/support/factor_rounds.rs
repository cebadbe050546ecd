//! Races of second factors over a service, wherever it runs: what is shown at once counts once, and no budget is exceeded.

use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use serde_json::{Value, json};

use super::totp::totp;

/// A request of the client `app`.
#[derive(Clone, Debug)]
pub struct Ask {
    pub method: &'static str,
    pub path: String,
    /// A bearer token, with which JSON goes.
    pub bearer: Option<String>,
    pub body: String,
    pub from: Ipv4Addr,
}

/// Its answer.
#[derive(Clone, Debug)]
pub struct Reply {
    pub status: u16,
    pub json: Value,
}

impl Reply {
    /// A text of the answer.
    #[track_caller]
    pub fn text(&self, name: &str) -> String {
        self.json[name].as_str().unwrap_or_else(|| panic!("no `{name}` in {self:?}")).to_owned()
    }
}

/// An address that nobody had before, so that no budget of one is spent.
pub fn someone() -> Ipv4Addr {
    static NEXT: AtomicU32 = AtomicU32::new(0x0a00_0000);
    Ipv4Addr::from(NEXT.fetch_add(1, Ordering::Relaxed))
}

fn form(body: String) -> Ask {
    let body = format!("client_id=app&{body}");
    Ask { method: "POST", path: "/oauth/token".to_owned(), bearer: None, body, from: someone() }
}

/// The right password, from an address of its user: from there the same one again does not count.
pub fn password(name: &str, more: &str) -> Ask {
    let hash = name.bytes().fold(0_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    let ask = form(format!("grant_type=password&username={name}&password=correct+horse{more}"));
    Ask { from: Ipv4Addr::from(0x0b00_0000 | hash >> 8), ..ask }
}

pub fn refresh(token: &str) -> Ask {
    form(format!("grant_type=refresh_token&refresh_token={token}"))
}

/// A code of an authenticator app.
pub fn otp(mfa_token: &str, code: &str) -> Ask {
    form(format!("grant_type=http://auth0.com/oauth/grant-type/mfa-otp&mfa_token={mfa_token}&otp={code}"))
}

/// A recovery code.
pub fn recovery(mfa_token: &str, code: &str) -> Ask {
    let grant = "http://auth0.com/oauth/grant-type/mfa-recovery-code";
    form(format!("grant_type={grant}&mfa_token={mfa_token}&recovery_code={code}"))
}

/// A request to an endpoint that goes by a bearer.
pub fn managed(method: &'static str, path: &str, bearer: &str, body: &Value) -> Ask {
    let body = if method == "POST" { body.to_string() } else { String::new() };
    Ask { method, path: path.to_owned(), bearer: Some(bearer.to_owned()), body, from: someone() }
}

/// Begins the enrolment of an authenticator app.
pub fn associate(bearer: &str) -> Ask {
    managed("POST", "/mfa/associate", bearer, &json!({ "authenticator_types": ["otp"] }))
}

pub fn list(bearer: &str) -> Ask {
    managed("GET", "/mfa/authenticators", bearer, &Value::Null)
}

/// A service that demands a factor of each user.
pub trait Service {
    /// Sends requests at once, over all its processes in turn, and gives the answers in their order.
    fn all(&mut self, asks: Vec<Ask>) -> Vec<Reply>;

    /// The same; `meanwhile` is done while they are under way.
    fn all_while(&mut self, asks: Vec<Ask>, meanwhile: impl FnOnce() + Send + 'static) -> Vec<Reply>;

    /// The time since 1970.
    fn time(&self) -> Duration;

    fn advance(&self, seconds: u64);

    /// Whether codes have the budgets that are the default.
    fn has_budgets(&self) -> bool;

    /// What locks a user, or changes the password.
    fn change(&self, name: &str, locks: bool) -> Box<dyn FnOnce() + Send>;

    fn one(&mut self, ask: Ask) -> Reply {
        self.all(vec![ask]).remove(0)
    }

    /// A login that is left open.
    fn open(&mut self, name: &str) -> String {
        let reply = self.one(password(name, ""));
        assert_eq!((reply.status, reply.text("error").as_str()), (403, "mfa_required"), "{reply:?}");
        reply.text("mfa_token")
    }

    /// The code that an app shows.
    fn code(&self, secret: &str) -> String {
        totp(secret, self.time())
    }

    /// Enrols an authenticator app: its secret, and the recovery codes. The next code is another one.
    fn enrol(&mut self, name: &str) -> (String, Vec<String>) {
        let token = self.open(name);
        let begun = self.one(associate(&token));
        assert_eq!(begun.status, 200, "{begun:?}");
        let secret = begun.text("secret");
        let confirmed = self.one(otp(&token, &self.code(&secret)));
        assert_eq!(confirmed.status, 200, "{confirmed:?}");
        self.advance(30);
        let codes = begun.json["recovery_codes"].as_array().unwrap();
        (secret, codes.iter().map(|code| code.as_str().unwrap().to_owned()).collect())
    }
}

/// How many answers have this status. There is none but tokens, wrong, and too many.
#[track_caller]
pub fn count(replies: &[Reply], status: u16) -> usize {
    assert!(replies.iter().all(|reply| [200, 400, 429].contains(&reply.status)), "{replies:?}");
    replies.iter().filter(|reply| reply.status == status).count()
}

/// Codes that were tried at once: one has won, and no more of them were looked at than a budget allows.
#[track_caller]
fn one_wins(replies: &[Reply], most: Option<usize>) {
    assert_eq!(count(replies, 200), 1, "{replies:?}");
    within(replies, most);
}

/// No more codes were looked at than a budget allows; without one all were.
#[track_caller]
fn within(replies: &[Reply], most: Option<usize>) {
    let tried = replies.len() - count(replies, 429);
    assert!(tried <= most.unwrap_or(replies.len()), "{tried} were tried");
    assert!(most.is_some() || tried == replies.len(), "{tried} were tried");
}

/// Logins of one user that are open. Only the one that wins is used up.
struct Pool {
    name: String,
    /// Each with its end.
    tokens: Vec<(String, Duration)>,
}

impl Pool {
    fn of(name: &str) -> Self {
        Self { name: name.to_owned(), tokens: Vec::new() }
    }

    fn take(&mut self, service: &mut impl Service, number: usize) -> Vec<String> {
        let now = service.time();
        self.tokens.retain(|(_, ends)| *ends > now);
        let ends = now + Duration::from_secs(599);
        // One after the other: the same password does not count once it is known to be right.
        while self.tokens.len() < number {
            self.tokens.push((service.open(&self.name), ends));
        }
        self.tokens.iter().map(|(token, _)| token.clone()).collect()
    }

    /// Puts away the one that has won.
    fn used(&mut self, replies: &[Reply]) {
        let won = replies.iter().position(|reply| reply.status == 200).unwrap();
        self.tokens.remove(won);
    }
}

/// The next code is another one, and the budgets of a short time are whole again.
fn later(service: &impl Service) {
    service.advance(if service.has_budgets() { 16 * 60 } else { 30 });
}

/// 100 right codes for one challenge.
pub fn right_codes(service: &mut impl Service, rounds: usize) {
    let (secret, _) = service.enrol("right");
    for _ in 0..rounds {
        later(service);
        let (token, code) = (service.open("right"), service.code(&secret));
        let replies = service.all((0..100).map(|_| otp(&token, &code)).collect());
        one_wins(&replies, service.has_budgets().then_some(5));
    }
}

/// One right code for 50 challenges.
pub fn challenges(service: &mut impl Service, rounds: usize) {
    let (mut secret, _) = service.enrol("challenges");
    let mut pool = Pool::of("challenges");
    for round in 0..rounds {
        // Logins that are left open stay charged: so many of them would spend what the address of a user has.
        if service.has_budgets() || round % 100 == 99 {
            let name = format!("challenges-{round}");
            secret = service.enrol(&name).0;
            pool = Pool::of(&name);
        }
        service.advance(30);
        let (tokens, code) = (pool.take(service, 50), service.code(&secret));
        let replies = service.all(tokens.iter().map(|token| otp(token, &code)).collect());
        // The charge of the one that won comes back.
        one_wins(&replies, service.has_budgets().then_some(11));
        pool.used(&replies);
    }
}

/// 50 codes for one challenge, one of them right.
pub fn codes(service: &mut impl Service, rounds: usize) {
    let (secret, _) = service.enrol("codes");
    for round in 0..rounds {
        later(service);
        let (token, code) = (service.open("codes"), service.code(&secret));
        let before = totp(&secret, service.time() - Duration::from_secs(30));
        let others = (0..).map(|at| format!("{at:06}")).filter(|other| ![&code, &before].contains(&other));
        let mut all: Vec<String> = others.take(49).collect();
        all.insert(round % 50, code);
        let replies = service.all(all.iter().map(|code| otp(&token, code)).collect());
        if service.has_budgets() {
            // The right one may not be among those that are tried.
            assert!(count(&replies, 200) <= 1, "{replies:?}");
            within(&replies, Some(5));
            if count(&replies, 200) == 0 {
                // It works for another login, which ends the wrong ones in a row: 100 of them would lock the factor.
                let other = service.open("codes");
                let reply = service.one(otp(&other, &all[round % 50]));
                assert_eq!(reply.status, 200, "{reply:?}");
            }
        } else {
            one_wins(&replies, None);
            assert_eq!(replies[round % 50].status, 200);
        }
    }
}

/// 50 equal recovery codes for 50 challenges, from as many addresses.
pub fn recovery_codes(service: &mut impl Service, rounds: usize) {
    let (_, mut owned) = service.enrol("recovery");
    let mut pool = Pool::of("recovery");
    for _ in 0..rounds {
        let (tokens, code) = (pool.take(service, 50), owned.remove(0));
        let replies = service.all(tokens.iter().map(|token| recovery(token, &code)).collect());
        one_wins(&replies, None);
        pool.used(&replies);
        // It was swapped for one.
        owned.push(replies.iter().find(|reply| reply.status == 200).unwrap().text("recovery_code"));
    }
}

/// Different codes that are all right, at the same moment: those of two steps and a recovery code, for one challenge, and then those
/// of two steps for two challenges.
pub fn different_codes(service: &mut impl Service, rounds: usize) {
    let (mut name, mut secret, mut owned) = (String::new(), String::new(), Vec::new());
    for round in 0..rounds {
        if owned.is_empty() {
            name = format!("different-{round}");
            (secret, owned) = service.enrol(&name);
        }
        later(service);
        let (before, code) = (totp(&secret, service.time() - Duration::from_secs(30)), service.code(&secret));
        let token = service.open(&name);
        let replies = service.all(vec![otp(&token, &before), otp(&token, &code), recovery(&token, &owned.remove(0))]);
        one_wins(&replies, None);

        service.advance(60);
        let codes = [totp(&secret, service.time() - Duration::from_secs(30)), service.code(&secret)];
        let tokens = [(); 2].map(|()| service.open(&name));
        let both = || tokens.iter().zip(&codes).map(|(token, code)| otp(token, code)).collect();
        let replies = service.all(both());
        // The later one works, and the one before it does if it comes first. Neither works again.
        assert_eq!(replies[1].status, 200, "{replies:?}");
        assert_eq!(count(&service.all(both()), 200), 0);
    }
}

/// Two enrolments, the confirmations of all that were begun, and two confirmations of one by two logins.
pub fn enrolments(service: &mut impl Service, rounds: usize) {
    for round in 0..rounds {
        let name = format!("enrols-{round}");
        let (one, two) = (service.open(&name), service.open(&name));
        let begun = service.all(vec![associate(&one), associate(&two)]);
        let begun: Vec<_> =
            begun.iter().filter(|reply| reply.status == 200).map(|reply| reply.text("secret")).collect();
        assert!(!begun.is_empty(), "none was begun");
        let tokens = [&one, &two];
        let tries = begun.iter().flat_map(|secret| tokens.map(|token| otp(token, &service.code(secret))));
        let tries: Vec<Ask> = tries.collect();
        let replies = service.all(tries);
        assert_eq!(count(&replies, 200), 1, "{replies:?}");
        one_is_active(service, &name);

        let name = format!("confirms-{round}");
        let (one, two) = (service.open(&name), service.open(&name));
        let secret = service.one(associate(&one)).text("secret");
        let codes = if round % 2 == 0 {
            [service.code(&secret), service.code(&secret)]
        } else {
            // Both are right, one after the other: then the second is an ordinary login.
            [totp(&secret, service.time() - Duration::from_secs(30)), service.code(&secret)]
        };
        let replies = service.all(vec![otp(&one, &codes[0]), otp(&two, &codes[1])]);
        let most = if codes[0] == codes[1] { 1 } else { 2 };
        assert!((1..=most).contains(&count(&replies, 200)), "{replies:?}");
        one_is_active(service, &name);
    }
}

/// The user has one app, which is active with its recovery codes.
fn one_is_active(service: &mut impl Service, name: &str) {
    let token = service.open(name);
    let listed = service.one(list(&token));
    let mut all: Vec<_> = listed.json.as_array().unwrap().iter().map(|one| (&one["type"], &one["active"])).collect();
    all.sort_by_key(|(kind, _)| kind.as_str());
    assert_eq!(all, [(&json!("otp"), &json!(true)), (&json!("recovery-code"), &json!(true))], "{listed:?}");
    assert_eq!(service.one(associate(&token)).status, 403);
}

/// A lock, and a change of the password, while codes come in: nothing is left of what was given before, and nothing is given after.
pub fn changes(service: &mut impl Service, rounds: usize) {
    for round in 0..rounds {
        let name = format!("changes-{round}");
        let (secret, _) = service.enrol(&name);
        let mut tokens: Vec<String> = (0..4).map(|_| service.open(&name)).collect();
        let (late, code) = (tokens.remove(0), service.code(&secret));
        let change = service.change(&name, round % 2 == 0);
        let replies = service.all_while(tokens.iter().map(|token| otp(token, &code)).collect(), change);
        assert!(count(&replies, 200) <= 1, "{replies:?}");
        service.advance(30);
        let code = service.code(&secret);
        let mut after = vec![otp(&late, &code)];
        let won = replies.iter().find(|reply| reply.status == 200);
        after.extend(won.map(|reply| refresh(&reply.text("refresh_token"))));
        for reply in service.all(after) {
            assert_eq!((reply.status, reply.text("error").as_str()), (400, "invalid_grant"), "{reply:?}");
        }
    }
}
