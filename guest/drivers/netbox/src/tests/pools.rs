//! Pools, which are NetBox's prefixes.

use super::{
    ANY, NOT_FOUND, POOL, TAG, base, check_pool, cut, exact, inside, list, made, object, policy,
    pool,
};
use ipam_driver::{Code, Error, Family, Kind, PoolChoice, PoolRequest};
use ipam_http_driver::{Turn, turn};

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
fn a_base_that_is_not_for_use_is_refused_with_words() {
    for (status, want) in [
        ("container", Ok(POOL)),
        ("active", Ok(POOL)),
        ("deprecated", Ok("netbox/18/10.65.0.0/24")),
        ("reserved", Ok("netbox/18/10.65.0.0/24")),
    ] {
        let mut first = base(3, "10.64.0.0/24");
        let value = format!(r#""status": {{"value": "{status}"}}, "id": 3"#);
        first.body = first.body.replace(r#""id": 3"#, &value);
        let turns = match want {
            Ok(POOL) => {
                vec![first, cut(3, 26, 201, &object(17, "prefix", "10.64.0.0/26", TAG))]
            }
            _ => {
                let made = object(18, "prefix", "10.65.0.0/24", TAG);
                vec![first, base(4, "10.65.0.0/16"), cut(4, 24, 201, &made)]
            }
        };
        check_pool(&turns, &pool(ANY), want);
    }
    let mut last = base(5, "fd64::/48");
    last.body = last.body.replace(r#""id": 5"#, r#""id": 5, "status": "reserved""#);
    let ipv6 = pool(PoolChoice::Automatic(Family::Ipv6));
    let refused = policy(&[last]).request_pool(&ipv6).unwrap_err();
    let words = "NetBox has fd64::/48 with the status reserved";
    assert_eq!(refused, Error::other(Kind::Forbidden, words));
}

const FILTER: &str = "10.9.0.0%2F24";

fn near(what: &str, objects: &[String]) -> Turn {
    list("prefixes", &format!("{what}={FILTER}"), objects)
}

fn lab(id: u64, description: &str) -> String {
    object(id, "prefix", "10.9.0.0/24", description)
}

#[test]
fn an_exact_pool_is_found() {
    let request = exact("10.9.0.0/24");
    let want = Ok("netbox/17/10.9.0.0/24");
    let all = object(1, "prefix", "10.0.0.0/8", "all");
    let found = near("contains", &[all, lab(17, "the lab")]);
    check_pool(&[found, near("within", &[])], &request, want);
    // Left over: an answer was lost.
    check_pool(&[near("contains", &[lab(17, TAG)]), near("within", &[])], &request, want);
    for status in ["container", "deprecated", "reserved"] {
        let lab = lab(17, "").replace("{", &format!(r#"{{"status": {{"value": "{status}"}}, "#));
        let turns = [near("contains", &[lab]), near("within", &[])];
        check_pool(&turns, &request, Err(Code::Other(Kind::Forbidden)));
    }
}

#[test]
fn an_exact_pool_is_made() {
    let request = exact("10.9.0.0/24");
    let post = format!(
        r#"POST /ipam/prefixes/ {{"description":"{TAG}","prefix":"10.9.0.0/24","status":"active"}}"#
    );
    let others = [object(2, "prefix", "10.9.0.0/16", &format!("{TAG}0"))];
    let around = near("contains", &others);
    let made = turn(&post, 201, lab(18, TAG));
    let look = |objects: &[String]| near("within_include", objects);
    let turns = [around.clone(), made.clone(), look(&[lab(18, TAG)])];
    check_pool(&turns, &request, Ok("netbox/18/10.9.0.0/24"));
    let raced = turn(&post, 400, r#"{"prefix": ["Duplicate prefix found in global table"]}"#);
    let again = |objects: &[String]| near("prefix", objects);
    let turns = [around.clone(), raced.clone(), again(&[lab(16, "")])];
    check_pool(&turns, &request, Ok("netbox/16/10.9.0.0/24"));
    check_pool(&[around.clone(), raced, again(&[])], &request, Err(Code::PoolOverlap));

    // Two at once, which NetBox allows: the lowest id has it, and both hosts use that.
    let theirs = lab(16, "wipam driver=netbox host=node-2");
    let delete = turn("DELETE /ipam/prefixes/18/", 204, "");
    let turns = [around.clone(), made.clone(), look(&[theirs, lab(18, TAG)]), delete.clone()];
    check_pool(&turns, &request, Ok("netbox/16/10.9.0.0/24"));
    let later = lab(19, "wipam driver=netbox host=node-2");
    let turns = [around.clone(), made.clone(), look(&[lab(18, TAG), later])];
    check_pool(&turns, &request, Ok("netbox/18/10.9.0.0/24"));

    // What is ours is a pool already, of whatever size.
    let ours = |prefix| object(9, "prefix", prefix, TAG);
    let overlap = Err(Code::PoolOverlap);
    check_pool(&[near("contains", &[ours("10.9.0.0/16")])], &request, overlap);
    let turns = [around, made, look(&[lab(18, TAG), ours("10.9.0.0/25")]), delete];
    check_pool(&turns, &request, overlap);
    check_pool(&[], &exact("10.64.0.0/16"), overlap);
    check_pool(&[], &exact("0.0.0.0/0"), Err(Code::InvalidPool));
}

#[test]
fn what_netbox_has_no_words_for_is_refused() {
    let elsewhere = PoolRequest { address_space: "x".into(), ..pool(ANY) };
    check_pool(&[], &elsewhere, Err(Code::InvalidAddressSpace));
    let sub_pool = Some("10.9.0.0/25".parse().unwrap());
    check_pool(&[], &PoolRequest { sub_pool, ..pool(ANY) }, Err(Code::InvalidSubPool));
    let mut policy = policy(&[]);
    for id in ["", "netbox", "netbox/17", "netbox/x/10.0.0.0/24", "other/17/10.0.0.0/24"] {
        assert_eq!(policy.release_pool(id).unwrap_err().code(), Code::PoolNotFound, "{id}");
    }
}

fn get(prefix: &str) -> Turn {
    turn("GET /ipam/prefixes/17/", 200, prefix)
}

fn children(objects: &[String]) -> Turn {
    list("prefixes", "within=10.64.0.0%2F26", objects)
}

fn delete(status: u16) -> Turn {
    turn("DELETE /ipam/prefixes/17/", status, if status == 404 { NOT_FOUND } else { "" })
}

#[test]
fn only_prefixes_of_ours_are_deleted() {
    let ours = object(17, "prefix", "10.64.0.0/26", TAG);
    for status in [204, 404] {
        let turns = [inside(&[]), get(&ours), children(&[]), delete(status)];
        assert_eq!(policy(&turns).release_pool(POOL), Ok(()));
    }
    let foreign = [
        object(17, "prefix", "10.64.0.0/26", "the lab"),
        object(17, "prefix", "10.64.0.0/26", &format!("{TAG}0")),
        object(17, "prefix", "10.64.0.64/26", TAG),
    ];
    for foreign in foreign {
        assert_eq!(policy(&[inside(&[]), get(&foreign)]).release_pool(POOL), Ok(()));
    }
    let turns = [inside(&[]), get(&ours), children(&[]), delete(503)];
    let refused = policy(&turns).release_pool(POOL).unwrap_err();
    assert_eq!(refused.code(), Code::Other(Kind::Unavailable));
}

#[test]
fn a_prefix_that_is_used_stays_and_is_handed_over() {
    let ours = object(17, "prefix", "10.64.0.0/26", TAG);
    let patch = |text: &str, status| {
        turn(format!(r#"PATCH /ipam/prefixes/17/ {{"description":"{text}"}}"#), status, "{}")
    };
    let heir = "wipam driver=netbox host=node-2";
    let theirs = object(5, "address", "10.64.0.2/26", "wipam driver=netbox host=node-2 pool=17");
    for status in [200, 403] {
        let turns =
            [inside(std::slice::from_ref(&theirs)), get(&ours), children(&[]), patch(heir, status)];
        assert_eq!(policy(&turns).release_pool(POOL), Ok(()));
    }
    let child = object(6, "prefix", "10.64.0.0/27", "somebody's");
    let turns = [inside(&[]), get(&ours), children(&[child]), patch("", 200)];
    assert_eq!(policy(&turns).release_pool(POOL), Ok(()));
    // To one with a lease, if there is one; people's have no heir.
    let printer = object(3, "address", "10.64.0.9/26", "a printer");
    let at_the_end = object(3, "address", "10.64.0.0/26", "a note");
    let their_gateway =
        object(4, "address", "10.64.0.3/26", "wipam driver=netbox host=node-3 pool=17 gateway");
    for (others, text) in [
        (vec![printer.clone()], ""),
        (vec![at_the_end], ""),
        (vec![printer.clone(), their_gateway.clone()], "wipam driver=netbox host=node-3"),
        (vec![printer, their_gateway, theirs.clone()], heir),
    ] {
        let turns = [inside(&others), get(&ours), children(&[]), patch(text, 200)];
        assert_eq!(policy(&turns).release_pool(POOL), Ok(()));
    }
    // Another pool of this host in the same prefix.
    let ours_too = object(5, "address", "10.64.0.2/26", &format!("{TAG} pool=17-3"));
    let turns = [inside(&[ours_too]), get(&ours), children(&[])];
    assert_eq!(policy(&turns).release_pool(POOL), Ok(()));
    // Our gateway is theirs, too; and what another driver has put aside is no use.
    let gateway = object(7, "address", "10.64.0.1/26", &format!("{TAG} pool=17 gateway"));
    let handed = turn(
        format!(r#"PATCH /ipam/ip-addresses/7/ {{"description":"{heir} pool=17 gateway"}}"#),
        200,
        "{}",
    );
    let turns = [inside(&[theirs, gateway]), handed, get(&ours), children(&[]), patch(heir, 200)];
    assert_eq!(policy(&turns).release_pool(POOL), Ok(()));
    let aside = format!("{heir} pool=17 not for use");
    let aside = object(8, "address", "10.64.0.63/26", &aside);
    let turns = [inside(&[aside]), get(&ours), children(&[]), delete(204)];
    assert_eq!(policy(&turns).release_pool(POOL), Ok(()));
}

#[test]
fn addresses_that_were_left_behind_go_with_their_pool() {
    let bulk = |ids: &mut dyn Iterator<Item = u64>| {
        let ids: Vec<String> = ids.map(|id| format!(r#"{{"id":{id}}}"#)).collect();
        turn(format!("DELETE /ipam/ip-addresses/ [{}]", ids.join(",")), 204, "")
    };
    let gone = turn("GET /ipam/prefixes/17/", 404, NOT_FOUND);
    let other = object(6, "address", "10.64.0.2/26", &format!("{TAG} pool=171"));
    let left = inside(std::slice::from_ref(&other));
    let turns = [inside(&[made(5, 1), other]), bulk(&mut std::iter::once(5)), left, gone.clone()];
    assert_eq!(policy(&turns).release_pool(POOL), Ok(()));
    // NetBox leaves out what we may not delete, without a word: it stays, and so does its
    // prefix.
    let ours = object(17, "prefix", "10.64.0.0/26", TAG);
    let one = inside(&[made(5, 1)]);
    let turns = [one.clone(), bulk(&mut std::iter::once(5)), one, get(&ours), children(&[])];
    assert_eq!(policy(&turns).release_pool(POOL), Ok(()));

    let many: Vec<String> = (1..=140).map(|id| made(id, 1)).collect();
    let turns = [inside(&many), bulk(&mut (1..=100)), bulk(&mut (101..=140)), inside(&[]), gone];
    assert_eq!(policy(&turns).release_pool(POOL), Ok(()));
    let many: Vec<String> = (1..=201).map(|id| made(id, 1)).collect();
    let tried = [inside(&many), bulk(&mut (1..=100)), bulk(&mut (101..=200))];
    // Some went, and one was not tried: the host tells it again.
    let turns = tried.iter().cloned().chain([inside(&many[150..])]);
    let refused = policy(&turns.collect::<Vec<_>>()).release_pool(POOL).unwrap_err();
    assert_eq!(refused.code(), Code::Other(Kind::Unavailable));
    assert!(refused.text().contains("1 addresses of 10.64.0.0/26"), "{refused}");
    // Where none of the first may be deleted, the next ones are tried; and it ends.
    for left in [&many[..], &many[..200]] {
        let all = [inside(&many), bulk(&mut std::iter::once(201)), inside(left)];
        let turns = tried.iter().cloned().chain(all).chain([get(&ours), children(&[])]);
        assert_eq!(policy(&turns.collect::<Vec<_>>()).release_pool(POOL), Ok(()));
    }
}
