//! What was charged for a client, or for nobody, pays for no attempt on an account, and the reverse.
use crate::boundary::auth_method::{AuthRequest, ClientAuthMethod};
use crate::boundary::ladder::charge::{Charge, OfAccount, OfClient, OfNobody, UserCharge};
use crate::boundary::ladder::client::prove;
use crate::boundary::verifier::{Attempt, Said};

fn of_a_client(charge: Charge<OfClient>, said: Said) {
    let _ = Attempt::charged(charge, said); //~ expected `Charge<OfAccount>`, found `Charge<OfClient>`
}

fn of_nobody(charge: Charge<OfNobody>, said: Said) {
    let _ = Attempt::charged(charge, said); //~ expected `Charge<OfAccount>`, found `Charge<OfNobody>`
}

fn for_an_exchange(charge: Charge<OfClient>) {
    let _ = UserCharge::Account(charge); //~ expected `Charge<OfAccount>`, found `Charge<OfClient>`
}

fn for_a_client(method: &dyn ClientAuthMethod, request: &AuthRequest<'_>, charge: Charge<OfAccount>) {
    let _ = prove(method, None, request, charge); //~ expected `Charge<OfClient>`, found `Charge<OfAccount>`
}
