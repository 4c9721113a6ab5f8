//! What is asked of phpIPAM, word for word, and what is made of each answer.

mod pools;

use crate::System;
use ipam_driver::{AddressRequest, Code, Kind, Options, PoolChoice, PoolRequest, names};
use ipam_http_driver::{Configured as _, Policy, Script, Turn, turn};

const CONFIG: &str = r#"{
    "url": "https://phpipam.example/api/wipam", "token": "0123abcd", "host": "node-1",
    "section": 3, "default-address-pools": [{"base": "10.64.0.0/24", "size": 26}]
}"#;
const TAG: &str = "wipam driver=phpipam host=node-1";
const POOL: &str = "phpipam/17/10.64.0.0/26";
const NONE: &str = r#"{"code": 404, "success": false, "message": "No such thing"}"#;
const AROUND: &str = "GET /subnets/overlapping/10.64.0.0/26/";
const OURS: &str = "GET /subnets/17/addresses/?filter_by=owner&filter_match=partial\
    &filter_value=wipam%20driver%3Dphpipam%20host%3Dnode-1%20pool%3D17";
const HOSTS: &str = "GET /subnets/17/addresses/?filter_by=owner&filter_match=partial\
    &filter_value=wipam%20driver%3Dphpipam%20host%3D";
const USAGE: &str = "GET /subnets/17/usage/";
const SLAVES: &str = "GET /subnets/17/slaves/";
const SAME: &str = "GET /subnets/cidr/10.64.0.0/26/";
const NINE: &str = "GET /addresses/search/10.64.0.9/";

fn policy(turns: &[Turn]) -> Policy<System<Script>> {
    let system = System::read(CONFIG, Script::new(turns.iter().cloned()));
    Policy::new(system.unwrap().unwrap())
}

fn list(request: &str, objects: &[String]) -> Turn {
    let body = format!(r#"{{"code": 200, "success": true, "data": [{}]}}"#, objects.join(","));
    turn(request, 200, body)
}

fn none(request: &str) -> Turn {
    turn(request, 404, NONE)
}

fn subnet(id: u64, net: &str, more: &str) -> String {
    let (subnet, mask) = net.split_once('/').unwrap();
    format!(r#"{{"id": "{id}", "subnet": "{subnet}", "mask": "{mask}", "sectionId": "3"{more}}}"#)
}

fn ours(id: u64, net: &str) -> String {
    subnet(id, net, &format!(r#", "description": "{TAG}""#))
}

fn address(id: u64, last: u8, owner: &str, is_gateway: u8) -> String {
    format!(
        r#"{{"id": "{id}", "ip": "10.64.0.{last}", "subnetId": "17", "owner": "{owner}", "is_gateway": "{is_gateway}"}}"#
    )
}

fn made(request: &str, id: u64, data: &str) -> Turn {
    let body = format!(r#"{{"code": 201, "success": true, "id": "{id}", "data": "{data}"}}"#);
    turn(request, 201, body)
}

fn pool(turns: &[Turn], pool: PoolChoice) -> Result<String, Code> {
    let request = PoolRequest {
        address_space: "phpipam".into(),
        pool,
        sub_pool: None,
        options: Options::new(),
        exclude: Vec::new(),
    };
    let got = policy(turns).request_pool(&request);
    got.map(|grant| grant.pool_id).map_err(|error| error.code())
}

fn exact(turns: &[Turn]) -> Result<String, Code> {
    pool(turns, PoolChoice::Exact("10.64.0.0/26".parse().unwrap()))
}

fn request(address: Option<&str>, options: &[(&str, &str)]) -> AddressRequest {
    AddressRequest {
        pool_id: POOL.into(),
        address: address.map(|address| address.parse().unwrap()),
        options: options.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect(),
    }
}

fn lease(
    policy: &mut Policy<System<Script>>,
    request: &AddressRequest,
) -> Result<(String, bool), Code> {
    let got = policy.request_address(request).map_err(|error| error.code())?;
    Ok((got.address.unwrap().to_string(), got.data.contains_key(names::LEFT_OVER)))
}

/// What `data` has, in the envelope of one object.
fn data(request: &str, data: &str) -> Turn {
    turn(request, 200, format!(r#"{{"code": 200, "success": true, "data": {data}}}"#))
}

/// The addresses that drivers have in the pool, and how many phpIPAM counts there.
fn inside(found: &[String], used: usize) -> [Turn; 2] {
    let hosts = if found.is_empty() { none(HOSTS) } else { list(HOSTS, found) };
    [hosts, data(USAGE, &format!(r#"{{"used": "{used}", "freehosts": "9"}}"#))]
}

fn first(words: &str) -> String {
    format!(
        r#"POST /addresses/first_free/17/ {{"description":"{words}","owner":"{TAG} pool=17","tag":2}}"#
    )
}

#[test]
fn any_address_is_the_first_free_one_after_what_is_left_over() {
    let left = [
        address(5, 1, &format!("{TAG} pool=17 gateway"), 0),
        address(6, 2, &format!("{TAG} pool=17"), 0),
        address(7, 3, &format!("{TAG} pool=171"), 0),
    ];
    let next = made(&first(""), 8, "10.64.0.4");
    let mut policy = policy(&[list(OURS, &left), next, none(&first("for=web"))]);
    assert_eq!(lease(&mut policy, &request(None, &[])), Ok(("10.64.0.2/26".into(), true)));
    assert_eq!(lease(&mut policy, &request(None, &[])), Ok(("10.64.0.4/26".into(), false)));
    let web = request(None, &[(names::ENDPOINT_NAME, "web")]);
    assert_eq!(lease(&mut policy, &web), Err(Code::NoAvailableIps));
    drop(policy);

    // A subnet that phpIPAM has no more is not a request that it does not understand.
    let gone = turn(first(""), 400, r#"{"message": "Invalid subnet identifier"}"#);
    let mut policy = self::policy(&[none(OURS), gone]);
    assert_eq!(lease(&mut policy, &request(None, &[])), Err(Code::Other(Kind::NotFound)));

    // An answer that was lost is looked for.
    let lost = turn(first(""), 0, "ConnectionTerminated");
    let mut policy = self::policy(&[none(OURS), lost, list(OURS, &left[1..2])]);
    let refused = Err(Code::Other(Kind::Unavailable));
    assert_eq!(lease(&mut policy, &request(None, &[])), refused);
    assert_eq!(lease(&mut policy, &request(None, &[])), Ok(("10.64.0.2/26".into(), true)));
}

#[test]
fn the_network_address_of_a_subnet_that_is_a_pool_is_put_aside() {
    let aside = format!(
        r#"POST /addresses/ {{"description":"not for use","ip":"10.64.0.0","owner":"{TAG} pool=17","subnetId":17,"tag":2}}"#
    );
    let delete = turn("DELETE /addresses/5/", 200, r#"{"success": true}"#);
    let ends = [made(&first(""), 5, "10.64.0.0"), delete, made(&aside, 6, "")];
    let turns: Vec<Turn> = [none(OURS)].into_iter().chain(ends).collect();
    let turns = [turns, vec![made(&first(""), 7, "10.64.0.1")]].concat();
    let got = lease(&mut policy(&turns), &request(None, &[]));
    assert_eq!(got, Ok(("10.64.0.1/26".to_owned(), false)));
    let odd = [none(OURS), made(&first(""), 5, "10.65.0.1")];
    let got = lease(&mut policy(&odd), &request(None, &[]));
    assert_eq!(got, Err(Code::Other(Kind::Internal)));
}

#[test]
fn an_address_by_name_is_made_or_what_phpipam_has() {
    let check = |gateway: &str,
                 options: &[(&str, &str)],
                 known: Option<String>,
                 want: Result<(), Code>| {
        let words = if gateway.is_empty() { "" } else { "gateway" };
        let words = if options == [(names::ENDPOINT_NAME, "web")] { "for=web" } else { words };
        let post = format!(
            r#"POST /addresses/ {{"description":"{words}","ip":"10.64.0.9","owner":"{TAG} pool=17{gateway}","subnetId":17,"tag":2}}"#
        );
        let turns = match known {
            None => {
                let ours = address(5, 9, &format!("{TAG} pool=17{gateway}"), 0);
                vec![made(&post, 5, ""), list(NINE, &[ours])]
            }
            Some(known) => vec![turn(post, 409, NONE), list(NINE, &[known])],
        };
        let got = lease(&mut policy(&turns), &request(Some("10.64.0.9"), options));
        assert_eq!(got, want.map(|()| ("10.64.0.9/26".to_owned(), false)));
    };
    let web = &[(names::ENDPOINT_NAME, "web")][..];
    let gateway = &[(names::REQUEST_ADDRESS_TYPE, names::GATEWAY)][..];
    let taken = Err(Code::IpAlreadyAllocated);
    check("", web, None, Ok(()));
    check("", web, Some(address(5, 9, &format!("{TAG} pool=17"), 0)), Ok(()));
    check("", web, Some(address(5, 9, "a printer", 0)), taken);
    check("", web, Some(address(5, 9, "a router", 1)), taken);
    check("", &[], Some(address(5, 9, "a router", 1)), Ok(()));
    check(" gateway", gateway, None, Ok(()));
    check(" gateway", gateway, Some(address(5, 9, "a router", 1)), Ok(()));
    let other = "wipam driver=phpipam host=node-2 pool=17";
    check(" gateway", gateway, Some(address(5, 9, &format!("{other} gateway"), 0)), Ok(()));
    check(" gateway", gateway, Some(address(5, 9, other, 0)), taken);

    for (address, code) in [
        ("10.64.0.0", Code::IpAlreadyAllocated),
        ("10.64.0.63", Code::IpAlreadyAllocated),
        ("10.64.0.64", Code::IpOutOfRange),
    ] {
        assert_eq!(lease(&mut policy(&[]), &request(Some(address), &[])), Err(code));
    }
    // What its subnet is gone for is no address that is taken.
    let post = format!(
        r#"POST /addresses/ {{"description":"","ip":"10.64.0.9","owner":"{TAG} pool=17","subnetId":17,"tag":2}}"#
    );
    let gone = turn(post, 404, r#"{"success": false, "message": "Invalid subnet Id"}"#);
    let got = lease(&mut policy(&[gone]), &request(Some("10.64.0.9"), &[]));
    assert_eq!(got, Err(Code::Other(Kind::NotFound)));
}

#[test]
fn only_what_is_ours_is_deleted() {
    let nine = "10.64.0.9".parse().unwrap();
    let delete = |status, body: &str| turn("DELETE /addresses/5/", status, body);
    let one = list(NINE, &[address(5, 9, &format!("{TAG} pool=17"), 0)]);
    let release = |turns: &[Turn]| policy(turns).release_address(POOL, nine);
    assert_eq!(release(&[list(NINE, &[address(5, 9, "a router", 1)])]), Ok(()));
    // The same address in another subnet.
    let elsewhere = address(5, 9, &format!("{TAG} pool=17"), 0).replace(r#""17","#, r#""18","#);
    assert_eq!(release(&[list(NINE, &[elsewhere])]), Ok(()));
    assert_eq!(release(&[none(NINE)]), Ok(()));
    assert_eq!(release(&[one.clone(), delete(200, r#"{"success": true}"#)]), Ok(()));
    assert_eq!(release(&[one.clone(), delete(404, NONE)]), Ok(()));
    for (status, body, kind) in [
        (404, "<html>", Kind::Unavailable),
        (403, NONE, Kind::Unavailable),
        (503, NONE, Kind::Unavailable),
        (400, NONE, Kind::BadRequest),
        (409, NONE, Kind::BadRequest),
    ] {
        let refused = release(&[one.clone(), delete(status, body)]).unwrap_err();
        assert_eq!(refused.code(), Code::Other(kind), "{status}");
    }
}

#[test]
fn a_gateway_of_ours_stays_while_others_use_the_subnet() {
    let gateway = address(5, 9, &format!("{TAG} pool=17 gateway"), 0);
    let other = "wipam driver=phpipam host=node-2 pool=17";
    let theirs = address(6, 10, other, 0);
    let patch = turn(
        format!(r#"PATCH /addresses/5/ {{"owner":"{other} gateway"}}"#),
        200,
        r#"{"success": true}"#,
    );
    let nine = "10.64.0.9".parse().unwrap();
    let [hosts, usage] = inside(&[gateway.clone(), theirs], 2);
    let turns = [list(NINE, &[gateway]), hosts, usage, patch];
    assert_eq!(policy(&turns).release_address(POOL, nine), Ok(()));
}

#[test]
fn what_cannot_be_meant_is_refused_without_the_token() {
    assert!(System::read("{}", Script::new([])).unwrap().is_none());
    assert!(!format!("{:?}", policy(&[])).contains("0123abcd"));
    for (from, to, words) in [
        ("\"url\"", "\"uri\"", "unknown field `uri`"),
        ("https://", "ftp://", "url: it is not like"),
        ("0123abcd", "0123abcd\\r\\nx: y", "token: that is no token"),
        ("node-1", "node 1", "host: a name has"),
        ("\"section\": 3", "\"section\": \"3\"", "wrong type: expected u64"),
        ("10.64.0.0/24", "10.64.0.1/24", "no pools of length 26 in 10.64.0.1/24"),
        ("10.64.0.0/24", "::ffff:10.64.0.0/112", "is not a prefix"),
        ("26", "23", "no pools of length 23"),
        ("26", "33", "no pools of length 33"),
    ] {
        let script = Script::new([]);
        let refused = System::read(&CONFIG.replacen(from, to, 1), script).unwrap_err();
        let text = refused.text();
        assert!(text.contains(words) && !text.contains("0123abcd"), "{from} {to}: {text}");
    }
}

#[test]
fn without_a_configuration_nobody_is_asked() {
    use ipam_driver::Driver as _;
    let mut driver = crate::PhpIpam::new("{}").unwrap();
    assert_eq!(driver.default_address_spaces().unwrap().local, "phpipam");
    assert_eq!(driver.release_pool(POOL).unwrap_err().code(), Code::Other(Kind::Unavailable));
}
