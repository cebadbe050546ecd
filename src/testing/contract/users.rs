//! The promises of a [`UserStore`], and of one that takes new users.

use super::promise::{Handles, PARALLEL, ROUNDS, answer, broken, must, must_be, new_name, together};
use crate::boundary::provided::is_provided;
use crate::boundary::users::insert::UserInsert;
use crate::boundary::users::login_name::LoginName;
use crate::boundary::users::store::UserStore;
use crate::boundary::users::stored_user::StoredUser;

/// A hash as long as a column must hold.
fn new_hash() -> String {
    const LONGEST: usize = 255;
    let hash = new_name("$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$");
    format!("{hash:A<LONGEST$}")
}

/// Two users with their login names, which are in their canonical form.
pub(super) fn users() -> [(String, StoredUser); 2] {
    [(); 2].map(|()| (new_name("name"), StoredUser::new(new_name("user")).with_password_hash(new_hash())))
}

/// The same, and one of them has a credential version of its own.
pub(super) fn versioned_users() -> [(String, StoredUser); 2] {
    let [plain, (name, user)] = users();
    [plain, (name, user.with_credential_version("7"))]
}

/// Whether the store finds this user by name and by id, and how it was stored.
async fn must_find<S: UserStore>(store: &S, name: &str, user: &StoredUser) {
    let Some(found) = answer(store.find(&LoginName::new(name), None).await) else {
        broken("`find` finds every user by the login name")
    };
    must_be(found.id(), user.id(), "`find` finds the user of this name");
    must_be(found.password_hash(), user.password_hash(), "`find` gives the hash as it was stored, all of it");
    must_be(found.status(), user.status(), "`find` gives the status of the user");
    let by_id = store.find_by_id(user.id(), None);
    if is_provided(&by_id) {
        return;
    }
    let Some(by_id) = answer(by_id.await) else { broken("`find_by_id` finds every user that `find` finds") };
    must_be(by_id.id(), user.id(), "`find_by_id` finds the user of this id");
    let [found, by_id] = [found, by_id].map(StoredUser::into_subject);
    must_be(
        by_id.credential_version(),
        found.credential_version(),
        "`find` and `find_by_id` give the same credential version",
    );
}

pub(super) async fn finds<S: UserStore>(store: S, users: &[(String, StoredUser); 2]) {
    for (name, user) in users {
        must_find(&store, name, user).await;
        for other in [format!("{name}x"), format!("{name}%"), "%".to_owned(), "' OR 1=1 --".to_owned()] {
            let found = answer(store.find(&LoginName::new(&other), None).await);
            must(found.is_none(), "`find` finds nobody by a name that nobody has");
        }
        let by_id = store.find_by_id(name, None);
        if !is_provided(&by_id) {
            must(answer(by_id.await).is_none(), "`find_by_id` finds nobody by a login name");
        }
    }
}

/// The version of this user's credentials, as logins keep it.
async fn version<S: UserStore>(store: &S, name: &str) -> Option<String> {
    let found = answer(store.find(&LoginName::new(name), None).await);
    found.and_then(|user| user.into_subject().credential_version().map(str::to_owned))
}

/// Whether a version that the store was not given follows the hash, where it follows one.
async fn must_follow_hash<S: UserStore>(store: &S, name: &str, user: &StoredUser) {
    let old = user.clone().into_subject();
    must(
        version(store, name).await.as_deref() != old.credential_version(),
        "a credential version that follows the hash is another one with another hash: the store keeps none of its own",
    );
}

pub(super) async fn changes<S: UserStore>(
    store: S,
    users: [(String, StoredUser); 2],
    change: impl AsyncFn(&S, &str, &str),
) {
    for (name, user) in users {
        must_find(&store, &name, &user).await;
        let (before, hash) = (version(&store, &name).await, new_hash());
        change(&store, user.id(), &hash).await;
        must_find(&store, &name, &user.with_password_hash(hash)).await;
        must(version(&store, &name).await != before, "each new password changes the credential version");
    }
}

pub(super) async fn saves<S: UserStore>(store: S, [(name, user), (other_name, other)]: [(String, StoredUser); 2]) {
    let (old, new, third) = (user.password_hash().unwrap_or_default().to_owned(), new_hash(), new_hash());
    must(answer(store.save_hash(user.id(), &old, &new).await), "`save_hash` is true if the hash was the old one");
    let changed = user.clone().with_password_hash(new.clone());
    must_find(&store, &name, &changed).await;
    must_follow_hash(&store, &name, &user).await;
    must_find(&store, &other_name, &other).await;
    for (id, seen) in [(changed.id(), &old), (changed.id(), &third), (&*new_name("user"), &new)] {
        let is_saved = answer(store.save_hash(id, seen, &third).await);
        must(!is_saved, "`save_hash` is false if the user has another hash than the old one, or is not there");
        must_find(&store, &name, &changed).await;
    }
}

pub(super) async fn parallel<S: UserStore>(handles: [S; 2], [(name, user), _]: [(String, StoredUser); 2]) {
    let (handles, id) = (Handles::new(handles), user.id().to_owned());
    let mut old = user.password_hash().unwrap_or_default().to_owned();
    for _ in 0..ROUNDS {
        let calls = (0..PARALLEL).map(|number| {
            let (handles, id, old, new) = (handles.clone(), id.clone(), old.clone(), new_hash());
            async move { answer(handles.get(number).save_hash(&id, &old, &new).await).then_some(new) }
        });
        let saved: Vec<String> = together(calls).await.into_iter().flatten().collect();
        let [new] = saved.as_slice() else {
            broken("of parallel calls of `save_hash` with one old hash exactly one is true")
        };
        for handle in 0..2 {
            must_find(handles.get(handle), &name, &user.clone().with_password_hash(new.clone())).await;
        }
        old.clone_from(new);
    }
}

async fn insert<S: UserInsert>(store: &S, name: &str, user: &StoredUser) -> bool {
    answer(store.insert_user(user, &LoginName::new(name), None).await)
}

pub(super) async fn inserts<S: UserInsert>(store: S, [(name, user), _]: [(String, StoredUser); 2]) {
    let new = |id: String| StoredUser::new(id).with_password_hash(new_hash());
    let (other_name, other) = (new_name("name"), new(new_name("user")));
    must(insert(&store, &other_name, &other).await, "`insert_user` is true if id and name are free");
    must_find(&store, &other_name, &other).await;
    let third = new_name("name");
    for (name, id) in [(&name, new_name("user")), (&third, user.id().to_owned()), (&other_name, other.id().to_owned())]
    {
        let is_added = insert(&store, name, &new(id.clone())).await;
        must(!is_added, "`insert_user` is false if the id or the name is another user's");
        let found = answer(store.find(&LoginName::new(&third), None).await);
        must(found.is_none(), "a user who was not added is found by no name");
    }
    must_find(&store, &name, &user).await;
    must_find(&store, &other_name, &other).await;
    let old = other.password_hash().unwrap_or_default();
    must(answer(store.save_hash(other.id(), old, &new_hash()).await), "`save_hash` takes a user who was added");
    must_follow_hash(&store, &other_name, &other).await;
}

pub(super) async fn inserts_in_parallel<S: UserInsert>(handles: [S; 2]) {
    let handles = Handles::new(handles);
    for _ in 0..ROUNDS {
        let (name, id) = (new_name("name"), new_name("user"));
        let calls = (0..PARALLEL).map(|number| {
            let (handles, name) = (handles.clone(), name.clone());
            let user = StoredUser::new(id.clone()).with_password_hash(new_hash());
            async move { insert(handles.get(number), &name, &user).await.then_some(user) }
        });
        let added: Vec<StoredUser> = together(calls).await.into_iter().flatten().collect();
        let [user] = added.as_slice() else {
            broken("of parallel calls of `insert_user` for one user exactly one is true")
        };
        for handle in 0..2 {
            must_find(handles.get(handle), &name, user).await;
        }
    }
}
