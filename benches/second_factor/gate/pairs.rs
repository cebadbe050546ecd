//! What is compared: requests that are refused alike, so that their work must not tell them apart.

use std::time::Duration;

use http::StatusCode;

use super::classes::{
    Class, Identifier, OTPS, Recovery, Sms, Token, challenged, known_inside, locked, one_app, recovery, removed, sent,
    some_apps, three_apps, tokens,
};
use super::store::Change;

/// How far the most expensive of the classes may lie above the cheapest.
#[derive(Clone, Copy)]
pub enum Aim {
    /// By no more than this many instructions, and by no more than so many allocations.
    Equal(u64, f64),
    /// By no more than this many instructions, whatever is allocated.
    Near(u64),
    /// A mistake of this benchmark: by more than this many instructions.
    Caught(u64),
    /// A mistake of too few instructions to be told from what random bytes change, but of one allocation in each request. The row
    /// that it belongs to does not let that pass.
    CaughtByAllocations,
    /// As far as it is: the answers differ, too.
    Told,
}

/// Equally many allocations.
const NONE: f64 = 0.1;
/// Equally many allocations, where a table grows in some of the requests. One allocation more in each request would be 1.
const ROUNDED: f64 = 0.3;

pub struct Pair {
    pub name: &'static str,
    pub aim: Aim,
    pub status: StatusCode,
    /// Whether all must be answered by the same bytes.
    pub has_one_face: bool,
    pub classes: Vec<Class>,
}

/// All of them.
pub fn all() -> Vec<Pair> {
    let refused = |name, aim, classes| Pair { name, aim, status: StatusCode::BAD_REQUEST, has_one_face: true, classes };
    let three = |change| {
        let names = ["right, of the first app", "right, of the second app", "right, of the third app"];
        names.into_iter().enumerate().map(|(app, name)| three_apps(name, Some(app), false, change)).collect()
    };
    let from_now = Duration::ZERO;
    let over = Duration::from_secs(5 * 60 + 1);
    vec![
        refused("code of an app", Aim::Equal(500, NONE), OTPS.map(|of| one_app(of, Change::None)).into()),
        refused(
            "mistake: a used code is found out by a write",
            Aim::Caught(500),
            OTPS[..2].iter().map(|of| one_app(*of, Change::HidesLastStep)).collect(),
        ),
        refused(
            "three apps: code of one of them",
            Aim::Equal(300, ROUNDED),
            vec![
                three_apps("wrong", None, true, Change::None),
                three_apps("replayed, of the first app", Some(0), true, Change::None),
                three_apps("replayed, of the second app", Some(1), true, Change::None),
                three_apps("replayed, of the third app", Some(2), true, Change::None),
            ],
        ),
        Pair {
            has_one_face: false,
            status: StatusCode::OK,
            ..refused("three apps: right code", Aim::Equal(250, ROUNDED), three(Change::None))
        },
        Pair {
            has_one_face: false,
            status: StatusCode::OK,
            ..refused("mistake: rows are read until the right one", Aim::Caught(250), three(Change::ReadsRowByRow))
        },
        refused(
            "a telephone beside apps: wrong code",
            Aim::Told,
            vec![some_apps("no app", 0), some_apps("one app", 1), some_apps("three apps", 3)],
        ),
        refused(
            "recovery code",
            Aim::Equal(200, NONE),
            vec![
                recovery("never one", Recovery::Never, Change::None),
                recovery("used before", Recovery::Used, Change::None),
                recovery("another user's", Recovery::Anothers, Change::None),
            ],
        ),
        refused(
            "mistake: used recovery codes are known",
            Aim::CaughtByAllocations,
            vec![
                recovery("never one", Recovery::Never, Change::KnowsUsedRecoveryCodes),
                recovery("used before", Recovery::Used, Change::KnowsUsedRecoveryCodes),
            ],
        ),
        Pair {
            status: StatusCode::SERVICE_UNAVAILABLE,
            ..refused(
                "recovery code, up to its look-up",
                Aim::Equal(200, NONE),
                vec![
                    recovery("never one", Recovery::Never, Change::FailsBehindRecovery),
                    recovery("right, the first", Recovery::Right(0), Change::FailsBehindRecovery),
                    recovery("right, the last", Recovery::Right(7), Change::FailsBehindRecovery),
                ],
            )
        },
        refused(
            "challenge of an authenticator",
            Aim::Equal(200, NONE),
            vec![
                challenged("nobody's", Identifier::Nobodys, Change::None),
                challenged("another user's", Identifier::Anothers, Change::None),
                challenged("own, not confirmed", Identifier::Waiting, Change::None),
                challenged("no identifier", Identifier::Garbage, Change::None),
            ],
        ),
        refused(
            "mistake: the owner of an identifier is looked for",
            Aim::Caught(200),
            vec![
                challenged("nobody's", Identifier::Nobodys, Change::LooksForTheOwner),
                known_inside(challenged("another user's", Identifier::Anothers, Change::LooksForTheOwner)),
            ],
        ),
        Pair {
            status: StatusCode::OK,
            ..refused(
                "challenge of an authenticator that is known",
                Aim::Told,
                vec![challenged("own", Identifier::Own, Change::None)],
            )
        },
        refused(
            "removal of an authenticator",
            Aim::Equal(200, NONE),
            vec![
                removed("nobody's", Identifier::Nobodys, Change::None),
                removed("another user's", Identifier::Anothers, Change::None),
            ],
        ),
        refused(
            "mistake: nobody's is not looked up",
            Aim::CaughtByAllocations,
            vec![
                removed("nobody's", Identifier::Nobodys, Change::KnowsIdentifiers),
                removed("another user's", Identifier::Anothers, Change::KnowsIdentifiers),
            ],
        ),
        Pair {
            status: StatusCode::TOO_MANY_REQUESTS,
            ..refused(
                "under the lock of a challenge",
                Aim::Equal(200, NONE),
                vec![
                    locked("right", 0, false, Change::None),
                    locked("of the step before", -1, false, Change::None),
                    locked("wrong", 4000, false, Change::None),
                ],
            )
        },
        Pair {
            status: StatusCode::TOO_MANY_REQUESTS,
            ..refused(
                "under the lock of a user",
                Aim::Equal(200, NONE),
                vec![
                    locked("right", 0, true, Change::None),
                    locked("of the step before", -1, true, Change::None),
                    locked("wrong", 4000, true, Change::None),
                ],
            )
        },
        Pair {
            status: StatusCode::TOO_MANY_REQUESTS,
            ..refused(
                "mistake: a right code under a lock is written down",
                Aim::Caught(200),
                vec![
                    locked("wrong", 4000, false, Change::Notes),
                    known_inside(locked("right", 0, false, Change::Notes)),
                ],
            )
        },
        refused(
            "code by SMS",
            Aim::Equal(300, NONE),
            vec![
                sent("wrong in its first digit", Sms::WrongAt(0), from_now, false, Change::None),
                sent("wrong in its last digit", Sms::WrongAt(5), from_now, false, Change::None),
                sent("too short", Sms::Short, from_now, false, Change::None),
                sent("no digits", Sms::Letters, from_now, false, Change::None),
            ],
        ),
        refused(
            "mistake: a code that is almost right is written down",
            Aim::Caught(300),
            vec![
                sent("wrong in its first digit", Sms::WrongAt(0), from_now, false, Change::Notes),
                known_inside(sent("wrong in its last digit", Sms::WrongAt(5), from_now, false, Change::Notes)),
            ],
        ),
        refused(
            "code by SMS, expired",
            Aim::Equal(250, NONE),
            vec![
                sent("right", Sms::Right, over, false, Change::None),
                sent("wrong", Sms::WrongAt(0), over, false, Change::None),
            ],
        ),
        refused("code by SMS, replayed", Aim::Told, vec![sent("right", Sms::Right, from_now, true, Change::None)]),
        refused(
            "code by SMS, of a login that is over",
            Aim::Told,
            vec![sent("wrong", Sms::WrongAt(0), from_now, true, Change::None)],
        ),
        // What opens is read and dropped, and what does not is not. That far the classes lie apart, and it tells the holder of a
        // token only that it is genuine. No mistake is run against this bound: a small one lies within it.
        refused(
            "token of a login",
            Aim::Near(4500),
            vec![
                tokens("another client's", Token::AnotherClients, Change::None),
                tokens("damaged", Token::Damaged, Change::None),
                tokens("another kind", Token::AnotherKind, Change::None),
            ],
        ),
        // The name of its key, which is no secret, says that it opens nothing.
        refused("token of a login, of no key", Aim::Told, vec![tokens("of no key", Token::OfNoKey, Change::None)]),
    ]
}
