use std::{
    fs::File,
    io::{self, Write},
};

use bytes::Bytes;
use memmap2::{Mmap, MmapOptions};
use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create};

/// A copy of these bytes in memory that is mapped and that nobody can change or shorten: no disk is behind it, which
/// could fail under a request, and no file that somebody could get at.
pub(super) fn hold(bytes: &[u8]) -> Bytes {
    // Where the system has no such memory to give, ordinary memory does.
    sealed(bytes).map_or_else(|_| Bytes::copy_from_slice(bytes), Bytes::from_owner)
}

fn sealed(bytes: &[u8]) -> io::Result<Mmap> {
    let mut file = File::from(memfd_create("shard", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?);
    file.write_all(bytes)?;
    fcntl_add_seals(&file, SealFlags::WRITE | SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL)?;
    #[expect(unsafe_code, reason = "serving without copying needs mapped memory")]
    // SAFETY: nobody changes what is mapped. The kernel refuses from now on to write to this memory, to shorten it and
    // to take the seals away; the mapping is private and read-only.
    unsafe {
        MmapOptions::new().map_copy_read_only(&file)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_held_is_what_was_given_and_is_mapped() {
        for bytes in [&b""[..], b"a", &[7; 300_000]] {
            assert_eq!(hold(bytes), bytes);
        }
        let held = hold(&[7; 300_000]);
        let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
        let place = format!("{:x}-", held.as_ptr() as usize);
        let line = maps.lines().find(|line| line.starts_with(&place)).unwrap_or_default();
        assert!(line.contains(" r--p ") && line.contains("/memfd:shard"), "{place} in {maps}");
    }
}
