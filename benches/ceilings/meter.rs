//! Measuring one case: build a request outside, give it to the case inside.

use std::alloc::System;
use std::future::Future;
use std::hint::black_box;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use http::{Response, StatusCode};
use http_body::Body;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

/// Adds a few instructions to each allocation, to the disadvantage of what is measured.
#[global_allocator]
pub static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Enough that what grows now and then, such as a hash table, has its size.
const WARM_UP: usize = 500;
const ITERATIONS: u64 = 2000;

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    Allocations,
    /// Run under callgrind, which is told by the names of these functions what to count.
    Instructions,
}

/// What one iteration of a case costs.
pub struct Cost {
    pub name: &'static str,
    /// How often it was measured.
    pub iterations: u64,
    pub instructions: Option<u64>,
    /// The same without those of SHA-256, which processors do by instructions of their own.
    pub beside_sha256: Option<u64>,
    pub allocations: f64,
    pub bytes: u64,
}

pub struct Meter {
    mode: Mode,
    rounds: (usize, u64),
    costs: Vec<Cost>,
}

impl Meter {
    pub fn new(mode: Mode) -> Self {
        Self { mode, rounds: (WARM_UP, ITERATIONS), costs: Vec::new() }
    }

    /// How often the cases from here on are run before they are measured, and how often they are measured.
    #[allow(dead_code, reason = "the benchmark of second factors calls it")]
    pub fn rounds(&mut self, rounds: (usize, u64)) {
        self.rounds = rounds;
    }

    pub fn case<R>(&mut self, name: &'static str, make: impl Fn() -> R, mut act: impl FnMut(R)) {
        let (warm_up, iterations) = self.rounds;
        for _ in 0..warm_up {
            act(make());
        }
        match self.mode {
            Mode::Allocations => {
                let (mut count, mut bytes) = (0, 0);
                for _ in 0..iterations {
                    let request = make();
                    let region = Region::new(ALLOCATOR);
                    tpg_measured(&mut act, request);
                    let change = region.change();
                    count += change.allocations + change.reallocations;
                    bytes += change.bytes_allocated;
                }
                let allocations = count as f64 / iterations as f64;
                self.costs.push(Cost {
                    name,
                    iterations,
                    instructions: None,
                    beside_sha256: None,
                    allocations,
                    bytes: bytes as u64 / iterations,
                });
            }
            Mode::Instructions => {
                tpg_case_begins(name);
                for _ in 0..iterations {
                    tpg_measured(&mut act, make());
                }
                tpg_case_ends(name);
            }
        }
    }

    pub fn into_costs(self) -> Vec<Cost> {
        self.costs
    }
}

/// Callgrind counts what happens in here, and nothing else.
#[inline(never)]
fn tpg_measured<R>(act: &mut dyn FnMut(R), request: R) {
    act(request);
    black_box(());
}

/// Callgrind starts counting from zero here.
#[inline(never)]
fn tpg_case_begins(name: &str) {
    black_box(name);
}

/// Callgrind writes its counts here.
#[inline(never)]
fn tpg_case_ends(name: &str) {
    black_box(name);
}

/// Polls an answer that is ready at once, reads its body to the end and drops everything.
pub fn finish<F, B, E>(future: F, expected: StatusCode)
where
    F: Future<Output = Result<Response<B>, E>>,
    B: Body,
{
    let mut cx = Context::from_waker(Waker::noop());
    let Poll::Ready(Ok(response)) = pin!(future).poll(&mut cx) else { panic!("no answer at the first poll") };
    let (head, body) = response.into_parts();
    let mut body = pin!(body);
    while let Poll::Ready(Some(frame)) = body.as_mut().poll_frame(&mut cx) {
        black_box(frame.is_ok());
    }
    assert_eq!(head.status, expected);
}
