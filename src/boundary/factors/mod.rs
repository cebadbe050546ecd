//! What the application brings for second factors: where authenticators are kept, and the way of a code to its user.

pub(crate) mod delivery;
pub(crate) mod second_factor;
pub(crate) mod store;
pub(crate) mod tools;
