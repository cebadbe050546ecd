//! The promises of an [`AttemptLimiter`] about second factors, whatever its budgets are.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use super::limiter::{HERE, MOST, alice, bob, drain, reserve, settle};
use super::promise::{Make, PARALLEL, answer, broken, must, must_be, together};
use crate::boundary::limiter::{AttemptKey, AttemptLimiter, Guess, Limit, Refusal, Reservation, Reserved, Settlement};

const ELSEWHERE: IpAddr = IpAddr::V4(Ipv4Addr::new(198, 51, 100, 7));
const USER: &str = "user-17";
const FIRST: &str = "the first attempt is charged, not refused";

/// What is asked for.
#[derive(Clone, Copy)]
enum Ask<'a> {
    /// A code, at the challenge with this number.
    Code(usize),
    RecoveryCode,
    /// A message to this authenticator.
    Message(&'a str),
}

/// By a user in a realm.
type Who = (Option<&'static str>, &'static str);

const ALICE: Who = (None, USER);

async fn ask<L: AttemptLimiter>(
    limiter: &L,
    (realm, subject): Who,
    what: Ask<'_>,
    from: IpAddr,
) -> Result<Reservation, Refusal> {
    let mut challenge = [0; 16];
    let guess = match what {
        Ask::Code(number) => {
            let number = u64::try_from(number).unwrap_or(u64::MAX).to_le_bytes();
            challenge.iter_mut().zip(number).for_each(|(byte, of_number)| *byte = of_number);
            Guess::Factor { realm, subject, challenge: &challenge }
        }
        Ask::RecoveryCode => Guess::RecoveryCode { realm, subject },
        Ask::Message(authenticator) => Guess::Delivery { realm, subject, authenticator },
    };
    // The allow-list lifts nothing here.
    match answer(limiter.reserve(&AttemptKey::new(guess, Some(from)).exempt()).await) {
        Reserved::Charged(reservation) => Ok(reservation),
        Reserved::Refused(refusal) => Err(refusal),
    }
}

/// Asks until it is refused, and answers how often it was not.
async fn spend<L: AttemptLimiter>(
    limiter: &L,
    who: Who,
    what: impl Fn(usize) -> Ask<'static>,
    from: IpAddr,
) -> (usize, Refusal) {
    for asked in 0..=MOST {
        match ask(limiter, who, what(asked), from).await {
            Ok(reservation) => settle(limiter, reservation, Settlement::Denied).await,
            Err(refusal) => return (asked, refusal),
        }
    }
    broken("a limiter refuses: not one of 1,000 wrong codes of one user was refused")
}

/// How many codes of one user there are, each at another challenge.
async fn codes<L: AttemptLimiter>(make: Make<'_, L>) -> usize {
    let [limiter, _] = make().await;
    let (codes, refusal) = spend(&limiter, ALICE, Ask::Code, HERE).await;
    must(codes > 0, FIRST);
    let is_of_user = matches!(refusal.limit(), Limit::Factor | Limit::FactorInARow);
    must(is_of_user, "codes at ever new challenges are refused by a limit of their user");
    codes
}

pub(super) async fn spent<L: AttemptLimiter>(make: Make<'_, L>) {
    let most = codes(make).await;
    let [limiter, other] = make().await;
    let (at_one, refusal) = spend(&limiter, ALICE, |_| Ask::Code(0), HERE).await;
    must(at_one > 0 && at_one < most, "one challenge has fewer codes than its user has");
    must_be(refusal.limit(), Limit::Challenge, "the codes at one challenge are refused by its limit");
    for _ in 0..MOST {
        must(
            ask(&other, ALICE, Ask::Code(0), ELSEWHERE).await.is_err(),
            "a challenge that is spent stays so, from everywhere",
        );
    }
    let promise = "all budgets of a code are charged, or none: codes at a spent challenge used up those of their user";
    must_be(
        spend(&other, ALICE, |number| Ask::Code(number.saturating_add(1)), ELSEWHERE).await.0,
        most.saturating_sub(at_one),
        promise,
    );
    must(
        ask(&limiter, ALICE, Ask::Code(MOST), ELSEWHERE).await.is_err(),
        "the codes of a user count together from all addresses, and through all handles",
    );
    let own = "a user of another name or realm has codes of its own";
    for who in [(None, "user-18"), (Some("staff"), USER), (Some(""), USER)] {
        must(ask(&limiter, who, Ask::Code(0), HERE).await.is_ok(), own);
    }
}

pub(super) async fn apart<L: AttemptLimiter>(make: Make<'_, L>) {
    let [limiter, _] = make().await;
    spend(&limiter, ALICE, Ask::Code, HERE).await;
    let promise = "the codes of a user, its recovery codes, messages and passwords have budgets of their own";
    must(ask(&limiter, ALICE, Ask::RecoveryCode, HERE).await.is_ok(), promise);
    must(ask(&limiter, ALICE, Ask::Message("sms"), HERE).await.is_ok(), promise);
    let Ok(password) = reserve(&limiter, &alice(), HERE).await else { broken(promise) };
    settle(&limiter, password, Settlement::Success).await;
    let reset = "a right password, and what is finished with it, gives no codes back";
    must(ask(&limiter, ALICE, Ask::Code(MOST), HERE).await.is_err(), reset);

    let [limiter, other] = make().await;
    spend(&limiter, ALICE, |_| Ask::RecoveryCode, ELSEWHERE).await;
    must(ask(&other, ALICE, Ask::RecoveryCode, ELSEWHERE).await.is_err(), "recovery codes count through all handles");
    let way_in = "a stranger at another address does not close the way in by recovery codes";
    must(ask(&other, ALICE, Ask::RecoveryCode, HERE).await.is_ok(), way_in);
    must(ask(&other, ALICE, Ask::Code(0), ELSEWHERE).await.is_ok(), promise);
}

pub(super) async fn messages<L: AttemptLimiter>(make: Make<'_, L>) {
    let [limiter, other] = make().await;
    let Ok(sent) = ask(&limiter, ALICE, Ask::Message("sms|1"), HERE).await else { broken(FIRST) };
    // Those that are handed over are settled so.
    settle(&limiter, sent, Settlement::Refused).await;
    let at_once = ask(&other, ALICE, Ask::Message("sms|1"), ELSEWHERE).await.map_err(|refusal| refusal.limit());
    must_be(at_once.err(), Some(Limit::Authenticator), "one authenticator gets no second message at once");
    must(ask(&other, ALICE, Ask::Message("sms|2"), HERE).await.is_ok(), "another authenticator is not refused with it");
    must(ask(&other, (None, "user-18"), Ask::Message("sms|1"), HERE).await.is_ok(), "nor is that of another user");

    let [limiter, _] = make().await;
    for number in 0..MOST {
        // Each goes to an authenticator that had none yet.
        let name = format!("sms|{number}");
        match ask(&limiter, ALICE, Ask::Message(&name), HERE).await {
            Ok(sent) => settle(&limiter, sent, Settlement::Refused).await,
            Err(refusal) => return must_be(refusal.limit(), Limit::Delivery, "the messages to one user are bounded"),
        }
    }
    broken("the messages to one user are bounded")
}

pub(super) async fn finished<L: AttemptLimiter>(make: Make<'_, L>) {
    let most = codes(make).await;
    for settlement in [Settlement::Success, Settlement::Untried] {
        let [limiter, other] = make().await;
        for number in 1..most {
            let Ok(wrong) = ask(&limiter, ALICE, Ask::Code(number), HERE).await else { break };
            settle(&limiter, wrong, Settlement::Denied).await;
        }
        let Ok(last) = ask(&limiter, ALICE, Ask::Code(0), HERE).await else {
            broken("the same codes have the same budget each time");
        };
        settle(&other, last, settlement).await;
        let (left, _) = spend(&limiter, ALICE, |number| Ask::Code(most.saturating_add(number)), HERE).await;
        must(left >= 1, "a code that finished a login, or was not tried, gives its own charge of the user back");
        must(left <= 1, "a finished login gives back no wrong codes of a short time");
    }
    let [limiter, _] = make().await;
    for _ in 0..MOST {
        let Ok(right) = ask(&limiter, ALICE, Ask::Code(0), HERE).await else { return };
        settle(&limiter, right, Settlement::Untried).await;
    }
    broken("what a challenge was charged never comes back");
}

pub(super) async fn parallel<L: AttemptLimiter>(make: Make<'_, L>) {
    let most = codes(make).await;
    for is_one_challenge in [true, false] {
        let limiters = make().await.map(Arc::new);
        let count = most.saturating_add(PARALLEL);
        let calls = limiters.iter().cycle().take(count).enumerate().map(|(number, limiter)| {
            let (limiter, number) = (Arc::clone(limiter), if is_one_challenge { 0 } else { number });
            async move { ask(&*limiter, ALICE, Ask::Code(number), HERE).await.is_ok() }
        });
        let charged = together(calls).await.into_iter().filter(|charged| *charged).count();
        must(charged > 0, "of parallel codes some are charged");
        must(charged <= most, "parallel codes never exceed the budget");
        must(!is_one_challenge || charged < most, "parallel codes never exceed that of their challenge");
    }
}

/// Charges all passwords that there are; the last is settled as pending.
async fn pending<L: AttemptLimiter>(limiter: &L, budget: usize) -> Option<[u8; 32]> {
    for _ in 1..budget {
        let wrong = reserve(limiter, &alice(), HERE).await.ok()?;
        settle(limiter, wrong, Settlement::Denied).await;
    }
    let right = reserve(limiter, &alice(), HERE).await.ok()?;
    let bytes = *right.key();
    settle(limiter, right, Settlement::Pending).await;
    Some(bytes)
}

pub(super) async fn resumed<L: AttemptLimiter>(make: Make<'_, L>) {
    let (budget, limit) = super::limiter::budget(make).await;
    let promise = "the same attempts have the same budget each time";
    let resume = async |limiter: &L, bytes: [u8; 32], settlement: Settlement| {
        settle(limiter, Reservation::new(bytes).resumed(), settlement).await;
    };
    // What is not a success keeps the charge.
    let [limiter, other] = make().await;
    let Some(bytes) = pending(&limiter, budget).await else { broken(promise) };
    must(refuses(&limiter).await, "an attempt that is settled as `Pending` stays charged");
    for settlement in
        [Settlement::Denied, Settlement::Refused, Settlement::Untried, Settlement::Undecided, Settlement::Pending]
    {
        resume(&other, bytes, settlement).await;
        must(refuses(&limiter).await, "of what was pending nothing but a success takes anything back");
    }
    // The success takes back what any would, through another handle.
    resume(&other, bytes, Settlement::Success).await;
    let (left, _) = drain(&limiter, &alice(), HERE).await;
    must(left > 0, "what was pending may succeed later, through every handle");
    if limit == Limit::AccountAndAddress {
        must(left >= budget, "a success of what was pending forgets the failures, as every one does");
    }
    for limiter in [&limiter, &other] {
        resume(limiter, bytes, Settlement::Success).await;
        must(refuses(limiter).await, "what was pending succeeds once: a second success takes nothing back");
    }
    // Many at once.
    let limiters = make().await.map(Arc::new);
    let [one, _] = &limiters;
    let Some(bytes) = pending(&**one, budget).await else { broken(promise) };
    let calls = limiters.iter().cycle().take(PARALLEL).map(|limiter| {
        let limiter = Arc::clone(limiter);
        async move { settle(&*limiter, Reservation::new(bytes).resumed(), Settlement::Success).await }
    });
    together(calls).await;
    drain(&**one, &alice(), HERE).await;
    resume_all(&limiters, bytes).await;
    must(refuses(&**one).await, "what was pending succeeds once, however many say so at the same time");
    must(reserve(&**one, &bob(), ELSEWHERE).await.is_ok(), "nothing of it is charged to another account");
}

async fn refuses<L: AttemptLimiter>(limiter: &L) -> bool {
    reserve(limiter, &alice(), HERE).await.is_err()
}

async fn resume_all<L: AttemptLimiter>(limiters: &[Arc<L>], bytes: [u8; 32]) {
    for limiter in limiters {
        settle(&**limiter, Reservation::new(bytes).resumed(), Settlement::Success).await;
    }
}
