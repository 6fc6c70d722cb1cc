use axum::Json;
use serde::Serialize;

/// The heap in bytes, as the C library's allocator counts it.
#[derive(Serialize)]
pub(super) struct Heap {
    /// What the program has asked for and not given back. Grows without end where something is forgotten.
    in_use: usize,
    /// Of that, what lies in mappings of its own, because it is large.
    in_mappings: usize,
    /// What the allocator holds and nobody uses. Large where what was freed lies between what was not.
    unused: usize,
    /// What the allocator has from the system: the sum of what is in use and what is not.
    held: usize,
}

/// `/debug/heap`.
pub(super) async fn heap() -> Json<Heap> {
    #[expect(unsafe_code, reason = "the C library's figures have no safe interface")]
    // SAFETY: it takes the allocator's own locks, has no arguments, and returns numbers.
    let figures = unsafe { libc::mallinfo2() };
    Json(Heap {
        in_use: figures.uordblks + figures.hblkhd,
        in_mappings: figures.hblkhd,
        unused: figures.fordblks,
        held: figures.arena + figures.hblkhd,
    })
}
