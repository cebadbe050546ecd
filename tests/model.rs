//! The limiter under every order of its threads' steps.
#![cfg(shuttle)]
