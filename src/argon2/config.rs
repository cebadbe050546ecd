//! Putting an [`Argon2Verifier`] together.

use std::hash::RandomState;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize};
use std::time::{Duration, Instant};
use std::{fmt, thread};

use super::argon2_hash::Caps;
use super::engine::{Chosen, Engine, answers_are_right};
use super::error::{Argon2ConfigError, HashError};
use super::format::HashFormat;
use super::hasher::Hasher;
use super::parameters::{Argon2Parameters, SALT};
use super::places::Percents;
use super::pool::{Limit, Limits, Pool};
use super::stored::Readable;
use super::verifier::{Argon2Verifier, Held};
use super::{legacy, settings};
use crate::boundary::users::store::UserStore;
use crate::observe::patience::Bound;
use crate::protocol::secret::secret_keys::SecretKeys;
use crate::protocol::user::preparation::PasswordPreparation;

/// Puts an [`Argon2Verifier`] together; see [`Argon2Verifier::builder`].
#[must_use]
pub struct Argon2VerifierBuilder<S> {
    store: S,
    counts_by_name: bool,
    parameters: Argon2Parameters,
    caps: Option<Caps>,
    pub(super) legacy: legacy::Caps,
    threads: Option<usize>,
    limits: Limits,
    store_deadline: Option<Duration>,
    hold: Duration,
    max_held: usize,
    on_start: Option<Arc<dyn Fn() + Send + Sync>>,
    own: Vec<Arc<dyn HashFormat>>,
    keys: Option<SecretKeys>,
    preparation: Option<PasswordPreparation>,
}

impl<S: UserStore> Argon2VerifierBuilder<S> {
    pub(super) fn new(store: S) -> Self {
        Self {
            store,
            counts_by_name: false,
            parameters: Argon2Parameters::default(),
            caps: None,
            legacy: legacy::Caps::default(),
            threads: None,
            limits: Limits {
                jobs: Limit::Time(Duration::from_secs(1)),
                percents: Percents { of_one: 25, reserved: 50 },
                deadline: Duration::from_secs(5),
            },
            store_deadline: Some(Duration::from_secs(5)),
            hold: Duration::from_millis(100),
            max_held: 1024,
            on_start: None,
            own: Vec::new(),
            keys: None,
            preparation: None,
        }
    }

    /// Counts attempts on the canonical form of the login name instead of asking the store whose name it is.
    ///
    /// Default: off. The store is asked once more for each login, for known and unknown names alike, before the attempt
    /// is charged; so the login name and the e-mail address of one account share one budget of guesses. Switch it on only
    /// if your store finds each account by exactly one name, compared as it was asked for: with a second name, or with a
    /// column that ignores accents or the like, each further spelling buys a guesser a budget of its own.
    pub fn count_by_login_name(mut self) -> Self {
        self.counts_by_name = true;
        self
    }

    /// The cost of new hashes. Default: 19,456 KiB, 2 passes, 1 lane. A stored hash with another cost is upgraded (or
    /// downgraded) when its user logs in.
    pub fn parameters(mut self, parameters: Argon2Parameters) -> Self {
        self.parameters = parameters;
        self
    }

    /// Reads a format of your own, too: [`HashFormat`] says how. It may be called several times; the first one that recognises a
    /// text reads it. Default: none.
    pub fn hash_format(mut self, format: impl HashFormat) -> Self {
        self.own.push(Arc::new(format));
        self
    }

    /// Secret keys that go into each new hash (a pepper: the secret input of RFC 9106), so that a copy of the user table
    /// alone is of no use for guessing. Default: none.
    ///
    /// A hash names its key (`keyid`). One of an older key is verified and upgraded when its user logs in, and so is one without
    /// a key; one of a key that is not there is unusable. With the keys all passwords are lost.
    pub fn secret_keys(mut self, keys: SecretKeys) -> Self {
        self.keys = Some(keys);
        self
    }

    /// Prepares each password before it is hashed, at a login as in [`hash_password`](Argon2Verifier::hash_password).
    /// Default: off, and passwords are compared exactly as they were sent.
    ///
    /// Switch it on before the first password is set: a password that was hashed as it was sent, and that the preparation
    /// changes, is right no more. Hashes that another system wrote ([formats](crate::manual::password_hashes)) are compared
    /// with the password as it was sent, and upgraded to one of the prepared password. With an own
    /// [`hash_blocking`](Argon2Parameters::hash_blocking) prepare the password [yourself](PasswordPreparation::apply).
    pub fn prepare_passwords(mut self, preparation: PasswordPreparation) -> Self {
        self.preparation = Some(preparation);
        self
    }

    /// How many threads hash, each with its own memory. Default: as many as the process may use cores. One less leaves a
    /// core to everything else, for that much fewer logins.
    pub fn threads(mut self, threads: usize) -> Self {
        self.threads = Some(threads);
        self
    }

    /// How long a login may wait for a thread. The queue holds as many jobs as are done within this time, by the measured
    /// time of a hash. Default: 1 second; at most 60. Longer, and people (and clients with a timeout of their own) give up
    /// on logins that are still worked on; shorter, and a short burst is refused.
    pub fn max_wait(mut self, longest: Duration) -> Self {
        self.limits.jobs = Limit::Time(longest);
        self
    }

    /// How many jobs may wait, in place of [`max_wait`](Self::max_wait). With 0 only an idle thread takes a job; 65,536 are
    /// the most.
    pub fn queue_capacity(mut self, jobs: usize) -> Self {
        self.limits.jobs = Limit::Jobs(jobs);
        self
    }

    /// How many percent of the queue's places the logins from one address (one /64 of IPv6) may have. Default: 25, so that
    /// one eager sender is answered 503 while all others still get in. In a small queue it is at least two places, or
    /// half of the queue, so that an address always has one. The networks of one IPv6 /48 have twice the share together. Of the
    /// places for [known addresses](Self::queue_percent_for_known_addresses) each has the same part.
    ///
    /// 100 switches it off. Raise it if many users share an address, such as that of a server that logs in for them.
    /// Logins without an address ([`PeerAddress::unknown`](crate::PeerAddress::unknown)) have no share and no such limit.
    pub fn queue_percent_per_address(mut self, percent: u8) -> Self {
        self.limits.percents.of_one = percent;
        self
    }

    /// How many percent of the queue's places, and of the threads' time while others wait, are for logins from an address from
    /// which the same account logged in before, as the limiter
    /// [remembers](crate::Attempt::is_from_known_address) it. Default: 50; at most 90.
    ///
    /// A botnet that is larger than your hashing capacity has no such address. Its guesses, and the logins of users at new
    /// addresses, share the other half; those who come back wait only for each other. What the known do not need is lent: places
    /// until a known user comes: then the job that came last is answered 503. Time is lent at once. So a login from a new address
    /// may wait twice as long as [`max_wait`](Self::max_wait) while the known take all of their half.
    ///
    /// Somebody who guesses may have an account, too, so an account has two of the reserved places at a time, and an address its
    /// [share](Self::queue_percent_per_address) of them; what is beyond waits with the others. 0 switches it off: choose that if
    /// nobody behind a shared address may see, while the queue is full, which accounts logged in from there.
    pub fn queue_percent_for_known_addresses(mut self, percent: u8) -> Self {
        self.limits.percents.reserved = percent;
        self
    }

    /// The longest time after which a waiting login is still hashed; one that waited longer is answered 503. Default: 5
    /// seconds; at most 60. The queue is bounded by what hashes took so far, so this matters only when they suddenly take
    /// much longer: the client of such a login has often given up, and a hash for it would keep the next ones waiting too.
    pub fn queue_deadline(mut self, longest: Duration) -> Self {
        self.limits.deadline = longest;
        self
    }

    /// How long one call of the user store may take. Default: 5 seconds, then it counts as failed: the answer is 503 and the
    /// charge goes back, as after an error of the store. `None` leaves it to the endpoint's
    /// [`verifier_deadline`](crate::mount::RequestLimits::verifier_deadline), after which the attempt stays charged. Keep the
    /// acquire time-out of a database pool below it. Needs tokio's timer, but only for a store that is not ready at once.
    pub fn store_deadline(mut self, longest: Option<Duration>) -> Self {
        self.store_deadline = longest;
        self
    }

    /// How long a refusal is held back. Default: 100 ms; 0 to 60 seconds. Clients that answer a 503 with the next request
    /// at once would otherwise leave less than half of the processor to the hashing.
    pub fn hold_refusals(mut self, time: Duration) -> Self {
        self.hold = time;
        self
    }

    /// How many refusals are held back at once; more are answered immediately. Default: 1024, a few MiB of open requests.
    pub fn max_held_refusals(mut self, refusals: usize) -> Self {
        self.max_held = refusals;
        self
    }

    /// The highest cost of a stored Argon2 hash that is still computed. Default: 131,072 KiB, 10 passes, 16 lanes, or the
    /// current parameters where they are higher; a lower limit than these is an error. A hash above it is
    /// [unusable](crate::audit::Reason::UnusableHash): an attacker who can write to the user table must not be able to take all
    /// memory. libsodium's MODERATE needs 262,144 KiB. Each thread may use this much for a moment besides its own.
    pub fn max_stored_cost(mut self, memory: u32, passes: u32, lanes: u32) -> Self {
        self.caps = Some(Caps { memory, passes, lanes });
        self
    }

    /// Runs in each hashing thread when it starts, for example to lower its priority (`nice`), which keeps the other
    /// routes fast under a storm of logins. Default: nothing.
    pub fn on_thread_start(mut self, run: impl Fn() + Send + Sync + 'static) -> Self {
        self.on_start = Some(Arc::new(run));
        self
    }

    /// Takes the memory, looks at hashes whose results are known, measures a hash and starts the threads: some 30 ms on the
    /// calling thread.
    ///
    /// # Errors
    /// Fails when a part is missing from the system (memory, threads, randomness), no thread was asked for, a setting is out
    /// of its range, or this processor gives wrong hashes.
    pub fn build(self) -> Result<Argon2Verifier<S>, Argon2ConfigError> {
        let threads = self.threads.unwrap_or_else(|| thread::available_parallelism().map_or(1, usize::from));
        if threads == 0 {
            return Err(Argon2ConfigError::NoThreads);
        }
        settings::check_queue(&self.limits)?;
        settings::check_waits(self.hold, self.store_deadline)?;
        self.legacy.check()?;
        let caps = settings::caps(self.caps, self.parameters.cost())?;
        let mut decoy_salt = [0; SALT];
        getrandom::fill(&mut decoy_salt).map_err(|_| Argon2ConfigError::Randomness)?;
        let hasher = Hasher {
            parameters: self.parameters,
            readable: Readable { caps, legacy: self.legacy, own: self.own, keys: self.keys },
            preparation: self.preparation,
            decoy_salt,
            hashes: AtomicU64::new(0),
            unusable: AtomicU64::new(0),
        };
        let mut engines = Vec::new();
        for _ in 0..threads {
            engines.push(Chosen::of(hasher.parameters.blocks())?);
        }
        if !engines.first_mut().is_some_and(|engine| answers_are_right(engine)) {
            return Err(Argon2ConfigError::KnownAnswers);
        }
        let job_time = measure(&hasher, &mut engines)?;
        let pool = Pool::start(engines, self.limits, job_time, self.on_start).map_err(Argon2ConfigError::Threads)?;
        Ok(Argon2Verifier {
            store: Arc::new(self.store),
            counts_by_name: self.counts_by_name,
            patience: Bound::new("the user store", self.store_deadline),
            hasher: Arc::new(Hasher { hashes: AtomicU64::new(0), ..hasher }),
            pool,
            held: Held { now: AtomicUsize::new(0), max: self.max_held, time: self.hold },
            upgrades: Arc::default(),
            digests: RandomState::new(),
        })
    }
}

/// What a hash takes here, alone and with warm memory.
fn measure(hasher: &Hasher, engines: &mut [Chosen]) -> Result<Duration, HashError> {
    let mut least = Duration::MAX;
    if let Some(engine) = engines.first_mut() {
        for _ in 0..2 {
            let start = Instant::now();
            hasher.decoy(b"measured", engine)?;
            least = least.min(start.elapsed());
        }
    }
    Ok(least)
}

impl<S> fmt::Debug for Argon2VerifierBuilder<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Argon2VerifierBuilder")
            .field("parameters", &self.parameters)
            .field("threads", &self.threads)
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}
