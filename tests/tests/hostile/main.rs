//! Can a driver hurt us? One hostile program each, in a real daemon that serves
//! an honest driver, too: it is stopped within its limit, its caller is told
//! nothing but that it failed, the operator is told why, and whoever asks the
//! honest driver meanwhile does not notice.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a test may")]

mod byzantine;
mod calls;
mod gateways;
mod harness;
mod loading;
mod no_drivers;
mod records;
mod slow;
mod stores;
mod tenants;
mod texts;

/// Every program is a row somewhere.
#[test]
fn no_program_is_left_out() {
    let rows = [
        include_str!("byzantine.rs"),
        include_str!("calls.rs"),
        include_str!("gateways.rs"),
        include_str!("loading.rs"),
        include_str!("records.rs"),
        include_str!("slow.rs"),
        include_str!("stores.rs"),
        include_str!("tenants.rs"),
        include_str!("texts.rs"),
        include_str!("../http/lab.rs"),
        include_str!("../remote/grant.rs"),
        // It is for the conformance suite alone.
        include_str!("../conformance/defects.rs"),
    ]
    .concat();
    let programs = ipam_tests::programs::all();
    assert!(programs.len() > 20, "{programs:?}");
    for program in programs {
        assert!(rows.contains(&format!("\"{program}\"")), "{program} is in no test");
    }
}
