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

/// Release an address or a pool that nobody will release
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Args {
    /// The address; without one, the pool that --pool names
    #[arg(required_unless_present = "pool", value_parser = address)]
    address: Option<IpAddr>,
    /// The pool, or the pool of the address
    #[arg(long, value_name = "ID")]
    pool: Option<String>,
    /// The driver, where several hold it
    #[arg(long, value_name = "NAME")]
    driver: Option<String>,
    /// Release a pool with the addresses that are held under it
    #[arg(long)]
    force: bool,
    /// How to reach the daemon.
    #[command(flatten)]
    daemon: DaemonFlags,
}

const AFTER_HELP: &str = "\
What uses the address is not asked: see `wipam reconcile` for what is safe.
What is released and granted again meanwhile stays.

Exit codes: 0 released, 1 not released, 2 wrong command line.";

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
                "{} is the gateway that driver {driver} named with pool {pool_id}, and goes with it",
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
                "{addresses} addresses are held under pool {} of driver {driver}; \
                 --force releases them, too",
                escaped(pool_id)
            )));
        }
        pools.into_iter().map(Seen::pool).collect()
    };
    let Seen { words, driver, pool_id, address, generation, as_of } =
        match <[Seen; 1]>::try_from(seen) {
            Ok([one]) => one,
            Err(none) if none.is_empty() => {
                return Err(Fatal::Failed("nothing like that is held".to_owned()));
            }
            Err(several) => {
                let words = several.iter().map(|seen| &seen.words);
                let words = bounded(LIST_MAX_BYTES, joined(words, "; "));
                return Err(Fatal::Failed(format!("name one with --driver or --pool: {words}")));
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
        return Err(Fatal::Failed(format!("{words} is not held any more as it was seen")));
    }
    print(&daemon, &told, &format!("released {words}"))
}
