//! What the authors' guide promises, done: from an empty directory to a Docker
//! network, once in each language.
//!
//! Everything that is typed is what `wipam new` says and what the project's own
//! README has under "Build it". Out: a transcript for each language, which is
//! what `guest/README.md` shows, or else this fails; `BLESS=1` writes it there.
//! What the languages' tools download is kept in `target/authors`.

#![expect(clippy::print_stdout, reason = "it is a program, and this is its output")]

use ipam_tests::{
    daemon::{self, Daemon},
    engine::{self, Engine},
    exchange,
    http::Client,
    operator, programs,
};
use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Command, ExitCode},
    thread,
    time::{Duration, Instant},
};
use wasi_preview1_component_adapter_provider::WASI_SNAPSHOT_PREVIEW1_REACTOR_ADAPTER;

const LANGUAGES: [&str; 5] = ["rust", "python", "js", "c", "go"];
/// What every template's driver answers.
const POLICY: &str = "tests/authors/policy.txt";
/// What Go's standard library looks for, before the driver of the template.
const STARTUP: &str = "tests/authors/startup.go";
const GUIDE: &str = "guest/README.md";
/// CPython is 18 MB of code, for which a Cranelift without optimization may
/// need a minute and more.
const PATIENCE: Duration = Duration::from_mins(10);

type Result<T> = std::result::Result<T, String>;

/// A project, and what was typed to make something of it.
struct Project {
    name: String,
    directory: PathBuf,
    typed: String,
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("authors: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    let home = tempfile::tempdir().map_err(|error| error.to_string())?;
    let mut projects = Vec::new();
    // One after the other: each compile has a limit of time.
    for language in LANGUAGES {
        let begin = Instant::now();
        let project = Project::make(home.path(), language)?;
        println!("{language}: made and built in {:.0?}", begin.elapsed());
        if language == "go" {
            project.starts_with_usual_adapter()?;
        }
        projects.push(project);
    }
    let begin = Instant::now();
    wrapper(home.path())?;
    println!("wrapper: made, built and around {} in {:.0?}", projects[0].name, begin.elapsed());
    let config = home.path().join("wipam.toml");
    write(&config, &configuration(&projects))?;
    let config = config.display().to_string();
    let arguments = ["--config", config.as_str()];

    let begin = Instant::now();
    if engine::is_root() {
        let engine = Engine::start_with(home.path(), "", &arguments)?;
        serve(engine.wipam(), &projects)?;
        engine.import_image()?;
        for project in &mut projects {
            project.use_with(&engine)?;
        }
        println!("served to Docker in {:.0?}", begin.elapsed());
        compare_with_guide(&projects)?;
    } else {
        serve(&Daemon::start(home.path(), &arguments), &projects)?;
        println!("skipped: starting a Docker Engine needs root");
    }
    println!("{} passed, 0 failed", projects.len());
    Ok(())
}

/// A driver around the first of the others, which is in Rust: it conforms, too.
fn wrapper(home: &Path) -> Result<()> {
    let name = "quota-lab".to_owned();
    let mut project = Project { directory: home.join(&name), name, typed: String::new() };
    project.run(home, "wipam new quota-lab --wrap", true)?;
    let directory = project.directory.clone();
    project.run(&directory, "make INNER=../rust-lab/rust-lab.wasm", false)?;
    project.conforms()
}

impl Project {
    /// From nothing to a component, by the project's own words.
    fn make(home: &Path, language: &str) -> Result<Self> {
        let name = format!("{language}-lab");
        let mut project =
            Self { directory: home.join(&name), name: name.clone(), typed: String::new() };
        let lang = if language == "rust" { String::new() } else { format!(" --lang {language}") };
        project.run(home, &format!("wipam new {name}{lang}"), true)?;
        let readme = read(&project.directory.join("README.md"))?;
        let build = readme
            .split_once("## Build it\n\n```sh\n")
            .and_then(|(_, rest)| rest.split_once("\n```"));
        let (build, _) = build.ok_or("its README does not say how to build it")?;
        project.typed += &format!("$ cd {name}\n");
        let directory = project.directory.clone();
        for command in build.lines() {
            project.run(&directory, command, false)?;
        }
        project.conforms()?;
        project.run(&directory, &format!("wipam driver inspect {name}.wasm"), true)?;
        if project.typed.contains("\nneeds ") || project.typed.contains("\nlacks ") {
            return Err(format!("{name} needs what nobody granted:\n{}", project.typed));
        }
        Ok(project)
    }

    /// The conformance suite, of whose many lines the last is shown.
    fn conforms(&mut self) -> Result<()> {
        let typed = format!("wipam test {}.wasm", self.name);
        let said = engine::run(&mut shell(&self.directory, &typed))?;
        let last = said.lines().last().unwrap_or_default();
        self.note(&typed, &format!("…\n{last}"));
        Ok(())
    }

    /// A Go project also runs on what Wipam gives of WASI, instead of on what
    /// its own adapter has.
    fn starts_with_usual_adapter(&self) -> Result<()> {
        let begin = Instant::now();
        let adapter = self.directory.join("build/usual.wasm");
        fs::write(adapter, WASI_SNAPSHOT_PREVIEW1_REACTOR_ADAPTER)
            .map_err(|error| error.to_string())?;
        write(&self.directory.join("startup.go"), &read(&root().join(STARTUP))?)?;
        let name = &self.name;
        let script = format!(
            "mv {name}.wasm build/kept.wasm
            make {name}.wasm ADAPTER=build/usual.wasm
            wipam test {name}.wasm --operations 5000
            mv build/kept.wasm {name}.wasm"
        );
        engine::run(&mut shell(&self.directory, &script))?;
        println!("{name}: with the usual adapter in {:.0?}", begin.elapsed());
        Ok(())
    }

    fn component(&self) -> PathBuf {
        self.directory.join(format!("{}.wasm", self.name))
    }

    /// Runs a command as it is typed; with `shown`, its output is part of the
    /// transcript.
    fn run(&mut self, directory: &Path, typed: &str, shown: bool) -> Result<()> {
        let said = engine::run(&mut shell(directory, typed))?;
        self.note(typed, if shown { &said } else { "…" });
        Ok(())
    }

    fn note(&mut self, typed: &str, said: &str) {
        self.typed += &format!("$ {typed}\n");
        // What made it, and of how much, is another version on another day.
        let lasts = |line: &&str| !["producer ", "packages "].iter().any(|it| line.starts_with(it));
        for line in said.lines().filter(lasts) {
            self.typed += lasting(line).trim_end();
            self.typed.push('\n');
        }
    }

    /// A network and a container that get their addresses from the driver.
    fn use_with(&mut self, engine: &Engine) -> Result<()> {
        let name = self.name.clone();
        self.note(&format!("wipam serve --driver {name}.wasm &"), "");
        for words in [
            format!("network create --ipam-driver {name} lab"),
            "run --rm --network lab bb:1 ip -o -4 addr show eth0".to_owned(),
            format!(
                "network create --ipam-driver {name} --subnet 192.0.2.0/24 --ip-range 192.0.2.128/25 office"
            ),
            "run --rm --network office bb:1 ip -o -4 addr show eth0".to_owned(),
            "run --rm --network office --ip 192.0.2.9 bb:1 ip -o -4 addr show eth0".to_owned(),
        ] {
            let arguments: Vec<&str> = words.split(' ').collect();
            let said = engine.docker(&arguments)?;
            self.note(&format!("docker {}", words.replace("bb:1", "busybox")), &said);
        }
        engine.docker(&["network", "rm", "lab", "office"]).map(drop)
    }
}

/// Each driver answers as the policy's script has it, and again after another
/// instance was told all that is held.
fn serve(daemon: &Daemon, projects: &[Project]) -> Result<()> {
    let begin = Instant::now();
    while !daemon.log().contains(" ready; ") {
        if begin.elapsed() > PATIENCE {
            return Err(format!("wipam is not ready:\n{}", daemon.log()));
        }
        thread::sleep(Duration::from_millis(50));
    }
    println!("compiled and in service in {:.0?}", begin.elapsed());
    let script = root().join(POLICY);
    for Project { name, .. } in projects {
        let want = read(&script)?;
        let mut client = connect(daemon, name)?;
        let got = exchange::play(&mut client, name, &want);
        if env::var_os("BLESS").is_some() {
            write(&script, &got)?;
        } else {
            same(&want, &got).map_err(|difference| format!("{name} answers: {difference}"))?;
        }
    }
    for project in projects {
        replay(daemon, project)?;
    }
    Ok(())
}

/// Another instance of the same component is told what is held, and agrees. A
/// driver that lost something would lease it again.
fn replay(daemon: &Daemon, project: &Project) -> Result<()> {
    let name = project.name.as_str();
    let file = project.component().display().to_string();
    let upgraded = operator::wipam(daemon, &["driver", "upgrade", name, &file]);
    if upgraded.code != 0 {
        return Err(format!("{name} does not agree with itself: {}", upgraded.said));
    }
    let held = |what: &str| operator::wipam(daemon, &[what, "--driver", name]).done();
    let checked = operator::wipam(daemon, &["check", name]);
    let (pools, addresses) = (held("pools"), held("addresses"));
    if checked.code != 0 || pools.is_empty() || addresses.is_empty() {
        return Err(format!("{name}: {}", checked.said));
    }
    let mut client = connect(daemon, name)?;
    for pool in pools {
        let body = format!("{{\"PoolID\":{}}}", pool["pool_id"]);
        let gone =
            client.post("/IpamDriver.ReleasePool", &body).map_err(|error| error.to_string())?;
        if gone.status != 200 {
            return Err(format!("{name}: {body} is not released: {}", gone.body));
        }
    }
    let left = held("addresses");
    if left.is_empty() { Ok(()) } else { Err(format!("{name}: {left:?} is still held")) }
}

fn connect(daemon: &Daemon, name: &str) -> Result<Client> {
    Client::connect(&daemon.socket(name))
        .map_err(|error| format!("{name}: {error}\n{}", daemon.log()))
}

/// The first line that differs.
fn same(want: &str, got: &str) -> Result<()> {
    let lines = want.lines().zip(got.lines()).enumerate();
    match lines.into_iter().find(|(_, (want, got))| want != got) {
        Some((number, (want, got))) => {
            Err(format!("line {}:\n  expected {want}\n  found    {got}", number + 1))
        }
        None if want.lines().count() != got.lines().count() => Err("more or fewer lines".into()),
        None => Ok(()),
    }
}

/// The guide shows what was typed here and what came of it.
fn compare_with_guide(projects: &[Project]) -> Result<()> {
    let path = root().join(GUIDE);
    let mut guide = read(&path)?;
    for Project { name, typed, .. } in projects {
        let begin = format!("<!-- transcript of {name} -->\n```console\n");
        let (before, rest) = guide.split_once(&begin).ok_or(format!("{GUIDE} lacks {name}"))?;
        let (shown, after) = rest.split_once("```\n").ok_or("a transcript without an end")?;
        if env::var_os("BLESS").is_some() {
            guide = format!("{before}{begin}{typed}```\n{after}");
        } else {
            same(shown, typed).map_err(|difference| format!("{GUIDE}, {name}: {difference}"))?;
        }
    }
    if env::var_os("BLESS").is_some() { write(&path, &guide) } else { Ok(()) }
}

fn configuration(projects: &[Project]) -> String {
    let mut text = "[[driver]]\nfile = \"builtin:default\"\n".to_owned();
    for project in projects {
        let file = project.component();
        let milliseconds = PATIENCE.as_millis();
        text +=
            &format!("[[driver]]\nfile = {file:?}\n[driver.limits]\ncompile-ms = {milliseconds}\n");
    }
    text
}

/// A shell in which `wipam` is what this test runs, and tools keep what they
/// download in this repository's target directory.
fn shell(directory: &Path, script: &str) -> Command {
    let binary = daemon::binary();
    let programs = binary.parent().expect("a file is in a directory");
    let path = env::var("PATH").unwrap_or_default();
    let kept = root().join("target/authors");
    let mut command = Command::new("sh");
    command.args(["-euc", script]).current_dir(directory);
    programs::forget_outer(&mut command);
    command
        .env_remove("RUSTUP_TOOLCHAIN")
        .env("PATH", format!("{}:{path}", programs.display()))
        .env("GOCACHE", kept.join("go"))
        .env("XDG_CACHE_HOME", daemon::cache_home())
        .env("PIP_CACHE_DIR", kept.join("pip"))
        .env("npm_config_cache", kept.join("npm"))
        .env("ZIG_GLOBAL_CACHE_DIR", kept.join("zig"));
    command
}

/// Without what is another each time, or on another machine: ids of networks,
/// numbers of links, digests and sizes of files.
fn lasting(line: &str) -> String {
    if line.starts_with("size ") {
        return "size      …".to_owned();
    }
    if let Some((_, link)) = line.split_once(": eth0 ") {
        return format!("…: eth0 {link}");
    }
    let is_digest = |word: &str| word.len() == 64 && word.bytes().all(|b| b.is_ascii_hexdigit());
    let words = line.split(' ').map(|word| {
        let digest = word.strip_prefix("sha256:").unwrap_or(word);
        if is_digest(digest) { word.replace(digest, "…") } else { word.to_owned() }
    });
    words.collect::<Vec<_>>().join(" ")
}

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))
}

fn write(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text).map_err(|error| format!("{}: {error}", path.display()))
}
