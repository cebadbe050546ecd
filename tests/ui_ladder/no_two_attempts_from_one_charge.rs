//! A charge is good for one attempt, one exchange or one verification, and an attempt for one verdict.
use crate::boundary::auth_method::{AuthRequest, ClientAuthMethod};
use crate::boundary::extension::{ExtensionGrant, ExtensionRequest};
use crate::boundary::ladder::charge::{Charge, OfAccount, OfClient, UserCharge};
use crate::boundary::ladder::client::prove;
use crate::boundary::ladder::user::{exchange, verify};
use crate::boundary::verifier::{Attempt, CredentialVerifier, Said};
use crate::protocol::client::registered::Client;

fn attempts(charge: Charge<OfAccount>, said: Said, other: Said) {
    let _ = Attempt::charged(charge, said);
    let _ = Attempt::charged(charge, other); //~ use of moved value: `charge`
}

fn an_attempt_and_an_exchange(charge: Charge<OfAccount>, said: Said) {
    let _ = Attempt::charged(charge, said);
    let _ = UserCharge::Account(charge); //~ use of moved value: `charge`
}

fn exchanges(grant: &dyn ExtensionGrant, request: ExtensionRequest, other: ExtensionRequest, charge: UserCharge) {
    let _ = exchange(grant, request, charge);
    let _ = exchange(grant, other, charge); //~ use of moved value: `charge`
}

fn verifications(
    method: &dyn ClientAuthMethod,
    client: Option<&Client>,
    request: &AuthRequest<'_>,
    charge: Charge<OfClient>,
) {
    let _ = prove(method, client, request, charge);
    let _ = prove(method, client, request, charge); //~ use of moved value: `charge`
}

fn verdicts(verifier: &dyn CredentialVerifier, attempt: Attempt) {
    drop(verify(verifier, attempt, false));
    drop(verify(verifier, attempt, false)); //~ use of moved value: `attempt`
}

fn copies(charge: Charge<OfAccount>, said: Said) {
    let _ = charge.clone(); //~ no method named `clone` found for struct `Charge<Of>`
    drop((charge, said));
}
