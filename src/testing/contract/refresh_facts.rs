//! What a [`RefreshTokenStore`] keeps of a family.

use super::promise::{
    answer, broken, earlier, is_same_time, later, made, must, must_be, new_digest, new_name, present,
};
use super::refresh::Scene;
use crate::boundary::refresh::RefreshTokenStore;
use crate::protocol::client::ClientId;
use crate::protocol::family::{FamilyId, RefreshFamily};

/// What stores tend to change: case, white space at the ends, quotes, forms of one letter, signs beyond 16 bits.
pub(super) const ODD_TEXTS: [&str; 8] = [
    "",
    " white space\t\n ",
    "'; DROP TABLE families; --\"`\\",
    "100%_*?[a-z]",
    "Zoë \u{5a}oe\u{308} \u{212b}",
    "\u{1f980}\u{10ffff}\u{202e}",
    "NULL",
    "a:b\u{1f}c|d,e/f",
];

fn families() -> Vec<RefreshFamily> {
    // Times that no store can keep exactly in seconds.
    let now = later(present(), 789);
    let plain = |subject: String, client: &str| {
        let (from, until) = (earlier(now, 1_234_567), later(now, 3_600_001));
        RefreshFamily::new(made(FamilyId::random()), subject, made(ClientId::new(client)), from, until)
    };
    let mut families = vec![plain(new_name("subject"), "app")];
    for text in ODD_TEXTS {
        let odd = plain(text.to_owned(), "Odd client'\"\\%_~").with_scope(made("! #[]^_`{|}~ 'a A a\u{25}".parse()));
        families.push(odd.with_realm(Some(text)).with_grant_type(Some(text)).with_credential_version(Some(text)));
    }
    let long = "ab\u{e9}".repeat(300);
    families.push(plain(long.clone(), &"c".repeat(256)).with_realm(Some(&long)).with_credential_version(Some(&long)));
    families
}

fn must_be_same(found: &RefreshFamily, given: &RefreshFamily) {
    must_be(found.id(), given.id(), "`find` gives the id of the family");
    must_be(found.subject(), given.subject(), "`find` gives the subject as it was");
    must_be(found.client(), given.client(), "`find` gives the client as it was");
    must_be(found.realm(), given.realm(), "`find` gives the realm as it was, and none is not an empty one");
    must_be(found.scope().as_str(), given.scope().as_str(), "`find` gives the scope as it was");
    must_be(found.grant_type(), given.grant_type(), "`find` gives the grant type as it was");
    let promise = "`find` gives the credential version as it was, and none is not an empty one";
    must_be(found.credential_version(), given.credential_version(), promise);
    let promise = "`find` gives the time of the authentication to the millisecond";
    must(is_same_time(found.authenticated_at(), given.authenticated_at()), promise);
    let promise = "`find` gives the end of the family to the millisecond";
    must(is_same_time(found.expires(), given.expires()), promise);
}

pub(super) async fn facts<S: RefreshTokenStore>(store: S) {
    let scene = Scene::new(store);
    let mut begun = Vec::new();
    for facts in families() {
        begun.push((new_digest(), facts));
    }
    for (token, facts) in &begun {
        answer(scene.store.begin(facts.clone(), token.clone(), scene.start).await);
        let found = answer(scene.store.find(token).await);
        must(found.is_some(), "a family is found as soon as it was begun");
    }
    for (token, facts) in &begun {
        let successor = scene.using(token.clone(), 0);
        for token in [token, &successor.successor] {
            let Some(found) = answer(scene.store.find(token).await) else {
                broken("every token of a family is found until the family is over");
            };
            must_be_same(found.family(), facts);
            if token.is(successor.rotation.presented()) {
                answer(scene.store.rotate(successor.rotation.clone()).await);
            }
        }
    }
}
