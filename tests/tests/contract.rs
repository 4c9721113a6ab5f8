//! The contract grows and does not change: whatever a driver was built for is
//! there in every later text, to the letter.
//!
//! In: the frozen text and another one. Out: everything that is not an
//! addition. Interfaces that exist stay as they are, since one function, field
//! or case more keeps every driver from loading that was built before. Worlds
//! for drivers may import more, because nobody has to; only `host`, which is
//! what a host looks for and does without, may export more. Words may be
//! mended.

#![expect(clippy::unwrap_used, reason = "a test may")]

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};
use wit_component::WitPrinter;
use wit_parser::{PackageId, Resolve, UnresolvedPackageGroup};

/// The world that is no driver's.
const HOST: &str = "world host";

/// A text's interfaces and worlds, each with what is in it, without its words.
#[derive(Debug)]
struct Contract {
    package: String,
    blocks: BTreeMap<String, Vec<String>>,
}

impl Contract {
    fn new(resolve: &Resolve, package: PackageId) -> Self {
        let mut printer = WitPrinter::default();
        printer.emit_docs(false).print_package(resolve, package, true).unwrap();
        let text = printer.output.to_string();
        let mut blocks = BTreeMap::new();
        let mut open = None;
        for line in text.lines() {
            if let (None, Some(name)) = (&open, line.strip_suffix(" {")) {
                open = Some((name.to_owned(), Vec::new()));
            } else if line == "}" {
                blocks.extend(open.take());
            } else if let Some((_, lines)) = &mut open {
                lines.extend((!line.is_empty()).then(|| line.trim().to_owned()));
            }
        }
        let name = &resolve.packages[package].name;
        let version = name.version.as_ref().unwrap();
        // Before 1.0 a minor version is another contract.
        let compatible = if version.major == 0 { version.minor } else { version.major };
        let package = format!("{}:{} of {compatible}", name.namespace, name.name);
        Self { package, blocks }
    }

    fn read(directory: &Path) -> Self {
        let mut resolve = Resolve::default();
        let (package, _) = resolve.push_path(directory).unwrap();
        Self::new(&resolve, package)
    }

    fn parse(text: &str) -> Self {
        let mut resolve = Resolve::default();
        let group = UnresolvedPackageGroup::parse("contract.wit", text)
            .unwrap_or_else(|error| panic!("{error:?}\n{text}"));
        let package = resolve.push_group(group).unwrap();
        Self::new(&resolve, package)
    }
}

/// Everything of `new` that breaks a driver which was built for `old`.
fn not_additive(old: &Contract, new: &Contract) -> Vec<String> {
    let mut found = Vec::new();
    if old.package != new.package {
        found.push(format!("{} became {}", old.package, new.package));
    }
    for (name, before) in &old.blocks {
        let Some(after) = new.blocks.get(name) else {
            found.push(format!("{name} is gone"));
            continue;
        };
        if name.starts_with("interface ") {
            let lines = before.iter().zip(after);
            let changed = lines.clone().find(|(before, after)| before != after);
            if let Some((before, after)) = changed {
                found.push(format!("{name}: `{before}` became `{after}`"));
            } else if before.len() != after.len() {
                found.push(format!("{name} has other items at its end"));
            }
            continue;
        }
        let (before, after): (BTreeSet<_>, BTreeSet<_>) =
            (before.iter().collect(), after.iter().collect());
        found.extend(before.difference(&after).map(|gone| format!("{name}: `{gone}` is gone")));
        let more = after.difference(&before).filter(|item| {
            let may = item.starts_with("import ") || item.starts_with('@') || name == HOST;
            !may
        });
        found.extend(more.map(|item| format!("{name}: `{item}` is asked of old drivers")));
    }
    found
}

fn repository(path: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

#[test]
fn the_contract_is_the_released_one_and_more() {
    let old = Contract::read(&repository("tests/frozen/0.1/wit"));
    assert!(old.blocks.len() > 10, "{:?}", old.blocks.keys());
    let found = not_additive(&old, &Contract::read(&repository("wit")));
    assert_eq!(found, Vec::<String>::new(), "the contract grows by new interfaces only");
}

/// Small, and with one of everything.
const OLD: &str = "
package ipam:driver@0.1.0;

/// Words.
interface types {
    /// What went wrong.
    variant error { full, other(string) }
    enum family { ipv4, ipv6 }
    record request { family: family, name: option<string> }
}

interface callback {
    register: func(name: string);
}

interface ipam {
    use types.{error, request};
    lease: func(request: request) -> result<string, error>;
    release: func(address: string) -> result<_, error>;
}

world ipam-driver {
    import callback;
    export ipam;
}

world host {
    import callback;
    export ipam;
}
";

/// The frozen text with one thing changed, and what is said of it; nothing if
/// it is an addition.
#[track_caller]
fn check(from: &str, to: &str, want: &[&str]) {
    assert_eq!(OLD.matches(from).count(), 1, "{from:?}");
    let new = Contract::parse(&OLD.replace(from, to));
    assert_eq!(not_additive(&Contract::parse(OLD), &new), want, "{from:?} became {to:?}");
}

#[test]
fn a_changed_interface_is_refused() {
    let lease = "lease: func(request: request) -> result<string, error>;";
    let release = "release: func(address: string) -> result<_, error>;";
    // A function more, less, renamed; a parameter; a result.
    check(
        release,
        "release: func(address: string) -> result<_, error>;\n renew: func();",
        &["interface ipam has other items at its end"],
    );
    check(release, "", &["interface ipam has other items at its end"]);
    check(
        lease,
        "take: func(request: request) -> result<string, error>;",
        &["interface ipam: `lease: func(request: request) -> result<string, error>;` became \
           `take: func(request: request) -> result<string, error>;`"],
    );
    check(
        release,
        "release: func(address: string, now: bool) -> result<_, error>;",
        &["interface ipam: `release: func(address: string) -> result<_, error>;` became \
           `release: func(address: string, now: bool) -> result<_, error>;`"],
    );
    check(
        release,
        "release: func(address: string);",
        &["interface ipam: `release: func(address: string) -> result<_, error>;` became \
           `release: func(address: string);`"],
    );
    // The same for what hosts provide: a driver built for more would not load
    // on the host of a contract that seems to be the same.
    check(
        "register: func(name: string);",
        "register: func(name: string);\n leave: func();",
        &["interface callback has other items at its end"],
    );
}

#[test]
fn a_changed_type_is_refused() {
    for (from, to, words) in [
        ("full, other(string)", "full, late, other(string)", "`other(string),` became `late,`"),
        ("full, other(string)", "other(string), full", "`full,` became `other(string),`"),
        ("full, other(string)", "full, other(u32)", "`other(string),` became `other(u32),`"),
        ("full, other(string)", "other(string)", "`full,` became `other(string),`"),
        ("ipv4, ipv6", "ipv4, ipv6, ipv8", "`}` became `ipv8,`"),
        ("ipv4, ipv6", "ipv6, ipv4", "`ipv4,` became `ipv6,`"),
        (
            "family: family, name: option<string>",
            "family: family, name: option<string>, size: u8",
            "`}` became `size: u8,`",
        ),
        (
            "family: family, name: option<string>",
            "family: family",
            "`name: option<string>,` became `}`",
        ),
        (
            "family: family, name: option<string>",
            "family: family, name: string",
            "`name: option<string>,` became `name: string,`",
        ),
    ] {
        check(from, to, &[&format!("interface types: {words}")]);
    }
    check(
        "enum family { ipv4, ipv6 }",
        "enum family { ipv4, ipv6 }\n enum color { red }",
        &["interface types: `record request {` became `enum color {`"],
    );
}

#[test]
fn what_is_gone_is_missed() {
    check(
        "world ipam-driver {\n    import callback;\n    export ipam;\n}",
        "",
        &["world ipam-driver is gone"],
    );
    check(
        "world ipam-driver {\n    import callback;",
        "world ipam-driver {",
        &["world ipam-driver: `import callback;` is gone"],
    );
    check(
        "world host {\n    import callback;\n    export ipam;",
        "world host {\n    import callback;\n    import types;",
        &["world host: `export ipam;` is gone"],
    );
    let renamed = OLD.replace("callback", "registry");
    let found = not_additive(&Contract::parse(OLD), &Contract::parse(&renamed));
    assert!(found.contains(&"interface callback is gone".to_owned()), "{found:?}");
    check("@0.1.0", "@0.2.0", &["ipam:driver of 1 became ipam:driver of 2"]);
    // What is gated is not there for who does not ask for it.
    check(
        "release: func(address: string) -> result<_, error>;",
        "@unstable(feature = later)\n release: func(address: string) -> result<_, error>;",
        &["interface ipam has other items at its end"],
    );
}

#[test]
fn an_old_driver_is_asked_for_nothing_new() {
    check(
        "world ipam-driver {",
        "interface status { full: func() -> bool; }\nworld ipam-driver {\n export status;",
        &["world ipam-driver: `export status;` is asked of old drivers"],
    );
}

#[test]
fn additions_are_let_through() {
    let more =
        "interface status { full: func() -> bool; }\ninterface clock { now: func() -> u64; }\n";
    check("/// Words.", "/// Better words.", &[]);
    check("/// What went wrong.", "", &[]);
    check("@0.1.0", "@0.1.7", &[]);
    // New interfaces, worlds, and imports that nobody has to use.
    check("world ipam-driver {", &format!("{more}world ipam-driver {{"), &[]);
    check("world ipam-driver {", &format!("{more}world ipam-driver {{\n import clock;"), &[]);
    check("world host {", &format!("{more}world host {{\n import clock;\n export status;"), &[]);
    check(
        "world host {",
        &format!(
            "{more}world ipam-driver-with-status {{ include ipam-driver; export status; }}\nworld host {{"
        ),
        &[],
    );
}
