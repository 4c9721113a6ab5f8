//! Text that a stranger's bytes can reach: bounded, and escaped, while it is
//! written.
//!
//! In: anything that can be formatted, of whatever length. Out: one line of at
//! most so many bytes, in which every character is one that can be seen, so
//! that nobody can forge a line of a log, colour a terminal or reverse what is
//! read. What is too long ends with [`CUT`].
//!
//! Nothing is formatted whole and cut after: a name of 60 MB, or one that
//! unfolds without end, costs no more than what is kept of it. Text that was
//! escaped is not changed by being escaped again, so each layer may do it.

use std::fmt::{self, Write as _};

/// The end of a text that was cut.
pub const CUT: &str = "…";

/// A writer that keeps the first so many bytes of what is written to it,
/// escaped, and then stops: from there on every write is an error, so that
/// whoever formats does not go on.
///
/// ```
/// use ipam_api::text::Bounded;
/// use std::fmt::Write;
///
/// let mut text = Bounded::new(12);
/// assert!(write!(text, "a\nb").is_ok());
/// assert!(write!(text, "{:?}", "long".repeat(1000)).is_err());
/// assert_eq!(text.finish(), "a\\nb\"long…");
/// ```
#[derive(Debug)]
pub struct Bounded {
    text: String,
    bytes_max: usize,
    /// The longest beginning, in whole characters and escapes, behind which
    /// [`CUT`] has room.
    kept: usize,
    is_cut: bool,
}

impl Bounded {
    /// A writer that keeps `bytes_max` bytes, [`CUT`] among them.
    #[must_use]
    pub fn new(bytes_max: usize) -> Self {
        Self { text: String::new(), bytes_max, kept: 0, is_cut: false }
    }

    /// Whether there was more than it keeps.
    #[must_use]
    pub fn is_cut(&self) -> bool {
        self.is_cut
    }

    /// What was kept.
    #[must_use]
    pub fn finish(self) -> String {
        self.text
    }
}

impl fmt::Write for Bounded {
    fn write_str(&mut self, part: &str) -> fmt::Result {
        if self.is_cut {
            return Err(fmt::Error);
        }
        part.chars().try_for_each(|character| self.write_char(character))
    }

    fn write_char(&mut self, character: char) -> fmt::Result {
        if self.is_cut {
            return Err(fmt::Error);
        }
        if self.text.len() + CUT.len() <= self.bytes_max {
            self.kept = self.text.len();
        }
        if is_plain(character) {
            self.text.push(character);
        } else {
            self.text.extend(character.escape_default());
        }
        if self.text.len() <= self.bytes_max {
            return Ok(());
        }
        self.is_cut = true;
        self.text.truncate(self.kept);
        if CUT.len() <= self.bytes_max {
            self.text.push_str(CUT);
        }
        Err(fmt::Error)
    }
}

/// The beginning of `value` as text: at most `bytes_max` bytes, escaped, with
/// [`CUT`] at its end if there was more. For something put together of several
/// parts, `format_args!` makes one value of them.
///
/// ```
/// use ipam_api::text::bounded;
///
/// assert_eq!(bounded(64, "lab\u{202e}"), "lab\\u{202e}");
/// assert_eq!(bounded(8, format_args!("{} and {}", "one", "two")), "one a…");
/// ```
#[must_use]
pub fn bounded(bytes_max: usize, value: impl fmt::Display) -> String {
    let mut text = Bounded::new(bytes_max);
    // An error is its end, or that of a value that cannot say itself.
    let _ = write!(text, "{value}");
    text.finish()
}

/// `value` with all that is not plain escaped, and no bound: for what is
/// bounded already and goes to a writer of its own.
pub fn escaped(value: impl fmt::Display) -> impl fmt::Display {
    fmt::from_fn(move |to| write!(Escape(to), "{value}"))
}

struct Escape<'a, 'b>(&'a mut fmt::Formatter<'b>);

impl fmt::Write for Escape<'_, '_> {
    fn write_str(&mut self, part: &str) -> fmt::Result {
        let mut rest = part;
        while let Some(at) = rest.find(|character| !is_plain(character)) {
            let (plain, from) = rest.split_at(at);
            self.0.write_str(plain)?;
            let mut characters = from.chars();
            for character in characters.next().into_iter().flat_map(char::escape_default) {
                self.0.write_char(character)?;
            }
            rest = characters.as_str();
        }
        self.0.write_str(rest)
    }
}

/// The parts with `between` them, for [`bounded`]: a list of any length is not
/// put together first.
pub fn joined<I>(parts: I, between: &str) -> impl fmt::Display
where
    I: IntoIterator<Item: fmt::Display> + Clone,
{
    fmt::from_fn(move |to| {
        for (index, part) in parts.clone().into_iter().enumerate() {
            if index > 0 {
                to.write_str(between)?;
            }
            write!(to, "{part}")?;
        }
        Ok(())
    })
}

/// At most the first `bytes_max` bytes of a text, in quotes and escaped as
/// Rust writes a string, with [`CUT`] behind it if there was more: for a text
/// that is repeated within another.
///
/// ```
/// use ipam_api::text::quoted;
///
/// assert_eq!(quoted(3, "a\"bc"), "\"a\\\"b\"…");
/// ```
#[must_use]
pub fn quoted(bytes_max: usize, text: &str) -> String {
    let kept = &text[..text.floor_char_boundary(bytes_max)];
    let cut = if kept.len() < text.len() { CUT } else { "" };
    escaped(format_args!("{kept:?}{cut}")).to_string()
}

/// Whether a character is shown as it is: one that can be seen, or a blank.
///
/// Not so: controls, format characters (U+202E turns what follows around,
/// U+200B takes no room), separators of lines and paragraphs, blanks other than
/// the usual one, private and unassigned characters, which is what Rust's
/// `Debug` escapes; and marks and letters that Unicode says to show nothing for
/// (`Default_Ignorable_Code_Point` in its `DerivedCoreProperties.txt`).
#[must_use]
pub fn is_plain(character: char) -> bool {
    match character {
        ' '..='~' => true,
        '\u{34f}'
        | '\u{115f}'..='\u{1160}'
        | '\u{17b4}'..='\u{17b5}'
        | '\u{180b}'..='\u{180f}'
        | '\u{3164}'
        | '\u{fe00}'..='\u{fe0f}'
        | '\u{ffa0}'
        | '\u{e0100}'..='\u{e01ef}' => false,
        _ => {
            // Behind a letter, where a mark that combines is shown as it is.
            let mut bytes = [b'a'; 5];
            let len = character.encode_utf8(&mut bytes[1..]).len();
            let text = std::str::from_utf8(&bytes[..=len]);
            text.is_ok_and(|text| text.escape_debug().nth(1) == Some(character))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Bounded, bounded, escaped, is_plain, joined, quoted};
    use std::{
        cell::Cell,
        fmt::{self, Write as _},
        iter,
    };

    #[track_caller]
    fn check(bytes_max: usize, value: &str, want: &str) {
        let got = bounded(bytes_max, value);
        assert_eq!(got, want, "{value:?} in {bytes_max} bytes");
        assert!(got.len() <= bytes_max);
    }

    #[test]
    fn what_fits_is_whole() {
        check(0, "", "");
        check(3, "abc", "abc");
        check(3, "aé", "aé");
        check(2, "\n", "\\n");
    }

    #[test]
    fn what_does_not_fit_ends_with_a_mark() {
        check(3, "abcd", "…");
        check(5, "abcdef", "ab…");
        check(5, "aéé!", "a…");
        check(6, "aéé!", "aéé!");
        check(2, "abc", "");
        check(0, "a", "");
    }

    #[test]
    fn no_escape_is_cut_in_the_middle() {
        check(8, "\u{202e}", "\\u{202e}");
        check(7, "\u{202e}", "…");
        check(11, "a\u{202e}bcd", "a…");
        check(12, "a\u{202e}bcd", "a\\u{202e}bcd");
    }

    #[test]
    fn what_cannot_be_seen_is_escaped() {
        for (value, want) in [
            ("a\nERROR b\u{1b}[31m", "a\\nERROR b\\u{1b}[31m"),
            ("\0\t\r\u{7f}", "\\u{0}\\t\\r\\u{7f}"),
            ("\u{85}\u{9b}2J", "\\u{85}\\u{9b}2J"), // C1: the next line, the 8-bit CSI
            ("\u{ad}\u{61c}\u{200b}\u{200d}\u{200e}", "\\u{ad}\\u{61c}\\u{200b}\\u{200d}\\u{200e}"),
            ("\u{2028}\u{2029}", "\\u{2028}\\u{2029}"),
            ("\u{202a}\u{202e}\u{2066}\u{2069}", "\\u{202a}\\u{202e}\\u{2066}\\u{2069}"),
            ("\u{feff}\u{fff9}\u{e0041}", "\\u{feff}\\u{fff9}\\u{e0041}"),
            ("\u{a0}\u{2003}\u{3000}", "\\u{a0}\\u{2003}\\u{3000}"),
            ("\u{e000}\u{fffe}\u{378}", "\\u{e000}\\u{fffe}\\u{378}"),
            ("\u{3164}\u{fe0f}\u{34f}", "\\u{3164}\\u{fe0f}\\u{34f}"),
        ] {
            check(256, value, want);
        }
    }

    #[test]
    fn what_can_be_seen_is_not() {
        for value in [r#"a\n "b" 'c' {}"#, "Zürich", "e\u{301}", "東京 ☃ 🦀", "\u{fffd}", "שלום"]
        {
            check(256, value, value);
        }
    }

    #[test]
    fn escaping_twice_is_escaping_once() {
        let codes = (0..0x3200).chain((0x3200..=0x0010_ffff).step_by(31));
        for character in codes.filter_map(char::from_u32) {
            let once = bounded(64, character);
            assert_eq!(bounded(64, &once), once);
            assert_eq!(escaped(character).to_string(), once);
            assert!(once.chars().all(is_plain));
            assert_eq!(once.chars().count() == 1, is_plain(character));
        }
    }

    /// Says how often it was asked to write.
    struct Endless<'a>(&'a Cell<u64>);

    impl fmt::Display for Endless<'_> {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            loop {
                self.0.set(self.0.get() + 1);
                f.write_str("word ")?;
            }
        }
    }

    #[test]
    fn what_has_no_end_is_stopped() {
        let written = Cell::new(0);
        assert_eq!(bounded(13, Endless(&written)), "word word …");
        assert_eq!(written.get(), 3);
    }

    #[test]
    fn a_list_is_stopped_where_there_is_no_more_room() {
        let asked = Cell::new(0);
        let names = iter::repeat_with(|| asked.set(asked.get() + 1)).map(|()| "name");
        assert_eq!(bounded(12, joined(names, ", ")), "name, nam…");
        assert_eq!(asked.get(), 3);
        assert_eq!(joined(["a", "b", "c"], ", ").to_string(), "a, b, c");
        assert_eq!(joined([""; 0], ", ").to_string(), "");
    }

    #[test]
    fn a_text_in_quotes_is_cut_where_a_character_ends() {
        assert_eq!(quoted(9, "a\n\"\u{202e}\u{fe0f}"), "\"a\\n\\\"\\u{202e}\\u{fe0f}\"");
        assert_eq!(quoted(2, "aé"), "\"a\"…");
        assert_eq!(quoted(0, ""), "\"\"");
    }

    #[test]
    fn nothing_follows_a_cut() {
        let mut text = Bounded::new(4);
        assert!(text.write_str("12345").is_err());
        assert!(text.is_cut());
        assert!(text.write_str("").is_err());
        assert!(text.write_char('6').is_err());
        assert_eq!(text.finish(), "1…");
    }
}
