//! Addresses: the next one, one by its name, and one that was left over.

use super::{
    NOT_FOUND, POOL, TAG, at, check_lease, inside, lease, list, made, next, object, ours, policy,
};
use ipam_driver::{AddressRequest, Code, names};
use ipam_http_driver::{Turn, turn};

#[test]
fn any_address_is_the_next_available_one() {
    let check = |next: Turn, request: &AddressRequest, want: Result<&str, Code>| {
        check_lease(&[ours(&[]), next], request, want);
    };
    let any = lease(None, &[]);
    check(next("", 201, &made(5, 1)), &any, Ok("10.64.0.1/26"));
    check(next("", 201, &format!("[{}]", made(5, 1))), &any, Ok("10.64.0.1/26"));
    // The length is the pool's.
    let longer = object(5, "address", "10.64.0.1/32", "");
    check(next("", 201, &longer), &any, Ok("10.64.0.1/26"));
    check(next("", 409, "{}"), &any, Err(Code::NoAvailableIps));
    let web = lease(None, &[(names::ENDPOINT_NAME, "web\"\n"), (names::MAC_ADDRESS, "02:42::")]);
    check(next(r#" for=web\""#, 201, &made(5, 1)), &web, Ok("10.64.0.1/26"));
    let mac = lease(None, &[(names::MAC_ADDRESS, "02:42::")]);
    check(next(" for=02:42::", 201, &made(5, 1)), &mac, Ok("10.64.0.1/26"));
    let gateway = lease(None, &[(names::REQUEST_ADDRESS_TYPE, names::GATEWAY)]);
    // It takes over nothing that was left over, and looks for nothing.
    check_lease(&[next(" gateway", 201, &made(5, 1))], &gateway, Ok("10.64.0.1/26"));
    let long = "ü".repeat(300);
    let cut = "ü".repeat(200 - TAG.len() - " pool=17 for=".len());
    let named = lease(None, &[(names::ENDPOINT_NAME, &long)]);
    check(next(&format!(" for={cut}"), 201, &made(5, 1)), &named, Ok("10.64.0.1/26"));
}

#[test]
fn what_may_be_left_over_is_offered_before_anything_new() {
    let words = |id, last: u8, words: &str| {
        object(id, "address", &format!("10.64.0.{last}/26"), &format!("{TAG} pool=17{words}"))
    };
    let others = object(2, "address", "10.64.0.2/26", "wipam driver=netbox host=node-2 pool=17");
    let found = [made(5, 9), made(7, 8), others, words(3, 1, " gateway"), words(4, 63, "")];
    let mut policy = policy(&[ours(&found), next("", 201, &made(8, 3))]);
    let mut ask = || {
        let grant = policy.request_address(&lease(None, &[])).unwrap();
        (grant.address.unwrap().to_string(), grant.data.contains_key(names::LEFT_OVER))
    };
    // The host says which of them are leased: it asks again.
    assert_eq!(ask(), ("10.64.0.8/26".to_owned(), true));
    assert_eq!(ask(), ("10.64.0.9/26".to_owned(), true));
    assert_eq!(ask(), ("10.64.0.3/26".to_owned(), false));

    // What was released since is not offered.
    let delete = turn("DELETE /ipam/ip-addresses/5/", 204, "");
    let other = next(" for=web", 201, &made(9, 4));
    let turns = [ours(&found[..2]), at(9, &found[..1]), delete, other];
    let mut policy = self::policy(&turns);
    policy.request_address(&lease(None, &[])).unwrap();
    policy.release_address(POOL, "10.64.0.9".parse().unwrap()).unwrap();
    let web = lease(None, &[(names::ENDPOINT_NAME, "web")]);
    let grant = policy.request_address(&web).unwrap();
    assert!(!grant.data.contains_key(names::LEFT_OVER), "{grant:?}");
}

#[test]
fn another_request_is_offered_only_what_is_still_there() {
    let web = lease(None, &[(names::ENDPOINT_NAME, "web")]);
    let turns = [
        ours(&[made(5, 9), made(6, 8), made(7, 7)]),
        ours(&[made(5, 9), made(8, 3)]),
        next("", 201, &made(9, 4)),
    ];
    let mut policy = policy(&turns);
    let mut ask = |request: &AddressRequest| {
        policy.request_address(request).unwrap().address.unwrap().to_string()
    };
    assert_eq!(ask(&lease(None, &[])), "10.64.0.7/26");
    assert_eq!(ask(&web), "10.64.0.9/26", "the other was deleted, and a younger one is new");
    assert_eq!(ask(&lease(None, &[])), "10.64.0.4/26");
}

#[test]
fn what_an_answer_that_was_lost_left_behind_is_found_at_once() {
    let turns = [ours(&[]), next("", 0, "ConnectionTerminated"), ours(&[made(5, 1)])];
    let mut policy = policy(&turns);
    assert!(policy.request_address(&lease(None, &[])).is_err());
    let grant = policy.request_address(&lease(None, &[])).unwrap();
    assert_eq!(grant.address.unwrap().to_string(), "10.64.0.1/26");
}

#[test]
fn the_start_looks_at_what_the_token_may_see() {
    let page = |of: &str, key: &str, status| {
        let path = format!(
            "GET /ipam/{of}/?ordering=id&fields=id,{key},description,status&vrf_id=null&limit=1&offset=0"
        );
        turn(path, status, r#"{"results": []}"#)
    };
    let status = turn("GET /status/", 200, r#"{"netbox-version": "4.6.8"}"#);
    let all = [page("prefixes", "prefix", 200), page("ip-addresses", "address", 200)];
    policy(&[status.clone(), all[0].clone(), all[1].clone()]).system.look_at_all();
    // It starts all the same.
    policy(&[status, page("prefixes", "prefix", 403)]).system.look_at_all();
    policy(&[turn("GET /status/", 0, "ConnectionRefused")]).system.look_at_all();
}

#[test]
fn the_network_and_the_broadcast_address_are_put_aside() {
    let aside = |id, last: u8| {
        let post = format!(
            r#"POST /ipam/ip-addresses/ {{"address":"10.64.0.{last}/26","description":"{TAG} pool=17 not for use","status":"active"}}"#
        );
        let delete = turn(format!("DELETE /ipam/ip-addresses/{id}/"), 204, "");
        [next("", 201, &made(id, last)), delete, turn(post, 201, made(id + 1, last))]
    };
    let mut turns = vec![ours(&[])];
    turns.extend(aside(5, 0));
    turns.extend(aside(7, 63));
    turns.push(next("", 409, ""));
    check_lease(&turns, &lease(None, &[]), Err(Code::NoAvailableIps));
}

#[test]
fn a_pool_that_netbox_lost_is_found_again_by_its_prefix() {
    let prefixes = |objects: &[String]| list("prefixes", "prefix=10.64.0.0%2F26", objects);
    let again = |last| {
        let mut again = next("", 201, &made(5, last));
        again.request = again.request.replace("prefixes/17", "prefixes/30");
        again
    };
    let lost = next("", 404, NOT_FOUND);
    let made_again = prefixes(&[object(30, "prefix", "10.64.0.0/26", "")]);
    let turns = [ours(&[]), lost.clone(), made_again, again(1), again(2)];
    let mut policy = policy(&turns);
    for _ in 0..2 {
        policy.request_address(&lease(None, &[])).unwrap();
    }
    drop(policy);
    let turns = [ours(&[]), lost, prefixes(&[])];
    check_lease(&turns, &lease(None, &[]), Err(Code::PoolNotFound));
}

/// The request that makes an address, and its answer.
fn create(last: u8, words: &str, status: u16, body: &str) -> Turn {
    let post = format!(
        r#"POST /ipam/ip-addresses/ {{"address":"10.64.0.{last}/26","description":"{TAG} pool=17{words}","status":"active"}}"#
    );
    turn(post, status, body)
}

const DUPLICATE: &str =
    r#"{"address": ["Duplicate IP address found in global table: 10.64.0.9/26"]}"#;

#[test]
fn an_address_by_name_is_made_and_looked_at() {
    let nine = lease(Some("10.64.0.9"), &[(names::MAC_ADDRESS, "02::")]);
    let create = |status, body: &str| create(9, " for=02::", status, body);
    let taken = Err(Code::IpAlreadyAllocated);
    let got = Ok("10.64.0.9/26");
    check_lease(&[create(201, &made(5, 9)), at(9, &[made(5, 9)])], &nine, got);
    let printer = object(1, "address", "10.64.0.9/32", "");
    check_lease(&[create(400, DUPLICATE), at(9, &[printer])], &nine, taken);
    // Not for us to see.
    check_lease(&[create(400, DUPLICATE), at(9, &[])], &nine, taken);
    let range = r#"{"address": ["Cannot create IP address 10.64.0.9/26 inside range x."]}"#;
    check_lease(&[create(400, range), at(9, &[])], &nine, taken);
    // An answer was lost.
    check_lease(&[create(400, DUPLICATE), at(9, &[made(4, 9)])], &nine, got);
    // One that this instance granted is none that was left over.
    let mut once = policy(&[create(201, &made(5, 9)), at(9, &[made(5, 9)])]);
    once.request_address(&nine).unwrap();
    let refused = once.request_address(&nine).unwrap_err();
    assert_eq!(refused.code(), Code::IpAlreadyAllocated);
    drop(once);
    // Two at once, where NetBox allows for it: the first one has it.
    let both = [made(6, 9), object(5, "address", "10.64.0.9/26", "theirs")];
    let delete = turn("DELETE /ipam/ip-addresses/6/", 204, "");
    check_lease(&[create(201, &made(6, 9)), at(9, &both), delete], &nine, taken);
    let both = [made(5, 9), object(6, "address", "10.64.0.9/26", "theirs")];
    check_lease(&[create(201, &made(5, 9)), at(9, &both)], &nine, got);

    for (address, code) in [
        ("10.64.0.0", Code::IpAlreadyAllocated),
        ("10.64.0.63", Code::IpAlreadyAllocated),
        ("10.64.0.64", Code::IpOutOfRange),
        ("fd64::1", Code::IpOutOfRange),
    ] {
        check_lease(&[], &lease(Some(address), &[]), Err(code));
    }
}

#[test]
fn a_gateway_that_netbox_has_is_granted_as_it_is() {
    let router = object(1, "address", "10.64.0.9/24", "a router");
    let others = |words: &str| {
        let text = format!("wipam driver=netbox host=node-2 pool=17{words}");
        object(2, "address", "10.64.0.9/26", &text)
    };
    let gateway = lease(Some("10.64.0.9"), &[(names::REQUEST_ADDRESS_TYPE, names::GATEWAY)]);
    let auxiliary = lease(Some("10.64.0.9"), &[]);
    for (request, words) in [(&gateway, " gateway"), (&auxiliary, "")] {
        let check = |known: String, want| {
            let made = create(9, words, 400, DUPLICATE);
            check_lease(&[made, at(9, &[known])], request, want);
        };
        check(router.clone(), Ok("10.64.0.9/26"));
        check(others(" gateway"), Ok("10.64.0.9/26"));
        check(others(" for=web"), Err(Code::IpAlreadyAllocated));
        check(others(" for=gateway"), Err(Code::IpAlreadyAllocated));
        check(others(" for=x gateway"), Err(Code::IpAlreadyAllocated));
    }
    // It stays, and nothing is said.
    let turns = [
        create(9, " gateway", 400, DUPLICATE),
        at(9, std::slice::from_ref(&router)),
        at(9, &[router]),
    ];
    let mut policy = policy(&turns);
    policy.request_address(&gateway).unwrap();
    policy.release_address(POOL, "10.64.0.9".parse().unwrap()).unwrap();
    drop(policy);
    // A pool that is released is forgotten with it.
    let gone = turn("GET /ipam/prefixes/17/", 404, NOT_FOUND);
    let made = create(9, " gateway", 400, DUPLICATE);
    let turns = [made, at(9, &[others(" gateway")]), inside(&[]), gone];
    let mut policy = self::policy(&turns);
    policy.request_address(&gateway).unwrap();
    policy.release_pool(POOL).unwrap();
}

#[test]
fn a_gateway_of_ours_stays_while_others_use_the_prefix() {
    let ours = object(4, "address", "10.64.0.1/26", &format!("{TAG} pool=17 gateway"));
    let theirs = object(5, "address", "10.64.0.2/26", "wipam driver=netbox host=node-2 pool=17");
    let their_gateway =
        object(6, "address", "10.64.0.3/26", "wipam driver=netbox host=node-2 pool=17 gateway");
    let gateway = "10.64.0.1".parse().unwrap();
    let one = std::slice::from_ref(&ours);
    let text = "wipam driver=netbox host=node-2 pool=17 gateway";
    let patch = format!(r#"PATCH /ipam/ip-addresses/4/ {{"description":"{text}"}}"#);
    for status in [200, 403] {
        let patch = turn(&patch, status, "{}");
        let turns = [at(1, one), inside(&[ours.clone(), theirs.clone()]), patch];
        assert_eq!(policy(&turns).release_address(POOL, gateway), Ok(()));
    }
    let delete = turn("DELETE /ipam/ip-addresses/4/", 204, "");
    let turns = [at(1, one), inside(&[ours.clone(), their_gateway]), delete];
    assert_eq!(policy(&turns).release_address(POOL, gateway), Ok(()));
}
