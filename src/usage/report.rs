//! The report, and how it looks in a terminal.

use std::fmt;

use serde::Serialize;

use crate::protocol::usage::day::{Day, DayRange};
use crate::protocol::usage::tally::{ClientUsage, WayUsage};

/// Which users have logged in how. It prints as tables for a terminal, and serializes with the names of its fields.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct UsageReport {
    /// The days that it reports.
    pub window: DayRange,
    /// How many logins and refreshes this ledger has not kept, since it was made: there was no room for them. The report lacks them.
    pub missed: u64,
    /// The first day of which one was missed.
    pub since: Option<Day>,
    /// How many rows the store has not taken yet, because it fails: the report lacks them.
    pub waiting: u64,
    /// The clients, by their identifiers.
    pub clients: Vec<ClientUsage>,
}

/// A table whose columns are as wide as what is in them. Numbers stand at the right.
struct Table<const N: usize> {
    head: [&'static str; N],
    /// Whether a column has numbers.
    numbers: [bool; N],
    rows: Vec<[String; N]>,
}

impl<const N: usize> fmt::Display for Table<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let head = self.head.map(str::to_owned);
        let lines = || std::iter::once(&head).chain(&self.rows);
        let mut widths = [0; N];
        for line in lines() {
            widths.iter_mut().zip(line).for_each(|(width, cell)| *width = cell.chars().count().max(*width));
        }
        for line in lines() {
            let mut text = String::new();
            for ((cell, width), is_number) in line.iter().zip(widths).zip(self.numbers) {
                let cell = if is_number { format!("{cell:>width$}") } else { format!("{cell:<width$}") };
                text.push_str(&cell);
                text.push_str("  ");
            }
            writeln!(f, "{}", text.trim_end())?;
        }
        Ok(())
    }
}

fn shown(day: Option<Day>) -> String {
    day.map_or_else(|| "-".to_owned(), |day| day.to_string())
}

fn of_client(usage: &ClientUsage) -> [String; 8] {
    [
        usage.client.to_string(),
        usage.users.to_string(),
        usage.only_by_password.to_string(),
        usage.moved.to_string(),
        usage.fallen_back.to_string(),
        shown(usage.last_password_login),
        shown(usage.last_password_refresh),
        shown(usage.password_families_end),
    ]
}

fn of_way(usage: &ClientUsage, way: &WayUsage) -> [String; 7] {
    let by = if way.is_by_password { "yes" } else { "no" };
    [
        usage.client.to_string(),
        way.way.as_str().to_owned(),
        by.to_owned(),
        way.logins.to_string(),
        way.users.to_string(),
        way.refreshing.to_string(),
        shown(way.last_seen),
    ]
}

impl fmt::Display for UsageReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "Logins from {} to {} (UTC)", self.window.first, self.window.last)?;
        if self.clients.is_empty() {
            writeln!(f, "\nnone")?;
        } else {
            let clients = Table {
                head: [
                    "client",
                    "users",
                    "password only",
                    "moved",
                    "back",
                    "last login",
                    "last refresh",
                    "families end",
                ],
                numbers: [false, true, true, true, true, false, false, false],
                rows: self.clients.iter().map(of_client).collect(),
            };
            let ways = Table {
                head: ["client", "way", "by password", "logins", "users", "refreshing", "last seen"],
                numbers: [false, false, false, true, true, true, false],
                rows: self
                    .clients
                    .iter()
                    .flat_map(|usage| usage.ways.iter().map(move |way| of_way(usage, way)))
                    .collect(),
            };
            write!(f, "\n{clients}\n{ways}")?;
        }
        if let Some(since) = self.since {
            writeln!(f, "\nMissed since {since}: {}. The numbers are too low.", self.missed)?;
        }
        if self.waiting > 0 {
            writeln!(f, "\nNot written yet: {}. The store fails.", self.waiting)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::client::registered::ClientId;
    use crate::protocol::usage::row::{ClientUser, Usage};
    use crate::protocol::usage::tally::Tally;
    use crate::protocol::usage::way::LoginWay::{Elsewhere, Password, SecondFactor};

    fn report() -> UsageReport {
        let today = Day::from_number(20_550);
        let window = DayRange::new(today.before(29), today);
        let mut tally = Tally::new(window);
        let (app, cli) = (ClientId::new("app").unwrap(), ClientId::new("command-line").unwrap());
        let login = |way, by, ago| Usage::new(way, by, today.before(ago));
        tally.add(ClientUser::new(&app, None, "a"), login(Password, true, 0).with_families_end(Some(today.after(31))));
        tally.add(ClientUser::new(&app, None, "b"), login(SecondFactor, true, 9).with_refreshed(Some(today.before(2))));
        tally.add(ClientUser::new(&app, None, "b"), login(Elsewhere, false, 1));
        tally.add(ClientUser::new(&cli, None, "a"), login(Password, true, 90));
        tally.count(&app, Password, true, 1_234);
        tally.count(&app, SecondFactor, true, 5);
        UsageReport { window, missed: 0, since: None, waiting: 0, clients: tally.finish() }
    }

    #[test]
    fn a_report_prints_as_tables() {
        let expected = "\
Logins from 2026-03-09 to 2026-04-07 (UTC)

client        users  password only  moved  back  last login  last refresh  families end
app               2              1      1     0  2026-04-07  2026-04-05    2026-05-08
command-line      0              0      0     0  2026-01-07  -             -

client        way            by password  logins  users  refreshing  last seen
app           password       yes            1234      1           0  2026-04-07
app           second_factor  yes               5      1           0  2026-04-05
app           elsewhere      no                0      1           0  2026-04-06
command-line  password       yes               0      0           0  2026-01-07
";
        assert_eq!(report().to_string(), expected);
    }

    #[test]
    fn a_report_says_what_it_lacks() {
        let empty = UsageReport { clients: Vec::new(), ..report() };
        assert_eq!(empty.to_string(), "Logins from 2026-03-09 to 2026-04-07 (UTC)\n\nnone\n");
        let since = Some(empty.window.first);
        let lacking = UsageReport { missed: 7, since, waiting: 3, ..empty };
        let expected = "\
Logins from 2026-03-09 to 2026-04-07 (UTC)

none

Missed since 2026-03-09: 7. The numbers are too low.

Not written yet: 3. The store fails.
";
        assert_eq!(lacking.to_string(), expected);
    }

    #[test]
    fn a_report_serializes_with_the_names_of_its_fields() {
        let json = serde_json::to_value(report()).unwrap();
        assert_eq!(json["window"], serde_json::json!({ "first": "2026-03-09", "last": "2026-04-07" }));
        assert_eq!(
            (&json["missed"], &json["since"], &json["waiting"]),
            (&0.into(), &serde_json::Value::Null, &0.into())
        );
        assert_eq!(json["clients"][0]["ways"][1]["way"], "second_factor");
        assert_eq!(json["clients"][1]["client"], "command-line");
    }
}
