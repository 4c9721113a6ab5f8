//! What is said of each promise: lines for people, or JSON for programs.

use crate::promises::Promise;
use serde::Serialize;
use std::io::{self, Write};

/// What came of one promise.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "outcome", rename_all = "kebab-case")]
pub enum Outcome {
    /// It was kept.
    Pass,
    /// It was broken.
    Fail {
        /// The rule that was broken.
        reason: String,
        /// The last questions with their answers, which show it.
        exchange: Vec<String>,
    },
    /// The driver does not offer what it is about.
    NotApplicable {
        /// How that is known.
        reason: String,
    },
}

/// How many promises of each section were kept.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Score {
    sections: Vec<Section>,
}

/// The score of one section.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Section {
    section: &'static str,
    passed: usize,
    failed: usize,
    not_applicable: usize,
}

impl Score {
    pub(crate) fn count(&mut self, promise: &Promise, outcome: &Outcome) {
        let is_new = self.sections.last().is_none_or(|last| last.section != promise.section);
        if is_new {
            let section = promise.section;
            self.sections.push(Section { section, passed: 0, failed: 0, not_applicable: 0 });
        }
        if let Some(section) = self.sections.last_mut() {
            match outcome {
                Outcome::Pass => section.passed += 1,
                Outcome::Fail { .. } => section.failed += 1,
                Outcome::NotApplicable { .. } => section.not_applicable += 1,
            }
        }
    }

    /// Whether no promise was broken, and any was kept.
    #[must_use]
    pub fn conforms(&self) -> bool {
        let sum = |of: fn(&Section) -> usize| self.sections.iter().map(of).sum::<usize>();
        sum(|it| it.failed) == 0 && sum(|it| it.passed) > 0
    }
}

/// Who is told.
pub trait Report {
    /// A promise is about to be judged.
    fn begin(&mut self, promise: &Promise);
    /// It was.
    fn end(&mut self, promise: &Promise, outcome: &Outcome);
    /// All were.
    fn score(&mut self, score: &Score);
}

/// Lines for people. A line is begun before its promise is asked for, so that
/// it is the last one when the driver does not come back.
#[derive(Debug)]
pub struct Text<W>(pub W);

/// One JSON object for each promise, and one for each section.
#[derive(Debug)]
pub struct Json<W>(pub W);

/// Nobody is left to be told that nobody can be told.
fn said(result: io::Result<()>) {
    drop(result);
}

impl<W: Write> Text<W> {
    /// One promise, not judged.
    pub fn list(&mut self, Promise { section, name, title, .. }: &Promise) {
        said(writeln!(self.0, "{section}/{name}: {title}"));
    }
}

impl<W: Write> Report for Text<W> {
    fn begin(&mut self, Promise { section, name, title, .. }: &Promise) {
        said(write!(self.0, "{section}/{name}: {title}: ").and_then(|()| self.0.flush()));
    }

    fn end(&mut self, _: &Promise, outcome: &Outcome) {
        said(match outcome {
            Outcome::Pass => writeln!(self.0, "pass"),
            Outcome::NotApplicable { reason } => writeln!(self.0, "not applicable: {reason}"),
            Outcome::Fail { reason, exchange } => writeln!(self.0, "FAIL: {reason}")
                .and_then(|()| exchange.iter().try_for_each(|line| writeln!(self.0, "    {line}"))),
        });
        said(self.0.flush());
    }

    fn score(&mut self, score: &Score) {
        said(writeln!(self.0));
        for Section { section, passed, failed, not_applicable } in &score.sections {
            let judged = passed + failed;
            said(write!(self.0, "{section}: {passed} of {judged}"));
            said(match not_applicable {
                0 => writeln!(self.0),
                number => writeln!(self.0, ", {number} not applicable"),
            });
        }
        let verdict = if score.conforms() { "it conforms" } else { "it does not conform" };
        said(writeln!(self.0, "{verdict}").and_then(|()| self.0.flush()));
    }
}

#[derive(Serialize)]
struct Line<'a> {
    section: &'a str,
    promise: &'a str,
    title: &'a str,
    #[serde(flatten)]
    outcome: &'a Outcome,
}

impl<W: Write> Json<W> {
    fn line(&mut self, line: &impl Serialize) {
        // Serialization of these cannot fail.
        if let Ok(text) = serde_json::to_string(line) {
            said(writeln!(self.0, "{text}").and_then(|()| self.0.flush()));
        }
    }
}

impl<W: Write> Report for Json<W> {
    fn begin(&mut self, _: &Promise) {}

    fn end(&mut self, promise: &Promise, outcome: &Outcome) {
        let Promise { section, name, title, .. } = promise;
        self.line(&Line { section, promise: name, title, outcome });
    }

    fn score(&mut self, score: &Score) {
        score.sections.iter().for_each(|section| self.line(section));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::PROMISES;

    fn said_of(
        outcome: &Outcome,
        report: impl FnOnce(&mut Vec<u8>) -> Box<dyn Report + '_>,
    ) -> String {
        let mut bytes = Vec::new();
        let promise = &PROMISES[0];
        let mut score = Score::default();
        score.count(promise, outcome);
        {
            let mut report = report(&mut bytes);
            report.begin(promise);
            report.end(promise, outcome);
            report.score(&score);
        }
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn a_failure_is_shown_with_its_exchange() {
        let outcome = Outcome::Fail { reason: "why".into(), exchange: vec!["a -> b".into()] };
        let text = said_of(&outcome, |bytes| Box::new(Text(bytes)));
        assert!(text.starts_with("start/starts: "), "{text}");
        assert!(text.contains(": FAIL: why\n    a -> b\n"), "{text}");
        assert!(text.ends_with("start: 0 of 1\nit does not conform\n"), "{text}");

        let json = said_of(&outcome, |bytes| Box::new(Json(bytes)));
        let lines: Vec<serde_json::Value> =
            json.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines[0]["outcome"], "fail");
        assert_eq!(lines[0]["exchange"][0], "a -> b");
        assert_eq!(lines[1]["failed"], 1);
    }

    #[test]
    fn a_driver_that_offers_nothing_does_not_conform() {
        let outcome = Outcome::NotApplicable { reason: "nothing".into() };
        let text = said_of(&outcome, |bytes| Box::new(Text(bytes)));
        assert!(text.ends_with("start: 0 of 0, 1 not applicable\nit does not conform\n"), "{text}");
    }
}
