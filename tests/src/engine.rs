//! A Docker Engine of our own: Debian's packages, in a network and a mount
//! namespace and directories that nobody else uses, ended by its process id.
//!
//! Every step is a command that could be typed; where the recipe comes from
//! and what fails otherwise is in `tests/README.md`.

use crate::{
    daemon::{self, Daemon},
    operator, plugin,
};
use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

/// How long an engine may take to come up or go down.
const PATIENCE: Duration = Duration::from_secs(90);
/// What must be there.
const TOOLS: [&str; 7] = ["dockerd", "containerd", "runc", "iptables", "busybox", "ip", "nsenter"];
/// What it is installed from.
const PACKAGES: [&str; 6] =
    ["docker.io", "runc", "iptables", "busybox-static", "iproute2", "util-linux"];

/// The suite of the newest packages that are fetched. It moves.
const NEWEST_SUITE: &str = "forky";

/// A Docker Engine and the Wipam that it finds beside it.
#[derive(Debug)]
pub struct Engine {
    directory: PathBuf,
    /// Where its programs are; those of the machine if this is empty.
    programs: String,
    /// Names the network namespace and the cgroup.
    name: String,
    wipam: Option<Daemon>,
}

/// Whether this process may make namespaces.
#[must_use]
pub fn is_root() -> bool {
    let id = Command::new("id").arg("-u").output();
    id.is_ok_and(|output| output.stdout.trim_ascii() == b"0")
}

/// Runs a command to its end.
///
/// # Errors
/// What it printed, when it failed.
pub fn run(command: &mut Command) -> Result<String, String> {
    let Output { status, stdout, stderr } =
        command.stdin(Stdio::null()).output().map_err(|error| format!("{command:?}: {error}"))?;
    let text = String::from_utf8_lossy(&stdout).trim().to_owned();
    if status.success() {
        return Ok(text);
    }
    Err(format!("{command:?}: {status}: {text} {}", String::from_utf8_lossy(&stderr).trim()))
}

pub(crate) fn sh(script: &str) -> Result<String, String> {
    run(Command::new("sh").args(["-euc", script]))
}

/// Installs Debian packages, if one of these tools is not there. One at a time.
///
/// # Errors
/// What apt-get said: without root it cannot.
pub fn install(tools: &[&str], packages: &[&str]) -> Result<(), String> {
    static ONE: Mutex<()> = Mutex::new(());
    let _one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    if tools.iter().all(|tool| sh(&format!("command -v {tool}")).is_ok()) {
        return Ok(());
    }
    let packages = packages.join(" ");
    sh(&format!(
        "export DEBIAN_FRONTEND=noninteractive; apt-get -q update >&2; \
         apt-get -qy install --no-install-recommends {packages} >&2"
    ))
    .map(drop)
}

/// Fetches a newer engine into `directory`, without touching what the machine
/// has installed, and returns where its programs are. Its runc is the
/// machine's.
///
/// # Errors
/// When the newer suite cannot be reached or read: then there is none.
pub fn fetch_newest(directory: &Path) -> Result<String, String> {
    install(&TOOLS, &PACKAGES)?;
    let d = directory.display();
    fetch_from(directory, NEWEST_SUITE, &["docker.io", "containerd"])?;
    sh(&format!("{d}/root/usr/sbin/dockerd --version >&2"))?;
    Ok(format!("{d}/root/usr/sbin:{d}/root/usr/bin:"))
}

/// Fetches packages of another suite, and unpacks them below `root` in
/// `directory`. Nothing is installed.
///
/// # Errors
/// What apt-get said.
pub fn fetch_from(directory: &Path, suite: &str, packages: &[&str]) -> Result<(), String> {
    let (d, packages) = (directory.display(), packages.join(" "));
    sh(&format!(
        "cd {d}; mkdir -p lists/partial cache debs root
         site=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' | head -n 1)
         key=/usr/share/keyrings/debian-archive-keyring.gpg
         echo \"deb [signed-by=$key] $site {suite} main\" >newest.list
         set -- -q -o Dir::Etc::sourcelist={d}/newest.list -o Dir::Etc::sourceparts=- \
             -o Dir::State::lists={d}/lists -o Dir::Cache={d}/cache
         apt-get \"$@\" update >&2
         cd debs; apt-get \"$@\" download {packages} >&2
         for deb in *.deb; do dpkg -x $deb {d}/root; done
         rm -rf {d}/lists {d}/cache {d}/debs"
    ))
    .map(drop)
}

/// Runs a scenario on the engine of this machine's release, and at the same
/// time on the newest if it can be had: an engine waits more than it computes.
/// Without root it says that it does not. The scenario is told where the
/// engine's programs are, as [`Engine::start`] wants it.
///
/// # Panics
/// As the scenario, and when there is no temporary directory.
#[expect(clippy::print_stdout, reason = "what was skipped, and why, is for whoever runs it")]
pub fn on_each(scenario: impl Fn(&str) + Sync) {
    if !is_root() {
        println!("skipped: starting a Docker Engine needs root");
        return;
    }
    let fetched = tempfile::tempdir().expect("a test has a temporary directory");
    thread::scope(|threads| {
        threads.spawn(|| scenario(""));
        // A suite that moves must not stop anybody: without it there is one engine.
        match fetch_newest(fetched.path()) {
            Ok(programs) => scenario(&programs),
            Err(error) => println!("no newer Docker Engine: {error}"),
        }
    });
}

impl Engine {
    /// Installs what is missing and starts both, in directories below
    /// `directory`; `programs` is what [`fetch_newest`] returned, or empty for
    /// the engine of this machine's release.
    ///
    /// # Errors
    /// The first command that failed, with what it said.
    pub fn start(directory: &Path, programs: &str) -> Result<Self, String> {
        Self::start_with(directory, programs, &["--mac-addresses"])
    }

    /// The same with a Wipam that is given these arguments.
    ///
    /// # Errors
    /// As [`Engine::start`].
    pub fn start_with(
        directory: &Path,
        programs: &str,
        arguments: &[&str],
    ) -> Result<Self, String> {
        let mut engine = Self::prepare(directory, programs)?;
        engine.start_wipam(arguments);
        engine.start_dockerd()?;
        Ok(engine)
    }

    /// The same without a Wipam beside it: for plugins that the engine runs.
    ///
    /// # Errors
    /// As [`Engine::start`].
    pub fn start_alone(directory: &Path, programs: &str) -> Result<Self, String> {
        let mut engine = Self::prepare(directory, programs)?;
        engine.start_dockerd()?;
        Ok(engine)
    }

    /// Starts a Wipam beside it, on the state of the one before, which ends first.
    ///
    /// # Panics
    /// When it does not come up; its log is shown.
    pub fn start_wipam(&mut self, arguments: &[&str]) {
        if let Some(before) = self.wipam.take() {
            let ended = before.terminate().is_ok_and(|status| status.success());
            assert!(ended, "the one before ends");
        }
        let mut wipam = Command::new("nsenter");
        wipam.arg(self.network()).arg("--").arg(daemon::binary());
        let plugins = self.directory.join("run/plugins");
        self.wipam = Some(Daemon::start_as(wipam, &self.directory, &plugins, arguments));
    }

    fn prepare(directory: &Path, programs: &str) -> Result<Self, String> {
        install(&TOOLS, &PACKAGES)?;
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let next = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("wipam-{}-{next}", std::process::id());
        let programs = programs.to_owned();
        let engine = Self { directory: directory.to_owned(), programs, name, wipam: None };
        let name = &engine.name;
        let d = directory.display();
        // The mount namespace persists in a file, so that an engine started
        // again finds what the one before it had mounted; it has a
        // /run/docker/plugins of its own.
        sh(&format!(
            "mkdir -p {d}/run/plugins {d}/data {d}/exec /run/docker
             ip netns add {name}
             nsenter --net=/run/netns/{name} sh -c 'ip link set lo up; sysctl -wq net.ipv4.ip_forward=1'
             mount --bind {d} {d}; mount --make-private {d}; touch {d}/mnt
             unshare --mount={d}/mnt --propagation private mount --bind {d}/run /run/docker"
        ))?;
        Ok(engine)
    }

    /// What nsenter is given to be on its host.
    #[must_use]
    pub fn network(&self) -> String {
        format!("--net=/run/netns/{}", self.name)
    }

    /// Starts dockerd on what is there.
    ///
    /// # Errors
    /// The end of its log, when it does not come up.
    pub fn start_dockerd(&mut self) -> Result<(), String> {
        let (d, name, programs) = (self.directory.display(), &self.name, &self.programs);
        sh(&format!(
            "export PATH={programs}$PATH
             setsid nsenter --net=/run/netns/{name} --mount={d}/mnt dockerd \
             --data-root {d}/data --exec-root {d}/exec --pidfile {d}/dockerd.pid \
             -H unix://{d}/docker.sock --bridge=none \
             --exec-opt native.cgroupdriver=cgroupfs --cgroup-parent=/{name} \
             >>{d}/dockerd.log 2>&1 </dev/null &"
        ))?;
        self.wait("dockerd comes up", |engine| engine.docker(&["version"]).is_ok())
    }

    /// Waits until something is so.
    ///
    /// # Errors
    /// When it takes too long: `what`, with the end of dockerd's log.
    pub fn wait(&self, what: &str, until: impl Fn(&Self) -> bool) -> Result<(), String> {
        let begin = Instant::now();
        while !until(self) {
            if begin.elapsed() > PATIENCE {
                let log = sh(&format!("tail -n 30 {}/dockerd.log", self.directory.display()));
                return Err(format!(
                    "{what}: not within {PATIENCE:?}\n{}",
                    log.unwrap_or_default()
                ));
            }
            thread::sleep(Duration::from_millis(100));
        }
        Ok(())
    }

    /// Ends dockerd with a signal, and waits until it is gone.
    ///
    /// # Errors
    /// When it stays.
    pub fn stop_dockerd(&mut self, signal: &str) -> Result<(), String> {
        let pid = fs::read_to_string(self.directory.join("dockerd.pid"))
            .map_err(|error| format!("dockerd.pid: {error}"))?;
        let pid = pid.trim().to_owned();
        sh(&format!("kill -{signal} {pid}"))?;
        self.wait("dockerd ends", |_| sh(&format!("kill -0 {pid}")).is_err())?;
        // After kill -9 the file stays, and names a process that is no more.
        let _ = fs::remove_file(self.directory.join("dockerd.pid"));
        Ok(())
    }

    /// Runs the docker command against this engine.
    ///
    /// # Errors
    /// What it printed, when it failed.
    pub fn docker(&self, arguments: &[&str]) -> Result<String, String> {
        let host = format!("unix://{}/docker.sock", self.directory.display());
        run(Command::new("docker").arg("-H").arg(host).args(arguments))
    }

    /// Runs a script on the engine's host, as its network sees it.
    ///
    /// # Errors
    /// What it printed, when it failed.
    pub fn on_host(&self, script: &str) -> Result<String, String> {
        run(Command::new("nsenter").args([&self.network(), "--", "sh", "-euc", script]))
    }

    /// Makes the image `bb:1` from the static busybox of this machine.
    ///
    /// # Errors
    /// The command that failed.
    pub fn import_image(&self) -> Result<(), String> {
        let d = self.directory.display();
        sh(&format!(
            "mkdir -p {d}/rootfs/bin; cp $(command -v busybox) {d}/rootfs/bin/busybox
             for tool in sh sleep ip true; do ln -sf busybox {d}/rootfs/bin/$tool; done
             tar -C {d}/rootfs -cf {d}/image.tar ."
        ))?;
        self.docker(&["import", &format!("{d}/image.tar"), "bb:1"]).map(drop)
    }

    /// Makes a managed plugin of Wipam and enables it. It keeps its state in its
    /// own files, and logs into dockerd's log.
    ///
    /// # Errors
    /// The command that failed.
    pub fn enable_plugin(&self, reference: &str) -> Result<(), String> {
        let plugin = self.directory.join("plugin");
        plugin::make(&plugin)?;
        self.docker(&["plugin", "create", reference, &plugin.to_string_lossy()])?;
        self.docker(&["plugin", "enable", reference]).map(drop)
    }

    /// dockerd's log so far.
    #[must_use]
    pub fn log(&self) -> String {
        fs::read_to_string(self.directory.join("dockerd.log")).unwrap_or_default()
    }

    /// Runs a command of an operator against its Wipam.
    ///
    /// # Panics
    /// When the engine was started without one.
    #[must_use]
    pub fn operate(&self, words: &[&str]) -> operator::Ran {
        operator::wipam(self.wipam(), words)
    }

    /// The Wipam beside it.
    ///
    /// # Panics
    /// When the engine was started without one.
    #[must_use]
    pub fn wipam(&self) -> &Daemon {
        self.wipam.as_ref().expect("it was started with Wipam")
    }

    /// Wipam's log so far.
    #[must_use]
    pub fn wipam_log(&self) -> String {
        self.wipam.as_ref().map(Daemon::log).unwrap_or_default()
    }
}

impl Drop for Engine {
    /// Ends all of it by process id. Nothing here may stop what comes after.
    fn drop(&mut self) {
        // Or it would start its tasks again while they are removed. Without a
        // swarm this fails, and without plugins what follows does.
        let _ = self.docker(&["swarm", "leave", "--force"]);
        let containers = self.docker(&["ps", "-aq"]).unwrap_or_default();
        for container in containers.split_whitespace() {
            let _ = self.docker(&["rm", "-f", container]);
        }
        let plugins = self.docker(&["plugin", "ls", "-q"]).unwrap_or_default();
        for plugin in plugins.split_whitespace() {
            let _ = self.docker(&["plugin", "rm", "--force", plugin]);
        }
        let _ = self.stop_dockerd("TERM");
        drop(self.wipam.take());
        let (d, name) = (self.directory.display(), &self.name);
        for step in [
            format!("pids=$(ip netns pids {name}); test -z \"$pids\" || kill -9 $pids"),
            // What a container left behind runs in a namespace of its own.
            format!(
                "pids=$(find /sys/fs/cgroup -path '*/{name}*' -name cgroup.procs -exec cat {{}} + | sort -u)
                 test -z \"$pids\" || kill -9 $pids; sleep 0.2"
            ),
            format!("umount {d}/mnt; umount -R {d}"),
            format!("ip netns del {name}"),
            format!("find /sys/fs/cgroup -depth -type d -path '*/{name}*' -exec rmdir {{}} +"),
        ] {
            let _ = sh(&step);
        }
    }
}
