//! Refresh token families as plain as they can be, written from the contract and sharing no code with the crate: the rules as
//! a list of all tokens of each family, from which everything else follows, and a store that keeps what it is given.

use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use tower_password_grant::BackendError;
use tower_password_grant::MaybeFuture;
use tower_password_grant::store::{
    FamilyId, FamilyStamp, Lineage, NewFamily, RefreshFamily, RefreshTokenStore, Rotation, SecretDigest, StoredFamily,
};

/// How many logins of one subject at one client live at most.
pub const MOST_LOGINS: usize = 100;

pub type Key = [u8; 32];

/// A use of a token.
#[derive(Clone, Debug)]
pub struct Use {
    pub family: FamilyId,
    pub token: SecretDigest,
    pub successor: Option<(SecretDigest, [u8; 32])>,
    pub now: SystemTime,
    pub leeway: Duration,
    pub idle: Duration,
}

/// What becomes of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Done,
    Repeated([u8; 32]),
    Replayed,
    Gone,
}

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    Live,
    Predecessor(SystemTime),
    Spent,
    Ended,
}

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

    pub fn is_over(&self, using: &Use) -> bool {
        using.now >= self.facts.expires() || time_between(self.last_used, using.now) >= using.idle
    }
}

impl Reference {
    pub fn begin(&mut self, facts: RefreshFamily, token: &SecretDigest, now: SystemTime) {
        let login = |facts: &RefreshFamily| {
            (facts.realm().map(str::to_owned), facts.subject_id().to_owned(), facts.client().clone())
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

    pub fn line(&mut self, id: FamilyId) -> Option<&mut Line> {
        self.lines.iter_mut().find(|line| line.facts.id() == id)
    }

    pub fn state(&mut self, id: FamilyId, token: &SecretDigest) -> Option<(State, SystemTime)> {
        let line = self.line(id)?;
        let state = match line.age(token.as_bytes()) {
            _ if line.has_ended => State::Ended,
            Some(0) => State::Live,
            Some(1) if !line.last_token_was_used => State::Predecessor(line.uses.last()?.0),
            _ => State::Spent,
        };
        Some((state, line.last_used))
    }

    pub fn rotate(&mut self, using: &Use) -> Outcome {
        let Some(line) = self.line(using.family) else { return Outcome::Gone };
        if line.has_ended || line.is_over(using) {
            return Outcome::Gone;
        }
        let age = line.age(using.token.as_bytes());
        // What may still be used is not used before its login, give or take the clocks of several servers.
        let is_early = time_between(using.now, line.facts.authenticated_at()) > Duration::from_secs(5);
        if age == Some(0) && is_early {
            return Outcome::Gone;
        }
        if age == Some(0) {
            match &using.successor {
                Some((successor, salt)) => {
                    line.tokens.push(*successor.as_bytes());
                    line.uses.push((using.now, *salt));
                    (line.last_used, line.last_token_was_used) = (using.now, false);
                }
                // Uses within a second are one, but for the first.
                None => {
                    let apart = time_between(line.last_used, using.now) + time_between(using.now, line.last_used);
                    let closes = !line.uses.is_empty() && !line.last_token_was_used;
                    if closes || apart >= Duration::from_secs(1) {
                        line.last_used = using.now;
                    }
                    line.last_token_was_used = true;
                }
            }
            return Outcome::Done;
        }
        if let Some((used, salt)) = line.uses.last().filter(|_| age == Some(1) && !line.last_token_was_used)
            && using.leeway > Duration::ZERO
            && time_between(*used, using.now) <= using.leeway
            && time_between(using.now, *used) <= using.leeway.min(Duration::from_secs(60))
        {
            return if is_early { Outcome::Gone } else { Outcome::Repeated(*salt) };
        }
        line.has_ended = true;
        Outcome::Replayed
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

/// A row of the plain store.
#[derive(Clone, Debug)]
pub struct Row {
    pub facts: RefreshFamily,
    pub lineage: Lineage,
    pub stamp: u64,
    pub has_ended: bool,
}

/// A list of rows.
#[derive(Debug, Default)]
pub struct PlainStore(Mutex<Vec<Row>>);

impl PlainStore {
    pub fn lock(&self) -> MutexGuard<'_, Vec<Row>> {
        self.0.lock().unwrap()
    }
}

pub fn find(rows: &[Row], id: FamilyId) -> Option<StoredFamily> {
    let row = rows.iter().find(|row| row.facts.id() == id)?;
    let found = StoredFamily::new(row.facts.clone(), row.lineage.clone(), FamilyStamp::new(row.stamp));
    Some(found.with_ended(row.has_ended))
}

pub fn begin(rows: &mut Vec<Row>, facts: RefreshFamily, lineage: Lineage) -> Result<Vec<FamilyId>, BackendError> {
    if find(rows, facts.id()).is_some() {
        return Err(BackendError::fault("this family was begun before"));
    }
    rows.push(Row { facts, lineage, stamp: 0, has_ended: false });
    Ok(Vec::new())
}

pub fn rotate(rows: &mut [Row], rotation: Rotation) -> bool {
    let Rotation { family, seen, lineage, .. } = rotation;
    let is_seen = |row: &&mut Row| row.facts.id() == family && row.stamp == seen.get() && !row.has_ended;
    let Some(row) = rows.iter_mut().find(is_seen) else { return false };
    if let Some(lineage) = lineage {
        row.lineage = lineage;
        row.stamp += 1;
    }
    true
}

pub fn end(rows: &mut [Row], is_meant: impl Fn(&Row) -> bool) -> u64 {
    let mut ended = 0;
    for row in rows.iter_mut().filter(|row| is_meant(row) && !row.has_ended) {
        row.has_ended = true;
        ended += 1;
    }
    ended
}

#[async_trait]
impl RefreshTokenStore for PlainStore {
    async fn begin(&self, new: NewFamily) -> Result<Vec<FamilyId>, BackendError> {
        begin(&mut self.lock(), new.family, new.lineage)
    }

    fn find(&self, family: FamilyId) -> MaybeFuture<'_, Result<Option<StoredFamily>, BackendError>> {
        MaybeFuture::new(async move { Ok(find(&self.lock(), family)) })
    }

    fn rotate(&self, rotation: Rotation) -> MaybeFuture<'_, Result<bool, BackendError>> {
        MaybeFuture::new(async move { Ok(rotate(&mut self.lock(), rotation)) })
    }

    async fn revoke_family(&self, family: FamilyId) -> Result<bool, BackendError> {
        Ok(end(&mut self.lock(), |row| row.facts.id() == family) == 1)
    }

    async fn revoke_subject(&self, realm: Option<&str>, subject: &str) -> Result<u64, BackendError> {
        Ok(end(&mut self.lock(), |row| row.facts.realm() == realm && row.facts.subject_id() == subject))
    }
}
