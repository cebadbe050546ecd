//! One wiped buffer for every decoded text of a request.

use crate::protocol::wiped::Wiped;

/// The decoded texts of one request, back to back, overwritten when dropped.
///
/// One buffer of known size is never reallocated, so no copy of a password is left behind on the heap, and a request
/// costs one allocation however many parameters it has.
#[derive(Default)]
pub(crate) struct Texts {
    buffer: Wiped<String>,
}

/// Where one text lies in [`Texts`]. Half as large as a range, because a request holds many for as long as it lasts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Span {
    start: u32,
    end: u32,
}

impl Span {
    #[inline]
    pub(crate) const fn new(start: u32, end: u32) -> Self {
        Self { start, end }
    }

    /// What lies before and behind the byte that lies `length` behind its start.
    pub(crate) fn split_around(self, length: usize) -> (Self, Self) {
        let middle = self.start.saturating_add(u32::try_from(length).unwrap_or(u32::MAX));
        let before = Self::new(self.start, middle);
        (before, Self { start: before.end.saturating_add(1).min(self.end), end: self.end })
    }

    /// What lies there.
    #[inline]
    pub(crate) fn of(self, text: &str) -> &str {
        text.get(self.start as usize..self.end as usize).unwrap_or_default()
    }

    pub(crate) fn len(self) -> usize {
        self.end.saturating_sub(self.start) as usize
    }

    pub(crate) fn is_empty(self) -> bool {
        self.len() == 0
    }
}

impl Texts {
    pub(crate) fn with_capacity(capacity: usize) -> Self {
        Self { buffer: Wiped::new(String::with_capacity(capacity)) }
    }

    pub(crate) fn push(&mut self, text: &str) -> Span {
        let start = self.end();
        self.append(text);
        self.span_from(start)
    }

    /// Where the next text will start. Texts beyond 4 GiB would be cut to nothing, never mixed up; no request is that long.
    pub(crate) fn end(&self) -> u32 {
        u32::try_from(self.buffer.len()).unwrap_or(u32::MAX)
    }

    /// Everything that was appended since the texts ended at `start`.
    pub(crate) fn span_from(&self, start: u32) -> Span {
        Span { start, end: self.end() }
    }

    pub(crate) fn append(&mut self, text: &str) {
        let start = self.buffer.len();
        if self.buffer.capacity().saturating_sub(start) < text.len() {
            // Growing in place would leave the old buffer unwiped.
            let mut grown = Wiped::new(String::with_capacity(start.saturating_add(text.len()).saturating_mul(2)));
            grown.push_str(&self.buffer);
            self.buffer = grown;
        }
        self.buffer.push_str(text);
    }

    /// The same texts once more, wiped like these. Each span is good for both.
    pub(crate) fn duplicate(&self) -> Self {
        let mut texts = Self::with_capacity(self.buffer.len());
        texts.append(&self.buffer);
        texts
    }

    /// Whether this text lies there, which is seen by its bytes.
    #[inline]
    pub(crate) fn is_at(&self, span: Span, text: &str) -> bool {
        self.buffer.as_bytes().get(span.start as usize..span.end as usize) == Some(text.as_bytes())
    }

    #[inline]
    pub(crate) fn get(&self, span: Span) -> &str {
        span.of(&self.buffer)
    }
}
