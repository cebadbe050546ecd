//! A process with the layer and its ledger, whose users log in one after the other while the ledger writes: killed, it leaves the
//! beginning of its trail in the file.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::fs::OpenOptions;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use tower::{Layer as _, ServiceExt as _, service_fn};
use tower_password_grant::clock::Clock;
use tower_password_grant::limiter::{AttackProtection, Limits, MemoryLimiter, RequestCeiling, TokenBucket};
use tower_password_grant::sqlite::SqliteStore;
use tower_password_grant::store::MemoryAccessTokens;
use tower_password_grant::usage::{LoginWay, UsageLedger};
use tower_password_grant::{
    Attempt, BackendError, Client, CredentialVerifier, OpaqueIssuer, PasswordGrant, PeerAddress, StaticClients,
    Subject, Verdict,
};

use super::process::{Folder, SERVER};
use super::recount::{Batch, Login, Recount, in_file, trail, trail_of};

/// In the environment of such a process.
const LEDGER: &str = "USAGE_LEDGER_TO_KILL";
const FIRST_DAY: u32 = 20_600;
const LOGINS_A_DAY: u32 = 40;

pub fn is_wanted() -> bool {
    std::env::var_os(LEDGER).is_some()
}

/// The day of the login at hand.
#[derive(Clone, Debug, Default)]
struct Dial(Arc<AtomicU64>);

impl Clock for Dial {
    fn now(&self) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs((u64::from(FIRST_DAY) + self.0.load(Ordering::Relaxed)) * 86_400)
    }

    fn elapsed(&self) -> Duration {
        Duration::from_secs(self.0.load(Ordering::Relaxed) * 86_400)
    }
}

struct Everybody;

#[async_trait]
impl CredentialVerifier for Everybody {
    async fn verify(&self, attempt: Attempt) -> Result<Verdict, BackendError> {
        Ok(Subject::new(attempt.username().to_owned()).into())
    }
}

/// Lets users log in through the layer for ever. Each login is in the trail before it begins.
pub async fn serve(file: PathBuf) {
    let (store, clock) = (SqliteStore::open(&file).unwrap(), Dial::default());
    let usage = UsageLedger::new(store);
    let clients = ["app", "web"]
        .map(|id| Client::public(id).allow_password_grant().scopes("read").default_scope("read").build().unwrap());
    let layer = PasswordGrant::builder()
        .clients(StaticClients::new(clients).unwrap())
        .verifier(Everybody)
        .issuer(OpaqueIssuer::new(Arc::new(MemoryAccessTokens::new())))
        .attack_protection(
            // All come from one address.
            AttackProtection::new()
                .limiter(MemoryLimiter::new().with_limits(
                    Limits::new().with_address_budget(TokenBucket::new(u32::MAX, Duration::from_millis(1))),
                ))
                .request_ceiling(RequestCeiling::per_address(u32::MAX, 1_000_000)),
        )
        .peer_address(PeerAddress::extension(|peer: &SocketAddr| Some(peer.ip())))
        .clock(clock.clone())
        .usage(usage.clone())
        .build()
        .unwrap();
    let other =
        service_fn(|_: Request<Full<Bytes>>| async { Ok::<_, Infallible>(Response::new(Full::<Bytes>::default())) });
    let endpoint = layer.layer(other);
    let mut trail = OpenOptions::new().create(true).append(true).open(trail_of(&file)).unwrap();
    tokio::spawn(async move {
        loop {
            usage.flush().await.unwrap();
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    });
    let process = std::process::id();
    for number in 0.. {
        let day = number / LOGINS_A_DAY;
        clock.0.store(day.into(), Ordering::Relaxed);
        let mixed = (process.wrapping_mul(31) ^ number).wrapping_mul(0x9e37_79b9) >> 8;
        let login = Login {
            batch: Batch { process, number },
            client: ["app", "web"][mixed as usize % 2].to_owned(),
            user: format!("user-{}", mixed / 2 % 97),
            way: LoginWay::Password.number(),
            day: FIRST_DAY + day,
        };
        trail.write_all(login.line().as_bytes()).unwrap();
        let form = format!("grant_type=password&client_id={}&username={}&password=p", login.client, login.user);
        let request = Request::post("/oauth/token").header("content-type", "application/x-www-form-urlencoded");
        let peer = SocketAddr::from(([192, 0, 2, 1], 4711));
        let request = request.extension(peer).body(Full::new(Bytes::from(form))).unwrap();
        assert_eq!(endpoint.clone().oneshot(request).await.unwrap().status(), StatusCode::OK);
        if number == 0 {
            println!("ready");
        }
        // Lets the ledger write.
        tokio::task::yield_now().await;
    }
}

/// Kills such processes at random times.
pub fn is_killed(kills: usize) {
    let folder = Folder::new("usage-ledger");
    let file = folder.file();
    let (mut lost, mut all) = (BTreeSet::new(), 0);
    for round in 0..kills as u64 {
        let mut process = start(&file);
        thread::sleep(Duration::from_micros(1_000 + round * 7_919 % 60_000));
        process.kill().unwrap();
        process.wait().unwrap();
        let logins = trail(&file);
        let own: Vec<&Login> = logins.iter().filter(|login| login.batch.process == process.id()).collect();
        let before = logins.len() - own.len() - lost.len();
        let seen = in_file(&file);
        let kept = usize::try_from(seen.all_logins()).unwrap() - before;
        // What was written is the beginning of what happened, whole.
        lost.extend(own[kept..].iter().map(|login| login.batch));
        assert_eq!(seen, Recount::of(&logins, &lost), "round {round}: {kept} of {}", own.len());
        all = logins.len();
    }
    let kept = all - lost.len();
    assert!(kept > kills, "the ledgers have written");
    println!(
        "ok: {kills} kills of a process with a ledger: of {all} logins {kept} were written, the first ones of each process"
    );
}

/// One whose first user has logged in.
fn start(file: &Path) -> Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    let command = command.env(SERVER, file).env(LEDGER, "1").stdin(Stdio::null()).stdout(Stdio::piped());
    let mut process = command.spawn().expect("the process starts");
    let mut line = String::new();
    BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line, "ready\n");
    process
}
