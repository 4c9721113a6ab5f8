//! What a component's makers wrote into it: with what it was made, what its
//! author says of it, and how many packages it is made of.
//!
//! Sections that no engine reads, in the forms of the tool conventions
//! (`producers`), of `wasm-metadata` (`version`, `licenses`, ...) and of
//! `cargo auditable` (`.dep-v0`). All of it is somebody's word: it is shown and
//! decides nothing.

use ipam_api::text::bounded;
use serde::Deserialize;
use wasmparser::{CustomSectionReader, KnownCustom, Parser, Payload, ProducersSectionReader};

/// What is said of a component.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Metadata {
    /// Languages, compilers and tools, each once, of all its modules.
    pub producers: Vec<Producer>,
    /// What its author says of the whole, by name.
    pub annotations: Vec<(&'static str, String)>,
    /// How many packages its lists of dependencies have, those that it needed to
    /// be built among them; nothing if it has no list.
    pub packages: Option<usize>,
}

/// One of those that made it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Producer {
    /// `language`, `processed-by` or `sdk`.
    pub field: String,
    /// What it is called.
    pub name: String,
    /// Which one; may be empty.
    pub version: String,
}

/// How much of a text is shown, in bytes.
const TEXT_BYTES: usize = 256;
/// The most producers that are shown.
const PRODUCERS_MAX: usize = 32;
/// The most that a list of dependencies may have when it is unpacked, in bytes.
const LIST_BYTES: usize = 4 << 20;
/// The most lists that are unpacked: a component has one for each of its modules.
const LISTS_MAX: usize = 16;
/// The names of annotations.
const ANNOTATIONS: [&str; 7] =
    ["version", "description", "authors", "licenses", "source", "homepage", "revision"];

/// Reads it as far as it can be read.
#[must_use]
pub fn metadata(bytes: &[u8]) -> Metadata {
    let mut metadata = Metadata::default();
    let (mut depth, mut lists) = (0_usize, 0);
    for payload in Parser::new(0).parse_all(bytes).map_while(Result::ok) {
        #[expect(clippy::wildcard_enum_match_arm, reason = "most of a component is not a word")]
        match payload {
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
            Payload::End(_) => depth = depth.saturating_sub(1),
            Payload::CustomSection(section) if section.name() == ".dep-v0" => {
                lists += 1;
                if lists <= LISTS_MAX {
                    metadata.list(section.data());
                }
            }
            Payload::CustomSection(section) => metadata.read(&section, depth == 0),
            _ => {}
        }
    }
    metadata
}

impl Metadata {
    fn read(&mut self, section: &CustomSectionReader<'_>, is_outermost: bool) {
        let annotation = ANNOTATIONS.iter().find(|name| **name == section.name());
        match (section.as_known(), annotation) {
            (KnownCustom::Producers(producers), _) => self.producers(producers),
            (_, Some(name)) if is_outermost && !self.annotations.iter().any(|it| it.0 == *name) => {
                let text = String::from_utf8_lossy(section.data());
                self.annotations.push((name, bounded(TEXT_BYTES, text)));
            }
            _ => {}
        }
    }

    fn list(&mut self, packed: &[u8]) {
        if let Some(more) = packages(packed) {
            self.packages = Some(more.saturating_add(self.packages.unwrap_or(0)));
        }
    }

    fn producers(&mut self, section: ProducersSectionReader<'_>) {
        for field in section.into_iter().map_while(Result::ok) {
            for value in field.values.into_iter().map_while(Result::ok) {
                if self.producers.len() == PRODUCERS_MAX {
                    return;
                }
                let text = |text| bounded(TEXT_BYTES, text);
                let (field, name) = (text(field.name), text(value.name));
                let producer = Producer { field, name, version: text(value.version) };
                if !self.producers.contains(&producer) {
                    self.producers.push(producer);
                }
            }
        }
    }
}

/// How many packages there are in a list of `cargo auditable`: JSON, packed by
/// zlib.
fn packages(packed: &[u8]) -> Option<usize> {
    #[derive(Deserialize)]
    struct List {
        packages: Vec<serde::de::IgnoredAny>,
    }
    let json = miniz_oxide::inflate::decompress_to_vec_zlib_with_limit(packed, LIST_BYTES).ok()?;
    let List { packages } = serde_json::from_slice(&json).ok()?;
    Some(packages.len())
}

#[cfg(test)]
mod tests {
    use super::{LISTS_MAX, Metadata, PRODUCERS_MAX, Producer, TEXT_BYTES, metadata, packages};

    fn packed(json: &str) -> Vec<u8> {
        miniz_oxide::deflate::compress_to_vec_zlib(json.as_bytes(), 6)
    }

    #[test]
    fn what_its_makers_say_is_read() {
        let list = packed(r#"{"packages":[{"name":"a"},{"name":"b","kind":"build"}],"format":1}"#);
        let list: String = list.iter().map(|byte| format!("\\{byte:02x}")).collect();
        // One field: language, Rust, no version; twice, in a module and outside.
        let producers = r#"(@custom "producers" "\01\08language\01\04Rust\00")"#;
        let text = format!(
            r#"(component (core module {producers} (@custom "version" "of a module"))
                {producers} (@custom "version" "1.2\n") (@custom ".dep-v0" "{list}"))"#
        );
        let rust = Producer {
            field: "language".to_owned(),
            name: "Rust".to_owned(),
            version: String::new(),
        };
        let want = Metadata {
            producers: vec![rust],
            annotations: vec![("version", "1.2\\n".to_owned())],
            packages: Some(2),
        };
        assert_eq!(metadata(&wat::parse_str(text).unwrap()), want);
        assert_eq!(metadata(b"\0asm\x0d\0\x01\0\xff\xff\xff"), Metadata::default());
    }

    #[test]
    fn what_is_said_again_and_again_is_read_so_often_and_no_more() {
        let list = packed(r#"{"packages":[{"name":"a"}]}"#);
        let list: String = list.iter().map(|byte| format!("\\{byte:02x}")).collect();
        let lists = format!(r#"(@custom ".dep-v0" "{list}")"#).repeat(LISTS_MAX + 1);
        let versions = r#"(@custom "version" "1")(@custom "version" "2")"#;
        let text = format!(r#"(component {lists} {versions} (@custom ".dep-v0" "nonsense"))"#);
        let read = metadata(&wat::parse_str(text).unwrap());
        assert_eq!(read.packages, Some(LISTS_MAX));
        assert_eq!(read.annotations, [("version", "1".to_owned())]);
    }

    #[test]
    fn so_many_producers_are_shown_and_of_a_text_so_much() {
        let tool =
            |number: usize| format!(r#"(@custom "producers" "\01\03sdk\01\02{number:02}\00")"#);
        let producers: String = (0..=PRODUCERS_MAX).map(tool).collect();
        let long = "x".repeat(TEXT_BYTES + 1);
        let text = format!(r#"(component {producers} (@custom "description" "{long}"))"#);
        let read = metadata(&wat::parse_str(text).unwrap());
        let last = format!("{:02}", PRODUCERS_MAX - 1);
        assert_eq!(read.producers.len(), PRODUCERS_MAX);
        assert_eq!(read.producers.last().map(|it| &it.name), Some(&last));
        let (_, told) = &read.annotations[0];
        assert!(told.len() == TEXT_BYTES && told.ends_with("x…"), "{told}");
    }

    #[test]
    fn a_list_that_unpacks_without_end_is_none() {
        let bomb = format!(r#"{{"packages":[{}]}}"#, " ".repeat(8 << 20));
        assert_eq!(packages(&packed(&bomb)), None);
        assert_eq!(packages(&packed(r#"{"packages":[]}"#)), Some(0));
        assert_eq!(packages(b"nonsense"), None);
    }
}
