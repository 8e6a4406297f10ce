//! Which faults have met which stages of a run.

use super::faults::FAULTS;
use super::run::STAGES;
use super::world::World;

/// How often a fault happened while some run was at a stage.
#[derive(Debug, Clone, Default)]
pub struct Coverage([[u64; STAGES.len()]; FAULTS.len()]);

impl Coverage {
    pub fn add(&mut self, other: &Self) {
        for (mine, others) in self.0.as_flattened_mut().iter_mut().zip(other.0.as_flattened()) {
            *mine += others;
        }
    }

    /// How many pairs have been seen, of how many.
    pub fn seen(&self) -> (usize, usize) {
        let all = self.0.as_flattened();
        (all.iter().filter(|count| **count > 0).count(), all.len())
    }

    /// The pairs that have not.
    pub fn missing(&self) -> Vec<String> {
        let mut missing = Vec::new();
        for (fault, counts) in FAULTS.iter().zip(&self.0) {
            let unseen = STAGES.iter().zip(counts).filter(|(_, count)| **count == 0);
            missing.extend(unseen.map(|(stage, _)| format!("{fault:?} while {stage}")));
        }
        missing
    }
}

impl World {
    /// A fault happens now.
    pub fn cover(&mut self, fault: usize) {
        for run in &self.runs {
            if let Some(stage) = run.stage_index(self.hosts[run.host].between) {
                self.coverage.0[fault][stage] += 1;
            }
        }
    }
}
