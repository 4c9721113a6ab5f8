//! `wipam test`: asks a driver for every promise of the contract, in a process
//! of its own, within the limits that it has in service.

use crate::{
    Fatal,
    config::LogFormat,
    driver_config::{DriverSettings, Source},
    logging,
    test_args::TestFlags,
};
use ipam_admin::json;
use ipam_api::text::escaped;
use ipam_conformance_host::{
    Options, Outcome, Plugin, PromiseResult, Report, Section, Target, junit, test,
};
use ipam_runtime::{CallLimits, Grants, Limits, Runtime, StoreLimits, read_file};
use ipam_service::Origin;
use serde::Serialize;
use std::{
    fs,
    io::{self, Write},
    path::Path,
    time::Duration,
};

/// What `--store` grants.
const STORE: StoreLimits = StoreLimits { bytes_max: 1 << 20, keys_max: 1000 };

pub(crate) fn run(flags: &TestFlags) -> Result<(), Fatal> {
    let config: serde_json::Value = serde_json::from_str(&flags.config)
        .map_err(|error| Fatal::Usage(format!("--config: {error}")))?;
    if !config.is_object() {
        return Err(Fatal::Usage("--config: it is no JSON object".to_owned()));
    }
    // What the driver says, its panics above all.
    logging::start(LogFormat::Text)?;
    // Compiled code is of no use to anybody else, and foreign code must not be
    // found there.
    let cache = tempfile::tempdir().map_err(|error| usage("a temporary directory", &error))?;
    let compiler = ["/proc/self/exe", "compile"].map(Into::into).to_vec();
    let runtime =
        Runtime::with_compiler(cache.path(), compiler).map_err(|it| usage("wasm", &it))?;
    let target = target(flags, &runtime)?;
    let suite = runtime.suite(ipam_builtin::CONFORMANCE).map_err(|it| usage("the suite", &it))?;
    let options = Options {
        config: flags.config.clone(),
        name: flags.name.clone(),
        seed: flags.seed,
        operations: flags.operations,
        resting: flags.resting,
        // Behind a driver that bridges to plugins are plugins.
        nameless: flags.docker_socket.is_some() || !flags.plugin.is_empty(),
        has_real_random: flags.random,
        asks_others: !flags.http.is_empty() || !flags.plugin.is_empty(),
    };
    // Whether the report can be written is known before the suite has run for
    // minutes.
    let junit_file = flags.junit.as_ref().map(|file| match fs::File::create(file) {
        Ok(open) => Ok((file, open)),
        Err(error) => Err(usage(&format!("--junit {}", file.display()), &error)),
    });
    let junit_file = junit_file.transpose()?;
    let mut printer = Printer { json: flags.json, driver: String::new() };
    let mut told = Ok(());
    let mut tell = |driver: &str, result: &PromiseResult| {
        if told.is_ok() {
            told = printer.result(driver, result);
        }
    };
    let reports = test(&suite, &target, &options, &mut tell)
        .map_err(|error| Fatal::Failed(error.to_string()))?;
    let printed = told.and_then(|()| reports.iter().try_for_each(|report| printer.score(report)));
    match printed {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            return Err(Fatal::Failed(format!("cannot print: {error}")));
        }
        Ok(()) | Err(_) => {}
    }
    if let Some((file, open)) = junit_file {
        write_junit(open, &reports)
            .map_err(|error| Fatal::Failed(format!("{}: {error}", file.display())))?;
    }
    if reports.iter().all(Report::conforms) {
        return Ok(());
    }
    Err(Fatal::Failed("it does not conform".to_owned()))
}

fn usage(what: &str, why: &dyn std::error::Error) -> Fatal {
    Fatal::Usage(format!("{what}: {why}"))
}

fn target(flags: &TestFlags, runtime: &Runtime) -> Result<Target, Fatal> {
    let call_time = Duration::from_millis(flags.call_ms);
    let Some(file) = &flags.file else {
        let socket = flags.docker_socket.as_deref().unwrap_or(Path::new(""));
        let plugin = Plugin::new(socket, call_time);
        plugin.probe().map_err(|error| usage(&socket.display().to_string(), &error))?;
        return Ok(Target::Plugin(plugin));
    };
    let limits = Limits {
        call: CallLimits { time: call_time, ..CallLimits::default() },
        ..Limits::default()
    };
    let (label, bytes, is_built_in) = component(file)?;
    let store = DriverSettings::new(file, None, Path::new(""))?.grants.store;
    let grants = Grants {
        store: flags.store.then_some(STORE).or(store),
        http: flags.http.clone(),
        plugins: flags.plugins(),
        random_real: flags.random,
    };
    let component = runtime
        .load_granted(&label, &bytes, limits, &grants)
        .map_err(|error| usage(file, &error))?;
    Ok(Target::Component { component, is_built_in })
}

/// A driver's component by what the command line calls it: what to call it in
/// the log, its bytes, and whether it is built in.
pub(crate) fn component(file: &str) -> Result<(String, Vec<u8>, bool), Fatal> {
    match DriverSettings::new(file, None, Path::new(""))?.source {
        Source::BuiltIn(which) => {
            let is_built_in = which.origin() == Origin::BuiltIn;
            Ok((which.name().to_owned(), which.component().to_vec(), is_built_in))
        }
        Source::File(path) => {
            let bytes =
                read_file(&path, &Limits::default()).map_err(|error| usage(file, &error))?;
            let label = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            Ok((label, bytes, false))
        }
    }
}

fn write_junit(file: fs::File, reports: &[Report]) -> io::Result<()> {
    let mut writer = io::BufWriter::new(file);
    junit(reports, &mut writer)?;
    writer.flush()
}

/// Prints each result as it comes.
struct Printer {
    json: bool,
    /// Whose results are printed.
    driver: String,
}

/// A line of JSON: whose it is, and it.
#[derive(Serialize)]
struct Line<'a, T> {
    driver: &'a str,
    #[serde(flatten)]
    item: &'a T,
}

impl Printer {
    fn result(&mut self, driver: &str, result: &PromiseResult) -> io::Result<()> {
        let mut out = io::stdout().lock();
        if self.json {
            return line(&mut out, driver, result);
        }
        if self.driver != driver {
            driver.clone_into(&mut self.driver);
            writeln!(out, "driver {driver}\n")?;
        }
        let PromiseResult { section, promise, title, outcome } = result;
        write!(out, "{section}/{promise}: {title}: ")?;
        match outcome {
            Outcome::Pass => writeln!(out, "pass")?,
            Outcome::NotApplicable { reason } => {
                writeln!(out, "not applicable: {}", escaped(reason))?
            }
            Outcome::Fail { reason, exchange } => {
                writeln!(out, "FAIL: {}", escaped(reason))?;
                exchange.iter().try_for_each(|line| writeln!(out, "    {}", escaped(line)))?;
            }
        }
        out.flush()
    }

    fn score(&self, report: &Report) -> io::Result<()> {
        let mut out = io::stdout().lock();
        if self.json {
            return report
                .sections()
                .iter()
                .try_for_each(|section| line(&mut out, &report.driver, section));
        }
        writeln!(out)?;
        for Section { section, passed, failed, not_applicable } in report.sections() {
            write!(out, "{section}: {passed} of {}", passed + failed)?;
            match not_applicable {
                0 => writeln!(out)?,
                number => writeln!(out, ", {number} not applicable")?,
            }
        }
        let conclusion = if report.conforms() { "it conforms" } else { "it does not conform" };
        match &*report.driver {
            "" => writeln!(out, "{conclusion}"),
            driver => writeln!(out, "{driver}: {conclusion}"),
        }
    }
}

fn line(out: &mut impl Write, driver: &str, item: &impl Serialize) -> io::Result<()> {
    json::write(&mut *out, &Line { driver, item })?;
    out.write_all(b"\n")?;
    out.flush()
}
