//! What the process that compiles gives up for good, before it reads the first
//! byte of a stranger's component.
//!
//! In: the cache's directory. Out: a process that reads and writes there and
//! nowhere else, starts no other process, opens no socket, signals nobody, and
//! ends with its host. If a component ever found a fault in the compiler, that
//! is what it would have.
//!
//! Files are landlock's matter, since it knows paths; the rest is a list of
//! calls that the kernel answers with "not permitted". It is a list of what is
//! refused and not of what is allowed: the calls of an allocator and of a
//! pool of threads change with each version of the C library, and a compiler
//! that stops compiling on somebody's machine is the greater harm. A kernel
//! without landlock (before 5.13) leaves files to the user's rights.

use landlock::{
    ABI, Access as _, AccessFs, AccessNet, PathBeneath, PathFd, Ruleset, RulesetAttr as _,
    RulesetCreatedAttr as _, RulesetError, RulesetStatus, Scope,
};
use rustix::process::{Signal, set_parent_process_death_signal};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, apply_filter,
};
use std::{collections::BTreeMap, path::Path};

/// What landlock knew when this was written; an older kernel does what it can.
const KNOWN: ABI = ABI::V6;

/// Calls that nothing here makes.
const REFUSED: &[libc::c_long] = &[
    // Other processes, and other people's.
    libc::SYS_execve,
    libc::SYS_execveat,
    libc::SYS_kill,
    libc::SYS_pidfd_getfd,
    libc::SYS_pidfd_open,
    libc::SYS_pidfd_send_signal,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_ptrace,
    libc::SYS_setns,
    libc::SYS_unshare,
    // The network, and Docker's socket, which is no matter of landlock's.
    libc::SYS_accept,
    libc::SYS_accept4,
    libc::SYS_bind,
    libc::SYS_connect,
    libc::SYS_listen,
    libc::SYS_socket,
    libc::SYS_socketpair,
    // What landlock does not see of files.
    libc::SYS_fchmod,
    libc::SYS_fchmodat,
    libc::SYS_fchown,
    libc::SYS_fchownat,
    libc::SYS_name_to_handle_at,
    libc::SYS_open_by_handle_at,
    // Rights and limits.
    libc::SYS_capset,
    libc::SYS_setgid,
    libc::SYS_setgroups,
    libc::SYS_setresgid,
    libc::SYS_setresuid,
    libc::SYS_setrlimit,
    libc::SYS_setuid,
    // The machine.
    libc::SYS_add_key,
    libc::SYS_bpf,
    libc::SYS_chroot,
    libc::SYS_clock_settime,
    libc::SYS_delete_module,
    libc::SYS_finit_module,
    libc::SYS_init_module,
    libc::SYS_io_uring_setup,
    libc::SYS_kexec_load,
    libc::SYS_keyctl,
    libc::SYS_mount,
    libc::SYS_perf_event_open,
    libc::SYS_pivot_root,
    libc::SYS_reboot,
    libc::SYS_request_key,
    libc::SYS_umount2,
    libc::SYS_userfaultfd,
];

/// Gives all of it up, for this thread and those that it starts; whether files
/// are among it.
///
/// # Errors
/// In words, when the kernel does not take it: then nothing is compiled.
pub(crate) fn confine(cache: &Path) -> Result<bool, String> {
    // Its host waits for it on the thread that started it.
    set_parent_process_death_signal(Some(Signal::KILL)).map_err(|error| error.to_string())?;
    let has_landlock = files(cache).map_err(|error| format!("landlock: {error}"))?;
    calls().map_err(|error| format!("seccomp: {error}"))?;
    Ok(has_landlock)
}

fn files(cache: &Path) -> Result<bool, RulesetError> {
    let Ok(cache) = PathFd::new(cache) else {
        // The engine says what is wrong with it.
        return Ok(false);
    };
    let used = AccessFs::ReadFile
        | AccessFs::ReadDir
        | AccessFs::WriteFile
        | AccessFs::Truncate
        | AccessFs::MakeReg
        | AccessFs::MakeDir
        | AccessFs::RemoveFile;
    let confined = Ruleset::default()
        .handle_access(AccessFs::from_all(KNOWN))?
        .handle_access(AccessNet::from_all(KNOWN))?
        .scope(Scope::from_all(KNOWN))?
        .create()?
        .add_rule(PathBeneath::new(cache, used))?
        .restrict_self()?;
    Ok(confined.ruleset != RulesetStatus::NotEnforced)
}

fn calls() -> Result<(), String> {
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> =
        REFUSED.iter().map(|call| (*call, Vec::new())).collect();
    // A clone that is no thread is another process.
    let is_thread = u64::try_from(libc::CLONE_THREAD).unwrap_or_default();
    let process = condition(0, SeccompCmpOp::MaskedEq(is_thread), 0)?;
    rules.insert(libc::SYS_clone, vec![process]);
    #[cfg(target_arch = "x86_64")]
    for call in [libc::SYS_fork, libc::SYS_vfork, libc::SYS_chmod, libc::SYS_chown] {
        rules.insert(call, Vec::new());
    }
    // Limits may be read, and not set.
    rules.insert(libc::SYS_prlimit64, vec![condition(2, SeccompCmpOp::Ne, 0)?]);
    apply(rules, libc::EPERM)?;
    // What it is to clone is behind a pointer here, which cannot be judged. A
    // C library that hears that there is no such call makes the one above.
    apply(BTreeMap::from([(libc::SYS_clone3, Vec::new())]), libc::ENOSYS)
}

fn condition(argument: u8, operator: SeccompCmpOp, value: u64) -> Result<SeccompRule, String> {
    SeccompCondition::new(argument, SeccompCmpArgLen::Qword, operator, value)
        .and_then(|condition| SeccompRule::new(vec![condition]))
        .map_err(|error| error.to_string())
}

fn apply(rules: BTreeMap<i64, Vec<SeccompRule>>, errno: libc::c_int) -> Result<(), String> {
    let refused = SeccompAction::Errno(u32::try_from(errno).unwrap_or_default());
    let architecture = std::env::consts::ARCH.try_into();
    let filter = architecture
        .and_then(|arch| SeccompFilter::new(rules, SeccompAction::Allow, refused, arch))
        .and_then(BpfProgram::try_from)
        .map_err(|error| error.to_string())?;
    apply_filter(&filter).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::confine;
    use std::{
        env, fs,
        net::TcpListener,
        os::unix::net::{UnixDatagram, UnixListener, UnixStream},
        process::{self, Command},
        thread,
    };

    /// The test below, in a process of its own.
    #[test]
    fn inside() {
        let Some(place) = env::args().skip_while(|word| word != "as-process").nth(1) else {
            return;
        };
        let place = std::path::PathBuf::from(place);
        let (cache, beside) = (place.join("cache"), place.join("beside"));
        let has_landlock = confine(&cache).unwrap();
        // What a compiler does.
        fs::create_dir_all(cache.join("modules/v")).unwrap();
        fs::write(cache.join("modules/v/part"), "code").unwrap();
        fs::rename(cache.join("modules/v/part"), cache.join("modules/v/code")).unwrap();
        assert_eq!(fs::read(cache.join("modules/v/code")).unwrap(), b"code");
        assert_eq!(fs::read_dir(&cache).unwrap().count(), 1);
        fs::remove_file(cache.join("modules/v/code")).unwrap();
        thread::spawn(|| ()).join().unwrap();
        assert!(thread::available_parallelism().is_ok());
        // And what it does not.
        let refused = [
            fs::set_permissions(&beside, fs::metadata(&beside).unwrap().permissions()).is_err(),
            Command::new("/bin/true").spawn().is_err(),
            TcpListener::bind("127.0.0.1:0").is_err(),
            UnixStream::connect(beside.join("socket")).is_err(),
            UnixDatagram::pair().is_err(),
        ];
        assert_eq!(refused, [true; 5]);
        if has_landlock {
            let refused = [
                fs::read(beside.join("secret")).is_err(),
                fs::read("/proc/self/environ").is_err(),
                fs::write(beside.join("more"), "x").is_err(),
                fs::rename(beside.join("secret"), cache.join("secret")).is_err(),
                fs::remove_file(beside.join("secret")).is_err(),
            ];
            assert_eq!(refused, [true; 5]);
        } else {
            eprintln!("this kernel has no landlock: files are not looked at");
        }
        process::exit(7);
    }

    #[test]
    fn nothing_is_left_but_the_cache_and_threads() {
        let place = tempfile::tempdir().unwrap();
        let (cache, beside) = (place.path().join("cache"), place.path().join("beside"));
        fs::create_dir(&cache).unwrap();
        fs::create_dir(&beside).unwrap();
        fs::write(beside.join("secret"), "secret").unwrap();
        let _listener = UnixListener::bind(beside.join("socket")).unwrap();
        let output = Command::new(env::current_exe().unwrap())
            .args(["confine::tests::inside", "--exact", "--nocapture", "as-process"])
            .arg(place.path())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(7), "{said}");
        assert_eq!(fs::read(beside.join("secret")).unwrap(), b"secret");
    }
}
