//! Plays golden files through the `default` component.

#![expect(clippy::print_stdout, reason = "it is a program, and this is its output")]

use ipam_runtime::{Limits, Runtime};
use ipam_tests::golden::{self, Outcome};
use std::{env, fs::File, process::ExitCode};

const USAGE: &str = "usage: golden FILE...

Plays recorded allocator traces, plain or gzip, through the built-in `default`
component. Prints the first differences and `N passed, N failed`; the exit code
is 0 when nothing failed, 1 when something did, 2 when a file cannot be played.";

fn main() -> ExitCode {
    let files: Vec<String> = env::args().skip(1).collect();
    if files.is_empty() || files.iter().any(|file| file == "--help" || file == "-h") {
        println!("{USAGE}");
        return if files.is_empty() { ExitCode::from(2) } else { ExitCode::SUCCESS };
    }
    match run(&files) {
        Ok(total) => {
            println!("{} passed, {} failed", total.passed, total.failed);
            if total.failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(error) => {
            eprintln!("golden: {error}");
            ExitCode::from(2)
        }
    }
}

fn run(files: &[String]) -> Result<Outcome, String> {
    let driver = Runtime::new(None)
        .map_err(|error| error.to_string())?
        .load("default", ipam_builtin::DEFAULT, Limits::default())
        .map_err(|error| error.to_string())?;
    let mut total = Outcome::default();
    for file in files {
        let opened = File::open(file).map_err(|error| format!("{file}: {error}"))?;
        let outcome = golden::play(opened, &driver).map_err(|error| format!("{file}: {error}"))?;
        for difference in &outcome.differences {
            println!("{file}: {difference}");
        }
        total.passed += outcome.passed;
        total.failed += outcome.failed;
    }
    Ok(total)
}
