//! The tokens of a login: the access token alone, or with the first refresh token of a family.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use super::mint::Replying;
use super::rungs::{Parts, Rungs};
use super::second_look::SecondLook;
use crate::boundary::ladder::grant::Grant;
use crate::conductor::answer::Reply;
use crate::conductor::failure::Failure;
use crate::conductor::families::{Beginning, Families, with_refresh_token};
use crate::conductor::trail::Trail;
use crate::observe::patience::answered;
use crate::protocol::client::policy;

/// The answer with tokens whose issue has begun. `Err` holds what is being issued, if that is not there at once.
pub(super) type Begun<'a> = Result<Result<Reply, Failure>, Issuing<'a>>;

/// Begins to issue the tokens of a grant, with a refresh token if the client gets any.
#[inline]
pub(super) fn issue<'a>(rungs: &'a Rungs, grant: Grant, trail: &'a mut Trail) -> Begun<'a> {
    let Parts { users, mint, .. } = &rungs.parts;
    match families_of(rungs, &grant) {
        None => match SecondLook::at(&grant, users, trail) {
            Some(look) => Err(Issuing::later(with_second_look(rungs, grant, look, trail))),
            None => {
                rungs.note_issued(&grant, trail);
                mint.begin_alone(grant).map_err(Issuing::Access)
            }
        },
        Some(families) => Err(Issuing::later(with_family(rungs, families, grant, trail))),
    }
}

/// The same within a future that has its place already.
pub(super) async fn issue_in_place(rungs: &Rungs, grant: Grant, trail: &mut Trail) -> Result<Reply, Failure> {
    match families_of(rungs, &grant) {
        Some(families) => with_family(rungs, families, grant, trail).await,
        None => answered!(issue(rungs, grant, trail)),
    }
}

/// The families, if a new one begins with the grant.
#[inline]
fn families_of<'a>(rungs: &'a Rungs, grant: &Grant) -> Option<&'a Families> {
    let Parts { families, rules, .. } = &rungs.parts;
    let begins_family = |_: &&Families| {
        policy::begins_family(grant.client(), grant.family_scope(), grant.audience(), rules)
            && grant.has_time_for_family()
    };
    families.as_deref().filter(begins_family)
}

/// The tokens of a login that are being issued. A named type, because an async function would hold what it waits for twice.
pub(super) enum Issuing<'a> {
    /// The access token alone.
    Access(Replying<'a>),
    /// With what belongs to it.
    Boxed(Pin<Box<dyn Future<Output = Result<Reply, Failure>> + Send + 'a>>),
}

impl<'a> Issuing<'a> {
    /// Issues what takes more than one step.
    pub(super) fn later(issuing: impl Future<Output = Result<Reply, Failure>> + Send + 'a) -> Self {
        Self::Boxed(Box::pin(issuing))
    }
}

impl Future for Issuing<'_> {
    type Output = Result<Reply, Failure>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut *self {
            Self::Access(replying) => Pin::new(replying).poll(cx),
            Self::Boxed(issuing) => issuing.as_mut().poll(cx),
        }
    }
}

/// The access token of a user who is looked at once more.
async fn with_second_look(
    rungs: &Rungs,
    grant: Grant,
    look: Box<SecondLook>,
    trail: &mut Trail,
) -> Result<Reply, Failure> {
    let minted = rungs.mint(grant, trail).await?;
    if let Err(failure) = look.look(&rungs.parts.users).await {
        // Nobody has got the token, so the refusal stands even if it cannot be ended.
        let _ = rungs.parts.access.end(minted.tokens.access_token().expose()).await;
        return Err(failure);
    }
    minted.reply()
}

/// The tokens of a login that begins a family.
async fn with_family(
    rungs: &Rungs,
    families: &Families,
    mut grant: Grant,
    trail: &mut Trail,
) -> Result<Reply, Failure> {
    let now = grant.issued_at();
    let Beginning { family, token } = families.draw(&mut grant).map_err(Failure::Untried)?;
    families.leave_record(&mut grant);
    trail.family = Some(family.clone());

    let users = &rungs.parts.users;
    let look = SecondLook::at(&grant, users, trail);
    let (id, digest) = (family.id(), token.digest().clone());
    let mut minted = rungs.mint(grant, trail).await?;
    let access_token = families.take_record(&mut minted.tokens).map_err(Failure::Untried)?;
    minted.tokens = with_refresh_token(minted.tokens, &token).map_err(Failure::Untried)?;
    let reply = minted.reply()?;
    // Nothing is sent that is not kept.
    families.begin(family, digest, now, access_token).await.map_err(Failure::Untried)?;
    if let Some(look) = look
        && let Err(failure) = look.look(users).await
    {
        // Nobody has got the tokens, so the refusal stands even if they cannot be ended.
        let _ = families.end(id).await;
        return Err(failure);
    }
    Ok(reply)
}
