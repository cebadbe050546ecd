//! What the server's settings promise, and what they cannot.

use std::fmt;

use redis::{Cmd, Value, cmd};

use super::error::RedisStoreError;
use super::failure::Failure;
use super::store::RedisStore;
use crate::boundary::backend::BackendError;

/// The least version of Redis; Valkey says one that it is compatible with.
const LEAST: u32 = 7;

/// The policy that forgets nothing.
const KEEPS: &str = "noeviction";

/// What a server is set to lose, or what could not be seen of its settings. None of it stops the store.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RedisWarning {
    /// `appendonly no`: a server that ends loses all since its last snapshot, or everything.
    NoLog,
    /// `appendfsync` is not `always` but this: a machine that is lost takes the last second with it, or more, and so does a process
    /// whose disk was busy.
    LateSync(String),
    /// There are so many replicas: a fail-over to one loses the last writes.
    Replicas(u64),
    /// Fewer replicas than are to be [waited for](super::RedisStoreBuilder::wait_for_replicas) have what was written: attempts are 503
    /// until they do.
    TooFewReplicas,
    /// This could not be seen, because the server does not allow it or does not say it.
    Unseen(&'static str),
    /// Of a cluster's servers only one was asked for its `appendfsync`.
    OneOfMany,
}

impl fmt::Display for RedisWarning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoLog => f.write_str(
                "`appendonly` is `no`: logins, spent values and counted guesses are lost with the process; set it to `yes`",
            ),
            Self::LateSync(setting) => write!(
                f,
                "`appendfsync` is `{setting}`: the last writes are lost with the machine, so a login ends, one that was ended lives \
                 again, or some guesses and a spent value are forgotten; `always` keeps them"
            ),
            Self::Replicas(count) => write!(
                f,
                "{count} replicas follow at a distance: a fail-over loses the last writes, so a login ends, one that was ended lives \
                 again, or some guesses and a spent value are forgotten"
            ),
            Self::TooFewReplicas => {
                f.write_str("fewer replicas have what was written than are waited for: attempts are 503 until they do")
            }
            Self::Unseen(setting) => write!(f, "`{setting}` could not be seen: it is not known what is lost with the server"),
            Self::OneOfMany => f.write_str("`appendfsync` was seen of one server of the cluster alone"),
        }
    }
}

/// What one server says of itself.
struct Info<'a>(&'a str);

impl Info<'_> {
    fn field(&self, name: &str) -> Option<&str> {
        self.0.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim)
    }
}

/// The settings that were asked for, by their names.
struct Config(Vec<(String, String)>);

impl Config {
    fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
    }
}

fn text(value: &Value) -> Option<&str> {
    match value {
        Value::BulkString(bytes) => std::str::from_utf8(bytes).ok(),
        Value::SimpleString(text) | Value::VerbatimString { text, .. } => Some(text),
        _ => None,
    }
}

/// One text, or one of each server of a cluster.
fn texts(answer: &Value) -> Vec<&str> {
    match answer {
        Value::Map(servers) => servers.iter().filter_map(|(_, value)| text(value)).collect(),
        Value::Array(servers) => servers.iter().flat_map(texts).collect(),
        one => text(one).into_iter().collect(),
    }
}

fn pairs(answer: &Value) -> Vec<(String, String)> {
    let pair = |(name, value): (&Value, &Value)| Some((text(name)?.to_owned(), text(value)?.to_owned()));
    match answer {
        Value::Map(pairs) => pairs.iter().filter_map(|(name, value)| pair((name, value))).collect(),
        Value::Array(flat) => {
            let (pairs, _) = flat.as_chunks::<2>();
            pairs.iter().filter_map(|[name, value]| pair((name, value))).collect()
        }
        _ => Vec::new(),
    }
}

/// What one server promises less than it could.
fn judge(info: &Info<'_>, config: &Config) -> Result<Vec<RedisWarning>, RedisStoreError> {
    let mut warnings = Vec::new();
    match info.field("redis_version") {
        Some(version) => {
            let major = version.split('.').next().and_then(|major| major.parse::<u32>().ok());
            if major.is_some_and(|major| major < LEAST) {
                return Err(RedisStoreError::Earlier(version.to_owned()));
            }
        }
        None => warnings.push(RedisWarning::Unseen("redis_version")),
    }
    if info.field("role") == Some("slave") {
        return Err(RedisStoreError::Replica);
    }
    match info.field("maxmemory_policy").or(config.get("maxmemory-policy")) {
        Some(KEEPS) => {}
        Some(policy) => return Err(RedisStoreError::Evicts(policy.to_owned())),
        None => warnings.push(RedisWarning::Unseen("maxmemory-policy")),
    }
    match info.field("aof_enabled").or(config.get("appendonly")) {
        Some("1" | "yes") => match config.get("appendfsync") {
            Some("always") => {}
            Some(other) => warnings.push(RedisWarning::LateSync(other.to_owned())),
            None => warnings.push(RedisWarning::Unseen("appendfsync")),
        },
        Some(_) => warnings.push(RedisWarning::NoLog),
        None => warnings.push(RedisWarning::Unseen("appendonly")),
    }
    match info.field("connected_slaves").map(str::parse) {
        Some(Ok(0)) => {}
        Some(Ok(count)) => warnings.push(RedisWarning::Replicas(count)),
        _ => warnings.push(RedisWarning::Unseen("connected_slaves")),
    }
    Ok(warnings)
}

impl RedisStore {
    /// Looks at the settings of the server, and answers what they promise less than they could: `appendonly`, `appendfsync`, and
    /// replicas. Of a cluster each primary is asked by `INFO`, and one server by `CONFIG GET`. What the server does not let be
    /// seen is a warning, too. Where replicas are [waited for](super::RedisStoreBuilder::wait_for_replicas), it waits for them once.
    /// [`open`](super::RedisStoreBuilder::open) does all of it once.
    ///
    /// # Errors
    /// Fails if the server cannot be asked, if it is a replica or too old, and if its `maxmemory-policy` is one that forgets keys,
    /// whether it has a limit now or not.
    pub async fn check(&self) -> Result<Vec<RedisWarning>, RedisStoreError> {
        let mut settings = cmd("CONFIG");
        settings.arg("GET").arg("appendonly").arg("appendfsync").arg("maxmemory-policy");
        let asked = async { Ok((self.seen(&cmd("INFO")).await?, self.seen(&settings).await?)) };
        let (info, config) = self.within(asked).await.map_err(BackendError::into_error)?;
        let (mut servers, config) = (texts(&info), Config(pairs(&config)));
        let is_one_of_many = servers.len() > 1 && config.get("appendfsync").is_some();
        if servers.is_empty() {
            servers.push("");
        }
        let mut warnings: Vec<RedisWarning> = Vec::new();
        for server in servers {
            for warning in judge(&Info(server), &config)? {
                if !warnings.contains(&warning) {
                    warnings.push(warning);
                }
            }
        }
        warnings.extend(is_one_of_many.then_some(RedisWarning::OneOfMany));
        let follow = self.replicas_follow().await.map_err(BackendError::into_error)?;
        warnings.extend((!follow).then_some(RedisWarning::TooFewReplicas));
        Ok(warnings)
    }

    /// The answer to a command, or none if the server forbids it: what it would tell is not known then.
    async fn seen(&self, command: &Cmd) -> Result<Value, Failure> {
        match self.command(command).await {
            Err(Failure::Command(told)) if told.is_refused() => Ok(Value::Nil),
            answer => answer,
        }
    }
}
