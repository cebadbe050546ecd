//! A renewal needs a family that the client has claimed, by a token that was found live.
use crate::boundary::ladder::client::PermittedClient;
use crate::boundary::ladder::terms::{Claim, LiveClaim, Renewal};
use crate::boundary::refresh::StoredFamily;
use crate::protocol::wire::error::TokenError;
use crate::protocol::wire::form::Form;
use crate::protocol::token::lineage::TokenUse;
use crate::protocol::client::policy::GrantRules;

fn legal(client: PermittedClient, found: &StoredFamily, using: &TokenUse, form: &Form, rules: &GrantRules) -> Result<Renewal, TokenError> {
    Renewal::of(Claim::of(client, found)?.find_live(using)?, form, rules)
}

fn of_a_family_that_was_not_claimed(found: StoredFamily, form: &Form, rules: &GrantRules) {
    let _ = Renewal::of(found, form, rules); //~ expected `LiveClaim<'_>`, found `StoredFamily`
}

fn of_a_client_without_a_family(client: PermittedClient, form: &Form, rules: &GrantRules) {
    let _ = Renewal::of(client, form, rules); //~ expected `LiveClaim<'_>`, found `PermittedClient`
}

fn of_a_claim_alone(claim: Claim<'_>, form: &Form, rules: &GrantRules) {
    let _ = Renewal::of(claim, form, rules); //~ expected `LiveClaim<'_>`, found `Claim<'_>`
}

fn found_live_by_hand(claim: Claim<'_>) {
    let _ = LiveClaim { claim, is_repeat: false }; //~ fields `claim` and `is_repeat` of struct `LiveClaim` are private
}

fn of_another_answer(claim: Claim<'_>, using: &TokenUse, form: &Form, rules: &GrantRules) {
    let _ = Renewal::of(claim.find_live(using), form, rules); //~ expected `LiveClaim<'_>`, found `Result<LiveClaim<'_>, Reason>`
}

fn twice(live: LiveClaim<'_>, form: &Form, rules: &GrantRules) {
    let _ = Renewal::of(live, form, rules);
    let _ = Renewal::of(live, form, rules); //~ use of moved value: `live`
}
