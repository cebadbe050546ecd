//! Realms: which one a login is of, which verifier decides there, and that no other realm shares anything with it.

mod choice;
mod endpoint;
mod faults;
mod grant;
mod guards;
mod nested;
mod oauth2_crate;
mod properties;
mod refreshes;
mod separation;
#[cfg(all(feature = "argon2", feature = "sqlite"))]
mod stored;
mod told;
mod world;
