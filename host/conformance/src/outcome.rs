//! Everything that was checked of one driver.

use ipam_report::{PromiseResult, Score, Section};

/// All results of one driver.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// Its name, as far as that is known.
    pub driver: String,
    /// In the order in which the promises were checked.
    pub results: Vec<PromiseResult>,
}

impl Report {
    fn score(&self) -> Score {
        let mut score = Score::default();
        self.results.iter().for_each(|it| score.count(&it.section, &it.outcome));
        score
    }

    /// Whether no promise was broken, and any was kept.
    #[must_use]
    pub fn conforms(&self) -> bool {
        self.score().conforms()
    }

    /// The score of each section, in order.
    #[must_use]
    pub fn sections(&self) -> Vec<Section> {
        self.score().sections().to_vec()
    }
}
