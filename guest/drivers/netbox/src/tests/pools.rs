//! Pools, which are NetBox's prefixes.

use super::{ANY, POOL, TAG, base, check_pool, cut, exact, list, made, object, policy, pool};
use ipam_driver::{Code, Family, Kind, PoolChoice, PoolRequest};
use ipam_http_driver::{Turn, turn};

/// The list of our addresses in the pool.
fn left(objects: &[String]) -> Turn {
    let escaped = TAG.replace(' ', "%20").replace('=', "%3D");
    let filters = format!("parent=10.64.0.0%2F26&description__isw={escaped}%20pool%3D17");
    list("ip-addresses", &filters, objects)
}

#[test]
fn an_automatic_pool_is_the_next_available_prefix_of_the_first_base_that_has_one() {
    let first =
        [base(3, "10.64.0.0/24"), cut(3, 26, 201, &object(17, "prefix", "10.64.0.0/26", TAG))];
    check_pool(&first, &pool(ANY), Ok(POOL));
    // Some versions answer a list.
    let listed = format!("[{}]", object(17, "prefix", "10.64.0.0/26", TAG));
    check_pool(&[base(3, "10.64.0.0/24"), cut(3, 26, 201, &listed)], &pool(ANY), Ok(POOL));
    let second = [
        base(3, "10.64.0.0/24"),
        cut(3, 26, 409, r#"{"detail": "Insufficient space"}"#),
        base(4, "10.65.0.0/16"),
        cut(4, 24, 201, &object(18, "prefix", "10.65.0.0/24", TAG)),
    ];
    check_pool(&second, &pool(ANY), Ok("netbox/18/10.65.0.0/24"));
    let none = [
        base(3, "10.64.0.0/24"),
        cut(3, 26, 409, "{}"),
        base(4, "10.65.0.0/16"),
        cut(4, 24, 409, "{}"),
    ];
    check_pool(&none, &pool(ANY), Err(Code::NoMoreSubnets));
    let ipv6 = [base(5, "fd64::/48"), cut(5, 64, 201, &object(19, "prefix", "fd64::/64", TAG))];
    check_pool(&ipv6, &pool(PoolChoice::Automatic(Family::Ipv6)), Ok("netbox/19/fd64::/64"));
    // Of that length, where it fits.
    let sized =
        [base(4, "10.65.0.0/16"), cut(4, 20, 201, &object(18, "prefix", "10.65.0.0/20", TAG))];
    check_pool(&sized, &pool(PoolChoice::Sized(Family::Ipv4, 20)), Ok("netbox/18/10.65.0.0/20"));
    check_pool(&[], &pool(PoolChoice::Sized(Family::Ipv4, 8)), Err(Code::InvalidPool));
    check_pool(&[], &pool(PoolChoice::Sized(Family::Ipv4, 33)), Err(Code::InvalidPool));
}

#[test]
fn a_base_that_netbox_does_not_have_is_said_to_be_missing() {
    let missing = |prefix: &str| list("prefixes", &format!("prefix={prefix}"), &[]);
    let turns = [missing("10.64.0.0%2F24"), missing("10.65.0.0%2F16")];
    check_pool(&turns, &pool(ANY), Err(Code::NoAvailablePool));
}

#[test]
fn an_exact_pool_is_found_or_made() {
    let request = exact("10.9.0.0/24");
    let filter = "prefix=10.9.0.0%2F24";
    let found = list("prefixes", filter, &[object(17, "prefix", "10.9.0.0/24", "the lab")]);
    check_pool(std::slice::from_ref(&found), &request, Ok("netbox/17/10.9.0.0/24"));
    let mut twice = policy(&[found.clone(), found.clone(), found]);
    let id = twice.request_pool(&request).unwrap().pool_id;
    assert_eq!(twice.request_pool(&request).unwrap_err().code(), Code::PoolOverlap);
    // It was there before, so it stays.
    let stays = turn("GET /ipam/prefixes/17/", 404, "");
    let mut nothing = left(&[]);
    nothing.request = nothing.request.replace("10.64.0.0%2F26", "10.9.0.0%2F24");
    let mut gone = policy(&[nothing, stays]);
    assert_eq!(gone.release_pool(&id), Ok(()));
    drop(gone);
    assert_eq!(twice.request_pool(&request).unwrap_err().code(), Code::PoolOverlap);

    let escaped = TAG.replace(' ', "%20").replace('=', "%3D");
    let near = |what: &str, objects: &[String]| {
        list("prefixes", &format!("{what}=10.9.0.0%2F24&description__isw={escaped}"), objects)
    };
    let post = format!(
        r#"POST /ipam/prefixes/ {{"description":"{TAG}","prefix":"10.9.0.0/24","status":"active"}}"#
    );
    let others = [
        object(1, "prefix", "10.0.0.0/8", "all"),
        object(2, "prefix", "10.9.0.0/16", &format!("{TAG}0")),
    ];
    let made = turn(&post, 201, object(18, "prefix", "10.9.0.0/24", TAG));
    let turns =
        [list("prefixes", filter, &[]), near("contains", &others), near("within", &[]), made];
    check_pool(&turns, &request, Ok("netbox/18/10.9.0.0/24"));
    let raced = turn(&post, 400, r#"{"prefix": ["Duplicate prefix found in global table"]}"#);
    let turns = [list("prefixes", filter, &[]), near("contains", &[]), near("within", &[]), raced];
    check_pool(&turns, &request, Err(Code::PoolOverlap));

    // What is ours is a pool already, of whatever size.
    let ours = |prefix| [object(9, "prefix", prefix, TAG)];
    check_pool(&[list("prefixes", filter, &ours("10.9.0.0/24"))], &request, Err(Code::PoolOverlap));
    let turns = [list("prefixes", filter, &[]), near("contains", &ours("10.9.0.0/16"))];
    check_pool(&turns, &request, Err(Code::PoolOverlap));
    let turns = [
        list("prefixes", filter, &[]),
        near("contains", &[]),
        near("within", &ours("10.9.0.0/25")),
    ];
    check_pool(&turns, &request, Err(Code::PoolOverlap));
    check_pool(&[], &exact("10.64.0.0/16"), Err(Code::PoolOverlap));
    check_pool(&[], &exact("0.0.0.0/0"), Err(Code::InvalidPool));
}

#[test]
fn what_netbox_has_no_words_for_is_refused() {
    let elsewhere = PoolRequest { address_space: "x".into(), ..pool(ANY) };
    check_pool(&[], &elsewhere, Err(Code::InvalidAddressSpace));
    let sub_pool = Some("10.9.0.0/25".parse().unwrap());
    check_pool(&[], &PoolRequest { sub_pool, ..exact("10.9.0.0/24") }, Err(Code::InvalidSubPool));
    let mut policy = policy(&[]);
    for id in ["", "netbox", "netbox/17", "netbox/x/10.0.0.0/24", "other/17/10.0.0.0/24"] {
        assert_eq!(policy.release_pool(id).unwrap_err().code(), Code::PoolNotFound, "{id}");
    }
}

#[test]
fn only_prefixes_of_ours_are_deleted() {
    let get = |objects: &str| turn("GET /ipam/prefixes/17/", 200, objects);
    let delete = |status| turn("DELETE /ipam/prefixes/17/", status, "");
    let ours = object(17, "prefix", "10.64.0.0/26", TAG);
    for status in [204, 404] {
        assert_eq!(policy(&[left(&[]), get(&ours), delete(status)]).release_pool(POOL), Ok(()));
    }
    let foreign = [
        object(17, "prefix", "10.64.0.0/26", "the lab"),
        object(17, "prefix", "10.64.0.0/26", &format!("{TAG}0")),
        object(17, "prefix", "10.64.0.64/26", TAG),
    ];
    for foreign in foreign {
        assert_eq!(policy(&[left(&[]), get(&foreign)]).release_pool(POOL), Ok(()));
    }
    let refused = policy(&[left(&[]), get(&ours), delete(500)]).release_pool(POOL).unwrap_err();
    assert_eq!(refused.code(), Code::Other(Kind::Unavailable));
}

#[test]
fn addresses_that_were_left_behind_go_with_their_pool() {
    let delete = |id| turn(format!("DELETE /ipam/ip-addresses/{id}/"), 204, "");
    let get = turn("GET /ipam/prefixes/17/", 404, "");
    let other = object(6, "address", "10.64.0.2/26", &format!("{TAG} pool=171"));
    let turns = [left(&[made(5, 1), other]), delete(5), get];
    assert_eq!(policy(&turns).release_pool(POOL), Ok(()));

    let many: Vec<String> = (1..=21).map(|id| made(id, 1)).collect();
    let turns: Vec<Turn> = [left(&many)].into_iter().chain((1..=20).map(delete)).collect();
    let refused = policy(&turns).release_pool(POOL).unwrap_err();
    assert_eq!(refused.code(), Code::Other(Kind::Unavailable), "the host tells it again");
}
