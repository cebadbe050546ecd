//! The enrolment of an authenticator. What is new of it is in the answer, and never again.

use std::pin::pin;
use std::time::SystemTime;

use super::super::answer::FactorReply;
use super::super::factors::bearer::Bearer;
use super::super::factors::deliveries::{Recipient, Span, name_of};
use super::super::factors::seals::not_kept;
use super::super::trail::Trail;
use super::mfa_manage::{ManagementFlow, Manager};
use crate::boundary::audit::FactorStep;
use crate::boundary::backend::BackendError;
use crate::boundary::factors::tools::NewOtp;
use crate::boundary::ladder::challenge::NewChallenge;
use crate::boundary::ladder::charge::{Charge, Guessed, OfDelivery};
use crate::protocol::factor::api;
use crate::protocol::factor::authenticator::{
    Authenticator, AuthenticatorId, AuthenticatorKind, Enrolled, Enrolment, FactorUser, RecoveryCodes,
};
use crate::protocol::factor::challenge::Challenge;
use crate::protocol::factor::recovery::RecoveryCode;
use crate::protocol::factor::wanted::Wanted;
use crate::protocol::secret::secrets::{RandomnessError, Token};
use crate::protocol::wire::error::{Reason, TokenError};
use crate::protocol::wire::factors::Associated;
use crate::protocol::wire::form::Form;

/// What is new by an enrolment.
struct New<'a> {
    id: AuthenticatorId,
    wanted: Wanted<'a>,
    /// Of an authenticator app.
    otp: Option<NewOtp>,
    recovery_codes: Option<Vec<RecoveryCode>>,
}

/// The login that the first right code finishes.
struct Finish {
    /// The identifier of its challenge.
    id: [u8; 16],
    expires: SystemTime,
    /// Where the client does not have it yet.
    token: Option<Token>,
}

impl Finish {
    fn of(challenge: &Challenge, token: Option<Token>) -> Self {
        Self { id: challenge.id, expires: challenge.expires, token }
    }
}

/// What a delivery gives the client.
struct Delivered {
    oob_code: Token,
    barcode_uri: Option<String>,
}

impl ManagementFlow {
    /// Begins an enrolment.
    pub(super) async fn enrol(
        &self,
        manager: &Manager,
        form: &Form,
        trail: &mut Trail,
    ) -> Result<FactorReply, TokenError> {
        manager.bearer.check_scope(api::ENROLL, true)?;
        let wanted = Wanted::read(form, &self.factors.enrollable())?;
        let has = self.authenticators(manager).await?;
        // The store decides it once more. This spares what comes before.
        let if_no_factor = manager.bearer.is_by_password_alone();
        if if_no_factor && has.iter().any(Authenticator::is_factor) {
            return Err(Reason::AlreadyEnrolled.into());
        }
        let finish = self.finish(manager)?;
        let new = self.make(manager, wanted, &has)?;
        let charge = self.charge(manager, &new, trail).await?;
        self.keep(manager, &new, if_no_factor).await?;
        let delivered = match charge {
            Some(charge) => self.deliver(manager, &new, &finish, charge, trail).await?,
            None => None,
        };
        let json = new.told(&finish, delivered.as_ref());
        Ok(manager.reply(FactorStep::EnrolmentBegun, Some(new.id), Some(json)))
    }

    /// Draws what is new. Recovery codes are for a user who has none that count.
    fn make<'a>(&self, manager: &Manager, wanted: Wanted<'a>, has: &[Authenticator]) -> Result<New<'a>, TokenError> {
        let id = AuthenticatorId::random(wanted.kind()).map_err(unlucky)?;
        let tools = self.factors.seals.tools();
        // What the app shows beside the name of the application.
        let account = manager.user.login_name.as_deref().unwrap_or(manager.bearer.user().subject);
        let otp = (wanted == Wanted::Otp).then(|| tools.new_otp(account)).transpose().map_err(unlucky)?;
        let counts = |one: &Authenticator| one.is_active && one.kind == AuthenticatorKind::RecoveryCodes;
        let number = self.factors.policy.recovery_codes.filter(|_| !has.iter().any(counts));
        let draw = |number| (0..number).map(|_| RecoveryCode::random()).collect();
        let recovery_codes = number.map(draw).transpose().map_err(unlucky)?;
        Ok(New { id, wanted, otp, recovery_codes })
    }

    /// Charges the delivery of a code, before anything is kept. An authenticator app needs none.
    async fn charge(
        &self,
        manager: &Manager,
        new: &New<'_>,
        trail: &mut Trail,
    ) -> Result<Option<Charge<OfDelivery>>, TokenError> {
        let AuthenticatorKind::OutOfBand(channel) = new.wanted.kind() else { return Ok(None) };
        let FactorUser { realm, subject, .. } = manager.bearer.user();
        // By where it goes: an address that is enrolled anew has another identifier, a device without one is another device.
        let name = name_of(channel, new.contact());
        let guessed = Guessed::delivery(realm, subject, &name);
        self.budget.reserve(guessed, None, Some(&manager.client), &mut trail.caller).await.map(Some)
    }

    /// Keeps what is new, which is not active yet.
    async fn keep(&self, manager: &Manager, new: &New<'_>, if_no_factor: bool) -> Result<(), TokenError> {
        let (user, now) = (manager.bearer.user(), self.factors.clock.now());
        let secret = new.otp.as_ref().map_or_else(|| new.contact().as_bytes(), |otp| &otp.secret);
        let sealed = self.factors.seals.seal_secret(user, &new.id, secret)?;
        let authenticator = Authenticator::new(new.id.clone(), new.wanted.kind(), new.wanted.name(), sealed, now);
        let recovery = match &new.recovery_codes {
            Some(codes) => {
                let kind = AuthenticatorKind::RecoveryCodes;
                let id = AuthenticatorId::random(kind).map_err(unlucky)?;
                let digests = codes.iter().map(|code| code.digest(user)).collect();
                Some(RecoveryCodes::new(Authenticator::new(id, kind, None, Vec::new(), now), digests))
            }
            None => None,
        };
        let enrolment = Enrolment::new(authenticator, recovery, if_no_factor);
        let enrolling = pin!(self.factors.store.enrol(user, enrolment, now));
        match self.factors.patience.of(enrolling).await.map_err(not_kept)? {
            Enrolled::Begun => Ok(()),
            Enrolled::HasFactor | Enrolled::TooMany => Err(Reason::AlreadyEnrolled.into()),
        }
    }

    /// Sends the first code, or asks on the other device.
    async fn deliver(
        &self,
        manager: &Manager,
        new: &New<'_>,
        finish: &Finish,
        charge: Charge<OfDelivery>,
        trail: &Trail,
    ) -> Result<Option<Delivered>, TokenError> {
        let AuthenticatorKind::OutOfBand(channel) = new.wanted.kind() else { return Ok(None) };
        let recipient = Recipient {
            user: manager.bearer.user(),
            authenticator: &new.id,
            channel,
            contact: new.contact(),
            client: manager.client.id(),
            address: trail.caller.address,
        };
        let barcode_uri = self.factors.deliveries.enrolment_uri(&recipient).await?;
        let login = Span { now: self.factors.clock.now(), ends: finish.expires };
        let sent = self.factors.deliveries.send(recipient, finish.id, charge, login).await?;
        Ok(Some(Delivered { oob_code: self.factors.seals.seal_delivery(&sent)?, barcode_uri }))
    }

    /// The login that the first right code finishes: the one that is open, or that of the access token once more.
    fn finish(&self, manager: &Manager) -> Result<Finish, TokenError> {
        match &manager.bearer {
            Bearer::Login(open) => Ok(Finish::of(open.challenge(), None)),
            Bearer::Token(record) => {
                let (version, now) = (manager.user.credential_version.clone(), self.factors.clock.now());
                let new = NewChallenge::of_token(record, &manager.client, &self.audience, version, now);
                let new = new.map_err(unlucky)?;
                let token = self.factors.seals.seal_challenge(&new)?;
                Ok(Finish::of(new.challenge(), Some(token)))
            }
        }
    }
}

impl New<'_> {
    /// Where a code goes. What has no address is reached by the identifier of its authenticator.
    fn contact(&self) -> &str {
        match self.wanted {
            Wanted::Contact(_, contact) => contact,
            Wanted::Otp | Wanted::Device(_) => self.id.as_str(),
        }
    }

    /// The answer to the client.
    fn told(&self, finish: &Finish, delivered: Option<&Delivered>) -> Vec<u8> {
        let mut told = Associated::new(self.wanted.kind());
        if let Some(otp) = &self.otp {
            (told.secret, told.barcode_uri) = (Some(otp.text.as_str()), Some(otp.uri.as_str()));
        }
        if let Some(delivered) = delivered {
            told.oob_code = Some(delivered.oob_code.expose());
            told.barcode_uri = delivered.barcode_uri.as_deref();
        }
        told.recovery_codes =
            self.recovery_codes.as_ref().map(|codes| codes.iter().map(RecoveryCode::expose).collect());
        told.mfa_token = finish.token.as_ref().map(Token::expose);
        told.to_json()
    }
}

fn unlucky(error: RandomnessError) -> TokenError {
    not_kept(BackendError::from(error))
}
