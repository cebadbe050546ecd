//! The command line.

use super::random::Random;

pub struct Options {
    pub check: bool,
    /// Only rows whose goal or name contains it.
    pub only: Option<String>,
    pub seed: u64,
    /// Of the comparisons with a hash at its full cost.
    pub pairs: usize,
    pub unhashed: usize,
    /// Of batches, and of requests behind a busy queue.
    pub parallel: usize,
    pub tiny: usize,
    pub samples: usize,
}

pub const USAGE: &str = "usage: cargo bench --bench timing -- \
    [--check] [--quick | --thorough] [--pairs N] [--only NAME] [--seed N]";

impl Options {
    pub fn parse(arguments: impl Iterator<Item = String>) -> Option<Self> {
        let mut options = Self {
            check: false,
            only: None,
            seed: Random::seed(),
            pairs: 3_000,
            unhashed: 20_000,
            parallel: 300,
            tiny: 20_000,
            samples: 1_000_000,
        };
        let mut arguments = arguments.filter(|argument| argument != "--bench");
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                "--check" => options.check = true,
                "--quick" => {
                    let quick =
                        Self { pairs: 100, unhashed: 2_000, parallel: 30, tiny: 5_000, samples: 100_000, ..options };
                    options = quick;
                }
                "--thorough" => options = Self { parallel: 1_000, tiny: 200_000, samples: 4_000_000, ..options },
                "--pairs" => {
                    let pairs = arguments.next()?.parse().ok().filter(|pairs| *pairs > 0)?;
                    options = Self { pairs, parallel: (pairs / 10).max(20), ..options };
                }
                "--only" => options.only = Some(arguments.next()?),
                "--seed" => options.seed = arguments.next()?.parse().ok()?,
                _ => return None,
            }
        }
        Some(options)
    }

    pub fn wants(&self, goal: &str, name: &str) -> bool {
        self.only.as_ref().is_none_or(|only| goal.contains(only) || name.contains(only))
    }
}
