//! The connections of the application, whatever their type.

use std::pin::Pin;

use redis::aio::ConnectionLike;
use redis::{Cmd, Pipeline, RedisError, Value};

pub(super) type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T, RedisError>> + Send + 'a>>;

pub(super) trait Connection: Send + Sync {
    /// Runs one command.
    fn run<'a>(&'a self, command: &'a Cmd) -> Answer<'a, Value>;

    /// Sends commands together over one connection, and answers what the server says to each, its errors among it.
    fn run_all(&self, commands: Vec<Cmd>) -> Answer<'_, Vec<Value>>;
}

/// Each command goes over a clone: all of them share one connection, or the pool behind it.
pub(super) struct Clones<C>(pub(super) C);

impl<C: ConnectionLike + Clone + Send + Sync + 'static> Connection for Clones<C> {
    fn run<'a>(&'a self, command: &'a Cmd) -> Answer<'a, Value> {
        let mut connection = self.0.clone();
        Box::pin(async move { command.query_async(&mut connection).await })
    }

    fn run_all(&self, commands: Vec<Cmd>) -> Answer<'_, Vec<Value>> {
        let mut connection = self.0.clone();
        Box::pin(async move {
            let mut pipeline = Pipeline::with_capacity(commands.len());
            for command in commands {
                pipeline.add_command(command);
            }
            connection.req_packed_commands(&pipeline, 0, pipeline.len()).await
        })
    }
}
