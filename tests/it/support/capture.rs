//! Captures what an endpoint says: `tracing` events as text and as values, and audit events.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::io;
use std::sync::{Arc, LazyLock, Mutex};

use tower_password_grant::audit::{AuditEvent, AuditOutcome, Reason};
use tracing::field::{Field, Visit};
use tracing::subscriber::DefaultGuard;
use tracing::{Dispatch, Event, Level, Subscriber};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::{Context, Layer, SubscriberExt as _};

/// One `tracing` event.
#[derive(Clone, Debug)]
pub struct Said {
    pub level: Level,
    pub fields: BTreeMap<String, String>,
}

impl Said {
    pub fn field(&self, name: &str) -> Option<&str> {
        self.fields.get(name).map(String::as_str)
    }
}

/// Everything that was said on this thread since [`listen`](Self::listen).
#[derive(Clone, Default)]
pub struct Capture {
    text: Arc<Mutex<Vec<u8>>>,
    events: Arc<Mutex<Vec<Said>>>,
}

/// A second listener beside the one of a test. As long as there is only one, `tracing` asks the thread that comes to an event
/// first whether anybody listens; that may be another test's thread, where nobody does.
static SECOND: LazyLock<Dispatch> = LazyLock::new(|| Dispatch::new(tracing_subscriber::registry()));

/// Keeps every event switched on, whichever thread comes to it first.
pub fn keep_listening() {
    LazyLock::force(&SECOND);
}

impl Capture {
    /// Listens on this thread at TRACE until the guard is dropped.
    pub fn listen() -> (Self, DefaultGuard) {
        keep_listening();
        let capture = Self::default();
        let text = tracing_subscriber::fmt::layer().with_ansi(false).with_writer(capture.clone());
        let subscriber = tracing_subscriber::registry().with(text).with(capture.clone());
        (capture, tracing::subscriber::set_default(subscriber))
    }

    /// The lines as an operator sees them.
    pub fn text(&self) -> String {
        String::from_utf8(self.text.lock().unwrap().clone()).unwrap()
    }

    pub fn events(&self) -> Vec<Said> {
        self.events.lock().unwrap().clone()
    }

    pub fn clear(&self) {
        self.text.lock().unwrap().clear();
        self.events.lock().unwrap().clear();
    }
}

impl io::Write for Capture {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.text.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Capture {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

impl<S: Subscriber> Layer<S> for Capture {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        struct Fields(BTreeMap<String, String>);
        impl Visit for Fields {
            fn record_str(&mut self, field: &Field, value: &str) {
                self.0.insert(field.name().to_owned(), value.to_owned());
            }

            fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
                self.0.insert(field.name().to_owned(), format!("{value:?}"));
            }
        }
        let mut fields = Fields(BTreeMap::new());
        event.record(&mut fields);
        let metadata = event.metadata();
        let said = Said { level: *metadata.level(), fields: fields.0 };
        self.events.lock().unwrap().push(said);
    }
}

/// An audit event without its borrows.
#[derive(Clone, Debug)]
pub struct Audited {
    pub at: std::time::SystemTime,
    pub duration: std::time::Duration,
    pub issued: Option<(String, String)>,
    pub reason: Option<Reason>,
    pub grant_type: Option<String>,
    pub client: Option<String>,
    pub account: Option<String>,
    pub address: Option<std::net::IpAddr>,
    pub peer: Option<std::net::IpAddr>,
    pub unencoded_basic: bool,
    /// The whole event as `Debug` shows it.
    pub shown: String,
}

/// An audit sink that keeps what it gets.
pub fn sink() -> (Arc<Mutex<Vec<Audited>>>, impl Fn(&AuditEvent<'_>) + Send + Sync + 'static) {
    let kept: Arc<Mutex<Vec<Audited>>> = Arc::default();
    let keep = Arc::clone(&kept);
    let sink = move |event: &AuditEvent<'_>| {
        let (issued, reason) = match event.outcome {
            AuditOutcome::Issued { subject, scope, .. } => (Some((subject.to_owned(), scope.to_owned())), None),
            AuditOutcome::Refused { reason, .. } => (None, Some(reason)),
            _ => (None, None),
        };
        keep.lock().unwrap().push(Audited {
            at: event.at,
            duration: event.duration,
            issued,
            reason,
            grant_type: event.grant_type.map(str::to_owned),
            client: event.client.map(|id| id.as_str().to_owned()),
            account: event.account.map(|digest| digest.to_string()),
            address: event.address,
            peer: event.peer,
            unencoded_basic: event.unencoded_basic,
            shown: format!("{event:?}"),
        });
    };
    (kept, sink)
}
