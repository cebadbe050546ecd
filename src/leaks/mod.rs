//! Passwords that are known from leaks, looked up in a local filter (feature `breach-filter`).
//!
//! [`LeakedPasswords`] is a [`Shield`](crate::user::Shield) without any network. It is made from a list of passwords or of their
//! SHA-1 hashes, as collections of leaked passwords are published. That takes time and memory, so make it once, write it to
//! a file, and open the file when the server starts:
//!
//! ```
//! use std::fs::File;
//! use std::io::BufReader;
//!
//! use tower_password_grant::{Builder, Password, PasswordGrant};
//! use tower_password_grant::leaks::LeakedPasswords;
//! use tower_password_grant::user::OnLeak;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = std::env::temp_dir().join(format!("leaks-example-{}", std::process::id()));
//! # std::fs::create_dir_all(&folder)?;
//! # let (list, filter) = (folder.join("hashes.txt"), folder.join("leaked.filter"));
//! # std::fs::write(&list, "5BAA61E4C9B93F3F0682250B6CF8331B7EE68FD8:10434004\n")?;
//! // Once, for each new list:
//! let leaked = LeakedPasswords::from_sha1_list(BufReader::new(File::open(&list)?))?;
//! leaked.write_to(File::create(&filter)?)?;
//!
//! // At each start:
//! let leaked = LeakedPasswords::open(&filter)?;
//! assert!(leaked.contains(&Password::new("password".to_owned())));
//! let builder: Builder = PasswordGrant::builder().shield(leaked, OnLeak::Warn);
//! # let _ = builder;
//! # std::fs::remove_dir_all(&folder)?;
//! # Ok(())
//! # }
//! ```
//!
//! # What the filter shows
//! Every password of the list is found. Of all others, one in 65,536 (0.0015 %) is found by mistake: with
//! [`OnLeak::Block`](crate::user::OnLeak::Block) so many users with a good password have to set another one. The filter cannot be
//! read backwards: it holds 16 bits for each password.
//!
//! # Memory
//! 2.25 bytes for each password, somewhat more for lists of less than a million: 23 MB for 10 million, 2.3 GB for a
//! billion. Making it takes some 30 bytes for each password at its peak, and, in a build without optimization, several
//! times that. For a large collection take the hashes that were seen most often: the last number in each line of such a
//! list.
//!
//! # Trust
//! Anyone who can write the list or the file decides which passwords are found, and with
//! [`OnLeak::Block`](crate::user::OnLeak::Block) can keep users out. The checksum in the file is against accidents, not against
//! people. No content of the file or list makes this code panic or take memory beyond its size.

mod error;
mod file;
mod list;
mod passwords;

pub use error::LeakedPasswordsError;
pub use passwords::LeakedPasswords;
