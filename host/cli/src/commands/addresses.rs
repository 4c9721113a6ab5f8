//! `wipam addresses`: the addresses that the ledger holds.

use crate::{
    daemon::{AFTER_ASK, DaemonFlags, list_some, or_dash},
    fatal::Fatal,
    written::address,
};
use ipam_admin::wire::{Address, Ask};
use std::net::IpAddr;

/// Show the allocated addresses
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_ASK)]
pub(crate) struct Args {
    /// Only this address
    #[arg(value_parser = address)]
    address: Option<IpAddr>,
    /// Only of this driver
    #[arg(long, value_name = "NAME")]
    driver: Option<String>,
    /// Only of the pool with this ID
    #[arg(long, value_name = "ID")]
    pool: Option<String>,
    /// Only addresses that nobody has requested since the daemon started, or
    /// since a swarm manager became the leader
    #[arg(long)]
    stale: bool,
    /// How to reach the daemon.
    #[command(flatten)]
    daemon: DaemonFlags,
}

pub(crate) fn run(args: Args) -> Result<(), Fatal> {
    let Args { address, driver, pool, stale: only_stale, daemon } = args;
    let columns = ["DRIVER", "POOL", "ADDRESS", "KIND", "OWNER", "GRANTED", "BY", "GENERATION"];
    let ask = Ask::Addresses { driver, pool, address };
    let is_wanted = |address: &Address| !only_stale || address.stale == Some(true);
    list_some(&daemon, &ask, &columns, is_wanted, |address: &Address| {
        vec![
            address.driver.clone(),
            address.pool_id.clone(),
            address.address.to_string(),
            address.kind.clone(),
            or_dash(address.owner.clone()),
            or_dash(address.granted_at),
            address.granted_by.clone(),
            address.generation.to_string(),
        ]
    })
}
