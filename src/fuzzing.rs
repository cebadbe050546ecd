//! Doors into the private parsers for fuzzing. Compiled with `--cfg fuzzing` only, and no part of the API.

use std::net::IpAddr;

use http::{HeaderMap, HeaderName, HeaderValue};

use crate::boundary::factors::second_factor::SecondFactor;
use crate::boundary::factors::tools::SealedKind;
use crate::protocol::address::Sender;
use crate::protocol::factor::challenge::{Challenge, OutOfBand};
use crate::protocol::factor::sealed_text;
use crate::protocol::wire::basic::{self, Authorization, Pair};
use crate::protocol::wire::error::Reason;
use crate::protocol::wire::form::{Form, Known};
use crate::protocol::wire::forwarded::{self, Notation};
use crate::protocol::wire::texts::Texts;

const KNOWN: [(&str, Known); 9] = [
    ("grant_type", Known::GrantType),
    ("username", Known::Username),
    ("password", Known::Password),
    ("scope", Known::Scope),
    ("client_id", Known::ClientId),
    ("client_secret", Known::ClientSecret),
    ("client_assertion", Known::ClientAssertion),
    ("client_assertion_type", Known::ClientAssertionType),
    ("refresh_token", Known::RefreshToken),
];

/// The parameters of a form: those that the endpoint knows and that have a value, then the others in their order.
///
/// # Errors
/// The reason why the form is refused.
pub fn form(body: &[u8]) -> Result<Vec<(String, String)>, Reason> {
    Form::parse(body, 0).map(parameters)
}

/// The same of a JSON object.
///
/// # Errors
/// The reason why the object is refused.
pub fn json_form(body: &[u8]) -> Result<Vec<(String, String)>, Reason> {
    Form::parse_json(body, 0, &[]).map(parameters)
}

fn parameters(form: Form) -> Vec<(String, String)> {
    let mut pairs = Vec::new();
    for (name, known) in KNOWN {
        if let Some(value) = form.get(known) {
            pairs.push((name.to_owned(), value.to_owned()));
        }
    }
    let (texts, others) = form.into_parts();
    let owned = |(name, value): &(_, _)| (texts.get(*name).to_owned(), texts.get(*value).to_owned());
    pairs.extend(others.as_slice().iter().map(owned));
    pairs
}

/// Id and secret.
pub type Credentials = (String, String);

/// The two readings of an `Authorization: Basic` value, form-decoded and raw; none of both for another scheme and for
/// empty credentials.
///
/// # Errors
/// The reason why the value is refused.
pub fn basic(value: &[u8]) -> Result<[Option<Credentials>; 2], Reason> {
    let mut texts = Texts::default();
    let Authorization::Basic(basic) = basic::parse(value, &mut texts)? else { return Ok([None, None]) };
    let read = |pair: Pair| (texts.get(pair.id).to_owned(), texts.get(pair.secret).to_owned());
    Ok([basic.decoded.map(read), basic.raw.map(read)])
}

/// The sender of a request from `peer` by these lines of `X-Forwarded-For`, or of `Forwarded`.
pub fn sender(peer: IpAddr, is_forwarded: bool, lines: &[&[u8]], is_proxy: impl Fn(IpAddr) -> bool) -> IpAddr {
    let notation = if is_forwarded { Notation::Forwarded } else { Notation::XForwardedFor };
    forwarded::sender(peer, notation, lines.iter().copied(), is_proxy)
}

/// The address of the end user by these lines, as far as they fit a header.
pub fn end_user(lines: &[&[u8]]) -> Option<IpAddr> {
    let name = HeaderName::from_static("end-user");
    let mut headers = HeaderMap::new();
    for line in lines.iter().filter_map(|line| HeaderValue::from_bytes(line).ok()) {
        headers.append(&name, line);
    }
    forwarded::end_user(&headers, &name).map(Sender::counted)
}

/// What clients are given of a login with a factor open.
#[derive(Clone, Copy, Debug)]
pub enum Sealed {
    /// A `mfa_token`.
    Challenge,
    /// An `oob_code`.
    OutOfBand,
}

impl Sealed {
    fn kind(self) -> SealedKind {
        match self {
            Self::Challenge => SealedKind::MfaToken,
            Self::OutOfBand => SealedKind::OobCode,
        }
    }
}

/// The text of these bytes, sealed, if it is short enough.
pub fn seal(factors: &SecondFactor, sealed: Sealed, plain: &[u8]) -> Option<String> {
    let bytes = factors.tools.seal(sealed.kind(), &[], plain).ok()?;
    sealed_text::write(&bytes).ok().map(|text| text.expose().to_owned())
}

/// The bytes behind a text that is opened, and the value that they are packed to again if they mean one.
pub fn open(factors: &SecondFactor, sealed: Sealed, text: &str) -> Option<(Vec<u8>, Option<Vec<u8>>)> {
    let plain = factors.tools.open(sealed.kind(), &[], sealed_text::read(text)?)?;
    let again = match sealed {
        Sealed::Challenge => Challenge::decode(&plain, None).ok().and_then(|value| value.encode().ok()),
        Sealed::OutOfBand => OutOfBand::decode(&plain).ok().and_then(|value| value.encode().ok()),
    };
    Some((plain.to_vec(), again.map(|bytes| bytes.to_vec())))
}
