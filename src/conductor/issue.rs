//! The tokens of a login: the access token alone, or with the first refresh token of a family.

use std::future::Future;
use std::pin::Pin;

use super::answer::Reply;
use super::failure::Failure;
use super::families::{Beginning, Families, with_refresh_token};
use super::mint::{Minting, Replying};
use super::rungs::Rungs;
use super::second_look::SecondLook;
use super::trail::Trail;
use crate::boundary::ladder::grant::Grant;
use crate::protocol::client::REFRESH_TOKEN;

/// The tokens that are being issued: the access token alone, or with what belongs to it.
enum Begun<'a> {
    Access(Replying<'a>),
    Boxed(Pin<Box<dyn Future<Output = Result<Reply, Failure>> + Send + 'a>>),
}

/// Issues the tokens of a grant, with a refresh token if the client gets any.
// A block, because an async function would hold its arguments twice.
#[inline]
pub(super) fn issue<'a>(
    rungs: &'a Rungs,
    grant: Result<Grant, Failure>,
    trail: &'a mut Trail,
) -> impl Future<Output = Result<Reply, Failure>> + Send + 'a {
    let begun = grant.map(|grant| {
        let families = rungs.families.as_deref().filter(|_| grant.client().allows_grant(REFRESH_TOKEN));
        match families {
            None => match SecondLook::at(&grant, &rungs.users, trail) {
                Some(look) => Begun::Boxed(Box::pin(with_second_look(rungs, grant, look, trail))),
                None => Begun::Access(Replying::with(begin(rungs, grant, trail))),
            },
            Some(families) => Begun::Boxed(Box::pin(with_family(rungs, families, grant, trail))),
        }
    });
    async move {
        match begun? {
            Begun::Access(replying) => replying.await,
            Begun::Boxed(issuing) => issuing.await,
        }
    }
}

/// Begins to issue the access token of a grant, and notes for whom.
#[inline]
pub(super) fn begin<'a>(rungs: &'a Rungs, grant: Grant, trail: &mut Trail) -> Minting<'a> {
    if rungs.auditor.is_observed() {
        trail.issued = Some(Box::new((grant.subject().clone(), grant.scope().clone())));
    }
    rungs.mint.begin(grant)
}

/// The access token of a user who is looked at once more.
async fn with_second_look(
    rungs: &Rungs,
    grant: Grant,
    look: Box<SecondLook>,
    trail: &mut Trail,
) -> Result<Reply, Failure> {
    let minted = begin(rungs, grant, trail).await?;
    if let Err(failure) = look.look(&rungs.users).await {
        // Nobody has got the token, so the refusal stands even if it cannot be ended.
        let _ = rungs.access.end(minted.tokens.access_token().expose()).await;
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

    let look = SecondLook::at(&grant, &rungs.users, trail);
    let (id, digest) = (family.id(), token.digest().clone());
    let mut minted = begin(rungs, grant, trail).await?;
    let access_token = families.take_record(&mut minted.tokens).map_err(Failure::Untried)?;
    minted.tokens = with_refresh_token(minted.tokens, &token).map_err(Failure::Untried)?;
    let reply = minted.reply()?;
    // Nothing is sent that is not kept.
    families.begin(family, digest, now, access_token).await.map_err(Failure::Untried)?;
    if let Some(look) = look
        && let Err(failure) = look.look(&rungs.users).await
    {
        // Nobody has got the tokens, so the refusal stands even if they cannot be ended.
        let _ = families.end(id).await;
        return Err(failure);
    }
    Ok(reply)
}
