//! How the use of a refresh token is decided and kept: the rules decide, a store keeps, and if another request was first both do
//! it again.

use super::backend::BackendError;
use super::refresh::{NewFamily, RefreshTokenStore, Rotation, StoredFamily};
use crate::protocol::token::family::FamilyId;
use crate::protocol::token::lineage::{Decision, Salt, TokenUse};
use crate::protocol::token::unsaved::UnsavedAccessToken;

/// What became of a use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Used {
    /// The token was live. Its successor is now, or it still is if there is none.
    Done,
    /// The token is the predecessor, within the leeway; its unused successor was derived with this salt.
    Repeated { salt: Salt },
    /// The token was used before: the family was ended by this very use.
    Replayed,
    /// No token of a family that still lives.
    Gone,
}

/// The most turns. A use that loses two of them has the predecessor of a token that was used, which ends the family.
const TURNS: usize = 4;

/// Begins a family, keeps the access token of its login, and answers which other families ended for it.
///
/// # Errors
/// Those of the store; and a fault if the access token came to no store.
pub(crate) async fn begin_family(
    store: &(impl RefreshTokenStore + ?Sized),
    new: NewFamily,
) -> Result<Vec<FamilyId>, BackendError> {
    let access_token = new.access_token.clone();
    let ended = store.begin(new).await?;
    must_be_saved(access_token.as_ref())?;
    Ok(ended)
}

/// Whether a store took the record that went with a step: what lies around the store may have lost it.
fn must_be_saved(access_token: Option<&UnsavedAccessToken>) -> Result<(), BackendError> {
    if access_token.is_none_or(UnsavedAccessToken::is_taken) {
        return Ok(());
    }
    let text = "the refresh token store has the identity of the access token store, and did not save the access token";
    Err(BackendError::fault(text))
}

/// Uses a token of this family, which was found before, and keeps the access token that it gives with it.
///
/// # Errors
/// Those of the store; as if it had too much work, if others keep being first; and a fault if the access token came to no store.
pub(crate) async fn use_token(
    store: &(impl RefreshTokenStore + ?Sized),
    mut found: StoredFamily,
    using: &TokenUse,
    access_token: Option<UnsavedAccessToken>,
) -> Result<Used, BackendError> {
    for _ in 0..TURNS {
        let decision = found.decide(using);
        let StoredFamily { family, lineage, stamp, .. } = found;
        let (used, next) = match decision {
            Some(Decision::Live) => (Used::Done, lineage.after(using)),
            Some(Decision::Repeat { salt, .. }) => (Used::Repeated { salt }, None),
            Some(Decision::Over | Decision::Early) | None => return Ok(Used::Gone),
            Some(Decision::Replay) => {
                // Reported once: the use that ended the family before has reported it.
                let is_first = store.revoke_family(family.id()).await?;
                return Ok(if is_first { Used::Replayed } else { Used::Gone });
            }
        };
        let id = family.id();
        let rotation = Rotation { family: id, seen: stamp, lineage: next, access_token: access_token.clone() };
        if store.rotate(rotation).await? {
            must_be_saved(access_token.as_ref())?;
            return Ok(used);
        }
        found = match store.find(id).await? {
            Some(found) => found,
            None => return Ok(Used::Gone),
        };
    }
    Err(BackendError::unavailable("others keep using the same refresh token"))
}
