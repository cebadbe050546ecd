//! The classes of requests: each makes the same request again and again, at an endpoint of its own.

use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::Full;
use tower_password_grant::limiter::{Limits, Lockout};

use super::bed::{self, Bed, PAUSE, STEP};
use super::store::Change;

/// Makes the next request of a class.
pub type Make = Box<dyn Fn() -> Request<Full<Bytes>>>;

pub struct Class {
    pub name: &'static str,
    /// An endpoint of its own, so that each class finds the same state.
    pub begin: Box<dyn Fn() -> (Rc<Bed>, Make)>,
}

fn class<M: Fn() -> Request<Full<Bytes>> + 'static>(
    name: &'static str,
    begin: impl Fn() -> (Rc<Bed>, M) + 'static,
) -> Class {
    let begin = move || {
        let (bed, make) = begin();
        (bed, Box::new(make) as Make)
    };
    Class { name, begin: Box::new(begin) }
}

/// The same class, whose requests have what the mistake of its endpoint goes by.
pub fn known_inside(of: Class) -> Class {
    let begin = move || {
        let (bed, make) = (of.begin)();
        let user = Rc::clone(&bed);
        let make = move || {
            user.tell_insider(false);
            let request = make();
            user.tell_insider(true);
            request
        };
        (bed, Box::new(make) as Make)
    };
    Class { name: of.name, begin: Box::new(begin) }
}

/// A code of an authenticator app, once a right one was used.
#[derive(Clone, Copy)]
pub enum Otp {
    /// Of so many steps from the present one.
    Of(i64),
    /// That was used in the step before.
    UsedBefore,
    Letters,
}

pub const OTPS: [(&str, Otp); 7] = [
    ("wrong", Otp::Of(4000)),
    ("replayed", Otp::Of(0)),
    ("replayed in the next step", Otp::UsedBefore),
    ("of the step before the one that was used", Otp::Of(-1)),
    ("of the step before that", Otp::Of(-2)),
    ("of the next step", Otp::Of(1)),
    ("no digits", Otp::Letters),
];

pub fn one_app((name, which): (&'static str, Otp), change: Change) -> Class {
    class(name, move || {
        let bed = Rc::new(Bed::new(change));
        let secret = bed.app("pat");
        let user = Rc::clone(&bed);
        let make = move || {
            user.clock.advance(PAUSE);
            let right = user.code(&secret, 0);
            user.finish(bed::otp(&user.open("pat"), &right));
            if matches!(which, Otp::UsedBefore) {
                user.clock.advance(STEP);
            }
            let token = user.open("pat");
            match which {
                Otp::Of(steps) => bed::otp(&token, &user.code(&secret, steps)),
                Otp::UsedBefore => bed::otp(&token, &right),
                Otp::Letters => bed::otp(&token, "abcdef"),
            }
        };
        (bed, make)
    })
}

/// A user of three apps: a code of one of them, right or used before, or a wrong one where there is none.
pub fn three_apps(name: &'static str, app: Option<usize>, is_used: bool, change: Change) -> Class {
    class(name, move || {
        let bed = Rc::new(Bed::new(change));
        let secrets = [(); 3].map(|()| bed.app("pat"));
        let user = Rc::clone(&bed);
        let make = move || {
            user.clock.advance(PAUSE);
            let code = |app: usize| user.code(&secrets[app], 0);
            if is_used {
                user.finish(bed::otp(&user.open("pat"), &code(app.unwrap_or(0))));
            }
            let token = user.open("pat");
            bed::otp(&token, &app.map_or_else(|| user.code(&secrets[0], 4000), code))
        };
        (bed, make)
    })
}

/// A wrong code at a user with so many apps, and a telephone.
pub fn some_apps(name: &'static str, apps: usize) -> Class {
    class(name, move || {
        let bed = Rc::new(Bed::new(Change::None));
        bed.phone("pat");
        (0..apps).for_each(|_| drop(bed.app("pat")));
        let user = Rc::clone(&bed);
        (bed, move || {
            user.clock.advance(PAUSE);
            bed::otp(&user.open("pat"), "123456")
        })
    })
}

#[derive(Clone, Copy)]
pub enum Recovery {
    /// The one at this place.
    Right(usize),
    Used,
    Never,
    Anothers,
}

pub fn recovery(name: &'static str, which: Recovery, change: Change) -> Class {
    class(name, move || {
        let bed = Rc::new(Bed::new(change));
        let (codes, others) = (bed.phone("pat"), bed.phone("bob"));
        // Made here: what is freed beside a request makes the next allocations of its size cheaper.
        let (used, never) = (codes[3].clone(), codes[3].chars().rev().collect::<String>());
        let user = Rc::clone(&bed);
        if change != Change::FailsBehindRecovery {
            bed.finish(bed::recovery(&bed.open("pat"), &used));
        }
        let make = move || {
            user.swap_back("pat");
            user.clock.advance(PAUSE);
            let token = user.open("pat");
            match which {
                Recovery::Right(place) => bed::recovery(&token, &codes[place]),
                Recovery::Used => bed::recovery(&token, &used),
                Recovery::Never => bed::recovery(&token, &never),
                Recovery::Anothers => bed::recovery(&token, &others[0]),
            }
        };
        (bed, make)
    })
}

#[derive(Clone, Copy)]
pub enum Identifier {
    Own,
    Nobodys,
    Anothers,
    Waiting,
    Garbage,
}

/// A user with two apps, one of which waits for its first code; and another user.
fn identifiers(which: Identifier, change: Change) -> (Rc<Bed>, String) {
    let bed = Rc::new(Bed::new(change));
    for user in ["pat", "bob"] {
        bed.app(user);
    }
    let waiting = bed.waiting("pat");
    let [own, others] = ["pat", "bob"].map(|user| bed.identifiers(user).swap_remove(0));
    let identifier = match which {
        Identifier::Own => own,
        Identifier::Nobodys => bed::nobodys(&others),
        Identifier::Anothers => others,
        Identifier::Waiting => waiting,
        Identifier::Garbage => own.replace("dev_", "dev "),
    };
    (bed, identifier)
}

pub fn challenged(name: &'static str, which: Identifier, change: Change) -> Class {
    class(name, move || {
        let (bed, identifier) = identifiers(which, change);
        let token = bed.open("pat");
        (bed, move || bed::challenge(&token, &identifier))
    })
}

pub fn removed(name: &'static str, which: Identifier, change: Change) -> Class {
    class(name, move || {
        let (bed, identifier) = identifiers(which, change);
        let bearer = bed.manager("pat");
        (bed, move || bed::remove(&bearer, &identifier))
    })
}

/// A code of an authenticator app under a lock: of one challenge, or of the user.
pub fn locked(name: &'static str, steps: i64, is_of_user: bool, change: Change) -> Class {
    class(name, move || {
        let many = Lockout::new(u32::MAX, Duration::from_millis(1));
        let limits = if is_of_user { Limits::new().with_challenge_budget(many) } else { Limits::new() };
        let bed = Rc::new(Bed::with(change, limits));
        let secret = bed.app("pat");
        let token = bed.open("pat");
        let tries = if is_of_user { 10 } else { 5 };
        for _ in 0..tries {
            assert_eq!(bed.send(bed::otp(&token, "none")).0, StatusCode::BAD_REQUEST);
        }
        let user = Rc::clone(&bed);
        (bed, move || bed::otp(&token, &user.code(&secret, steps)))
    })
}

#[derive(Clone, Copy)]
pub enum Sms {
    /// With this digit changed.
    WrongAt(usize),
    Right,
    Short,
    Letters,
}

fn changed(code: &str, place: usize) -> String {
    let mut digits = code.as_bytes().to_vec();
    digits[place] = if digits[place] == b'9' { b'0' } else { digits[place] + 1 };
    String::from_utf8(digits).unwrap()
}

/// A code that was sent, once it was used for another login; so much later.
pub fn sent(name: &'static str, which: Sms, later: Duration, is_spent: bool, change: Change) -> Class {
    class(name, move || {
        let bed = Rc::new(Bed::new(change));
        bed.phone("pat");
        let user = Rc::clone(&bed);
        let make = move || {
            user.clock.advance(PAUSE);
            let token = user.open("pat");
            let (oob_code, code) = user.sent(&token);
            if is_spent {
                user.finish(bed::oob(&token, &oob_code, &code));
            }
            user.clock.advance(later);
            match which {
                Sms::WrongAt(place) => bed::oob(&token, &oob_code, &changed(&code, place)),
                Sms::Right => bed::oob(&token, &oob_code, &code),
                Sms::Short => bed::oob(&token, &oob_code, &code[1..]),
                Sms::Letters => bed::oob(&token, &oob_code, "abcdef"),
            }
        };
        (bed, make)
    })
}

#[derive(Clone, Copy)]
pub enum Token {
    AnotherClients,
    /// With its last byte changed.
    Damaged,
    /// Of a key that is none.
    OfNoKey,
    AnotherKind,
}

pub fn tokens(name: &'static str, which: Token, change: Change) -> Class {
    class(name, move || {
        let bed = Rc::new(Bed::new(change));
        bed.app("pat");
        bed.phone("pat");
        let user = Rc::clone(&bed);
        let make = move || {
            user.clock.advance(PAUSE);
            let token = match which {
                Token::AnotherClients => user.open_at("web", "pat"),
                Token::Damaged => {
                    let own = user.open("pat");
                    let at = own.len() - 8;
                    let other = if own.as_bytes()[at] == b'A' { "B" } else { "A" };
                    format!("{}{other}{}", &own[..at], &own[at + 1..])
                }
                Token::OfNoKey => user.open("pat").replacen("AWJlbmNo", "AWJlbmNp", 1),
                Token::AnotherKind => user.sent(&user.open("pat")).0,
            };
            bed::otp(&token, "123456")
        };
        (bed, make)
    })
}
