//! A plain usage store, and the same breaking one promise each.

use std::sync::Mutex;

use async_trait::async_trait;
use tokio::task::yield_now;
use tower_password_grant::store::UsageStore;
use tower_password_grant::testing::contract;
use tower_password_grant::usage::{
    ClientUsage, Day, DayRange, LoginCount, LoginWay, PageKey, StayersPage, StayersScan, Tally, Usage, UsageBatch,
    UsageRow,
};
use tower_password_grant::{BackendError, ClientId};

use super::complaint;

#[derive(Clone, Copy, Debug, PartialEq)]
enum Fault {
    None,
    DropsRefreshes,
    DropsEnds,
    KnowsPasswordsAlone,
    LaterWins,
    FirstStays,
    OneRowForAllWays,
    JoinsRealmAndSubject,
    AnyCase,
    ListsAllClients,
    ListsInAnyOrder,
    ReportsTheWindowAlone,
    AddsCounts,
    LaterCountWins,
    CountsOneWriter,
    CountsAllDays,
    CountsAllWaysAlike,
    PagesOverlap,
    ForgetsOneRealm,
    ForgetsMore,
    ForgetsCounts,
    PrunesLivingFamilies,
    KeepsOldCounts,
    MergesInTwoSteps,
    RecordsInTwoSteps,
}

const FAULTS: &[(Fault, &str)] = &[
    (Fault::DropsRefreshes, "the days of a row are kept as they were recorded, and none is not one"),
    (Fault::DropsEnds, "the days of a row are kept as they were recorded, and none is not one"),
    (Fault::KnowsPasswordsAlone, "way and beginning are kept as they were recorded"),
    (Fault::LaterWins, "of rows that are merged the later last login, refresh and end are kept"),
    (Fault::FirstStays, "of rows that are merged the earlier first login is kept"),
    (Fault::OneRowForAllWays, "of rows that are merged the earlier first login is kept"),
    (Fault::JoinsRealmAndSubject, "users are equal only if both realm and subject are"),
    (Fault::AnyCase, "users are equal only if both realm and subject are"),
    // Which of two promises breaks first depends on the names of its clients, which are random.
    (Fault::ListsAllClients, "are kept"),
    (Fault::ListsInAnyOrder, "the days of a row are kept as they were recorded, and none is not one"),
    (Fault::ReportsTheWindowAlone, "`report` hands on rows that lie before the window, too"),
    (Fault::AddsCounts, "of what one writer has counted of a day the higher number is kept"),
    (Fault::LaterCountWins, "of what one writer has counted of a day the higher number is kept"),
    (Fault::CountsOneWriter, "of what one writer has counted of a day the higher number is kept"),
    (Fault::CountsAllDays, "`report` counts the logins of days in the window"),
    (Fault::CountsAllWaysAlike, "logins are counted by client, way and beginning"),
    (Fault::PagesOverlap, "subjects are kept as they were recorded, in the order of their bytes"),
    (Fault::ForgetsOneRealm, "`forget` answers how many rows went, in all clients and realms"),
    (Fault::ForgetsMore, "`forget` answers how many rows went, in all clients and realms"),
    (Fault::ForgetsCounts, "`forget` leaves the numbers of logins"),
    (Fault::PrunesLivingFamilies, "`prune` answers how many rows and counts went"),
    (Fault::KeepsOldCounts, "`prune` answers how many rows and counts went"),
    (Fault::MergesInTwoSteps, "nothing is lost of what is recorded at the same time"),
    (Fault::RecordsInTwoSteps, "a batch is recorded as a whole or not at all"),
];

#[derive(Clone, Default)]
struct Kept {
    rows: Vec<UsageRow>,
    counts: Vec<LoginCount>,
}

struct Plain {
    fault: Fault,
    kept: Mutex<Kept>,
}

impl Plain {
    fn new(fault: Fault) -> Self {
        Self { fault, kept: Mutex::default() }
    }

    fn is(&self, fault: Fault) -> bool {
        self.fault == fault
    }

    /// What this store knows a user by.
    fn name(&self, row: &UsageRow) -> (Option<String>, String) {
        let (realm, subject) = (row.realm.clone().map(String::from), String::from(row.subject.clone()));
        match self.fault {
            Fault::JoinsRealmAndSubject => (None, realm.unwrap_or_default() + &subject),
            Fault::AnyCase => (realm, subject.to_lowercase()),
            _ => (realm, subject),
        }
    }

    fn merge(&self, kept: &mut Kept, mut row: UsageRow) {
        match self.fault {
            Fault::DropsRefreshes => row.usage.refreshed = None,
            Fault::DropsEnds => row.usage.families_end = None,
            Fault::KnowsPasswordsAlone => row.usage.is_by_password = true,
            _ => {}
        }
        let is_same = |own: &&mut UsageRow| {
            let is_way = own.usage.is_same_way(row.usage) || self.is(Fault::OneRowForAllWays);
            own.client == row.client && self.name(own) == self.name(&row) && is_way
        };
        match kept.rows.iter_mut().find(is_same) {
            None => kept.rows.push(row),
            Some(own) if self.is(Fault::LaterWins) => own.usage = row.usage,
            Some(own) => {
                let first = own.usage.first;
                own.usage = own.usage.merged(row.usage);
                if self.is(Fault::FirstStays) {
                    own.usage.first = first;
                }
            }
        }
    }

    fn count(&self, kept: &mut Kept, mut count: LoginCount) {
        match self.fault {
            Fault::CountsOneWriter => count.writer = 0,
            Fault::CountsAllWaysAlike => (count.way, count.is_by_password) = (LoginWay::Password, true),
            _ => {}
        }
        let key = |one: &LoginCount| (one.client.clone(), one.way, one.is_by_password, one.day, one.writer);
        match kept.counts.iter_mut().find(|own| key(own) == key(&count)) {
            None => kept.counts.push(count),
            Some(own) if self.is(Fault::AddsCounts) => own.logins += count.logins,
            Some(own) if self.is(Fault::LaterCountWins) => own.logins = count.logins,
            Some(own) => own.logins = own.logins.max(count.logins),
        }
    }

    fn sorted(&self) -> Kept {
        let mut kept = self.kept.lock().unwrap().clone();
        kept.rows.sort_by(|one, other| one.user().cmp(&other.user()));
        kept
    }
}

#[async_trait]
impl UsageStore for Plain {
    async fn record(&self, batch: UsageBatch) -> Result<u64, BackendError> {
        let mut read = self.kept.lock().unwrap().clone();
        if self.is(Fault::MergesInTwoSteps) {
            yield_now().await;
            batch.rows().iter().for_each(|row| self.merge(&mut read, row.clone()));
            batch.counts().iter().for_each(|count| self.count(&mut read, count.clone()));
            *self.kept.lock().unwrap() = read;
            return Ok(0);
        }
        batch.rows().iter().for_each(|row| self.merge(&mut self.kept.lock().unwrap(), row.clone()));
        if self.is(Fault::RecordsInTwoSteps) {
            yield_now().await;
        }
        batch.counts().iter().for_each(|count| self.count(&mut self.kept.lock().unwrap(), count.clone()));
        Ok(0)
    }

    async fn report(&self, window: DayRange) -> Result<Vec<ClientUsage>, BackendError> {
        let (kept, mut tally) = (self.sorted(), Tally::new(window));
        let is_shown =
            |usage: &Usage| !self.is(Fault::ReportsTheWindowAlone) || window.meets(usage.first, usage.seen());
        let rows = kept.rows.iter().filter(|row| is_shown(&row.usage));
        rows.for_each(|row| tally.add(row.user(), row.usage));
        let is_counted = |day| window.contains(day) || self.is(Fault::CountsAllDays);
        for count in kept.counts.iter().filter(|count| is_counted(count.day)) {
            tally.count(&count.client, count.way, count.is_by_password, count.logins);
        }
        Ok(tally.finish())
    }

    async fn stayers(
        &self,
        client: &ClientId,
        window: DayRange,
        after: Option<&PageKey>,
        limit: usize,
    ) -> Result<StayersPage, BackendError> {
        let mut scan = StayersScan::new(window, limit);
        let mut rows = self.sorted().rows;
        if self.is(Fault::ListsInAnyOrder) {
            rows.reverse();
        }
        for row in rows.iter().filter(|row| row.client == *client || self.is(Fault::ListsAllClients)) {
            let key = PageKey::new(row.realm.as_deref(), &row.subject);
            let is_before = |after: &PageKey| key < *after || key == *after && !self.is(Fault::PagesOverlap);
            if !after.is_some_and(is_before) && scan.add(key.realm(), key.subject(), row.usage).is_break() {
                break;
            }
        }
        Ok(scan.finish())
    }

    async fn forget(&self, subject: &str) -> Result<u64, BackendError> {
        let mut kept = self.kept.lock().unwrap();
        let before = kept.rows.len();
        kept.rows.retain(|row| match self.fault {
            Fault::ForgetsOneRealm => *row.subject != *subject || row.realm.is_some(),
            Fault::ForgetsMore => !row.subject.starts_with(subject),
            _ => *row.subject != *subject,
        });
        if self.is(Fault::ForgetsCounts) {
            kept.counts.clear();
        }
        Ok((before - kept.rows.len()) as u64)
    }

    async fn prune(&self, before: Day) -> Result<u64, BackendError> {
        let mut kept = self.kept.lock().unwrap();
        let all = kept.rows.len() + kept.counts.len();
        let families = |usage: Usage| if self.is(Fault::PrunesLivingFamilies) { None } else { usage.families_end };
        kept.rows.retain(|row| !row.usage.with_families_end(families(row.usage)).is_over(before));
        kept.counts.retain(|count| count.day >= before || self.is(Fault::KeepsOldCounts));
        Ok((all - kept.rows.len() - kept.counts.len()) as u64)
    }
}

fn told(fault: Fault) -> String {
    complaint(contract::usage_store(async || contract::two_handles(Plain::new(fault))))
}

#[test]
fn a_plain_usage_store_keeps_the_contract() {
    assert_eq!(told(Fault::None), "");
}

#[test]
fn each_broken_usage_store_is_told_which_promise_it_breaks() {
    let told = FAULTS.iter().map(|(fault, promise)| (fault, promise, told(*fault)));
    let wrong: Vec<_> = told.filter(|(_, promise, told)| !told.contains(*promise)).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}
