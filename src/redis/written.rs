//! How families and access tokens are written: the facts as JSON, which people and later versions can read.

use std::borrow::Cow;
use std::time::SystemTime;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::failure::Failure;
use crate::boundary::refresh::{FamilyStamp, StoredFamily};
use crate::protocol::client::registered::ClientId;
use crate::protocol::millis::{floor, instant};
use crate::protocol::scope::Scope;
use crate::protocol::token::claims::Claims;
use crate::protocol::token::family::{FamilyId, RefreshFamily};
use crate::protocol::token::lineage::Lineage;
use crate::protocol::token::methods::AuthenticationMethods;
use crate::protocol::token::record::AccessTokenRecord;
use crate::protocol::versioned::{self, Unreadable, take};

/// The version of all that is written here.
const VERSION: u8 = 1;

/// The facts of a login. Instants are milliseconds since 1970.
#[derive(Serialize, Deserialize)]
struct FamilyFacts<'a> {
    #[serde(borrow)]
    subject: Cow<'a, str>,
    #[serde(borrow)]
    client: Cow<'a, str>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    realm: Option<Cow<'a, str>>,
    #[serde(borrow)]
    scope: Cow<'a, str>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    audience: Option<Cow<'a, str>>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    grant_type: Option<Cow<'a, str>>,
    methods: String,
    authenticated_at: i64,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    credential_version: Option<Cow<'a, str>>,
    expires: i64,
}

/// What an access token stands for.
#[derive(Serialize, Deserialize)]
struct TokenFacts<'a> {
    version: u8,
    #[serde(borrow)]
    subject: Cow<'a, str>,
    #[serde(borrow)]
    client: Cow<'a, str>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    realm: Option<Cow<'a, str>>,
    #[serde(borrow)]
    scope: Cow<'a, str>,
    audience: Cow<'a, [String]>,
    issued: i64,
    expires: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    authenticated_at: Option<i64>,
    methods: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    family: Option<String>,
    #[serde(borrow)]
    claims: &'a RawValue,
}

/// Of a text that a later version wrote no more is read.
#[derive(Deserialize)]
struct Versioned {
    version: u8,
}

fn time(millis: i64) -> Result<SystemTime, Failure> {
    instant(millis).ok_or(Failure::Value("an instant"))
}

fn client(text: &str) -> Result<ClientId, Failure> {
    ClientId::new(text).map_err(|_| Failure::Value("a client id"))
}

/// A scope as it was written; the empty one, too.
fn scope(text: &str) -> Result<Scope, Failure> {
    if text.is_empty() { Ok(Scope::default()) } else { text.parse().map_err(|_| Failure::Value("a scope")) }
}

fn methods(text: &str) -> Result<AuthenticationMethods, Failure> {
    text.parse().map_err(|_| Failure::Value("authentication methods"))
}

/// A lineage behind its length, as a family has it.
pub(super) fn write_lineage(lineage: &Lineage) -> Result<Vec<u8>, Failure> {
    let bytes = lineage.to_bytes();
    let length = u16::try_from(bytes.len()).map_err(|_| Failure::Given("a lineage"))?;
    Ok([&length.to_be_bytes()[..], &bytes].concat())
}

/// A family that has not ended: the version, the sign of the end, the stamp, the lineage behind its length, the facts.
pub(super) fn write_family(family: &RefreshFamily, lineage: &Lineage, stamp: FamilyStamp) -> Result<Vec<u8>, Failure> {
    let facts = FamilyFacts {
        subject: family.subject_id().into(),
        client: family.client().as_str().into(),
        realm: family.realm().map(Into::into),
        scope: family.scope().as_str().into(),
        audience: family.audience().map(Into::into),
        grant_type: family.grant_type().map(Into::into),
        methods: family.methods().to_string(),
        authenticated_at: floor(family.authenticated_at()),
        credential_version: family.credential_version().map(Into::into),
        expires: floor(family.expires()),
    };
    let facts = serde_json::to_vec(&facts).map_err(|_| Failure::Given("a family"))?;
    Ok([&[VERSION, b'0'][..], &stamp.get().to_be_bytes(), &write_lineage(lineage)?, &facts].concat())
}

/// What is written of a family.
pub(super) struct WrittenFamily {
    pub(super) facts: RefreshFamily,
    lineage: Vec<u8>,
    stamp: FamilyStamp,
    is_ended: bool,
}

impl WrittenFamily {
    pub(super) fn read(id: FamilyId, bytes: &[u8]) -> Result<Self, Failure> {
        let rest = &mut versioned::open(bytes, VERSION).map_err(|unreadable| match unreadable {
            // A text does not begin with a version.
            Unreadable::Later(version) if version < b' ' => Failure::Later("a family"),
            Unreadable::Later(_) | Unreadable::Damaged => Failure::Value("a family"),
        })?;
        let damaged = |_| Failure::Value("a family");
        let is_ended = match take(rest).map_err(damaged)? {
            [b'0'] => false,
            [b'1'] => true,
            [_] => return Err(Failure::Value("a family")),
        };
        let stamp = FamilyStamp::new(u64::from_be_bytes(take(rest).map_err(damaged)?));
        let length = usize::from(u16::from_be_bytes(take(rest).map_err(damaged)?));
        let (lineage, facts) = rest.split_at_checked(length).ok_or(Failure::Value("a family"))?;
        let facts: FamilyFacts<'_> = serde_json::from_slice(facts).map_err(|_| Failure::Value("a family"))?;
        let (authenticated_at, expires) = (time(facts.authenticated_at)?, time(facts.expires)?);
        let family = RefreshFamily::new(id, facts.subject, client(&facts.client)?, authenticated_at, expires)
            .with_realm(facts.realm.as_deref())
            .with_scope(scope(&facts.scope)?)
            .with_audience(facts.audience.as_deref())
            .with_grant_type(facts.grant_type.as_deref())
            .with_methods(methods(&facts.methods)?)
            .with_credential_version(facts.credential_version.as_deref());
        Ok(Self { facts: family, lineage: lineage.to_vec(), stamp, is_ended })
    }

    pub(super) fn into_stored(self) -> Result<StoredFamily, Failure> {
        let lineage = Lineage::from_bytes(&self.lineage)?;
        Ok(StoredFamily::new(self.facts, lineage, self.stamp).with_ended(self.is_ended))
    }
}

pub(super) fn write_token(record: &AccessTokenRecord) -> Result<Vec<u8>, Failure> {
    let claims = RawValue::from_string(record.claims().as_json().to_string()).map_err(|_| Failure::Given("claims"))?;
    let facts = TokenFacts {
        version: VERSION,
        subject: record.subject_id().into(),
        client: record.client().as_str().into(),
        realm: record.realm().map(Into::into),
        scope: record.scope().as_str().into(),
        audience: record.audience().into(),
        issued: floor(record.issued_at()),
        expires: floor(record.expires()),
        authenticated_at: record.authenticated_at().map(floor),
        methods: record.methods().to_string(),
        family: record.family().map(|family| family.to_string()),
        claims: &claims,
    };
    serde_json::to_vec(&facts).map_err(|_| Failure::Given("an access token"))
}

fn family_id(text: &str) -> Option<FamilyId> {
    let number = u128::from_str_radix(text, 16).ok().filter(|_| text.len() == 32)?;
    Some(FamilyId::from_bytes(number.to_be_bytes()))
}

pub(super) fn read_token(bytes: &[u8]) -> Result<AccessTokenRecord, Failure> {
    let unreadable = || Failure::Value("an access token");
    let Versioned { version } = serde_json::from_slice(bytes).map_err(|_| unreadable())?;
    match version {
        VERSION => {}
        later if later > VERSION => return Err(Failure::Later("an access token")),
        _ => return Err(unreadable()),
    }
    let facts: TokenFacts<'_> = serde_json::from_slice(bytes).map_err(|_| unreadable())?;
    let family = facts.family.map(|id| family_id(&id).ok_or_else(unreadable)).transpose()?;
    let authenticated_at = facts.authenticated_at.map(time).transpose()?;
    let (issued, expires) = (time(facts.issued)?, time(facts.expires)?);
    let claims = Claims::from_json(facts.claims.get()).map_err(|_| Failure::Value("claims"))?;
    Ok(AccessTokenRecord::new(facts.subject, client(&facts.client)?, issued, expires)
        .with_realm(facts.realm.as_deref())
        .with_scope(scope(&facts.scope)?)
        .with_audience(facts.audience.into_owned())
        .with_authenticated_at(authenticated_at)
        .with_methods(methods(&facts.methods)?)
        .with_family(family)
        .with_claims(claims))
}
