//! What is measured on PostgreSQL.

use std::time::Duration;

use super::fill::fill;
use super::own::{self, Sent, draw_each_once};
use super::row_per_token;
use super::server::{SCHEMA, Server, open_one, open_pooled};
use crate::clients::{Operation, of_stores};
use crate::logins::{HOUR_AND_MONTH, layer, logins};
use crate::measured::{Measured, run};
use crate::options::Options;
use crate::report::{Case, Goal, Report};

const ENGINE: &str = "postgres";
const WARM_UP: Duration = Duration::from_millis(700);
const CLIENTS: usize = 16;

fn setting(is_durable: bool) -> &'static str {
    if is_durable { "on" } else { "off" }
}

/// The store beside the engine's own limit, with 16 clients, and a row for each token beside a row for each family.
pub async fn limits(options: &Options, report: &mut Report) {
    let mut growth = Vec::new();
    for &families in &options.families {
        let server = Server::start().await;
        let filled = fill(&server, families).await;
        let sent = Sent::by_store(&server, &filled).await;
        let stores = [open_pooled(&server.url(), CLIENTS).await];
        let case = |operation| Case { engine: ENGINE, setting: "on", families, clients: CLIENTS, operation };
        let mut grown = Vec::new();
        for operation in
            [Operation::Find, Operation::Rotate, Operation::Refresh, Operation::Introspect, Operation::Consume]
        {
            let script = sent.script(operation, &filled);
            let (mut by_store, mut by_itself) = (Vec::new(), Vec::new());
            for _ in 0..options.rounds {
                server.checkpoint().await;
                let clients = of_stores(&stores, &filled, operation, CLIENTS);
                by_store.push(run(&server, clients, WARM_UP, options.time()).await);
                server.checkpoint().await;
                by_itself.push(own::run(&server, &script, CLIENTS, options.seconds).await);
            }
            report.compare(case(operation.name()), &by_store, &by_itself);
            grown.push(by_store.iter().map(Measured::micros).fold(f64::MAX, f64::min));
        }
        drop(stores);
        in_page(&server, report, "refresh_families").await;
        by_login(&server, report, families, options).await;
        if families >= 100_000 {
            designs(&server, &sent, options, report, families).await;
        }
        sizes(&server).await;
        growth.push((families, grown));
    }
    if let [(least, first), .., (most, last)] = &growth[..] {
        for (place, operation) in [(0, "find"), (1, "find and rotate"), (3, "introspect")] {
            let what = format!("{ENGINE} {operation}, growth of the engine's time from {least} to {most} families");
            report.goal(&what, last[place] / first[place], Goal::AtMost(1.6));
        }
    }
}

async fn in_page(server: &Server, report: &mut Report, table: &str) {
    let (updates, stayed) = server.updates(table).await;
    println!("    {table}: {updates} updates");
    report.goal(
        &format!("{table}, share of updates in their page"),
        stayed as f64 / updates as f64,
        Goal::AtLeast(0.95),
    );
}

/// Logins through the layer, and what became of the records that they count in.
async fn by_login(server: &Server, report: &mut Report, families: u64, options: &Options) {
    let store = open_pooled(&server.url(), CLIENTS).await;
    let layer = layer(store.clone(), store, HOUR_AND_MONTH);
    let mut rounds = Vec::new();
    for _ in 0..options.rounds {
        server.checkpoint().await;
        rounds.push(run(server, logins(&layer, families, CLIENTS), WARM_UP, options.time()).await);
    }
    let case = Case { engine: ENGINE, setting: "on", families, clients: CLIENTS, operation: "login" };
    report.add(case, "store", &rounds);
    in_page(server, report, "attempt_records").await;
}

/// A refresh with a row for each family beside one with a row for each token, both by `pgbench`.
async fn designs(server: &Server, sent: &Sent, options: &Options, report: &mut Report, families: u64) {
    row_per_token::fill(server, families).await;
    let (mut by_family, mut by_token) = (Vec::new(), Vec::new());
    for round in 0..options.rounds {
        let drawn = || draw_each_once(families, CLIENTS as u64, round as u64, options.rounds as u64);
        server.checkpoint().await;
        by_family.push(own::run(server, &sent.each_once(drawn()), CLIENTS, options.seconds).await);
        server.checkpoint().await;
        by_token.push(own::run(server, &row_per_token::script(drawn()), CLIENTS, options.seconds).await);
    }
    row_per_token::remove(server).await;
    let case = Case { engine: ENGINE, setting: "on", families, clients: CLIENTS, operation: "find and rotate" };
    report.add(case, "row per family", &by_family);
    report.add(case, "row per token", &by_token);
    let ratio = |of: fn(&Measured) -> f64| {
        crate::measured::median(by_family.iter().zip(&by_token).map(|(family, token)| of(family) / of(token)))
    };
    report.goal("a refresh, of the engine's time with a row per token", ratio(Measured::micros), Goal::AtMost(0.35));
    report.goal("a refresh, of the bytes of log with a row per token", ratio(Measured::bytes), Goal::AtMost(0.35));
}

async fn sizes(server: &Server) {
    for table in ["refresh_families", "access_tokens", "attempt_records"] {
        let of = async |function: &str| server.number(&format!("SELECT {function}('{SCHEMA}.{table}')")).await as f64;
        let rows = server.number(&format!("SELECT count(*) FROM {SCHEMA}.{table}")).await as f64;
        let (table_bytes, all) = (of("pg_relation_size").await, of("pg_total_relation_size").await);
        println!("    {table}: {rows} rows, {:.0} B each, {:.0} B with indexes", table_bytes / rows, all / rows);
    }
}

/// Logins, refreshes, introspections and one-time values with 1, 16 and 64 clients, durable or not.
pub async fn clients(options: &Options, report: &mut Report) {
    let families = 100_000;
    let server = Server::start().await;
    let filled = fill(&server, families).await;
    let sent = Sent::by_store(&server, &filled).await;
    for is_durable in [true, false] {
        server.set_durable(is_durable).await;
        for clients in [1, 16, 64] {
            let store = open_pooled(&server.url(), clients).await;
            let case = |operation| Case { engine: ENGINE, setting: setting(is_durable), families, clients, operation };
            let layer = layer(store.clone(), store.clone(), HOUR_AND_MONTH);
            let stores = [store];
            let mut by_login = Vec::new();
            for _ in 0..options.rounds {
                let clients = logins(&layer, families, clients);
                by_login.push(run(&server, clients, WARM_UP, options.time()).await);
            }
            report.add(case("login"), "store", &by_login);
            for operation in [Operation::Refresh, Operation::Introspect, Operation::Consume] {
                let script = sent.script(operation, &filled);
                let (mut by_store, mut by_itself) = (Vec::new(), Vec::new());
                for _ in 0..options.rounds {
                    let own_clients = of_stores(&stores, &filled, operation, clients);
                    by_store.push(run(&server, own_clients, WARM_UP, options.time()).await);
                    by_itself.push(own::run(&server, &script, clients, options.seconds).await);
                }
                report.add(case(operation.name()), "store", &by_store);
                report.add(case(operation.name()), "own", &by_itself);
            }
        }
    }
}

/// What a login's counting costs with 64 clients over one connection, queued and one by one.
pub async fn counting(options: &Options, report: &mut Report) {
    let server = Server::start().await;
    let _ = fill(&server, 100_000).await;
    let store = open_one(&server.url()).await;
    crate::counting::compare(&server, store, ENGINE, "on", options, report).await;
}
