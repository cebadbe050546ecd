//! JWT access tokens (RFC 9068), through the real layer and verified by libraries that were written by others.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(clippy::arithmetic_side_effects, missing_docs, unreachable_pub)]

#[path = "../support/mod.rs"]
mod support;

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
