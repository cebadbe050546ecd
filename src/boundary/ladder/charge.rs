//! Charges: a limiter gave a reservation, and what was guessed stands in the type.

use std::future::Future;
use std::marker::PhantomData;
use std::net::IpAddr;

use super::asking::Asking;
use super::challenge::Opened;
use crate::boundary::account::AccountKey;
use crate::boundary::backend::BackendError;
use crate::boundary::clock::Reading;
use crate::boundary::limiter::{
    AttemptKey, AttemptLimiter, BegunLock, Fingerprint, Guess, Limit, Refusal, Reservation, Reserved, Settlement,
};
use crate::boundary::maybe::MaybeFuture;
use crate::protocol::factor::authenticator::FactorUser;

/// The kind of what is guessed.
pub(crate) trait Kind: Send + Sync + Unpin {
    /// How the charge is settled when the request ended so.
    fn settlement(ended: Settlement) -> Settlement {
        ended
    }
}

/// A credential of an account is guessed.
pub(crate) struct OfAccount(());

/// A credential of a client is guessed.
pub(crate) struct OfClient(());

/// Nothing is guessed that names an account or a client: the address alone counts.
pub(crate) struct OfNobody(());

/// A code of a second factor is guessed.
pub(crate) struct OfFactor(());

/// A recovery code is guessed.
pub(crate) struct OfRecovery(());

/// Nothing is guessed: a code is sent.
pub(crate) struct OfDelivery(());

impl Kind for OfAccount {}

impl Kind for OfClient {}

impl Kind for OfFactor {}

impl Kind for OfRecovery {}

impl Kind for OfDelivery {}

impl Kind for OfNobody {
    fn settlement(ended: Settlement) -> Settlement {
        ended.of_no_account()
    }
}

/// What is guessed, with its kind in the type.
pub(crate) struct Guessed<'a, Of> {
    guess: Guess<'a>,
    of: PhantomData<Of>,
}

impl<'a> Guessed<'a, OfAccount> {
    pub(crate) const fn account(realm: Option<&'a str>, account: &'a AccountKey<'a>) -> Self {
        Self { guess: Guess::Account { realm, account }, of: PhantomData }
    }
}

impl<'a> Guessed<'a, OfClient> {
    pub(crate) const fn client(client_id: &'a str) -> Self {
        Self { guess: Guess::Client { client_id }, of: PhantomData }
    }
}

impl Guessed<'_, OfNobody> {
    pub(crate) const fn nobody() -> Self {
        Self { guess: Guess::NoAccount, of: PhantomData }
    }
}

impl<'a> Guessed<'a, OfFactor> {
    /// To finish this login.
    pub(crate) fn factor(opened: &'a Opened) -> Self {
        let FactorUser { realm, subject, .. } = opened.challenge().user();
        let challenge = &opened.challenge().id;
        Self { guess: Guess::Factor { realm, subject, challenge }, of: PhantomData }
    }
}

impl<'a> Guessed<'a, OfRecovery> {
    /// To finish this login.
    pub(crate) fn recovery_code(opened: &'a Opened) -> Self {
        let FactorUser { realm, subject, .. } = opened.challenge().user();
        Self { guess: Guess::RecoveryCode { realm, subject }, of: PhantomData }
    }
}

impl<'a> Guessed<'a, OfDelivery> {
    pub(crate) const fn delivery(realm: Option<&'a str>, subject: &'a str, authenticator: &'a str) -> Self {
        Self { guess: Guess::Delivery { realm, subject, authenticator }, of: PhantomData }
    }
}

impl<'a, Of> Guessed<'a, Of> {
    /// The guess as it comes from an address.
    pub(crate) const fn from(
        self,
        address: Option<IpAddr>,
        is_exempt: bool,
        fingerprint: Option<Fingerprint>,
        reading: Option<Reading<'a>>,
    ) -> GuessKey<'a, Of> {
        GuessKey { key: AttemptKey { guess: self.guess, address, is_exempt, fingerprint, reading }, of: PhantomData }
    }
}

/// A limiter's key, with the kind of its guess in the type.
pub(crate) struct GuessKey<'a, Of> {
    key: AttemptKey<'a>,
    of: PhantomData<Of>,
}

impl<'a, Of> GuessKey<'a, Of> {
    pub(crate) const fn key(&self) -> &AttemptKey<'a> {
        &self.key
    }
}

/// A charge that a limiter made, for one use: an attempt, an exchange, or a verification by a client's own method. Dropped, it
/// stays charged.
///
/// Its type says what kind of guess it is for, not for which account. The flow that reserves it takes the account and the attempt
/// from the same form.
#[must_use = "a charge that is dropped stays charged"]
pub(crate) struct Charge<Of> {
    reservation: Reservation,
    of: PhantomData<Of>,
}

/// The limiter's answer about a charge.
type Answered<Of> = Result<Result<Charge<Of>, Refusal>, BackendError>;

/// Asks the limiter for a charge: the only maker of one. `Err` holds the call, if its answer is not there at once.
#[inline]
pub(crate) fn reserve<'a, Of: Kind + 'a>(
    limiter: &'a dyn AttemptLimiter,
    keyed: &'a GuessKey<'a, Of>,
) -> Result<Answered<Of>, impl Future<Output = Answered<Of>> + Send + Unpin + 'a> {
    Asking::at_once(limiter.reserve(keyed.key()), |answer: Result<Reserved, BackendError>| {
        answer.map(|reserved| match reserved {
            Reserved::Charged(reservation) => Ok(Charge { reservation, of: PhantomData }),
            Reserved::Refused(refusal) => Err(refusal),
        })
    })
}

impl<Of: Kind> Charge<Of> {
    /// The limit in monitoring mode that would have refused it.
    pub(crate) const fn monitored(&self) -> Option<Limit> {
        self.reservation.monitored()
    }

    /// Whether what is guessed succeeded from this address before.
    pub(in crate::boundary) const fn is_from_known_address(&self) -> bool {
        self.reservation.is_from_known_address()
    }

    /// Uses the charge: what it paid for begins, and is settled when it has ended.
    pub(in crate::boundary) fn used(self) -> UsedCharge {
        UsedCharge { reservation: self.reservation, settlement: Of::settlement }
    }
}

/// A charge for an exchange of an extension grant: of the account that the request names, or of its address alone.
pub(crate) enum UserCharge {
    Account(Charge<OfAccount>),
    Nobody(Charge<OfNobody>),
}

impl UserCharge {
    pub(super) fn used(self) -> UsedCharge {
        match self {
            Self::Account(charge) => charge.used(),
            Self::Nobody(charge) => charge.used(),
        }
    }
}

/// A charge that was used. Dropped, it stays charged.
#[must_use = "a used charge that is dropped stays charged: settle it"]
pub(crate) struct UsedCharge {
    reservation: Reservation,
    settlement: fn(Settlement) -> Settlement,
}

impl UsedCharge {
    /// The bytes of its reservation, from which it is [resumed](Self::resumed) once it was settled as pending. `None`: it never is,
    /// because it goes back at once.
    pub(crate) fn pending(&self) -> Option<[u8; 32]> {
        let stays = (self.settlement)(Settlement::Pending) == Settlement::Pending;
        stays.then(|| *self.reservation.key())
    }

    /// A charge of an account that was settled as pending, by the bytes that were kept of it.
    pub(crate) const fn resumed(bytes: [u8; 32]) -> Self {
        Self { reservation: Reservation::new(bytes).resumed(), settlement: OfAccount::settlement }
    }

    /// Settles the charge. Answers, if something is to come back, what a second try may settle after an `Err`.
    #[inline]
    pub(crate) fn settle(self, limiter: &dyn AttemptLimiter, ended: Settlement) -> (Settling<'_>, Option<Unsettled>) {
        let settlement = (self.settlement)(ended);
        let again = settlement.gives_back().then(|| Unsettled::new(self.reservation.again(), settlement));
        (limiter.settle(self.reservation, settlement), again)
    }
}

/// The limiter's answer to a settlement.
pub(crate) type Settling<'a> = MaybeFuture<'a, Result<Option<BegunLock>, BackendError>>;

/// A charge whose settlement was tried once.
pub(crate) struct Unsettled {
    again: Reservation,
    settlement: Settlement,
}

impl Unsettled {
    pub(in crate::boundary) const fn new(again: Reservation, settlement: Settlement) -> Self {
        Self { again, settlement }
    }

    /// Tries for the second and last time.
    pub(crate) fn settle(self, limiter: &dyn AttemptLimiter) -> Settling<'_> {
        limiter.settle(self.again, self.settlement)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pending<Of: Kind>() -> Option<[u8; 32]> {
        Charge::<Of> { reservation: Reservation::new([7; 32]), of: PhantomData }.used().pending()
    }

    #[test]
    fn what_goes_back_at_once_does_not_go_back_again_when_its_login_is_finished() {
        assert_eq!(pending::<OfAccount>(), Some([7; 32]));
        assert_eq!(pending::<OfNobody>(), None);
    }
}
