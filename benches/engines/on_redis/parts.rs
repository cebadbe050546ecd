//! What is measured on Redis.

use std::time::Duration;

use super::fill::fill;
use super::own::{self, Sent};
use super::server::Server;
use crate::clients::{Operation, of_stores};
use crate::logins::{HOUR_AND_MONTH, layer, logins};
use crate::measured::{Measured, run};
use crate::options::Options;
use crate::report::{Case, Goal, Report};

const ENGINE: &str = "redis";
const WARM_UP: Duration = Duration::from_millis(700);
const CLIENTS: usize = 16;
/// One more would be 10 GB.
const MOST_FAMILIES: u64 = 1_000_000;

/// The store beside the engine's own limit, with 16 clients, each with a connection; and over one connection.
pub async fn limits(options: &Options, report: &mut Report) {
    let mut growth = Vec::new();
    for &families in options.families.iter().filter(|families| **families <= MOST_FAMILIES) {
        let server = Server::start().await;
        let filled = fill(&server, families).await;
        server.set_log("everysec").await;
        let sent = Sent::by_store(&server, &filled).await;
        let stores = server.open(CLIENTS).await;
        let mut grown = Vec::new();
        for operation in [Operation::Find, Operation::Rotate, Operation::Introspect, Operation::Consume] {
            let calls = sent.calls(operation, &filled);
            let in_turns = async |stores: &[_], connections, depth| {
                let (mut by_store, mut by_itself) = (Vec::new(), Vec::new());
                for _ in 0..options.rounds {
                    let clients = of_stores(stores, &filled, operation, CLIENTS);
                    by_store.push(run(&server, clients, WARM_UP, options.time()).await);
                    by_itself.push(own::run(&server, &calls, connections, depth, options.time()).await);
                }
                (by_store, by_itself)
            };
            let (by_store, by_itself) = in_turns(&stores, CLIENTS, 1).await;
            let (by_one, by_itself_one) = in_turns(&stores[..1], 1, CLIENTS).await;
            let case =
                |setting| Case { engine: ENGINE, setting, families, clients: CLIENTS, operation: operation.name() };
            report.compare(case("everysec"), &by_store, &by_itself);
            report.compare(case("everysec (one connection)"), &by_one, &by_itself_one);
            grown.push(by_store.iter().map(Measured::micros).fold(f64::MAX, f64::min));
        }
        growth.push((families, grown));
    }
    if let [(least, first), .., (most, last)] = &growth[..] {
        for (place, operation) in [(0, "find"), (1, "find and rotate"), (2, "introspect")] {
            let what = format!("{ENGINE} {operation}, growth of the engine's time from {least} to {most} families");
            report.goal(&what, last[place] / first[place], Goal::AtMost(1.3));
        }
    }
}

/// Logins, refreshes, introspections and one-time values with 1, 16 and 64 clients, each with a connection, by how often the disk keeps
/// the log.
pub async fn clients(options: &Options, report: &mut Report) {
    let families = 100_000;
    let server = Server::start().await;
    let filled = fill(&server, families).await;
    for setting in ["always", "everysec"] {
        server.set_log(setting).await;
        let sent = Sent::by_store(&server, &filled).await;
        for clients in [1, 16, 64] {
            let stores = server.open(clients).await;
            let case = |operation| Case { engine: ENGINE, setting, families, clients, operation };
            // One queue, and one connection, for the counting of a process.
            let layer = layer(stores[0].clone(), stores[0].clone(), HOUR_AND_MONTH);
            let mut by_login = Vec::new();
            for _ in 0..options.rounds {
                let clients = logins(&layer, families, clients);
                by_login.push(run(&server, clients, WARM_UP, options.time()).await);
            }
            report.add(case("login"), "store", &by_login);
            for operation in [Operation::Refresh, Operation::Introspect, Operation::Consume] {
                let calls = sent.calls(operation, &filled);
                let (mut by_store, mut by_itself) = (Vec::new(), Vec::new());
                for _ in 0..options.rounds {
                    let own_clients = of_stores(&stores, &filled, operation, clients);
                    by_store.push(run(&server, own_clients, WARM_UP, options.time()).await);
                    if !calls.is_empty() {
                        by_itself.push(own::run(&server, &calls, clients, 1, options.time()).await);
                    }
                }
                report.add(case(operation.name()), "store", &by_store);
                if !by_itself.is_empty() {
                    report.add(case(operation.name()), "own", &by_itself);
                }
            }
        }
    }
}

/// What a login's counting costs with 64 clients over one connection, queued and one by one.
pub async fn counting(options: &Options, report: &mut Report) {
    let server = Server::start().await;
    for setting in ["always", "everysec"] {
        server.set_log(setting).await;
        let store = server.open(1).await.remove(0);
        crate::counting::compare(&server, store, ENGINE, setting, options, report).await;
    }
}
