//! How an example begins: where it listens, and how it says what went wrong.
#![allow(dead_code, reason = "not every example needs all of it")]

use std::io::ErrorKind;
use std::net::Ipv4Addr;
use std::path::Path;
use std::process::ExitCode;

use tokio::net::TcpListener;

pub(crate) type Error = Box<dyn std::error::Error + Send + Sync>;

/// Listens on this machine alone, on the port that the environment's `PORT` names: 8080 without it, any free one for 0.
pub(crate) async fn listen() -> Result<TcpListener, Error> {
    let port = match std::env::var_os("PORT") {
        None => 8080,
        Some(text) => {
            let port = text.to_str().and_then(|text| text.parse().ok());
            port.ok_or_else(|| format!("PORT is {}: it must be a number from 0 to 65535", text.display()))?
        }
    };
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await.map_err(|error| {
        let cure = match error.kind() {
            ErrorKind::AddrInUse => "another program has it; choose another port, as in PORT=8081",
            _ => "choose another port, as in PORT=8081",
        };
        format!("cannot listen on port {port}: {cure} ({error})").into()
    })
}

/// Tells that a file cannot be used, and where its name comes from.
pub(crate) fn unreadable(source: &str, file: impl AsRef<Path>, error: &dyn std::error::Error) -> Error {
    format!("cannot use the file {}, which {source} names: {error}", file.as_ref().display()).into()
}

/// Ends the program, after an error with a sentence for people. What `main` itself returns is printed as Rust writes values.
pub(crate) fn end(outcome: Result<(), Error>) -> ExitCode {
    let Err(error) = outcome else { return ExitCode::SUCCESS };
    eprintln!("error: {}", causes(&*error));
    ExitCode::FAILURE
}

/// An error and its causes. Some errors tell the cause themselves.
pub(crate) fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.ends_with(&more) {
            text = format!("{text}: {more}");
        }
        cause = error.source();
    }
    text
}
