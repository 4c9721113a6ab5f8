//! `wipam pools`: the pools that the ledger holds.

use crate::{
    daemon::{AFTER_ASK, DaemonFlags, list_some, or_dash},
    fatal::Fatal,
};
use ipam_admin::wire::{Ask, Pool};

/// Show the allocated pools, and how full their drivers say they are
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_ASK)]
pub(crate) struct Args {
    /// Only of this driver
    #[arg(long, value_name = "NAME")]
    driver: Option<String>,
    /// Only the pool with this ID
    #[arg(long, value_name = "ID")]
    pool: Option<String>,
    /// Only pools with entries that nobody has requested since the daemon
    /// started, or since a swarm manager became the leader
    #[arg(long)]
    stale: bool,
    /// How to reach the daemon.
    #[command(flatten)]
    daemon: DaemonFlags,
}

pub(crate) fn run(args: Args) -> Result<(), Fatal> {
    let Args { driver, pool, stale: only_stale, daemon } = args;
    let mut columns = vec![
        "DRIVER",
        "POOL",
        "PREFIX",
        "SUB-POOL",
        "ASKED",
        "HOLDS",
        "ADDRESSES",
        "IN USE",
        "FREE",
        "GRANTED",
        "BY",
    ];
    if only_stale {
        columns.push("STALE");
    }
    let ask = Ask::Pools { driver, pool, with_status: true };
    let is_wanted = |pool: &Pool| !only_stale || pool.stale || pool.stale_addresses > 0;
    list_some(&daemon, &ask, &columns, is_wanted, |pool: &Pool| {
        let stale = match pool.stale {
            true => "all".to_owned(),
            false => format!("{} addresses", pool.stale_addresses),
        };
        let mut cells = vec![
            pool.driver.clone(),
            pool.pool_id.clone(),
            pool.prefix.to_string(),
            or_dash(pool.sub_pool),
            pool.asked.clone(),
            pool.holds.to_string(),
            pool.addresses.to_string(),
            or_dash(pool.status.map(|status| status.ips_in_use)),
            or_dash(pool.status.map(|status| status.dynamic_ips_available)),
            or_dash(pool.granted_at),
            pool.granted_by.clone(),
        ];
        cells.extend(only_stale.then_some(stale));
        cells
    })
}
