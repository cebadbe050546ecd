//! The applications, as they were registered at Auth0.

use tower_password_grant::Client;
use tower_password_grant::client::ClientBuilder;
use tower_password_grant::sqlite::SqliteStore;
use tower_password_grant::store::SecretDigest;

use super::Error;
use super::people::{CUSTOMERS, REALMS};

/// The secret of each confidential client. Yours are random, and one for each: `ClientSecret::generate`.
pub(crate) const SECRET: &str = "a-secret-that-everybody-knows";

/// An API, by the identifier under which its clients ask for it: `audience`.
pub(crate) const API: &str = "https://orders.example.com/";

/// A server that logs users in for the API, and says from which address each of them comes: `auth0-forwarded-for`.
pub(crate) const WEB: &str = "web";
/// An app or a page, which keeps no secret.
pub(crate) const PUBLIC: &str = "app";
/// For customers alone.
pub(crate) const SHOP: &str = "shop";
/// Without the realm grant, refresh tokens and second factors.
pub(crate) const KIOSK: &str = "kiosk";

pub(crate) async fn register(store: &SqliteStore, origin: &str) -> Result<(), Error> {
    let confidential = |id| of_both_realms(Client::confidential(id, &SecretDigest::of(SECRET)));
    let clients = [
        confidential(WEB)
            .allow_realm_grant()
            .allow_refresh_tokens()
            .allow_second_factor()
            .trust_end_user_address()
            .allow_audience(API),
        of_both_realms(Client::public(PUBLIC))
            .allow_realm_grant()
            .allow_refresh_tokens()
            .allow_second_factor()
            .allow_origin(origin),
        confidential(SHOP).allow_realm_grant().allow_refresh_tokens().realm(CUSTOMERS),
        confidential(KIOSK),
    ];
    for client in clients {
        store.put_client(&client.build()?).await?;
    }
    Ok(())
}

/// A request without a realm is for the first of them, as for the default directory of a tenant.
fn of_both_realms(client: ClientBuilder) -> ClientBuilder {
    let client = client.allow_password_grant().realms(REALMS);
    client.scopes("openid profile email read:orders").default_scope("openid profile email")
}
