//! Any bytes as the chance that decides what happens in a simulated world: no promise may be broken in any.
#![no_main]
#![allow(dead_code, reason = "`make simulate` uses the rest")]

#[path = "../../../tests/simulation/mod.rs"]
mod simulation;

use simulation::dice::Dice;
use simulation::world::World;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let mut world = World::new(Dice::chosen(data), None);
    world.play();
    if world.judge.violation.is_some() {
        let mut world = World::told(Dice::chosen(data), None);
        world.play();
        panic!("{}", world.story().join("\n"));
    }
});
