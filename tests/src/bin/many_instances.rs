//! What instances cost: a thousand names of one small component in one
//! service. Prints how long each took to start, and what each holds in memory,
//! threads and mappings, beyond the first.

#![expect(clippy::print_stdout, reason = "it is what it is for")]

use ipam_api::DriverName;
use ipam_ledger::MemoryStore;
use ipam_runtime::{Limits, Runtime};
use ipam_service::{LoadOptions, Origin, Service};
use std::{fs, sync::Arc, time::Instant};

const INSTANCES: usize = 1_000;

/// What the process has now.
struct Now {
    resident_kib: usize,
    virtual_kib: usize,
    threads: usize,
    mappings: usize,
}

impl Now {
    fn new() -> Self {
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        let value = |key: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(key));
            line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or_default()
        };
        Self {
            resident_kib: value("VmRSS:"),
            virtual_kib: value("VmSize:"),
            threads: value("Threads:"),
            mappings: fs::read_to_string("/proc/self/maps").unwrap_or_default().lines().count(),
        }
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let service = Service::new(Box::new(MemoryStore::default()), Default::default())?;
    let begin = Instant::now();
    let component = Runtime::new(None)?.load("many", ipam_builtin::NULL, Limits::default())?;
    let component = Arc::new(component);
    println!("engine and compilation: {:?}", begin.elapsed());
    let load = |number: usize| {
        let rename: DriverName = format!("many-{number}").parse()?;
        let begin = Instant::now();
        let options = LoadOptions { rename: Some(rename), ..LoadOptions::new(Origin::Component) };
        service.load(component.clone(), options)?;
        Ok::<_, Box<dyn std::error::Error>>(begin.elapsed())
    };
    println!("the first: {:?}", load(0)?);
    let before = Now::new();
    let mut took = (1..=INSTANCES).map(load).collect::<Result<Vec<_>, _>>()?;
    let after = Now::new();
    took.sort();
    let per = |after: usize, before: usize| after.saturating_sub(before) * 1024 / INSTANCES;
    println!(
        "{INSTANCES} more: start {:?} each at the median, {:?} at the worst",
        took[INSTANCES / 2],
        took[INSTANCES - 1],
    );
    println!(
        "each: {} bytes resident, {} bytes of address space; together {} threads, {} mappings",
        per(after.resident_kib, before.resident_kib),
        per(after.virtual_kib, before.virtual_kib),
        after.threads - before.threads,
        after.mappings - before.mappings,
    );
    // Threads without an instance, as a driver's thread has: what is left of
    // the figures above is the instances' own.
    let before = Now::new();
    let (sender, receiver) = std::sync::mpsc::channel::<()>();
    let receiver = Arc::new(std::sync::Mutex::new(receiver));
    let threads: Vec<_> = (0..INSTANCES)
        .map(|_| {
            let receiver = receiver.clone();
            std::thread::spawn(move || drop(receiver.lock().map(|waiting| waiting.recv())))
        })
        .collect();
    std::thread::sleep(std::time::Duration::from_millis(200));
    let after = Now::new();
    println!(
        "a thread alone: {} bytes resident, {} bytes of address space",
        per(after.resident_kib, before.resident_kib),
        per(after.virtual_kib, before.virtual_kib),
    );
    drop(sender);
    threads.into_iter().for_each(|thread| drop(thread.join()));
    Ok(())
}
