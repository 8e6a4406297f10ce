//! What many worlds have shown: how fast, which states, and which exceptions.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;

use super::coverage::Coverage;
use super::judge::Excuse;
use super::run::Exit;
use super::world::World;

/// Figures of all worlds so far.
#[derive(Debug, Default)]
pub struct Summary {
    worlds: u64,
    leases: f64,
    jobs: u64,
    exits: BTreeMap<Exit, u64>,
    excused: BTreeMap<Excuse, (u64, f64)>,
    coverage: Coverage,
}

impl Summary {
    pub fn add(&mut self, world: &World) {
        self.worlds += 1;
        self.leases += world.leases();
        self.jobs += u64::from(world.judge.jobs);
        for (exit, count) in &world.judge.exits {
            *self.exits.entry(*exit).or_default() += u64::from(*count);
        }
        for (excuse, (count, longest)) in &world.judge.excused {
            let (all, longest_of_all) = self.excused.entry(*excuse).or_default();
            *all += u64::from(*count);
            *longest_of_all = longest_of_all.max(*longest);
        }
        self.coverage.add(&world.coverage);
    }

    /// Which part of all states was seen.
    pub fn covers(&self) -> f64 {
        let (seen, all) = self.coverage.seen();
        seen as f64 / all as f64
    }

    pub fn text(&self, took: Duration) -> String {
        let seconds = took.as_secs_f64();
        let mut text = format!(
            "{} worlds in {seconds:.1} s of processor time: {:.0} seeds and {:.0} leases a second; {} jobs\n",
            self.worlds,
            self.worlds as f64 / seconds,
            self.leases / seconds,
            self.jobs,
        );
        let (seen, all) = self.coverage.seen();
        writeln!(text, "states: {seen} of {all} pairs of a fault and a stage of the run that it met")
            .unwrap();
        let missing = self.coverage.missing();
        if !missing.is_empty() {
            writeln!(text, "  never seen: {}", missing.join(", ")).unwrap();
        }
        let exits: Vec<String> = self.exits.iter().map(|(exit, count)| format!("{count} {exit:?}")).collect();
        writeln!(text, "ends: {}", exits.join(", ")).unwrap();
        text += "jobs that ran beside the next holder's, by README's exceptions:\n";
        for (excuse, (count, longest)) in &self.excused {
            writeln!(text, "  {excuse}: {count}, for {longest:.2} leases at most").unwrap();
        }
        text
    }
}
