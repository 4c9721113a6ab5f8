//! Does the suite find what is wrong, and nothing else? `wipam test` on
//! drivers that conform, on drivers with one seeded defect each, on hostile
//! ones, and on plugins of Docker's.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a test may")]

mod built_in;
mod defects;
mod docker;
mod hostile;
mod in_service;
mod plain_wasmtime;
mod ran;
