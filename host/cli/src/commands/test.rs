//! `wipam test`: asks a driver for every promise of the contract, in a process
//! of its own, within the limits that it has in service.

mod cache;
mod tested;

use crate::{
    fatal::Fatal,
    logging::{self, LogFormat},
};
use cache::Cache;
use ipam_admin::json;
use ipam_api::{DriverName, text::escaped};
use ipam_conformance_host::{Options, Outcome, Plugin, PromiseResult, Report, Target, junit, test};
use ipam_runtime::{LoadError, Runtime};
use serde::Serialize;
use std::{
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
    time::Duration,
};
use tested::{Granted, Tested};

/// Test a driver against every rule of the contract, without a daemon
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Args {
    /// The driver's component, or builtin:default, builtin:null, builtin:remote;
    /// with --driver that of its table, if none is given
    #[arg(required_unless_present_any = ["docker_socket", "driver"])]
    file: Option<String>,
    /// Test the Docker IPAM plugin that listens on this socket
    #[arg(long, value_name = "FILE", conflicts_with_all = ["file", "config", "store", "http", "plugin", "random"])]
    docker_socket: Option<PathBuf>,
    /// The driver's configuration, as JSON; with --driver, a configuration file of `wipam serve`
    #[arg(long, value_name = "JSON|FILE", default_value = "{}")]
    config: String,
    /// Test with what this driver has in that file: configuration, limits and grants
    #[arg(long, value_name = "NAME", requires = "config", conflicts_with_all = ["docker_socket", "store", "http", "plugin", "random", "call_ms"])]
    driver: Option<String>,
    /// Test only this name, if the driver registers several
    #[arg(long, value_name = "NAME")]
    name: Option<DriverName>,
    #[command(flatten)]
    granted: Granted,
    /// The driver rests released addresses for over an hour: do not expect them back
    #[arg(long)]
    resting: bool,
    /// Seed of the random operations
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    seed: u64,
    /// Number of random operations
    #[arg(long, value_name = "NUMBER", default_value_t = 100_000)]
    operations: u32,
    /// Print JSON, one object for each rule and one for each section
    #[arg(long)]
    json: bool,
    /// Also write a report in JUnit XML
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
}

const AFTER_HELP: &str = "\
The driver runs within its usual limits, or with --driver within those of its table. A rule about something that the driver does
not offer is not applicable. For each rule that it breaks, the requests and responses
that show it are printed.

Exit codes: 0 it conforms, 1 it does not, 2 it cannot be loaded, the --junit file
cannot be written, or wrong command line.

Examples:
  wipam test lab.wasm --junit report.xml
  wipam test --config /etc/wipam.toml --driver lab lab-2.wasm
  wipam test --docker-socket /run/docker/plugins/lab.sock";

pub(crate) fn run(args: &Args) -> Result<(), Fatal> {
    let tested = match (&args.driver, &args.file) {
        (Some(name), file) => {
            Some(Tested::in_service(Path::new(&args.config), name, file.as_deref())?)
        }
        (None, Some(file)) => Some(Tested::of_flags(file, &args.config, &args.granted)?),
        (None, None) => None,
    };
    // What the driver says, its panics above all.
    logging::start(LogFormat::Text)?;
    let compiler = ["/proc/self/exe", "compile"].map(Into::into).to_vec();
    let cache = Cache::new()?;
    let runtime =
        Runtime::with_compiler(cache.path(), compiler).map_err(|it| usage("wasm", &it))?;
    let suite = runtime.suite(ipam_builtin::CONFORMANCE).map_err(|it| usage("the suite", &it))?;
    let options = options(args, tested.as_ref());
    let target = match tested {
        Some(tested) => component(tested, &runtime)?,
        None => plugin(args)?,
    };
    // Whether the report can be written is known before the suite has run for
    // minutes.
    let junit_file = args.junit.as_ref().map(|file| match fs::File::create(file) {
        Ok(open) => Ok((file, open)),
        Err(error) => Err(usage(&format!("--junit {}", file.display()), &error)),
    });
    let junit_file = junit_file.transpose()?;
    let mut printer = Printer { json: args.json, driver: String::new() };
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

fn options(args: &Args, tested: Option<&Tested>) -> Options {
    let usual = Options {
        name: args.name.clone(),
        seed: args.seed,
        operations: args.operations,
        resting: args.resting,
        ..Options::default()
    };
    let Some(Tested { grants, config, names_max, .. }) = tested else {
        return Options { nameless: true, ..usual };
    };
    let has_plugins = !grants.plugins.names.is_empty();
    Options {
        config: config.clone(),
        names_max: names_max.unwrap_or(usual.names_max),
        // Behind a driver that bridges to plugins are plugins.
        nameless: has_plugins,
        has_real_random: grants.random_real,
        asks_others: has_plugins || !grants.http.is_empty(),
        ..usual
    }
}

fn component(tested: Tested, runtime: &Runtime) -> Result<Target, Fatal> {
    let Tested { label, bytes, is_built_in, limits, grants, .. } = tested;
    match runtime.load_granted(&label, &bytes, limits, &grants) {
        Ok(component) => Ok(Target::Component { component, is_built_in }),
        Err(error @ LoadError::UngrantedImports(_)) => Err(Fatal::Usage(format!(
            "{label}: {error} (here: --store, --http, --plugin, or --config FILE --driver NAME)"
        ))),
        Err(error) => Err(usage(&label, &error)),
    }
}

fn plugin(args: &Args) -> Result<Target, Fatal> {
    let socket = args.docker_socket.as_deref().unwrap_or(Path::new(""));
    let plugin = Plugin::new(socket, Duration::from_millis(args.granted.call_ms));
    plugin.probe().map_err(|error| usage(&socket.display().to_string(), &error))?;
    Ok(Target::Plugin(plugin))
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
        report.sections().iter().try_for_each(|section| writeln!(out, "{section}"))?;
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
