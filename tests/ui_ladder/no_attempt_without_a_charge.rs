//! An attempt needs the charge that a limiter made for a guess of its account.
use crate::boundary::ladder::charge::{Charge, Guessed, GuessKey, OfAccount, UsedCharge, reserve};
use crate::boundary::limiter::{AttemptLimiter, Reservation};
use crate::boundary::verifier::{Attempt, Said};

fn legal(charge: Charge<OfAccount>, said: Said) -> (Attempt, UsedCharge) {
    Attempt::charged(charge, said)
}

fn for_a_reservation(reservation: Reservation, said: Said) {
    let _ = Attempt::charged(reservation, said); //~ expected `Charge<OfAccount>`, found `Reservation`
}

fn for_a_used_charge(used: UsedCharge, said: Said) {
    let _ = Attempt::charged(used, said); //~ expected `Charge<OfAccount>`, found `UsedCharge`
}

fn written_by_hand(said: Said) {
    let _ = Attempt { said }; //~ field `said` of struct `Attempt` is private
}

fn charged_by_hand(reservation: Reservation) {
    let _ = Charge::<OfAccount> { reservation, of: Default::default() }; //~ field `reservation` of struct `Charge` is private
}

fn used_for_nothing(charge: Charge<OfAccount>) {
    let _ = charge.used(); //~ method `used` is private
}


fn of_nobody(limiter: &dyn AttemptLimiter, said: Said) {
    let keyed: GuessKey<'_, OfAccount> = Guessed::nobody().from(None, false, None, None); //~ expected `GuessKey<'_, OfAccount>`, found `GuessKey<'_, OfNobody>`
}
