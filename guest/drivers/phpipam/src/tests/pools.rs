//! Pools: found, made, cut, released, and listed with what is in them.

use super::{
    AROUND, HOSTS, NINE, NONE, POOL, SAME, SLAVES, TAG, USAGE, address, data, exact, inside, list,
    made, none, ours, policy, pool, subnet,
};
use ipam_driver::{Code, Family, Kind, PoolChoice};
use ipam_http_driver::{Turn, turn};

#[test]
fn a_pool_is_found_or_made_in_the_section() {
    let post = |master| {
        format!(
            r#"POST /subnets/ {{"description":"{TAG}","mask":26,"masterSubnetId":{master},"sectionId":3,"subnet":"10.64.0.0"}}"#
        )
    };
    let there = Ok(POOL.to_owned());
    assert_eq!(exact(&[list(AROUND, &[subnet(17, "10.64.0.0/26", "")])]), there);
    assert_eq!(exact(&[list(AROUND, &[ours(17, "10.64.0.0/26")])]), there, "left over");
    let same = list(SAME, &[ours(17, "10.64.0.0/26")]);
    assert_eq!(exact(&[none(AROUND), made(&post(0), 17, "10.64.0.0/26"), same.clone()]), there);
    let masters = [subnet(4, "10.64.0.0/24", ""), subnet(2, "10.0.0.0/8", "")];
    let other = subnet(9, "10.64.0.0/26", r#", "vrfId": "5""#);
    let around = list(AROUND, &[&masters[..], &[other]].concat());
    assert_eq!(exact(&[around, made(&post(4), 17, "10.64.0.0/26"), same.clone()]), there);
    for wrong in [subnet(5, "10.64.0.0/27", ""), ours(5, "10.64.0.0/24")] {
        assert_eq!(exact(&[list(AROUND, std::slice::from_ref(&wrong))]), Err(Code::PoolOverlap));
        // Also one that is there already: phpIPAM gives no addresses of it.
        let there = subnet(17, "10.64.0.0/26", "");
        assert_eq!(exact(&[list(AROUND, &[there, wrong])]), Err(Code::PoolOverlap));
    }
    // What is refused for another reason is no overlap.
    let body = r#"{"success": false, "message": "Master Subnet does not exist"}"#;
    let refused = exact(&[none(AROUND), turn(post(0), 404, body)]);
    assert_eq!(refused, Err(Code::Other(Kind::NotFound)));
    // Another host was faster: phpIPAM refuses, or takes both.
    let conflict = turn(post(0), 409, NONE);
    assert_eq!(exact(&[none(AROUND), conflict.clone(), same]), there);
    assert_eq!(exact(&[none(AROUND), conflict, none(SAME)]), Err(Code::PoolOverlap));
    let both = list(SAME, &[ours(18, "10.64.0.0/26"), subnet(17, "10.64.0.0/26", "")]);
    let delete = turn("DELETE /subnets/18/", 200, r#"{"success": true}"#);
    assert_eq!(exact(&[none(AROUND), made(&post(0), 18, ""), both, delete]), there);
    // A 404 or a 409 of a proxy says nothing.
    let away = Err(Code::Other(Kind::Unavailable));
    for body in ["<html>", r#"{"message": "no Route matched"}"#] {
        assert_eq!(exact(&[turn(AROUND, 404, body)]), away);
        assert_eq!(exact(&[none(AROUND), turn(post(0), 409, body)]), away);
    }
    let all = pool(&[], PoolChoice::Exact("0.0.0.0/0".parse().unwrap()));
    assert_eq!(all, Err(Code::InvalidPool));
    let base = pool(&[], PoolChoice::Exact("10.64.0.0/16".parse().unwrap()));
    assert_eq!(base, Err(Code::PoolOverlap));
}

#[test]
fn an_automatic_pool_is_cut_from_a_base() {
    let any = |turns: &[Turn]| pool(turns, PoolChoice::Automatic(Family::Ipv4));
    let base = "GET /subnets/cidr/10.64.0.0/24/";
    let found = list(base, &[subnet(4, "10.64.0.0/24", "")]);
    let first = format!(r#"POST /subnets/4/first_subnet/26/ {{"description":"{TAG}"}}"#);
    assert_eq!(any(&[found.clone(), made(&first, 17, "10.64.0.0/26")]), Ok(POOL.to_owned()));
    let odd = made(&first, 17, "10.64.0.0/27");
    assert_eq!(any(&[found.clone(), odd]), Err(Code::Other(Kind::Internal)));
    assert_eq!(any(&[found, none(&first)]), Err(Code::NoMoreSubnets));
    assert_eq!(any(&[none(base)]), Err(Code::NoAvailablePool), "the base is not there");
    assert_eq!(pool(&[], PoolChoice::Automatic(Family::Ipv6)), Err(Code::InvalidPool));
}

#[test]
fn a_pool_that_others_use_stays() {
    let release = |turns: Vec<Turn>| policy(&turns).release_pool(POOL);
    let done = |request: &str| turn(request, 200, r#"{"success": true}"#);
    let it = data("GET /subnets/17/", &ours(17, "10.64.0.0/26"));
    let left = [address(5, 9, &format!("{TAG} pool=17"), 0)];
    let mut turns = inside(&left, 1).to_vec();
    turns.push(done("DELETE /addresses/5/"));
    turns.extend(inside(&[], 0));
    turns.extend([it.clone(), none(SLAVES), done("DELETE /subnets/17/")]);
    assert_eq!(release(turns), Ok(()));
    // People's addresses are counted.
    let kept = turn(r#"PATCH /subnets/17/ {"description":""}"#, 200, r#"{"success": true}"#);
    let used = |more: &[Turn]| [&inside(&[], 1)[..], more].concat();
    assert_eq!(release(used(&[it.clone(), none(SLAVES), kept.clone()])), Ok(()));
    let six = |request: &str| request.replace("17/", "18/");
    let [hosts, usage] = inside(&[], 1).map(|it| Turn { request: six(&it.request), ..it });
    let hosts = Turn { request: hosts.request.replace("pool%3D17", "pool%3D18"), ..hosts };
    let it6 = data("GET /subnets/18/", &ours(18, "fd64::/64"));
    let kept6 = turn(r#"PATCH /subnets/18/ {"description":""}"#, 200, r#"{"success": true}"#);
    let turns = [hosts, usage, it6, none(&six(SLAVES)), kept6];
    assert_eq!(policy(&turns).release_pool("phpipam/18/fd64::/64"), Ok(()));
    let unused = |more: &[Turn]| [&inside(&[], 0)[..], more].concat();
    let child = list(SLAVES, &[subnet(18, "10.64.0.0/27", "")]);
    assert_eq!(release(unused(&[it.clone(), child, kept.clone()])), Ok(()));
    let theirs = data("GET /subnets/17/", &subnet(17, "10.64.0.0/26", ""));
    assert_eq!(release(unused(&[theirs])), Ok(()));
    let gone = turn("GET /subnets/17/", 400, r#"{"message": "Invalid subnet Id (17)"}"#);
    assert_eq!(release(unused(&[gone])), Ok(()));
    // What says nothing of its use is used.
    let unclear = [none(HOSTS), turn(USAGE, 200, "{}"), it, none(SLAVES), kept];
    assert_eq!(release(unclear.to_vec()), Ok(()));
    // One call deletes a part, and the host asks again.
    let many: Vec<String> =
        (1..=101).map(|id| address(id, 9, &format!("{TAG} pool=17"), 0)).collect();
    let deletes = (1..=100).map(|id| done(&format!("DELETE /addresses/{id}/")));
    let turns = inside(&many, 101).into_iter().chain(deletes).chain(inside(&many[100..], 1));
    assert_eq!(release(turns.collect()).unwrap_err().code(), Code::Other(Kind::Unavailable));
    for id in ["", "phpipam/17", "phpipam/x/10.0.0.0/24", "netbox/17/10.0.0.0/24"] {
        assert_eq!(policy(&[]).release_pool(id).unwrap_err().code(), Code::PoolNotFound, "{id}");
    }
}

#[test]
fn all_that_is_ours_is_listed_and_removed_if_it_is_still_that() {
    let all = |of: &str, field: &str| {
        let tag = TAG.replace(' ', "%20").replace('=', "%3D");
        format!("GET /{of}/all/?filter_by={field}&filter_match=partial&filter_value={tag}")
    };
    let found = [
        address(7, 3, &format!("{TAG} pool=17"), 0),
        address(5, 1, &format!("{TAG} pool=17 gateway"), 0),
        address(6, 2, &format!("{TAG}0 pool=17"), 0),
        address(8, 63, &format!("{TAG} pool=17"), 0),
    ];
    let addresses = || list(&all("addresses", "owner"), &found);
    let it = data("GET /subnets/17/", &ours(17, "10.64.0.0/26"));
    let turns = [
        list(&all("subnets", "description"), &[ours(17, "10.64.0.0/26")]),
        addresses(),
        it.clone(),
        addresses(),
        data("GET /addresses/7/", &found[0]),
        turn("DELETE /addresses/7/", 200, r#"{"success": true}"#),
        data("GET /addresses/5/", &address(5, 1, "a router", 1)),
    ];
    let mut policy = policy(&turns);
    let (mut cursor, mut records) = (None, Vec::new());
    loop {
        let page = policy.list_records(cursor.as_deref(), 2).unwrap();
        records.extend(page.records);
        cursor = page.next;
        if cursor.is_none() {
            break;
        }
    }
    let ids: Vec<&str> = records.iter().map(|record| record.id.as_str()).collect();
    assert_eq!(ids, ["subnets/17", "addresses/5", "addresses/7"]);
    assert!(records.iter().all(|record| record.pool.to_string() == "10.64.0.0/26"));
    assert_eq!(policy.remove_record(&records[2]), Ok(true));
    assert_eq!(policy.remove_record(&records[1]), Ok(false), "somebody has taken it over");
    drop(policy);
    let [hosts, usage] = inside(&[], 1);
    let refused = self::policy(&[it, hosts, usage, none(SLAVES)]).remove_record(&records[0]);
    assert_eq!(refused.unwrap_err().code(), Code::Other(Kind::Forbidden));
    // A phpIPAM without any address says so in its own way.
    let nothing =
        turn(all("addresses", "owner"), 500, r#"{"message": "Unable to read addresses"}"#);
    let page = self::policy(&[nothing]).list_records(Some("text/addresses/0"), 2).unwrap();
    assert_eq!((page.records.len(), page.next), (0, None));
    let has = |turns: &[Turn], address: Option<&str>| {
        self::policy(turns).has_record(POOL, address.map(|it| it.parse().unwrap())).unwrap()
    };
    assert!(has(&[list(NINE, &[address(5, 9, "a printer", 0)])], Some("10.64.0.9")));
    assert!(!has(&[none(NINE)], Some("10.64.0.9")));
    assert!(!has(&[none(SAME)], None));
}
