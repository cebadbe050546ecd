//! What can go wrong inside an operation.

use std::time::Duration;

use redis::{ErrorKind, RedisError};

use crate::boundary::backend::BackendError;
use crate::observe::breaker::Outage;
use crate::protocol::token::lineage::LineageError;

/// When to try again if the server has no connection left.
const SOON: Duration = Duration::from_secs(1);

/// What a server says that serves nothing for now. One that is full still finds and removes; a wrong value and a slot that moves are
/// those of some keys.
const OUTAGES: [&str; 7] = ["BUSY", "CLUSTERDOWN", "LOADING", "MASTERDOWN", "MISCONF", "NOREPLICAS", "READONLY"];

/// Why an operation failed. No message repeats a value or a key.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    #[error("Redis: {0}")]
    Command(Told),
    /// It is not known whether the command was done.
    #[error("Redis gave no answer within {} ms", .0.as_millis())]
    Deadline(Duration),
    /// What was counted is at the server, and may not outlive it.
    #[error("{count} replicas of Redis had in time what was counted, and not {wanted}")]
    Replicas { wanted: u32, count: i64 },
    /// What lies under a key is not what this store writes. It works again once that is over or was removed.
    #[error("the Redis store cannot read {0}")]
    Value(&'static str),
    /// A later version wrote it.
    #[error("the Redis store cannot read {0}: a later version of this program wrote it")]
    Later(&'static str),
    #[error("the Redis store cannot read a family: {0}")]
    Lineage(#[from] LineageError),
    /// What was given cannot be written.
    #[error("the Redis store cannot keep {0}")]
    Given(&'static str),
    /// As many logins of one subject at one client began at the same time.
    #[error("other logins of the same subject were first {0} times")]
    NeverFirst(usize),
    /// The server has failed several times in a row, and is left alone for this time.
    #[error("Redis, or its replicas, did not do what was asked several times in a row, and is left alone for a while")]
    Away(Duration),
}

/// What the server or the client library says.
#[derive(Debug, thiserror::Error)]
#[error("{text}")]
pub(super) struct Told {
    text: String,
    hope: Hope,
    is_outage: bool,
}

impl Told {
    /// Whether the server is there, and does not let this command be given.
    pub(super) fn is_refused(&self) -> bool {
        ["NOPERM", "ERR unknown command"].iter().any(|refused| self.text.starts_with(refused))
    }

    /// Whether the server does not know a script by its name, and has done nothing.
    pub(super) fn is_unknown_script(&self) -> bool {
        self.text.starts_with("NOSCRIPT")
    }
}

/// What a second try may bring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Hope {
    /// It may go better in a while.
    Later,
    /// The server has no connection left.
    Full,
    /// The same.
    None,
}

impl Hope {
    fn of(error: &RedisError) -> Self {
        match (error.kind(), error.code()) {
            (_, Some("ERR")) if error.detail().is_some_and(|text| text.starts_with("max number of clients")) => {
                Self::Full
            }
            // A command that is none or may not be given, a script that is wrong, keys that do not lie together.
            (_, Some("ERR" | "NOPERM" | "NOAUTH" | "WRONGPASS" | "CROSSSLOT" | "NOPROTO" | "EXECABORT")) => Self::None,
            (_, Some(_)) => Self::Later,
            (
                ErrorKind::AuthenticationFailed
                | ErrorKind::InvalidClientConfig
                | ErrorKind::EmptySentinelList
                | ErrorKind::RESP3NotSupported,
                None,
            ) => Self::None,
            // No connection, or one that was lost: none has a code of the server.
            (_, None) => Self::Later,
        }
    }
}

impl From<RedisError> for Failure {
    fn from(error: RedisError) -> Self {
        let text = match error.code() {
            // To a command that it does not know a server says with which values it came.
            Some(code) => match error.detail().and_then(|detail| detail.split(", with args").next()) {
                Some(detail) => format!("{code} {detail}"),
                None => code.to_owned(),
            },
            None => error.to_string(),
        };
        let hope = Hope::of(&error);
        let is_outage = match error.code() {
            // No connection, or one that was lost.
            None => hope == Hope::Later,
            Some(code) => hope == Hope::Full || OUTAGES.contains(&code),
        };
        Self::Command(Told { text, hope, is_outage })
    }
}

impl Failure {
    pub(super) fn into_backend(self) -> BackendError {
        let hope = match &self {
            Self::Command(told) => told.hope,
            Self::Deadline(_)
            | Self::Replicas { .. }
            | Self::Value(_)
            | Self::Later(_)
            | Self::Lineage(_)
            | Self::NeverFirst(_) => Hope::Later,
            Self::Given(_) => Hope::None,
            Self::Away(wait) => {
                let wait = *wait;
                return BackendError::unavailable(self).with_retry_after(wait);
            }
        };
        match hope {
            Hope::Later => BackendError::unavailable(self),
            Hope::Full => BackendError::unavailable(self).with_retry_after(SOON),
            Hope::None => BackendError::fault(self),
        }
    }
}

impl Outage for Failure {
    fn is_outage(&self) -> bool {
        match self {
            Self::Command(told) => told.is_outage,
            Self::Deadline(_) | Self::Replicas { .. } => true,
            Self::Value(_)
            | Self::Later(_)
            | Self::Lineage(_)
            | Self::Given(_)
            | Self::NeverFirst(_)
            | Self::Away(_) => false,
        }
    }

    fn not_asked(wait: Duration) -> Self {
        Self::Away(wait)
    }
}

#[cfg(test)]
mod tests {
    use redis::parse_redis_value;

    use super::*;
    use crate::boundary::backend::BackendErrorKind::{self, Fault, Unavailable};

    fn told(answer: &str) -> (BackendErrorKind, String) {
        let error = parse_redis_value(format!("-{answer}\r\n").as_bytes()).and_then(|value| value.extract_error());
        let error = Failure::from(error.unwrap_err()).into_backend();
        (error.kind(), error.to_string())
    }

    #[test]
    fn an_outage_is_503_and_a_mistake_is_500() {
        for answer in [
            "READONLY You can't write against a read only replica.",
            "LOADING Redis is loading the dataset in memory",
            "MASTERDOWN Link with MASTER is down",
            "CLUSTERDOWN The cluster is down",
            "TRYAGAIN Multiple keys request during rehashing of slot",
            "MOVED 3999 127.0.0.1:6381",
            "ASK 3999 127.0.0.1:6381",
            "OOM command not allowed when used memory > 'maxmemory'.",
            "MISCONF Redis is configured to save RDB snapshots",
            "NOREPLICAS Not enough good replicas to write.",
            "BUSY Redis is busy running a script.",
            "WRONGTYPE Operation against a key holding the wrong kind of value",
            "FOREIGN a family that was not written here",
        ] {
            assert_eq!(told(answer), (Unavailable, format!("Redis: {answer}")));
        }
        for answer in ["ERR syntax error", "NOPERM no permission", "NOAUTH Authentication required.", "CROSSSLOT Keys"]
        {
            assert_eq!(told(answer), (Fault, format!("Redis: {answer}")));
        }
        assert_eq!(told("ERR max number of clients reached").0, Unavailable);
        let lost = Failure::from(RedisError::from(std::io::Error::from(std::io::ErrorKind::ConnectionReset)));
        assert_eq!(lost.into_backend().kind(), Unavailable);
        let late = Failure::Deadline(SOON).into_backend();
        assert_eq!((late.kind(), late.to_string().as_str()), (Unavailable, "Redis gave no answer within 1000 ms"));
        assert_eq!(Failure::Lineage(LineageError::Later).into_backend().kind(), Unavailable);
    }

    #[test]
    fn no_message_repeats_what_a_command_came_with() {
        let answer = "ERR unknown command 'EVALSHA', with args beginning with: 'abc' '1' 'secret' ";
        assert_eq!(told(answer), (Fault, "Redis: ERR unknown command 'EVALSHA'".to_owned()));
    }

    #[test]
    fn only_what_the_server_lacks_is_an_outage() {
        let is_outage = |answer: &str| {
            let error = parse_redis_value(format!("-{answer}\r\n").as_bytes()).and_then(|value| value.extract_error());
            Failure::from(error.unwrap_err()).is_outage()
        };
        for answer in
            ["READONLY You", "LOADING Redis", "CLUSTERDOWN The", "NOREPLICAS Not", "ERR max number of clients reached"]
        {
            assert!(is_outage(answer), "{answer}");
        }
        for answer in [
            "OOM command",
            "WRONGTYPE Operation",
            "FOREIGN a family",
            "TRYAGAIN Multiple",
            "ERR syntax error",
            "NOAUTH A",
        ] {
            assert!(!is_outage(answer), "{answer}");
        }
        let lost = Failure::from(RedisError::from(std::io::Error::from(std::io::ErrorKind::ConnectionReset)));
        assert!(lost.is_outage() && Failure::Deadline(SOON).is_outage() && !Failure::Value("a family").is_outage());
    }
}
