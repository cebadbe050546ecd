//! The scripts, each of which is one operation.
//!
//! All of them write, as far as the server knows. So none is run by a replica, which lags behind, and a server that may not write or
//! has no room refuses the whole of it before anything is done. What only reads or removes needs no room.

use redis::{Cmd, Script, cmd};

const WRITES: &str = "#!lua\n";
const NEEDS_NO_ROOM: &str = "#!lua flags=allow-oom\n";

const TIME: &str = include_str!("scripts/time.lua");
const COMMON: &str = include_str!("scripts/common.lua");

/// A value of a script.
#[derive(Clone, Copy)]
pub(super) enum Argument<'a> {
    Bytes(&'a [u8]),
    Number(i64),
}

/// A script, and the name under which a server that has run it knows it.
pub(super) struct Prepared {
    text: String,
    script: Script,
}

impl Prepared {
    fn new(pieces: &[&str]) -> Self {
        let text = pieces.concat();
        Self { script: Script::new(&text), text }
    }

    pub(super) fn by_name(&self, keys: &[String], values: &[Argument<'_>]) -> Cmd {
        call("EVALSHA", self.script.get_hash(), keys, values)
    }

    /// With its text, which the server keeps.
    pub(super) fn whole(&self, keys: &[String], values: &[Argument<'_>]) -> Cmd {
        call("EVAL", &self.text, keys, values)
    }
}

fn call(name: &str, script: &str, keys: &[String], values: &[Argument<'_>]) -> Cmd {
    let mut command = cmd(name);
    command.arg(script).arg(keys.len()).arg(keys);
    for value in values {
        match value {
            Argument::Bytes(bytes) => command.arg(*bytes),
            Argument::Number(number) => command.arg(*number),
        };
    }
    command
}

/// Makes a value with each script, under the name of its file.
macro_rules! scripts {
    ($($name:ident = $($piece:expr),+;)*) => {
        pub(super) struct Scripts {
            $(pub(super) $name: Prepared,)*
        }

        impl Scripts {
            pub(super) fn new() -> Self {
                Self {
                    $($name: Prepared::new(&[
                        $($piece,)+ include_str!(concat!("scripts/", stringify!($name), ".lua")),
                    ]),)*
                }
            }
        }
    };
}

scripts! {
    load_records = NEEDS_NO_ROOM;
    swap_records = WRITES, TIME;
    spend = WRITES, TIME;
    is_spent = NEEDS_NO_ROOM;
    read = NEEDS_NO_ROOM;
    write = WRITES, TIME;
    note = WRITES, TIME, COMMON;
    list = NEEDS_NO_ROOM;
    begin_family = WRITES, TIME, COMMON;
    rotate_family = WRITES, TIME, COMMON;
    end_families = NEEDS_NO_ROOM, TIME, COMMON;
    keep_token = WRITES, TIME, COMMON;
    has_token = NEEDS_NO_ROOM;
    remove_token = NEEDS_NO_ROOM;
    remove_tokens = NEEDS_NO_ROOM, TIME, COMMON;
}
