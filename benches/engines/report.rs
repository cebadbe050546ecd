//! What is printed, and kept for the drawings.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::PathBuf;

use super::measured::{Measured, median};

const COLUMNS: &str = "engine,setting,families,clients,operation,by,per_second,micros,bytes";

/// Under which conditions something was measured.
#[derive(Clone, Copy)]
pub struct Case<'a> {
    pub engine: &'a str,
    pub setting: &'a str,
    pub families: u64,
    pub clients: usize,
    pub operation: &'a str,
}

pub struct Report {
    file: Option<PathBuf>,
    pub has_reached_all: bool,
}

impl Report {
    pub fn new(file: Option<PathBuf>) -> Self {
        Self { file, has_reached_all: true }
    }

    /// Prints the medians of some rounds and keeps them. `by`: the store, the engine's own program, or another design.
    pub fn add(&self, case: Case<'_>, by: &str, rounds: &[Measured]) {
        let each = |of: fn(&Measured) -> f64| median(rounds.iter().map(of));
        let (rate, micros, bytes) = (each(Measured::per_second), each(Measured::micros), each(Measured::bytes));
        let Case { engine, setting, families, clients, operation } = case;
        println!(
            "{engine:<10} {setting:<10} {families:>9} families {clients:>3} clients  {operation:<16} {by:<14} {rate:>9.0}/s \
             {micros:>8.1} us {bytes:>8.0} B"
        );
        let line = format!("{engine},{setting},{families},{clients},{operation},{by},{rate:.1},{micros:.2},{bytes:.1}");
        self.keep(COLUMNS, &line);
    }

    /// A line of the file, which begins with the names of its columns.
    fn keep(&self, columns: &str, line: &str) {
        let Some(path) = &self.file else { return };
        let is_new = !path.exists();
        let mut file = OpenOptions::new().create(true).append(true).open(path).unwrap();
        if is_new {
            writeln!(file, "{columns}").unwrap();
        }
        writeln!(file, "{line}").unwrap();
    }

    /// Prints what was reached of a goal.
    pub fn goal(&mut self, what: &str, measured: f64, goal: Goal) {
        let (is_reached, sign, bound) = match goal {
            Goal::AtLeast(bound) => (measured >= bound, ">=", bound),
            Goal::AtMost(bound) => (measured <= bound, "<=", bound),
        };
        let said = if is_reached { "reached" } else { "GOAL NOT REACHED" };
        println!("    {what}: {measured:.3} (goal {sign} {bound}) {said}");
        self.has_reached_all &= is_reached;
    }

    /// Compares the store with the engine's own program, round by round.
    pub fn compare(&mut self, case: Case<'_>, store: &[Measured], own: &[Measured]) {
        self.add(case, "store", store);
        self.add(case, "own", own);
        let ratio = |of: fn(&Measured) -> f64| median(store.iter().zip(own).map(|(store, own)| of(store) / of(own)));
        let what = |what: &str| format!("{} {} {}, {what}", case.engine, case.operation, case.families);
        self.goal(&what("share of the engine's own rate"), ratio(Measured::per_second), Goal::AtLeast(0.85));
        self.goal(&what("the engine's processor time, times its own"), ratio(Measured::micros), Goal::AtMost(1.15));
    }
}

#[derive(Clone, Copy)]
pub enum Goal {
    AtLeast(f64),
    AtMost(f64),
}
