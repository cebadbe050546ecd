//! Client secrets (G33), in the way of `dudect`: the time of the whole endpoint for two classes of wrong secrets, in
//! random order, until Welch's t would find nanoseconds.

use tower_password_grant::TokenEndpoint;
use tower_password_grant::store::SecretDigest;

use super::direct::{request, runtime, text, time};
use super::mutants::{Compare, PlainSecret};
use super::options::Options;
use super::random::Random;
use super::report::{Aim, Row, Shown};
use super::server::endpoint;
use super::stats::{cropped_t, median};

/// As long as `ClientSecret::generate` makes them.
const LENGTH: usize = 43;
/// The longest that is accepted.
const LONG: usize = 1024;
const WARM_UP: usize = 5_000;

struct Test {
    goal: &'static str,
    name: &'static str,
    aim: Aim,
    endpoint: TokenEndpoint,
    field: &'static str,
    /// The secret of one class; both are made for every sample, and one is thrown away.
    first: Box<dyn Fn(&mut Random) -> String>,
    second: Box<dyn Fn(&mut Random) -> String>,
}

/// The secret with another letter in one place.
fn wrong_at(secret: &str, place: usize) -> Box<dyn Fn(&mut Random) -> String> {
    let secret = secret.to_owned();
    Box::new(move |random| {
        let mut letter = random.letter();
        while secret[place..].starts_with(letter) {
            letter = random.letter();
        }
        let mut wrong = secret.clone();
        wrong.replace_range(place..=place, letter.encode_utf8(&mut [0; 4]));
        wrong
    })
}

fn fixed(secret: &str) -> Box<dyn Fn(&mut Random) -> String> {
    let secret = secret.to_owned();
    Box::new(move |random| {
        // As much work as for a random one.
        std::hint::black_box(random.letters(secret.len()));
        secret.clone()
    })
}

/// A stored digest that `secret` misses by its last byte only: nobody outside can come nearer to one.
fn nearly(secret: &str) -> SecretDigest {
    let mut bytes = *SecretDigest::of(secret).as_bytes();
    bytes[31] ^= 1;
    SecretDigest::from_bytes(bytes)
}

fn tests(random: &mut Random) -> Vec<Test> {
    let nobody = || tower_password_grant::verify_fn(|_| async { Err("no client gets here".into()) });
    let (secret, near, far, long) =
        (random.letters(LENGTH), random.letters(LENGTH), random.letters(LENGTH), random.letters(LONG));
    let ours = |digest: SecretDigest| endpoint(nobody(), &digest, None::<PlainSecret>);
    let ends = |goal, name, aim, endpoint, field, secret: &str| Test {
        goal,
        name,
        aim,
        endpoint,
        field,
        first: wrong_at(secret, 0),
        second: wrong_at(secret, secret.len() - 1),
    };
    let plain = |goal, name, aim, compare, secret: &str| {
        let method = PlainSecret { secret: secret.to_owned(), compare };
        let endpoint = endpoint(nobody(), &SecretDigest::of("nobody ever presents it"), Some(method));
        ends(goal, name, aim, endpoint, "plain", secret)
    };
    const OURS: &str = "client_id=app-a&client_secret";
    vec![
        ends(
            "G33",
            "secret wrong in its last byte / in its first",
            Aim::Equal,
            ours(SecretDigest::of(&secret)),
            OURS,
            &secret,
        ),
        Test {
            goal: "G33",
            name: "digest wrong in its last byte / random secrets",
            aim: Aim::Equal,
            endpoint: ours(nearly(&near)),
            field: OURS,
            first: Box::new(|random| random.letters(LENGTH)),
            second: fixed(&near),
        },
        Test {
            goal: "G33",
            name: "digest wrong in its last byte / another fixed secret",
            aim: Aim::Equal,
            endpoint: ours(nearly(&near)),
            field: OURS,
            first: fixed(&far),
            second: fixed(&near),
        },
        plain("-", "comparison that never ends early, 1024 bytes", Aim::Told, Compare::Constant, &long),
        plain("G34", "mistake: bytes until one differs, 43 of them", Aim::Caught, Compare::Loop, &secret),
        plain("G34", "mistake: bytes until one differs, 1024 of them", Aim::Caught, Compare::Loop, &long),
        plain("G34", "mistake: == on secrets of 1024 bytes", Aim::Caught, Compare::Equals, &long),
        // At most a nanosecond of `memcmp`, whose sign changes from run to run: beyond what this method can tell.
        plain("-", "mistake below detection: == on 43 bytes", Aim::Told, Compare::Equals, &secret),
    ]
}

pub fn secrets(options: &Options, random: &mut Random) -> Vec<Row> {
    let runtime = runtime();
    let _within = runtime.enter();
    let mut tests = tests(random);
    tests.retain(|test| options.wants(test.goal, test.name));
    let mut times: Vec<[Vec<f64>; 2]> = tests.iter().map(|_| Default::default()).collect();
    // In blocks: with the endpoints in turn, the caches would be those of another one each time.
    let blocks = 20;
    for _ in 0..blocks {
        for (test, times) in tests.iter_mut().zip(&mut times) {
            for number in 0..options.samples / blocks + WARM_UP {
                let candidates = [(test.first)(random), (test.second)(random)];
                let class = usize::from(random.coin());
                let body = format!("grant_type=password&username=a&password=b&{}={}", test.field, candidates[class]);
                let (nanos, answer) = time(&mut test.endpoint, request(body));
                if number >= WARM_UP {
                    times[class].push(nanos);
                } else {
                    let text = text(answer);
                    assert!(text.contains("invalid_client"), "{}: {text}", test.name);
                }
            }
        }
    }
    let rows = tests.into_iter().zip(times).map(|(test, [first, second])| {
        let Test { goal, name, aim, .. } = test;
        let samples = first.len() + second.len();
        let shown =
            Shown::Leak { t: cropped_t(&second, &first), first: median(&first), second: median(&second), samples };
        Row { goal, name, aim, shown }
    });
    rows.collect()
}
