//! Drivers of `guest` that are not built in, each in a real daemon, with the
//! configuration that its README shows.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a test may")]

mod conform;
mod cooldown;
mod lab;
mod netbox;
mod netbox_docker;
mod netbox_faults;
mod netbox_kill;
mod netbox_records;
mod netbox_server;
mod netbox_view;
mod phpipam;
mod phpipam_server;
mod server;
mod sticky;
