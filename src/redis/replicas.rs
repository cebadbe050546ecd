//! Waiting until replicas have what was counted.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use redis::{Cmd, Value, cmd};

use super::answers::number;
use super::connection::Connection;
use super::error::RedisStoreError;
use super::failure::Failure;
use super::scripts::{Argument, Prepared};
use crate::observe::breaker::Breaker;

/// A connection of its own, over which counts are written and replicas waited for: what waits holds up all behind it.
pub(super) struct Replicas {
    connection: Box<dyn Connection>,
    pub(super) breaker: Breaker,
    wanted: u32,
    within: Duration,
    /// How often something was written that may not be at the replicas. It is waited for before anything that was loaded counts: what
    /// is not known to have happened is looked up, and would be found.
    debts: AtomicU64,
    /// How many of them are at the replicas: the first ones.
    paid: AtomicU64,
}

/// What may not be at the replicas. It is owed from its end on, unless it was paid.
struct Debt<'a> {
    debts: &'a AtomicU64,
    is_paid: bool,
}

impl Drop for Debt<'_> {
    fn drop(&mut self) {
        if !self.is_paid {
            self.debts.fetch_add(1, Ordering::SeqCst);
        }
    }
}

impl Replicas {
    pub(super) fn new(connection: Box<dyn Connection>, wanted: u32, within: Duration) -> Self {
        let breaker = Breaker::new("Replication of Redis");
        Self { connection, breaker, wanted, within, debts: AtomicU64::new(0), paid: AtomicU64::new(0) }
    }

    /// Whether they can be waited for within this deadline.
    pub(super) fn check(&self, deadline: Duration) -> Result<(), RedisStoreError> {
        match self.within {
            _ if self.wanted == 0 => Err(RedisStoreError::NoReplicas),
            // The server takes 0 for no end. A script that it has forgotten is sent again, and then it is waited twice.
            within if within.as_millis() == 0 || within.saturating_mul(2) > deadline => {
                Err(RedisStoreError::Wait(within))
            }
            _ => Ok(()),
        }
    }

    /// Whether what was written before must be waited for first.
    pub(super) fn is_owed(&self) -> bool {
        self.paid.load(Ordering::SeqCst) < self.debts.load(Ordering::SeqCst)
    }

    fn wait(&self) -> Cmd {
        let mut wait = cmd("WAIT");
        wait.arg(self.wanted).arg(u64::try_from(self.within.as_millis()).unwrap_or(u64::MAX));
        wait
    }

    fn debt(&self) -> Debt<'_> {
        Debt { debts: &self.debts, is_paid: false }
    }

    /// Runs a script that writes, and waits. Where `writes` says that it has written nothing, its first run may have: a client library
    /// that lost the answer sends it twice. So what is loaded next waits for that.
    pub(super) async fn run(
        &self,
        script: &Prepared,
        keys: &[String],
        values: &[Argument<'_>],
        writes: impl Fn(&Value) -> bool,
    ) -> Result<Value, Failure> {
        let mut debt = self.debt();
        let (answer, count) = self.script_and_wait(script, keys, values, None).await?;
        if writes(&answer) {
            self.must_have(count)?;
            debt.is_paid = true;
        }
        Ok(answer)
    }

    /// Runs a script that only reads, and waits for all that it has seen. The server counts from the last write of the same
    /// connection, which may be new: so there is one behind it, which says nothing.
    pub(super) async fn pay(&self, written: String, script: &Prepared, keys: &[String]) -> Result<Value, Failure> {
        let debts = self.debts.load(Ordering::SeqCst);
        let mut write = cmd("SET");
        write.arg(written).arg("").arg("PX").arg(60_000);
        let (answer, count) = self.script_and_wait(script, keys, &[], Some(write)).await?;
        self.must_have(count)?;
        // Not those that came since: what they wrote may have come behind this.
        self.paid.fetch_max(debts, Ordering::SeqCst);
        Ok(answer)
    }

    /// In one go, so that all of it is over one connection, also if that is made again behind this one.
    async fn script_and_wait(
        &self,
        script: &Prepared,
        keys: &[String],
        values: &[Argument<'_>],
        behind: Option<Cmd>,
    ) -> Result<(Value, i64), Failure> {
        match self.all(script.by_name(keys, values), behind.clone()).await {
            Err(Failure::Command(told)) if told.is_unknown_script() => {
                self.all(script.whole(keys, values), behind).await
            }
            answers => answers,
        }
    }

    async fn all(&self, script: Cmd, behind: Option<Cmd>) -> Result<(Value, i64), Failure> {
        let commands = [Some(script), behind, Some(self.wait())].into_iter().flatten().collect();
        let mut answers = Vec::with_capacity(3);
        for answer in self.connection.run_all(commands).await? {
            answers.push(answer.extract_error()?);
        }
        let count = answers.pop();
        match (answers.into_iter().next(), count) {
            (Some(answer), Some(count)) => Ok((answer, number(count)?)),
            _ => Err(Failure::Value("an answer of the server")),
        }
    }

    fn must_have(&self, count: i64) -> Result<(), Failure> {
        if count >= i64::from(self.wanted) { Ok(()) } else { Err(Failure::Replicas { wanted: self.wanted, count }) }
    }
}
