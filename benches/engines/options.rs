//! The arguments.

use std::path::PathBuf;
use std::time::Duration;

pub struct Options {
    pub parts: Vec<String>,
    engines: Vec<String>,
    pub families: Vec<u64>,
    pub rounds: usize,
    pub seconds: usize,
    pub minutes: u64,
    pub csv: Option<PathBuf>,
    /// Of a process that this one started.
    pub child: Vec<String>,
}

pub const USAGE: &str = "usage: cargo bench --features postgres,redis,testing --bench engines -- [--part limits|clients|counting|crowd|soak]..
    [--engine postgres|redis].. [--families 1000,100000] [--rounds 3] [--seconds 3] [--minutes 60] [--csv FILE]";

impl Options {
    pub fn parse() -> Option<Self> {
        let mut options = Self {
            parts: Vec::new(),
            engines: Vec::new(),
            families: vec![1_000, 100_000],
            rounds: 3,
            seconds: 3,
            minutes: 60,
            csv: None,
            child: Vec::new(),
        };
        let mut arguments = std::env::args().skip(1).filter(|argument| argument != "--bench");
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                "--part" => options.parts.push(arguments.next()?),
                "--engine" => options.engines.push(arguments.next()?),
                "--families" => {
                    let numbers = arguments.next()?;
                    options.families = numbers.split(',').map(str::parse).collect::<Result<_, _>>().ok()?;
                }
                "--rounds" => options.rounds = at_least_one(arguments.next()?)?,
                "--seconds" => options.seconds = at_least_one(arguments.next()?)?,
                "--minutes" => options.minutes = at_least_one(arguments.next()?)? as u64,
                "--csv" => options.csv = Some(arguments.next()?.into()),
                "--child" => options.child = arguments.by_ref().collect(),
                _ => return None,
            }
        }
        Some(options)
    }

    pub fn has_part(&self, part: &str) -> bool {
        // The soak is long, so it has to be asked for.
        if self.parts.is_empty() { part != "soak" } else { self.parts.iter().any(|asked| asked == part) }
    }

    pub fn has_engine(&self, engine: &str) -> bool {
        self.engines.is_empty() || self.engines.iter().any(|asked| asked == engine)
    }

    /// How long it is counted in each round.
    pub const fn time(&self) -> Duration {
        Duration::from_secs(self.seconds as u64)
    }
}

fn at_least_one(text: String) -> Option<usize> {
    text.parse().ok().filter(|number| *number > 0)
}
