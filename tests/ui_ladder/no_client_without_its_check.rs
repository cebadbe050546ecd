//! A client that was found is not authenticated: terms need one that a limiter checked, that its method proved, or that has
//! no secret.
use std::time::SystemTime;

use crate::boundary::ladder::client::{AuthenticatedClient, CheckedClient, PermittedClient};
use crate::boundary::ladder::terms::Terms;
use crate::boundary::limiter::Decided;
use crate::protocol::client::registered::Client;
use crate::protocol::client::credentials::{Presented, Secret};
use crate::protocol::wire::error::TokenError;
use crate::protocol::client::grant_type::GrantType;
use crate::protocol::client::policy::GrantRules;
use crate::protocol::wire::form::Form;
use crate::protocol::wire::texts::Texts;

fn legal(client: AuthenticatedClient, grant: GrantType, now: SystemTime, rules: &GrantRules) -> Result<Terms, TokenError> {
    Terms::of(client.permit(grant, || now)?, &Form::default(), rules)
}

fn one_that_was_found(client: Client, rules: &GrantRules) {
    let _ = Terms::of(client, &Form::default(), rules); //~ expected `PermittedClient`, found `Client`
}

fn one_that_was_not_permitted(client: AuthenticatedClient, rules: &GrantRules) {
    let _ = Terms::of(client, &Form::default(), rules); //~ expected `PermittedClient`, found `AuthenticatedClient`
}

fn written_by_hand(client: Client) {
    let _ = AuthenticatedClient { 0: client }; //~ field `0` of struct `AuthenticatedClient` is private
}

fn permitted_by_hand(client: Client, grant_type: GrantType) {
    let _ = PermittedClient { client, grant_type }; //~ field `client` of struct `PermittedClient` is private
}

fn checked_by_hand(decided: Decided, presented: &Presented, client: Option<&Client>) {
    let _ = CheckedClient { decided, presented, client }; //~ field `decided` of struct `CheckedClient` is private
}

fn identified_with_a_secret(secret: Secret<'_>, client: Client, texts: &Texts, now: SystemTime) {
    let _ = AuthenticatedClient::identify(secret, Some(&client), texts, &|| now); //~ expected `Bare<'_>`, found `Secret<'_>`
}
