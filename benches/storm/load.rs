//! The load of one round, and the storm of honest logins.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::attack::attack;
use super::client::{ask, connect, honest_address, login};
use super::probe::probe;
use super::seen::{Figures, Phase, Window};

pub const LOGINS: usize = 200;
/// So many of them hang up. What they began stays charged, and one address may not leave more than 300 charges: in the few
/// seconds of a round each leaves some ten.
const RUDE: usize = 20;
/// Before it is measured.
pub const WARM_UP: Duration = Duration::from_secs(1);

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    RetryLater,
    RetryAtOnce,
    HangUp,
    Hostile,
    Botnet,
}

impl Mode {
    pub fn name(self) -> &'static str {
        match self {
            Self::RetryLater => "later",
            Self::RetryAtOnce => "at-once",
            Self::HangUp => "hang-up",
            Self::Hostile => "hostile",
            Self::Botnet => "botnet",
        }
    }

    pub fn named(name: &str) -> Self {
        let all = [Self::RetryLater, Self::RetryAtOnce, Self::HangUp, Self::Hostile, Self::Botnet];
        all.into_iter().find(|mode| mode.name() == name).unwrap()
    }
}

/// Prints what the clients saw.
pub fn load(port: u16, mode: Mode, measured: Duration, fastest: u32) {
    let server = SocketAddr::from(([127, 0, 0, 1], port));
    let from = Instant::now() + WARM_UP;
    let mut figures = Figures::default();
    match mode {
        Mode::Hostile | Mode::Botnet => attack(server, mode, fastest, from, measured, &mut figures),
        _ => storm(server, mode, Window::new(from, measured), &mut figures),
    }
    figures.print();
}

pub fn on_one_thread(work: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work);
}

fn storm(server: SocketAddr, mode: Mode, window: Window, figures: &mut Figures) {
    let logins = Phase::new(window, &[200, 503]);
    let gets = Phase::new(window, &[200]);
    let probing = probe(server, std::slice::from_ref(&gets));
    on_one_thread(async {
        let mut tasks = Vec::new();
        for index in 0..LOGINS {
            tasks.push(tokio::spawn(log_in(server, index, mode, logins.clone())));
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        for task in tasks {
            task.await.unwrap();
        }
    });
    for thread in probing {
        thread.join().unwrap();
    }
    logins.tell("login", figures);
    gets.tell("get", figures);
}

/// One client, with an address of its own.
async fn log_in(server: SocketAddr, index: usize, mode: Mode, phase: Phase) {
    let mut sender = connect(server).await;
    for number in 0.. {
        let start = Instant::now();
        if start >= phase.window.to {
            return;
        }
        let login = login(honest_address(index), &format!("user-{index}-{number}"), "correct");
        if mode == Mode::HangUp && index < RUDE {
            let patience = Duration::from_millis((200 + (index * 137 + number * 61) % 900) as u64);
            let _ = tokio::time::timeout(patience, ask(&mut sender, login)).await;
            drop(sender);
            sender = connect(server).await;
            continue;
        }
        let answer = ask(&mut sender, login).await;
        phase.note(start, answer);
        match answer.map(|answer| answer.status) {
            None => sender = connect(server).await,
            Some(503) if mode != Mode::RetryAtOnce => tokio::time::sleep(Duration::from_millis(100)).await,
            Some(_) => {}
        }
    }
}
