use bytes::Buf;
use zeroize::Zeroize as _;

/// The first buffer's size, unless less is announced: most password requests fit.
const FIRST: usize = 512;

/// Bytes that came from a client, overwritten when they are dropped and when they move to a larger buffer.
///
/// What is reserved follows what was sent, never what was only announced: a client that announces much and sends little
/// holds little. What was never written is not touched at the end either.
#[derive(Default)]
pub(super) struct WipedBytes(Vec<u8>);

impl WipedBytes {
    /// Appends `data`. There will not be more than `most` bytes, as far as is known.
    pub(super) fn append(&mut self, mut data: impl Buf, most: usize) {
        self.make_room(data.remaining(), most);
        while data.has_remaining() {
            let chunk = data.chunk();
            let length = chunk.len();
            // No more than was announced, so that the vector never grows by itself.
            self.make_room(length, most);
            self.0.extend_from_slice(chunk);
            data.advance(length);
        }
    }

    fn make_room(&mut self, more: usize, most: usize) {
        let needed = self.0.len().saturating_add(more);
        if needed > self.0.capacity() {
            // A vector that grows by itself leaves its old buffer unwiped; this one is wiped as it is replaced.
            let mut grown = Vec::with_capacity(needed.saturating_mul(2).max(FIRST).min(most).max(needed));
            grown.extend_from_slice(&self.0);
            *self = Self(grown);
        }
    }

    pub(super) fn as_slice(&self) -> &[u8] {
        &self.0
    }
}

impl AsRef<[u8]> for WipedBytes {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for WipedBytes {
    fn drop(&mut self) {
        // Most bodies come whole, and nothing of them is held here.
        if !self.0.is_empty() {
            self.0.as_mut_slice().zeroize();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn capacity_after(pieces: &[usize], most: usize) -> usize {
        let mut bytes = WipedBytes::default();
        let mut all = Vec::new();
        for (index, length) in pieces.iter().enumerate() {
            let piece = vec![index as u8; *length];
            bytes.append(piece.as_slice(), most);
            all.extend(piece);
        }
        assert_eq!(bytes.as_slice(), all);
        bytes.0.capacity()
    }

    #[test]
    fn room_follows_what_arrived_and_ends_at_what_is_announced() {
        assert_eq!(capacity_after(&[1], 32_768), 512);
        assert_eq!(capacity_after(&[1, 1], 180), 180);
        assert_eq!(capacity_after(&[500, 100], 32_768), 1_000);
        assert_eq!(capacity_after(&[500, 100, 601], 32_768), 2_402);
        assert_eq!(capacity_after(&[500, 100, 601], 1_300), 1_300);
        // An announcement that is wrong changes nothing but the reserve.
        assert_eq!(capacity_after(&[500, 100], 10), 600);
        assert_eq!(capacity_after(&[1; 32_768], 32_768), 32_768);
    }

    #[test]
    fn a_piece_in_several_chunks_is_taken_whole() {
        let mut bytes = WipedBytes::default();
        bytes.append((&b"grant_type="[..]).chain(&b"password"[..]), 64);
        assert_eq!(bytes.as_slice(), b"grant_type=password");
    }
}
