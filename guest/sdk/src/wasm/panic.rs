//! A panic's last words: file, line and message, through `log`.

use core::{
    fmt::{self, Display, Write},
    panic::Location,
};

/// How much of a panic is reported, in bytes. On the stack, because a panic
/// may come of having no memory.
const LINE_MAX_BYTES: usize = 1024;

/// Sends panics to the host from here on. Without `std` the panic handler
/// does that in any case.
pub(super) fn report_to_host() {
    #[cfg(feature = "std")]
    std::panic::set_hook(alloc::boxed::Box::new(|panic| {
        let message = panic.payload_as_str().unwrap_or("a value that is no text");
        report(&message, panic.location());
    }));
}

/// Says it to the host in one line of at most [`LINE_MAX_BYTES`].
pub(super) fn report(message: &dyn Display, location: Option<&Location<'_>>) {
    let mut line = Line { bytes: [0; LINE_MAX_BYTES], len: 0 };
    // An error means only that the line is full.
    let _ = match location {
        Some(location) => write!(line, "panicked at {location}: {message}"),
        None => write!(line, "panicked: {message}"),
    };
    crate::log::error(line.as_str());
}

/// A text of bounded length. What does not fit is cut between characters.
struct Line {
    bytes: [u8; LINE_MAX_BYTES],
    len: usize,
}

impl Line {
    fn as_str(&self) -> &str {
        // Only whole characters were written; without `expect`, because a
        // panic in here would not end.
        str::from_utf8(&self.bytes[..self.len]).unwrap_or("panicked")
    }
}

impl Write for Line {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let fits = text.floor_char_boundary(LINE_MAX_BYTES - self.len);
        self.bytes[self.len..self.len + fits].copy_from_slice(&text.as_bytes()[..fits]);
        self.len += fits;
        if fits == text.len() { Ok(()) } else { Err(fmt::Error) }
    }
}
