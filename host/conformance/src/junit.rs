//! A report as JUnit's XML, which every CI reads: a test suite for each
//! section, a test case for each promise.

use crate::{Outcome, Report, Section};
use ipam_api::text::bounded;
use quick_xml::{
    Writer,
    events::{BytesText, Event},
};
use std::{
    fmt::Display,
    io::{self, Write},
};

/// The longest line of a report, in bytes.
const LINE_MAX_BYTES: usize = 64 << 10;

/// Writes reports as one document.
///
/// # Errors
/// When it cannot be written.
pub fn junit(reports: &[Report], to: impl Write) -> io::Result<()> {
    let mut writer = Writer::new_with_indent(to, b' ', 2);
    writer.write_event(Event::Decl(quick_xml::events::BytesDecl::new(
        "1.0",
        Some("UTF-8"),
        None,
    )))?;
    writer
        .create_element("testsuites")
        .with_attribute(("name", "wipam test"))
        .write_inner_content(|writer| {
            for report in reports {
                for section in report.sections() {
                    suite(writer, report, &section)?;
                }
            }
            Ok(())
        })?;
    writer.get_mut().write_all(b"\n")
}

fn suite(writer: &mut Writer<impl Write>, report: &Report, section: &Section) -> io::Result<()> {
    let Section { section: name, passed, failed, not_applicable } = section;
    let tests = (passed + failed + not_applicable).to_string();
    let class = match &*report.driver {
        "" => name.clone(),
        driver => format!("{driver}.{name}"),
    };
    writer
        .create_element("testsuite")
        .with_attributes([
            ("name", &*class),
            ("tests", &tests),
            ("failures", &failed.to_string()),
            ("errors", "0"),
            ("skipped", &not_applicable.to_string()),
        ])
        .write_inner_content(|writer| {
            for result in report.results.iter().filter(|it| it.section == *name) {
                let case = writer.create_element("testcase").with_attributes([
                    ("classname", &*class),
                    ("name", &*printable(format_args!("{}: {}", result.promise, result.title))),
                ]);
                match &result.outcome {
                    Outcome::Pass => case.write_empty(),
                    Outcome::Fail { reason, exchange } => case.write_inner_content(|writer| {
                        let failure = writer.create_element("failure");
                        let failure = failure.with_attribute(("message", &*printable(reason)));
                        let lines: Vec<String> = exchange.iter().map(printable).collect();
                        let text = lines.join("\n");
                        failure.write_text_content(BytesText::new(&text)).map(drop)
                    }),
                    Outcome::NotApplicable { reason } => case.write_inner_content(|writer| {
                        let skipped = writer.create_element("skipped");
                        let skipped = skipped.with_attribute(("message", &*printable(reason)));
                        skipped.write_empty().map(drop)
                    }),
                }
                .map(drop)?;
            }
            Ok(())
        })
        .map(drop)
}

/// One line of a report. XML has no escape of its own for what it does not
/// allow, and what cannot be seen is none of that.
fn printable(text: impl Display) -> String {
    bounded(LINE_MAX_BYTES, text)
}

#[cfg(test)]
mod tests {
    use super::junit;
    use crate::{Outcome, PromiseResult, Report};

    #[test]
    fn a_failure_is_escaped_and_counted() {
        let result = |promise: &str, outcome| PromiseResult {
            section: "pools".into(),
            promise: promise.into(),
            title: "t".into(),
            outcome,
        };
        let failed = Outcome::Fail {
            reason: "<&\">\u{1b}\u{202e}\u{ffff}".into(),
            exchange: vec!["a -> b".into(), "c\nd\u{85}".into()],
        };
        let skipped = Outcome::NotApplicable { reason: "none".into() };
        let report = Report {
            driver: "lab".into(),
            results: vec![result("a", Outcome::Pass), result("b", failed), result("c", skipped)],
        };
        let mut bytes = Vec::new();
        junit(&[report], &mut bytes).unwrap();
        let text = String::from_utf8(bytes).unwrap();
        for part in [
            r#"<testsuite name="lab.pools" tests="3" failures="1" errors="0" skipped="1">"#,
            r#"<testcase classname="lab.pools" name="a: t"/>"#,
            "<failure message=\"&lt;&amp;&quot;&gt;\\u{1b}\\u{202e}\\u{ffff}\">a -&gt; b\nc\\nd\\u{85}\
             </failure>",
            r#"<skipped message="none"/>"#,
        ] {
            assert!(text.contains(part), "{part} is not in {text}");
        }
    }
}
