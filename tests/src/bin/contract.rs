//! Writes the contract as a package, for a registry: `contract FILE`.

use std::{env, fs, process::ExitCode};

fn main() -> ExitCode {
    let Some(file) = env::args_os().nth(1) else {
        eprintln!("usage: contract FILE");
        return ExitCode::FAILURE;
    };
    match fs::write(&file, ipam_tests::contract::package()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("contract: {}: {error}", file.display());
            ExitCode::FAILURE
        }
    }
}
