//! What came of each promise.

use serde::{Deserialize, Serialize};

/// One promise and what came of it: a line of the suite's JSON, or one of ours
/// in the same form.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// What it is about.
    pub section: String,
    /// Its name, unique in its section.
    pub promise: String,
    /// What is promised.
    pub title: String,
    /// What came of it.
    #[serde(flatten)]
    pub outcome: Outcome,
}

/// What came of one promise.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "kebab-case")]
pub enum Outcome {
    /// It was kept.
    Pass,
    /// It was broken.
    Fail {
        /// The rule that was broken.
        reason: String,
        /// The questions with their answers that show it.
        exchange: Vec<String>,
    },
    /// The driver does not offer what it is about, or it could not be asked.
    NotApplicable {
        /// How that is known.
        reason: String,
    },
}

impl Outcome {
    pub(crate) fn fail(reason: impl Into<String>) -> Self {
        Self::Fail { reason: reason.into(), exchange: Vec::new() }
    }

    pub(crate) fn not_applicable(reason: impl Into<String>) -> Self {
        Self::NotApplicable { reason: reason.into() }
    }

    /// Whether the promise was broken.
    #[must_use]
    pub fn is_fail(&self) -> bool {
        matches!(self, Self::Fail { .. })
    }
}

/// How many promises of one section were kept.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Section {
    /// Its name.
    pub section: String,
    /// How many were kept.
    pub passed: usize,
    /// How many were broken.
    pub failed: usize,
    /// How many are about what it does not offer.
    pub not_applicable: usize,
}

/// Everything that was judged of one driver.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// Its name, as far as that is known.
    pub driver: String,
    /// In the order in which it was judged.
    pub verdicts: Vec<Verdict>,
}

impl Report {
    /// Whether no promise was broken, and any was kept.
    #[must_use]
    pub fn conforms(&self) -> bool {
        let any = |is: fn(&Outcome) -> bool| self.verdicts.iter().any(|it| is(&it.outcome));
        !any(Outcome::is_fail) && any(|outcome| *outcome == Outcome::Pass)
    }

    /// The score of each section, in order.
    #[must_use]
    pub fn sections(&self) -> Vec<Section> {
        let mut sections: Vec<Section> = Vec::new();
        for Verdict { section, outcome, .. } in &self.verdicts {
            let at = sections.iter().position(|known| known.section == *section);
            let at = at.unwrap_or_else(|| {
                sections.push(Section { section: section.clone(), ..Section::default() });
                sections.len() - 1
            });
            match outcome {
                Outcome::Pass => sections[at].passed += 1,
                Outcome::Fail { .. } => sections[at].failed += 1,
                Outcome::NotApplicable { .. } => sections[at].not_applicable += 1,
            }
        }
        sections
    }
}
