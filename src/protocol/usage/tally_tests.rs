use super::*;
use crate::protocol::usage::way::LoginWay::{Elsewhere, Extension, Password, SecondFactor};

const TODAY: Day = Day::from_number(100);

fn month() -> DayRange {
    DayRange::new(TODAY.before(29), TODAY)
}

fn client(id: &str) -> ClientId {
    ClientId::new(id).unwrap()
}

/// A login of this day.
fn login(way: LoginWay, is_by_password: bool, day: u32) -> Usage {
    Usage::new(way, is_by_password, Day::from_number(day))
}

#[test]
fn a_client_shows_its_users_by_what_they_were_seen_by() {
    let app = client("app");
    let mut tally = Tally::new(month());
    let mut add = |realm: Option<&str>, subject: &str, usage| tally.add(ClientUser::new(&app, realm, subject), usage);
    add(None, "stays", login(Password, true, 98));
    add(
        None,
        "refreshes",
        login(Password, true, 10).with_refreshed(Some(TODAY)).with_families_end(Some(TODAY.after(9))),
    );
    add(None, "moved", login(Password, true, 80).with_families_end(Some(TODAY.after(20))));
    add(None, "moved", login(Elsewhere, false, 81));
    add(None, "fell", login(Elsewhere, false, 90));
    add(None, "fell", login(SecondFactor, true, 95));
    add(None, "never", login(Extension, false, 95));
    add(None, "gone", login(Password, true, 70));
    // The same subject in another realm is another user.
    add(Some("staff"), "gone", login(Password, true, 71));
    let report = tally.finish();
    let [usage] = report.as_slice() else { panic!("{report:?}") };
    assert_eq!((usage.users, usage.only_by_password, usage.moved, usage.fallen_back), (6, 3, 1, 1));
    assert_eq!(usage.last_password_login, Some(Day::from_number(98)));
    assert_eq!(usage.last_password_refresh, Some(TODAY));
    assert_eq!(usage.password_families_end, Some(TODAY.after(20)));
    let ways: Vec<_> = usage.ways.iter().map(|way| (way.way, way.is_by_password, way.users, way.refreshing)).collect();
    let expected =
        [(Password, true, 4, 1), (SecondFactor, true, 1, 0), (Extension, false, 1, 0), (Elsewhere, false, 2, 0)];
    assert_eq!(ways, expected);
    assert_eq!(usage.ways.first().and_then(|way| way.last_seen), Some(TODAY));
}

#[test]
fn logins_are_added_up_whenever_they_come_and_clients_without_users_show_them() {
    let (a, b) = (client("a"), client("b"));
    let mut tally = Tally::new(month());
    tally.count(&b, Password, true, 2);
    tally.add(ClientUser::new(&b, None, "alice"), login(Password, true, 100));
    tally.count(&b, Password, true, 3);
    tally.count(&a, Elsewhere, false, 1);
    tally.add(ClientUser::new(&a, None, "alice"), login(Password, true, 60));
    tally.count(&b, Password, true, u64::MAX);
    let report = tally.finish();
    let logins = |at: usize| report.get(at).map(|usage| usage.ways.iter().map(|way| way.logins).collect::<Vec<_>>());
    assert_eq!(report.iter().map(|usage| usage.client.as_str()).collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!((logins(0), logins(1)), (Some(vec![0, 1]), Some(vec![u64::MAX])));
    assert_eq!(report.first().map(|usage| usage.users), Some(0));
}

#[test]
fn a_report_serializes_with_the_names_that_it_documents() {
    let app = client("app");
    let mut tally = Tally::new(month());
    tally.add(ClientUser::new(&app, None, "alice"), login(Password, true, 100));
    tally.count(&app, Password, true, 2);
    let json = serde_json::to_value(tally.finish()).unwrap();
    let expected = serde_json::json!([{
        "client": "app", "users": 1, "only_by_password": 1, "moved": 0, "fallen_back": 0,
        "last_password_login": "1970-04-11", "last_password_refresh": null, "password_families_end": null,
        "ways": [{
            "way": "password", "is_by_password": true, "logins": 2, "users": 1, "refreshing": 0, "last_seen": "1970-04-11",
        }],
    }]);
    assert_eq!(json, expected);
}
