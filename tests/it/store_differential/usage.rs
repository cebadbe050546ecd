//! Stores of the ledger of usage.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use tower_password_grant::ClientId;
use tower_password_grant::store::{MemoryUsage, UsageStore};
use tower_password_grant::usage::{
    ClientUsage, ClientUser, Day, DayRange, LoginCount, LoginWay, PageKey, Usage, UsageBatch, UsageRow,
};

#[cfg(feature = "sqlite")]
use super::folder;
use super::{Counts, LONGEST, REALMS, SEQUENCES, SUBJECTS, Stores, runner, runtime, share};

pub(super) fn stores() -> Stores<dyn UsageStore> {
    #[allow(unused_mut, reason = "without a feature there is nothing to add")]
    let mut stores: Stores<dyn UsageStore> = (vec![("memory", Box::new(MemoryUsage::new()))], None);
    #[cfg(feature = "sqlite")]
    if let Some(folder) = folder() {
        stores.0.push(("sqlite", Box::new(folder.store())));
        stores.1 = Some(Box::new(folder));
    }
    stores
}

const CLIENTS: [&str; 3] = ["app", "App", "cli"];
/// Windows and logins lie in so many days.
const DAYS: u32 = 60;

/// A row as its numbers: client, realm, subject, way, whether by password; first, last, refreshed and end.
#[derive(Clone, Copy, Debug)]
struct Row {
    user: (usize, usize, usize),
    way: usize,
    is_by_password: bool,
    days: [u32; 2],
    refreshed: Option<u32>,
    ends: Option<u32>,
}

#[derive(Clone, Copy, Debug)]
struct Count {
    client: usize,
    way: usize,
    is_by_password: bool,
    day: u32,
    writer: usize,
    logins: u64,
}

#[derive(Clone, Debug)]
enum Step {
    Record(Vec<Row>, Vec<Count>),
    Report([u32; 2]),
    Stayers { client: usize, window: [u32; 2], limit: usize },
    Forget(usize),
    Prune(u32),
}

/// With the highest bit, too.
const WRITERS: [u64; 3] = [0, 1, u64::MAX];

fn row() -> impl Strategy<Value = Row> {
    let day = || prop::option::of(0..DAYS);
    let user = (0..3_usize, 0..3_usize, 0..3_usize);
    (user, 0..5_usize, any::<bool>(), [0..DAYS, 0..DAYS], day(), day()).prop_map(
        |(user, way, is_by_password, mut days, refreshed, ends)| {
            days.sort_unstable();
            Row { user, way, is_by_password, days, refreshed, ends }
        },
    )
}

fn count() -> impl Strategy<Value = Count> {
    (0..3_usize, 0..5_usize, any::<bool>(), 0..DAYS, 0..3_usize, 0..9_u64).prop_map(
        |(client, way, is_by_password, day, writer, logins)| Count { client, way, is_by_password, day, writer, logins },
    )
}

fn step() -> impl Strategy<Value = Step> {
    let window = || [0..DAYS, 0..DAYS];
    prop_oneof![
        8 => (prop::collection::vec(row(), 0..6), prop::collection::vec(count(), 0..4))
            .prop_map(|(rows, counts)| Step::Record(rows, counts)),
        4 => window().prop_map(Step::Report),
        4 => (0..3_usize, window(), 1..5_usize)
            .prop_map(|(client, window, limit)| Step::Stayers { client, window, limit }),
        1 => (0..3_usize).prop_map(Step::Forget),
        1 => (0..DAYS).prop_map(Step::Prune),
    ]
}

/// Client, realm, subject.
type User = (&'static str, Option<&'static str>, &'static str);

/// What is kept, merged by hand.
#[derive(Default)]
struct Reference {
    rows: BTreeMap<(User, usize, bool), Kept>,
    counts: BTreeMap<(&'static str, usize, bool, u32, u64), u64>,
}

#[derive(Clone, Copy)]
struct Kept {
    first: u32,
    last: u32,
    refreshed: Option<u32>,
    ends: Option<u32>,
}

impl Kept {
    fn seen(self) -> u32 {
        self.refreshed.map_or(self.last, |day| day.max(self.last))
    }
}

fn user((client, realm, subject): (usize, usize, usize)) -> User {
    (CLIENTS[client], REALMS[realm], SUBJECTS[subject])
}

/// Whether days reach into a window.
fn meets(window: [u32; 2], first: u32, last: u32) -> bool {
    first <= window[1] && last >= window[0]
}

/// One user at one client: first, last and seen by password, and without.
#[derive(Clone, Copy, Default)]
struct Sides([Option<(u32, u32, u32)>; 2]);

impl Sides {
    fn is_seen(self, window: [u32; 2], side: usize) -> bool {
        self.0[side].is_some_and(|(first, _, seen)| meets(window, first, seen))
    }

    fn is_only_by_password(self, window: [u32; 2]) -> bool {
        self.is_seen(window, 1) && !self.is_seen(window, 0)
    }

    fn has_fallen_back(self, window: [u32; 2]) -> bool {
        matches!(self.0, [Some((first, ..)), Some((began, last, _))] if first < last && meets(window, began, last))
    }
}

impl Reference {
    fn record(&mut self, rows: &[Row], counts: &[Count]) {
        for Row { user: numbers, way, is_by_password, days: [first, last], refreshed, ends } in rows {
            let new = Kept { first: *first, last: *last, refreshed: *refreshed, ends: *ends };
            let kept = self.rows.entry((user(*numbers), *way, *is_by_password)).or_insert(new);
            kept.first = kept.first.min(*first);
            kept.last = kept.last.max(*last);
            kept.refreshed = kept.refreshed.into_iter().chain(*refreshed).max();
            kept.ends = kept.ends.into_iter().chain(*ends).max();
        }
        for Count { client, way, is_by_password, day, writer, logins } in counts {
            let kept = self.counts.entry((CLIENTS[*client], *way, *is_by_password, *day, WRITERS[*writer]));
            let kept = kept.or_default();
            *kept = (*kept).max(*logins);
        }
    }

    fn sides(&self, client: &str) -> BTreeMap<User, Sides> {
        let mut users: BTreeMap<User, Sides> = BTreeMap::new();
        for ((user, _, is_by_password), kept) in self.rows.iter().filter(|((user, ..), _)| user.0 == client) {
            let side = &mut users.entry(*user).or_default().0[usize::from(*is_by_password)];
            let (first, last, seen) = side.unwrap_or((u32::MAX, 0, 0));
            *side = Some((first.min(kept.first), last.max(kept.last), seen.max(kept.seen())));
        }
        users
    }

    /// One report's line as numbers: users, only by password, moved, fallen back; the last days; and each way.
    fn line(&self, client: &str, window: [u32; 2]) -> Line {
        let users = self.sides(client);
        let count = |is: fn(Sides, [u32; 2]) -> bool| users.values().filter(|sides| is(**sides, window)).count() as u64;
        let has_moved =
            |sides: Sides, window| sides.is_seen(window, 0) && sides.0[1].is_some() && !sides.has_fallen_back(window);
        let by_password =
            || self.rows.iter().filter(|((user, _, by), _)| user.0 == client && *by).map(|(_, kept)| *kept);
        let mut line = Line {
            users: [
                count(|sides, window| sides.is_seen(window, 0) || sides.is_seen(window, 1)),
                count(Sides::is_only_by_password),
                count(has_moved),
                count(Sides::has_fallen_back),
            ],
            last: [
                by_password().map(|kept| kept.last).max(),
                by_password().filter_map(|kept| kept.refreshed).max(),
                by_password().filter_map(|kept| kept.ends).max(),
            ],
            ways: BTreeMap::new(),
        };
        for ((_, way, by), kept) in self.rows.iter().filter(|((user, ..), _)| user.0 == client) {
            let [_, users, refreshing, last] = line.ways.entry((*way, *by)).or_default();
            let is_seen = meets(window, kept.first, kept.seen());
            *users += u64::from(is_seen);
            *refreshing += u64::from(is_seen && !meets(window, kept.first, kept.last));
            *last = (*last).max(u64::from(kept.seen()) + 1);
        }
        for ((_, way, by, day, _), logins) in self.counts.iter().filter(|((of, ..), _)| *of == client) {
            if window[0] <= *day && *day <= window[1] {
                line.ways.entry((*way, *by)).or_default()[0] += logins;
            }
        }
        line
    }

    fn report(&self, window: [u32; 2]) -> BTreeMap<String, Line> {
        let of_rows = self.rows.keys().map(|(user, ..)| user.0);
        let of_counts = self.counts.keys().filter(|key| window[0] <= key.3 && key.3 <= window[1]).map(|key| key.0);
        let clients: BTreeSet<&str> = of_rows.chain(of_counts).collect();
        clients.into_iter().map(|client| (client.to_owned(), self.line(client, window))).collect()
    }

    fn stayers(&self, client: &str, window: [u32; 2]) -> Vec<(Option<String>, String)> {
        let stayers = self.sides(client).into_iter().filter(|(_, sides)| sides.is_only_by_password(window));
        stayers.map(|((_, realm, subject), _)| (realm.map(str::to_owned), subject.to_owned())).collect()
    }

    /// How many rows there are no more.
    fn forget(&mut self, subject: &str) -> u64 {
        let before = self.rows.len();
        self.rows.retain(|(user, ..), _| user.2 != subject);
        (before - self.rows.len()) as u64
    }

    fn prune(&mut self, day: u32) -> u64 {
        let before = self.rows.len() + self.counts.len();
        self.rows.retain(|_, kept| kept.seen() >= day || kept.ends.is_some_and(|end| end >= day));
        self.counts.retain(|(_, _, _, counted, _), _| *counted >= day);
        (before - self.rows.len() - self.counts.len()) as u64
    }
}

#[derive(Debug, PartialEq)]
struct Line {
    users: [u64; 4],
    last: [Option<u32>; 3],
    /// Logins, users, those who only refresh, and one more than the day on which it was seen last.
    ways: BTreeMap<(usize, bool), [u64; 4]>,
}

fn said(report: &[ClientUsage]) -> BTreeMap<String, Line> {
    let line = |usage: &ClientUsage| Line {
        users: [usage.users, usage.only_by_password, usage.moved, usage.fallen_back],
        last: [usage.last_password_login, usage.last_password_refresh, usage.password_families_end]
            .map(|day| day.map(Day::number)),
        ways: usage
            .ways
            .iter()
            .map(|way| {
                let last = way.last_seen.map_or(0, |day| u64::from(day.number()) + 1);
                let number = LoginWay::ALL.iter().position(|other| *other == way.way).unwrap();
                ((number, way.is_by_password), [way.logins, way.users, way.refreshing, last])
            })
            .collect(),
    };
    report.iter().map(|usage| (usage.client.as_str().to_owned(), line(usage))).collect()
}

fn days(window: [u32; 2]) -> DayRange {
    DayRange::new(Day::from_number(window[0]), Day::from_number(window[1]))
}

fn batch(rows: &[Row], counts: &[Count]) -> UsageBatch {
    let row = |row: &Row| {
        let (client, realm, subject) = user(row.user);
        let usage = Usage::new(LoginWay::ALL[row.way], row.is_by_password, Day::default())
            .with_logins(Day::from_number(row.days[0]), Day::from_number(row.days[1]))
            .with_refreshed(row.refreshed.map(Day::from_number))
            .with_families_end(row.ends.map(Day::from_number));
        UsageRow::new(ClientUser::new(&ClientId::new(client).unwrap(), realm, subject), usage)
    };
    let count = |count: &Count| {
        let client = ClientId::new(CLIENTS[count.client]).unwrap();
        let (way, day) = (LoginWay::ALL[count.way], Day::from_number(count.day));
        LoginCount::new(client, way, count.is_by_password, day, WRITERS[count.writer], count.logins)
    };
    UsageBatch::new(rows.iter().map(row).collect(), counts.iter().map(count).collect())
}

/// All users of all pages.
async fn all_stayers(
    store: &dyn UsageStore,
    client: &str,
    window: [u32; 2],
    limit: usize,
) -> Vec<(Option<String>, String)> {
    let (client, mut after, mut all) = (ClientId::new(client).unwrap(), None::<PageKey>, Vec::new());
    loop {
        let page = store.stayers(&client, days(window), after.as_ref(), limit).await.unwrap();
        assert!(page.stayers.len() <= limit);
        all.extend(
            page.stayers.iter().map(|user| (user.realm.as_deref().map(str::to_owned), user.subject.to_string())),
        );
        let Some(next) = page.next else { return all };
        assert!(after < Some(next.clone()), "a page goes on where the one before ended");
        after = Some(next);
    }
}

async fn play(model: &mut Reference, stores: &[(&'static str, Box<dyn UsageStore>)], step: &Step, counts: &mut Counts) {
    let mut count = |what, is_so| *counts.entry(what).or_default() += u32::from(is_so);
    for (name, store) in stores {
        match step {
            Step::Record(rows, counts) => assert_eq!(store.record(batch(rows, counts)).await.unwrap(), 0, "{name}"),
            Step::Report(window) => {
                let report = store.report(days(*window)).await.unwrap();
                assert!(report.is_sorted_by(|one, next| one.client < next.client), "{name}");
                let expected = model.report(*window);
                assert_eq!(said(&report), expected, "{name}: {step:?}");
                for (at, what) in ["users", "only by password", "moved", "fallen back"].into_iter().enumerate() {
                    count(what, expected.values().any(|line| line.users[at] > 0));
                }
            }
            Step::Stayers { client, window, limit } => {
                let expected = model.stayers(CLIENTS[*client], *window);
                let found = all_stayers(&**store, CLIENTS[*client], *window, *limit).await;
                assert_eq!(found, expected, "{name}: {step:?}");
                count("more than a page", expected.len() > *limit);
            }
            Step::Forget(_) | Step::Prune(_) => {}
        }
    }
    let gone = match step {
        Step::Record(rows, counts) => return model.record(rows, counts),
        Step::Report(_) | Step::Stayers { .. } => return,
        Step::Forget(subject) => model.forget(SUBJECTS[*subject]),
        Step::Prune(day) => model.prune(*day),
    };
    for (name, store) in stores {
        let went = match step {
            Step::Forget(subject) => store.forget(SUBJECTS[*subject]).await.unwrap(),
            Step::Prune(day) => store.prune(Day::from_number(*day)).await.unwrap(),
            _ => gone,
        };
        assert_eq!(went, gone, "{name}: {step:?}");
    }
    count(if matches!(step, Step::Prune(_)) { "pruned" } else { "forgotten" }, gone > 0);
}

#[test]
fn usage_stores_answer_as_the_reference_does() {
    let (runtime, mut counts) = (runtime(), Counts::new());
    let counted = std::cell::RefCell::new(&mut counts);
    let played = runner(SEQUENCES).run(&prop::collection::vec(step(), 1..=LONGEST / 4), |steps| {
        let mut counts = counted.borrow_mut();
        let (mut model, (stores, _folder)) = (Reference::default(), stores());
        runtime.block_on(async {
            for step in &steps {
                play(&mut model, &stores, step, &mut counts).await;
            }
        });
        Ok(())
    });
    played.unwrap_or_else(|failed| panic!("{failed}"));
    println!("{counts:?}");
    for what in ["users", "only by password", "moved", "fallen back", "more than a page", "pruned", "forgotten"] {
        let times = counts.get(what).copied().unwrap_or(0);
        assert!(times >= share(100), "{what}: {times} times: the sequences do not reach it");
    }
}
