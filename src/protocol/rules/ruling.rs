//! What one login rule decides.

use std::borrow::Cow;
use std::time::Duration;

use serde::Serialize;

use super::decisions::Decisions;
use super::error::{MAX_DEPTH, MAX_REASON, RulingError};
use crate::protocol::scope::Scope;
use crate::protocol::token::claims::{Claims, has_meaning};
use crate::protocol::token::lifetime::lifetime;
use crate::protocol::wire::host_code::ErrorText;
use crate::protocol::wire::members::{MemberError, check_name};

/// What a [`LoginRule`](crate::rules::LoginRule) decides: the login goes on, with what the rule adds and takes away, or it is
/// refused.
///
/// ```
/// use std::time::Duration;
/// use tower_password_grant::rules::Ruling;
///
/// let ruling = Ruling::proceed()
///     .claim("https://example.org/tenant", "acme")?
///     .member("tenant", "acme")?
///     .remove_scope("admin")
///     .shorten_lifetime(Duration::from_secs(300))?;
/// # let _ = ruling;
/// assert!(Ruling::deny("the contract has ended").is_ok());
/// assert!(Ruling::proceed().claim("sub", "somebody else").is_err());
/// # Ok::<_, tower_password_grant::rules::RulingError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[must_use = "a ruling has an effect when the rule answers it"]
pub struct Ruling(Result<Changes, Objection>);

/// What changes of a login that goes on. None where nothing does, as with most logins.
pub(crate) type Changes = Option<Box<Decisions>>;

/// Why a login does not go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Objection {
    Denied(ErrorText),
    InteractionRequired,
    /// The ruling itself is none.
    Unfit(RulingError),
}

impl Ruling {
    /// The login goes on. What the methods below add takes effect then; a ruling that refuses stays as it is, whatever they are
    /// given.
    pub const fn proceed() -> Self {
        Self(Ok(None))
    }

    /// The login is refused, as with a wrong password: the client sees the same bytes, and the attempt is charged in the same way. At
    /// a refresh the client sees `invalid_grant`; the refresh token and its family stay good.
    ///
    /// Telemetry and the audit trail get the reason, 1 to 200 printable ASCII characters without `"` and `\` (RFC 6749 A.8).
    /// The client sees it as `error_description` only if the builder's `danger` section
    /// [reveals custom denials](crate::error::Danger::reveal_custom_denials), or in the
    /// [profile of Auth0](crate::mount::Profile::Auth0), which answers 403 `access_denied` with it, at a refresh, too. Then the attempt
    /// is charged each time.
    ///
    /// # Errors
    /// Fails on another character or length.
    pub fn deny(reason: impl Into<Cow<'static, str>>) -> Result<Self, RulingError> {
        let reason = ErrorText::new(reason, MAX_REASON).ok().filter(|reason| !reason.as_str().is_empty());
        reason.map(|reason| Self(Err(Objection::Denied(reason)))).ok_or(RulingError::Reason)
    }

    /// The login is refused because the user has to do something elsewhere first, such as to accept new terms: 400
    /// `interaction_required`, 403 in the profile of Auth0. No redirect is made. The attempt stays charged, each time. At a refresh the refresh token and its family stay
    /// good.
    ///
    /// The answer has no other members: the client has to know where its users go then.
    pub const fn interaction_required() -> Self {
        Self(Err(Objection::InteractionRequired))
    }

    /// Adds a claim to the access token: to a JWT, to the record of an opaque token, and to what introspection shows. Of two claims
    /// of one name the last counts, and one of a rule takes the place of one of the issuer. A refresh makes them anew, by the rules as
    /// they are then.
    ///
    /// Names with a URI in front, such as `https://example.org/tenant`, collide with no registered one (RFC 7519 section 4.2).
    ///
    /// # Errors
    /// Fails on an empty name, on one that RFC 7519, RFC 8693, RFC 9068 or this crate gives a meaning, in whatever case, on a value that is no JSON or is nested more
    /// than 31 deep, and beyond 32 claims or 4 KiB. All rules of a login share these limits: a rule that goes beyond them with those before it fails, which is answered
    /// 500.
    pub fn claim(self, name: &str, value: impl Serialize) -> Result<Self, RulingError> {
        self.and(|| {
            if name.is_empty() {
                return Err(RulingError::NamelessClaim);
            }
            if has_meaning(name) {
                return Err(RulingError::ReservedClaim(name.to_owned()));
            }
            let claims = shallow(Claims::one(name, &value).map_err(RulingError::Claim)?)?;
            Ok(Decisions { claims, ..Decisions::default() })
        })
    }

    /// Adds a member to the JSON answer (RFC 6749 section 8.2). Of two members of one name the last counts, and one of a rule takes the
    /// place of one of the issuer. The answer to a login that is refused has none: given to such a ruling, it is dropped.
    ///
    /// # Errors
    /// Fails on a name that is RFC 6749's own or `id_token`, in whatever case, or has a character outside letters, digits and `-._`, on
    /// a value that is no JSON or is nested more than 31 deep, and beyond 32 members or 4 KiB, as with [`claim`](Self::claim).
    pub fn member(self, name: &str, value: impl Serialize) -> Result<Self, RulingError> {
        self.and(|| {
            check_name(name)?;
            let members = shallow(Claims::one(name, &value).map_err(|_| MemberError::NotJson)?)?;
            Ok(Decisions { members, ..Decisions::default() })
        })
    }

    /// Takes scope tokens away, separated by single spaces. What one rule has taken away no other gives back. Where nothing is left
    /// of a scope, the request is refused: 400 `invalid_scope`.
    ///
    /// A malformed scope makes the whole ruling void: the request is answered 500, and telemetry names the rule.
    pub fn remove_scope(self, scope: &str) -> Self {
        self.with_scope(scope, |removed| Decisions { removed, ..Decisions::default() })
    }

    /// Adds scope tokens, separated by single spaces, as far as the registration of the client, the
    /// [ceiling](crate::Builder::scope_ceiling) of the endpoint and the [verifier](crate::Verdict::granted_within) allow them, and
    /// at a refresh the scope of the login. The others are left out; `scope` in the answer shows it.
    ///
    /// A malformed scope makes the whole ruling void, as with [`remove_scope`](Self::remove_scope).
    pub fn add_scope(self, scope: &str) -> Self {
        self.with_scope(scope, |added| Decisions { added, ..Decisions::default() })
    }

    /// Lets the access token live for at most so long. It never lives longer than without the rule.
    ///
    /// # Errors
    /// Fails on less than a second.
    pub fn shorten_lifetime(self, most: Duration) -> Result<Self, RulingError> {
        self.and(|| {
            let most = lifetime(most).map_err(|_| RulingError::Lifetime(most))?;
            Ok(Decisions { lifetime: Some(most), ..Decisions::default() })
        })
    }

    /// Demands a second factor of the user, beside those that the endpoint [demands](crate::Builder::second_factor) by itself, however
    /// long ago it was shown. Where none was, the client gets `mfa_required`, and the rule is asked again when the user shows one.
    ///
    /// At an endpoint without second factors the login is refused with 500: nobody could meet the demand.
    pub fn demand_second_factor(self) -> Self {
        self.demand_second_factor_within(Duration::MAX)
    }

    /// Demands a second factor that was shown within this time, as for a payment. A login that has just shown one meets every such
    /// demand; one that goes on by a refresh token has to show it anew when it is older. The shortest time of all rules counts.
    pub fn demand_second_factor_within(self, age: Duration) -> Self {
        self.and(|| Ok(Decisions { factor_age: Some(age), ..Decisions::default() }))
            .unwrap_or_else(|error| Self(Err(Objection::Unfit(error))))
    }

    fn with_scope(self, scope: &str, decide: impl FnOnce(Scope) -> Decisions) -> Self {
        let scope = || scope.parse().map(decide).map_err(RulingError::Scope);
        self.and(scope).unwrap_or_else(|error| Self(Err(Objection::Unfit(error))))
    }

    /// Decides more, where the login goes on. Nothing undoes a refusal: a fault in its place would give the attempt back.
    fn and(self, more: impl FnOnce() -> Result<Decisions, RulingError>) -> Result<Self, RulingError> {
        let Self(Ok(mut changes)) = self else { return Ok(self) };
        changes.get_or_insert_default().follow(&more()?)?;
        Ok(Self(Ok(changes)))
    }

    /// What is decided of a login that goes on, if anything, or why it does not.
    #[inline]
    pub(crate) fn read(self) -> Result<Changes, Objection> {
        self.0
    }
}

/// The same, if everybody can read it.
fn shallow(claims: Claims) -> Result<Claims, RulingError> {
    if claims.is_deeper_than(MAX_DEPTH) { Err(RulingError::TooDeep) } else { Ok(claims) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MALFORMED: [&str; 3] = ["", "read,\"admin\"", "read  write"];

    fn decided(ruling: Ruling) -> Decisions {
        *ruling.read().unwrap().unwrap()
    }

    #[test]
    fn a_reason_is_1_to_200_characters_of_an_error() {
        for bad in ["", "a\"b", "a\\b", "a\nb", "café", &"x".repeat(201)] {
            assert_eq!(Ruling::deny(bad.to_owned()).unwrap_err(), RulingError::Reason, "{bad}");
        }
        for good in ["x", "the contract has ended!", &"x".repeat(200)] {
            let Err(Objection::Denied(reason)) = Ruling::deny(good.to_owned()).unwrap().read() else {
                panic!("{good}")
            };
            assert_eq!(reason.as_str(), good);
        }
    }

    #[test]
    fn names_of_the_standards_and_of_the_endpoint_are_no_claims_of_a_rule() {
        let of_rfc_7519 = ["iss", "sub", "aud", "exp", "nbf", "iat", "jti"];
        let of_rfc_9068 = ["client_id", "scope", "auth_time", "acr", "amr", "roles", "groups", "entitlements"];
        let of_rfc_8693 = ["act", "may_act"];
        let own = [
            "realm",
            "shown_claims",
            "credentials_digest",
            "sid",
            "cnf",
            "active",
            "token_type",
            "token_use",
            "username",
        ];
        for name in of_rfc_7519.into_iter().chain(of_rfc_9068).chain(of_rfc_8693).chain(own) {
            let error = Ruling::proceed().claim(name, 1).unwrap_err();
            assert_eq!(error, RulingError::ReservedClaim(name.to_owned()));
            assert!(format!("{error:?}").contains(&format!("`{name}`")));
        }
        let claims = decided(Ruling::proceed().claim("tenant", "acme").unwrap()).claims;
        assert_eq!(claims.get::<String>("tenant").as_deref(), Some("acme"));
    }

    #[test]
    fn a_claim_has_a_name() {
        assert_eq!(Ruling::proceed().claim("", 1).unwrap_err(), RulingError::NamelessClaim);
        assert!(Ruling::proceed().claim(" ", 1).is_ok());
    }

    #[test]
    fn members_of_rfc_6749_and_an_id_token_are_no_members_of_a_rule_te_11() {
        let member = |name: &str| Ruling::proceed().member(name, 1).unwrap_err();
        for name in ["access_token", "token_type", "expires_in", "refresh_token", "id_token", "scope", "error"] {
            assert_eq!(member(name), RulingError::Member(MemberError::Reserved), "{name}");
        }
        for name in ["", "a b", "é"] {
            assert_eq!(member(name), RulingError::Member(MemberError::Name), "{name}");
        }
    }

    #[test]
    fn what_is_no_json_is_refused_where_it_is_made() {
        let odd: std::collections::HashMap<Vec<u8>, u8> = [(vec![1], 1)].into();
        assert!(matches!(Ruling::proceed().claim("a", &odd), Err(RulingError::Claim(_))));
        assert_eq!(Ruling::proceed().member("a", &odd).unwrap_err(), RulingError::Member(MemberError::NotJson));
    }

    #[test]
    fn more_than_32_claims_or_4_kib_are_refused_where_they_are_made() {
        let many = |most: usize| {
            (0..most).try_fold(Ruling::proceed(), |ruling, at| {
                ruling.claim(&format!("c{at}"), at)?.member(&format!("m{at}"), at)
            })
        };
        assert!(many(32).is_ok());
        assert_eq!(many(33).unwrap_err(), RulingError::TooMany);
        // `{"c":"..."}` has 8 bytes beside the text.
        let large = |bytes: usize| Ruling::proceed().claim("c", "x".repeat(bytes));
        assert!(large(4088).is_ok());
        assert_eq!(large(4089).unwrap_err(), RulingError::TooLarge);
        assert_eq!(Ruling::proceed().member("m", "x".repeat(4089)).unwrap_err(), RulingError::TooLarge);
    }

    #[test]
    fn what_nests_deeper_than_apis_and_clients_read_is_refused_where_it_is_made() {
        for (depth, is_fit) in [(0, true), (31, true), (32, false), (100, false), (126, false)] {
            let value = (0..depth).fold(serde_json::json!(1), |inner, _| serde_json::json!([inner]));
            for ruling in [Ruling::proceed().claim("c", &value), Ruling::proceed().member("m", &value)] {
                assert_eq!(ruling.err(), (!is_fit).then_some(RulingError::TooDeep), "{depth}");
            }
        }
    }

    #[test]
    fn names_that_differ_from_fixed_ones_in_case_alone_are_refused_too() {
        for name in ["Sub", "SUB", "Exp", "ACTIVE", "Realm", "Shown_Claims"] {
            let error = Ruling::proceed().claim(name, 1).unwrap_err();
            assert_eq!(error, RulingError::ReservedClaim(name.to_owned()));
        }
        for name in ["Access_Token", "Scope", "EXPIRES_IN"] {
            let error = Ruling::proceed().member(name, 1).unwrap_err();
            assert_eq!(error, RulingError::Member(MemberError::Reserved), "{name}");
        }
    }

    #[test]
    fn a_lifetime_is_a_second_or_more() {
        let short = Duration::from_millis(999);
        assert_eq!(Ruling::proceed().shorten_lifetime(short).unwrap_err(), RulingError::Lifetime(short));
        let second = Duration::from_secs(1);
        assert_eq!(decided(Ruling::proceed().shorten_lifetime(second).unwrap()).lifetime, Some(second));
    }

    #[test]
    fn a_malformed_scope_makes_a_ruling_void_that_goes_on() {
        for bad in MALFORMED {
            for ruling in [Ruling::proceed().remove_scope(bad), Ruling::proceed().add_scope(bad).add_scope("read")] {
                assert!(matches!(ruling.read(), Err(Objection::Unfit(RulingError::Scope(_)))), "{bad}");
            }
        }
        assert!(Ruling::proceed().read().unwrap().is_none());
    }

    #[test]
    fn a_ruling_that_refuses_stays_as_it_is_whatever_is_decided_after_it() {
        for refusal in [Ruling::deny("no").unwrap(), Ruling::interaction_required()] {
            for scope in MALFORMED.into_iter().chain(["read"]) {
                assert_eq!(refusal.clone().add_scope(scope), refusal, "{scope}");
                assert_eq!(refusal.clone().remove_scope(scope), refusal, "{scope}");
            }
            for name in ["tenant", "sub", "scope"] {
                assert_eq!(refusal.clone().claim(name, "x".repeat(5000)), Ok(refusal.clone()), "{name}");
                assert_eq!(refusal.clone().member(name, "x".repeat(5000)), Ok(refusal.clone()), "{name}");
            }
            assert_eq!(refusal.clone().shorten_lifetime(Duration::ZERO), Ok(refusal));
        }
    }
}
