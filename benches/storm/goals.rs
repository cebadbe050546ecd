//! What the rounds together say of the goals.

use super::attack::BOTS;
use super::round::Round;

/// The rounds of each mode.
#[derive(Default)]
pub struct Rounds {
    pub later: Vec<Round>,
    pub at_once: Vec<Round>,
    pub rude: Vec<Round>,
    pub hostile: Vec<Round>,
    pub botnet: Vec<Round>,
}

fn median(rounds: &[Round], of: impl Fn(&Round) -> f64) -> f64 {
    let mut figures: Vec<f64> = rounds.iter().map(of).collect();
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}

fn mean(rounds: &[Round], name: &str) -> f64 {
    rounds.iter().map(|round| round.of(name)).sum::<f64>() / rounds.len() as f64
}

fn most<'a>(rounds: impl Iterator<Item = &'a Round>, of: impl Fn(&Round) -> f64) -> f64 {
    // Not `f64::max`, which would pass over what could not be measured.
    rounds.map(of).max_by(f64::total_cmp).unwrap_or(f64::NAN)
}

fn say(goal: &str, figure: &str, met: bool) {
    println!("{goal}: {figure}: {}", if met { "met" } else { "MISSED" });
}

/// What a botnet leaves of honest logins.
pub fn judge_botnet(botnet: &[Round]) {
    let success = mean(botnet, "back_success");
    let p99 = median(botnet, |round| round.of("back_p99"));
    say(
        &format!(
            "G22 {BOTS} hostile addresses: honest logins that succeed from addresses that logged in before, at least \
             0.95, p99 at most 1000 ms"
        ),
        &format!("{success:.3}, {p99:.0} ms"),
        success >= 0.95 && p99 <= 1000.0,
    );
    println!(
        "without a goal: of honest logins from new addresses {:.3} succeed while {BOTS} addresses guess {:.0} times a second",
        mean(botnet, "login_success"),
        mean(botnet, "guess_all"),
    );
}

pub fn judge(rounds: &Rounds) {
    let Rounds { later, at_once, rude, hostile, botnet } = rounds;
    let storm = || later.iter().chain(at_once);
    let attacks = || hostile.iter().chain(botnet);
    let all = || storm().chain(rude).chain(attacks());

    let quiet = all().map(|round| round.quiet).fold(f64::MAX, f64::min);
    if quiet < 0.97 {
        println!(
            "the machine was not quiet (bare threads got {quiet:.2} of their cores): S1, S2, S3, S5, G20 and G21 say little"
        );
    }

    let share = median(later, Round::share);
    say("S1 logins/s of the hashing limit, at least 0.90", &format!("{share:.2}"), share >= 0.90);
    let p99 = median(later, |round| round.of("get_p99"));
    say("S2 GET p99 meanwhile, at most 5 ms", &format!("{p99:.2} ms"), p99 <= 5.0);
    let (share, p99) = (median(at_once, Round::share), median(at_once, |round| round.of("get_p99")));
    let met = share >= 0.80 && p99 <= 10.0;
    say("S3 clients that retry at once: at least 0.80 and p99 at most 10 ms", &format!("{share:.2}, {p99:.2} ms"), met);
    let peak = most(storm(), |round| round.of("peak_mib"));
    let growth = most(storm(), |round| round.of("peak_mib") - round.of("idle_mib"));
    let met = growth <= 16.0 && peak <= 64.0;
    say("S4 peak memory, at most idle + 16 MiB and 64 MiB", &format!("idle {growth:+.1}, {peak:.1} MiB"), met);
    let ratio = median(later, |round| round.of("login_p99") / round.of("queue_millis"));
    say("S5 login p99 of those admitted, at most 1.3 of queue x time / threads", &format!("{ratio:.2}"), ratio <= 1.3);
    let (hashes, threads) = (most(all(), |round| round.of("peak_hashes")), rude[0].of("threads"));
    let figure = format!("{hashes} of {threads}");
    say("S6 hashes at once, hang-ups and attacks included, never more than threads", &figure, hashes <= threads);
    let unanswered: f64 = storm().map(|round| round.of("unanswered")).sum();
    let other: f64 = storm().map(|round| round.of("other")).sum();
    let met = unanswered == 0.0 && other == 0.0;
    say("S7 requests without an answer, or with another than 200 and 503", &format!("{unanswered}, {other}"), met);

    let success = mean(hostile, "login_success");
    let (login, get) = (median(hostile, |round| round.of("login_p99")), median(hostile, |round| round.of("get_p99")));
    say(
        "G20 one hostile address: honest logins that succeed, at least 0.99, p99 at most 1000 ms, GET p99 at most 10 ms",
        &format!("{success:.3}, {login:.0} ms, {get:.2} ms"),
        success >= 0.99 && login <= 1000.0 && get <= 10.0,
    );
    let gain = median(botnet, |round| round.of("get_p99") - round.of("calm_get_p99"));
    let wait: f64 = storm().chain(attacks()).map(|round| round.of("without_wait")).sum();
    say(
        &format!("G21 {BOTS} hostile addresses: GET p99 gained, at most 10 ms; 429 and 503 without Retry-After, none"),
        &format!("{gain:+.2} ms, {wait}"),
        gain <= 10.0 && wait == 0.0,
    );
    let unanswered: f64 = attacks().map(|round| round.of("unanswered")).sum();
    let other: f64 = attacks().map(|round| round.of("other")).sum();
    say(
        "G20, G21 requests without an answer, or with another than 200, 503 and, if hostile, 400, 429, 503",
        &format!("{unanswered}, {other}"),
        unanswered == 0.0 && other == 0.0,
    );
    judge_botnet(botnet);
}
