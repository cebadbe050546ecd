//! From the charge to the tokens: the rungs that every flow of a login shares.
//!
//! A flow charges an attempt, has the application decide on it, and gives the decision to
//! [`finish`](rungs::Rungs::finish): it concludes the login, weighs it, issues its tokens and settles the charge, in one place. A
//! flow gets the answer of a login nowhere else, so none can leave a step out.

pub(super) mod finish;
pub(crate) mod hearing;
mod issue;
pub(crate) mod mint;
pub(crate) mod resume;
pub(crate) mod rungs;
pub(crate) mod scales;
mod second_look;
pub(crate) mod users;
