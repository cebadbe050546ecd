//! Every option of a client: for the tests of its registration, and of the stores that keep it.

use std::time::{Duration, SystemTime};

use crate::protocol::client::builder::ClientBuilder;
use crate::protocol::client::registered::ClientAuthentication;
use crate::protocol::client::sunset::end::Sunset;
use crate::protocol::secret::secrets::SecretDigest;

/// Sets each option that a confidential client has. `second` is another secret, and when that one ends.
pub(crate) fn with_every_option(
    client: ClientBuilder,
    second: (&SecretDigest, SystemTime),
    sunset: Sunset,
) -> ClientBuilder {
    client
        .secret(second.0, Some(second.1))
        .authenticate_by(ClientAuthentication::SecretPost)
        .raw_basic()
        .trust_end_user_address()
        .allow_password_grant()
        .allow_refresh_tokens()
        .allow_grant("urn:example:ticket")
        .scopes("read write")
        .default_scope("read")
        .allow_origin("https://app.example")
        .realm("staff")
        .access_token_lifetime(Duration::from_secs(77))
        .refresh_token_lifetime(Duration::from_secs(88))
        .refresh_token_idle_lifetime(Duration::from_secs(66))
        .refresh_token_leeway(Duration::from_millis(1_500))
        .reuse_refresh_tokens()
        .allow_introspection()
        .resource_server("https://api.example")
        .allow_audience("https://orders.example")
        .sunset(sunset)
}
