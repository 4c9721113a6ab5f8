//! A panic's last words: message, file and line, through `log`.

use core::fmt::{self, Write};

/// How much of a panic is reported, in bytes. On the stack, because a panic
/// may come of having no memory.
const LINE_MAX_BYTES: usize = 1024;

/// Sends panics to the host from here on. Without `std` the panic handler
/// does that in any case.
pub(super) fn report_to_host() {
    #[cfg(feature = "std")]
    std::panic::set_hook(alloc::boxed::Box::new(|info| report(info)));
}

/// Says `info` to the host, cut to [`LINE_MAX_BYTES`].
pub(super) fn report(info: &dyn fmt::Display) {
    let mut line = Line { bytes: [0; LINE_MAX_BYTES], len: 0 };
    // An error means only that the line is full.
    let _ = write!(line, "{info}");
    let text = str::from_utf8(&line.bytes[..line.len]).unwrap_or("panicked");
    crate::log::error(text);
}

/// A text of bounded length. What does not fit is cut between characters.
struct Line {
    bytes: [u8; LINE_MAX_BYTES],
    len: usize,
}

impl Write for Line {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let room = LINE_MAX_BYTES - self.len;
        let fits = text.floor_char_boundary(room);
        self.bytes[self.len..self.len + fits].copy_from_slice(&text.as_bytes()[..fits]);
        self.len += fits;
        if fits == text.len() { Ok(()) } else { Err(fmt::Error) }
    }
}
