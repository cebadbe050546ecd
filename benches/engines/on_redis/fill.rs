//! Fills the server: the first of each is written by the store, the others are like it.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use tower_password_grant::ClientId;
use tower_password_grant::store::{AccessTokenStore, FamilyId, RefreshFamily, SecretDigest};
use tower_password_grant::testing::begin_family;

use super::server::{PREFIX, Server};
use crate::clients::{APP, MONTH, SCOPE, record};
use crate::names::{Filled, Names, Random, token};

/// The twelve decimal digits of a number, two in a byte, behind zeros: so its hexadecimal digits end with them.
fn digits<const N: usize>(number: u64) -> [u8; N] {
    let (mut bytes, mut rest) = ([0; N], number);
    for byte in bytes.iter_mut().rev() {
        *byte = (rest % 10 + rest / 10 % 10 * 16) as u8;
        rest /= 100;
    }
    bytes
}

pub const NAMES: Names = Names {
    family: |number| FamilyId::from_bytes(digits(number)),
    digest: |number| SecretDigest::from_bytes(digits(number)),
    new_digest: |random: &mut Random| {
        let mut bytes = [0; 32];
        bytes.chunks_exact_mut(8).for_each(|part| part.copy_from_slice(&random.next().to_be_bytes()));
        SecretDigest::from_bytes(bytes)
    },
};

/// Fills an empty server with so many families, each with an access token and all that is beside them.
pub async fn fill(server: &Server, families: u64) -> Filled {
    let start = Instant::now();
    let store = server.open(1).await.remove(0);
    let (app, now) = (ClientId::new(APP).unwrap(), SystemTime::now());
    let id = (NAMES.family)(0);
    let family = RefreshFamily::new(id, "user-0", app, now, now + MONTH).with_scope(SCOPE.parse().unwrap());
    begin_family(&store, family.with_grant_type(Some("password")), &token(0), now).await.unwrap();
    store.insert((NAMES.digest)(0), record("user-0").with_family(Some(id))).await.unwrap();
    let script = redis::Script::new(include_str!("fill.lua"));
    let over = (SystemTime::now() + 2 * MONTH).duration_since(UNIX_EPOCH).unwrap().as_millis();
    let mut connection = server.connection.clone();
    for first in (0..families).step_by(5_000) {
        let last = (first + 5_000).min(families) - 1;
        let mut call = script.prepare_invoke();
        call.arg(first).arg(last).arg(over.to_string());
        call.arg(format!("{PREFIX}:{{0000}}:family:{id}")).arg(format!("{PREFIX}:token:{:064x}", 0));
        let _: () = call.invoke_async(&mut connection).await.unwrap();
    }
    let bytes = server.number("memory", "used_memory").await / families;
    println!("filled with {families} families in {:.0} s, {bytes} B of memory each", start.elapsed().as_secs_f64());
    Filled::new(NAMES, families)
}
