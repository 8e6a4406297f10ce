//! Whole fleets in virtual time: the rules of the product, on simulated hosts, a simulated network and a simulated PostgreSQL.
//!
//! One seed decides everything that happens in a world: who wants the lock and how, what breaks, when, and how late each
//! message and each process is. There is no thread and no real time in it, so that a day takes a moment.

#![allow(
    clippy::struct_excessive_bools,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "a world has many states, and small numbers"
)]

pub mod asked;
pub mod contender;
pub mod coverage;
#[allow(dead_code, clippy::duplicate_mod, reason = "`make simulate` shares it without the other helpers")]
#[path = "../support/dice.rs"]
pub mod dice;
pub mod faults;
pub mod heimdall;
pub mod holder;
pub mod job;
pub mod judge;
pub mod mutants;
pub mod network;
pub mod postgres;
pub mod run;
pub mod summary;
pub mod time;
pub mod world;

use dice::Dice;
use mutants::Mutant;
use world::World;

/// Plays the world of a seed.
pub fn play(seed: u64, mutant: Option<Mutant>) -> World {
    let mut world = World::new(Dice::new(seed), mutant);
    world.play();
    world
}

/// Plays the world of a seed again, and tells what happens in it.
///
/// # Errors
/// A promise is broken, as the last line says. Of the faults that came before that, those are left out without which one is
/// broken, too.
pub fn story(seed: u64, mutant: Option<Mutant>) -> Result<String, String> {
    let world = spared(World::told(Dice::new(seed), mutant), Vec::new());
    let Some(violation) = &world.judge.violation else { return Ok(world.story().join("\n")) };
    let mut shortest = (world.story().join("\n"), violation.clone());
    let mut left_out = Vec::new();
    for fault in (0..world.strikes).rev() {
        let fewer = [left_out.clone(), vec![fault]].concat();
        let world = spared(World::told(Dice::new(seed), mutant), fewer.clone());
        if let Some(violation) = &world.judge.violation {
            shortest = (world.story().join("\n"), violation.clone());
            left_out = fewer;
        }
    }
    let ((story, violation), count, of) = (shortest, left_out.len(), world.strikes);
    Err(format!(
        "{story}\n\n{violation}\n{count} of {of} faults are left out: it happens without them\n\
         to see it again: make simulate SIMULATE_SEED={seed}"
    ))
}

/// Plays a world without these of its faults.
fn spared(mut world: World, faults: Vec<usize>) -> World {
    world.spared = faults;
    world.play();
    world
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::mutants::MUTANTS;
    use super::summary::Summary;
    use super::*;

    #[test]
    fn no_promise_is_broken_in_any_of_many_worlds() {
        let start = Instant::now();
        let mut summary = Summary::default();
        for seed in 0..WORLDS {
            let world = play(seed, None);
            assert!(world.judge.violation.is_none(), "{}", story(seed, None).unwrap_err());
            summary.add(&world);
        }
        let text = summary.text(start.elapsed());
        assert!(summary.covers() > 0.7, "{text}");
    }

    #[test]
    fn every_mistake_is_found() {
        let survives = |mutant: &Mutant| {
            let start = Instant::now();
            let found = (0..ENOUGH_WORLDS).find(|seed| play(*seed, Some(*mutant)).judge.violation.is_some());
            println!("{mutant:?}: found by {found:?} in {:?}", start.elapsed());
            found.is_none()
        };
        let survivors: Vec<Mutant> = MUTANTS.into_iter().filter(survives).collect();
        assert!(survivors.is_empty(), "{survivors:?} survive {ENOUGH_WORLDS} worlds");
    }

    #[test]
    fn a_seed_tells_the_same_story_each_time() {
        let with_faults = |seed: &u64| story(*seed, None).unwrap().contains("FAULT");
        let seed = (0..WORLDS).find(with_faults).unwrap();
        assert_eq!(story(seed, None).unwrap(), story(seed, None).unwrap());
    }

    #[test]
    fn a_broken_promise_is_told_with_the_command_that_repeats_it() {
        // Which nothing but a fault brings to light.
        let mut seeds = 0..ENOUGH_WORLDS;
        let told = seeds.find_map(|seed| story(seed, Some(Mutant::DoesNotWaitAfterABreak)).err()).unwrap();
        let (told, command) = told.rsplit_once('\n').unwrap();
        assert!(told.contains("FAULT: ") && told.contains("VIOLATION: "), "{told}");
        assert!(command.contains("make simulate SIMULATE_SEED="), "{command}");
    }

    /// What takes a few seconds.
    const WORLDS: u64 = 120;

    /// Which take well below ten seconds, also in a build that is not optimised.
    const ENOUGH_WORLDS: u64 = 400;
}
