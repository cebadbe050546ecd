//! Waiting until replicas have what was counted.

use std::sync::atomic::{AtomicBool, Ordering};
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
    /// Whether something was written that may not be at the replicas. It is waited for before anything that was loaded counts: what
    /// is not known to have happened is looked up, and would be found.
    is_owed: AtomicBool,
}

/// What may not be at the replicas. It is owed from its end on, unless it was paid.
struct Debt<'a> {
    is_owed: &'a AtomicBool,
    is_paid: bool,
}

impl Drop for Debt<'_> {
    fn drop(&mut self) {
        if !self.is_paid {
            self.is_owed.store(true, Ordering::SeqCst);
        }
    }
}

impl Replicas {
    pub(super) fn new(connection: Box<dyn Connection>, wanted: u32, within: Duration) -> Self {
        let breaker = Breaker::new("Replication of Redis");
        Self { connection, breaker, wanted, within, is_owed: AtomicBool::new(false) }
    }

    /// Whether they can be waited for within this deadline.
    pub(super) fn check(&self, deadline: Duration) -> Result<(), RedisStoreError> {
        match self.within {
            _ if self.wanted == 0 => Err(RedisStoreError::NoReplicas),
            // The server takes 0 for no end.
            within if within.as_millis() == 0 || within >= deadline => Err(RedisStoreError::Wait(within)),
            _ => Ok(()),
        }
    }

    /// Whether what was written before must be waited for first.
    pub(super) fn is_owed(&self) -> bool {
        self.is_owed.load(Ordering::SeqCst)
    }

    fn wait(&self) -> Cmd {
        let mut wait = cmd("WAIT");
        wait.arg(self.wanted).arg(u64::try_from(self.within.as_millis()).unwrap_or(u64::MAX));
        wait
    }

    fn debt(&self) -> Debt<'_> {
        Debt { is_owed: &self.is_owed, is_paid: false }
    }

    /// Runs a script that writes, and waits. Where `writes` says that it has written nothing there is nothing to wait for.
    pub(super) async fn run(
        &self,
        script: &Prepared,
        keys: &[String],
        values: &[Argument<'_>],
        writes: impl Fn(&Value) -> bool,
    ) -> Result<Value, Failure> {
        let mut debt = self.debt();
        let (answer, count) = self.script_and_wait(Vec::new(), script, keys, values).await?;
        if writes(&answer) {
            self.must_have(count)?;
        }
        debt.is_paid = true;
        Ok(answer)
    }

    /// Runs a script that only reads, and waits for all that was written before. The server counts from the last write of the same
    /// connection, which may be new: so there is one, which says nothing.
    pub(super) async fn pay(&self, written: String, script: &Prepared, keys: &[String]) -> Result<Value, Failure> {
        self.is_owed.store(false, Ordering::SeqCst);
        let mut debt = self.debt();
        let mut write = cmd("SET");
        write.arg(written).arg("").arg("PX").arg(60_000);
        let (answer, count) = self.script_and_wait(vec![write], script, keys, &[]).await?;
        self.must_have(count)?;
        debt.is_paid = true;
        Ok(answer)
    }

    /// In one go, so that all of it is over one connection, also if that is made again behind this one.
    async fn script_and_wait(
        &self,
        before: Vec<Cmd>,
        script: &Prepared,
        keys: &[String],
        values: &[Argument<'_>],
    ) -> Result<(Value, i64), Failure> {
        match self.all(before.clone(), script.by_name(keys, values)).await {
            Err(Failure::Command(told)) if told.is_unknown_script() => {
                self.all(before, script.whole(keys, values)).await
            }
            answers => answers,
        }
    }

    async fn all(&self, mut commands: Vec<Cmd>, script: Cmd) -> Result<(Value, i64), Failure> {
        commands.extend([script, self.wait()]);
        let mut answers = Vec::with_capacity(commands.len());
        for answer in self.connection.run_all(commands).await? {
            answers.push(answer.extract_error()?);
        }
        match (answers.pop(), answers.pop()) {
            (Some(count), Some(answer)) => Ok((answer, number(count)?)),
            _ => Err(Failure::Value("an answer of the server")),
        }
    }

    fn must_have(&self, count: i64) -> Result<(), Failure> {
        if count >= i64::from(self.wanted) { Ok(()) } else { Err(Failure::Replicas { wanted: self.wanted, count }) }
    }
}
