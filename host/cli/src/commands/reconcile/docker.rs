//! `wipam reconcile docker`: the ledger over the admin socket, beside what engines
//! know.

use crate::{
    daemon::{DaemonFlags, connect, note},
    fatal::Fatal,
    grace,
    output::print,
    written::driver_and_name,
};
use ipam_admin::{
    Client, ClientError,
    wire::{Account, Address, Ask, Driver, Pool, Released},
};
use ipam_api::{DriverName, PoolId, Server, with_causes};
use ipam_reconcile::{
    DockerEngines, Found, GrantedBy, Held, HeldLease, HeldPool, Ledger, Limits, Options, Progress,
    Report, Space, TokioClock, reconcile,
};
use std::{collections::BTreeMap, path::PathBuf, time::Duration};

/// Compare the ledger with the networks and containers of Docker Engines
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Args {
    /// Socket of an engine. May be repeated
    #[arg(long = "socket", value_name = "FILE", default_value = "/var/run/docker.sock")]
    sockets: Vec<PathBuf>,
    /// Show what would be freed, and change nothing
    #[arg(long)]
    dry_run: bool,
    /// Also free pools unknown to all the given engines. Use only if no other
    /// engine uses this daemon
    #[arg(long)]
    exclusive: bool,
    /// How long an entry must stay unknown, as 90s or 2m; at least 30s unless --dry-run
    #[arg(long, value_name = "TIME", default_value = grace::DEFAULT, value_parser = grace::parse)]
    grace: Duration,
    /// Docker's name for a driver, if it is not the name of its socket: a
    /// managed plugin has a tag, as in default=wipam:latest. May be repeated
    #[arg(long = "docker-name", value_name = "DRIVER=NAME", value_parser = driver_and_name)]
    docker_names: Vec<(DriverName, String)>,
    /// How to reach the daemon.
    #[command(flatten)]
    daemon: DaemonFlags,
}

const AFTER_HELP: &str = "\
Frees entries of a driver's local space that Docker requested and that none of the
given engines knows, neither now nor after the grace period.

In a driver's global space, which swarm managers use, it frees only stale entries
(`wipam pools --stale`), and only if one of the engines is a manager that has a leader.
Otherwise it lists them and keeps them. It frees addresses of a network that the swarm
still has only if the swarm has one node: a manager does not know the load balancers
of other nodes.

Exit codes: 0 done, 1 failed or incomplete, 2 wrong command line.

Example:
  wipam reconcile docker --socket /var/run/docker.sock --dry-run";

pub(crate) fn run(args: Args) -> Result<(), Fatal> {
    let Args { sockets, dry_run, exclusive, grace, docker_names, daemon } = args;
    let grace = grace::check(grace, dry_run)?;
    let docker_names = docker_names.into_iter();
    let docker_names = docker_names.map(|(driver, name)| (driver.to_string(), name));
    let mut ledger = Daemon::new(daemon.clone(), docker_names.collect())?;
    let mut engines = DockerEngines::new(sockets, Limits::default());
    let options = Options { grace, dry_run, exclusive };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Fatal::Failed(error.to_string()))?;
    let report = runtime
        .block_on(reconcile(
            &mut ledger,
            &mut engines,
            &mut TokioClock,
            &options,
            &mut show_progress,
        ))
        .map_err(|error| Fatal::Failed(format!("nothing was changed: {}", with_causes(&error))))?;
    print(daemon.json, &report, &lines(&report))?;
    match &report.failure {
        None => Ok(()),
        Some(why) => {
            Err(Fatal::Failed(format!("{} entries were not freed: {why}", report.left.len())))
        }
    }
}

/// Progress is for people, on standard error: standard output is for results.
fn show_progress(progress: Progress<'_>) {
    match progress {
        Progress::Observed { networks, endpoints, addresses, pools } => eprintln!(
            "engines know {networks} networks with {endpoints} addresses; \
             unknown to them: {addresses} addresses, {pools} pools"
        ),
        Progress::SubnetsOpen { count, names } => eprintln!(
            "no pool is freed: the engines do not say which subnets {count} networks have ({names})"
        ),
        Progress::NeedsManager { entries, why } => eprintln!(
            "{entries} stale entries of global spaces stay: {why}. Give the --socket of a manager \
             that has a leader: no other engine knows what is in use there"
        ),
        Progress::Waiting { grace } => {
            eprintln!("waiting {} s before looking again", grace.as_secs());
        }
        Progress::Freed(found) => eprintln!("freed {found}"),
        Progress::Changed(found) => eprintln!("changed meanwhile: {found}"),
        _ => {}
    }
}

fn lines(report: &Report) -> Vec<String> {
    let lists = [
        ("freed", &report.freed),
        ("freed", &report.pools_freed),
        ("would be freed", &report.would_free),
        ("unknown, and kept without --exclusive", &report.pools_unknown),
        ("stale, and kept without a swarm's manager", &report.needs_manager),
        ("seen again", &report.seen_again),
        ("changed meanwhile", &report.changed),
        ("left", &report.left),
    ];
    let found = lists
        .iter()
        .flat_map(|(what, found)| found.iter().map(move |found| format!("{what}: {found}")));
    let mut lines: Vec<String> = found.collect();
    if lines.is_empty() {
        lines.push("nothing to free".to_owned());
    }
    lines
}

/// A running daemon, as reconciliation sees it.
struct Daemon {
    daemon: DaemonFlags,
    client: Client,
    /// Docker's names that the operator gave, by driver.
    given: BTreeMap<String, String>,
    /// Drivers by Docker's name, as of the last look.
    drivers: BTreeMap<String, String>,
}

impl Daemon {
    fn new(daemon: DaemonFlags, given: BTreeMap<String, String>) -> Result<Self, Fatal> {
        let client = connect(&daemon)?;
        let mut made = Self { daemon, client, given, drivers: BTreeMap::new() };
        let drivers = made.serving().map_err(|error| Fatal::Failed(error.to_string()))?;
        let is_there = |name: &&String| drivers.iter().any(|driver| driver.name == **name);
        match made.given.keys().find(|name| !is_there(name)) {
            Some(name) => Err(Fatal::Usage(format!("--docker-name: no driver {name} is loaded"))),
            None => Ok(made),
        }
    }

    /// A connection does not outlive a grace period without a question.
    fn again(&mut self) -> Result<(), ClientError> {
        let path = self.daemon.state_dir.join(ipam_admin::SOCKET);
        self.client = Client::connect(&path)?;
        Ok(())
    }

    fn serving(&mut self) -> Result<Vec<Driver>, ClientError> {
        let (drivers, notes) = self.client.all::<Driver>(&Ask::Drivers)?;
        note(&notes);
        // What is not loaded has no socket, and cannot release anything.
        Ok(drivers.into_iter().filter(|driver| driver.origin.is_some()).collect())
    }

    fn pools(&mut self, of: &Driver) -> Result<Vec<HeldPool>, ClientError> {
        let driver = Some(of.name.clone());
        let ask = Ask::Pools { driver: driver.clone(), pool: None, with_status: false };
        let (pools, _) = self.client.all::<Pool>(&ask)?;
        let mut leases: BTreeMap<String, Vec<HeldLease>> = BTreeMap::new();
        let ask = Ask::Addresses { driver, pool: None, address: None };
        self.client.ask(&ask, |lease: Address| {
            leases.entry(lease.pool_id).or_default().push(HeldLease {
                address: lease.address.addr(),
                generation: lease.generation,
                is_gateway: lease.kind == "gateway",
                granted_by: granted_by(&lease.granted_by),
                is_stale: lease.stale == Some(true),
            });
            Ok::<_, ClientError>(())
        })?;
        let held = |pool: Pool| {
            let is_of = |space: &Option<String>| {
                of.local_space != of.global_space && space.as_ref() == Some(&pool.address_space)
            };
            let space = match (is_of(&of.local_space), is_of(&of.global_space)) {
                (true, _) => Space::Local,
                (_, true) => Space::Global,
                _ => Space::Other,
            };
            Some(HeldPool {
                pool_id: PoolId::try_from(&*pool.pool_id).ok()?,
                prefix: pool.prefix,
                sub_pool: pool.sub_pool,
                generation: pool.generation,
                newest: pool.newest,
                granted_by: granted_by(&pool.granted_by),
                space,
                is_stale: pool.stale,
                leases: leases.remove(&pool.pool_id).unwrap_or_default(),
            })
        };
        Ok(pools.into_iter().filter_map(held).collect())
    }
}

fn granted_by(account: &str) -> GrantedBy {
    if account == Server::Docker.as_str() { GrantedBy::Docker } else { GrantedBy::Other }
}

impl Ledger for Daemon {
    type Error = ClientError;

    async fn held(&mut self) -> Result<Vec<Held>, ClientError> {
        self.again()?;
        let mut held = Vec::new();
        self.drivers.clear();
        for driver in self.serving()? {
            let given = self.given.get(&driver.name).cloned();
            let Some(name) = given.or_else(|| driver.docker_name.clone()) else { continue };
            let pools = self.pools(&driver)?;
            self.drivers.insert(name.clone(), driver.name);
            held.push(Held { driver: name, pools });
        }
        Ok(held)
    }

    async fn release(&mut self, found: &Found) -> Result<bool, ClientError> {
        let ask = Ask::Release {
            driver: self.drivers.get(&found.driver).unwrap_or(&found.driver).clone(),
            pool_id: found.pool_id.to_string(),
            address: found.address,
            generation: found.generation,
            as_of: found.newest,
            by: Account::Reconciler,
        };
        let (answer, _) = self.client.all::<Released>(&ask)?;
        Ok(answer.iter().any(|it| it.released))
    }
}
