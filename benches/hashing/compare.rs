//! Random hashes of the crate `argon2`, verified through the whole token endpoint by the implementation of this build.

use std::sync::Arc;
use std::sync::Mutex;

use argon2::{Algorithm, Argon2, AssociatedData, KeyId, Params, ParamsBuilder, Version};
use async_trait::async_trait;
use password_hash::phc::{Output, ParamsString, PasswordHash, Salt};
use tower_password_grant::BackendError;
use tower_password_grant::argon2::{Argon2Parameters, Argon2Verifier};
use tower_password_grant::store::{LoginName, StoredUser, UserStore};
use tower_password_grant::user::SecretKeys;

use super::{runtime, status, token_endpoint};

/// The key that every other hash names.
const KEY: [u8; 32] = *b"a secret key of thirty-two bytes";
const KEY_ID: &str = "one";

/// SplitMix64.
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn within(&mut self, from: u32, to: u32) -> u32 {
        from + (self.roll() % u64::from(to - from + 1)) as u32
    }

    fn bytes(&mut self, from: u32, to: u32) -> Vec<u8> {
        let length = self.within(from, to);
        (0..length).map(|_| self.roll() as u8).collect()
    }
}

/// The hash that the next user has.
#[derive(Clone, Default)]
struct Next(Arc<Mutex<String>>);

#[async_trait]
impl UserStore for Next {
    async fn find(&self, login: &LoginName<'_>, _realm: Option<&str>) -> Result<Option<StoredUser>, BackendError> {
        let hash = self.0.lock().unwrap().clone();
        Ok(Some(StoredUser::new(login.canonical().to_owned()).with_password_hash(hash)))
    }

    async fn save_hash(&self, _user: &str, _old: &str, _new: &str) -> Result<bool, BackendError> {
        Err(BackendError::fault("what is compared stays as it is"))
    }
}

/// A password and its hash, of random parameters.
fn hash(dice: &mut Dice) -> (String, String) {
    let algorithm = [Algorithm::Argon2d, Algorithm::Argon2i, Algorithm::Argon2id][dice.within(0, 2) as usize];
    let version = [Version::V0x10, Version::V0x13][dice.within(0, 1) as usize];
    let lanes = dice.within(1, 5);
    let (memory, passes) = (dice.within(8 * lanes, 400), dice.within(1, 3));
    let (data, salt, length) = (dice.bytes(0, 32), dice.bytes(8, 48), dice.within(10, 64) as usize);
    let has_key = dice.within(0, 1) == 1;
    let password: String = dice.bytes(1, 150).iter().map(|byte| char::from(b'!' + byte % 90)).collect();
    let mut cost = ParamsBuilder::new();
    cost.m_cost(memory).t_cost(passes).p_cost(lanes).output_len(length);
    if has_key {
        cost.keyid(KeyId::new(KEY_ID.as_bytes()).unwrap());
    }
    if !data.is_empty() {
        cost.data(AssociatedData::new(&data).unwrap());
    }
    let params: Params = cost.build().unwrap();
    let text = ParamsString::try_from(&params).unwrap();
    let secret: &[u8] = if has_key { &KEY } else { &[] };
    let argon2 = Argon2::new_with_secret(secret, algorithm, version, params).unwrap();
    let mut output = vec![0; length];
    argon2.hash_password_into(password.as_bytes(), &salt, &mut output).unwrap();
    let hash = PasswordHash {
        algorithm: algorithm.ident(),
        version: Some(version.into()),
        params: text,
        salt: Some(Salt::new(&salt).unwrap()),
        hash: Some(Output::new(&output).unwrap()),
    };
    (password, hash.to_string())
}

/// Panics at the first hash whose password is wrong here, or for which another one is right.
pub fn compare(count: usize) {
    let next = Next::default();
    let verifier = Argon2Verifier::builder(next.clone())
        .parameters(Argon2Parameters::new(8, 1, 1).unwrap())
        .threads(1)
        .max_stored_cost(400, 3, 5)
        .secret_keys(SecretKeys::new(KEY_ID, KEY).unwrap())
        .build()
        .unwrap();
    let (endpoint, runtime, mut dice) = (token_endpoint(verifier), runtime(), Dice(1));
    for number in 0..count {
        let (password, hash) = hash(&mut dice);
        next.0.lock().unwrap().clone_from(&hash);
        let said = runtime.block_on(status(&endpoint, number, &password));
        assert_eq!(said, 200, "hash {number} of the seed: {password:?} is right for {hash}");
        if number % 10 == 0 {
            let said = runtime.block_on(status(&endpoint, number, &format!("{password}x")));
            assert_eq!(said, 400, "hash {number} of the seed: {password:?} with an `x` is wrong for {hash}");
        }
    }
    println!("{count} random hashes of the crate `argon2` are right, by {}", super::Chosen::NAME);
}
