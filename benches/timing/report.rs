//! The table, and what its rows must show.

use super::stats::Paired;

/// The unit of a difference.
#[derive(Clone, Copy)]
pub enum Unit {
    Milliseconds,
    Microseconds,
    /// Of the baseline.
    Percent,
}

/// What a row must show.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Aim {
    /// The two classes take the same time.
    Equal,
    /// A mistake that must be caught.
    Caught,
    /// Nothing: it is told for what it says of the machine and of the method.
    Told,
}

pub enum Shown {
    /// Differences, in milliseconds or percent, against a bound in the row's unit.
    Paired { paired: Paired, unit: Unit, bound: f64 },
    /// dudect's t, with the medians of the two classes in nanoseconds.
    Leak { t: f64, first: f64, second: f64, samples: usize },
}

/// From here on dudect calls a difference a leak.
const T_BOUND: f64 = 4.5;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Finding {
    Equal,
    Apart,
    Unclear,
}

pub struct Row {
    pub goal: &'static str,
    pub name: &'static str,
    pub aim: Aim,
    pub shown: Shown,
}

impl Row {
    /// Whole intervals only: noise neither shows that two classes are equal, nor does it catch a mistake.
    fn finding(&self) -> Finding {
        match &self.shown {
            Shown::Paired { paired, unit, bound } => {
                let [_, low, high] = unit.of(paired);
                match () {
                    () if low >= -bound && high <= *bound => Finding::Equal,
                    () if low > *bound || high < -bound => Finding::Apart,
                    () => Finding::Unclear,
                }
            }
            Shown::Leak { t, .. } if t.abs() < T_BOUND => Finding::Equal,
            Shown::Leak { .. } => Finding::Apart,
        }
    }

    /// Whether it shows what it must.
    pub fn is_met(&self) -> bool {
        match self.aim {
            Aim::Equal => self.finding() == Finding::Equal,
            Aim::Caught => self.finding() == Finding::Apart,
            Aim::Told => true,
        }
    }

    fn verdict(&self) -> &'static str {
        match (self.aim, self.finding()) {
            (Aim::Told, _) => "told only",
            (Aim::Equal, Finding::Equal) => "met",
            (Aim::Equal, Finding::Apart) => "NOT MET, they differ",
            (Aim::Equal, Finding::Unclear) => "NOT MET, the interval reaches beyond the bound",
            (Aim::Caught, Finding::Apart) => "caught",
            (Aim::Caught, _) => "NOT CAUGHT",
        }
    }
}

impl Unit {
    fn name(self) -> &'static str {
        match self {
            Self::Milliseconds => "ms",
            Self::Microseconds => "us",
            Self::Percent => "%",
        }
    }

    /// Median, low and high end of the differences.
    fn of(self, paired: &Paired) -> [f64; 3] {
        let factor = match self {
            Self::Milliseconds => 1.0,
            Self::Microseconds => 1e3,
            Self::Percent => 100.0 / paired.baseline,
        };
        [paired.difference, paired.low, paired.high].map(|time| time * factor)
    }
}

pub fn print_head() {
    println!(
        "{:<4} {:<52} {:>11} {:>9} {:>21} {:>9} {:>7} {:>8}",
        "goal", "second class against first", "median", "apart", "99 % interval", "bound", "t", "pairs"
    );
}

pub fn print(row: &Row) {
    let Row { goal, name, shown, .. } = row;
    let verdict = row.verdict();
    match shown {
        Shown::Paired { paired, unit, bound } => {
            let [apart, low, high] = unit.of(paired);
            let baseline = match unit {
                Unit::Microseconds => format!("{:.2} us", paired.baseline * 1e3),
                Unit::Milliseconds | Unit::Percent => format!("{:.3} ms", paired.baseline),
            };
            println!(
                "{goal:<4} {name:<52} {baseline:>11} {apart:>+9.3} {:>21} {:>9} {:>7.1} {:>8}  {verdict}",
                format!("{low:+.3} to {high:+.3}"),
                format!("{bound} {}", unit.name()),
                paired.t,
                paired.pairs
            );
        }
        Shown::Leak { t, first, second, samples } => println!(
            "{goal:<4} {name:<52} {:>11} {:>+9.1} {:>21} {:>9} {t:>7.1} {samples:>8}  {verdict}",
            format!("{first:.0} ns"),
            second - first,
            "-",
            format!("|t| {T_BOUND}"),
        ),
    }
}
