//! Replacing an outdated hash, and looking whether the store kept the new one.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use crate::boundary::users::login_name::LoginName;
use crate::boundary::users::store::UserStore;
use crate::boundary::users::stored_user::trimmed;
use crate::observe::patience::Bound;
use crate::observe::telemetry;

/// How often the store is asked what it kept, if it fails to answer.
const LOOKS: u32 = 3;
/// The header of a PHC text is the same for all users; so many characters behind it are one hash's own.
const OWN: usize = 8;

/// What is known of the saving of upgraded hashes.
#[derive(Default)]
pub(super) struct Upgrades {
    pub(super) failed: AtomicU64,
    /// The store has damaged a hash. It would damage the next one, too.
    stopped: AtomicBool,
}

/// One upgrade.
pub(super) struct Upgrade {
    pub(super) login: LoginName<'static>,
    pub(super) realm: Option<String>,
    pub(super) user_id: String,
    pub(super) old: String,
    pub(super) new: String,
    /// Of each call of the store.
    pub(super) patience: Bound,
}

impl Upgrades {
    pub(super) fn are_stopped(&self) -> bool {
        self.stopped.load(Ordering::Relaxed)
    }

    /// Stops all writing of hashes if this is what the store kept of one, cut off or changed. Answers whether it is.
    pub(super) fn stop_if_damaged(&self, written: &str, kept: &str) -> bool {
        let is_damaged = is_damaged(written, kept);
        if is_damaged {
            self.stopped.store(true, Ordering::Relaxed);
            self.fail();
        }
        is_damaged
    }

    fn fail(&self) {
        self.failed.fetch_add(1, Ordering::Relaxed);
    }
}

impl Upgrade {
    /// Saves the new hash and answers the one that the store has now, as far as this upgrade is concerned.
    ///
    /// It runs in a task of its own: a client that hangs up between the saving and the look must not leave an account with
    /// half a hash.
    pub(super) async fn run<S: UserStore>(self, store: Arc<S>, upgrades: Arc<Upgrades>) -> String {
        let old = self.old.clone();
        tokio::spawn(async move { self.save(&*store, &upgrades).await }).await.unwrap_or(old)
    }

    async fn save<S: UserStore>(self, store: &S, upgrades: &Upgrades) -> String {
        let saved = self.patience.of(store.save_hash(&self.user_id, &self.old, &self.new)).await;
        // Another login or a change of the password was faster.
        if matches!(saved, Ok(false)) {
            return self.old;
        }
        // A store that failed may have done it all the same.
        let kept = self.look(store).await;
        let failure = match &kept {
            None => Some("the store did not answer what it kept"),
            Some(kept) if trimmed(kept) == trimmed(&self.old) && saved.is_ok() => {
                // Or a replica answers that lags behind.
                Some("the store says that it saved it, and still gives back the old one")
            }
            Some(kept) if trimmed(kept) == trimmed(&self.old) => Some("the store failed to save it"),
            Some(_) => None,
        };
        if let Some(cause) = failure {
            upgrades.fail();
            telemetry::upgrade_failed(&self.user_id, cause);
        }
        let kept = match kept {
            Some(kept) if trimmed(&kept) == trimmed(&self.old) => return self.old,
            Some(kept) => kept,
            None => return if saved.is_ok() { self.new } else { self.old },
        };
        if !upgrades.stop_if_damaged(&self.new, &kept) {
            return self.new;
        }
        let restored = self.patience.of(store.save_hash(&self.user_id, &kept, &self.old)).await;
        let is_restored = matches!(restored, Ok(true));
        telemetry::upgrade_lost(&self.user_id, self.new.len(), kept.len(), is_restored);
        if is_restored { self.old } else { kept }
    }

    /// The hash that the store gives back; `None` if it does not answer.
    async fn look<S: UserStore>(&self, store: &S) -> Option<String> {
        for attempt in 1..=LOOKS {
            match self.patience.of(store.find(&self.login, self.realm.as_deref())).await {
                Ok(Some(user)) if user.id() == self.user_id => {
                    // A password that was taken away meanwhile is none of this upgrade's.
                    return Some(user.password_hash().unwrap_or(&self.new).to_owned());
                }
                Ok(_) => return Some(self.new.clone()),
                Err(_) if attempt < LOOKS => {
                    tokio::time::sleep(Duration::from_millis(200).saturating_mul(attempt)).await
                }
                Err(_) => {}
            }
        }
        None
    }
}

/// Whether `kept` is what is left of `written`, and no hash of a password that was changed in between.
fn is_damaged(written: &str, kept: &str) -> bool {
    let kept = trimmed(kept);
    if kept == written {
        return false;
    }
    let own = written.match_indices('$').nth(3).map_or(written.len(), |(at, _)| at.saturating_add(OWN));
    let is_same = |(one, other): &(u8, u8)| one.eq_ignore_ascii_case(other);
    let common = written.bytes().zip(kept.bytes()).take_while(is_same).count();
    // A salt is never made twice. What is cut off before it can only be this one: no hash fits there.
    common > own || common == kept.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    const WRITTEN: &str =
        "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4";

    #[test]
    fn what_is_left_of_a_hash_is_told_from_another_hash_and_from_the_whole() {
        for length in [0, 1, 20, 32, 60, 64, 90, WRITTEN.len() - 1] {
            assert!(is_damaged(WRITTEN, &WRITTEN[..length]), "{length}");
            assert!(is_damaged(WRITTEN, &format!("{:100}", &WRITTEN[..length])), "padded {length}");
        }
        assert!(is_damaged(WRITTEN, &WRITTEN.to_lowercase()) && is_damaged(WRITTEN, &WRITTEN.to_uppercase()));
        assert!(is_damaged(WRITTEN, &format!("{WRITTEN}x")));
        assert!(!is_damaged(WRITTEN, WRITTEN) && !is_damaged(WRITTEN, &format!("{WRITTEN:128}")));
        for other in [
            WRITTEN.replace("c29t", "YW5v"),
            WRITTEN.replace("$m=19456", "$m=65536"),
            WRITTEN.replace("c29t", "YW5v")[..60].to_owned(),
            "$2b$05$abcdefghijklmnopqrstuucZGbUxuMlEqps0qcu2pjhO7vaatQZIC".to_owned(),
        ] {
            assert!(!is_damaged(WRITTEN, &other), "{other}");
        }
    }
}
