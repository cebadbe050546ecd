use std::sync::Arc;
use std::time::Duration;

use http::HeaderName;

use super::danger::Danger;
use super::factor_endpoints::FactorEndpoints;
use super::metadata_document::Placed;
use super::request_limits::RequestLimits;
use super::token_options::TokenOptions;
use crate::boundary::audit::AuditSink;
use crate::boundary::auth_method::ClientAuthMethod;
use crate::boundary::clock::Clock;
use crate::boundary::exceptions::SunsetExceptions;
use crate::boundary::extension::ExtensionGrant;
use crate::boundary::factors::second_factor::SecondFactor;
use crate::boundary::login_rule::LoginRule;
use crate::boundary::peer::PeerAddress;
use crate::boundary::shield::{OnLeak, Shield};
use crate::boundary::transport::TransportSecurity;
use crate::limiter::protection::AttackProtection;
use crate::protocol::client::policy::MissingScope;
use crate::protocol::profile::Profile;
use crate::protocol::secret::shared_key::SharedKey;

/// All settings of a builder besides its three required parts.
pub(super) struct Options {
    pub(super) token_path: String,
    pub(super) tokens: TokenOptions,
    pub(super) documents: Vec<Placed>,
    pub(super) protection: AttackProtection,
    pub(super) clock: Option<Arc<dyn Clock>>,
    pub(super) audit: Option<Box<dyn AuditSink>>,
    pub(super) usage: Option<Box<dyn AuditSink>>,
    pub(super) shield: Option<(Box<dyn Shield>, OnLeak)>,
    pub(super) rules: Vec<Box<dyn LoginRule>>,
    pub(super) second_factor: Option<SecondFactor>,
    pub(super) factor_endpoints: FactorEndpoints,
    pub(super) methods: Vec<Box<dyn ClientAuthMethod>>,
    pub(super) extensions: Vec<Box<dyn ExtensionGrant>>,
    pub(super) password_grant: bool,
    pub(super) requires_sunset: bool,
    pub(super) ramp_key: Option<SharedKey>,
    pub(super) sunset_exceptions: Option<Box<dyn SunsetExceptions>>,
    pub(super) missing_scope: MissingScope,
    pub(super) scope_ceiling: Option<String>,
    pub(super) lifetime: Duration,
    pub(super) peer: Option<PeerAddress>,
    pub(super) end_user_header: HeaderName,
    pub(super) transport: TransportSecurity,
    pub(super) public_url: Option<String>,
    pub(super) limits: RequestLimits,
    pub(super) post_allowed: bool,
    pub(super) ignore_foreign_schemes: bool,
    pub(super) refuse_early_data: bool,
    pub(super) profile: Profile,
    pub(super) error_uri: Option<String>,
    pub(super) challenge_realm: String,
    pub(super) danger: Danger,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            token_path: "/oauth/token".to_owned(),
            tokens: TokenOptions::default(),
            documents: Vec::new(),
            protection: AttackProtection::new(),
            clock: None,
            audit: None,
            usage: None,
            shield: None,
            rules: Vec::new(),
            second_factor: None,
            factor_endpoints: FactorEndpoints::new(),
            methods: Vec::new(),
            extensions: Vec::new(),
            password_grant: true,
            requires_sunset: false,
            ramp_key: None,
            sunset_exceptions: None,
            missing_scope: MissingScope::default(),
            scope_ceiling: None,
            lifetime: Duration::from_secs(3600),
            peer: None,
            end_user_header: HeaderName::from_static("auth0-forwarded-for"),
            transport: TransportSecurity::unchecked(),
            public_url: None,
            limits: RequestLimits::new(),
            post_allowed: true,
            ignore_foreign_schemes: false,
            refuse_early_data: false,
            profile: Profile::default(),
            error_uri: None,
            challenge_realm: "token endpoint".to_owned(),
            danger: Danger::default(),
        }
    }
}
