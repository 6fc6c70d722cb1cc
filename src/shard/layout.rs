//! The numbers of the format, as `docs/FORMAT.md` states them. Every integer is little-endian.

/// A skippable frame starts with its magic number and the length of what follows (RFC 8878, 3.1.2).
pub(super) const SKIPPABLE_HEADER: usize = 8;

/// The skippable frame that holds the index.
pub(super) const INDEX_MAGIC: u32 = 0x184D_2A5D;
/// The index's own first bytes, because any program may use a skippable frame for anything.
pub(super) const INDEX_TAG: [u8; 4] = *b"RDIX";
/// The version of the index.
pub(super) const INDEX_VERSION: u32 = 1;
/// Tag, version, number of students.
pub(super) const INDEX_HEADER: usize = 12;
/// Per student: id (4), offset of the frame (4), hash of the frame (8). An entry and the next one's offset
/// mostly share a cache line, which is what a look-up in cold memory costs.
pub(super) const INDEX_ENTRY: usize = 16;
pub(super) const ENTRY_ID: usize = 0;
pub(super) const ENTRY_OFFSET: usize = 4;
pub(super) const ENTRY_HASH: usize = 8;

/// The skippable frame that holds the seek table (zstd seekable format 0.1.0).
pub(super) const SEEK_TABLE_MAGIC: u32 = 0x184D_2A5E;
/// The last four bytes of a blob.
pub(super) const SEEKABLE_MAGIC: u32 = 0x8F92_EAB1;
/// Per frame: compressed size (4), decompressed size (4).
pub(super) const SEEK_ENTRY: usize = 8;
/// Number of frames (4), descriptor (1), magic number (4).
pub(super) const SEEK_FOOTER: usize = 9;

/// The four bytes at `offset`, if there are four.
pub(super) fn u32_at(bytes: &[u8], offset: usize) -> Option<u32> {
    let end = offset.checked_add(4)?;
    bytes.get(offset..end)?.try_into().ok().map(u32::from_le_bytes)
}

/// The eight bytes at `offset`, if there are eight.
pub(super) fn u64_at(bytes: &[u8], offset: usize) -> Option<u64> {
    let end = offset.checked_add(8)?;
    bytes.get(offset..end)?.try_into().ok().map(u64::from_le_bytes)
}
