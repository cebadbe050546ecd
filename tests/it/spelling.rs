//! One account, one budget: whatever spelling or alias of its name is typed, and whatever else is sent along.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use tower_password_grant::argon2::{Argon2Parameters, Argon2Verifier};
use tower_password_grant::limiter::MemoryLimiter;
use tower_password_grant::store::{LoginName, StoredUser, UserStore};
use tower_password_grant::token::Token;
use tower_password_grant::user::AccountKey;
use tower_password_grant::{
    BackendError, Grant, IssuedTokens, Password, PasswordGrant, PasswordGrantLayer, PeerAddress, StaticClients,
    issue_fn,
};

use crate::support::protection::counted_by;
use crate::support::{AUTH, Answer, ManualClock, clients, from_peer, send, token_request};

const BUDGET: usize = 10;
const RIGHT: &str = "correct horse";

fn cheap() -> Argon2Parameters {
    Argon2Parameters::new(64, 1, 1).unwrap()
}

/// Accounts with several names each, in the form in which they are looked up.
struct Directory {
    accounts: Vec<(&'static str, Vec<String>)>,
    hash: String,
    as_typed: bool,
}

#[async_trait]
impl UserStore for Directory {
    async fn find(&self, login: &LoginName<'_>, _: Option<&str>) -> Result<Option<StoredUser>, BackendError> {
        tokio::task::yield_now().await;
        let login = if self.as_typed { login.as_typed() } else { login.canonical() };
        let found = self.accounts.iter().find(|(_, names)| names.iter().any(|name| name == login));
        Ok(found.map(|(id, _)| StoredUser::new(*id).with_password_hash(self.hash.clone())))
    }

    async fn save_hash(&self, _: &str, _: &str, _: &str) -> Result<bool, BackendError> {
        Ok(false)
    }
}

/// The real verifier behind the real layer, with the default budget and a clock that stands still.
#[derive(Clone)]
struct House {
    layer: PasswordGrantLayer,
    subjects: Arc<Mutex<Vec<String>>>,
    peer: String,
}

impl House {
    fn of(accounts: &[(&'static str, &[&str])], by_name: bool) -> Self {
        let canonical = |name: &&str| AccountKey::canonical(name).as_str().to_owned();
        let accounts = accounts.iter().map(|(id, names)| (*id, names.iter().map(canonical).collect())).collect();
        Self::over(accounts, false, by_name)
    }

    /// A table that holds names as they were once chosen and is asked for them so.
    fn as_typed(accounts: &[(&'static str, &str)]) -> Self {
        Self::over(accounts.iter().map(|(id, name)| (*id, vec![(*name).to_owned()])).collect(), true, false)
    }

    fn over(accounts: Vec<(&'static str, Vec<String>)>, as_typed: bool, by_name: bool) -> Self {
        let hash = cheap().hash_blocking(&Password::new(RIGHT.to_owned())).unwrap();
        let directory = Directory { accounts, hash, as_typed };
        let mut verifier = Argon2Verifier::builder(directory).parameters(cheap()).threads(1);
        if by_name {
            verifier = verifier.count_by_login_name();
        }
        let subjects = Arc::new(Mutex::new(Vec::new()));
        let issued = Arc::clone(&subjects);
        let layer = PasswordGrant::builder()
            .clients(StaticClients::new(clients()).unwrap())
            .verifier(verifier.build().unwrap())
            .issuer(issue_fn(move |grant: Grant| {
                issued.lock().unwrap().push(grant.subject().id().to_owned());
                async move { Ok(IssuedTokens::bearer(Token::random("at_")?, grant.lifetime())) }
            }))
            .peer_address(PeerAddress::socket_addr())
            .attack_protection(counted_by(MemoryLimiter::new().with_clock(Arc::new(ManualClock::new()))))
            .build()
            .unwrap();
        Self { layer, subjects, peer: "192.0.2.1".to_owned() }
    }

    /// The same house for a client with an address of its own, whose other guesses don't count here.
    fn for_peer(&self, number: usize) -> Self {
        Self { peer: format!("198.51.100.{number}"), ..self.clone() }
    }

    async fn log_in(&self, name: &str, password: &str) -> Answer {
        self.log_in_with(name, password, &[]).await
    }

    async fn log_in_with(&self, name: &str, password: &str, more: &[(&str, &str)]) -> Answer {
        let mut fields = vec![("grant_type", "password"), ("username", name), ("password", password)];
        fields.extend(more);
        let body = serde_urlencoded::to_string(fields).unwrap();
        send(&self.layer, from_peer(token_request(AUTH, &body), &self.peer)).await
    }

    /// Guesses under each of the names in turn: the budget of one account, and not one more.
    async fn assert_one_budget(&self, names: &[&str]) {
        for guess in 0..BUDGET + names.len() {
            let name = names[guess % names.len()];
            let answer = self.log_in(name, &format!("guess {guess}")).await;
            if guess < BUDGET {
                answer.assert_error(400, "invalid_grant");
            } else {
                answer.assert_error(429, "too_many_attempts");
            }
        }
        for name in names {
            self.log_in(name, RIGHT).await.assert_error(429, "too_many_attempts");
        }
    }
}

/// Spellings of one name each.
const SPELLINGS: [&[&str]; 8] = [
    &["alice", "ALICE", "Alice", " alice", "alice\t", "\u{a0}alice\u{3000}", "\u{2028}alice"],
    // Composed and decomposed, and marks in another order.
    &["zo\u{eb}", "zoe\u{308}", "ZO\u{cb}", "ZOE\u{308}", "zoe\u{34f}\u{308}"],
    &["\u{1ecd}\u{301}", "o\u{323}\u{301}", "o\u{301}\u{323}", "\u{f3}\u{323}"],
    // Full-width, mathematical, circled.
    &["bob", "\u{ff42}\u{ff4f}\u{ff42}", "\u{ff22}OB", "\u{1d41b}ob", "\u{24d1}ob"],
    // Invisible.
    &[
        "carol",
        "ca\u{200b}rol",
        "\u{feff}carol",
        "car\u{ad}ol",
        "carol\u{fe0f}",
        "\u{202e}carol\u{202c}",
        "car\u{2060}ol",
    ],
    // The Kelvin sign, ligatures, the long s.
    &["kim", "\u{212a}im", "KIM"],
    &["office", "o\u{fb03}ce", "O\u{fb00}ice", "OFFICE"],
    // The dotted capital I has no small letter of its own.
    &["\u{130}rem", "I\u{307}rem", "i\u{307}rem", "\u{130}REM"],
];

#[tokio::test]
async fn spellings_of_a_name_reach_one_user_and_share_one_budget_t8() {
    for by_name in [false, true] {
        let house = House::of(&SPELLINGS.map(|names| (names[0], &names[..1])), by_name);
        for (number, names) in SPELLINGS.into_iter().enumerate() {
            let house = house.for_peer(number);
            for name in names {
                house.log_in(name, RIGHT).await.assert_ok();
                assert_eq!(house.subjects.lock().unwrap().last().unwrap(), names[0], "{name:?}");
            }
            house.assert_one_budget(names).await;
        }
    }
}

#[tokio::test]
async fn spellings_of_an_unknown_name_reach_nobody_and_share_one_budget_t8() {
    for by_name in [false, true] {
        let house = House::of(&[], by_name);
        for (number, names) in SPELLINGS.into_iter().enumerate() {
            house.for_peer(number).assert_one_budget(names).await;
        }
    }
}

#[tokio::test]
async fn names_that_only_look_alike_are_other_names() {
    let house = House::of(&[("17", &["alice"])], false);
    for name in ["\u{430}lice", "\u{e1}lice", "al ice", "alice.", "a\u{131}ice", "al1ce"] {
        house.assert_one_budget(&[name]).await;
    }
    house.log_in("alice", RIGHT).await.assert_ok();
}

#[tokio::test]
async fn login_name_and_aliases_of_an_account_share_one_budget_t8() {
    let accounts: [(&str, &[&str]); 2] =
        [("17", &["alice", "alice@example.com", "a.smith@corp.example"]), ("18", &["bob", "bob@example.com"])];
    let house = House::of(&accounts, false);
    house.assert_one_budget(&["alice", "Alice@Example.com", "a.smith@corp.example ", "ALICE"]).await;
    // Another account is not touched, by either of its names.
    house.log_in("bob", RIGHT).await.assert_ok();
    house.log_in("bob@example.com", RIGHT).await.assert_ok();
}

#[tokio::test]
async fn counting_by_login_name_gives_each_alias_a_budget_as_the_option_says() {
    let house = House::of(&[("17", &["alice", "alice@example.com"])], true);
    house.assert_one_budget(&["alice", "ALICE"]).await;
    house.log_in("alice@example.com", RIGHT).await.assert_ok();
}

#[tokio::test]
async fn unknown_names_get_as_many_attempts_as_known_ones_and_the_same_answers_to_each_t18() {
    for by_name in [false, true] {
        let house = House::of(&[("17", &["alice", "alice@example.com"])], by_name);
        for attempt in 1..=BUDGET + 5 {
            // The same mistake again would not count.
            let guess = format!("x{attempt}");
            let known = house.log_in("alice", &guess).await;
            let expected = if attempt <= BUDGET { 400 } else { 429 };
            assert_eq!(known.status, expected, "attempt {attempt}");
            assert_eq!(known.header("retry-after").is_some(), expected == 429);
            // "17" is no login name, but the key of the account that is.
            for name in ["nobody", "nobody@example.com", "17", "\u{200b}"] {
                let unknown = house.log_in(name, &guess).await;
                let answer = |answer: Answer| (answer.status, answer.headers, answer.body);
                assert_eq!(answer(unknown), answer(known.clone()), "{name:?}, attempt {attempt}");
            }
        }
        let locked = house.log_in("alice", "x").await;
        let right = house.log_in("alice", RIGHT).await;
        assert_eq!((right.status, right.headers, right.body), (locked.status, locked.headers, locked.body));
    }
}

#[tokio::test]
async fn a_table_of_names_as_they_were_chosen_logs_its_users_in_and_tells_nobody_which_exist_t8_t18() {
    let house = House::as_typed(&[("17", "Bob@Example.com"), ("18", "bob@example.com")]);
    house.log_in("Bob@Example.com", RIGHT).await.assert_ok();
    house.log_in("bob@example.com", RIGHT).await.assert_ok();
    assert_eq!(*house.subjects.lock().unwrap(), ["17", "18"]);
    house.log_in("BOB@example.com", RIGHT).await.assert_error(400, "invalid_grant");
    // There each spelling is an account of its own: the lock of one does not show at another, whether the account exists or not.
    let house = House::as_typed(&[("17", "Bob")]);
    for (locked, other) in [("Bob", "bob"), ("Zed", "zed"), ("ann", "Ann")] {
        house.assert_one_budget(&[locked]).await;
        house.log_in(other, "x").await.assert_error(400, "invalid_grant");
    }
}

#[tokio::test]
async fn fields_that_the_endpoint_does_not_use_change_no_budget_t10() {
    let house = House::of(&[("17", &["alice"])], false);
    for name in ["alice", "nobody"] {
        for guess in 0..BUDGET + 5 {
            let number = guess.to_string();
            let fields: Vec<_> =
                ["realm", "connection", "account", "account_key", "ip", "audience", "tenant", "device", "user"]
                    .into_iter()
                    .map(|field| (field, number.as_str()))
                    .collect();
            let answer = house.log_in_with(name, &format!("x{guess}"), &fields[guess % 9..]).await;
            let expected = if guess < BUDGET { (400, "invalid_grant") } else { (429, "too_many_attempts") };
            answer.assert_error(expected.0, expected.1);
        }
    }
}

#[tokio::test]
async fn names_with_separators_and_wildcards_have_budgets_of_their_own_t9() {
    let names = [
        "a",
        "b",
        "a:b",
        "a:",
        ":b",
        "a|b",
        "a/b",
        "a\u{1f}b",
        "a\tb",
        "a,b",
        "*",
        "a*",
        "%",
        "a%",
        "_",
        "?",
        "[a-z]",
        "a\\",
        "'",
        "\"",
        "{a}",
        "name:a",
        "id:a",
        "192.0.2.1",
        "a:192.0.2.1",
        "resolved",
        "phantom",
    ];
    // A control character is no part of a name (RFC 6749 A.15).
    let legal: Vec<_> = names.into_iter().filter(|name| !name.contains('\u{1f}')).collect();
    let accounts: Vec<(&str, &[&str])> = legal.iter().map(|name| (*name, std::slice::from_ref(name))).collect();
    for known in [&accounts[..], &[]] {
        let house = House::of(known, false);
        // Locks one name, and all others are still free, at the same address.
        for (number, locked) in legal.iter().enumerate() {
            let house = house.for_peer(number);
            house.assert_one_budget(&[locked]).await;
            for other in legal.iter().filter(|other| *other != locked) {
                house.log_in(other, "x").await.assert_error(400, "invalid_grant");
            }
        }
        house.log_in("a\u{1f}b", RIGHT).await.assert_error(400, "invalid_request");
    }
}
