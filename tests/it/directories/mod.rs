//! Several directories of users behind one realm, and users who move from an old one to a new one.

mod failures;
mod first_of;
mod keys;
mod migrate;
mod moved_logins;
mod moving_fails;
mod rechecks;
mod remote;
mod strangers;
mod world;
