//! What one call costs in instructions and allocations, compared with the figures that are checked in.
//!
//! ```sh
//! cargo run -p benches --profile counters --features counters --bin counters [-- [--bless] [SCENARIO…]]
//! ```
//!
//! Times depend on the machine and on what else it does; these figures hardly do. The program runs
//! itself under valgrind's callgrind, where it starts real servers, with a local Clerk, and calls each
//! scenario through a socket. Counted is what the process does in user mode, its client included, which
//! only writes bytes and compares bytes. A figure that is more than 5 % above the one in
//! `benches/counters.tsv` is a failure; `--bless` writes that file anew.
//!
//! They are for comparison with themselves: valgrind knows no instructions for SHA-256, which makes a
//! token's digest some 20 000 dearer than it is, and what the kernel does is not counted.
//!
//! The profiles stay beside the executable: `callgrind_annotate --auto=no
//! target/counters/callgrind/same-token`.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stderr,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a program that measures stops at the first surprise"
)]

mod callgrind;
mod connection;
mod figures;
#[path = "../subject/more.rs"]
mod more;
mod scenarios;
mod servers;
#[path = "../subject/tools.rs"]
mod tools;

use std::alloc::System;
use std::env;
use std::process::ExitCode;

use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};

use figures::Figures;
use tools::Sum;

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

fn main() -> ExitCode {
    let mut names: Vec<String> = env::args().skip(1).collect();
    if names.first().is_some_and(|first| first == UNDER_CALLGRIND) {
        names.remove(0);
        actix_web::rt::System::new().block_on(scenarios::run(names));
        return ExitCode::SUCCESS;
    }
    let blesses = names.iter().any(|name| name == "--bless");
    names.retain(|name| name != "--bless");
    let counted = callgrind::count(&names);
    if blesses {
        Figures::checked_in().updated(counted).check_in();
        return ExitCode::SUCCESS;
    }
    let checked_in = Figures::checked_in();
    print!("{}", counted.table(&checked_in));
    // The comparison can fail: to figures that were a tenth better every one of these is worse.
    let found = counted.worse_than(&counted.tenth_better()).len();
    assert_eq!(found, counted.len(), "a comparison that finds nothing");
    let mut complaints = counted.worse_than(&checked_in);
    complaints.extend(counted.unknown_to(&checked_in));
    complaints.extend(counted.growth());
    for complaint in &complaints {
        eprintln!("{complaint}");
    }
    if !checked_in.worse_than(&counted).is_empty() {
        println!("some are more than 5 % better: have them checked in, with --bless");
    }
    match complaints.is_empty() {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}

/// The argument by which the program tells itself that it is counted.
const UNDER_CALLGRIND: &str = "--under-callgrind";
