//! JWT access tokens (RFC 9068) and ID tokens, through the real layer and verified by libraries that were written by others.

mod accepts;
mod attacks;
mod config;
mod forge;
mod helpers;
mod id_claims;
mod id_tokens;
mod id_world;
mod interop;
mod jwks;
mod keys;
mod methods;
mod remote;
mod remote_behind;
mod tokens;
