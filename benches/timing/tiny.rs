//! Hashes of 8 KiB and one pass (G32): they hide no difference in the logic around them.

use std::sync::Arc;

use tower_password_grant::argon2::Argon2Parameters;
use tower_password_grant::client::ClientAuthMethod;
use tower_password_grant::store::SecretDigest;

use super::direct::{request, runtime, text, time};
use super::options::Options;
use super::random::Random;
use super::report::{Aim, Row, Shown, Unit};
use super::server::{CLIENT, endpoint, verifier};
use super::stats::Paired;
use super::users::{UNUSABLE, Users, known, unknown, wrong};
use super::wire::form;

const WARM_UP: usize = 500;

pub fn tiny(options: &Options, random: &mut Random) -> Vec<Row> {
    let parameters = Argon2Parameters::new(8, 1, 1).unwrap();
    let users = Arc::new(Users::new(&parameters, &parameters));
    let verifier = verifier(&users, &parameters, 1);
    let mut endpoint =
        endpoint(verifier, &SecretDigest::of("no client of this run"), None::<Arc<dyn ClientAuthMethod>>);
    let runtime = runtime();
    let _within = runtime.enter();
    let unusable: fn(&mut Random) -> String = |_| UNUSABLE.to_owned();
    let mut rows = vec![
        ("-", "8 KiB hash: the same class twice", Aim::Told, known as fn(&mut Random) -> String),
        ("G32", "8 KiB hash: unknown name / wrong password", Aim::Equal, unknown),
        ("G32", "8 KiB hash: unusable hash / wrong password", Aim::Equal, unusable),
    ];
    rows.retain(|(goal, name, ..)| options.wants(goal, name));
    let mut times: Vec<[Vec<f64>; 2]> = rows.iter().map(|_| Default::default()).collect();
    for turn in 0..rows.len() * (options.tiny + WARM_UP) {
        // One after the other in random order, so that none is always behind the same one.
        let index = if turn < rows.len() * WARM_UP { turn % rows.len() } else { random.below(rows.len()) };
        let mut users = [known(random), (rows[index].3)(random)].map(Some);
        let first = usize::from(random.coin());
        let mut pair = [0.0; 2];
        for class in [first, 1 - first] {
            let form = form(CLIENT, &users[class].take().unwrap(), &wrong(random));
            let (nanos, answer) = time(&mut endpoint, request(form));
            let text = text(answer);
            assert!(text.contains("invalid_grant"), "{text}");
            pair[class] = nanos / 1e6;
        }
        if turn >= rows.len() * WARM_UP {
            times[index][0].push(pair[0]);
            times[index][1].push(pair[1]);
        }
    }
    let rows = rows.into_iter().zip(times).map(|((goal, name, aim, _), [first, second])| {
        let paired = Paired::of(&first, &second);
        Row { goal, name, aim, shown: Shown::Paired { paired, unit: Unit::Microseconds, bound: 2.0 } }
    });
    rows.collect()
}
