//! Whether the write-ahead log that a killed process left behind is whole.
//!
//! SQLite reads it up to the first frame whose checksum does not fit and forgets the rest: that is
//! how a commit looks that a power cut interrupted. The same happens when a byte in the middle was
//! damaged later, and then what is forgotten had been acknowledged. The two can be told apart: a
//! commit is synced before the next one begins, so nothing can follow one that was interrupted.
//! The form of the file: <https://www.sqlite.org/fileformat2.html#the_write_ahead_log>.

use std::fs::File;
use std::io::{self, BufReader, ErrorKind, Read};
use std::path::{Path, PathBuf};

use crate::OpenError;

const HEADER: usize = 32;
const FRAME_HEADER: usize = 24;

/// The two forms of the file: in which byte order the words are that are summed.
const MAGIC_LITTLE: u32 = 0x377f_0682;
const MAGIC_BIG: u32 = 0x377f_0683;

/// Page sizes that SQLite knows.
const PAGE_SIZES: std::ops::RangeInclusive<usize> = 512..=65_536;

type Sum = (u32, u32);

/// Refuses a database whose log was damaged after it was written.
pub(crate) fn refuse_damaged_log(database: &Path) -> Result<(), OpenError> {
    let mut path = database.as_os_str().to_owned();
    path.push("-wal");
    let path = PathBuf::from(path);
    let file = match File::open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(OpenError::at(&path)(error)),
    };
    let is_whole = is_whole(BufReader::with_capacity(1 << 20, file));
    if is_whole.map_err(OpenError::at(&path))? { Ok(()) } else { Err(OpenError::DamagedLog(path)) }
}

/// What matters of a frame.
struct Frame {
    ends_commit: bool,
    salts: (u32, u32),
    /// What the sum may be, including all before it: what the frame says, and what it comes to. One
    /// of the two is still right where the frame's own words about it, or the rest, was damaged.
    sums: [Sum; 2],
    /// Whether they are the same, if the frame before it tells the truth in one of its two.
    fits: bool,
}

/// Whether nothing that was acknowledged stands behind a frame that does not fit.
fn is_whole(mut log: impl Read) -> io::Result<bool> {
    let mut header = [0; HEADER];
    if !fill(&mut log, &mut header)? {
        return Ok(true);
    }
    let [magic, _, page_size, _, salt_1, salt_2, sum_1, sum_2] = words(&header, u32::from_be_bytes);
    let word: fn([u8; 4]) -> u32 =
        if magic == MAGIC_BIG { u32::from_be_bytes } else { u32::from_le_bytes };
    let summed = header.get(..HEADER - 8).unwrap_or_default();
    let header_fits = (magic == MAGIC_LITTLE || magic == MAGIC_BIG)
        && add((0, 0), summed, word) == (sum_1, sum_2);
    // A header that is damaged may not even say how long a page is. Ours never differ.
    let page_size = usize::try_from(page_size).unwrap_or_default();
    let page_size = if PAGE_SIZES.contains(&page_size) && header_fits { page_size } else { 4_096 };
    let mut is_read = header_fits;
    let mut follows_commit = false;
    let mut before = [(sum_1, sum_2), add((0, 0), summed, word)];
    let mut buffer = vec![0; FRAME_HEADER + page_size];
    while fill(&mut log, &mut buffer)? {
        let frame = read_frame(&buffer, before, word);
        before = frame.sums;
        let is_own = frame.fits && (!header_fits || frame.salts == (salt_1, salt_2));
        is_read = is_read && is_own;
        // Frames of an older log stand behind the end of this one; they have other salts.
        if !is_read {
            if is_own && follows_commit {
                return Ok(false);
            }
            // The first frame that does not fit may be the end of a commit itself. Its salts do not
            // matter: if the next one fits it, they were written one after the other.
            follows_commit = frame.ends_commit;
        }
    }
    Ok(true)
}

fn read_frame(buffer: &[u8], before: [Sum; 2], word: fn([u8; 4]) -> u32) -> Frame {
    let (header, page) = buffer.split_at_checked(FRAME_HEADER).unwrap_or_default();
    let [_, pages, salt_1, salt_2, sum_1, sum_2] = words(header, u32::from_be_bytes);
    let after = |before| add(add(before, header.get(..8).unwrap_or_default(), word), page, word);
    let said = (sum_1, sum_2);
    let [one, other] = before;
    let comes_to = after(one);
    let or_to = if one == other { comes_to } else { after(other) };
    Frame {
        ends_commit: pages != 0,
        salts: (salt_1, salt_2),
        sums: [said, comes_to],
        fits: comes_to == said || or_to == said,
    }
}

/// Goes on with a sum over pairs of words.
fn add(mut sum: Sum, bytes: &[u8], word: fn([u8; 4]) -> u32) -> Sum {
    for pair in bytes.chunks_exact(8) {
        let [first, second] = words(pair, word);
        sum.0 = sum.0.wrapping_add(first).wrapping_add(sum.1);
        sum.1 = sum.1.wrapping_add(second).wrapping_add(sum.0);
    }
    sum
}

/// The first words of a piece; zeros where it is shorter.
fn words<const N: usize>(bytes: &[u8], word: fn([u8; 4]) -> u32) -> [u32; N] {
    let mut words = [0; N];
    let (quads, _) = bytes.as_chunks::<4>();
    for (place, quad) in words.iter_mut().zip(quads) {
        *place = word(*quad);
    }
    words
}

/// Reads so many bytes; whether there were that many.
fn fill(from: &mut impl Read, into: &mut [u8]) -> io::Result<bool> {
    match from.read_exact(into) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}
