use std::fmt;
use std::time::Duration;

use crate::boundary::setting::SettingError;
use crate::protocol::explained::explained;
use crate::protocol::ip_network::IpNetwork;
use crate::protocol::scope::ScopeError;
use crate::protocol::secret::secrets::RandomnessError;
use crate::protocol::token::lifetime::UnfitTime;

/// Why [`build`](crate::Builder::build) refuses: which setting, and what to do about it.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// No source of the peer's address was chosen.
    #[error(
        "where does the peer's address come from? call `.peer_address(PeerAddress::extension(..))`, \
         or `.peer_address(PeerAddress::unknown())` to count attempts per account alone"
    )]
    NoPeerAddress,
    /// A path that is no absolute path.
    #[error("the path `{0}` must start with `/` and have no query and no fragment, nor parameters in braces")]
    Path(String),
    /// One path for two things.
    #[error("the path `{0}` is used twice: give each endpoint and document one of its own")]
    PathTwice(String),
    /// A scope that breaks RFC 6749 A.4.
    #[error("the scope `{0}` is malformed")]
    Scope(String, #[source] ScopeError),
    /// An `error_uri` that RFC 6749 A.9 does not allow.
    #[error("`error_uri` must be a URI without spaces, quotes and backslashes")]
    ErrorUri,
    /// A realm of the Basic challenge that does not fit a header.
    #[error("the challenge's realm must be printable ASCII without quotes and backslashes")]
    ChallengeRealm,
    /// Two extension grants of one grant type, or one that is the password grant's.
    #[error("the grant type `{0}` is served twice: leave out one of its extension grants")]
    GrantTwice(String),
    /// An extension grant type that is no absolute URI.
    #[error("the extension grant type `{0}` must be an absolute URI (RFC 6749 section 4.5)")]
    GrantType(String),
    /// Two login rules of one name.
    #[error(
        "two login rules have the name `{0}`: give each one of its own, so that the audit trail distinguishes them"
    )]
    RuleTwice(String),
    /// A name of a login rule that the audit trail cannot show.
    #[error("the name {0:?} of a login rule must have 1 to 100 characters, and no control character")]
    RuleName(String),
    /// Second factors without the URL of the issuer.
    #[error(
        "`.second_factor(..)` needs the issuer's URL, which the audience of its endpoints begins with: call \
         `.metadata(Metadata::new(..))`, or give an issuer of JWTs"
    )]
    FactorsWithoutIssuer,
    /// Second factors of users who cannot be looked at again.
    #[error(
        "`.second_factor(..)` needs a verifier that can tell, once the factor was shown, whether the login still holds: \
         implement `CredentialVerifier::recheck`, or `UserStore::find_by_id` for `Argon2Verifier`"
    )]
    FactorsWithoutRecheck,
    /// Introspection of nothing.
    #[error(
        "an introspection endpoint needs `.access_tokens(..)`: without them it would call every access token inactive"
    )]
    NoTokens,
    /// Revocation of nothing.
    #[error(
        "a revocation endpoint needs `.refresh_tokens(..)`, `.access_tokens(..)` or both: without them it has nothing to revoke"
    )]
    NothingToRevoke,
    /// A refresh token that could be presented again for too long.
    #[error("{}", UnfitTime::Leeway(*.0))]
    Leeway(Duration),
    /// An issuer identifier that RFC 8414 does not allow.
    #[error("the issuer `{0}` must be an https URL without user, query and fragment; http only for this machine")]
    Issuer(String),
    /// The metadata and the tokens name different issuers.
    #[error(
        "the issuer of the metadata, `{document}`, is not the `iss` of the tokens, `{tokens}`: clients compare them byte by byte, so write one as the other"
    )]
    OtherIssuer {
        /// What was given to [`Metadata::new`](crate::mount::Metadata::new).
        document: String,
        /// The [identifier](crate::TokenIssuer::issuer_identifier) of the token issuer.
        tokens: String,
    },
    /// ID tokens are signed, and no client can find the keys.
    #[error(
        "metadata: where are the keys of the ID tokens? serve them with `.document(\"{0}\", issuer.jwks())`, or set `.jwks_uri(..)`"
    )]
    NoKeys(String),
    /// A public URL that no page can have.
    #[error("the public URL `{0}` must be an http or https URL with a host and without a user, as a browser shows it")]
    PublicUrl(String),
    /// A member of the metadata that cannot be written.
    #[error("metadata: the value of `{0}` cannot be written as JSON: give a text, a list, a struct or a map of texts")]
    MetadataMember(String),
    /// Client assertions without the algorithms of their signatures, or the other way round.
    #[error(
        "metadata: `.client_assertion_algorithms(..)` belongs to `private_key_jwt` or `client_secret_jwt`, and is never `none`"
    )]
    AssertionAlgorithms,
    /// A lifetime of less than a second.
    #[error("{}", UnfitTime::Lifetime(*.0))]
    Lifetime(Duration),
    /// A deadline that is over before anything can be done.
    #[error("a deadline of 0 refuses every request that has to wait: leave `.{0}(..)` out, or give it `None`")]
    NoTime(&'static str),
    /// A part would have more time than the whole.
    #[error(
        "`.{setting}({part:?})` has no effect: `.deadline({whole:?})` is over sooner. Shorten the one or lengthen the other"
    )]
    Deadlines {
        /// The method of [`RequestLimits`](crate::mount::RequestLimits).
        setting: &'static str,
        /// The time of the part.
        part: Duration,
        /// The time of the whole.
        whole: Duration,
    },
    /// A body limit of zero.
    #[error("a body limit of 0 bytes refuses every request: give some kilobytes")]
    BodyLimit,
    /// Proxies are trusted, but the peer's address is unknown.
    #[error(
        "each of `PeerAddress::behind` and `TransportSecurity::forwarded_by` needs a peer address to know its proxies by"
    )]
    ProxiesWithoutPeer,
    /// No proxy is trusted.
    #[error("`PeerAddress::behind` needs a network of your proxies; without proxies leave it out")]
    NoProxies,
    /// An allow-list that is the whole Internet.
    #[error("the network `{0}` would lift the rules for everybody; to switch one off, call `Limits::disable`")]
    ExemptNetwork(IpNetwork),
    /// Everybody would be a trusted proxy.
    #[error(
        "the network `{0}` holds more than proxies: everybody in it could claim any address: name the proxies alone"
    )]
    ProxyNetwork(IpNetwork),
    /// A setting of a part that is out of range.
    #[error(transparent)]
    Setting(#[from] SettingError),
    /// The operating system gave no randomness.
    #[error("the endpoint cannot make its random keys")]
    Randomness(#[from] RandomnessError),
}

impl From<UnfitTime> for ConfigError {
    fn from(time: UnfitTime) -> Self {
        match time {
            UnfitTime::Lifetime(given) => Self::Lifetime(given),
            UnfitTime::Leeway(given) => Self::Leeway(given),
        }
    }
}

impl fmt::Debug for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        explained(self, f)
    }
}
