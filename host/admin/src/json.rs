//! JSON as it is printed and sent: every value as it is, and no character in it
//! that acts on a terminal or cannot be seen.
//!
//! JSON lets a string hold U+009B, which begins a command to a terminal as
//! ESC [ does, or U+202E, which turns around what follows. Both may as well be
//! written as `\u009b` and `\u202e`: whoever reads the JSON gets the same value.

use ipam_api::text::is_plain;
use serde::Serialize;
use serde_json::{Serializer, ser::Formatter};
use std::io::{self, Write};

/// Writes a value, without an end of the line.
///
/// # Errors
/// When it cannot be written, or is none that JSON has.
pub fn write(to: impl Write, value: &impl Serialize) -> io::Result<()> {
    Ok(value.serialize(&mut Serializer::with_formatter(to, Seen))?)
}

/// Writes JSON that is there already, so that all of it can be seen.
///
/// # Errors
/// When it cannot be written.
pub fn rewrite(mut to: impl Write, json: &str) -> io::Result<()> {
    let mut rest = json;
    // Outside of strings, JSON is plain but for the blanks between its parts.
    let is_hidden = |character: char| !is_plain(character) && !character.is_ascii_whitespace();
    while let Some(at) = rest.find(is_hidden) {
        let (plain, from) = rest.split_at(at);
        to.write_all(plain.as_bytes())?;
        let mut characters = from.chars();
        for unit in characters.next().into_iter().flat_map(|it| {
            let mut units = [0; 2];
            let len = it.encode_utf16(&mut units).len();
            units.into_iter().take(len)
        }) {
            write!(to, "\\u{unit:04x}")?;
        }
        rest = characters.as_str();
    }
    to.write_all(rest.as_bytes())
}

struct Seen;

impl Formatter for Seen {
    fn write_string_fragment<W: ?Sized + Write>(
        &mut self,
        writer: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        rewrite(writer, fragment)
    }
}

#[cfg(test)]
mod tests {
    use super::{rewrite, write};
    use ipam_api::text::is_plain;

    #[track_caller]
    fn check(value: &str, want: &str) {
        let mut written = Vec::new();
        write(&mut written, &[value]).unwrap();
        let written = String::from_utf8(written).unwrap();
        assert_eq!(written, format!("[\"{want}\"]"));
        assert!(written.chars().all(is_plain));
        assert_eq!(serde_json::from_str::<[String; 1]>(&written).unwrap(), [value]);
        let mut again = Vec::new();
        rewrite(&mut again, &format!("{}\n", serde_json::to_string(&[value]).unwrap())).unwrap();
        assert_eq!(String::from_utf8(again).unwrap(), format!("{written}\n"));
    }

    #[test]
    fn what_cannot_be_seen_is_written_by_its_number() {
        check("lab", "lab");
        check("Zürich ☃", "Zürich ☃");
        check("\"\\\n\u{1b}[2J", "\\\"\\\\\\n\\u001b[2J");
        check("\u{7f}\u{85}\u{9b}2J", "\\u007f\\u0085\\u009b2J");
        check("\u{200b}\u{2028}\u{202e}", "\\u200b\\u2028\\u202e");
        check("\u{e0041}", "\\udb40\\udc41");
    }
}
