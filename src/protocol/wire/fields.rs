//! The fields of a form that the endpoint does not know.

use super::texts::Span;

/// Where the name and the value of a field lie.
pub(crate) type Field = (Span, Span);

/// Fields in the order they were sent. One costs no allocation, because few requests have a second.
///
/// No larger than a vector: the future of every request holds some.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Fields {
    #[default]
    None,
    One(Field),
    Many(Vec<Field>),
}

impl Fields {
    #[inline]
    pub(crate) fn push(&mut self, field: Field) {
        match self {
            Self::None => *self = Self::One(field),
            _ => self.push_more(field),
        }
    }

    #[inline(never)]
    fn push_more(&mut self, field: Field) {
        match self {
            Self::None => *self = Self::One(field),
            Self::One(first) => *self = Self::Many(vec![*first, field]),
            Self::Many(fields) => fields.push(field),
        }
    }

    /// Takes the others out.
    // Within its callers, which give a constant name, that is compared without a call.
    #[inline(always)]
    pub(crate) fn retain(&mut self, keeps: impl Fn(&Field) -> bool) {
        match self {
            Self::None => {}
            Self::One(field) => {
                if !keeps(field) {
                    *self = Self::None;
                }
            }
            Self::Many(fields) => fields.retain(keeps),
        }
    }

    #[inline]
    pub(crate) fn as_slice(&self) -> &[Field] {
        match self {
            Self::None => &[],
            Self::One(field) => std::slice::from_ref(field),
            Self::Many(fields) => fields,
        }
    }
}

impl FromIterator<Field> for Fields {
    fn from_iter<I: IntoIterator<Item = Field>>(fields: I) -> Self {
        let mut all = Self::None;
        fields.into_iter().for_each(|field| all.push(field));
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(at: u32) -> Field {
        (Span::new(at, at + 1), Span::new(at + 2, at + 3))
    }

    #[test]
    fn fields_keep_their_order_however_many_there_are() {
        for count in 0..5 {
            let sent: Vec<Field> = (0..count).map(field).collect();
            assert_eq!(sent.iter().copied().collect::<Fields>().as_slice(), sent);
        }
    }

    #[test]
    fn fields_that_are_taken_out_leave_the_others() {
        for count in 0..5 {
            for out in 0..5 {
                let mut fields: Fields = (0..count).map(field).collect();
                fields.retain(|one| *one != field(out));
                let left: Vec<Field> = (0..count).filter(|at| *at != out).map(field).collect();
                assert_eq!(fields.as_slice(), left, "{out} of {count}");
            }
        }
    }

    #[test]
    fn they_are_no_larger_than_a_vector() {
        assert_eq!(size_of::<Fields>(), size_of::<Vec<Field>>());
    }
}
