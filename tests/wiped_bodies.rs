//! What a body carried is gone from the memory of the process once its request has ended: every writable page is searched.
//! Alone in its file, so that the process has no other memory of it.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, clippy::arithmetic_side_effects, missing_docs)]

#[allow(
    dead_code,
    unreachable_pub,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "most of it is for other tests"
)]
#[path = "it/support/mod.rs"]
mod support;

use std::convert::Infallible;
use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::task::{Context, Poll};

use async_trait::async_trait;
use bytes::{Buf, Bytes};
use http::{Request, Response};
use http_body::{Body, Frame};
use http_body_util::Full;
use support::{CONF, clients};
use tower::{Layer as _, ServiceExt as _, service_fn};
use tower_password_grant::limiter::{AttackProtection, Limit, Limits, MemoryLimiter};
use tower_password_grant::mount::Profile;
use tower_password_grant::store::{MemoryAccessTokens, MemoryRefreshTokens};
use tower_password_grant::token::RefreshTokens;
use tower_password_grant::{
    Attempt, BackendError, CredentialVerifier, Denial, OpaqueIssuer, PasswordGrant, PasswordGrantLayer, PeerAddress,
    StaticClients, Subject, Verdict,
};
use zeroize::Zeroizing;

/// How long the part is that is looked for, and how often the secret repeats it: what is freed is overwritten in parts, but
/// never all of it.
const PART: usize = 16;
const REPEATS: usize = 60;

/// A secret that the process has in no readable form: each letter comes of a random number where it is needed.
#[derive(Clone, Copy)]
struct Canary([u8; PART]);

impl Canary {
    fn new() -> Self {
        let mut random = [0; PART];
        getrandom::fill(&mut random).unwrap();
        Self(random)
    }

    #[inline(never)]
    fn letter(&self, at: usize) -> u8 {
        b'A' + self.0[at % PART] % 26
    }

    fn is(&self, bytes: &[u8]) -> bool {
        bytes.len() == PART * REPEATS && bytes.iter().enumerate().all(|(at, byte)| *byte == self.letter(at))
    }

    /// How often a part of it stands in the writable memory of this process.
    fn copies(&self) -> usize {
        let mut memory = File::open("/proc/self/mem").unwrap();
        let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
        let mut page = vec![0; 1 << 16];
        let (first, mut found) = (self.letter(0), 0);
        for line in maps.lines().filter(|line| line.split(' ').nth(1).is_some_and(|rights| rights.starts_with("rw"))) {
            let (from, to) = line.split(' ').next().unwrap().split_once('-').unwrap();
            let (mut at, to) = (u64::from_str_radix(from, 16).unwrap(), u64::from_str_radix(to, 16).unwrap());
            while at < to {
                let length = usize::try_from(to - at).unwrap().min(page.len());
                memory.seek(SeekFrom::Start(at)).unwrap();
                // Some pages of the kernel's own cannot be read.
                if memory.read_exact(&mut page[..length]).is_ok() {
                    let windows = page[..length].windows(PART);
                    found += windows.filter(|window| window[0] == first && self.begins(window)).count();
                }
                at += length as u64;
            }
        }
        // What was read here is a copy, too.
        page.fill(0);
        found
    }

    #[inline(never)]
    fn begins(&self, window: &[u8]) -> bool {
        (0..PART).all(|at| window[at] == self.letter(at))
    }
}

/// A frame that leaves nothing behind.
struct Piece(Zeroizing<Vec<u8>>, usize);

impl Buf for Piece {
    fn remaining(&self) -> usize {
        self.0.len() - self.1
    }

    fn chunk(&self) -> &[u8] {
        &self.0[self.1..]
    }

    fn advance(&mut self, count: usize) {
        self.1 += count;
    }
}

/// How the letters of the canary are written.
#[derive(Clone, Copy, Debug)]
enum Letters {
    Plain,
    /// As `%XX`.
    Percent,
    /// As `\u00XX`.
    Unicode,
}

impl Letters {
    fn width(self) -> usize {
        match self {
            Self::Plain => 1,
            Self::Percent => 3,
            Self::Unicode => 6,
        }
    }

    /// The byte at this place of the writing of a letter.
    fn byte(self, letter: u8, place: usize) -> u8 {
        let digit = |value: u8| b"0123456789ABCDEF"[usize::from(value)];
        match (self, self.width() - place) {
            (Self::Plain, _) => letter,
            (_, 1) => digit(letter & 15),
            (_, 2) => digit(letter >> 4),
            (Self::Percent, _) => b'%',
            (Self::Unicode, _) => br"\u00"[place],
        }
    }
}

/// A body that has the canary between two texts, in frames each of which has to be waited for. All are made before the first is
/// taken: a frame that is made meanwhile would lie where the endpoint left something, and be wiped.
struct Sent {
    frames: std::vec::IntoIter<Piece>,
    waits: bool,
}

impl Sent {
    fn new(before: &str, canary: Canary, letters: Letters, after: &str, frame: usize) -> Self {
        let byte = |at: usize| {
            let Some(at) = at.checked_sub(before.len()) else { return Some(before.as_bytes()[at]) };
            let (letter, place) = (at / letters.width(), at % letters.width());
            match at.checked_sub(PART * REPEATS * letters.width()) {
                None => Some(letters.byte(canary.letter(letter), place)),
                Some(behind) => after.as_bytes().get(behind).copied(),
            }
        };
        let mut frames = Vec::new();
        loop {
            let mut piece = Zeroizing::new(Vec::with_capacity(frame));
            let start = frames.len() * frame;
            piece.extend((start..start + frame).map_while(byte));
            if piece.is_empty() {
                return Self { frames: frames.into_iter(), waits: false };
            }
            frames.push(Piece(piece, 0));
        }
    }
}

impl Body for Sent {
    type Data = Piece;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Piece>, Infallible>>> {
        self.waits = !self.waits;
        if self.waits {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(self.frames.next().map(|piece| Ok(Frame::data(piece))))
    }
}

/// Knows the password by its letters, and counts how often it was right.
struct Users(Canary, Arc<AtomicUsize>);

#[async_trait]
impl CredentialVerifier for Users {
    async fn verify(&self, attempt: Attempt) -> Result<Verdict, BackendError> {
        if !self.0.is(attempt.password().expose().as_bytes()) {
            return Ok(Denial::WrongPassword.into());
        }
        self.1.fetch_add(1, SeqCst);
        Ok(Subject::new("user-alice").into())
    }
}

fn layer(profile: Profile, canary: Canary, right: &Arc<AtomicUsize>) -> PasswordGrantLayer {
    PasswordGrant::builder()
        .profile(profile)
        .clients(StaticClients::new(clients()).unwrap())
        .verifier(Users(canary, Arc::clone(right)))
        .issuer(OpaqueIssuer::new(MemoryAccessTokens::new()))
        .refresh_tokens(RefreshTokens::in_store(MemoryRefreshTokens::new()))
        .attack_protection(
            AttackProtection::new()
                .limiter(MemoryLimiter::new().with_limits(Limits::new().disable(Limit::ClientAndAddress))),
        )
        .peer_address(PeerAddress::unknown())
        .build()
        .unwrap()
}

type Head<'a> = &'a [(&'a str, &'a str)];

async fn send(layer: &PasswordGrantLayer, forwards: bool, media_type: &str, head: Head<'_>, body: Sent) -> u16 {
    let mut request = Request::post("/oauth/token").header("content-type", media_type).body(body).unwrap();
    for (name, value) in head {
        request.headers_mut().insert(http::HeaderName::from_bytes(name.as_bytes()).unwrap(), value.parse().unwrap());
    }
    let inner =
        service_fn(|_: Request<Sent>| async { Ok::<_, Infallible>(Response::new(Full::new(Bytes::from("inner")))) });
    if forwards {
        let never = |_| -> Sent { panic!("the grant is served here") };
        layer.clone().forward_other_grants(never).layer(inner).oneshot(request).await.unwrap().status().as_u16()
    } else {
        layer.layer(inner).oneshot(request).await.unwrap().status().as_u16()
    }
}

#[tokio::test(flavor = "current_thread")]
async fn no_copy_of_a_secret_is_left_when_its_request_has_ended_pw_14() {
    let canary = Canary::new();
    // The search finds what it looks for.
    let mut copy: Vec<u8> = (0..PART * 3).map(|at| canary.letter(at)).collect();
    assert!(canary.copies() >= 3, "{}", canary.copies());
    copy.fill(0);
    assert_eq!(canary.copies(), 0);

    let right = Arc::new(AtomicUsize::new(0));
    let conf: Head<'_> = &[("authorization", CONF)];
    let long = support::basic("conf", &"wrong".repeat(60));
    // Credentials of the header join the texts of the body, which may have no room left.
    let long: Head<'_> = &[("authorization", &long)];
    // What stands before the secret, the head beside it, and the status of the answer.
    let form = Kind {
        profile: Profile::Rfc6749,
        media_type: "application/x-www-form-urlencoded",
        after: "",
        letters: [Letters::Plain, Letters::Percent],
        requests: [
            ("grant_type=password&username=alice&password=", conf, 200),
            ("grant_type=password&username=alice&password=", long, 401),
            // What stands before it is in the same buffer.
            ("grant_type=password&username=alice&x=y&client_id=pub&password=", &[], 200),
            ("grant_type=password&username=alice&password=x&client_id=conf&client_secret=", &[], 400),
            ("grant_type=refresh_token&refresh_token=", conf, 400),
        ],
    };
    let json = Kind {
        profile: Profile::Auth0,
        media_type: "application/json",
        after: "\",\"y\":null}",
        letters: [Letters::Plain, Letters::Unicode],
        requests: [
            (r#"{"grant_type":"password","username":"alice","password":""#, conf, 200),
            (r#"{"grant_type":"password","username":"alice","password":""#, long, 401),
            (r#"{"grant_type":"password","us\u0065rname":"alice","x":"y","client_id":"pub","password":""#, &[], 200),
            (
                r#"{"grant_type":"password","username":"alice","password":"x","client_id":"conf","client_secret":""#,
                &[],
                401,
            ),
            (r#"{"grant_type":"refresh_token","refresh_token":""#, conf, 403),
        ],
    };
    for Kind { profile, media_type, after, letters, requests } in [form, json] {
        let layer = layer(profile, canary, &right);
        for (before, head, status) in requests {
            // In many frames, in few, and in one.
            for frame in [37, 700, 8_192] {
                for (letters, forwards) in letters.into_iter().flat_map(|letters| [(letters, false), (letters, true)]) {
                    let body = Sent::new(before, canary, letters, after, frame);
                    let case = format!("{before} in frames of {frame}, {letters:?}, forwards: {forwards}");
                    assert_eq!(send(&layer, forwards, media_type, head, body).await, status, "{case}");
                    assert_eq!(canary.copies(), 0, "{case}");
                }
            }
        }
    }
    assert_eq!(right.load(SeqCst), 2 * 2 * 12);
}

/// Requests of one kind of body.
struct Kind<'a> {
    profile: Profile,
    media_type: &'a str,
    /// What stands behind the secret.
    after: &'a str,
    letters: [Letters; 2],
    requests: [(&'a str, Head<'a>, u16); 5],
}
