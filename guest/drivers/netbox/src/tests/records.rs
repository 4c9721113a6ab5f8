//! What NetBox has in this host's name.

use super::{NOT_FOUND, POOL, TAG, at, list, made, object, policy, turn};
use ipam_driver::{Code, Kind};
use ipam_http_driver::Turn;

fn page(of: &str, offset: usize, next: &str, objects: &[String]) -> Turn {
    let key = if of == "prefixes" { "prefix" } else { "address" };
    let tag = TAG.replace(' ', "%20").replace('=', "%3D");
    let path = format!(
        "GET /ipam/{of}/?description__isw={tag}&ordering=id&fields=id,{key},description,status\
         &vrf_id=null&limit=2&offset={offset}"
    );
    turn(path, 200, format!(r#"{{"next": {next}, "results": [{}]}}"#, objects.join(",")))
}

#[test]
fn all_that_is_ours_is_listed_page_by_page() {
    let prefix = object(17, "prefix", "10.64.0.0/26", TAG);
    let other = object(18, "prefix", "10.64.1.0/26", &format!("{TAG}0"));
    let aside = object(6, "address", "10.64.0.63/26", &format!("{TAG} pool=17 not for use"));
    let turns = [
        page("prefixes", 0, "null", &[prefix, other]),
        page("ip-addresses", 0, r#""more""#, &[made(5, 9), aside]),
        page("ip-addresses", 2, "null", &[made(7, 8)]),
    ];
    let mut policy = policy(&turns);
    let (mut cursor, mut found) = (None, Vec::new());
    loop {
        let page = policy.list_records(cursor.as_deref(), 2).unwrap();
        found.extend(page.records);
        cursor = page.next;
        if cursor.is_none() {
            break;
        }
    }
    let shown: Vec<_> = found.iter().map(|it| (&*it.id, it.pool.to_string(), it.address)).collect();
    let pool = "10.64.0.0/26".to_owned();
    let address = |text: &str| Some(text.parse().unwrap());
    let want = [
        ("prefixes/17", pool.clone(), None),
        ("ip-addresses/5", pool.clone(), address("10.64.0.9")),
        ("ip-addresses/7", pool, address("10.64.0.8")),
    ];
    assert_eq!(shown, want);
    drop(policy);
    // An address of an IP range has the range's length.
    let ranged = object(9, "address", "10.64.0.40/32", &format!("{TAG} pool=17-3"));
    let turns = [
        page("ip-addresses", 0, "null", &[ranged]),
        turn("GET /ipam/prefixes/17/", 200, object(17, "prefix", "10.64.0.0/26", "")),
    ];
    let mut policy = self::policy(&turns);
    let listed = policy.list_records(Some("description/ip-addresses/0"), 2).unwrap();
    assert_eq!(listed.records[0].pool.to_string(), "10.64.0.0/26");
    for wrong in ["", "x/0", "field/prefixes/0", "description/prefixes/x"] {
        let refused = policy.list_records(Some(wrong), 2).unwrap_err();
        assert_eq!(refused.code(), Code::InvalidRequest);
    }
}

#[test]
fn whether_netbox_has_it_does_not_depend_on_who_made_it() {
    let printer = object(1, "address", "10.64.0.9/32", "a printer");
    let nine = Some("10.64.0.9".parse().unwrap());
    assert_eq!(policy(&[at(9, &[printer])]).has_record(POOL, nine), Ok(true));
    assert_eq!(policy(&[at(9, &[])]).has_record(POOL, nine), Ok(false));
    let prefixes = list("prefixes", "prefix=10.64.0.0%2F26", &[]);
    assert_eq!(policy(&[prefixes]).has_record(POOL, None), Ok(false));
}

#[test]
fn only_what_is_still_the_same_and_ours_is_removed() {
    let listed = page("ip-addresses", 0, "null", &[made(5, 9)]);
    let record =
        policy(&[listed]).list_records(Some("description/ip-addresses/0"), 2).unwrap().records;
    let record = record.first().unwrap();
    let get = |body: &str| turn("GET /ipam/ip-addresses/5/", 200, body);
    let delete = turn("DELETE /ipam/ip-addresses/5/", 204, "");
    assert_eq!(policy(&[get(&made(5, 9)), delete]).remove_record(record), Ok(true));
    let gone = turn("GET /ipam/ip-addresses/5/", 404, NOT_FOUND);
    assert_eq!(policy(&[gone]).remove_record(record), Ok(false));
    assert_eq!(policy(&[get(&made(5, 8))]).remove_record(record), Ok(false));
    let theirs = object(5, "address", "10.64.0.9/26", "a printer");
    assert_eq!(policy(&[get(&theirs)]).remove_record(record), Ok(false));

    let prefix = object(17, "prefix", "10.64.0.0/26", TAG);
    let listed = page("prefixes", 0, "null", std::slice::from_ref(&prefix));
    let record = policy(&[listed]).list_records(None, 2).unwrap().records;
    let get = turn("GET /ipam/prefixes/17/", 200, prefix);
    let children = list("prefixes", "within=10.64.0.0%2F26", &[]);
    let used = super::inside(&[object(1, "address", "10.64.0.9/32", "a printer")]);
    let refused = policy(&[get, used, children]).remove_record(&record[0]).unwrap_err();
    assert_eq!(refused.code(), Code::Other(Kind::Forbidden));
    assert!(refused.text().contains("/ipam/ip-addresses/1/"), "{refused}");
}

/// As it may be written in a prefix with `is_pool`.
#[test]
fn an_address_that_reads_like_its_prefix_is_a_use_of_it() {
    let prefix = object(17, "prefix", "10.64.0.0/26", TAG);
    let listed = page("prefixes", 0, "null", std::slice::from_ref(&prefix));
    let record = policy(&[listed]).list_records(None, 2).unwrap().records;
    let get = turn("GET /ipam/prefixes/17/", 200, prefix.clone());
    let children = list("prefixes", "within=10.64.0.0%2F26", &[prefix]);
    let used = super::inside(&[object(1, "address", "10.64.0.0/26", "a printer")]);
    let refused = policy(&[get, used, children]).remove_record(&record[0]).unwrap_err();
    assert_eq!(refused.code(), Code::Other(Kind::Forbidden));
}
