//! What the reference was seen to do, section by section.
#![expect(clippy::unwrap_used, reason = "a test may fail by panic")]

mod transcript;

const OBSERVED: &str = include_str!("observed.txt");

/// The sections, each a test, and their names.
macro_rules! sections {
    ($($test:ident: $($name:literal),+;)*) => {
        const NAMES: &[&str] = &[$($($name),+),*];

        $(#[test]
        fn $test() {
            play(&[$($name),+]);
        })*
    };
}

sections! {
    request_syntax: "request syntax";
    canonicalisation: "canonicalisation / host bits / bigger subpool / v4-mapped";
    a_sub_pool_outside_its_pool: "subpool outside parent then request address";
    the_flag_and_the_family: "v6 flag vs pool family";
    automatic_pools_in_order: "automatic pools, local, order";
    a_released_pool_is_the_next: "automatic pools, release then request immediately";
    automatic_pools_with_exclude: "automatic with exclude";
    automatic_pools_with_a_size: "automatic with size";
    automatic_pools_of_the_global_space: "automatic, global";
    automatic_ipv6_pools: "automatic, v6";
    configured_pools: "custom pools: not aligned base, overlap, size==bits, size<bits";
    no_predefined_pools: "no predefined pools";
    overlap: "overlap";
    // Each goes on where the one before it stopped.
    the_life_of_a_pool:
        "child first: parent auto-created, then parent requested",
        "release pool with live addresses, then re-request",
        "bad pool ids";
    reserved_addresses_and_capacity: "reserved addresses and capacity";
    named_addresses: "explicit request of reserved / out of range / broadcast / wrong family";
    release_semantics: "release semantics";
    release_through_a_child: "release through child id of an address outside the child range";
    lowest_first: "non-serial lowest first; hole reuse";
    the_serial_cursor: "serial cursor";
    the_serial_cursor_is_shared: "serial cursor in subpools sharing one bitmap";
    a_sub_pool_at_the_edge: "subpool includes first/last of parent";
    the_gateway_option_is_ignored: "gateway option is ignored by the default driver";
    big_ipv6_pools: "IPv6 big subnets and bitmap edges";
}

#[track_caller]
fn play(names: &[&str]) {
    let transcript: Vec<&str> = names.iter().map(|name| section(name)).collect();
    transcript::play(&transcript.concat());
}

fn section(name: &str) -> &'static str {
    let mut sections = OBSERVED.split("\n## ").filter_map(|section| section.split_once('\n'));
    sections.find(|(found, _)| *found == name).expect("the section exists").1
}

#[test]
fn no_section_is_forgotten() {
    let found = OBSERVED.split("\n## ").skip(1).filter_map(|section| section.lines().next());
    assert_eq!(found.collect::<Vec<_>>(), NAMES);
}
