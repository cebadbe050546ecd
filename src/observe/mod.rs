//! How the crate watches what it calls: it contains the application's code, bounds its time, and says what became of a
//! request.

pub(crate) mod audit;
#[cfg(any(feature = "postgres", feature = "postgres-sqlx", feature = "redis"))]
pub(crate) mod breaker;
pub(crate) mod contain;
pub(crate) mod patience;
pub(crate) mod telemetry;
pub(crate) mod timer;
