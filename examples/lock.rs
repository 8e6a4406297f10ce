//! Runs a function while a lock is held: `lock [SECONDS]`. Of two that are started together, one finds it held elsewhere.

use std::error::Error;
use std::time::Duration;
use std::{env, thread};

use heimdall::conninfo::{Config, Environment};
use heimdall::lock::{self, Held, Key, LockRequest, Mode};
use heimdall::net::ConnectOptions;

fn main() -> Result<(), Box<dyn Error>> {
    let seconds = env::args().nth(1).map_or(Ok(1), |seconds| seconds.parse())?;
    let database = env::var("DATABASE_URL").unwrap_or_default();
    let config = Config::resolve(&database, &Environment::of_process())?;
    let options = ConnectOptions::new(&config).application_name("example");
    let request = LockRequest::one(Key::named("examples", "lock"), Mode::Exclusive);

    match lock::run(&options, &request, Duration::from_secs(60), |held| work(held, seconds))? {
        Some(done) => println!("did {done} of {seconds} parts"),
        None => println!("held elsewhere"),
    }
    Ok(())
}

/// Looks before each part, of a second, whether the lock is still held.
fn work(held: &Held, parts: u32) -> u32 {
    println!("holding, fencing token {}", held.token());
    for part in 0..parts {
        if held.lost().is_some() {
            return part;
        }
        thread::sleep(Duration::from_secs(1));
    }
    parts
}
