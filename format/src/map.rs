//! The one place where a file is mapped.

/// Maps a file into memory for reading.
///
/// The mapping starts at a page, so [`crate::Uvec::open`] views its sections without a copy.
///
/// # Errors
/// What the operating system says, for instance that the file is empty on a system that refuses to map nothing.
///
/// # Safety
/// No process may change or shorten the file while the mapping lives. `.uvec` files are written once and then only
/// removed, which is allowed: on Unix the bytes of a removed file stay until the last mapping is gone. A change would
/// alter bytes behind a shared reference, and a shortened file ends the process at the next access.
#[allow(unsafe_code)]
pub unsafe fn map(file: &std::fs::File) -> std::io::Result<memmap2::Mmap> {
    // SAFETY: the caller promises that the file stays as it is while the mapping lives.
    unsafe { memmap2::Mmap::map(file) }
}
