//! What the server answers, read in one way everywhere.

use redis::Value;

use super::failure::Failure;

const UNEXPECTED: Failure = Failure::Value("an answer of the server");

pub(super) fn number(answer: Value) -> Result<i64, Failure> {
    match answer {
        Value::Int(number) => Ok(number),
        _ => Err(UNEXPECTED),
    }
}

pub(super) fn count(answer: Value) -> Result<u64, Failure> {
    number(answer).map(i64::unsigned_abs)
}

pub(super) fn is_done(answer: Value) -> Result<bool, Failure> {
    number(answer).map(|count| count > 0)
}

pub(super) fn bytes(answer: Value) -> Result<Vec<u8>, Failure> {
    bytes_or_none(answer)?.ok_or(UNEXPECTED)
}

pub(super) fn bytes_or_none(answer: Value) -> Result<Option<Vec<u8>>, Failure> {
    match answer {
        Value::Nil => Ok(None),
        Value::BulkString(bytes) => Ok(Some(bytes)),
        _ => Err(UNEXPECTED),
    }
}

pub(super) fn list(answer: Value) -> Result<Vec<Value>, Failure> {
    match answer {
        Value::Array(values) => Ok(values),
        _ => Err(UNEXPECTED),
    }
}

pub(super) fn list_of_bytes(answer: Value) -> Result<Vec<Vec<u8>>, Failure> {
    list(answer)?.into_iter().map(bytes).collect()
}
