//! A cluster of three servers.

use std::time::{Duration, Instant};

use redis::aio::MultiplexedConnection;
use redis::cluster::ClusterClientBuilder;
use redis::cluster_async::ClusterConnection;
use redis::cmd;
use tower_password_grant::redis::RedisStore;

use crate::server::{Redis, free_port};
use crate::stores::{connect, new_prefix};

/// How many slots a cluster has.
const SLOTS: usize = 16_384;

pub struct Cluster {
    pub servers: Vec<Redis>,
}

async fn start_one(name: &str) -> Option<(Redis, u16)> {
    // Else its second port would be 10,000 higher than its first, which may be none.
    let bus = free_port();
    let options = ["--appendonly", "no", "--cluster-enabled", "yes", "--cluster-node-timeout", "20000"];
    let server = Redis::start_with(name, &[&options[..], &["--cluster-port", &bus.to_string()]].concat())?;
    Some((server, bus))
}

async fn is_whole(connection: &mut MultiplexedConnection) -> bool {
    let info: String = cmd("CLUSTER").arg("INFO").query_async(connection).await.unwrap();
    info.contains("cluster_state:ok") && info.contains("cluster_known_nodes:3")
}

impl Cluster {
    pub async fn start(name: &str) -> Option<Self> {
        let (mut servers, mut others) = (Vec::new(), Vec::new());
        for number in 0..3 {
            let (server, bus) = start_one(name).await?;
            let mut connection = connect(&server).await;
            let (first, last) = (SLOTS * number / 3, SLOTS * (number + 1) / 3 - 1);
            cmd("CLUSTER").arg("ADDSLOTSRANGE").arg(first).arg(last).exec_async(&mut connection).await.unwrap();
            cmd("CLUSTER").arg("SET-CONFIG-EPOCH").arg(number + 1).exec_async(&mut connection).await.unwrap();
            for (port, bus) in &others {
                let mut meet = cmd("CLUSTER");
                meet.arg("MEET").arg("127.0.0.1").arg(*port).arg(*bus);
                meet.exec_async(&mut connection).await.unwrap();
            }
            others.push((server.port, bus));
            servers.push(server);
        }
        let start = Instant::now();
        for server in &servers {
            let mut connection = connect(server).await;
            while !is_whole(&mut connection).await {
                assert!(
                    start.elapsed() < Duration::from_secs(60),
                    "the cluster did not come together: {}",
                    server.log()
                );
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
        Some(Self { servers })
    }

    pub async fn connect(&self) -> ClusterConnection {
        let patient = Duration::from_secs(30);
        let builder = ClusterClientBuilder::new(self.servers.iter().map(Redis::url));
        let client = builder.response_timeout(patient).connection_timeout(patient).build().unwrap();
        client.get_async_connection().await.unwrap()
    }

    pub async fn open(&self, prefix: &str) -> RedisStore {
        let builder = RedisStore::builder(self.connect().await).prefix(prefix);
        builder.deadline(Duration::from_secs(60)).open().await.unwrap()
    }

    /// Two stores over one prefix, as two processes have them.
    pub async fn new_two(&self) -> [RedisStore; 2] {
        let prefix = new_prefix();
        [self.open(&prefix).await, self.open(&prefix).await]
    }
}
