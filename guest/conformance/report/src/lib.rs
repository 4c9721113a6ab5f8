//! What the conformance suite reports.
//!
//! The suite, a component, writes these types as lines of JSON; `wipam test`
//! reads them, adds its own, and writes them again. So this is the one crate
//! that is part of a guest and of the host. It says nothing of drivers.
//!
//! ```
//! use ipam_report::{Outcome, Score, PromiseResult};
//!
//! let line = r#"{"section":"pools","promise":"releases","title":"t","outcome":"pass"}"#;
//! let result: PromiseResult = serde_json::from_str(line)?;
//! assert_eq!(result.outcome, Outcome::Pass);
//!
//! let mut score = Score::default();
//! score.count(&result.section, &result.outcome);
//! assert!(score.conforms());
//! assert_eq!(score.sections()[0].to_string(), "pools: 1 of 1");
//! # Ok::<(), serde_json::Error>(())
//! ```

use serde::{Deserialize, Serialize};
use std::fmt;

/// One promise and its outcome: a line of the report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PromiseResult {
    /// What the promise is about.
    pub section: String,
    /// The promise's name, unique in its section.
    pub promise: String,
    /// What is promised.
    pub title: String,
    /// Whether it was kept.
    #[serde(flatten)]
    pub outcome: Outcome,
}

/// Whether a promise was kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "kebab-case")]
pub enum Outcome {
    /// It was kept.
    Pass,
    /// It was broken.
    Fail {
        /// The rule that was broken.
        reason: String,
        /// The last requests with their answers, which show it.
        exchange: Vec<String>,
    },
    /// The driver does not offer what the promise is about, or it could not be
    /// tested.
    NotApplicable {
        /// How that is known.
        reason: String,
    },
}

impl Outcome {
    /// A promise that was broken, with nothing more to show.
    pub fn fail(reason: impl Into<String>) -> Self {
        Self::Fail { reason: reason.into(), exchange: Vec::new() }
    }

    /// A promise that could not be tested.
    pub fn not_applicable(reason: impl Into<String>) -> Self {
        Self::NotApplicable { reason: reason.into() }
    }

    /// Whether the promise was broken.
    #[must_use]
    pub fn is_fail(&self) -> bool {
        matches!(self, Self::Fail { .. })
    }
}

/// How many promises of one section were kept: a line of the report.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Section {
    /// The section's name.
    pub section: String,
    /// How many were kept.
    pub passed: usize,
    /// How many were broken.
    pub failed: usize,
    /// How many were not applicable.
    pub not_applicable: usize,
}

impl fmt::Display for Section {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { section, passed, failed, not_applicable } = self;
        write!(f, "{section}: {passed} of {}", passed + failed)?;
        match not_applicable {
            0 => Ok(()),
            number => write!(f, ", {number} not applicable"),
        }
    }
}

/// How many promises of each section were kept.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Score {
    sections: Vec<Section>,
}

impl Score {
    /// Counts one more promise of a section.
    pub fn count(&mut self, section: &str, outcome: &Outcome) {
        let known = self.sections.iter().position(|known| known.section == section);
        let at = known.unwrap_or_else(|| {
            self.sections.push(Section { section: section.to_owned(), ..Section::default() });
            self.sections.len() - 1
        });
        let counted = &mut self.sections[at];
        match outcome {
            Outcome::Pass => counted.passed += 1,
            Outcome::Fail { .. } => counted.failed += 1,
            Outcome::NotApplicable { .. } => counted.not_applicable += 1,
        }
    }

    /// The sections, in the order in which they were first counted.
    #[must_use]
    pub fn sections(&self) -> &[Section] {
        &self.sections
    }

    /// Whether the driver conforms: no promise was broken, and at least one was
    /// kept.
    #[must_use]
    pub fn conforms(&self) -> bool {
        let sum = |of: fn(&Section) -> usize| self.sections.iter().map(of).sum::<usize>();
        sum(|it| it.failed) == 0 && sum(|it| it.passed) > 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Programs read these lines, so this table is written by hand.
    #[test]
    fn lines_are_these() {
        let result = |outcome| PromiseResult {
            section: "pools".to_owned(),
            promise: "releases".to_owned(),
            title: "a title".to_owned(),
            outcome,
        };
        let reason = || "why".to_owned();
        for (outcome, rest) in [
            (Outcome::Pass, r#""pass"}"#),
            (
                Outcome::Fail { reason: reason(), exchange: vec!["a -> b".to_owned()] },
                r#""fail","reason":"why","exchange":["a -> b"]}"#,
            ),
            (Outcome::NotApplicable { reason: reason() }, r#""not-applicable","reason":"why"}"#),
        ] {
            let head = r#"{"section":"pools","promise":"releases","title":"a title","outcome":"#;
            let line = format!("{head}{rest}");
            assert_eq!(serde_json::to_string(&result(outcome.clone())).unwrap(), line);
            assert_eq!(serde_json::from_str::<PromiseResult>(&line).unwrap(), result(outcome));
        }
        let section = Section { section: "pools".to_owned(), passed: 1, ..Section::default() };
        let line = r#"{"section":"pools","passed":1,"failed":0,"not_applicable":0}"#;
        assert_eq!(serde_json::to_string(&section).unwrap(), line);
        // The reader tells the two kinds of line apart.
        assert!(serde_json::from_str::<PromiseResult>(line).is_err());
    }

    #[test]
    fn a_driver_that_offers_nothing_does_not_conform() {
        let mut score = Score::default();
        score.count("start", &Outcome::NotApplicable { reason: "nothing".into() });
        assert!(!score.conforms());
        assert_eq!(score.sections()[0].to_string(), "start: 0 of 0, 1 not applicable");
    }
}
