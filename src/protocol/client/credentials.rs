//! Client authentication (RFC 6749 sections 2.3 and 3.2.1): what a request presents, and whether it proves the client.

use std::time::SystemTime;

use http::HeaderMap;
use subtle::Choice;

use super::registered::{Client, ClientAuthentication};
use crate::protocol::secret::secrets::SecretDigest;
use crate::protocol::wire::basic::{self, Authorization, Basic, Pair};
use crate::protocol::wire::error::{Reason, TokenError};
use crate::protocol::wire::form::{Form, Known};
use crate::protocol::wire::head;
use crate::protocol::wire::texts::{Span, Texts};

/// What a request presents: one way of authentication, or none.
#[derive(Debug)]
pub(crate) enum Presented {
    /// `client_id` alone.
    Id(Span),
    /// An `Authorization: Basic` header.
    Basic(Basic),
    /// `client_id` and `client_secret` in the body.
    Post(Pair),
    /// The application's own method with this index.
    Method(usize, String),
}

/// Finds the one way of authentication. `method` is what the application's own methods recognised.
#[inline]
pub(crate) fn present(
    headers: &HeaderMap,
    form: &mut Form,
    method: Option<(usize, String)>,
    ignore_foreign_schemes: bool,
) -> Result<Presented, TokenError> {
    let header = match head::authorization(headers)? {
        None => None,
        Some(value) => match basic::parse(value.as_bytes(), &mut form.texts)? {
            Authorization::Basic(basic) => Some(basic),
            Authorization::Empty => None,
            Authorization::Foreign if method.is_some() || ignore_foreign_schemes => None,
            Authorization::Foreign => return Err(Reason::UnknownScheme.into()),
        },
    };
    let id = form.span(Known::ClientId);
    let secret = form.span(Known::ClientSecret);
    if method.is_none() && form.span(Known::ClientAssertion).is_some() {
        // RFC 7521 section 4.2.1: an assertion that cannot be taken is `invalid_client`.
        let error = TokenError::new(Reason::WrongMethod);
        return Err(if header.is_some() { error } else { error.in_body() });
    }
    match (header, secret, method) {
        (None, None, None) => id.map(Presented::Id).ok_or_else(|| Reason::NoClient.into()),
        (Some(basic), None, None) => {
            if id.is_some_and(|id| !names(&basic, form.texts.get(id), &form.texts)) {
                return Err(Reason::SeveralAuthentications.into());
            }
            Ok(Presented::Basic(basic))
        }
        (None, Some(secret), None) => match id {
            Some(id) => Ok(Presented::Post(Pair { id, secret })),
            None => Err(TokenError::new(Reason::NoClient).in_body()),
        },
        (None, None, Some((index, claimed))) => {
            if form.get(Known::ClientId).is_some_and(|id| id != claimed) {
                return Err(Reason::SeveralAuthentications.into());
            }
            Ok(Presented::Method(index, claimed))
        }
        _ => Err(Reason::SeveralAuthentications.into()),
    }
}

fn names(basic: &Basic, id: &str, texts: &Texts) -> bool {
    [basic.decoded, basic.raw].into_iter().flatten().any(|pair| texts.get(pair.id) == id)
}

impl Presented {
    /// The id to look up.
    pub(crate) fn id<'a>(&'a self, texts: &'a Texts) -> &'a str {
        match self {
            Self::Id(id) => texts.get(*id),
            Self::Basic(basic) => basic.decoded.or(basic.raw).map_or("", |pair| texts.get(pair.id)),
            Self::Post(pair) => texts.get(pair.id),
            Self::Method(_, id) => id,
        }
    }

    /// A second reading of the id, for clients that do not form-encode.
    pub(crate) fn raw_id<'a>(&self, texts: &'a Texts) -> Option<&'a str> {
        match self {
            Self::Basic(Basic { decoded: Some(_), raw: Some(raw) }) => Some(texts.get(raw.id)),
            _ => None,
        }
    }

    /// Whether something is presented that can be right or wrong.
    pub(crate) fn offer<'a>(&'a self, texts: &'a Texts) -> Offer<'a> {
        let has_secret = match self {
            Self::Method(index, _) => return Offer::Method(*index),
            Self::Id(_) => false,
            Self::Post(_) => true,
            Self::Basic(basic) => [basic.decoded, basic.raw].into_iter().flatten().any(|pair| !pair.secret.is_empty()),
        };
        if has_secret { Offer::Secret(Secret { presented: self, texts }) } else { Offer::Bare(Bare(self)) }
    }

    /// Whether the header could be read in two ways, so that the client may not form-encode as it should.
    pub(crate) fn is_ambiguous(&self) -> bool {
        matches!(self, Self::Basic(Basic { raw: Some(_), .. }))
    }

    /// Gives the error the face that belongs to the place of the credentials (RFC 6749 section 5.2). The application's own methods
    /// have challenges of their own, so what they refuse is not refused here.
    pub(crate) fn refuse(&self, reason: Reason) -> TokenError {
        let error = TokenError::new(reason);
        if matches!(self, Self::Basic(_)) { error } else { error.in_body() }
    }
}

/// What presents no secret: a bare `client_id`, or an empty secret, which proves no less.
pub(crate) struct Bare<'a>(&'a Presented);

/// A presented secret, which may be right or wrong.
#[derive(Clone, Copy)]
pub(crate) struct Secret<'a> {
    presented: &'a Presented,
    texts: &'a Texts,
}

impl<'a> Secret<'a> {
    pub(crate) const fn presented(self) -> &'a Presented {
        self.presented
    }
}

/// What there is to decide about a presented way of authentication.
pub(crate) enum Offer<'a> {
    /// Nothing that could be guessed.
    Bare(Bare<'a>),
    Secret(Secret<'a>),
    /// The application's own method with this index decides.
    Method(usize),
}

/// What is to be compared: a presented secret with those of a client. The same work for a client that doesn't exist.
pub(crate) struct Comparison<'a>(Sides<'a>);

enum Sides<'a> {
    Presented { secret: Secret<'a>, client: Option<&'a Client>, moment: Moment<'a> },
    Digested { digests: Digests, client: Option<Client>, is_allowed: bool, now: SystemTime },
}

/// The time of the request, which the caller knows how to find: it is asked for only where there is a date to judge, and most
/// clients have none.
pub(crate) type Moment<'a> = &'a (dyn Fn() -> SystemTime + Send + Sync);

/// Of one secret, or of both readings of a header that has two.
type Digests = (SecretDigest, Option<SecretDigest>);

impl<'a> Comparison<'a> {
    pub(crate) const fn new(secret: Secret<'a>, client: Option<&'a Client>, moment: Moment<'a>) -> Self {
        Self(Sides::Presented { secret, client, moment })
    }

    /// The same without the secret itself, for another thread.
    pub(crate) fn digested(self) -> Comparison<'static> {
        Comparison(match self.0 {
            Sides::Presented { secret: Secret { presented, texts }, client, moment } => Sides::Digested {
                digests: digests(presented, client, texts, SecretDigest::of),
                client: client.cloned(),
                is_allowed: is_allowed(presented, client),
                now: moment(),
            },
            Sides::Digested { digests, client, is_allowed, now } => {
                Sides::Digested { digests, client, is_allowed, now }
            }
        })
    }

    /// The same twice.
    pub(crate) fn twice(self) -> (Comparison<'static>, Comparison<'static>) {
        let Comparison(first) = self.digested();
        let second = match &first {
            Sides::Digested { digests, client, is_allowed, now } => {
                Sides::Digested { digests: digests.clone(), client: client.clone(), is_allowed: *is_allowed, now: *now }
            }
            Sides::Presented { secret, client, moment } => {
                Sides::Presented { secret: *secret, client: *client, moment: *moment }
            }
        };
        (Comparison(first), Comparison(second))
    }

    /// Whether the secret is the client's, and presented in a way that is the client's.
    #[inline]
    pub(crate) fn compare(self) -> bool {
        self.compare_by(SecretDigest::of, SecretDigest::ct_eq)
    }

    /// By functions that a test can count.
    fn compare_by(
        self,
        digest: impl FnMut(&str) -> SecretDigest,
        equal: impl FnMut(&SecretDigest, &SecretDigest) -> Choice,
    ) -> bool {
        match self.0 {
            Sides::Presented { secret: Secret { presented, texts }, client, moment } => {
                // The digests come first, whatever the client may do.
                let proves = matches(&digests(presented, client, texts, digest), client, moment, equal);
                proves & is_allowed(presented, client)
            }
            Sides::Digested { digests, client, is_allowed, now } => {
                matches(&digests, client.as_ref(), || now, equal) & is_allowed
            }
        }
    }
}

/// How many digests there are depends on the request alone, so the work is the same for every client, known or not.
#[inline]
fn digests(
    presented: &Presented,
    client: Option<&Client>,
    texts: &Texts,
    mut digest: impl FnMut(&str) -> SecretDigest,
) -> Digests {
    let mut digest = |pair: Pair| digest(texts.get(pair.secret));
    let nothing = || SecretDigest::from_bytes([0; 32]);
    match presented {
        Presented::Id(_) | Presented::Method(..) => (nothing(), None),
        Presented::Post(pair) => (digest(*pair), None),
        Presented::Basic(basic) => {
            let decoded = basic.decoded.map_or_else(nothing, &mut digest);
            // The raw reading counts only for a client that asks for it; else the decoded one stands twice.
            let second = basic
                .raw
                .map(digest)
                .map(|raw| if client.is_some_and(Client::accepts_raw_basic) { raw } else { decoded.clone() });
            (decoded, second)
        }
    }
}

fn matches(
    (first, second): &Digests,
    client: Option<&Client>,
    moment: impl Fn() -> SystemTime,
    equal: impl FnMut(&SecretDigest, &SecretDigest) -> Choice,
) -> bool {
    bool::from(match second {
        None => Client::matches(client, std::slice::from_ref(first), moment, equal),
        Some(second) => Client::matches(client, &[first.clone(), second.clone()], moment, equal),
    })
}

/// Whether the client may authenticate by a secret in this way.
fn is_allowed(presented: &Presented, client: Option<&Client>) -> bool {
    use ClientAuthentication::{Secret, SecretBasic, SecretPost};
    let method = client.map(Client::authentication);
    match presented {
        Presented::Id(_) | Presented::Method(..) => false,
        Presented::Post(_) => matches!(method, Some(Secret | SecretPost)),
        Presented::Basic(_) => matches!(method, Some(Secret | SecretBasic)),
    }
}

/// Why a client is refused whose secret is not [right](Comparison::compare).
pub(crate) fn refuse(presented: &Presented, client: Option<&Client>) -> TokenError {
    presented.refuse(match client {
        None => Reason::UnknownClient,
        // A public client that presents a secret in a header knows none.
        Some(client)
            if is_allowed(presented, Some(client))
                || (matches!(presented, Presented::Basic(_))
                    && *client.authentication() == ClientAuthentication::None) =>
        {
            Reason::WrongSecret
        }
        Some(_) => Reason::WrongMethod,
    })
}

/// Takes a client that presents no secret, if it has none.
pub(crate) fn identify(
    Bare(presented): Bare<'_>,
    client: Option<&Client>,
    texts: &Texts,
    moment: Moment<'_>,
) -> Result<Client, TokenError> {
    let is_right = match client.map(Client::authentication) {
        Some(ClientAuthentication::None) => matches!(presented, Presented::Id(_) | Presented::Basic(_)),
        _ => Comparison::new(Secret { presented, texts }, client, moment).compare(),
    };
    match client {
        Some(client) if is_right => Ok(client.clone()),
        client => Err(refuse(presented, client)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many digests are made and how many compared for this client.
    fn work(presented: &Presented, client: Option<&Client>, texts: &Texts, on_another_thread: bool) -> [usize; 2] {
        let (mut digests, mut comparisons) = (0, 0);
        let secret = Secret { presented, texts };
        let comparison = Comparison::new(secret, client, &|| SystemTime::UNIX_EPOCH);
        let comparison = if on_another_thread { comparison.digested() } else { comparison };
        let is_right = comparison.compare_by(
            |secret| {
                digests += 1;
                SecretDigest::of(secret)
            },
            |one, other| {
                comparisons += 1;
                one.ct_eq(other)
            },
        );
        assert!(!is_right);
        [digests, comparisons]
    }

    #[test]
    fn an_unknown_client_takes_as_many_digests_and_comparisons_as_a_known_one_ca_13() {
        let digest = SecretDigest::of("s3cret");
        let clients = [
            Client::confidential("a", &digest),
            Client::confidential("a", &digest).secret(&digest, None),
            Client::confidential("a", &digest).raw_basic(),
            Client::public("a"),
            Client::with_method("a", "private_key_jwt"),
        ]
        .map(|client| client.build().unwrap());
        let mut texts = Texts::default();
        let pair = Pair { id: texts.push("a"), secret: texts.push("wrong%20") };
        let raw = Pair { id: texts.push("a"), secret: texts.push("wrong ") };
        let basic = |raw| Presented::Basic(Basic { decoded: Some(pair), raw });
        for (presented, digests) in [(Presented::Post(pair), 1), (basic(None), 1), (basic(Some(raw)), 2)] {
            assert_eq!(work(&presented, None, &texts, false), [digests, 2 * digests], "{presented:?}");
            assert_eq!(work(&presented, None, &texts, true), [0, 2 * digests], "{presented:?}");
            for client in &clients {
                assert_eq!(work(&presented, Some(client), &texts, false), [digests, 2 * digests], "{client:?}");
                assert_eq!(work(&presented, Some(client), &texts, true), [0, 2 * digests], "{client:?}");
            }
        }
    }

    #[test]
    fn the_clock_is_read_for_a_right_secret_that_has_an_end_and_for_no_other_ca_13() {
        use std::sync::atomic::{AtomicUsize, Ordering};
        use std::time::Duration;

        let (right, other) = (SecretDigest::of("right"), SecretDigest::of("other"));
        let end = SystemTime::UNIX_EPOCH + Duration::from_secs(60);
        let build = |client: crate::protocol::client::builder::ClientBuilder| client.build().unwrap();
        let dateless = build(Client::confidential("a", &right));
        let dated = build(Client::confidential("a", &other).secret(&right, Some(end)));
        let mut texts = Texts::default();
        let id = texts.push("a");
        let [right, wrong] = ["right", "wrong"].map(|text| Presented::Post(Pair { id, secret: texts.push(text) }));
        for (presented, client, passed, expected) in [
            (&wrong, None, 0, (false, 0)),
            (&wrong, Some(&dateless), 0, (false, 0)),
            (&wrong, Some(&dated), 0, (false, 0)),
            (&right, None, 0, (false, 0)),
            (&right, Some(&dateless), 0, (true, 0)),
            (&right, Some(&dated), 59, (true, 1)),
            (&right, Some(&dated), 60, (false, 1)),
        ] {
            let readings = AtomicUsize::new(0);
            let now = || {
                readings.fetch_add(1, Ordering::Relaxed);
                SystemTime::UNIX_EPOCH + Duration::from_secs(passed)
            };
            let is_right = Comparison::new(Secret { presented, texts: &texts }, client, &now).compare();
            assert_eq!((is_right, readings.into_inner()), expected, "{presented:?} {client:?} {passed}");
        }
    }
}
