use std::sync::Arc;

use super::checks::NamedGrant;
use super::config_error::ConfigError;
use super::realm_grant::RealmGrant;
use crate::boundary::clock::Clock;
use crate::boundary::factors::second_factor::SecondFactor;
use crate::conductor::factors::second_factors::SecondFactors;
use crate::conductor::flows::extension::ExtensionFlow;
use crate::conductor::flows::grants::{Flow, Grants};
use crate::conductor::flows::oob::ByOutOfBand;
use crate::conductor::flows::otp::ByOtp;
use crate::conductor::flows::password::PasswordFlow;
use crate::conductor::flows::realm::RealmFlow;
use crate::conductor::flows::recovery::ByRecoveryCode;
use crate::conductor::flows::redemption::{RedemptionFlow, Way};
use crate::conductor::flows::refresh::RefreshFlow;
use crate::conductor::login::users::Users;
use crate::observe::patience::Patience;
use crate::protocol::audience::Audience;
use crate::protocol::client::grant_type::GrantType;
use crate::protocol::client::registered::{Client, SECOND_FACTOR};
use crate::protocol::factor::api;
use crate::protocol::secret::keyed::Keyed;

/// The flows of the grants that are served.
pub(super) fn grants(
    password_grant: bool,
    realm_grant: RealmGrant,
    refresh: Option<RefreshFlow>,
    extensions: Vec<NamedGrant>,
    factors: Option<&Arc<SecondFactors>>,
    fingerprints: &Keyed,
    patience: &Patience,
) -> Grants {
    let by_password = |grant_type| PasswordFlow::new(grant_type, fingerprints.clone());
    let in_realm = || RealmFlow::new(by_password(GrantType::PASSWORD_IN_REALM));
    let mut others: Vec<Box<dyn Flow>> = Vec::new();
    if let Some(refresh) = refresh {
        others.push(Box::new(refresh));
    }
    if realm_grant != RealmGrant::Off {
        others.push(Box::new(in_realm()));
    }
    for (grant_type, grant) in extensions {
        others.push(Box::new(ExtensionFlow::new(grant_type, grant, patience.extension_key, patience.extension)));
    }
    let mut grants = Grants::new(password_grant.then(|| by_password(GrantType::PASSWORD)), others);
    if let Some(factors) = factors {
        let began: Arc<[GrantType]> = grants.types().filter(|grant| !grant.is_refresh()).collect();
        second_factor_flows(factors, &began).into_iter().for_each(|flow| grants.add(flow));
    }
    grants
}

/// The flows that finish logins which were left open. `began`: the grant types by which one can have begun.
fn second_factor_flows(factors: &Arc<SecondFactors>, began: &Arc<[GrantType]>) -> Vec<Box<dyn Flow>> {
    fn of<W: Way + 'static>(way: W, factors: &Arc<SecondFactors>, began: &Arc<[GrantType]>) -> Box<dyn Flow> {
        Box::new(RedemptionFlow::new(way, Arc::clone(factors), Arc::clone(began)))
    }
    vec![of(ByOtp, factors, began), of(ByOutOfBand, factors, began), of(ByRecoveryCode, factors, began)]
}

/// The second factors, if their settings can be, and these users can be looked at again.
pub(super) fn checked(
    mut given: SecondFactor,
    audience: &Audience,
    users: &Users,
    patience: &Patience,
    clock: &Arc<dyn Clock>,
) -> Result<Arc<SecondFactors>, ConfigError> {
    match given.fault.take() {
        Some(fault) => Err(fault.into()),
        None if !users.can_recheck() => Err(ConfigError::FactorsWithoutRecheck),
        None => Ok(Arc::new(SecondFactors::new(
            given,
            audience.clone(),
            [patience.factors, patience.delivery],
            Arc::clone(clock),
        ))),
    }
}

/// Whether a grant finishes logins with a second factor, and no client may use it, where `clients` are all that there are.
pub(super) fn is_unused_factor_grant(name: &str, clients: Option<&[Client]>) -> bool {
    let may_use = |client: &Client| client.allows_grant(name);
    SECOND_FACTOR.contains(&name) && clients.is_some_and(|clients| !clients.iter().any(may_use))
}

/// The audience of the endpoints of second factors.
pub(super) fn factor_audience(issuer: Option<&str>) -> Result<Audience, ConfigError> {
    issuer.and_then(api::audience).ok_or(ConfigError::FactorsWithoutIssuer)
}
