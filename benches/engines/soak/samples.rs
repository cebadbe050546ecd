//! What is looked at while traffic goes on, and how it changed.

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::PathBuf;

use crate::on_postgres::server::{SCHEMA, Server as Postgres};
use crate::on_redis::server::Server as Redis;
use crate::processor::memory;

/// Names and numbers of one moment.
pub type Sample = Vec<(String, f64)>;

/// What the processes and engines are now. The lines are what the processes said of the last period.
pub async fn look(postgres: &Postgres, redis: &Redis, ids: [u32; 2], lines: &[String; 2]) -> Sample {
    let mut sample: Sample = Vec::new();
    let mut add = |name: &str, number: f64| sample.push((name.to_owned(), number));
    for (number, id) in (1..).zip(ids) {
        add(&format!("server_{number}_memory"), memory(id) as f64);
    }
    add("redis_memory", redis.number("memory", "used_memory").await as f64);
    add("redis_keys", redis.keys().await as f64);
    for table in ["refresh_families", "access_tokens", "attempt_records"] {
        let of = async |function: &str| postgres.number(&format!("SELECT {function}('{SCHEMA}.{table}')")).await as f64;
        add(&format!("{table}_bytes"), of("pg_relation_size").await);
        add(&format!("{table}_index_bytes"), of("pg_indexes_size").await);
    }
    for table in ["refresh_families", "attempt_records"] {
        let (updates, stayed) = postgres.updates_so_far(table).await;
        add(&format!("{table}_updates"), updates as f64);
        add(&format!("{table}_in_page"), stayed as f64);
    }
    // Counts are added, of times the greater counts.
    let numbers = |line: &String| -> Vec<(String, f64)> {
        let pairs = line.split(' ').filter_map(|pair| pair.split_once('='));
        pairs.map(|(name, number)| (name.to_owned(), number.parse().unwrap())).collect()
    };
    let [one, other] = [numbers(&lines[0]), numbers(&lines[1])];
    for ((name, first), (_, second)) in one.into_iter().zip(other) {
        let both = if name.ends_with("_ms") { first.max(second) } else { first + second };
        add(&name, both);
    }
    sample
}

pub struct Samples {
    file: Option<BufWriter<File>>,
    all: Vec<(f64, Sample)>,
}

impl Samples {
    pub fn new(file: Option<PathBuf>) -> Self {
        Self { file: file.map(|path| BufWriter::new(File::create(path).unwrap())), all: Vec::new() }
    }

    pub fn add(&mut self, seconds: f64, sample: Sample) {
        if let Some(file) = &mut self.file {
            if self.all.is_empty() {
                let names: Vec<&str> = sample.iter().map(|(name, _)| name.as_str()).collect();
                writeln!(file, "seconds,{}", names.join(",")).unwrap();
            }
            let numbers: Vec<String> = sample.iter().map(|(_, number)| format!("{number}")).collect();
            writeln!(file, "{seconds:.0},{}", numbers.join(",")).unwrap();
            file.flush().unwrap();
        }
        self.all.push((seconds, sample));
    }

    /// Prints how each number changed in an hour once as much ended as began, by the line that is nearest to all samples, beside the
    /// mean.
    pub fn print_slopes(&self, steady: f64) {
        let late: Vec<&(f64, Sample)> = self.all.iter().filter(|(seconds, _)| *seconds >= steady).collect();
        let [(first, begin), .., (last, end)] = &late[..] else { return println!("too short for slopes") };
        println!("from {first:.0} s to {last:.0} s, {} samples", late.len());
        println!("{:<34} {:>14} {:>14} {:>10}", "", "mean", "an hour more", "of it");
        for (place, (name, number)) in begin.iter().enumerate() {
            // What is counted up has a rate and no slope.
            if name.ends_with("_updates") || name.ends_with("_in_page") {
                println!("{name:<34} {:>14.0} in all", end[place].1 - number);
                continue;
            }
            let points: Vec<(f64, f64)> = late.iter().map(|(seconds, sample)| (*seconds, sample[place].1)).collect();
            let (mean, slope) = line(&points);
            println!("{name:<34} {mean:>14.2} {:>14.2} {:>8.1} %", slope * 3600.0, 100.0 * slope * 3600.0 / mean);
        }
        for table in ["refresh_families", "attempt_records"] {
            let of = |sample: &Sample, what: &str| {
                let name = format!("{table}_{what}");
                sample.iter().find(|(other, _)| *other == name).map_or(f64::NAN, |(_, number)| *number)
            };
            let since = |what: &str| of(end, what) - of(begin, what);
            println!("{table}: {:.4} of the updates stayed in their page", since("in_page") / since("updates"));
        }
    }
}

/// The mean of points, and the slope of the line that is nearest to them.
fn line(points: &[(f64, f64)]) -> (f64, f64) {
    let count = points.len() as f64;
    let mean_x = points.iter().map(|(x, _)| x).sum::<f64>() / count;
    let mean_y = points.iter().map(|(_, y)| y).sum::<f64>() / count;
    let over: f64 = points.iter().map(|(x, y)| (x - mean_x) * (y - mean_y)).sum();
    let under: f64 = points.iter().map(|(x, _)| (x - mean_x).powi(2)).sum();
    (mean_y, over / under)
}
