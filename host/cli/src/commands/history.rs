//! `wipam history`: who held an address when.

use crate::{
    daemon::{DaemonFlags, list, note, or_dash, short},
    fatal::Fatal,
    written::address,
};
use ipam_admin::{
    Timestamp,
    wire::{Ask, Tenure},
};
use ipam_api::text::joined;
use std::{cell::Cell, net::IpAddr};

/// Show who held an address when
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Args {
    /// The address
    #[arg(value_parser = address)]
    address: IpAddr,
    /// Only who held it at this time
    #[arg(long, value_name = "TIME")]
    at: Option<Timestamp>,
    /// Only of this driver
    #[arg(long, value_name = "NAME")]
    driver: Option<String>,
    /// How to reach the daemon.
    #[command(flatten)]
    daemon: DaemonFlags,
}

const AFTER_HELP: &str = "\
TIME is RFC 3339, a date or a date and a time in UTC, or how long ago: \"2h ago\".
[history] in the configuration sets how far back history goes.

Exit codes: 0 done, also if nobody held it, 1 failed, 2 wrong command line.";

pub(crate) fn run(args: Args) -> Result<(), Fatal> {
    let Args { address, at, driver, daemon } = args;
    let columns = [
        "FROM",
        "UNTIL",
        "DRIVER",
        "POOL",
        "ADDRESS",
        "KIND",
        "OWNER",
        "BY",
        "RELEASED BY",
        "DIGEST",
        "ARTIFACT",
    ];
    let ask = Ask::History { address, driver, at };
    let nobody = Cell::new(true);
    let listed = list(&daemon, &ask, &columns, |tenure: &Tenure| {
        nobody.set(false);
        let Tenure { granted, digest, artifacts, released_at, released_by } = tenure;
        let until = match (released_at, released_by) {
            (Some(at), _) => at.to_string(),
            (None, Some(_)) => "-".to_owned(),
            (None, None) => "held".to_owned(),
        };
        vec![
            or_dash(granted.granted_at),
            until,
            granted.driver.clone(),
            granted.pool_id.clone(),
            granted.address.to_string(),
            granted.kind.clone(),
            or_dash(granted.owner.clone()),
            granted.granted_by.clone(),
            or_dash(released_by.clone()),
            short(digest.as_deref()),
            match &artifacts[..] {
                [] => "-".to_owned(),
                some => joined(some.iter().map(|it| short(Some(it))), " ").to_string(),
            },
        ]
    });
    if listed.is_ok() && nobody.get() && !daemon.json {
        // Without a moment there always is a time before what is kept.
        note(&[match at {
            Some(_) => format!("nobody held {address} then"),
            None => format!("there is no record of {address}"),
        }]);
    }
    listed
}
