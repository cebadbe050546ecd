//! The identifier of a subject.

use std::borrow::Cow;

use once_cell::race::OnceBox;

use crate::protocol::realm::{Realm, own_id, subject_of_all_realms};

/// The identifier of a subject: as its directory gave it, or with a realm in front.
///
/// The two parts become one text where it is read, and no earlier: what takes a subject often hands it on, or writes the text
/// elsewhere.
pub(super) struct SubjectId {
    own: Cow<'static, str>,
    /// What stands in front, if anything does.
    realm: Realm,
    /// Both, once they were read. One word wide, because a subject is moved often.
    joined: OnceBox<Box<str>>,
}

impl SubjectId {
    /// As a directory gives it.
    #[inline]
    pub(super) fn own(own: Cow<'static, str>) -> Self {
        Self { own, realm: Realm::default(), joined: OnceBox::new() }
    }

    pub(super) fn as_str(&self) -> &str {
        match self.realm.as_deref() {
            None => &self.own,
            Some(realm) => self.joined.get_or_init(|| Box::new(subject_of_all_realms(realm, &self.own).into())),
        }
    }

    /// The text by itself.
    pub(super) fn to_text(&self) -> Cow<'static, str> {
        match self.realm.as_deref() {
            None => self.own.clone(),
            Some(realm) => subject_of_all_realms(realm, &self.own).into(),
        }
    }

    /// Whether it is this text.
    pub(super) fn is(&self, id: &str) -> bool {
        let own = self.realm.as_deref().map_or(Some(id), |realm| own_id(realm, id));
        own == Some(&*self.own)
    }

    /// Puts a realm in front of what it is so far.
    #[inline]
    pub(super) fn put_behind(&mut self, realm: &Realm) {
        if self.realm.as_deref().is_some() {
            *self = Self::own(self.to_text());
        }
        self.realm = realm.clone();
    }
}

/// Joined anew where it is read.
impl Clone for SubjectId {
    #[inline]
    fn clone(&self) -> Self {
        Self { own: self.own.clone(), realm: self.realm.clone(), joined: OnceBox::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is read of an identifier, in each way.
    fn read(id: &SubjectId) -> [String; 4] {
        let all =
            [id.to_text().into_owned(), id.as_str().to_owned(), id.as_str().to_owned(), id.clone().as_str().to_owned()];
        assert!(all.iter().all(|text| id.is(text)));
        all
    }

    #[test]
    fn an_identifier_is_one_text_with_the_realms_that_were_put_in_front_of_it() {
        let (staff, all) = (Realm::new("staff").unwrap(), Realm::new("all").unwrap());
        let mut id = SubjectId::own("17".into());
        assert_eq!(read(&id), ["17"; 4]);
        id.put_behind(&staff);
        assert_eq!(read(&id), ["staff|17"; 4]);
        // Also if it was read before.
        id.put_behind(&all);
        assert_eq!(read(&id), ["all|staff|17"; 4]);
        id.put_behind(&all);
        assert_eq!(id.to_text(), "all|all|staff|17");
    }

    #[test]
    fn an_identifier_is_no_other_text() {
        let mut id = SubjectId::own("17".into());
        assert!(!["staff|17", "|17", "1", "", "171"].iter().any(|other| id.is(other)));
        id.put_behind(&Realm::new("staff").unwrap());
        let others = ["17", "|17", "staff|", "staff|1", "staff|171", "staff17", "Staff|17", "staff|staff|17", ""];
        assert!(!others.iter().any(|other| id.is(other)));
    }

    #[test]
    fn it_is_five_words_at_most() {
        assert!(size_of::<SubjectId>() <= 5 * size_of::<usize>());
    }
}
