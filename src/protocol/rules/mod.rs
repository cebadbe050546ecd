//! What login rules decide, and what comes of several of them: pure values.

pub(crate) mod decisions;
pub(crate) mod error;
pub(crate) mod refusal;
pub(crate) mod ruling;
