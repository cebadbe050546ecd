//! What waits for a thread: bounded, and closed by the last handle.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use crate::boundary::sync::held;

pub(super) struct Queue<T> {
    state: Mutex<State<T>>,
    news: Condvar,
    /// Whether something came, or the end, since a thread found nothing.
    has_news: AtomicBool,
    most: usize,
}

struct State<T> {
    waiting: VecDeque<T>,
    is_closed: bool,
    /// How many threads wait for an item.
    idle: usize,
    /// How many of them sleep.
    asleep: usize,
}

impl<T> State<T> {
    fn is_quiet(&self) -> bool {
        self.waiting.is_empty() && !self.is_closed
    }
}

/// Why nothing was taken in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    Full,
    Closed,
}

/// The thread that an item was given to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Given {
    /// It is awake, so it begins at once.
    Awake,
    /// It has to be woken.
    Asleep,
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
        let state = State { waiting: VecDeque::new(), is_closed: false, idle: 0, asleep: 0 };
        Self { state: Mutex::new(state), news: Condvar::new(), has_news: AtomicBool::new(false), most }
    }

    /// Nothing can panic while the lock is held but for want of memory, and then the queue is as it was.
    fn lock(&self) -> MutexGuard<'_, State<T>> {
        held(self.state.lock())
    }

    pub(super) fn push(&self, item: T) -> Result<(), Refused> {
        let state = self.lock();
        if state.is_closed {
            return Err(Refused::Closed);
        }
        if state.waiting.len() >= self.most {
            return Err(Refused::Full);
        }
        self.add(state, item);
        Ok(())
    }

    /// Gives an item to a thread that waits for one at this moment, and otherwise gives it back: so it goes before all
    /// others.
    pub(super) fn push_if_idle(&self, item: T) -> Result<Given, T> {
        let state = self.lock();
        if state.is_closed || state.idle == 0 || !state.waiting.is_empty() {
            return Err(item);
        }
        let given = if state.asleep == 0 { Given::Awake } else { Given::Asleep };
        self.add(state, item);
        Ok(given)
    }

    fn add(&self, mut state: MutexGuard<'_, State<T>>, item: T) {
        state.waiting.push_back(item);
        self.has_news.store(true, Ordering::Release);
        // To wake a thread takes a system call.
        let sleeps = state.asleep > 0;
        drop(state);
        if sleeps {
            self.news.notify_one();
        }
    }

    /// Takes up to `most` out, the oldest first, and waits for the first of them: awake for as long as `awake`, then
    /// asleep.
    pub(super) fn take(&self, most: usize, awake: Duration, patience: Duration) -> Taken<T> {
        let mut state = self.lock();
        state.idle = state.idle.saturating_add(1);
        if state.is_quiet() && !awake.is_zero() {
            self.has_news.store(false, Ordering::Release);
            drop(state);
            self.watch(awake.min(patience));
            state = self.lock();
        }
        state.asleep = state.asleep.saturating_add(1);
        let waited = self.news.wait_timeout_while(state, patience, |state| state.is_quiet());
        let (mut state, _) = held(waited);
        state.asleep = state.asleep.saturating_sub(1);
        state.idle = state.idle.saturating_sub(1);
        match state.waiting.len().min(most) {
            0 if state.is_closed => Taken::Closed,
            0 => Taken::Nothing,
            count => Taken::Some(state.waiting.drain(..count).collect()),
        }
    }

    /// Looks for news for so long, without sleeping.
    fn watch(&self, time: Duration) {
        let began = Instant::now();
        while !self.has_news.load(Ordering::Acquire) && began.elapsed() < time {
            std::thread::yield_now();
        }
    }

    /// Takes nothing in any more. What waits is still taken out.
    pub(super) fn close(&self) {
        self.lock().is_closed = true;
        self.has_news.store(true, Ordering::Release);
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
        assert!(matches!(queue.take(2, NOW, NOW), Taken::Nothing));
        assert!((0..3).all(|item| queue.push(item).is_ok()));
        assert_eq!(queue.push(3), Err(Refused::Full));
        queue.close();
        assert_eq!(queue.push(3), Err(Refused::Closed));
        assert!(matches!(queue.take(2, NOW, NOW), Taken::Some(items) if items == [0, 1]));
        assert!(matches!(queue.take(2, NOW, NOW), Taken::Some(items) if items == [2]));
        assert!(matches!(queue.take(2, NOW, NOW), Taken::Closed));
    }

    #[test]
    fn an_item_for_a_thread_that_waits_is_given_back_if_none_does_or_others_go_first() {
        let queue = Queue::new(3);
        assert_eq!(queue.push_if_idle(0), Err(0), "nobody waits");
        queue.push(1).unwrap();
        assert_eq!(queue.push_if_idle(0), Err(0), "another goes first");
        assert!(matches!(queue.take(2, NOW, NOW), Taken::Some(items) if items == [1]));
        assert_eq!(queue.push_if_idle(0), Err(0), "nobody waits any more");
        queue.close();
        assert_eq!(queue.push_if_idle(0), Err(0));
    }

    #[test]
    fn a_thread_that_waits_awake_or_asleep_is_given_what_comes_and_learns_of_the_end() {
        const LONG: Duration = Duration::from_secs(3600);
        for awake in [NOW, LONG] {
            let queue = Queue::new(3);
            std::thread::scope(|scope| {
                let waits = scope.spawn(|| {
                    let first = queue.take(3, awake, LONG);
                    (first, queue.take(3, awake, LONG))
                });
                let given = loop {
                    match queue.push_if_idle(7) {
                        Ok(given) => break given,
                        Err(_) => std::thread::yield_now(),
                    }
                };
                assert_eq!(given, if awake == NOW { Given::Asleep } else { Given::Awake });
                while queue.lock().idle == 0 || queue.len() > 0 {
                    std::thread::yield_now();
                }
                queue.close();
                let (first, second) = waits.join().unwrap();
                assert!(matches!(first, Taken::Some(items) if items == [7]));
                assert!(matches!(second, Taken::Closed));
            });
        }
    }
}
