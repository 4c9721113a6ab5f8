//! Compiling in a process of its own, which may be killed.
//!
//! A component can be made to cost its compiler any time and any memory, or to
//! overflow its stack; wasmtime does not call that a vulnerability, and a
//! thread cannot be stopped. So another process compiles, within limits that
//! the kernel holds, and what it made comes back through wasmtime's own cache:
//! a private directory. Handing over the code itself would need
//! `Component::deserialize`, which is unsafe, because it believes what it
//! reads; the cache is believed just as much, but is the engine's own.
//!
//! The host's engine then finds the code there. It cannot be told never to
//! compile, because an engine without a compiler looks for another name in the
//! cache. Instead the process makes sure that its own engine is the same one,
//! and finds the code itself, before it says that all is well.

use crate::{Limits, LoadError, confine::confine, halt::Halt, runtime::engine};
use ipam_api::text::bounded;
use rustix::process::{Resource, Rlimit, setrlimit};
use std::{
    ffi::OsString,
    fs,
    hash::{DefaultHasher, Hash as _, Hasher as _},
    io::{self, Read as _, Write as _},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    thread,
    time::{Duration, Instant},
};
use wasmtime::{Engine, component::Component};

/// What it says when all is well; silence is not enough.
const DONE: &str = "compiled";
/// The component is no good.
const INVALID: u8 = 1;
/// The compiler could not do its work.
const FAILED: u8 = 3;
/// Files that it may have open: its streams, and one of the cache at a time.
const FILES: u64 = 32;
/// How much it says, and how much of that is read.
const WORDS_BYTES: u16 = 4 << 10;
/// The longest that is waited for it, if its limit is beyond all clocks.
const DAY: Duration = Duration::from_hours(24);
/// How often it is looked at.
const PAUSE: Duration = Duration::from_millis(2);
/// A file that a process was writing when it was killed is in the way of the
/// next one; none is written for that long.
const LEFTOVER_AGE: Duration = Duration::from_secs(10);

/// How the process is started, and where it leaves what it made.
#[derive(Debug)]
pub(crate) struct Compiler {
    pub(crate) command: Vec<OsString>,
    pub(crate) cache: PathBuf,
    /// Of the engine that will look for it.
    pub(crate) fingerprint: u64,
    /// Whether the host ends.
    pub(crate) halt: Halt,
}

/// What two engines that share code have in common.
pub(crate) fn fingerprint(engine: &Engine) -> u64 {
    let mut hasher = DefaultHasher::new();
    engine.precompile_compatibility_hash().hash(&mut hasher);
    hasher.finish()
}

impl Compiler {
    /// Has a component compiled into the cache.
    pub(crate) fn compile(&self, bytes: &[u8], limits: &Limits) -> Result<(), LoadError> {
        let failed = |error: io::Error| LoadError::Compiler(error.to_string());
        if self.halt.is_set() {
            return Err(LoadError::Halted);
        }
        let [program, arguments @ ..] = &self.command[..] else {
            return Err(LoadError::Compiler("no command is given".to_owned()));
        };
        // As many threads as there are processors may be busy all the time.
        let processors = thread::available_parallelism().map_or(1, usize::from);
        let seconds = limits.compile.time.as_secs().saturating_add(1);
        let mut child = Command::new(program)
            .args(arguments)
            .arg(&self.cache)
            .arg(self.fingerprint.to_string())
            .arg(bytes.len().to_string())
            .arg(limits.compile.memory_bytes.to_string())
            .arg(seconds.saturating_mul(processors.try_into().unwrap_or(u64::MAX)).to_string())
            .arg(limits.compile.code_bytes.to_string())
            .env_clear()
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(failed)?;
        // A time that no clock reaches is as good as a day.
        let now = Instant::now();
        let deadline = now.checked_add(limits.compile.time).unwrap_or(now + DAY);
        let (mut stdin, mut stderr) = (child.stdin.take(), child.stderr.take());
        let (status, words) = thread::scope(|scope| {
            // Both end with the child, whatever it does.
            scope.spawn(move || stdin.take().map(|mut stdin| stdin.write_all(bytes)));
            let words = scope.spawn(move || {
                let mut words = Vec::new();
                if let Some(stderr) = &mut stderr {
                    drop(stderr.by_ref().take(WORDS_BYTES.into()).read_to_end(&mut words));
                    drop(io::copy(stderr, &mut io::sink()));
                }
                words
            });
            let status = wait(&mut child, deadline, &self.halt);
            (status, words.join().unwrap_or_default())
        });
        let words = String::from_utf8_lossy(&words);
        let is_done = words == DONE;
        let words = bounded(limits.answer.report_bytes, words.trim());
        let Some(status) = status.map_err(failed)? else {
            return Err(if self.halt.is_set() {
                LoadError::Halted
            } else {
                LoadError::TooSlow(limits.compile.time)
            });
        };
        match status.code() {
            Some(0) if is_done => Ok(()),
            Some(code) if code == i32::from(INVALID) => Err(LoadError::Invalid(words)),
            Some(code) if code == i32::from(FAILED) => Err(LoadError::Compiler(words)),
            _ => Err(LoadError::Compiler(format!(
                "the compiler, which may have limits.compile.memory = {} bytes, {seconds} s of \
                 each processor, and write limits.compile.code = {} bytes, ended with {status}: \
                 {words}",
                limits.compile.memory_bytes, limits.compile.code_bytes,
            ))),
        }
    }
}

/// Waits for the child, but not for long, nor when the host ends: nothing if it
/// was killed for that.
fn wait(child: &mut Child, deadline: Instant, halt: &Halt) -> io::Result<Option<ExitStatus>> {
    loop {
        match child.try_wait() {
            Ok(None) if Instant::now() < deadline && !halt.is_set() => thread::sleep(PAUSE),
            Ok(Some(status)) => return Ok(Some(status)),
            other => {
                child.kill()?;
                child.wait()?;
                return other;
            }
        }
    }
}

/// What the process does that compiles for a host: it reads a component from
/// its standard input and leaves the code in the cache. `arguments` are those
/// that follow the command of
/// [`Runtime::with_compiler`](crate::Runtime::with_compiler); they are made and
/// read by the same version of this crate, and nobody else's business.
///
/// It limits itself before it reads anything, for good: call it first thing,
/// and exit with the code that it returns.
#[must_use]
pub fn compile(arguments: &[OsString]) -> u8 {
    let (words, code) = match work(arguments) {
        Ok(()) => (DONE.to_owned(), 0),
        Err(failed) => failed,
    };
    // Whoever does not read it sees the code.
    drop(io::stderr().write_all(words.as_bytes()));
    code
}

/// An error, which may hold names that a component chose, for who reads them
/// out of a pipe.
fn said(error: impl std::fmt::Display) -> String {
    bounded(WORDS_BYTES.into(), format_args!("{error:#}"))
}

fn work(arguments: &[OsString]) -> Result<(), (String, u8)> {
    fn failed(error: impl std::fmt::Display) -> (String, u8) {
        (said(error), FAILED)
    }
    let [directory, numbers @ ..] = arguments else {
        return Err(failed("this command is part of another"));
    };
    let numbers: Option<Vec<u64>> =
        numbers.iter().map(|number| number.to_str()?.parse().ok()).collect();
    let Some(&[fingerprint, component_bytes, memory_bytes, seconds, compiled_bytes]) =
        numbers.as_deref()
    else {
        return Err(failed("this command is part of another"));
    };
    for (resource, most) in [
        (Resource::Core, 0),
        (Resource::As, memory_bytes),
        (Resource::Cpu, seconds),
        (Resource::Fsize, compiled_bytes),
        (Resource::Nofile, FILES),
    ] {
        let limit = Rlimit { current: Some(most), maximum: Some(most) };
        setrlimit(resource, limit).map_err(failed)?;
    }
    confine(Path::new(directory)).map_err(failed)?;
    let mut bytes = Vec::new();
    io::stdin().take(component_bytes).read_to_end(&mut bytes).map_err(failed)?;
    remove_leftovers(Path::new(directory)).map_err(failed)?;
    let (engine, cache) = engine(Some(Path::new(directory))).map_err(failed)?;
    if self::fingerprint(&engine) != fingerprint {
        return Err(failed("the compiler is not of the same version as its host"));
    }
    // The second time it must be there.
    for _ in 0..2 {
        let compiled =
            Component::from_binary(&engine, &bytes).map_err(|error| (said(error), INVALID))?;
        let code = compiled.image_range();
        if code.end.addr() - code.start.addr()
            > usize::try_from(compiled_bytes).unwrap_or(usize::MAX)
        {
            return Err((format!("it compiles to more than {compiled_bytes} bytes"), INVALID));
        }
        if cache.as_ref().is_some_and(|cache| cache.cache_hits() > 0) {
            return Ok(());
        }
    }
    Err(failed("what was compiled cannot be kept in the cache"))
}

/// Removes what processes that were killed were writing.
fn remove_leftovers(cache: &Path) -> io::Result<()> {
    let Ok(versions) = fs::read_dir(cache.join("modules")) else { return Ok(()) };
    for version in versions {
        for file in fs::read_dir(version?.path())? {
            let file = file?;
            let is_part = file.file_name().to_string_lossy().contains(".wip-atomic-write-");
            let age = file.metadata()?.modified()?.elapsed().unwrap_or_default();
            if is_part && age > LEFTOVER_AGE {
                fs::remove_file(file.path())?;
            }
        }
    }
    Ok(())
}
