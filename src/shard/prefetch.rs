/// Asks the processor to bring `bytes` into its caches, without waiting for it.
///
/// A nation's frames lie in 170 MB of mapped memory, so nearly every look-up misses every cache. Fetching the
/// lines side by side and early took 0.4 µs of 7 µs from a request.
#[cfg(target_arch = "x86_64")]
pub(super) fn prefetch(bytes: &[u8]) {
    use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};

    const CACHE_LINE: usize = 64;
    for line in bytes.chunks(CACHE_LINE) {
        #[expect(unsafe_code, reason = "there is no safe way to give this hint, and the gain was measured")]
        // SAFETY: a prefetch has no effect that a program could see, whatever the address is; this one is
        // that of a byte in `bytes`.
        unsafe {
            _mm_prefetch::<_MM_HINT_T0>(line.as_ptr().cast());
        }
    }
}

#[cfg(not(target_arch = "x86_64"))]
pub(super) fn prefetch(_: &[u8]) {}
