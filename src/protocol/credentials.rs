//! Client authentication (RFC 6749 sections 2.3 and 3.2.1): what a request presents, and whether it proves the client.

use std::time::SystemTime;

use http::HeaderMap;
use subtle::Choice;

use super::basic::{self, Authorization, Basic, Pair};
use super::client::{Client, ClientAuthentication};
use super::error::{Reason, TokenError};
use super::form::{Form, Known};
use super::head;
use super::secrets::SecretDigest;
use super::texts::{Span, Texts};

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

    /// Whether something secret is presented, so that this is an attempt that can be right or wrong.
    pub(crate) fn is_attempt(&self, texts: &Texts) -> bool {
        match self {
            Self::Id(_) => false,
            Self::Basic(basic) => {
                [basic.decoded, basic.raw].into_iter().flatten().any(|pair| !texts.get(pair.secret).is_empty())
            }
            Self::Post(_) | Self::Method(..) => true,
        }
    }

    /// Whether the header could be read in two ways, so that the client may not form-encode as it should.
    pub(crate) fn is_ambiguous(&self) -> bool {
        matches!(self, Self::Basic(Basic { raw: Some(_), .. }))
    }

    /// Gives the error the face that belongs to the way of authentication (RFC 6749 section 5.2).
    pub(crate) fn refuse(&self, reason: Reason) -> TokenError {
        match self {
            Self::Basic(_) | Self::Method(..) => reason.into(),
            Self::Id(_) | Self::Post(_) => TokenError::new(reason).in_body(),
        }
    }
}

/// A client whose authentication succeeded. Only [`authenticate`] and [`proven`] make one.
#[derive(Debug)]
pub(crate) struct AuthenticatedClient(Client);

impl AuthenticatedClient {
    pub(crate) fn client(&self) -> &Client {
        &self.0
    }

    pub(crate) fn into_client(self) -> Client {
        self.0
    }
}

/// Decides whether `presented` proves `client`, with the same work for a client that doesn't exist.
pub(crate) fn authenticate(
    presented: &Presented,
    client: Option<Client>,
    texts: &Texts,
    now: SystemTime,
) -> Result<AuthenticatedClient, TokenError> {
    let method = client.as_ref().map(Client::authentication);
    let (proved, right_method) = match presented {
        Presented::Id(_) => (true, method == Some(&ClientAuthentication::None)),
        Presented::Method(..) => (false, false),
        Presented::Post(pair) => {
            let digest = SecretDigest::of(texts.get(pair.secret));
            let matches = bool::from(Client::matches(client.as_ref(), &[digest], now));
            let allowed = matches!(method, Some(ClientAuthentication::Secret | ClientAuthentication::SecretPost));
            (matches, allowed)
        }
        Presented::Basic(basic) => {
            let matches = bool::from(match_basic(basic, client.as_ref(), texts, now));
            match method {
                // An empty secret proves no less than a bare `client_id`.
                Some(ClientAuthentication::None) => (!presented.is_attempt(texts), true),
                Some(ClientAuthentication::Secret | ClientAuthentication::SecretBasic) => (matches, true),
                _ => (matches, false),
            }
        }
    };
    match client {
        None => Err(presented.refuse(Reason::UnknownClient)),
        Some(_) if !right_method => Err(presented.refuse(Reason::WrongMethod)),
        Some(_) if !proved => Err(presented.refuse(Reason::WrongSecret)),
        Some(client) => Ok(AuthenticatedClient(client)),
    }
}

/// Compares the secret, or both readings of a header that has two. How many there are depends on the header alone, so
/// the work is the same for every client, known or not.
fn match_basic(basic: &Basic, client: Option<&Client>, texts: &Texts, now: SystemTime) -> Choice {
    let digest = |pair: Pair| SecretDigest::of(texts.get(pair.secret));
    let nothing = || SecretDigest::from_bytes([0; 32]);
    let decoded = basic.decoded.map_or_else(nothing, digest);
    let Some(raw) = basic.raw.map(digest) else { return Client::matches(client, &[decoded], now) };
    // The raw reading counts only for a client that asks for it; else the decoded one stands twice.
    let second = if client.is_some_and(Client::accepts_raw_basic) { raw } else { decoded.clone() };
    Client::matches(client, &[decoded, second], now)
}

/// The application's own method says that it verified the claim on `client`.
pub(crate) fn proven(client: Client) -> AuthenticatedClient {
    AuthenticatedClient(client)
}
