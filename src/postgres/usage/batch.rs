//! A batch on its way into a statement.

use std::collections::BTreeMap;

use crate::postgres::connection::PostgresValue::{self, BigIntList, TextList};
use crate::postgres::failure::Failure;
use crate::postgres::store::finds_room;
use crate::protocol::usage::day::Day;
use crate::protocol::usage::row::{Usage, UsageBatch};

/// A client, and a realm of its users.
type Place<'a> = (&'a str, Option<&'a str>);

/// No day, in a list of days.
const NO_DAY: i64 = -1;

/// The rows and counts of a batch, each key once.
pub(super) struct Merged<'a> {
    /// The places, with their numbers in the batch.
    places: BTreeMap<Place<'a>, i64>,
    rows: BTreeMap<(i64, &'a str, u8), Usage>,
    /// By place, day, way and writer.
    counts: BTreeMap<(i64, Day, u8, u64), i64>,
}

impl<'a> Merged<'a> {
    pub(super) fn of(batch: &'a UsageBatch) -> Result<Self, Failure> {
        let mut merged = Self { places: BTreeMap::new(), rows: BTreeMap::new(), counts: BTreeMap::new() };
        for row in batch.rows() {
            finds_room(&[&row.subject])?;
            finds_room(&[row.client.as_str(), row.realm.as_deref().unwrap_or_default()])?;
            let place = merged.place((row.client.as_str(), row.realm.as_deref()));
            let key = (place, &*row.subject, row.usage.way.number_with(row.usage.is_by_password));
            merged.rows.entry(key).and_modify(|usage| *usage = usage.merged(row.usage)).or_insert(row.usage);
        }
        for count in batch.counts() {
            let logins = i64::try_from(count.logins).map_err(|_| Failure::Value("a number of logins"))?;
            let place = merged.place((count.client.as_str(), None));
            let key = (place, count.day, count.way.number_with(count.is_by_password), count.writer);
            merged.counts.entry(key).and_modify(|kept| *kept = logins.max(*kept)).or_insert(logins);
        }
        Ok(merged)
    }

    /// The number of a place in the batch, counted from 1.
    fn place(&mut self, name: Place<'a>) -> i64 {
        let next = i64::try_from(self.places.len()).unwrap_or(i64::MAX).saturating_add(1);
        *self.places.entry(name).or_insert(next)
    }

    /// The values of `record_usage`.
    pub(super) fn values(&self) -> [PostgresValue<'a>; 14] {
        let mut places: Vec<_> = self.places.iter().collect();
        places.sort_unstable_by_key(|(_, number)| **number);
        let (clients, realms) = places.into_iter().map(|((client, realm), _)| (Some(*client), *realm)).unzip();
        let subjects = self.rows.keys().map(|(_, subject, _)| Some(*subject)).collect();
        [
            TextList(clients),
            TextList(realms),
            BigIntList(self.rows.keys().map(|(place, ..)| *place).collect()),
            TextList(subjects),
            BigIntList(self.rows.keys().map(|(_, _, way)| i64::from(*way)).collect()),
            self.days(|usage| Some(usage.first)),
            self.days(|usage| Some(usage.last)),
            self.days(|usage| usage.refreshed),
            self.days(|usage| usage.families_end),
            BigIntList(self.counts.keys().map(|(place, ..)| *place).collect()),
            BigIntList(self.counts.keys().map(|(_, day, ..)| i64::from(day.number())).collect()),
            BigIntList(self.counts.keys().map(|(_, _, way, _)| i64::from(*way)).collect()),
            BigIntList(self.counts.keys().map(|(.., writer)| writer.cast_signed()).collect()),
            BigIntList(self.counts.values().copied().collect()),
        ]
    }

    fn days(&self, day: impl Fn(&Usage) -> Option<Day>) -> PostgresValue<'a> {
        let number = |usage| day(usage).map_or(NO_DAY, |day| i64::from(day.number()));
        BigIntList(self.rows.values().map(number).collect())
    }
}
