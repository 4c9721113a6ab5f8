//! The suite as a command: `conformance.wasm`, a component that imports a
//! driver. Exit code 0: it conforms; 1: it does not, or the command line is
//! wrong. Off wasm there is no driver to import.

#[cfg(target_family = "wasm")]
mod wasm;

#[cfg(target_family = "wasm")]
fn main() -> std::process::ExitCode {
    use ipam_conformance::{Json, PROMISES, Report, Settings, Text, run};
    use std::{io, process::ExitCode};

    let settings = match Settings::parse(std::env::args().skip(1)) {
        Ok(settings) => settings,
        Err(wrong) => {
            eprintln!("{wrong}");
            return ExitCode::FAILURE;
        }
    };
    let mut out = io::stdout().lock();
    if settings.list {
        let mut list = Text(&mut out);
        PROMISES.iter().for_each(|promise| list.list(promise));
        return ExitCode::SUCCESS;
    }
    let report: &mut dyn Report =
        if settings.json { &mut Json(&mut out) } else { &mut Text(&mut out) };
    if run(&mut wasm::Imported, &settings, report) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

#[cfg(not(target_family = "wasm"))]
fn main() {
    eprintln!("conformance: build it for wasm32-wasip2 and compose it with a driver");
    std::process::exit(1);
}
