//! What a component may cost before it is loaded. The compiler is this very
//! program.

use crate::{
    guest::guest,
    lab::{AnyName, any_start},
};
use ipam_api::Factory as _;
use ipam_runtime::{CompileLimits, Limits, LoadError, Runtime, compile};
use std::{
    env,
    ffi::OsString,
    path::Path,
    process,
    time::{Duration, Instant, SystemTime},
};

/// The test below, as a command; what is appended looks like more names of
/// tests.
fn command() -> Vec<OsString> {
    let program = env::current_exe().unwrap().into_os_string();
    let test = ["compile::the_compiler", "--exact", "--nocapture", "as-compiler"];
    [program].into_iter().chain(test.map(OsString::from)).collect()
}

#[test]
fn the_compiler() {
    let arguments: Vec<OsString> =
        env::args_os().skip_while(|word| word != "as-compiler").skip(1).collect();
    if !arguments.is_empty() {
        process::exit(compile(&arguments).into());
    }
}

fn load(
    cache: &Path,
    command: Vec<OsString>,
    bytes: &[u8],
    limits: Limits,
) -> Result<(), LoadError> {
    let loaded = Runtime::with_compiler(cache, command).unwrap().load("guest", bytes, limits)?;
    loaded.make(&any_start(), Box::new(AnyName)).unwrap();
    Ok(())
}

fn kept(cache: &Path) -> usize {
    let versions = std::fs::read_dir(cache.join("modules")).into_iter().flatten();
    let files = versions.flat_map(|version| std::fs::read_dir(version.unwrap().path()).unwrap());
    files.filter(|file| file.as_ref().unwrap().path().extension().is_none()).count()
}

#[test]
fn another_process_compiles_and_the_cache_hands_over() {
    let cache = tempfile::tempdir().unwrap();
    load(cache.path(), command(), ipam_builtin::NULL, Limits::default()).unwrap();
    assert_eq!(kept(cache.path()), 1);
    load(cache.path(), command(), ipam_builtin::NULL, Limits::default()).unwrap();
    assert_eq!(kept(cache.path()), 1);
}

#[test]
fn time_is_up_when_it_is_up() {
    let cache = tempfile::tempdir().unwrap();
    let limits = Limits {
        compile: CompileLimits { time: Duration::ZERO, ..CompileLimits::default() },
        ..Limits::default()
    };
    let refused = load(cache.path(), command(), ipam_builtin::DEFAULT, limits).unwrap_err();
    let words = "compiling it takes more than 0ns, the most that limits.compile.time allows";
    assert_eq!(refused.to_string(), words);
    assert_eq!(kept(cache.path()), 0);
}

#[test]
fn memory_is_bounded() {
    let cache = tempfile::tempdir().unwrap();
    let limits = Limits {
        compile: CompileLimits { memory_bytes: 32 << 20, ..CompileLimits::default() },
        ..Limits::default()
    };
    let refused = load(cache.path(), command(), ipam_builtin::DEFAULT, limits).unwrap_err();
    assert!(matches!(refused, LoadError::Compiler(_)), "{refused}");
    assert_eq!(kept(cache.path()), 0);
}

#[test]
fn code_is_bounded() {
    let cache = tempfile::tempdir().unwrap();
    let limits = Limits {
        compile: CompileLimits { code_bytes: 64 << 10, ..CompileLimits::default() },
        ..Limits::default()
    };
    let refused = load(cache.path(), command(), ipam_builtin::DEFAULT, limits).unwrap_err();
    // Whether it is seen before it is written or when it is.
    let words = refused.to_string();
    let is_bounded = words.contains("it compiles to more than 65536") || words.contains("SIGXFSZ");
    assert!(is_bounded, "{words}");
}

/// Its names can be read, but one of its functions is nonsense.
#[test]
fn what_is_no_component_is_called_so() {
    let marked = [("is-built-in", "(i32.and (i32.const 123456789) (i32.const 0))")];
    let mut component = guest("", &marked);
    let mark = [0x41, 0x95, 0x9a, 0xef, 0x3a];
    let at = component.windows(mark.len()).position(|bytes| bytes == mark).unwrap();
    component[at] = 0xff;
    let cache = tempfile::tempdir().unwrap();
    let refused = load(cache.path(), command(), &component, Limits::default()).unwrap_err();
    let LoadError::Invalid(words) = refused else { panic!("{refused}") };
    assert!(words.contains("illegal opcode"), "{words}");
}

/// Nothing is compiled here because nobody else does it.
#[test]
fn a_command_that_does_not_compile_is_no_compiler() {
    for command in
        [&["/bin/true"][..], &["/bin/false"], &["/bin/cat", "/no/such"], &["/no/such"], &[]]
    {
        let cache = tempfile::tempdir().unwrap();
        let command = command.iter().map(OsString::from).collect();
        let refused = load(cache.path(), command, ipam_builtin::NULL, Limits::default());
        assert!(refused.is_err());
        assert_eq!(kept(cache.path()), 0);
    }
}

/// The cache makes each file anew, and is stuck where another began it.
#[test]
fn what_a_killed_compiler_left_is_cleared_away() {
    let cache = tempfile::tempdir().unwrap();
    load(cache.path(), command(), ipam_builtin::NULL, Limits::default()).unwrap();
    let version = std::fs::read_dir(cache.path().join("modules")).unwrap().next().unwrap();
    let version = version.unwrap().path();
    let mut code = std::fs::read_dir(version).unwrap().map(|file| file.unwrap().path());
    let code = code.find(|file| file.extension().is_none()).unwrap();
    let part = code.with_extension("wip-atomic-write-mod");
    std::fs::rename(&code, &part).unwrap();
    let stuck = load(cache.path(), command(), ipam_builtin::NULL, Limits::default());
    assert!(stuck.unwrap_err().to_string().contains("cannot be kept"));
    let file = std::fs::File::options().write(true).open(&part).unwrap();
    file.set_modified(SystemTime::now() - Duration::from_secs(60)).unwrap();
    load(cache.path(), command(), ipam_builtin::NULL, Limits::default()).unwrap();
    assert!(!part.exists());
}

/// Nested loops over as many locals make millions of values to keep apart: 57
/// KB that were not compiled after a minute and a half.
#[test]
fn what_is_small_and_hard_to_compile_is_given_up() {
    const MANY: usize = 3000;
    let steps = (0..MANY).map(|n| format!("local.get {n} i32.const 1 i32.add local.set {n} "));
    let ends = (0..MANY).map(|depth| format!("local.get 0 br_if {depth} "));
    let bomb = format!(
        "(func $bomb (local {}) {} {} {} {})",
        "i32 ".repeat(MANY),
        "loop ".repeat(MANY),
        steps.collect::<String>(),
        ends.collect::<String>(),
        "end ".repeat(MANY),
    );
    let component = guest("", &[("", &bomb)]);
    assert!(component.len() < 64 << 10, "{}", component.len());
    let cache = tempfile::tempdir().unwrap();
    let limits = Limits {
        compile: CompileLimits { time: Duration::from_secs(1), ..CompileLimits::default() },
        ..Limits::default()
    };
    let began = Instant::now();
    let refused = load(cache.path(), command(), &component, limits).unwrap_err();
    assert!(matches!(refused, LoadError::TooSlow(_) | LoadError::Compiler(_)), "{refused}");
    assert!(began.elapsed() < Duration::from_secs(20));
}
