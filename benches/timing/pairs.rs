//! One connection, one request at a time: pairs of two classes in random order, pairs of all comparisons interleaved.

use std::net::SocketAddr;

use super::leaving;
use super::random::Random;
use super::report::{Aim, Row, Shown, Unit};
use super::server::{
    CLIENT, CONFIDENTIAL, EARLY, EARLY_IN_FOREIGN_REALM, EARLY_IN_NO_REALM, FIRST_OF, FIRST_OF_BLIND, FIRST_OF_EARLY,
    NO_DUMMY, OWN_CHEAPER, OWN_EQUAL, REAL, REALM_CLIENT,
};
use super::stats::Paired;
use super::users::{
    CORRUPT, DISABLED, EXPIRED, FOREIGN_REALM, NO_REALM, OUTDATED, PASSWORD, UNUSABLE, WITHOUT, known, other, unknown,
    wrong,
};
use super::wire::{Connection, form, login, post};

/// Before a comparison counts.
const WARM_UP: usize = 10;

/// A new request of one class, as it goes onto the wire.
pub type Ask = Box<dyn Fn(&mut Random) -> Vec<u8>>;

pub struct Comparison {
    pub goal: &'static str,
    pub name: &'static str,
    pub aim: Aim,
    pub pairs: usize,
    /// At their full cost, in a request.
    pub hashes: usize,
    /// In this unit.
    pub bound: f64,
    pub unit: Unit,
    pub first: Ask,
    pub second: Ask,
    /// The error that both classes must be answered with, and nothing else.
    pub error: &'static str,
}

pub fn ask(path: &'static str, user: fn(&mut Random) -> String) -> Ask {
    Box::new(move |random| login(path, CLIENT, &user(random), &wrong(random)))
}

fn special(path: &'static str, user: &'static str) -> Ask {
    Box::new(move |random| login(path, CLIENT, user, &wrong(random)))
}

fn right(user: &'static str) -> Ask {
    Box::new(move |_| login(REAL, CLIENT, user, PASSWORD))
}

fn long(user: fn(&mut Random) -> String, length: usize) -> Ask {
    Box::new(move |random| login(REAL, CLIENT, &user(random), &random.letters(length)))
}

fn in_realm() -> Ask {
    Box::new(|random| login(REAL, REALM_CLIENT, &known(random), &wrong(random)))
}

/// A login that names a realm.
fn naming(path: &'static str, client: &'static str, realm: impl Into<String>) -> Ask {
    let realm = realm.into();
    Box::new(move |random| post(path, &format!("{}&realm={realm}", form(client, &unknown(random), &wrong(random)))))
}

fn secret(client: &'static str) -> Ask {
    Box::new(move |random| {
        let secret = random.letters(43);
        post(REAL, &format!("grant_type=password&client_id={client}&client_secret={secret}&username=a&password=b"))
    })
}

/// With a hash at its full cost in every request: G29, G30 and the mistakes in them.
pub fn hashed(pairs: usize) -> Vec<Comparison> {
    // Gross mistakes need few pairs, a dummy run that is a little cheaper needs more.
    let (few, some) = ((pairs / 10).max(100), (pairs / 3).max(100));
    let row = |goal, name, aim, pairs, first, second| Comparison {
        goal,
        name,
        aim,
        pairs,
        hashes: 1,
        bound: 0.15,
        unit: Unit::Milliseconds,
        first,
        second,
        error: "invalid_grant",
    };
    let equal = |goal, name, second| row(goal, name, Aim::Equal, pairs, ask(REAL, known), second);
    let directories = |goal, name, path, second, aim, pairs| Comparison {
        hashes: 2,
        ..row(goal, name, aim, pairs, ask(path, known), ask(path, second))
    };
    let mistake = |name, pairs, first, second| row("G34", name, Aim::Caught, pairs, first, second);
    // The client lists no realm: so the verifier is given what the request names.
    let in_realms =
        |name, path| mistake(name, few, naming(path, CLIENT, FOREIGN_REALM), naming(path, CLIENT, NO_REALM));
    let mut rows = vec![
        row("-", "the same class twice", Aim::Told, pairs, ask(REAL, known), ask(REAL, known)),
        equal("G29", "unknown name / wrong password", ask(REAL, unknown)),
        equal("G30", "disabled, right password / wrong password", right(DISABLED)),
        equal("G30", "expired, right password / wrong password", right(EXPIRED)),
        equal("G30", "unusable hash / wrong password", special(REAL, UNUSABLE)),
        equal("G30", "corrupt hash / wrong password", special(REAL, CORRUPT)),
        equal("G30", "no hash / wrong password", special(REAL, WITHOUT)),
        equal("G30", "once outdated hash / wrong password", special(REAL, OUTDATED)),
        equal("G30", "wrong password of 4096 bytes / of 16", long(known, 4096)),
        row("G30", "4096 bytes: unknown name / known", Aim::Equal, pairs, long(known, 4096), long(unknown, 4096)),
        equal("G30", "name of another realm / wrong password", in_realm()),
        directories("G29", "realms: FirstOf, unknown name / known to first", FIRST_OF, unknown, Aim::Equal, pairs),
        directories("G29", "realms: FirstOf, known to second / to first", FIRST_OF, other, Aim::Equal, pairs),
        directories("G34", "mistake: realms: FirstOf, the first is early", FIRST_OF_EARLY, unknown, Aim::Caught, few),
        directories("G34", "mistake: realms: FirstOf, no work for nobody", FIRST_OF_BLIND, other, Aim::Caught, few),
        in_realms("mistake: realms: early for one that does not exist", EARLY_IN_NO_REALM),
        in_realms("mistake: realms: early for another client's", EARLY_IN_FOREIGN_REALM),
        mistake("mistake: early answer for unknown names", few, ask(EARLY, known), ask(EARLY, unknown)),
        mistake("mistake: dummy run 5 % cheaper", some, ask(OWN_CHEAPER, known), ask(OWN_CHEAPER, unknown)),
        row(
            "G34",
            "the same verifier, dummy run not cheaper",
            Aim::Told,
            some,
            ask(OWN_EQUAL, known),
            ask(OWN_EQUAL, unknown),
        ),
        mistake("mistake: no dummy run for an unusable hash", few, ask(NO_DUMMY, known), special(NO_DUMMY, UNUSABLE)),
    ];
    rows.extend(leaving::rows(pairs, few));
    rows
}

/// Answered before any hash.
pub fn unhashed(pairs: usize) -> Vec<Comparison> {
    let row = |goal, name, bound, first, second, error| Comparison {
        goal,
        name,
        aim: Aim::Equal,
        pairs,
        hashes: 0,
        bound,
        unit: Unit::Microseconds,
        first,
        second,
        error,
    };
    vec![
        row("G33", "unknown client / wrong secret", 50.0, secret(CONFIDENTIAL), secret("app-b"), "invalid_client"),
        row(
            "G30",
            "realms: one that does not exist / another client's",
            50.0,
            naming(REAL, REALM_CLIENT, FOREIGN_REALM),
            naming(REAL, REALM_CLIENT, NO_REALM),
            "invalid_request",
        ),
        row(
            "G30",
            "realms: one of 129 bytes / another client's",
            50.0,
            naming(REAL, REALM_CLIENT, FOREIGN_REALM),
            naming(REAL, REALM_CLIENT, "r".repeat(129)),
            "invalid_request",
        ),
        row(
            "G30",
            "5000 bytes, refused unread: unknown name / known",
            150.0,
            long(known, 5000),
            long(unknown, 5000),
            "invalid_request",
        ),
    ]
}

/// Logs the user in whose hash is outdated, so that it is upgraded.
pub fn upgrade(address: SocketAddr) {
    let answer = Connection::open(address).exchange(&login(REAL, CLIENT, OUTDATED, PASSWORD)).1;
    assert_eq!(answer.status, 200, "{}", answer.body);
}

/// Runs all comparisons on one connection.
pub fn run(comparisons: Vec<Comparison>, address: SocketAddr, random: &mut Random) -> Vec<Row> {
    let mut connection = Connection::open(address);
    let mut times: Vec<[Vec<f64>; 2]> = comparisons.iter().map(|_| Default::default()).collect();
    let mut left: Vec<usize> = comparisons.iter().map(|comparison| comparison.pairs + WARM_UP).collect();
    loop {
        let total: usize = left.iter().sum();
        if total == 0 {
            break;
        }
        let mut chosen = random.below(total);
        let index = left.iter().position(|left| chosen.checked_sub(*left).map(|rest| chosen = rest).is_none()).unwrap();
        left[index] -= 1;
        let [first, second] = pair(&mut connection, &comparisons[index], random);
        times[index][0].push(first);
        times[index][1].push(second);
    }
    let rows = comparisons.into_iter().zip(times).map(|(comparison, [first, second])| {
        let Comparison { goal, name, aim, bound, unit, .. } = comparison;
        let paired = Paired::of(&first[WARM_UP..], &second[WARM_UP..]);
        Row { goal, name, aim, shown: Shown::Paired { paired, unit, bound } }
    });
    rows.collect()
}

/// Milliseconds of both classes.
fn pair(connection: &mut Connection, comparison: &Comparison, random: &mut Random) -> [f64; 2] {
    // Both are made before either is sent.
    let requests = [(comparison.first)(random), (comparison.second)(random)];
    let mut times = [0.0; 2];
    let mut answers = [const { None }; 2];
    let first = usize::from(random.coin());
    for class in [first, 1 - first] {
        let (time, answer) = connection.exchange(&requests[class]);
        times[class] = time;
        answers[class] = Some(answer);
    }
    let [one, other] = answers.map(Option::unwrap);
    assert_eq!(one, other, "{}: not one face", comparison.name);
    let error = format!("\"error\":\"{}\"", comparison.error);
    assert!(one.body.contains(&error), "{}: {} {}", comparison.name, one.status, one.body);
    times
}
