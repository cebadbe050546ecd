//! A renewal needs a family that the client has claimed, by a token that was found live.
use crate::boundary::ladder::client::PermittedClient;
use crate::boundary::ladder::terms::{Claim, LiveClaim, Renewal};
use crate::boundary::refresh::StoredFamily;
use crate::protocol::wire::error::Reason;
use crate::protocol::token::lineage::TokenUse;
use crate::protocol::client::policy::GrantRules;

fn legal(client: PermittedClient, found: &StoredFamily, using: &TokenUse, rules: &GrantRules) -> Result<Renewal, Reason> {
    Renewal::of(Claim::of(client, found)?.find_live(using)?, None, rules)
}

fn of_a_family_that_was_not_claimed(found: StoredFamily, rules: &GrantRules) {
    let _ = Renewal::of(found, None, rules); //~ expected `LiveClaim<'_>`, found `StoredFamily`
}

fn of_a_client_without_a_family(client: PermittedClient, rules: &GrantRules) {
    let _ = Renewal::of(client, None, rules); //~ expected `LiveClaim<'_>`, found `PermittedClient`
}

fn of_a_claim_alone(claim: Claim<'_>, rules: &GrantRules) {
    let _ = Renewal::of(claim, None, rules); //~ expected `LiveClaim<'_>`, found `Claim<'_>`
}

fn found_live_by_hand(claim: Claim<'_>) {
    let _ = LiveClaim { claim, is_repeat: false }; //~ fields `claim` and `is_repeat` of struct `LiveClaim` are private
}

fn of_another_answer(claim: Claim<'_>, using: &TokenUse, rules: &GrantRules) {
    let _ = Renewal::of(claim.find_live(using), None, rules); //~ expected `LiveClaim<'_>`, found `Result<LiveClaim<'_>, Reason>`
}

fn twice(live: LiveClaim<'_>, rules: &GrantRules) {
    let _ = Renewal::of(live, None, rules);
    let _ = Renewal::of(live, None, rules); //~ use of moved value: `live`
}
