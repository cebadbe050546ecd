//! Under which digests attempts are counted: names and addresses themselves are kept for locks alone.

use std::net::IpAddr;

use super::key::{part, with_kind};
use super::network::{of_64, single};
use crate::boundary::account::AccountKeyKind;
use crate::boundary::limiter::Guess;
use crate::protocol::address::Network;
use crate::protocol::secret::keyed::Keyed;

/// The kind of a digest of a client's id.
const CLIENT: u64 = 6;
/// The kind of what is no guess; nothing is counted under it.
const TOKEN: u64 = 8;
/// The kinds of digests of users; one more with a realm.
const FACTOR: u64 = 10;
const RECOVERY_CODE: u64 = 12;
const DELIVERY: u64 = 14;
/// The network of a host that has no addresses.
const NO_NETWORK: u64 = 1;

/// Makes the digests, under a secret key, so that no attacker can look for two names with one digest.
pub(crate) struct Digests(Keyed);

impl Digests {
    pub(crate) const fn new(key: Keyed) -> Self {
        Self(key)
    }

    /// Of what is guessed. Every part goes in with its kind and its length.
    #[inline]
    pub(crate) fn guess(&self, guess: &Guess<'_>) -> u64 {
        let (kind, realm, name) = match *guess {
            Guess::Account { realm, account } => {
                let kind: u64 = match account.kind() {
                    AccountKeyKind::Name => 0,
                    AccountKeyKind::Resolved => 2,
                    AccountKeyKind::Phantom => 4,
                };
                (kind | u64::from(realm.is_some()), realm.unwrap_or(""), account.as_str())
            }
            Guess::Client { client_id } => (CLIENT, "", client_id),
            Guess::NoAccount => (TOKEN, "", ""),
            Guess::Factor { realm, subject, .. } => of_user(FACTOR, realm, subject),
            Guess::RecoveryCode { realm, subject } => of_user(RECOVERY_CODE, realm, subject),
            Guess::Delivery { realm, subject, .. } => of_user(DELIVERY, realm, subject),
        };
        // One piece instead of several; realms and names are far shorter than 2^24 bytes.
        let lengths = kind << 56 ^ (realm.len() as u64) << 28 ^ name.len() as u64;
        let digest = self.0.digest(lengths, [realm.as_bytes(), name.as_bytes()]);
        // Three kinds of accounts, and one each of all others.
        with_kind(digest, (kind >> 1).saturating_sub(2))
    }

    /// All that a user's second factor is counted under.
    pub(crate) fn of_user(&self, realm: Option<&str>, subject: &str) -> [u64; 3] {
        [
            Guess::Factor { realm, subject, challenge: &[0; 16] },
            Guess::RecoveryCode { realm, subject },
            Guess::Delivery { realm, subject, authenticator: "" },
        ]
        .map(|guess| self.guess(&guess))
    }

    /// Of what its pair counts on beside the user, where that is no network.
    pub(crate) fn part(&self, guess: &Guess<'_>) -> Option<u64> {
        let digest = match *guess {
            Guess::Factor { challenge, .. } => self.0.digest(FACTOR, [challenge, &[]]),
            Guess::Delivery { authenticator, .. } => self.0.digest(DELIVERY, [authenticator.as_bytes(), &[]]),
            _ => return None,
        };
        Some(part(digest))
    }

    /// Of the network of an address.
    #[inline]
    pub(crate) fn network(&self, address: Option<IpAddr>) -> u64 {
        match address.map(Network::of) {
            None => NO_NETWORK,
            Some(Network::V4(bits)) => single(self.0.digest(bits.into(), [])),
            Some(Network::V6(bits)) => of_64(self.0.digest(bits >> 16, []), (bits & 0xffff) as u16),
        }
    }
}

fn of_user<'a>(kind: u64, realm: Option<&'a str>, subject: &'a str) -> (u64, &'a str, &'a str) {
    (kind | u64::from(realm.is_some()), realm.unwrap_or(""), subject)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::super::key::{GuessKind, kind as kind_in};
    use super::*;
    use crate::boundary::account::AccountKey;
    use crate::protocol::secret::shared_key::{KeyUse, SharedKey};

    fn keys() -> [Keyed; 2] {
        let shared = SharedKey::new([1; 32]).unwrap();
        [Keyed::random(), Keyed::new(Some(&shared), KeyUse::Fingerprints)]
    }

    proptest! {
        /// T9: no two of them share a count, wherever the borders of their parts are.
        #[test]
        fn digests_are_equal_only_if_every_part_is(
            guesses in prop::collection::hash_set((0_u8..4, "[ab:\u{0}\u{ff}]{0,3}", "[ab:\u{0}\u{ff}]{0,3}"), 2..40),
        ) {
            for key in keys() {
                let digests = Digests::new(key);
                let mut parts = HashSet::new();
                let mut hashes = HashSet::new();
                for (kind, realm, name) in &guesses {
                    let realm = if *kind == 1 { realm } else { "" };
                    let name = name.as_str();
                    let account = if *kind == 3 { AccountKey::phantom(name) } else { AccountKey::resolved(name) };
                    let hash = digests.guess(&match kind {
                        0 | 3 => Guess::Account { realm: None, account: &account },
                        1 => Guess::Account { realm: Some(realm), account: &account },
                        _ => Guess::Client { client_id: name },
                    });
                    parts.insert((kind, realm, name));
                    hashes.insert(hash);
                    prop_assert_eq!(kind_in(hash) == GuessKind::Client, *kind == 2);
                }
                prop_assert_eq!(hashes.len(), parts.len());
            }
        }
    }

    #[test]
    fn a_given_key_makes_the_same_digests_everywhere_and_an_own_one_does_not() {
        let account = AccountKey::canonical("alice");
        let guess = Guess::Account { realm: None, account: &account };
        let made = || keys().map(Digests::new).map(|digests| (digests.guess(&guess), digests.network(None)));
        let ([own, given], [other_own, same]) = (made(), made());
        assert_eq!(given, same);
        assert_ne!(own.0, other_own.0);
    }
}
