//! JWT access tokens (RFC 9068), through the real layer and verified by libraries that were written by others.

mod accepts;
mod attacks;
mod config;
mod forge;
mod helpers;
mod interop;
mod jwks;
mod keys;
mod remote;
mod remote_behind;
mod tokens;
