//! Counts the instructions and allocations of one call, and compares them with the checked-in
//! figures.
//!
//! ```sh
//! cargo run -p benches --profile counters --features counters --bin counters [-- [--bless] [SCENARIO…]]
//! ```
//!
//! Times depend on the machine and its load; these figures hardly do. The program runs itself under
//! valgrind's callgrind, starts real servers with a local Clerk, and calls each scenario through a
//! socket. It counts the instructions of the process in user mode. They include the client, which
//! only writes and compares bytes. A figure that is more than 5 % above the figure in
//! `benches/counters.tsv` is a failure; `--bless` rewrites that file.
//!
//! Compare the figures only with each other. valgrind has no instructions for SHA-256, so the
//! digest of a token costs about 20 000 instructions too many, and the kernel is not counted.
//!
//! The profiles are beside the executable: `callgrind_annotate --auto=no
//! target/counters/callgrind/same-token`.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stderr,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a measurement fails by panicking"
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
    // This proves that the comparison can fail: compared with figures that are a tenth better, each
    // figure must be worse.
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

/// The argument that tells the program that it runs under callgrind.
const UNDER_CALLGRIND: &str = "--under-callgrind";
