//! The realms of a registration: of which directories the users of a client may be.

use crate::protocol::realm::{Realm, RealmError};

/// The realms that a client lists, the default first. The users of a client that lists none are of no realm.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct OwnRealms(Vec<Realm>);

impl OwnRealms {
    /// A list of at least one, each of another name.
    pub(crate) fn new<S: AsRef<str>>(names: impl IntoIterator<Item = S>) -> Result<Self, RealmError> {
        let mut realms = Vec::new();
        for name in names {
            let name = name.as_ref();
            let realm = Realm::new(name)?;
            if realms.contains(&realm) {
                return Err(RealmError::Twice(name.to_owned()));
            }
            realms.push(realm);
        }
        if realms.is_empty() { Err(RealmError::Empty) } else { Ok(Self(realms)) }
    }

    /// A list as it was kept. Its names were fit when it was written, by the rules of then.
    pub(crate) fn kept(names: &[String]) -> Self {
        Self(names.iter().map(|name| Realm::kept(name)).collect())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(Realm::as_deref)
    }

    /// The realm of a login that asks for this one, if it is listed; of one that asks for none the default.
    #[inline]
    pub(crate) fn choose(&self, requested: Option<&str>) -> Option<Realm> {
        match requested {
            Some(name) => self.0.iter().find(|realm| realm.is_named(name)).cloned(),
            None => Some(self.0.first().cloned().unwrap_or_default()),
        }
    }

    /// The realm of what was given before, if it is listed still.
    pub(crate) fn find(&self, realm: Option<&str>) -> Option<Realm> {
        match realm {
            None => self.is_empty().then(Realm::default),
            named => self.choose(named),
        }
    }
}
