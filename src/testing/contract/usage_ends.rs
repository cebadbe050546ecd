//! The promises of a [`UsageStore`]: what is forgotten, what is recorded at the same time, and what nobody got an answer for.
//!
//! [`UsageStore`]: crate::boundary::usage::UsageStore

use super::promise::{PARALLEL, answer, give_up, must_be, new_name, together};
use super::usage::{Scene, TODAY, by_password, elsewhere, month};
use crate::protocol::usage::day::{Day, DayRange};
use crate::protocol::usage::row::UsageBatch;
use crate::protocol::usage::tally::ClientUsage;

/// A subject is forgotten everywhere, and nobody else is.
pub(super) async fn forgotten(scene: Scene) {
    let (gone, other) = (new_name("gone"), scene.another());
    let stays = [gone.to_uppercase(), format!("{gone} "), format!("{gone}x"), format!("realm|{gone}")];
    for scene in [&scene, &other] {
        scene
            .record(
                [None, Some("realm"), Some("other")].map(|realm| scene.row(realm, &gone, by_password(TODAY, TODAY))),
            )
            .await;
        scene.record([scene.row(None, &gone, elsewhere(TODAY))]).await;
        scene.record(stays.each_ref().map(|name| scene.row(None, name, by_password(TODAY, TODAY)))).await;
        scene.count([scene.logins(TODAY, 1, 9)]).await;
    }
    let rows = answer(scene.store(0).forget(&gone).await);
    must_be(rows, 8, "`forget` answers how many rows went, in all clients and realms");
    for scene in [&scene, &other] {
        let seen = scene.report(month()).await.map(|usage| (usage.users, usage.only_by_password));
        must_be(seen, Some((4, 4)), "`forget` removes the rows of the subject in each client and realm, and no others");
        must_be(scene.logins_in(month()).await, 9, "`forget` leaves the numbers of logins");
    }
    must_be(answer(scene.store(1).forget(&gone).await), 0, "`forget` answers 0 where nothing is");
    scene.record([scene.row(None, &gone, by_password(TODAY, TODAY))]).await;
    let seen = scene.report(month()).await.map(|usage| usage.users);
    must_be(seen, Some(5), "who logs in again after `forget` is noted again");
}

/// What is over is forgotten, and nothing else is. Its days are those of no other scene.
pub(super) async fn pruned(scene: Scene) {
    let limit = Day::from_number(1_000);
    let (over, edge) = (limit.before(1), limit);
    let rows = [
        ("over", by_password(over, over)),
        ("over-2", by_password(limit.before(9), over).with_refreshed(Some(over)).with_families_end(Some(over))),
        ("edge", by_password(limit.before(9), edge)),
        ("refreshed", by_password(over, over).with_refreshed(Some(edge))),
        ("family", by_password(over, over).with_families_end(Some(edge))),
    ];
    scene.record(rows.map(|(subject, usage)| scene.row(None, subject, usage))).await;
    scene.count([scene.logins(over, 1, 3), scene.logins(edge, 1, 5)]).await;
    let window = DayRange::new(limit.before(100), limit.after(100));
    must_be(answer(scene.store(0).prune(limit.before(100)).await), 0, "`prune` forgets only what is over");
    must_be(answer(scene.store(0).prune(limit).await), 3, "`prune` answers how many rows and counts went");
    let seen = scene.report(window).await.map(|usage| usage.users);
    must_be(seen, Some(3), "`prune` keeps a row whose last login, refresh or end of families is not before the day");
    must_be(scene.logins_in(window).await, 5, "`prune` forgets the counts of days before the day, and no others");
    must_be(answer(scene.store(1).prune(limit).await), 0, "`prune` answers 0 where nothing is over");
}

/// Writers at the same time.
pub(super) async fn parallel(scene: Scene) {
    let calls = (0..PARALLEL).map(|number| {
        let scene = scene.clone();
        async move {
            let day = TODAY.before(u32::try_from(number % 30).unwrap_or_default());
            let own = scene.row(None, &format!("own-{number}"), by_password(day, day));
            let shared = scene.row(None, "shared", by_password(day, day).with_refreshed(Some(day)));
            let counts = vec![scene.logins(TODAY, number as u64, 1), scene.logins(TODAY, 1_000_000, number as u64)];
            answer(scene.store(number).record(UsageBatch::new(vec![own, shared], counts)).await);
        }
    });
    together(calls).await;
    let all = PARALLEL as u64;
    let promise = "nothing is lost of what is recorded at the same time";
    must_be(scene.report(month()).await.map(|usage| usage.users), Some(all.saturating_add(1)), promise);
    let shared = scene.stayers(1_000).await.into_iter().find(|user| &*user.subject == "shared");
    must_be(shared.map(|user| (user.last_login, user.last_refresh)), Some((Some(TODAY), Some(TODAY))), promise);
    // Each call has a login of its own, and the last one has the highest number of what one writer counts.
    must_be(scene.logins_in(month()).await, all.saturating_add(all).saturating_sub(1), promise);
}

/// A batch whose answer nobody got is recorded again.
pub(super) async fn lost_answers(scene: Scene) {
    for polls in 0..20 {
        let scene = scene.another();
        let rows = (0..3).map(|number| scene.row(None, &format!("user-{number}"), by_password(TODAY, TODAY))).collect();
        let batch = UsageBatch::new(rows, vec![scene.logins(TODAY, 1, 3)]);
        give_up(scene.store(0).record(batch.clone()), polls).await;
        // All of it, or nothing: in one report, as what was given up may be done at any time.
        let logins = |usage: &ClientUsage| usage.ways.iter().map(|way| way.logins).sum::<u64>();
        let seen = scene.report(month()).await.map(|usage| (usage.users, logins(&usage)));
        let is_whole = [None, Some((3, 3))].contains(&seen);
        super::promise::must(is_whole, "a batch is recorded as a whole or not at all");
        answer(scene.store(1).record(batch).await);
        let seen = scene.report(month()).await.map(|usage| usage.users);
        let promise = "a batch that is recorded again changes nothing";
        must_be((seen, scene.logins_in(month()).await), (Some(3), 3), promise);
    }
}
