//! Many uses of one refresh token at once, on the file: one successor, and nobody who is honest is logged out (RF-10, RF-13;
//! T56, T57).

use std::time::Duration;

use tower_password_grant::{
    FamilyId, RefreshFamily, RefreshTokenState, RefreshTokenStore, Rotated, Rotation, SecretDigest,
};

use crate::folder::{Folder, at, digest, family};

const USES: usize = 64;
const ROUNDS: u64 = 1_000;
const LEEWAY: Duration = Duration::from_secs(10);

fn token(round: u64, of: usize) -> SecretDigest {
    digest(&format!("{round}/{of}"))
}

fn salt(of: usize) -> [u8; 32] {
    [u8::try_from(of).unwrap(); 32]
}

fn family_of(round: u64) -> RefreshFamily {
    let mut id = [0; 16];
    id[..8].copy_from_slice(&round.to_be_bytes());
    let like = family(0);
    RefreshFamily::new(FamilyId::from_bytes(id), "alice", like.client().clone(), at(0), at(100_000))
}

async fn live(store: &impl RefreshTokenStore, round: u64) -> Vec<usize> {
    let mut live = Vec::new();
    for of in 0..=USES {
        let found = store.find(&token(round, of)).await.unwrap();
        if found.is_some_and(|found| found.state() == RefreshTokenState::Live) {
            live.push(of);
        }
    }
    live
}

#[tokio::test(flavor = "multi_thread")]
async fn of_64_parallel_refreshes_one_has_a_successor_and_all_others_get_the_same_rf_10_rf_13_t56() {
    let folder = Folder::new();
    let store = folder.store();
    for round in 0..ROUNDS {
        store.begin(family_of(round), token(round, 0), at(0)).await.unwrap();
        let uses: Vec<_> = (1..=USES)
            .map(|of| {
                let store = store.clone();
                let rotation = Rotation::new(token(round, 0), at(1)).with_successor(token(round, of), salt(of));
                tokio::spawn(async move { (of, store.rotate(rotation.with_leeway(LEEWAY)).await.unwrap()) })
            })
            .collect();
        let mut answers = Vec::new();
        for one in uses {
            answers.push(one.await.unwrap());
        }
        let done: Vec<usize> =
            answers.iter().filter(|(_, answer)| *answer == Rotated::Done).map(|(of, _)| *of).collect();
        assert_eq!(done.len(), 1, "round {round}");
        let repeated = Rotated::repeated(salt(done[0]));
        assert!(answers.iter().all(|(of, answer)| *of == done[0] || *answer == repeated), "round {round}");
        if round % 50 == 0 {
            assert_eq!(live(&store, round).await, done, "round {round}: the honest client is logged in, once");
        }
        assert_eq!(
            store.find(&token(round, done[0])).await.unwrap().map(|found| found.state()),
            Some(RefreshTokenState::Live),
            "round {round}"
        );
    }
    let stats = store.stats();
    assert!(stats.commits < stats.operations / 4, "one commit serves many: {stats:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_family_that_is_revoked_while_it_is_used_has_no_live_token_t57() {
    let folder = Folder::new();
    let store = folder.store();
    for round in 0..200 {
        store.begin(family_of(round), token(round, 0), at(0)).await.unwrap();
        let uses: Vec<_> = (1..=16_usize)
            .map(|of| {
                let store = store.clone();
                tokio::spawn(async move {
                    if of == 8 {
                        return store.revoke_family(family_of(round).id()).await.unwrap();
                    }
                    let rotation = Rotation::new(token(round, 0), at(1)).with_successor(token(round, of), salt(of));
                    store.rotate(rotation.with_leeway(LEEWAY)).await.unwrap();
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
