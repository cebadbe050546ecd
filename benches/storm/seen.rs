//! What the clients saw, and the figures that processes tell each other.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::client::Answer;

/// What one kind of request saw within the measured time.
pub struct Seen {
    expected: &'static [u16],
    ok_millis: Vec<f64>,
    /// Of the 503.
    shed_millis: Vec<f64>,
    by_status: BTreeMap<u16, usize>,
    unanswered: usize,
    other: usize,
    /// 429 and 503 that do not say when to come back.
    without_wait: usize,
}

/// When it is measured.
#[derive(Clone, Copy)]
pub struct Window {
    pub from: Instant,
    pub to: Instant,
}

/// A window and what one kind of request saw in it.
#[derive(Clone)]
pub struct Phase {
    pub window: Window,
    seen: Arc<Mutex<Seen>>,
}

impl Window {
    pub fn new(from: Instant, lasts: Duration) -> Self {
        Self { from, to: from + lasts }
    }

    fn seconds(self) -> f64 {
        (self.to - self.from).as_secs_f64()
    }

    fn holds(self, at: Instant) -> bool {
        at >= self.from && at < self.to
    }
}

impl Phase {
    /// Any status but the expected ones counts as another answer.
    pub fn new(window: Window, expected: &'static [u16]) -> Self {
        let seen = Seen {
            expected,
            ok_millis: Vec::new(),
            shed_millis: Vec::new(),
            by_status: BTreeMap::new(),
            unanswered: 0,
            other: 0,
            without_wait: 0,
        };
        Self { window, seen: Arc::new(Mutex::new(seen)) }
    }

    /// Of the phases in their order, that of a request which was due then.
    pub fn at(phases: &[Self], due: Instant) -> &Self {
        phases.iter().rev().find(|phase| phase.window.from <= due).unwrap_or(&phases[0])
    }

    /// Counts an answer, if it came within the window: for clients that wait for an answer before they ask again.
    pub fn note(&self, due: Instant, answer: Option<Answer>) {
        self.count(due, Instant::now(), answer);
    }

    /// Counts an answer to a request that was due within the window, whenever it came: for clients that do not wait.
    pub fn note_due(&self, due: Instant, answer: Option<Answer>) {
        self.count(due, due, answer);
    }

    fn count(&self, due: Instant, counts_at: Instant, answer: Option<Answer>) {
        let millis = due.elapsed().as_secs_f64() * 1e3;
        let mut seen = self.seen.lock().unwrap();
        let Some(Answer { status, has_wait }) = answer else {
            seen.unanswered += 1;
            return;
        };
        seen.other += usize::from(!seen.expected.contains(&status));
        seen.without_wait += usize::from(matches!(status, 429 | 503) && !has_wait);
        if self.window.holds(counts_at) {
            *seen.by_status.entry(status).or_default() += 1;
            match status {
                200 => seen.ok_millis.push(millis),
                503 => seen.shed_millis.push(millis),
                _ => {}
            }
        }
    }

    /// Adds what was seen to the figures, under names that begin with this one.
    pub fn tell(&self, name: &str, figures: &mut Figures) {
        let seen = self.seen.lock().unwrap();
        let seconds = self.window.seconds();
        let times = [("", &seen.ok_millis), ("_shed", &seen.shed_millis)];
        for (kind, millis) in times {
            for (rank, percent) in [("p50", 50.0), ("p99", 99.0), ("max", 100.0)] {
                figures.set(&format!("{name}{kind}_{rank}"), percentile(millis, percent));
            }
        }
        for status in [200, 400, 429, 503] {
            let count = seen.by_status.get(&status).copied().unwrap_or_default();
            figures.set(&format!("{name}_{status}"), count as f64 / seconds);
        }
        let answers: usize = seen.by_status.values().sum();
        // One without an answer may have been due outside the window: that can only make the share smaller.
        let all = (answers + seen.unanswered) as f64;
        figures.set(&format!("{name}_all"), all / seconds);
        figures.set(&format!("{name}_success"), seen.ok_millis.len() as f64 / all);
        figures.add("unanswered", seen.unanswered as f64);
        figures.add("other", seen.other as f64);
        figures.add("without_wait", seen.without_wait as f64);
    }
}

fn percentile(figures: &[f64], percent: f64) -> f64 {
    let mut sorted = figures.to_vec();
    sorted.sort_by(f64::total_cmp);
    let rank = (percent / 100.0 * sorted.len() as f64).ceil() as usize;
    sorted.get(rank.saturating_sub(1)).copied().unwrap_or(f64::NAN)
}

/// Named figures, which go from process to process as one line of words.
#[derive(Default)]
pub struct Figures(BTreeMap<String, f64>);

impl Figures {
    pub fn set(&mut self, name: &str, figure: f64) {
        self.0.insert(name.to_owned(), figure);
    }

    fn add(&mut self, name: &str, figure: f64) {
        *self.0.entry(name.to_owned()).or_default() += figure;
    }

    pub fn get(&self, name: &str) -> f64 {
        *self.0.get(name).unwrap_or_else(|| panic!("nobody told of {name}"))
    }

    pub fn print(&self) {
        let words: Vec<_> = self.0.iter().map(|(name, figure)| format!("{name} {figure}")).collect();
        println!("{}", words.join(" "));
    }

    pub fn read(&mut self, line: &str) {
        let mut words = line.split_whitespace();
        while let (Some(name), Some(figure)) = (words.next(), words.next()) {
            self.set(name, figure.parse().unwrap());
        }
    }
}
