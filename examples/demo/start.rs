//! How an example begins: where it listens, and how it tells what went wrong.

use std::io::ErrorKind;
use std::net::Ipv4Addr;
use std::process::ExitCode;

use tokio::net::TcpListener;

pub(crate) type Error = Box<dyn std::error::Error + Send + Sync>;

/// Listens on this machine alone, on the port that the environment's `PORT` names: 8080 without it, any free one for 0.
pub(crate) async fn listen() -> Result<TcpListener, Error> {
    let port = match std::env::var_os("PORT") {
        None => 8080,
        Some(text) => {
            let port = text.to_str().and_then(|text| text.parse().ok());
            port.ok_or_else(|| format!("PORT is {text:?}: it must be a number from 0 to 65535"))?
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

/// Ends the program, after an error with a sentence for people. What `main` itself returns is printed as Rust writes values.
pub(crate) fn end(outcome: Result<(), Error>) -> ExitCode {
    let Err(error) = outcome else { return ExitCode::SUCCESS };
    eprint!("error: {error}");
    let mut cause = error.source();
    while let Some(error) = cause {
        eprint!(": {error}");
        cause = error.source();
    }
    eprintln!();
    ExitCode::FAILURE
}
