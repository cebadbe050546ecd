//! The attack protection that a test gives its endpoint: it begins with one of these, and changes what it is about.

use tower_password_grant::limiter::{AttackProtection, AttemptLimiter, RequestCeiling};

/// Attempts are counted by this limiter.
pub fn counted_by(limiter: impl AttemptLimiter) -> AttackProtection {
    AttackProtection::new().limiter(limiter)
}

/// So many requests of an address are taken.
pub fn up_to(ceiling: RequestCeiling) -> AttackProtection {
    AttackProtection::new().request_ceiling(ceiling)
}

/// Requests are not counted: a test sends more of them than any sender should.
pub fn without_ceiling() -> AttackProtection {
    up_to(RequestCeiling::none())
}
