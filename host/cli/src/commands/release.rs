//! `wipam release`: what is held is looked up, and released as it was seen.

use crate::{
    daemon::{DaemonFlags, connect, print},
    fatal::Fatal,
    written::address,
};
use ipam_admin::{
    ClientError,
    wire::{Account, Address, Ask, Pool, Released},
};
use ipam_api::text::{bounded, escaped, joined};
use serde::Serialize;
use std::net::IpAddr;

/// Force-release an address or a pool
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Args {
    /// The address to release; without it, --pool names a pool to release
    #[arg(required_unless_present = "pool", value_parser = address)]
    address: Option<IpAddr>,
    /// The pool to release, or the pool of the address
    #[arg(long, value_name = "ID")]
    pool: Option<String>,
    /// The driver, if several have this address or pool
    #[arg(long, value_name = "NAME")]
    driver: Option<String>,
    /// Release a pool together with its addresses
    #[arg(long)]
    force: bool,
    /// How to reach the daemon.
    #[command(flatten)]
    daemon: DaemonFlags,
}

const AFTER_HELP: &str = "\
Wipam does not check whether the address is still in use; `wipam reconcile` does.
It refuses if the address was reallocated since you listed it.

Exit codes: 0 released, 1 failed, 2 wrong command line.";

/// How much of a list of what could be meant is said, in bytes.
const LIST_MAX_BYTES: usize = 4 << 10;

/// What was released, for a program.
#[derive(Serialize)]
struct Told<'a> {
    released: bool,
    driver: &'a str,
    pool_id: &'a str,
    /// Nothing for a whole pool.
    address: Option<IpAddr>,
}

/// What is about to be released, as it was seen.
struct Seen {
    words: String,
    driver: String,
    pool_id: String,
    address: Option<IpAddr>,
    generation: u64,
    as_of: u64,
}

impl Seen {
    fn address(seen: Address) -> Self {
        let Address { driver, pool_id, address, generation, .. } = seen;
        let words = format!("{} of pool {} of driver {driver}", address.addr(), escaped(&pool_id));
        let address = Some(address.addr());
        Self { words, driver, pool_id, address, generation, as_of: generation }
    }

    fn pool(seen: Pool) -> Self {
        let Pool { driver, pool_id, generation, newest, .. } = seen;
        let words = format!("pool {} of driver {driver}", escaped(&pool_id));
        Self { words, driver, pool_id, address: None, generation, as_of: newest }
    }
}

pub(crate) fn run(args: Args) -> Result<(), Fatal> {
    let Args { address, pool, driver, force, daemon } = args;
    let mut client = connect(&daemon)?;
    let failed = |error: ClientError| Fatal::Failed(error.to_string());
    let seen: Vec<Seen> = if address.is_some() {
        let ask = Ask::Addresses { driver, pool, address };
        let (addresses, _) = client.all::<Address>(&ask).map_err(failed)?;
        if let [only] = &addresses[..]
            && only.comes_with_pool
        {
            let Address { driver, pool_id, address, .. } = only;
            return Err(Fatal::Failed(format!(
                "{} is the gateway of pool {pool_id} of driver {driver}: release the pool instead",
                address.addr()
            )));
        }
        addresses.into_iter().map(Seen::address).collect()
    } else {
        let ask = Ask::Pools { driver, pool, with_status: false };
        let (pools, _) = client.all::<Pool>(&ask).map_err(failed)?;
        if let Some(full) = pools.iter().find(|pool| pool.addresses > 0 && !force) {
            let Pool { driver, pool_id, addresses, .. } = full;
            return Err(Fatal::Failed(format!(
                "pool {} of driver {driver} has {addresses} addresses; --force releases them too",
                escaped(pool_id)
            )));
        }
        pools.into_iter().map(Seen::pool).collect()
    };
    let Seen { words, driver, pool_id, address, generation, as_of } =
        match <[Seen; 1]>::try_from(seen) {
            Ok([one]) => one,
            Err(none) if none.is_empty() => {
                return Err(Fatal::Failed("no such address or pool is allocated".to_owned()));
            }
            Err(several) => {
                let words = several.iter().map(|seen| &seen.words);
                let words = bounded(LIST_MAX_BYTES, joined(words, "; "));
                return Err(Fatal::Failed(format!(
                    "several match, choose one with --driver or --pool: {words}"
                )));
            }
        };
    let by = Account::Operator;
    let told = Told { released: true, driver: &driver, pool_id: &pool_id, address };
    let ask = Ask::Release {
        driver: driver.clone(),
        pool_id: pool_id.clone(),
        address,
        generation,
        as_of,
        by,
    };
    let (answer, _) = client.all::<Released>(&ask).map_err(failed)?;
    if !answer.first().is_some_and(|it| it.released) {
        return Err(Fatal::Failed(format!("{words} has changed since it was listed")));
    }
    print(&daemon, &told, &format!("released {words}"))
}
