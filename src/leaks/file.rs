//! The filter as a file. All numbers are little-endian.
//!
//! | Bytes | What |
//! |---|---|
//! | 8 | `tpgleaks` |
//! | 4 | version, 1 |
//! | 4 | how many passwords |
//! | 8 | the filter's seed |
//! | 4 | length of a segment, S: a power of two |
//! | 4 | length of all segments in which a key may begin, B: a multiple of S |
//! | 2 (B + 2 S) | fingerprints |
//! | 32 | SHA-256 of all that stands before |

use std::io::{ErrorKind, Read, Write};

use sha2::{Digest as _, Sha256};
use xorf::BinaryFuse16;

use super::error::LeakedPasswordsError as Error;

const MAGIC: [u8; 8] = *b"tpgleaks";
const VERSION: u32 = 1;
/// How much is read or written at once, in fingerprints.
const PIECE: usize = 32 * 1024;

/// Writes a filter that was made from so many passwords.
pub(super) fn write(filter: &BinaryFuse16, count: u32, mut sink: impl Write) -> Result<(), Error> {
    let descriptor = &filter.descriptor;
    let mut piece = Vec::with_capacity(PIECE.saturating_mul(2));
    piece.extend_from_slice(&MAGIC);
    piece.extend_from_slice(&VERSION.to_le_bytes());
    piece.extend_from_slice(&count.to_le_bytes());
    piece.extend_from_slice(&descriptor.seed.to_le_bytes());
    piece.extend_from_slice(&descriptor.segment_length.to_le_bytes());
    piece.extend_from_slice(&descriptor.segment_count_length.to_le_bytes());
    let mut checksum = Sha256::new();
    let mut put = |piece: &mut Vec<u8>| {
        checksum.update(&piece);
        sink.write_all(piece)?;
        piece.clear();
        Ok::<_, Error>(())
    };
    put(&mut piece)?;
    for fingerprints in filter.fingerprints.chunks(PIECE) {
        piece.extend(fingerprints.iter().flat_map(|fingerprint| fingerprint.to_le_bytes()));
        put(&mut piece)?;
    }
    sink.write_all(&checksum.finalize())?;
    Ok(sink.flush()?)
}

/// Reads a filter, and how many passwords it was made from.
pub(super) fn read(source: impl Read) -> Result<(BinaryFuse16, u32), Error> {
    let mut source = Source { source, checksum: Sha256::new() };
    // A file that is shorter than the mark is no filter either.
    let magic =
        source.take::<8>().map_err(|error| if matches!(error, Error::Length) { Error::NotAFilter } else { error });
    if magic? != MAGIC {
        return Err(Error::NotAFilter);
    }
    let version = source.number()?;
    if version != VERSION {
        return Err(Error::Version(version));
    }
    let count = source.number()?;
    let seed = u64::from_le_bytes(source.take()?);
    let (segment, begins) = (source.number()?, source.number()?);
    let length = length(segment, begins, count).ok_or(Error::Damaged)?;

    let fingerprints = source.fingerprints(length)?;
    let found = source.checksum.clone().finalize();
    if source.take::<32>()?[..] != found[..] {
        return Err(Error::Damaged);
    }
    if source.read_some(&mut [0])? != 0 {
        return Err(Error::Length);
    }
    // The type of the descriptor has no public name, so it is taken from a filter of nothing.
    let mut filter = BinaryFuse16::try_from(Vec::new()).map_err(|_| Error::Construction)?;
    filter.descriptor.seed = seed;
    filter.descriptor.segment_length = segment;
    filter.descriptor.segment_length_mask = segment.saturating_sub(1);
    filter.descriptor.segment_count_length = begins;
    filter.fingerprints = fingerprints.into();
    Ok((filter, count))
}

/// How many fingerprints such a filter has; `None` if there can be none such.
///
/// A look-up begins somewhere within `begins`, goes on in the next segment and ends in the one after it, and within a
/// segment it flips the bits below the segment's length. So no look-up leaves the fingerprints exactly if the length of a
/// segment is a power of two, segments fill `begins` without a rest, and two more segments follow. The constructor makes no
/// others.
fn length(segment: u32, begins: u32, count: u32) -> Option<usize> {
    let is_whole = segment.is_power_of_two() && begins.checked_rem(segment) == Some(0) && begins > 0;
    let length = segment.checked_mul(2)?.checked_add(begins)?;
    // Each password needs a fingerprint of its own.
    (is_whole && (1..=length).contains(&count)).then(|| usize::try_from(length).ok())?
}

/// Reads and sums up.
struct Source<R> {
    source: R,
    checksum: Sha256,
}

impl<R: Read> Source<R> {
    /// Reads as `Read` does, but is never interrupted.
    fn read_some(&mut self, room: &mut [u8]) -> Result<usize, Error> {
        loop {
            match self.source.read(room) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                other => return Ok(other?),
            }
        }
    }

    fn fill(&mut self, room: &mut [u8]) -> Result<(), Error> {
        let read = self.source.read_exact(room);
        read.map_err(|error| if error.kind() == ErrorKind::UnexpectedEof { Error::Length } else { error.into() })?;
        self.checksum.update(&*room);
        Ok(())
    }

    fn take<const N: usize>(&mut self) -> Result<[u8; N], Error> {
        let mut bytes = [0; N];
        self.fill(&mut bytes)?;
        Ok(bytes)
    }

    fn number(&mut self) -> Result<u32, Error> {
        self.take().map(u32::from_le_bytes)
    }

    /// So many fingerprints. Room is made as they arrive, so that a short file cannot ask for much.
    fn fingerprints(&mut self, length: usize) -> Result<Vec<u16>, Error> {
        let mut fingerprints = Vec::new();
        let mut piece = vec![0; PIECE.min(length).saturating_mul(2)];
        while fingerprints.len() < length {
            let missing = length.saturating_sub(fingerprints.len());
            let room = piece.get_mut(..missing.min(PIECE).saturating_mul(2)).unwrap_or_default();
            self.fill(room)?;
            let (pairs, _) = room.as_chunks();
            if missing <= fingerprints.len() {
                // More than half has arrived: no more room than needed.
                fingerprints.reserve_exact(missing);
            }
            fingerprints.extend(pairs.iter().copied().map(u16::from_le_bytes));
        }
        Ok(fingerprints)
    }
}
