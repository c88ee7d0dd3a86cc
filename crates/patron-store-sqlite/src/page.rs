//! A page of the database as bytes: which of them mean something, and whether all others are zero.
//!
//! SQLite overwrites what is deleted (`secure_delete`), but where it moves rows between pages it leaves the old
//! copies behind the new order of a page, in bytes that mean nothing any more: a row that is deleted later has
//! copies there that nobody finds. The form of a page: <https://www.sqlite.org/fileformat2.html#b_tree_pages>.

use std::ops::Range;

/// What a look at a page shows.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Look {
    /// It is no page of a tree: what is free or overflows is overwritten by SQLite itself.
    NoTree,
    /// Every byte that means nothing is zero.
    Clean,
    /// Some are not. With them overwritten it is this.
    Unclean(Vec<u8>),
    /// It says of itself that it is a page of a tree, and makes no sense as one.
    Unsound,
}

/// Looks at the page with this number; `usable` is how much of it SQLite uses.
pub(crate) fn look(number: u32, page: &[u8], usable: usize) -> Look {
    let header = if number == 1 { DATABASE_HEADER } else { 0 };
    let Some(kind) = page.get(header).copied().and_then(Kind::from_code) else {
        return Look::NoTree;
    };
    let meaningless =
        page.get(..usable).and_then(|bytes| Tree { bytes, header, kind }.meaningless());
    match meaningless {
        None => Look::Unsound,
        Some(stretches) => overwritten(page, &stretches).map_or(Look::Clean, Look::Unclean),
    }
}

/// The page with these stretches overwritten, unless they are zero already.
fn overwritten(page: &[u8], stretches: &[Range<usize>]) -> Option<Vec<u8>> {
    let is_zero = |stretch: &Range<usize>| {
        page.get(stretch.clone()).is_some_and(|bytes| bytes.iter().all(|byte| *byte == 0))
    };
    if stretches.iter().all(is_zero) {
        return None;
    }
    let mut page = page.to_vec();
    for stretch in stretches {
        if let Some(bytes) = page.get_mut(stretch.clone()) {
            bytes.fill(0);
        }
    }
    Some(page)
}

/// How long the header of the database is, which stands before that of the first page.
const DATABASE_HEADER: usize = 100;

/// What kind of page of a tree it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    IndexInterior,
    TableInterior,
    IndexLeaf,
    TableLeaf,
}

impl Kind {
    const fn from_code(code: u8) -> Option<Self> {
        match code {
            0x02 => Some(Self::IndexInterior),
            0x05 => Some(Self::TableInterior),
            0x0a => Some(Self::IndexLeaf),
            0x0d => Some(Self::TableLeaf),
            _ => None,
        }
    }

    const fn header_length(self) -> usize {
        match self {
            Self::IndexInterior | Self::TableInterior => 12,
            Self::IndexLeaf | Self::TableLeaf => 8,
        }
    }
}

/// A page of a tree, as far as SQLite uses it.
struct Tree<'p> {
    bytes: &'p [u8],
    header: usize,
    kind: Kind,
}

/// The least room that SQLite gives a cell or a free block.
const LEAST: usize = 4;

impl Tree<'_> {
    /// The stretches that mean nothing, in order; `None` when the page does not account for its every byte.
    fn meaningless(&self) -> Option<Vec<Range<usize>>> {
        let usable = self.bytes.len();
        let cells = usize::from(self.short(self.header + 3)?);
        let pointers = self.header + self.kind.header_length();
        let behind_pointers = pointers.checked_add(cells.checked_mul(2)?)?;
        let content = match usize::from(self.short(self.header + 5)?) {
            0 => 65_536,
            content => content,
        };
        if behind_pointers > content || content > usable {
            return None;
        }
        // What is in use behind there, and how much of each stretch has a meaning.
        let mut used = Vec::with_capacity(cells.saturating_add(8));
        for cell in 0..cells {
            let at = usize::from(self.short(pointers + 2 * cell)?);
            let size = self.cell_size(at)?;
            used.push((at..at.checked_add(size)?, size));
        }
        self.put_free_blocks(&mut used)?;
        used.sort_unstable_by_key(|(stretch, _)| stretch.start);
        let mut meaningless = Vec::with_capacity(used.len().saturating_add(2));
        meaningless.push(behind_pointers..content);
        let mut fragments = 0;
        let mut end = content;
        for (stretch, meaning) in used {
            fragments += stretch.start.checked_sub(end)?;
            meaningless.push(end..stretch.start);
            meaningless.push(stretch.start.checked_add(meaning)?..stretch.end);
            end = stretch.end;
        }
        fragments += usable.checked_sub(end)?;
        meaningless.push(end..usable);
        let said = usize::from(*self.bytes.get(self.header + 7)?);
        (fragments == said).then_some(meaningless)
    }

    /// Puts the free blocks among what is in use, as they are: of each the first bytes have a meaning.
    fn put_free_blocks(&self, used: &mut Vec<(Range<usize>, usize)>) -> Option<()> {
        let mut next = usize::from(self.short(self.header + 1)?);
        let mut end = 0;
        while next != 0 {
            let size = usize::from(self.short(next.checked_add(2)?)?);
            if next < end || size < LEAST {
                return None;
            }
            end = next.checked_add(size)?;
            used.push((next..end, LEAST));
            next = usize::from(self.short(next)?);
        }
        Some(())
    }

    /// How long the cell at this place is.
    fn cell_size(&self, at: usize) -> Option<usize> {
        let usable = self.bytes.len();
        let index_max = (usable.checked_sub(12)? * 64 / 255).checked_sub(23)?;
        let size = match self.kind {
            Kind::TableInterior => 4 + self.number(at.checked_add(4)?)?.1,
            Kind::IndexInterior => {
                let (payload, length) = self.number(at.checked_add(4)?)?;
                4 + length + self.local(payload, index_max)?
            }
            Kind::IndexLeaf => {
                let (payload, length) = self.number(at)?;
                length + self.local(payload, index_max)?
            }
            Kind::TableLeaf => {
                let (payload, length) = self.number(at)?;
                let (_, row_length) = self.number(at.checked_add(length)?)?;
                length + row_length + self.local(payload, usable.checked_sub(35)?)?
            }
        };
        Some(size.max(LEAST))
    }

    /// How much of a payload stands on this page, with the number of the page where it goes on.
    fn local(&self, payload: u64, max: usize) -> Option<usize> {
        let usable = self.bytes.len();
        let payload = usize::try_from(payload).ok()?;
        if payload <= max {
            return Some(payload);
        }
        let min = (usable.checked_sub(12)? * 32 / 255).checked_sub(23)?;
        let rest = payload.checked_sub(min)?.checked_rem(usable.checked_sub(4)?)?;
        let whole = min.checked_add(rest)?;
        Some(4 + if whole <= max { whole } else { min })
    }

    /// The number of variable length at this place, and its length.
    fn number(&self, at: usize) -> Option<(u64, usize)> {
        let mut number = 0_u64;
        for length in 1..=8 {
            let byte = *self.bytes.get(at.checked_add(length - 1)?)?;
            number = number << 7 | u64::from(byte & 0x7f);
            if byte < 0x80 {
                return Some((number, length));
            }
        }
        let last = *self.bytes.get(at.checked_add(8)?)?;
        Some((number << 8 | u64::from(last), 9))
    }

    fn short(&self, at: usize) -> Option<u16> {
        let bytes = self.bytes.get(at..at.checked_add(2)?)?;
        bytes.try_into().ok().map(u16::from_be_bytes)
    }
}

#[cfg(test)]
mod tests;
