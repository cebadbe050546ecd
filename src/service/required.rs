use crate::boundary::issuer::TokenIssuer;
use crate::boundary::registry::ClientRegistry;
use crate::boundary::verifier::CredentialVerifier;

/// A required part that was not given yet.
#[derive(Debug)]
pub struct NotSet(pub(super) ());

/// The registry was given.
#[diagnostic::on_unimplemented(message = "call `.clients(..)` with a `ClientRegistry` before `.build()`")]
pub trait HasClients: ClientRegistry {}
impl<T: ClientRegistry> HasClients for T {}

/// The verifier was given.
#[diagnostic::on_unimplemented(message = "call `.verifier(..)` with a `CredentialVerifier` before `.build()`")]
pub trait HasVerifier: CredentialVerifier {}
impl<T: CredentialVerifier> HasVerifier for T {}

/// The issuer was given.
#[diagnostic::on_unimplemented(message = "call `.issuer(..)` with a `TokenIssuer` before `.build()`")]
pub trait HasIssuer: TokenIssuer {}
impl<T: TokenIssuer> HasIssuer for T {}
