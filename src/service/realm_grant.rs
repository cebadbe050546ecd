use super::checks::NamedGrant;
use crate::protocol::client::grant_type::GrantType;
use crate::protocol::client::registered::Client;

/// Whether the endpoint has the realm grant, as far as that is known when it is built.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RealmGrant {
    /// It is as unknown as any other: no client may use it, or the application serves it.
    Off,
    /// It is served, and the metadata do not name it: a client may use it that is not known yet.
    Unadvertised,
    /// The metadata name it, because there are realms and clients for it.
    Advertised,
}

impl RealmGrant {
    /// `clients` and `realms` are all that there are, if they are known.
    pub(super) fn decide(
        password_grant: bool,
        extensions: &[NamedGrant],
        clients: Option<&[Client]>,
        realms: Option<&[String]>,
    ) -> Self {
        let own = GrantType::PASSWORD_IN_REALM;
        let is_taken = extensions.iter().any(|(extension, _)| extension.name() == own.name());
        let may_use = |client: &Client| client.allows_grant(own.name());
        let used = clients.map(|clients| clients.iter().any(may_use));
        if !password_grant || is_taken || used == Some(false) {
            Self::Off
        } else if used.is_none() && realms.is_none() {
            Self::Unadvertised
        } else {
            Self::Advertised
        }
    }
}
