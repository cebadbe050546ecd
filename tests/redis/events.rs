//! What the library says through `tracing`, heard for each thread by itself: tests run beside each other.

use std::cell::RefCell;
use std::io::Write;
use std::sync::Once;

thread_local! {
    static SAID: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

struct Said;

impl Write for Said {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        SAID.with_borrow_mut(|said| said.extend_from_slice(bytes));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// From now on events are heard, of all tests: what nobody has listened to at first may not be heard later.
pub fn listen() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| tracing_subscriber::fmt().with_writer(|| Said).with_ansi(false).init());
}

pub fn of_this_thread() -> String {
    SAID.with_borrow(|said| String::from_utf8(said.clone()).unwrap())
}
