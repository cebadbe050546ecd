//! What a [`RefreshTokenStore`] keeps of a family.

use super::promise::{
    answer, earlier, is_same_time, later, made, must, must_be, new_digest, new_family_id, new_name, present,
};
use super::refresh::Scene;
use crate::boundary::refresh::RefreshTokenStore;
use crate::protocol::client::registered::ClientId;
use crate::protocol::token::family::RefreshFamily;
use crate::protocol::token::lineage::Lineage;
use crate::protocol::token::methods::AuthenticationMethod;

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
        RefreshFamily::new(new_family_id(), subject, made(ClientId::new(client)), from, until)
    };
    let mut families = vec![plain(new_name("subject"), "app")];
    for text in ODD_TEXTS {
        let odd = plain(text.to_owned(), "Odd client'\"\\%_~").with_scope(made("! #[]^_`{|}~ 'a A a\u{25}".parse()));
        let odd = odd.with_realm(Some(text)).with_grant_type(Some(text)).with_credential_version(Some(text));
        let methods = [AuthenticationMethod::Password, AuthenticationMethod::RecoveryCode].into_iter().collect();
        families.push(odd.with_audience(Some(text)).with_methods(methods));
    }
    let long = "ab\u{e9}".repeat(300);
    let all_long = plain(long.clone(), &"c".repeat(256)).with_realm(Some(&long)).with_audience(Some(&long));
    families.push(all_long.with_credential_version(Some(&long)));
    families
}

fn must_be_same(found: &RefreshFamily, given: &RefreshFamily) {
    must_be(found.id(), given.id(), "`find` gives the id of the family");
    must_be(found.subject_id(), given.subject_id(), "`find` gives the subject as it was");
    must_be(found.client(), given.client(), "`find` gives the client as it was");
    must_be(found.realm(), given.realm(), "`find` gives the realm as it was, and none is not an empty one");
    must_be(found.scope().as_str(), given.scope().as_str(), "`find` gives the scope as it was");
    let promise = "`find` gives the audience as it was, and none is not an empty one";
    must_be(found.audience(), given.audience(), promise);
    must_be(found.grant_type(), given.grant_type(), "`find` gives the grant type as it was");
    must_be(found.methods(), given.methods(), "`find` gives the methods of the authentication as they were");
    let promise = "`find` gives the credential version as it was, and none is not an empty one";
    must_be(found.credential_version(), given.credential_version(), promise);
    let promise = "`find` gives the time of the authentication to the millisecond";
    must(is_same_time(found.authenticated_at(), given.authenticated_at()), promise);
    let promise = "`find` gives the end of the family to the millisecond";
    must(is_same_time(found.expires(), given.expires()), promise);
}

pub(super) async fn facts<S: RefreshTokenStore>(scene: Scene<S>) {
    let mut begun = Vec::new();
    for facts in families() {
        let lineage = Lineage::new(new_digest(), scene.start);
        answer(scene.try_begin(facts.clone(), lineage.clone()).await);
        scene.found(facts.id(), "a family is found as soon as it was begun").await;
        begun.push((facts, lineage));
    }
    for (facts, lineage) in &begun {
        let promise = "every family is found until it is over";
        let found = scene.found(facts.id(), promise).await;
        must_be_same(&found.family, facts);
        must_be(found.lineage.to_bytes(), lineage.to_bytes(), "`find` gives the lineage as it was kept");
        must(!found.is_ended, "a family that was begun has not ended");
        let next = lineage.clone().without_predecessor();
        must(scene.swap(facts.id(), found.stamp, Some(&next)).await, "a rotation with the stamp that was seen is kept");
        must_be_same(&scene.found(facts.id(), promise).await.family, facts);
        must(answer(scene.store().revoke_family(facts.id()).await), "`revoke_family` is true for a family that lives");
        let found = scene.found(facts.id(), "a family that has ended is found until it is over").await;
        must(found.is_ended, "a family that has ended is found as such");
        must_be_same(&found.family, facts);
        must_be(found.lineage.to_bytes(), next.to_bytes(), "`find` gives the lineage of a family that has ended");
    }
}
