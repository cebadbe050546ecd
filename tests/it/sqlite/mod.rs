//! The SQLite store: that everything comes back as it was put in, also after a restart; what its file looks like from
//! outside; what happens to those who wait when something fails.

mod backup;
mod bounds;
mod clients;
mod commits;
mod contract;
mod factors;
mod file;
mod forgetting;
mod limiter;
mod limiter_numbers;
mod limiter_versions;
mod lock_names;
mod logins;
mod place;
mod races;
mod shared_key;
mod tokens;
mod unkept;
mod usage;
mod users;
