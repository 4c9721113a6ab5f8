//! Reports: lines for people, or JSON for programs.

use crate::promises::Promise;
use ipam_report::{Outcome, PromiseResult, Score};
use serde::Serialize;
use std::io::{self, Write};

/// Where a report goes.
pub trait Report {
    /// A promise is about to be checked.
    fn begin(&mut self, promise: &Promise);
    /// A promise was checked.
    fn end(&mut self, promise: &Promise, outcome: &Outcome);
    /// All promises were checked.
    fn score(&mut self, score: &Score);
}

/// Lines for people. A line is begun before its promise is asked for, so that
/// it is the last one when the driver does not come back.
#[derive(Debug)]
pub struct Text<W>(pub W);

/// One JSON object for each promise, and one for each section.
#[derive(Debug)]
pub struct Json<W>(pub W);

/// A report that cannot be written cannot be reported.
fn said(result: io::Result<()>) {
    drop(result);
}

impl<W: Write> Text<W> {
    /// Prints a promise without checking it.
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
        for section in score.sections() {
            said(writeln!(self.0, "{section}"));
        }
        let conclusion = if score.conforms() { "it conforms" } else { "it does not conform" };
        said(writeln!(self.0, "{conclusion}").and_then(|()| self.0.flush()));
    }
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
        let [section, promise, title] = [section, name, title].map(|text| (*text).to_owned());
        self.line(&PromiseResult { section, promise, title, outcome: outcome.clone() });
    }

    fn score(&mut self, score: &Score) {
        score.sections().iter().for_each(|section| self.line(section));
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
        score.count(promise.section, outcome);
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
}
