//! What waits for a thread: bounded, and closed by the last handle.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

pub(super) struct Queue<T> {
    state: Mutex<State<T>>,
    news: Condvar,
    most: usize,
}

struct State<T> {
    waiting: VecDeque<T>,
    is_closed: bool,
}

/// Why nothing was taken in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    Full,
    Closed,
}

/// What was taken out.
pub(super) enum Taken<T> {
    Some(Vec<T>),
    /// Nothing came in time.
    Nothing,
    /// Nothing waits, and nothing will.
    Closed,
}

impl<T> Queue<T> {
    pub(super) fn new(most: usize) -> Self {
        let state = State { waiting: VecDeque::new(), is_closed: false };
        Self { state: Mutex::new(state), news: Condvar::new(), most }
    }

    /// Nothing can panic while the lock is held but for want of memory, and then the queue is as it was.
    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn push(&self, item: T) -> Result<(), Refused> {
        let mut state = self.lock();
        if state.is_closed {
            return Err(Refused::Closed);
        }
        if state.waiting.len() >= self.most {
            return Err(Refused::Full);
        }
        state.waiting.push_back(item);
        drop(state);
        self.news.notify_one();
        Ok(())
    }

    /// Takes up to `most` out, the oldest first, and waits for the first of them.
    pub(super) fn take(&self, most: usize, patience: Duration) -> Taken<T> {
        let state = self.lock();
        let is_idle = |state: &mut State<T>| state.waiting.is_empty() && !state.is_closed;
        let waited = self.news.wait_timeout_while(state, patience, is_idle);
        let (mut state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        match state.waiting.len().min(most) {
            0 if state.is_closed => Taken::Closed,
            0 => Taken::Nothing,
            count => Taken::Some(state.waiting.drain(..count).collect()),
        }
    }

    /// Takes nothing in any more. What waits is still taken out.
    pub(super) fn close(&self) {
        self.lock().is_closed = true;
        self.news.notify_all();
    }

    /// Drops what waits.
    pub(super) fn clear(&self) {
        let dropped = std::mem::take(&mut self.lock().waiting);
        drop(dropped);
    }

    pub(super) fn len(&self) -> usize {
        self.lock().waiting.len()
    }
}

/// Closes and empties the queue when its thread ends, however it ends: nobody waits for an answer that will not come.
pub(super) struct Closing<'a, T>(pub(super) &'a Queue<T>);

impl<T> Drop for Closing<'_, T> {
    fn drop(&mut self) {
        self.0.close();
        self.0.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Duration = Duration::ZERO;

    #[test]
    fn it_is_bounded_and_gives_what_waits_even_when_it_is_closed() {
        let queue = Queue::new(3);
        assert!(matches!(queue.take(2, NOW), Taken::Nothing));
        assert!((0..3).all(|item| queue.push(item).is_ok()));
        assert_eq!(queue.push(3), Err(Refused::Full));
        queue.close();
        assert_eq!(queue.push(3), Err(Refused::Closed));
        assert!(matches!(queue.take(2, NOW), Taken::Some(items) if items == [0, 1]));
        assert!(matches!(queue.take(2, NOW), Taken::Some(items) if items == [2]));
        assert!(matches!(queue.take(2, NOW), Taken::Closed));
    }
}
