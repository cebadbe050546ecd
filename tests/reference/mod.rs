//! A refresh token store as plain as it can be, written from the contract and sharing no code with the crate: a family is
//! the list of all its tokens, and everything else follows from it.
#![allow(dead_code, unreachable_pub, missing_docs, clippy::unwrap_used, clippy::arithmetic_side_effects)]

use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use tower_password_grant::{
    BackendError, FamilyId, FoundRefreshToken, RefreshFamily, RefreshTokenState, RefreshTokenStore, Rotated, Rotation,
    SecretDigest,
};

pub type Key = [u8; 32];

/// How many logins of one subject at one client live at most.
pub const MOST_LOGINS: usize = 100;

#[derive(Clone, Default)]
pub struct Reference {
    pub lines: Vec<Line>,
}

#[derive(Clone)]
pub struct Line {
    pub facts: RefreshFamily,
    /// Every token that there ever was.
    pub tokens: Vec<Key>,
    /// The first use of each token but the last, and the salt of the next.
    pub uses: Vec<(SystemTime, [u8; 32])>,
    /// Since it is the last one.
    pub last_token_was_used: bool,
    pub last_used: SystemTime,
    pub has_ended: bool,
}

pub fn time_between(earlier: SystemTime, later: SystemTime) -> Duration {
    later.duration_since(earlier).unwrap_or_default()
}

impl Line {
    /// How many tokens came after this one.
    pub fn age(&self, token: &Key) -> Option<usize> {
        self.tokens.iter().rev().position(|known| known == token)
    }

    pub fn is_over(&self, rotation: &Rotation) -> bool {
        let unused = time_between(self.last_used, rotation.now());
        rotation.now() >= self.facts.expires() || unused >= rotation.idle_lifetime()
    }
}

impl Reference {
    pub fn begin(&mut self, facts: RefreshFamily, token: &SecretDigest, now: SystemTime) {
        let login = |facts: &RefreshFamily| {
            (facts.realm().map(str::to_owned), facts.subject().to_owned(), facts.client().clone())
        };
        let is_live = |line: &&mut Line| !line.has_ended && now < line.facts.expires();
        let theirs = self.lines.iter_mut().filter(is_live).filter(|line| login(&line.facts) == login(&facts));
        let mut theirs: Vec<_> = theirs.collect();
        let excess = (theirs.len() + 1).saturating_sub(MOST_LOGINS);
        theirs.iter_mut().take(excess).for_each(|line| line.has_ended = true);
        let tokens = vec![*token.as_bytes()];
        let (uses, last_token_was_used, has_ended) = (Vec::new(), false, false);
        self.lines.push(Line { facts, tokens, uses, last_token_was_used, last_used: now, has_ended });
    }

    pub fn line(&mut self, token: &SecretDigest) -> Option<&mut Line> {
        self.lines.iter_mut().rev().find(|line| line.age(token.as_bytes()).is_some())
    }

    pub fn find(&mut self, token: &SecretDigest) -> Option<FoundRefreshToken> {
        let line = self.line(token)?;
        let state = match line.age(token.as_bytes())? {
            _ if line.has_ended => RefreshTokenState::Ended,
            0 => RefreshTokenState::Live,
            1 if !line.last_token_was_used => RefreshTokenState::predecessor(line.uses.last()?.0),
            _ => RefreshTokenState::Spent,
        };
        Some(FoundRefreshToken::new(line.facts.clone(), state, line.last_used))
    }

    pub fn rotate(&mut self, rotation: &Rotation) -> Rotated {
        let Some(line) = self.line(rotation.presented()) else { return Rotated::Gone };
        if line.has_ended || line.is_over(rotation) {
            return Rotated::Gone;
        }
        let age = line.age(rotation.presented().as_bytes());
        if age == Some(0) {
            line.last_used = rotation.used();
            line.last_token_was_used = rotation.successor().is_none();
            if let Some((successor, salt)) = rotation.successor() {
                line.tokens.push(*successor.as_bytes());
                line.uses.push((rotation.used(), *salt));
            }
            return Rotated::Done;
        }
        if let Some((used, salt)) = line.uses.last().filter(|_| age == Some(1) && !line.last_token_was_used)
            && rotation.leeway() > Duration::ZERO
            && time_between(*used, rotation.now()) <= rotation.leeway()
            && time_between(rotation.now(), *used) <= Duration::from_secs(60)
        {
            return Rotated::repeated(*salt);
        }
        line.has_ended = true;
        Rotated::Replayed
    }

    /// Ends all families of which this is true.
    pub fn end(&mut self, is_meant: impl Fn(&Line) -> bool) -> u64 {
        let mut ended = 0;
        for line in self.lines.iter_mut().filter(|line| is_meant(line) && !line.has_ended) {
            line.has_ended = true;
            ended += 1;
        }
        ended
    }
}

/// The same as a store.
#[derive(Default)]
pub struct ReferenceStore(Mutex<Reference>);

impl ReferenceStore {
    pub fn lock(&self) -> MutexGuard<'_, Reference> {
        self.0.lock().unwrap()
    }
}

#[async_trait]
impl RefreshTokenStore for ReferenceStore {
    async fn begin(&self, family: RefreshFamily, token: SecretDigest, now: SystemTime) -> Result<(), BackendError> {
        self.lock().begin(family, &token, now);
        Ok(())
    }

    async fn find(&self, token: &SecretDigest) -> Result<Option<FoundRefreshToken>, BackendError> {
        Ok(self.lock().find(token))
    }

    async fn rotate(&self, rotation: Rotation) -> Result<Rotated, BackendError> {
        Ok(self.lock().rotate(&rotation))
    }

    async fn revoke_family(&self, family: FamilyId) -> Result<bool, BackendError> {
        Ok(self.lock().end(|line| line.facts.id() == family) == 1)
    }

    async fn revoke_subject(&self, realm: Option<&str>, subject: &str) -> Result<u64, BackendError> {
        Ok(self.lock().end(|line| line.facts.realm() == realm && line.facts.subject() == subject))
    }
}
