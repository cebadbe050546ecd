//! Stores that keep both kinds of tokens and break what their identity promises: one step, or nothing.

use tower_password_grant::testing::contract::{self, two_handles};

use super::complaint;
use crate::support::both::{Both, Fault};

const FAULTS: &[(Fault, &str)] = &[
    (Fault::TellsNoIdentity, "a store of both kinds of tokens tells one `identity` as both"),
    (Fault::TellsTwoIdentities, "a store of both kinds of tokens tells one `identity` as both"),
    (Fault::LosesTheRecordOfALogin, "an access token that comes with a step is found as soon as the step is done"),
    (Fault::LosesTheRecord, "an access token that comes with a step is found as soon as the step is done"),
    (Fault::LosesTheRecordOfARepeat, "an access token that comes with a step is found as soon as the step is done"),
    (Fault::KeepsThatOfARefusedLogin, "an access token that comes with a step that is refused is not kept"),
    (Fault::KeepsThatOfARefusedRotation, "an access token that comes with a step that is refused is not kept"),
    (Fault::KeepsThatOfAnEndedFamily, "no access token is kept for a family that has ended"),
    (
        Fault::KeepsItInASecondStep,
        "a step whose future was dropped happened whole or not at all, with its access token",
    ),
];

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_keeps_both_in_one_step_keeps_the_contract() {
    contract::tokens_in_one_step(async || two_handles(Both::new())).await;
}

#[test]
fn each_broken_store_of_both_is_told_which_promise_it_breaks() {
    for (fault, promise) in FAULTS {
        let told = complaint(contract::tokens_in_one_step(async || two_handles(Both::with(*fault))));
        assert!(told.contains(promise), "{fault:?}: {told:?} and not {promise:?}");
    }
}
