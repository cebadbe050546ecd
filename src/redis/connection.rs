//! The connections of the application, whatever their type.

use std::pin::Pin;

use redis::aio::ConnectionLike;
use redis::{Cmd, RedisError, Value};

pub(super) type Answer<'a> = Pin<Box<dyn Future<Output = Result<Value, RedisError>> + Send + 'a>>;

/// Runs one command.
pub(super) trait Connection: Send + Sync {
    fn run<'a>(&'a self, command: &'a Cmd) -> Answer<'a>;
}

/// Each command goes over a clone: all of them share one connection, or the pool behind it.
pub(super) struct Clones<C>(pub(super) C);

impl<C: ConnectionLike + Clone + Send + Sync + 'static> Connection for Clones<C> {
    fn run<'a>(&'a self, command: &'a Cmd) -> Answer<'a> {
        let mut connection = self.0.clone();
        Box::pin(async move { command.query_async(&mut connection).await })
    }
}
