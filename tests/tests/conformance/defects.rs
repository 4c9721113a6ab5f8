//! Does the suite find each defect? One driver that conforms, `defects`, with
//! one seeded defect at a time: it must be found at the promise that it breaks.

use crate::ran::wipam_test;
use ipam_tests::programs;
use std::thread;

/// Each defect of the program, and a promise that finds it.
#[rustfmt::skip]
const DEFECTS: &[(&str, &str)] = &[
    ("renames-its-spaces", "spaces/stable"),
    ("grants-in-unknown-spaces", "spaces/unknown"),
    ("spaces-share-pools", "spaces/apart"),
    ("ids-without-space", "spaces/apart"),
    ("widens-small-pools", "pools/exact-ipv4"),
    ("grants-taken-pools", "pools/taken"),
    ("repeats-automatic-pools", "pools/automatic-ipv4"),
    ("confuses-families", "pools/automatic-ipv6"),
    ("overlooks-named-pools", "pools/automatic-beside-exact"),
    ("ignores-sizes", "pools/sized-ipv4"),
    ("grants-impossible-sizes", "pools/impossible-size"),
    ("starts-again-when-used-up", "pools/exhausted"),
    ("stays-used-up", "pools/exhausted"),
    ("ignores-sub-pools", "pools/sub-pool"),
    ("carries-the-length-of-the-sub-pool", "pools/sub-pool"),
    ("grants-sub-pools-outside", "pools/sub-pool-outside"),
    ("reads-options", "pools/options"),
    ("refuses-to-release-pools", "pools/exact-ipv6"),
    ("long-ids", "ids/bounded"),
    ("one-id-for-all", "ids/distinct"),
    ("leases-the-first-twice", "addresses/any-ipv4"),
    ("leases-another-than-named", "addresses/explicit-ipv4"),
    ("refuses-names", "addresses/explicit-ipv6"),
    ("overlooks-leases", "addresses/in-use"),
    ("forgets-names", "addresses/any-beside-explicit"),
    ("leases-out-of-range", "addresses/out-of-range"),
    ("leases-of-unknown-pools", "addresses/unknown-pool"),
    ("leases-its-gateway", "addresses/any-ipv6"),
    ("forgets-gateways", "addresses/gateway"),
    ("is-full-too-early", "addresses/exhausted"),
    ("leases-two-of-a-32", "addresses/ipv4-32"),
    ("dies-of-a-127", "addresses/ipv6-127"),
    ("keeps-released-addresses", "releases/address"),
    ("refuses-to-release-addresses", "addresses/any-ipv4"),
    ("releases-another-the-second-time", "releases/address-twice"),
    ("forgets-all-for-an-unknown-pool", "releases/unknown"),
    ("keeps-released-pools", "releases/pool"),
    ("never-reuses-automatic-pools", "releases/automatic-pools"),
    ("remembers-leases-of-released-pools", "releases/pool-in-use"),
    ("releases-in-every-pool", "releases/neighbours"),
    ("refuses-replay", "replay/pool"),
    ("chooses-in-replay", "replay/address"),
    ("forgets-replay", "replay/respected"),
    ("names-unknown-spaces-otherwise", "errors/invalid-address-space"),
    ("names-overlap-otherwise", "errors/pool-overlap"),
    ("names-sub-pools-otherwise", "errors/invalid-sub-pool"),
    ("names-used-up-otherwise", "errors/no-more-subnets"),
    ("names-in-use-otherwise", "errors/ip-already-allocated"),
    ("names-out-of-range-otherwise", "errors/ip-out-of-range"),
    ("names-full-pools-otherwise", "errors/no-available-ips"),
    ("names-unknown-pools-otherwise", "errors/pool-not-found"),
    ("forgets-old-leases", "random/operations"),
    ("repeats-itself-in-the-long-run", "random/operations"),
    ("ids-by-number", "instances/replay"),
    ("says-it-is-built-in", "instances/built-in"),
    ("counts-nothing", "status/counts"),
    ("lists-what-is-released", "records/lists"),
    ("lists-the-same-again", "records/lists"),
    ("finds-nothing", "records/lists"),
    ("records-addresses-of-released-pools", "records/releases"),
    ("lists-nothing", "records/removes"),
    ("removes-by-id-alone", "records/removes"),
    ("removes-in-words", "records/removes"),
];

#[test]
fn a_driver_without_a_defect_conforms() {
    let file = programs::file("defects");
    let ran = wipam_test(&[file.to_str().unwrap()]);
    assert_eq!((ran.code, ran.broken()), (0, vec![]), "{}", ran.said);
    assert!(ran.count("pass") > 60, "{:?}", ran.lines);
}

#[test]
fn each_defect_is_found_at_the_promise_that_it_breaks() {
    let file = programs::file("defects");
    println!("{} defects, one driver each:", DEFECTS.len());
    let find = |(defect, promise): &(&str, &str)| {
        let config = format!(r#"{{"defect": "{defect}"}}"#);
        let ran =
            wipam_test(&[file.to_str().unwrap(), "--config", &config, "--operations", "10000"]);
        let broken = ran.broken();
        let is_found = ran.code == 1 && broken.iter().any(|it| it == promise);
        println!(
            "  {defect:36} {} {promise:30} {} broken",
            if is_found { "caught at" } else { "MISSED at" },
            broken.len()
        );
        (!is_found).then(|| format!("{defect}: {broken:?} {}", ran.said))
    };
    // Each is a process of its own, most of whose time is compiling.
    let missed: Vec<String> = thread::scope(|scope| {
        let halves = DEFECTS.chunks(DEFECTS.len().div_ceil(2));
        let halves = halves.map(|half| scope.spawn(|| half.iter().filter_map(find).collect()));
        let halves: Vec<thread::ScopedJoinHandle<'_, Vec<String>>> = halves.collect();
        halves.into_iter().flat_map(|half| half.join().unwrap()).collect()
    });
    assert!(missed.is_empty(), "{missed:#?}");
}

#[test]
fn the_list_has_every_defect_of_the_program() {
    let source = include_str!("../../programs/examples/defects.rs");
    let seeded = source.split("has(\"").skip(1).filter_map(|rest| rest.split('"').next());
    let mut seeded: Vec<&str> = seeded.collect();
    seeded.sort_unstable();
    seeded.dedup();
    let mut listed: Vec<&str> = DEFECTS.iter().map(|(defect, _)| *defect).collect();
    listed.sort_unstable();
    assert_eq!(seeded, listed);
}
