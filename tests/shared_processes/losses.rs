//! What is lost where an engine promises less: its last writes, and never more than that. Nothing is said of the promise here; each run
//! checks that what is lost is a login, an end, a value or some guesses, and that no login has two live tokens in one engine.

use std::time::{Duration, Instant};

use tokio::time::sleep;
use tower_password_grant::postgres::PostgresStore;
use tower_password_grant::redis::RedisStore;

use super::cluster::Postgres;
use super::engine::{Engine, SOUND, Store};
use super::process::kills;
use super::proxy::Proxy;
use super::server::Redis;
use super::syncs::Syncs;
use super::written::{Lost, Work};

/// How long there is work before a loss.
const WORK: Duration = Duration::from_millis(1_500);
/// How far a replica is behind.
const LAG: Duration = Duration::from_millis(300);

/// The sum of some runs.
struct Runs {
    of: &'static str,
    began: Instant,
    lost: Vec<Lost>,
}

impl Runs {
    fn new(of: &'static str) -> Self {
        Self { of, began: Instant::now(), lost: Vec::new() }
    }

    fn add(&mut self, lost: Lost) {
        println!("    {}, run {}: lost {lost}", self.of, self.lost.len() + 1);
        self.lost.push(lost);
    }

    fn say(&self) {
        let all = self.lost.iter().fold(Lost::default(), |all, lost| all.and(*lost));
        println!(
            "ok: {}, {} runs, {:.0?}: lost {all}; never two live tokens",
            self.of,
            self.lost.len(),
            self.began.elapsed()
        );
    }
}

pub async fn of_postgres() {
    let runs = kills("SHARED_LOSSES", 3);
    asynchronous_commit(runs).await;
    stand_by(runs).await;
}

pub async fn of_redis() {
    let runs = kills("SHARED_LOSSES", 3);
    every_second(runs).await;
    replica(runs).await;
}

/// Until this program's own store works again.
async fn again<S: Store>(url: &str) -> S {
    S::open(url, SOUND).await
}

/// PostgreSQL answers before the log is written, and all its processes are killed.
async fn asynchronous_commit(runs: usize) {
    let Some(engine) = Engine::postgres("off") else { return };
    let mut all = Runs::new("PostgreSQL, synchronous_commit=off, all processes killed");
    for _ in 0..runs {
        let url = format!("{}?options=-c%20synchronous_commit%3Doff", engine.url());
        let work = Work::start(&again::<PostgresStore>(&url).await);
        sleep(WORK).await;
        engine.kill();
        let written = work.stop().await;
        engine.begin();
        all.add(written.lost(&again::<PostgresStore>(&engine.url()).await).await);
    }
    all.say();
}

/// PostgreSQL with a stand-by that lags behind, which takes over.
async fn stand_by(runs: usize) {
    let mut all = Runs::new("PostgreSQL, fail-over to a stand-by that lags behind by 300 ms");
    for run in 0..runs {
        let Some(primary) = Postgres::start(&format!("shared-primary-{run}")) else { return };
        let engine = Engine::Postgres(primary);
        let proxy = Proxy::start(engine.port()).await;
        let store: PostgresStore = again(&engine.url()).await;
        let Engine::Postgres(primary) = &engine else { return };
        let copy = Engine::Postgres(primary.stand_by(&format!("shared-stand-by-{run}"), proxy.port));
        let work = Work::start(&store);
        sleep(WORK).await;
        proxy.hold(true);
        sleep(LAG).await;
        engine.kill();
        let written = work.stop().await;
        let Engine::Postgres(server) = &copy else { return };
        server.promote();
        all.add(written.lost(&again::<PostgresStore>(&copy.url()).await).await);
    }
    all.say();
}

/// Redis tells its disk each second to keep what it has, and the machine dies: what came since the last time is cut off.
async fn every_second(runs: usize) {
    let durable = ["--appendonly", "yes", "--appendfsync", "everysec", "--auto-aof-rewrite-percentage", "0"];
    let mut all = Runs::new("Redis, appendfsync everysec, log cut at its last fdatasync");
    for _ in 0..runs {
        let Some(server) = Redis::start_with("shared-everysec", &durable) else { return };
        let Some(syncs) = Syncs::watch(&server) else { return };
        let engine = Engine::Redis(server);
        let work = Work::start(&again::<RedisStore>(&engine.url()).await);
        sleep(WORK).await;
        engine.kill();
        let written = work.stop().await;
        let Engine::Redis(server) = &engine else { return };
        let (kept, cut) = syncs.cut(server);
        println!("    of a log of {} bytes {cut} were not on the disk", kept + cut);
        engine.begin();
        all.add(written.lost(&again::<RedisStore>(&engine.url()).await).await);
    }
    all.say();
}

/// Redis with a replica that lags behind, which takes over.
async fn replica(runs: usize) {
    let mut all = Runs::new("Redis, appendfsync always, fail-over to a replica that lags behind by 300 ms");
    for _ in 0..runs {
        let durable = ["--appendonly", "yes", "--appendfsync", "always", "--repl-diskless-sync-delay", "0"];
        let start = |name: &str| Redis::start_with(name, &durable).map(Engine::Redis);
        let (Some(engine), Some(copy)) = (start("shared-primary"), start("shared-replica")) else { return };
        let proxy = Proxy::start(engine.port()).await;
        let mut connection = connect(&copy).await;
        let follow = redis::cmd("REPLICAOF").arg("127.0.0.1").arg(proxy.port).exec_async(&mut connection).await;
        follow.unwrap();
        follows(&mut connection).await;
        let work = Work::start(&again::<RedisStore>(&engine.url()).await);
        sleep(WORK).await;
        proxy.hold(true);
        sleep(LAG).await;
        engine.kill();
        let written = work.stop().await;
        redis::cmd("REPLICAOF").arg("NO").arg("ONE").exec_async(&mut connection).await.unwrap();
        all.add(written.lost(&again::<RedisStore>(&copy.url()).await).await);
    }
    all.say();
}

async fn connect(engine: &Engine) -> redis::aio::MultiplexedConnection {
    let config = redis::AsyncConnectionConfig::new().set_response_timeout(Some(Duration::from_secs(30)));
    let client = redis::Client::open(engine.url()).unwrap();
    client.get_multiplexed_async_connection_with_config(&config).await.unwrap()
}

/// Waits until a replica has all that its primary has.
async fn follows(replica: &mut redis::aio::MultiplexedConnection) {
    let began = Instant::now();
    loop {
        let info: String = redis::cmd("INFO").arg("replication").query_async(replica).await.unwrap();
        if info.contains("master_link_status:up") {
            return;
        }
        assert!(began.elapsed() < Duration::from_secs(30), "{info}");
        sleep(Duration::from_millis(20)).await;
    }
}
