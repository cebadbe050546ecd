//! The ways of codes to their users.

use std::net::IpAddr;
use std::time::SystemTime;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::boundary::backend::BackendError;
use crate::boundary::factors::delivery::{CodeDelivery, Delivery, DeliveryStatus};
use crate::boundary::ladder::challenge::Opened;
use crate::boundary::ladder::charge::{Charge, OfDelivery, OfNobody, UsedCharge};
use crate::boundary::ladder::delivery::deliver;
use crate::boundary::ladder::factor::{Answered, ask_status, unchecked};
use crate::observe::patience::Bound;
use crate::protocol::client::registered::ClientId;
use crate::protocol::factor::authenticator::{Authenticator, AuthenticatorId, Channel, FactorUser};
use crate::protocol::factor::binding_code::BindingCode;
use crate::protocol::factor::challenge::{OOB_CODE, OutOfBand};
use crate::protocol::secret::secrets::random_id;
use crate::protocol::wire::error::{Reason, TokenError};

/// What delivers on a channel.
type Way = (Channel, Box<dyn CodeDelivery>);

/// The deliveries of the application, with the time of their calls.
pub(crate) struct Deliveries {
    ways: Vec<Way>,
    patience: Bound,
}

/// Where a code or a question goes.
pub(crate) struct Recipient<'a> {
    pub(crate) user: FactorUser<'a>,
    pub(crate) authenticator: &'a AuthenticatorId,
    pub(crate) channel: Channel,
    pub(crate) contact: &'a str,
    /// The client that the user logs in to.
    pub(crate) client: &'a ClientId,
    pub(crate) address: Option<IpAddr>,
}

impl Recipient<'_> {
    /// Under which its messages are counted.
    pub(crate) fn name(&self) -> String {
        name_of(self.channel, self.contact)
    }
}

/// Under which messages of a user are counted: an address has the same name in each enrolment, whatever its case.
pub(crate) fn name_of(channel: Channel, contact: &str) -> String {
    format!("{}|{}", channel.as_str(), contact.to_lowercase())
}

/// How long the login that needs it can be finished.
#[derive(Clone, Copy)]
pub(crate) struct Span {
    pub(crate) now: SystemTime,
    pub(crate) ends: SystemTime,
}

impl Deliveries {
    pub(crate) fn new(ways: Vec<Way>, patience: Bound) -> Self {
        Self { ways, patience }
    }

    /// Whether something delivers on this channel.
    pub(crate) fn serve(&self, channel: Channel) -> bool {
        self.way(channel).is_some()
    }

    fn way(&self, channel: Channel) -> Option<&dyn CodeDelivery> {
        self.ways.iter().find(|(served, _)| *served == channel).map(|(_, way)| &**way)
    }

    /// Sends a new code, or asks on another device. What the user answers with is good for this challenge alone.
    pub(crate) async fn send(
        &self,
        recipient: Recipient<'_>,
        challenge: [u8; 16],
        charge: Charge<OfDelivery>,
        login: Span,
    ) -> Result<OutOfBand, TokenError> {
        let Recipient { user, authenticator, channel, contact, client, address } = recipient;
        let way = self.way(channel).ok_or(Reason::UnsupportedChallengeType)?;
        let id = random_id().map_err(|error| failed(error.into()))?;
        let code = channel.has_code().then(BindingCode::random).transpose().map_err(|error| failed(error.into()))?;
        let expires = login.now.checked_add(OOB_CODE).map_or(login.ends, |end| end.min(login.ends));
        let name = identifier(&id);
        let digits = code.as_ref().map(BindingCode::expose);
        let delivery = Delivery { id: &name, user, channel, contact, code: digits, client, address, expires };
        self.patience.of(deliver(way, delivery, charge)).await.map_err(failed)?;
        Ok(OutOfBand { id, challenge, authenticator: authenticator.clone(), channel, code, expires })
    }

    /// What a new authenticator of this channel shows its device, if it has something to show.
    pub(crate) async fn enrolment_uri(&self, recipient: &Recipient<'_>) -> Result<Option<String>, TokenError> {
        let Recipient { user, channel, contact, .. } = *recipient;
        let Some(way) = self.way(channel).filter(|_| channel == Channel::Push) else { return Ok(None) };
        self.patience.of(way.enrolment_uri(user, contact)).await.map_err(failed)
    }

    /// Asks what the user has answered on another device, with this authenticator, one of all that the user has, for a charge.
    pub(crate) async fn ask(
        &self,
        charge: Charge<OfNobody>,
        opened: &Opened,
        sent: &OutOfBand,
        authenticator: &Authenticator,
        all: &[Authenticator],
    ) -> (Result<Answered, BackendError>, UsedCharge) {
        // Without what delivered it nobody can answer.
        let Some(way) = self.way(sent.channel) else { return (Ok(Err(DeliveryStatus::Expired)), unchecked(charge)) };
        let name = identifier(&sent.id);
        let (asking, charge) = ask_status(charge, opened, (way, &name), authenticator, all);
        (self.patience.of(asking).await, charge)
    }
}

/// As the application gets it.
fn identifier(id: &[u8; 16]) -> String {
    URL_SAFE_NO_PAD.encode(id)
}

fn failed(error: BackendError) -> TokenError {
    error.because(Reason::DeliveryFailed)
}
