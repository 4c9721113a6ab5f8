//! What `std` would have brought: allocator, `cabi_realloc`, panic handler.
//! With these a component imports nothing but `ipam:driver`.
#![expect(unsafe_code, reason = "an allocator is its callers' promises")]

use alloc::alloc::{Layout, alloc, handle_alloc_error, realloc};

/// The allocator that Rust's own wasm targets use.
#[global_allocator]
static ALLOCATOR: dlmalloc::GlobalDlmalloc = dlmalloc::GlobalDlmalloc;

// `memcmp` and its kin; the linker takes the C library for granted but does
// not name it.
// SAFETY: nothing is declared.
#[link(name = "c")]
unsafe extern "C" {}

/// How the host gets memory for what it passes. wasi-libc has one, but on its
/// own heap; wit-bindgen has one, but not for this target.
///
/// # Safety
/// The caller is the canonical ABI: either `old_len` is 0, or `old` came from
/// here with that length and alignment.
#[unsafe(no_mangle)]
unsafe extern "C" fn cabi_realloc(
    old: *mut u8,
    old_len: usize,
    align: usize,
    new_len: usize,
) -> *mut u8 {
    if new_len == 0 {
        return core::ptr::without_provenance_mut(align);
    }
    // SAFETY: the canonical ABI passes powers of two as alignment and lengths
    // below 2^31, and what it frees or grows came from here.
    let (new, layout) = unsafe {
        if old_len == 0 {
            let layout = Layout::from_size_align_unchecked(new_len, align);
            (alloc(layout), layout)
        } else {
            let layout = Layout::from_size_align_unchecked(old_len, align);
            (realloc(old, layout, new_len), layout)
        }
    };
    if new.is_null() { handle_alloc_error(layout) } else { new }
}

#[panic_handler]
fn panic(info: &core::panic::PanicInfo<'_>) -> ! {
    super::panic::report(&info.message(), info.location());
    core::arch::wasm32::unreachable()
}
