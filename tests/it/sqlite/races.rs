//! Many uses of one refresh token at once, on the file: one successor, and nobody who is honest is logged out (RF-10, RF-13;
//! T56, T57).

use std::time::Duration;

use tower_password_grant::store::{FamilyId, RefreshFamily, RefreshTokenStore, SecretDigest};
use tower_password_grant::testing::{RefreshTokenUse, TokenState, TokenUsed, begin_family, token_state};

use crate::support::counts::count;
use crate::support::folder::{Folder, at, digest, family};
use crate::support::spawn;

const USES: usize = 64;
const LEEWAY: Duration = Duration::from_secs(10);

fn token(of: usize) -> SecretDigest {
    digest(&of.to_string())
}

fn salt(of: usize) -> [u8; 32] {
    [u8::try_from(of).unwrap(); 32]
}

fn id(round: u64) -> FamilyId {
    FamilyId::from_bytes(u128::from(round).to_be_bytes())
}

fn family_of(round: u64) -> RefreshFamily {
    RefreshFamily::new(id(round), "alice", family(0).client().clone(), at(0), at(100_000))
}

/// A use of the first token, with a successor of its own.
fn using(round: u64, of: usize) -> RefreshTokenUse {
    RefreshTokenUse::new(id(round), token(0), at(1)).with_successor(token(of), salt(of)).with_leeway(LEEWAY)
}

async fn live(store: &impl RefreshTokenStore, round: u64) -> Vec<usize> {
    let mut live = Vec::new();
    for of in 0..=USES {
        let (state, _) = token_state(store, id(round), &token(of)).await.unwrap().unwrap();
        if state == TokenState::Live {
            live.push(of);
        }
    }
    live
}

#[tokio::test(flavor = "multi_thread")]
async fn of_64_parallel_refreshes_one_has_a_successor_and_all_others_get_the_same_rf_10_rf_13_t56() {
    let folder = Folder::new();
    let store = folder.store();
    for round in 0..count(1_000) as u64 {
        begin_family(&store, family_of(round), &token(0), at(0)).await.unwrap();
        let uses: Vec<_> = (1..=USES)
            .map(|of| {
                let store = store.clone();
                spawn(async move { (of, using(round, of).by(&store).await.unwrap()) })
            })
            .collect();
        let mut answers = Vec::new();
        for one in uses {
            answers.push(one.await.unwrap());
        }
        let done: Vec<usize> =
            answers.iter().filter(|(_, answer)| *answer == TokenUsed::Done).map(|(of, _)| *of).collect();
        assert_eq!(done.len(), 1, "round {round}");
        let repeated = TokenUsed::Repeated { salt: salt(done[0]) };
        assert!(answers.iter().all(|(of, answer)| *of == done[0] || *answer == repeated), "round {round}");
        if round % 50 == 0 {
            assert_eq!(live(&store, round).await, done, "round {round}: the honest client is logged in, once");
        }
        let (state, _) = token_state(&store, id(round), &token(done[0])).await.unwrap().unwrap();
        assert_eq!(state, TokenState::Live, "round {round}");
    }
    let stats = store.stats();
    assert!(stats.commits < stats.operations / 4, "one commit serves many: {stats:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_family_that_is_revoked_while_it_is_used_has_no_live_token_t57() {
    let folder = Folder::new();
    let store = folder.store();
    for round in 0..200 {
        begin_family(&store, family_of(round), &token(0), at(0)).await.unwrap();
        let uses: Vec<_> = (1..=16_usize)
            .map(|of| {
                let store = store.clone();
                spawn(async move {
                    if of == 8 {
                        return store.revoke_family(id(round)).await.unwrap();
                    }
                    using(round, of).by(&store).await.unwrap();
                    false
                })
            })
            .collect();
        let mut ended = 0;
        for one in uses {
            ended += u32::from(one.await.unwrap());
        }
        assert_eq!(ended, 1, "round {round}");
        assert_eq!(live(&store, round).await, [0_usize; 0], "round {round}");
    }
}
