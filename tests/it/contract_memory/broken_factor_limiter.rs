//! Limiters that break one promise about second factors each.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use tower_password_grant::BackendError;
use tower_password_grant::MaybeFuture;
use tower_password_grant::limiter::{
    AttemptKey, AttemptLimiter, BegunLock, Guess, LimiterOperator as _, MemoryLimiter, Reservation, Reserved,
    Settlement,
};
use tower_password_grant::testing::contract;

use super::complaint;

#[derive(Clone, Copy, Debug, PartialEq)]
enum Fault {
    None,
    ForgetsTheChallenge,
    LetsExemptAddressesPass,
    ForgetsTheRealm,
    CountsRecoveryCodesAsCodes,
    CountsRecoveryCodesOverAllAddresses,
    SendsAnything,
    PasswordGivesCodesBack,
    FinishedGivesAllCodesBack,
    FinishedGivesNothingBack,
    PendingIsFree,
    NeverResumes,
    ResumesEachTime,
    ResumesWhatIsDenied,
}

const FAULTS: &[(Fault, &str)] = &[
    (Fault::None, ""),
    (Fault::ForgetsTheChallenge, "one challenge has fewer codes than its user has"),
    (Fault::LetsExemptAddressesPass, "not one of 1,000 wrong codes of one user was refused"),
    (Fault::ForgetsTheRealm, "a user of another name or realm has codes of its own"),
    (Fault::CountsRecoveryCodesAsCodes, "have budgets of their own"),
    (Fault::CountsRecoveryCodesOverAllAddresses, "a stranger at another address does not close the way in"),
    (Fault::SendsAnything, "one authenticator gets no second message at once"),
    (Fault::PasswordGivesCodesBack, "a right password, and what is finished with it, gives no codes back"),
    (Fault::FinishedGivesAllCodesBack, "a finished login gives back no wrong codes of a short time"),
    (Fault::FinishedGivesNothingBack, "gives its own charge of the user back"),
    (Fault::PendingIsFree, "an attempt that is settled as `Pending` stays charged"),
    (Fault::NeverResumes, "what was pending may succeed later"),
    (Fault::ResumesEachTime, "a second success takes nothing back"),
    (Fault::ResumesWhatIsDenied, "of what was pending nothing but a success takes anything back"),
];

/// A limiter that keeps all promises, and is asked for something else than it was.
struct Broken {
    limiter: Arc<MemoryLimiter>,
    fault: Fault,
    asked: AtomicUsize,
    /// Whether a code was asked for last, through either handle.
    was_code: Arc<AtomicBool>,
}

fn handles(fault: Fault) -> [Broken; 2] {
    let (limiter, was_code) = (Arc::new(MemoryLimiter::new()), Arc::default());
    [(); 2].map(|()| Broken {
        limiter: Arc::clone(&limiter),
        fault,
        asked: AtomicUsize::new(0),
        was_code: Arc::clone(&was_code),
    })
}

/// The user of all scenes.
const USER: &str = "user-17";

impl Broken {
    fn asked<'a>(&self, key: &'a AttemptKey<'a>, made_up: &'a mut [u8; 16]) -> AttemptKey<'a> {
        let (mut guess, mut address) = (key.guess, key.address);
        match (self.fault, guess) {
            (Fault::ForgetsTheChallenge, Guess::Factor { realm, subject, .. }) => {
                let number = self.asked.fetch_add(1, Ordering::Relaxed).to_le_bytes();
                made_up[..8].copy_from_slice(&number);
                guess = Guess::Factor { realm, subject, challenge: made_up };
            }
            (Fault::ForgetsTheRealm, Guess::Factor { subject, challenge, .. }) => {
                guess = Guess::Factor { realm: None, subject, challenge };
            }
            (Fault::CountsRecoveryCodesAsCodes, Guess::RecoveryCode { realm, subject }) => {
                guess = Guess::Factor { realm, subject, challenge: made_up };
            }
            (Fault::CountsRecoveryCodesOverAllAddresses, Guess::RecoveryCode { .. }) => address = None,
            _ => {}
        }
        AttemptKey::new(guess, address)
    }
}

impl AttemptLimiter for Broken {
    fn reserve<'a>(&'a self, key: &'a AttemptKey<'a>) -> MaybeFuture<'a, Result<Reserved, BackendError>> {
        self.was_code.store(matches!(key.guess, Guess::Factor { .. }), Ordering::Relaxed);
        let passes = match (self.fault, key.guess) {
            (Fault::LetsExemptAddressesPass, Guess::Factor { .. }) => key.is_exempt,
            (Fault::SendsAnything, Guess::Delivery { .. }) => true,
            _ => false,
        };
        if passes {
            return MaybeFuture::ready(Ok(Reserved::Charged(Reservation::new([0; 32]))));
        }
        MaybeFuture::new(async move {
            let mut made_up = [0; 16];
            let asked = self.asked(key, &mut made_up);
            self.limiter.reserve(&asked).await
        })
    }

    fn settle(
        &self,
        reservation: Reservation,
        settlement: Settlement,
    ) -> MaybeFuture<'_, Result<Option<BegunLock>, BackendError>> {
        MaybeFuture::new(async move {
            let again = Reservation::new(*reservation.key());
            let is_success = settlement == Settlement::Success;
            let was_code = self.was_code.load(Ordering::Relaxed);
            let (reservation, settlement) = match (self.fault, reservation.is_resumed()) {
                (fault @ (Fault::PasswordGivesCodesBack | Fault::FinishedGivesAllCodesBack), false)
                    if is_success && was_code == (fault == Fault::FinishedGivesAllCodesBack) =>
                {
                    self.limiter.unblock_factor(None, USER).await.unwrap();
                    (reservation, settlement)
                }
                (Fault::FinishedGivesNothingBack, false) if is_success => (reservation, Settlement::Denied),
                (Fault::PendingIsFree, false) if settlement == Settlement::Pending => {
                    (reservation, Settlement::Untried)
                }
                (Fault::NeverResumes, true) => (reservation, Settlement::Pending),
                (Fault::ResumesEachTime, true) if is_success => (again, settlement),
                (Fault::ResumesWhatIsDenied, true) => (again, Settlement::Untried),
                _ => (reservation, settlement),
            };
            self.limiter.settle(reservation, settlement).await
        })
    }
}

#[test]
fn each_limiter_that_breaks_a_promise_of_second_factors_is_told_which() {
    let mut wrong = Vec::new();
    for (fault, promise) in FAULTS {
        let told = complaint(contract::factor_limiter(async || handles(*fault)));
        if !told.contains(promise) || told.is_empty() != promise.is_empty() {
            wrong.push(format!("{fault:?}: {told:?} and not {promise:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
