//! The verifier of the example `remote_directory`, which asks another service over HTTP: over real sockets, against a service
//! that a test has in its hand, and against the service of the example.

#[path = "../../../../examples/remote_directory/asker.rs"]
mod asker;
#[path = "../../../../examples/remote_directory/directory.rs"]
mod directory;
#[path = "../../../../examples/remote_directory/questions.rs"]
mod questions;
#[path = "../../../../examples/remote_directory/service.rs"]
mod service;

mod answers;
mod once;
mod scripted;
mod users;
mod waits;
