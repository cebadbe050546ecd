//! No token names a realm outside of its client's list, whatever clients, verifiers and requests there are.

use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use tower_password_grant::bearer::AccessTokenVerifier as _;
use tower_password_grant::realms::Realms;

use super::world::{Directory, REALM_GRANT, Stores, app, form};
use crate::support::protection::without_ceiling;
use crate::support::tokens::text;
use crate::support::{send, token_request};

static NAMES: [&str; 5] = ["customers", "employees", "Customers", "custom", "a b"];

#[test]
fn no_token_names_a_realm_outside_of_the_list_of_its_client() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let request =
        || (0..3_usize, proptest::option::of(select([&NAMES[..], &["", "nowhere"][..]].concat())), any::<bool>());
    let lists = proptest::collection::vec(subsequence(&NAMES[..], 1..4).prop_shuffle(), 3);
    proptest!(ProptestConfig::with_cases(64), |(
        lists in lists,
        served in subsequence(&NAMES[..], 1..5),
        requests in proptest::collection::vec(request(), 1..24),
    )| {
        let stores = Stores::new();
        let verifier = served.iter().fold(Realms::new(), |realms, name| {
            realms.realm(name, Directory::of(&["alice"], "right")).unwrap()
        });
        let clients = lists.iter().enumerate().map(|(at, realms)| app(&format!("client{at}"), realms)).collect();
        let builder = stores.builder(clients, verifier).attack_protection(without_ceiling());
        let layer = builder.build().unwrap();
        for (at, realm, in_realm) in requests {
            let more = realm.map(|realm| serde_urlencoded::to_string([("realm", realm)]).unwrap());
            let more = more.map(|pair| format!("&{pair}")).unwrap_or_default();
            let grant = if in_realm { REALM_GRANT } else { "password" };
            let body = form(grant, &format!("client{at}"), "alice", "right", &more);
            let answer = runtime.block_on(send(&layer, token_request(&[], &body)));
            let (own, named) = (&lists[at], realm.filter(|name| !name.is_empty()));
            let expected = match named {
                None if in_realm => None,
                None => Some(own[0]),
                Some(name) => Some(name).filter(|name| own.contains(name)),
            };
            match expected {
                None => answer.assert_error(400, "invalid_request"),
                Some(realm) if !served.contains(&realm) => answer.assert_error(500, "server_error"),
                Some(realm) => {
                    let token = text(&answer.assert_ok(), "access_token");
                    let issuer = stores.issuer();
                    let record = runtime.block_on(async { issuer.verify(&token).await }).unwrap().unwrap();
                    prop_assert_eq!(record.realm(), Some(realm));
                    prop_assert!(own.contains(&realm));
                    prop_assert_eq!(record.subject_id(), format!("{realm}|1"));
                }
            }
        }
    });
}
