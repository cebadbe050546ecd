//! All locks of a limiter, page by page.

use tower_password_grant::limiter::{ActiveLock, LimiterOperator};

pub async fn locks(limiter: &(impl LimiterOperator + ?Sized)) -> Vec<ActiveLock> {
    let (mut locks, mut after) = (Vec::new(), None);
    loop {
        let page = limiter.locks(after, 100).await.unwrap();
        locks.extend(page.locks);
        after = page.next;
        if after.is_none() {
            return locks;
        }
    }
}
