//! The users, and what is recorded of them.

use tower_password_grant::ClientId;
use tower_password_grant::usage::{ClientUser, Day, DayRange, LoginCount, LoginWay, Usage, UsageBatch, UsageRow};

/// As many rows as the ledger writes at once.
const BATCH: usize = 256;

pub fn today() -> Day {
    Day::from_number(20_600)
}

pub fn window() -> DayRange {
    DayRange::new(today().before(20), today().after(9))
}

pub fn app() -> ClientId {
    ClientId::new("app").unwrap()
}

pub fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).unwrap();
    bytes
}

/// A random identifier of 36 characters, as many directories give them.
pub fn identifier() -> String {
    let hex: String = random::<16>().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}

pub struct Users(Vec<String>);

impl Users {
    pub fn new(count: usize) -> Self {
        Self((0..count).map(|_| identifier()).collect())
    }

    /// How many have moved: they have another row.
    pub fn moved(&self) -> u64 {
        self.0.len().div_ceil(10) as u64
    }

    pub fn rows(&self) -> usize {
        self.0.len() + self.moved() as usize
    }
}

/// The batches of a day on which everybody was seen.
pub fn batches(users: &Users, days_later: u32) -> impl Iterator<Item = UsageBatch> {
    let (app, day) = (app(), today().after(days_later));
    let mut logins = 0;
    users.0.chunks(BATCH * 10 / 11).enumerate().map(move |(chunk, subjects)| {
        let mut rows = Vec::with_capacity(BATCH);
        for (at, subject) in subjects.iter().enumerate() {
            let user = ClientUser::new(&app, None, subject);
            let number = chunk * (BATCH * 10 / 11) + at;
            let password = Usage::new(LoginWay::Password, true, today())
                .with_refreshed(Some(day))
                .with_families_end(Some(day.after(30)));
            let has_moved = number.is_multiple_of(10);
            rows.push(UsageRow::new(user, if has_moved { password } else { password.with_logins(day, day) }));
            if has_moved {
                rows.push(UsageRow::new(user, Usage::new(LoginWay::Elsewhere, false, day)));
            }
        }
        logins += subjects.len() as u64;
        UsageBatch::new(rows, vec![LoginCount::new(app.clone(), LoginWay::Password, true, day, 7, logins)])
    })
}
