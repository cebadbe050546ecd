//! The budgets of second factors in random histories, and by name.

use proptest::prelude::*;

use super::*;

const IN_A_ROW: usize = 25;

fn limits() -> Limits {
    let budget = Lockout::new(25, MINUTE * 60 * 24 * 30).locked_for(MINUTE * 60 * 24, MINUTE * 60 * 24 * 7);
    Limits::new().with_factor_in_a_row_budget(budget)
}

fn code(limiter: &MemoryLimiter, user: u8, challenge: u8, from: &str) -> Result<Reservation, Refusal> {
    let subject = user.to_string();
    let guess = Guess::Factor { realm: None, subject: &subject, challenge: &[challenge; 16] };
    // An exemption lifts nothing.
    reserve(limiter, &AttemptKey::new(guess, from.parse().ok()).exempt())
}

#[derive(Clone, Debug)]
enum Act {
    Wait(Duration),
    Code { user: u8, challenge: u8 },
    Settle(prop::sample::Index, Settlement),
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let settlement = prop_oneof![
        6 => Just(Settlement::Denied),
        1 => Just(Settlement::Success),
        1 => Just(Settlement::Untried),
        1 => Just(Settlement::Undecided),
        1 => Just(Settlement::Refused),
        1 => Just(Settlement::Pending),
    ];
    let act = prop_oneof![
        4 => (0_u64..240).prop_map(|seconds| Act::Wait(Duration::from_secs(seconds))),
        1 => (240_u64..2000).prop_map(|seconds| Act::Wait(Duration::from_secs(seconds))),
        12 => (0_u8..2, 0_u8..6).prop_map(|(user, challenge)| Act::Code { user, challenge }),
        6 => (any::<prop::sample::Index>(), settlement).prop_map(|(which, how)| Act::Settle(which, how)),
    ];
    prop::collection::vec(act, 1..250)
}

/// A code that was charged.
#[derive(Clone, Copy, Debug)]
struct Charge {
    user: u8,
    challenge: u8,
    at: Duration,
    /// What it was charged on its user came back.
    is_back: bool,
    /// A login of its user was finished since.
    is_finished: bool,
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn no_budget_is_exceeded_and_none_refuses_before_it_is_spent(acts in acts()) {
        let (limiter, clock) = with_clock(MemoryLimiter::new().with_limits(limits()));
        let mut charges: Vec<Charge> = Vec::new();
        let mut under_way = Vec::new();
        for act in acts {
            let now = clock.elapsed();
            match act {
                Act::Wait(time) => clock.wait(time),
                Act::Code { user, challenge } => {
                    let within = |time: Duration, charge: &Charge| now - charge.at < time;
                    let of_user = || charges.iter().filter(move |charge| charge.user == user);
                    let at_challenge = of_user().filter(|charge| charge.challenge == challenge);
                    let at_challenge = at_challenge.filter(|charge| within(30 * MINUTE, charge)).count();
                    let stands = || of_user().filter(|charge| !charge.is_back);
                    let recent = stands().filter(|charge| within(15 * MINUTE, charge)).count();
                    let in_a_row = stands().filter(|charge| !charge.is_finished);
                    let in_a_row = in_a_row.filter(|charge| within(60 * 24 * MINUTE, charge)).count();
                    match code(&limiter, user, challenge, HERE) {
                        Ok(reservation) => {
                            prop_assert!(at_challenge < 5 && recent < 10, "{} {}", at_challenge, recent);
                            prop_assert!(in_a_row < IN_A_ROW, "{}", in_a_row);
                            under_way.push((charges.len(), reservation));
                            charges.push(Charge { user, challenge, at: now, is_back: false, is_finished: false });
                        }
                        Err(refusal) => {
                            let spent = match refusal.limit() {
                                Limit::Challenge => of_user().filter(|charge| charge.challenge == challenge).count() >= 5,
                                Limit::Factor => stands().count() >= 10,
                                Limit::FactorInARow => stands().filter(|charge| !charge.is_finished).count() >= IN_A_ROW,
                                _ => false,
                            };
                            prop_assert!(spent, "{:?}", refusal);
                        }
                    }
                }
                Act::Settle(..) if under_way.is_empty() => {}
                Act::Settle(which, settlement) => {
                    let (index, reservation): (usize, _) = under_way.swap_remove(which.index(under_way.len()));
                    settle(&limiter, reservation, settlement);
                    let user = charges[index].user;
                    charges[index].is_back |= settlement.gives_back();
                    if settlement == Settlement::Success {
                        charges.iter_mut().filter(|charge| charge.user == user).for_each(|charge| charge.is_finished = true);
                    }
                }
            }
        }
    }
}

#[test]
fn a_lock_of_a_factor_is_named_by_its_user_grows_and_is_lifted_by_an_operator() {
    let (limiter, clock) = with_clock(MemoryLimiter::new().with_limits(limits()));
    let spend = |first: u8| {
        let mut spent = 0;
        for challenge in first..=u8::MAX {
            match code(&limiter, 7, challenge, HERE) {
                Ok(wrong) => {
                    settle(&limiter, wrong, Settlement::Denied);
                    spent += 1;
                }
                Err(refusal) if refusal.limit() == Limit::Factor => clock.wait(15 * MINUTE),
                Err(refusal) => return (spent, refusal.limit(), refusal.retry_after()),
            }
        }
        panic!("it is never locked");
    };
    let day = 60 * 24 * MINUTE;
    assert_eq!(spend(0), (IN_A_ROW, Limit::FactorInARow, day));
    let [lock] = &*ready(limiter.factor_locks_of(None, "7")) else { panic!("not one lock") };
    assert_eq!((lock.limit, lock.remaining, lock.subject.as_deref()), (Limit::FactorInARow, day, Some("7")));
    assert_eq!((lock.account.is_none(), lock.address), (true, None));
    assert_eq!(locks(&limiter).len(), 1);
    // The next one is longer, and ends with a word of the operator.
    clock.wait(day);
    assert_eq!(spend(100), (IN_A_ROW, Limit::FactorInARow, 2 * day));
    assert!(ready(limiter.unblock_factor(None, "7")) > 0);
    assert!(locks(&limiter).is_empty() && code(&limiter, 7, 200, HERE).is_ok());
}

#[test]
fn a_finished_login_ends_the_count_in_a_row_and_a_right_password_ends_nothing() {
    let (limiter, clock) = with_clock(MemoryLimiter::new().with_limits(limits()));
    let mut challenges = 0_u8..;
    let mut wrong = |count: usize| {
        for _ in 0..count {
            // Never two within the short time.
            clock.wait(15 * MINUTE);
            let one = code(&limiter, 7, challenges.next().unwrap(), HERE).unwrap();
            settle(&limiter, one, Settlement::Denied);
        }
    };
    for _ in 0..3 {
        wrong(18);
        let right = code(&limiter, 7, u8::MAX, HERE).unwrap();
        settle(&limiter, right, Settlement::Success);
        clock.wait(30 * MINUTE);
    }
    wrong(18);
    let account = AccountKey::resolved("7");
    let password = AttemptKey::new(Guess::Account { realm: None, account: &account }, HERE.parse().ok());
    settle(&limiter, reserve(&limiter, &password).unwrap(), Settlement::Success);
    wrong(IN_A_ROW - 18);
    clock.wait(15 * MINUTE);
    assert_eq!(code(&limiter, 7, 200, HERE).unwrap_err().limit(), Limit::FactorInARow);
}

#[test]
fn codes_count_on_their_address_and_messages_on_none() {
    let bucket = TokenBucket::new(3, 60 * MINUTE);
    let (limiter, _) = with_clock(MemoryLimiter::new().with_limits(Limits::new().with_address_budget(bucket)));
    for user in 0..3 {
        settle(&limiter, code(&limiter, user, 0, HERE).unwrap(), Settlement::Denied);
    }
    assert_eq!(code(&limiter, 3, 0, HERE).unwrap_err().limit(), Limit::Address);
    let recovery = Guess::RecoveryCode { realm: None, subject: "4" };
    let refusal = reserve(&limiter, &AttemptKey::new(recovery, HERE.parse().ok())).unwrap_err();
    assert_eq!(refusal.limit(), Limit::Address);
    let message = Guess::Delivery { realm: None, subject: "4", authenticator: "sms|dev_1" };
    assert!(reserve(&limiter, &AttemptKey::new(message, HERE.parse().ok())).is_ok());
    assert!(code(&limiter, 3, 0, "192.0.2.2").is_ok());
}

/// What is told to wait is what there is to wait: a challenge is over, and no attempt of it is under way.
#[test]
fn a_spent_challenge_and_a_second_message_say_at_once_how_long_they_are_refused() {
    let (limiter, clock) = with_clock(MemoryLimiter::new());
    let under_way: Vec<_> = (0..5).map(|_| code(&limiter, 1, 1, HERE).unwrap()).collect();
    assert_eq!(code(&limiter, 1, 1, HERE).unwrap_err().retry_after(), 30 * MINUTE);
    drop(under_way);
    let message = Guess::Delivery { realm: None, subject: "1", authenticator: "sms|dev_1" };
    let key = AttemptKey::new(message, None);
    let sent = reserve(&limiter, &key).unwrap();
    let refusal = reserve(&limiter, &key).unwrap_err();
    assert_eq!((refusal.limit(), refusal.retry_after()), (Limit::Authenticator, MINUTE / 2));
    settle(&limiter, sent, Settlement::Refused);
    clock.wait(MINUTE / 2);
    for _ in 1..5 {
        // Dropped, it stays charged.
        let _ = reserve(&limiter, &key).unwrap();
        clock.wait(MINUTE / 2);
    }
    let refusal = reserve(&limiter, &key).unwrap_err();
    assert_eq!((refusal.limit(), refusal.retry_after()), (Limit::Delivery, 60 * MINUTE - MINUTE / 2));
    // Where nothing was handed over, it does not count; but the same authenticator has to wait.
    let message = Guess::Delivery { realm: None, subject: "2", authenticator: "sms|dev_1" };
    for _ in 0..9 {
        settle(&limiter, reserve(&limiter, &AttemptKey::new(message, None)).unwrap(), Settlement::Untried);
        clock.wait(MINUTE / 2);
    }
}

/// A flood of names fills the tables with what strangers are charged; users whose password was right keep room of their own.
#[test]
fn a_flood_of_strangers_makes_second_factors_no_stricter() {
    let (limiter, _) = with_clock(MemoryLimiter::new().with_limits(Limits::new().with_capacity(SHARDS * 128)));
    for number in 0..20_000_u32 {
        let name = number.to_string();
        let account = AccountKey::resolved(name.as_str());
        let from = Ipv4Addr::from_bits(0x0a00_0000 | number);
        let key = AttemptKey::new(Guess::Account { realm: None, account: &account }, Some(from.into()));
        if let Ok(reservation) = reserve(&limiter, &key) {
            settle(&limiter, reservation, Settlement::Denied);
        }
    }
    assert!(limiter.stats().was_full);
    for user in 0..8 {
        let codes = (0..20).take_while(|number| code(&limiter, user, number / 5, "no address").is_ok());
        assert_eq!(codes.count(), 10, "of user {user}");
    }
}
