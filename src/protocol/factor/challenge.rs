//! What a login with a factor open says of itself. It is sealed and given to the client, and no store keeps it.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use zeroize::Zeroizing;

pub(crate) use super::packed::TooLong;

use super::authenticator::{AuthenticatorId, Channel, FactorUser};
use super::binding_code::BindingCode;
use super::packed::{Packed, Unpacked};
use crate::protocol::client::grant_type::shared_name;
use crate::protocol::client::registered::ClientId;
use crate::protocol::millis;
use crate::protocol::scope::Scope;
use crate::protocol::secret::secrets::SecretDigest;
use crate::protocol::token::family::FamilyId;
use crate::protocol::token::methods::AuthenticationMethods;
use crate::protocol::versioned::Unreadable;

/// How long a login with a factor open can be finished.
pub(crate) const CHALLENGE: Duration = Duration::from_secs(600);

/// How long a code that was sent can be typed.
pub(crate) const OOB_CODE: Duration = Duration::from_secs(300);

/// The version of what both hold.
const VERSION: u8 = 1;

/// What stands before the identifier of a challenge where it is spent, so that it meets no other kind of value.
const SPENT: [u8; 16] = *b"mfa_token 1\0\0\0\0\0";

/// What a `mfa_token` holds.
#[derive(PartialEq, Eq)]
pub(crate) struct Challenge {
    /// 128 random bits: what is spent once.
    pub(crate) id: [u8; 16],
    pub(crate) client: ClientId,
    pub(crate) realm: Option<String>,
    pub(crate) subject: Arc<str>,
    pub(crate) credential_version: Option<String>,
    pub(crate) scope: Scope,
    pub(crate) audience: Option<String>,
    /// Of the request that began the login.
    pub(crate) grant_type: Cow<'static, str>,
    pub(crate) methods: AuthenticationMethods,
    /// When the password was right, or the tokens of the family were given. In whole milliseconds, as all times here.
    pub(crate) authenticated_at: SystemTime,
    pub(crate) expires: SystemTime,
    /// The reservation of the attempt, which is settled when the login is finished.
    pub(crate) attempt: Option<[u8; 32]>,
    /// The family that ends when the login is finished, because it was begun to refresh that one.
    pub(crate) family: Option<Prolonged>,
}

/// A family whose refresh was left open.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Prolonged {
    pub(crate) id: FamilyId,
    /// When it would have ended.
    pub(crate) ends: SystemTime,
    /// What its login has got, if the refresh asked for less of it. The family that takes its place gets all of it.
    pub(crate) scope: Option<Scope>,
}

impl Challenge {
    /// The bytes to be sealed.
    ///
    /// # Errors
    /// Fails if they could not be given to a client.
    pub(crate) fn encode(&self) -> Result<Zeroizing<Vec<u8>>, TooLong> {
        Packed::new(VERSION)
            .bytes(&self.id)
            .text(self.client.as_str())
            .maybe(self.realm.as_deref(), Packed::text)
            .text(&self.subject)
            .maybe(self.credential_version.as_deref(), Packed::text)
            .text(self.scope.as_str())
            .maybe(self.audience.as_deref(), Packed::text)
            .text(&self.grant_type)
            .bytes(&self.methods.to_bits().to_be_bytes())
            .bytes(&time(self.authenticated_at))
            .bytes(&time(self.expires))
            .maybe(self.attempt.as_ref(), |packed, attempt| packed.bytes(attempt))
            .maybe(self.family.as_ref(), |packed, family| {
                let packed = packed.bytes(family.id.as_bytes()).bytes(&time(family.ends));
                packed.maybe(family.scope.as_ref().map(Scope::as_str), Packed::text)
            })
            .finish()
    }

    /// The user whose login it is.
    pub(crate) fn user(&self) -> FactorUser<'_> {
        FactorUser::new(self.realm.as_deref(), &self.subject)
    }

    /// Under which it is spent. No hash is needed: nobody outside has chosen the identifier or has seen it, and its bits are random.
    pub(crate) fn digest(&self) -> SecretDigest {
        let mut bytes = [0; 32];
        let (kind, id) = bytes.split_at_mut(SPENT.len());
        kind.copy_from_slice(&SPENT);
        id.copy_from_slice(&self.id);
        SecretDigest::from_bytes(bytes)
    }

    /// The challenge of these bytes, if [`encode`](Self::encode) makes these very bytes of it. `presenter`: the client that presents
    /// it, if it is known. It is mostly the one that is named, and then shares its identifier.
    ///
    /// # Errors
    /// Says whether a later version wrote them.
    pub(crate) fn decode(bytes: &[u8], presenter: Option<&ClientId>) -> Result<Self, Unreadable> {
        let mut rest = Unpacked::new(bytes, VERSION)?;
        let challenge = Self {
            id: rest.bytes()?,
            client: client(rest.text()?, presenter)?,
            realm: owned(&mut rest)?,
            subject: rest.text()?.into(),
            credential_version: owned(&mut rest)?,
            scope: scope_or_none(rest.text()?)?,
            audience: owned(&mut rest)?,
            grant_type: shared_name(rest.text()?),
            methods: AuthenticationMethods::from_bits(u16::from_be_bytes(rest.bytes()?)).ok_or(Unreadable::Damaged)?,
            authenticated_at: instant(rest.bytes()?)?,
            expires: instant(rest.bytes()?)?,
            attempt: rest.maybe(Unpacked::bytes)?,
            family: rest.maybe(|rest| {
                let id = FamilyId::from_bytes(rest.bytes()?);
                let ends = instant(rest.bytes()?)?;
                Ok(Prolonged { id, ends, scope: rest.maybe(|rest| scope(rest.text()?))? })
            })?,
        };
        rest.end()?;
        Ok(challenge)
    }
}

impl fmt::Debug for Challenge {
    /// Without the reservation, which can be settled once.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Challenge")
            .field("client", &self.client)
            .field("realm", &self.realm)
            .field("subject", &self.subject)
            .field("methods", &self.methods)
            .field("expires", &self.expires)
            .finish_non_exhaustive()
    }
}

/// What an `oob_code` holds.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct OutOfBand {
    /// 128 random bits: what a channel without a code is asked about.
    pub(crate) id: [u8; 16],
    /// The challenge that it belongs to.
    pub(crate) challenge: [u8; 16],
    pub(crate) authenticator: AuthenticatorId,
    pub(crate) channel: Channel,
    /// The code that the user types, if the channel has one.
    pub(crate) code: Option<BindingCode>,
    pub(crate) expires: SystemTime,
}

impl OutOfBand {
    /// The bytes to be sealed.
    ///
    /// # Errors
    /// None: all of it is short.
    pub(crate) fn encode(&self) -> Result<Zeroizing<Vec<u8>>, TooLong> {
        Packed::new(VERSION)
            .bytes(&self.id)
            .bytes(&self.challenge)
            .text(self.authenticator.as_str())
            .text(self.channel.as_str())
            .maybe(self.code.as_ref(), |packed, code| packed.bytes(code.expose().as_bytes()))
            .bytes(&time(self.expires))
            .finish()
    }

    /// The delivery of these bytes, if [`encode`](Self::encode) makes these very bytes of it.
    ///
    /// # Errors
    /// Says whether a later version wrote them.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, Unreadable> {
        let mut rest = Unpacked::new(bytes, VERSION)?;
        let delivery = Self {
            id: rest.bytes()?,
            challenge: rest.bytes()?,
            authenticator: AuthenticatorId::parse(rest.text()?).ok_or(Unreadable::Damaged)?,
            channel: Channel::named(rest.text()?).ok_or(Unreadable::Damaged)?,
            code: rest.maybe(|rest| BindingCode::from_digits(rest.bytes()?).ok_or(Unreadable::Damaged))?,
            expires: instant(rest.bytes()?)?,
        };
        rest.end()?;
        Ok(delivery)
    }
}

fn owned(rest: &mut Unpacked<'_>) -> Result<Option<String>, Unreadable> {
    rest.maybe(|rest| rest.text().map(str::to_owned))
}

fn client(text: &str, presenter: Option<&ClientId>) -> Result<ClientId, Unreadable> {
    match presenter {
        Some(own) if own.as_str() == text => Ok(own.clone()),
        _ => ClientId::new(text).map_err(|_| Unreadable::Damaged),
    }
}

fn scope_or_none(text: &str) -> Result<Scope, Unreadable> {
    if text.is_empty() { Ok(Scope::default()) } else { scope(text) }
}

/// A scope that is written so and in no other way.
fn scope(text: &str) -> Result<Scope, Unreadable> {
    text.parse().ok().filter(|scope: &Scope| scope.as_str() == text).ok_or(Unreadable::Damaged)
}

fn time(time: SystemTime) -> [u8; 8] {
    millis::floor(time).to_be_bytes()
}

/// An instant that is written so and in no other way.
fn instant(bytes: [u8; 8]) -> Result<SystemTime, Unreadable> {
    let millis = i64::from_be_bytes(bytes);
    millis::instant(millis).filter(|instant| millis::floor(*instant) == millis).ok_or(Unreadable::Damaged)
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use proptest::prelude::*;

    use super::super::authenticator::AuthenticatorKind;
    use super::super::packed::LONGEST;
    use super::*;

    fn text() -> impl Strategy<Value = String> {
        "\\PC{0,40}"
    }

    fn instants() -> impl Strategy<Value = SystemTime> {
        (0..1_u64 << 50).prop_map(|millis| UNIX_EPOCH + Duration::from_millis(millis))
    }

    fn read(scope: &str) -> Scope {
        if scope.is_empty() { Scope::default() } else { scope.parse().unwrap() }
    }

    prop_compose! {
        fn challenges()(
            id: [u8; 16],
            client in "[!-~]{1,40}",
            scope in "([a-z:]{1,9} ){0,3}",
            [subject, grant_type] in [text(), text()],
            of_password: bool,
            [realm, credential_version, audience] in std::array::from_fn::<_, 3, _>(|_| proptest::option::of(text())),
            bits in 0..1_u16 << 7,
            [authenticated_at, expires, family_ends] in [instants(), instants(), instants()],
            attempt: Option<[u8; 32]>,
            family: Option<[u8; 16]>,
            family_scope in proptest::option::of("[a-z]{1,9}"),
        ) -> Challenge {
            Challenge {
                id, realm, credential_version, audience,
                client: ClientId::new(&client).unwrap(),
                subject: subject.into(),
                scope: read(scope.trim_end()),
                grant_type: if of_password { "password".into() } else { grant_type.into() },
                methods: AuthenticationMethods::from_bits(bits).unwrap(),
                authenticated_at, expires, attempt,
                family: family.map(|id| Prolonged {
                    id: FamilyId::from_bytes(id),
                    ends: family_ends,
                    scope: family_scope.map(|scope| scope.parse().unwrap()),
                }),
            }
        }
    }

    prop_compose! {
        fn deliveries()(
            id: [u8; 16],
            challenge: [u8; 16],
            channel in proptest::sample::select(Channel::ALL.to_vec()),
            code in proptest::option::of("[0-9]{6}"),
            expires in instants(),
        ) -> OutOfBand {
            let authenticator = AuthenticatorId::random(AuthenticatorKind::OutOfBand(channel)).unwrap();
            let code = code.map(|code| BindingCode::from_digits(code.as_bytes().try_into().unwrap()).unwrap());
            OutOfBand { id, challenge, authenticator, channel, code, expires }
        }
    }

    /// Bytes near to good ones: cut, longer, or with one byte changed.
    fn near(bytes: &[u8], at: usize, to: u8) -> [Vec<u8>; 3] {
        let at = at % bytes.len();
        let mut changed = bytes.to_vec();
        changed[at] = to;
        [bytes[..at].to_vec(), [bytes, &[to]].concat(), changed]
    }

    proptest! {
        #[test]
        fn a_challenge_is_read_back_and_is_written_in_one_way(challenge in challenges(), at: usize, to: u8) {
            let bytes = challenge.encode().unwrap();
            for client in [challenge.client.clone(), ClientId::new("somebody else").unwrap()] {
                let read = Challenge::decode(&bytes, Some(&client));
                prop_assert_eq!(read.as_ref(), Ok(&challenge));
            }
            prop_assert_eq!(Challenge::decode(&bytes, None), Ok(challenge));
            let [short, long, changed] = near(&bytes, at, to);
            prop_assert!(Challenge::decode(&short, None).is_err() && Challenge::decode(&long, None).is_err());
            if let Ok(other) = Challenge::decode(&changed, None) {
                prop_assert_eq!(&*other.encode().unwrap(), &changed);
            }
        }

        #[test]
        fn a_delivery_is_read_back_and_is_written_in_one_way(delivery in deliveries(), at: usize, to: u8) {
            let bytes = delivery.encode().unwrap();
            prop_assert_eq!(OutOfBand::decode(&bytes), Ok(delivery));
            let [short, long, changed] = near(&bytes, at, to);
            prop_assert!(OutOfBand::decode(&short).is_err() && OutOfBand::decode(&long).is_err());
            if let Ok(other) = OutOfBand::decode(&changed) {
                prop_assert_eq!(&*other.encode().unwrap(), &changed);
            }
        }

        #[test]
        fn any_bytes_are_refused_or_written_again_as_they_were(mut bytes: Vec<u8>) {
            for first in [None, Some(VERSION)] {
                if let (Some(first), Some(to)) = (first, bytes.first_mut()) {
                    *to = first;
                }
                if let Ok(challenge) = Challenge::decode(&bytes, None) {
                    prop_assert_eq!(&*challenge.encode().unwrap(), &bytes);
                }
                if let Ok(delivery) = OutOfBand::decode(&bytes) {
                    prop_assert_eq!(&*delivery.encode().unwrap(), &bytes);
                }
            }
        }
    }

    fn challenge() -> Challenge {
        Challenge {
            id: [1; 16],
            client: ClientId::new("app").unwrap(),
            realm: None,
            subject: "user-1".into(),
            credential_version: None,
            scope: read("read"),
            audience: None,
            grant_type: "password".into(),
            methods: AuthenticationMethods::NONE,
            authenticated_at: UNIX_EPOCH,
            expires: UNIX_EPOCH + CHALLENGE,
            attempt: Some([9; 32]),
            family: None,
        }
    }

    #[test]
    fn what_no_client_could_be_given_is_not_packed() {
        let with_scope = |length| Challenge { scope: read(&"s".repeat(length)), ..challenge() };
        let room = LONGEST - with_scope(0).encode().unwrap().len();
        assert_eq!(with_scope(room).encode().map(|bytes| bytes.len()), Ok(LONGEST));
        for length in [room + 1, LONGEST, usize::from(u16::MAX), 1 << 17] {
            assert_eq!(with_scope(length).encode().err(), Some(TooLong), "{length}");
        }
        assert_eq!(Challenge::decode(&[VERSION; LONGEST + 1], None), Err(Unreadable::Damaged));
    }

    #[test]
    fn times_outside_the_range_and_unknown_methods_are_refused() {
        let bytes = challenge().encode().unwrap();
        // From the end: no family, the attempt, the time of the end, the other time, the methods.
        for (from_the_end, to) in [(1 + 33 + 8, 0x80), (1 + 33 + 16 + 1, 0xff), (1 + 33 + 16 + 2, 0xff)] {
            let mut other = bytes.to_vec();
            let at = other.len() - from_the_end;
            other[at] = to;
            let read = Challenge::decode(&other, None);
            assert!(read.is_err() || *read.unwrap().encode().unwrap() == other, "{from_the_end}");
        }
        assert_eq!(instant(i64::MIN.to_be_bytes()), Err(Unreadable::Damaged));
    }

    #[test]
    fn each_challenge_is_spent_by_itself() {
        let spent = |id| *Challenge { id, ..challenge() }.digest().as_bytes();
        for at in 0..16 {
            let mut id = [1; 16];
            id[at] = 2;
            assert_ne!(spent(id), spent([1; 16]));
        }
    }

    #[test]
    fn a_later_version_is_told_from_damage() {
        assert_eq!(Challenge::decode(&[2, 7], None), Err(Unreadable::Later(2)));
        assert_eq!(OutOfBand::decode(&[2, 7]), Err(Unreadable::Later(2)));
        assert_eq!(Challenge::decode(&[], None), Err(Unreadable::Damaged));
    }

    #[test]
    fn neither_shows_its_secrets() {
        assert!(!format!("{:?}", challenge()).contains("9, 9"));
        let delivery = OutOfBand {
            id: [1; 16],
            challenge: [2; 16],
            authenticator: AuthenticatorId::random(AuthenticatorKind::OutOfBand(Channel::Sms)).unwrap(),
            channel: Channel::Sms,
            code: BindingCode::from_digits(*b"135790"),
            expires: UNIX_EPOCH + OOB_CODE,
        };
        assert!(!format!("{delivery:?}").contains("135790"));
    }
}
