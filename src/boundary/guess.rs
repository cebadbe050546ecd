//! What is guessed, and from where.

use std::fmt;
use std::net::IpAddr;

use super::account::AccountKey;
use super::clock::Reading;
use crate::protocol::address::Network;

/// What one attempt tries to guess, and from where.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub struct AttemptKey<'a> {
    /// What is guessed.
    pub guess: Guess<'a>,
    /// The address that counts, with IPv4 in its own form; `None` if the host chose to have none. A store counts on its
    /// [`network`](Self::network).
    pub address: Option<IpAddr>,
    /// The address is on the operator's allow-list: the limits that name an address do not hold for it. The account's own
    /// limit, over all addresses, and that of client secrets do.
    pub is_exempt: bool,
    /// A keyed digest of the secret that is tried, to count the same mistake once.
    pub fingerprint: Option<Fingerprint>,
    /// What the endpoint's clock showed, if it was read and nothing was waited for since.
    pub(crate) reading: Option<Reading<'a>>,
}

impl<'a> AttemptKey<'a> {
    /// A key without exemption and fingerprint, for the tests of your own limiter.
    #[must_use]
    pub const fn new(guess: Guess<'a>, address: Option<IpAddr>) -> Self {
        Self { guess, address, is_exempt: false, fingerprint: None, reading: None }
    }

    /// What counts as one sender: an IPv4 address, or the first address of the /64 of an IPv6 address, all of which one
    /// machine may use.
    #[must_use]
    pub fn network(&self) -> Option<IpAddr> {
        self.address.map(|address| Network::of(address).first())
    }

    /// The same key with a fingerprint.
    #[must_use]
    pub const fn with_fingerprint(mut self, fingerprint: Fingerprint) -> Self {
        self.fingerprint = Some(fingerprint);
        self
    }

    /// The same key from an address on the allow-list.
    #[must_use]
    pub const fn exempt(mut self) -> Self {
        self.is_exempt = true;
        self
    }
}

/// What an attempt tries to guess.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub enum Guess<'a> {
    /// The password of an account, or another credential of it.
    Account {
        /// The realm of the request, if its client lists some.
        realm: Option<&'a str>,
        /// The account's key, from the verifier.
        account: &'a AccountKey<'a>,
    },
    /// The credentials of a client.
    Client {
        /// The id that was claimed, of a known or an unknown client.
        client_id: &'a str,
    },
    /// No account and no client: a token that nobody can guess, or a request of an
    /// [extension grant](crate::grant::ExtensionGrant) that names no account. It counts on the address alone, so that a flood of
    /// made-up ones ends. Only denials stay charged; there are no failures of an account to forget, so it is never settled
    /// as [`Success`](super::limiter::Settlement::Success).
    NoAccount,
    /// A code of a second factor: one that an authenticator shows, or one that was sent. Asked for only once the password was
    /// right. It counts on the challenge, on the user in a short time, on the user in a row, and on the address. It has no
    /// fingerprint, and an [exemption](AttemptKey::is_exempt) lifts nothing of it.
    Factor {
        /// The realm of the user, if the client lists some.
        realm: Option<&'a str>,
        /// The user's id, as in the subject of tokens.
        subject: &'a str,
        /// The id of the challenge.
        challenge: &'a [u8; 16],
    },
    /// A recovery code of a user. It has a budget of its own, for each user and address, so that a stranger who knows the
    /// password and uses up that of codes does not close the owner's last way in; and it counts on the address. Without
    /// fingerprint and exemption, as [`Factor`](Self::Factor).
    RecoveryCode {
        /// The realm of the user, if the client lists some.
        realm: Option<&'a str>,
        /// The user's id, as in the subject of tokens.
        subject: &'a str,
    },
    /// No guess: a code is about to be sent, which costs money and a user's attention. It counts on the authenticator and on the
    /// user, wherever it is asked from. It is never settled, so that its charge stays, whatever becomes of the message.
    Delivery {
        /// The realm of the user, if the client lists some.
        realm: Option<&'a str>,
        /// The user's id, as in the subject of tokens.
        subject: &'a str,
        /// What it is sent to: the same text for the same channel and address, also of an authenticator that is enrolled anew. It may
        /// hold a telephone number or an e-mail address: keep a digest.
        authenticator: &'a str,
    },
}

impl fmt::Debug for AttemptKey<'_> {
    /// Without the account: people type passwords into the wrong field.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let guess = match self.guess {
            Guess::Account { .. } => "account",
            Guess::Client { .. } => "client",
            Guess::NoAccount => "no_account",
            Guess::Factor { .. } => "factor",
            Guess::RecoveryCode { .. } => "recovery_code",
            Guess::Delivery { .. } => "delivery",
        };
        f.debug_struct("AttemptKey").field("guess", &guess).field("address", &self.address).finish_non_exhaustive()
    }
}

impl fmt::Debug for Guess<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Guess")
    }
}

/// A keyed digest of a secret, which shows that the same secret was tried for the same account again. It is no password hash.
///
/// Its key is one of this process, and then a limiter that several processes share does not recognise a secret that came through
/// another one; or the operator's [shared key](crate::limiter::AttackProtection::shared_key). Keep it outside of the process only
/// under a shared key, which is not kept beside it, and only as long as the answer needs.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Fingerprint(u64);

impl Fingerprint {
    /// A fingerprint, for the tests of your own limiter.
    #[must_use]
    pub const fn new(digest: u64) -> Self {
        Self(digest)
    }

    /// The digest.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Fingerprint([redacted])")
    }
}
