//! What the benchmarks of the daemon measure with.

use std::{
    fs,
    io::{self, Read as _, Write as _},
    os::unix::{fs::FileExt, net::UnixListener},
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

/// How many bytes [`Appender`] has room for, as a new journal.
const APPENDER_BYTES: u64 = 1 << 20;

/// The middle one of some samples.
///
/// # Panics
/// When there are none.
#[must_use]
pub fn median(samples: impl IntoIterator<Item = f64>) -> f64 {
    let mut sorted: Vec<f64> = samples.into_iter().collect();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}

/// The time in microseconds that so many percent of some times do not exceed.
///
/// # Panics
/// When there are none, or percent are 100.
#[must_use]
pub fn quantile_us(samples: &mut [Duration], percent: usize) -> f64 {
    samples.sort_unstable();
    samples[samples.len() * percent / 100].as_secs_f64() * 1e6
}

/// Processor time of a process so far: `utime` and `stime` of proc(5), in
/// ticks of 1/100 s.
///
/// # Errors
/// When there is no such process.
pub fn cpu_seconds(pid: u32) -> io::Result<f64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The second field is a name in parentheses, which may hold spaces.
    let after = stat.rsplit(") ").next().unwrap_or_default();
    let ticks = |field: usize| after.split(' ').nth(field)?.parse::<f64>().ok();
    let sum = ticks(11).zip(ticks(12)).map(|(user, system)| (user + system) / 100.0);
    sum.ok_or_else(|| io::Error::other("no times in /proc/PID/stat"))
}

/// The most memory that a process ever had, in MiB: `VmHWM` of proc(5).
///
/// # Errors
/// When there is no such process.
pub fn peak_mib(pid: u32) -> io::Result<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|text| text.trim().strip_suffix(" kB")?.parse::<u64>().ok());
    kib.map(|kib| kib / 1024).ok_or_else(|| io::Error::other("no VmHWM in /proc/PID/status"))
}

/// A new directory on a real disk: in `WIPAM_BENCH_DIR`, else in this
/// repository's `target`.
///
/// # Errors
/// The system's.
pub fn bench_directory() -> io::Result<tempfile::TempDir> {
    let target = || Path::new(env!("CARGO_MANIFEST_DIR")).with_file_name("target");
    let base = std::env::var_os("WIPAM_BENCH_DIR").map_or_else(target, PathBuf::from);
    tempfile::Builder::new().prefix("bench").tempdir_in(base)
}

/// The program that everything durable is compared with: it appends some bytes
/// to a file that has room for them, and calls fdatasync.
#[derive(Debug)]
pub struct Appender {
    file: fs::File,
    bytes: Vec<u8>,
    at: u64,
}

impl Appender {
    /// Makes the file, and appends so many bytes each time.
    ///
    /// # Errors
    /// The system's.
    pub fn new(path: &Path, bytes: usize) -> io::Result<Self> {
        let file = fs::File::create_new(path)?;
        file.write_all_at(&vec![0; usize::try_from(APPENDER_BYTES).unwrap_or(0)], 0)?;
        file.sync_all()?;
        Ok(Self { file, bytes: vec![7; bytes], at: 0 })
    }

    /// Appends.
    ///
    /// # Errors
    /// The system's.
    pub fn append(&mut self) -> io::Result<()> {
        let length = self.bytes.len() as u64;
        if self.at + length > APPENDER_BYTES {
            self.at = 0;
        }
        self.file.write_all_at(&self.bytes, self.at)?;
        self.file.sync_data()?;
        self.at += length;
        Ok(())
    }
}

/// The least that a durable answer over a socket can be: on a thread of its
/// own, whatever is read from a connection is answered with `{}` after an
/// append.
///
/// # Errors
/// The system's.
pub fn answer_after_append(socket: &Path, mut appender: Appender) -> io::Result<()> {
    let listener = UnixListener::bind(socket)?;
    thread::spawn(move || {
        let mut request = [0; 4096];
        for stream in listener.incoming() {
            let mut stream = stream?;
            while stream.read(&mut request)? > 0 {
                appender.append()?;
                stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")?;
            }
        }
        io::Result::Ok(())
    });
    Ok(())
}
