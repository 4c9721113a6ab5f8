//! What is asked of NetBox, word for word, and what is made of each answer.

mod pools;

use crate::{config, policy::Policy};
use ipam_driver::{
    AddressRequest, Code, Error, Family, Kind, Options, PoolChoice, PoolRequest, names,
};
use ipam_http_driver::{Script, Turn, turn};

const CONFIG: &str = r#"{
    "url": "https://netbox.example/api", "token": "0123abcd", "host": "node-1",
    "default-address-pools": [
        {"base": "10.64.0.0/24", "size": 26}, {"base": "10.65.0.0/16", "size": 24},
        {"base": "fd64::/48", "size": 64}
    ]
}"#;
const TAG: &str = "wipam driver=netbox host=node-1";
const POOL: &str = "netbox/17/10.64.0.0/26";

fn policy(turns: &[Turn]) -> Policy<Script> {
    let config = config::read(CONFIG).unwrap().unwrap();
    Policy::new(config, Script::new(turns.iter().cloned()))
}

/// The one page of a list.
fn list(of: &str, filter: &str, objects: &[String]) -> Turn {
    let request = format!("GET /ipam/{of}/?{filter}&vrf_id=null&limit=100&offset=0");
    let body = format!(r#"{{"count": 1, "next": null, "results": [{}]}}"#, objects.join(","));
    turn(request, 200, body)
}

fn object(id: u64, key: &str, net: &str, description: &str) -> String {
    format!(r#"{{"id": {id}, "{key}": "{net}", "vrf": null, "description": "{description}"}}"#)
}

/// The list of what is at an address of the pool.
fn at(last: u8, objects: &[String]) -> Turn {
    list("ip-addresses", &format!("address=10.64.0.{last}"), objects)
}

fn made(id: u64, last: u8) -> String {
    object(id, "address", &format!("10.64.0.{last}/26"), &format!("{TAG} pool=17"))
}

fn pool(pool: PoolChoice) -> PoolRequest {
    PoolRequest {
        address_space: "netbox".into(),
        pool,
        sub_pool: None,
        options: Options::new(),
        exclude: Vec::new(),
    }
}

fn exact(prefix: &str) -> PoolRequest {
    pool(PoolChoice::Exact(prefix.parse().unwrap()))
}

fn lease(address: Option<&str>, options: &[(&str, &str)]) -> AddressRequest {
    AddressRequest {
        pool_id: POOL.into(),
        address: address.map(|address| address.parse().unwrap()),
        options: options.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect(),
    }
}

#[track_caller]
fn check_pool(turns: &[Turn], request: &PoolRequest, want: Result<&str, Code>) {
    let got = policy(turns).request_pool(request).map(|grant| grant.pool_id);
    assert_eq!(got.map_err(|refusal| refusal.code()), want.map(str::to_owned));
}

#[track_caller]
fn check_lease(turns: &[Turn], request: &AddressRequest, want: Result<&str, Code>) {
    let got = policy(turns).request_address(request).map(|it| it.address.unwrap().to_string());
    assert_eq!(got.map_err(|refusal| refusal.code()), want.map(str::to_owned));
}

const ANY: PoolChoice = PoolChoice::Automatic(Family::Ipv4);

/// The next prefix of a base.
fn cut(parent: u64, length: u8, status: u16, body: &str) -> Turn {
    let request = format!(
        r#"POST /ipam/prefixes/{parent}/available-prefixes/ {{"description":"{TAG}","prefix_length":{length},"status":"active"}}"#
    );
    turn(request, status, body)
}

fn base(id: u64, prefix: &str) -> Turn {
    let filter = format!("prefix={}", prefix.replace('/', "%2F").replace(':', "%3A"));
    list("prefixes", &filter, &[object(id, "prefix", prefix, "")])
}

/// The next address, of whom.
fn next(of: &str, status: u16, body: &str) -> Turn {
    let request = format!(
        r#"POST /ipam/prefixes/17/available-ips/ {{"description":"{TAG} pool=17{of}","status":"active"}}"#
    );
    turn(request, status, body)
}

#[test]
fn any_address_is_the_next_available_one() {
    let any = lease(None, &[]);
    check_lease(&[next("", 201, &made(5, 1))], &any, Ok("10.64.0.1/26"));
    check_lease(&[next("", 201, &format!("[{}]", made(5, 1)))], &any, Ok("10.64.0.1/26"));
    // The length is the pool's.
    let longer = object(5, "address", "10.64.0.1/32", "");
    check_lease(&[next("", 201, &longer)], &any, Ok("10.64.0.1/26"));
    check_lease(&[next("", 409, "{}")], &any, Err(Code::NoAvailableIps));
    check_lease(&[next("", 404, "{}")], &any, Err(Code::PoolNotFound));
    let web = lease(None, &[(names::ENDPOINT_NAME, "web\"\n"), (names::MAC_ADDRESS, "02:42::")]);
    check_lease(&[next(r#" for=web\""#, 201, &made(5, 1))], &web, Ok("10.64.0.1/26"));
    let gateway = lease(None, &[(names::REQUEST_ADDRESS_TYPE, names::GATEWAY)]);
    check_lease(&[next(" gateway", 201, &made(5, 1))], &gateway, Ok("10.64.0.1/26"));
    let long = "ü".repeat(300);
    let cut = "ü".repeat(200 - TAG.len() - " pool=17 for=".len());
    let named = lease(None, &[(names::ENDPOINT_NAME, &long)]);
    check_lease(&[next(&format!(" for={cut}"), 201, &made(5, 1))], &named, Ok("10.64.0.1/26"));
}

#[test]
fn an_address_by_name_is_made_and_looked_at() {
    let nine = lease(Some("10.64.0.9"), &[]);
    let post = format!(
        r#"POST /ipam/ip-addresses/ {{"address":"10.64.0.9/26","description":"{TAG} pool=17","status":"active"}}"#
    );
    let create = |status, body: &str| turn(&post, status, body);
    let taken = Err(Code::IpAlreadyAllocated);
    let turns = [at(9, &[]), create(201, &made(5, 9)), at(9, &[made(5, 9)])];
    check_lease(&turns, &nine, Ok("10.64.0.9/26"));
    check_lease(&[at(9, &[object(1, "address", "10.64.0.9/32", "")])], &nine, taken);
    let duplicate = r#"{"address": ["Duplicate IP address found in global table: 10.64.0.9/26"]}"#;
    check_lease(&[at(9, &[]), create(400, duplicate)], &nine, taken);
    // Two at once, where NetBox allows for it: the first one has it.
    let both = [made(6, 9), object(5, "address", "10.64.0.9/26", "theirs")];
    let delete = turn("DELETE /ipam/ip-addresses/6/", 204, "");
    check_lease(&[at(9, &[]), create(201, &made(6, 9)), at(9, &both), delete], &nine, taken);
    let both = [made(5, 9), object(6, "address", "10.64.0.9/26", "theirs")];
    check_lease(&[at(9, &[]), create(201, &made(5, 9)), at(9, &both)], &nine, Ok("10.64.0.9/26"));

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
fn only_addresses_of_ours_are_deleted() {
    let theirs = [
        object(1, "address", "10.64.0.9/26", "a printer"),
        object(2, "address", "10.64.0.9/26", &format!("{TAG} pool=171")),
        object(3, "address", "10.64.0.9/26", &format!("{TAG}0 pool=17")),
    ];
    let address = "10.64.0.9".parse().unwrap();
    assert_eq!(policy(&[at(9, &theirs)]).release_address(POOL, address), Ok(()));
    let ours = object(4, "address", "10.64.0.9/26", &format!("{TAG} pool=17 for=web"));
    let delete = |status, body: &str| turn("DELETE /ipam/ip-addresses/4/", status, body);
    for status in [204, 404] {
        let turns = [at(9, &[ours.clone(), theirs[0].clone()]), delete(status, "")];
        assert_eq!(policy(&turns).release_address(POOL, address), Ok(()));
    }
    // The host tells again what may end, and only that.
    for (status, body, kind) in [
        (0, "ConnectionRefused", Kind::Unavailable),
        (500, "", Kind::Unavailable),
        (403, "", Kind::Unavailable),
        (301, "", Kind::Unavailable),
        (400, "", Kind::BadRequest),
        (409, "", Kind::BadRequest),
    ] {
        let turns = [at(9, std::slice::from_ref(&ours)), delete(status, body)];
        let refused = policy(&turns).release_address(POOL, address).unwrap_err();
        assert_eq!(refused.code(), Code::Other(kind), "{status}");
    }
    let garbage = turn(at(9, &[]).request, 200, "{");
    let refused = policy(&[garbage]).release_address(POOL, address).unwrap_err();
    assert_eq!(refused.code(), Code::Other(Kind::Unavailable));
}

#[test]
fn a_list_is_read_to_its_end() {
    let page = |offset, next: &str, objects: &str| {
        let request = format!(
            "GET /ipam/ip-addresses/?address=10.64.0.9&vrf_id=null&limit=100&offset={offset}"
        );
        turn(request, 200, format!(r#"{{"next": {next}, "results": [{objects}]}}"#))
    };
    let ours = made(4, 9);
    let first = page(
        0,
        r#""http://elsewhere/?offset=2""#,
        &[made(7, 9), object(1, "address", "10.64.0.9/26", "")].join(","),
    );
    let delete = |id| turn(format!("DELETE /ipam/ip-addresses/{id}/"), 204, "");
    let turns = [first, page(2, "null", &ours), delete(4), delete(7)];
    let address = "10.64.0.9".parse().unwrap();
    assert_eq!(policy(&turns).release_address(POOL, address), Ok(()));

    let odd = Err(Code::Other(Kind::Internal));
    let empty = [page(0, r#""more""#, "")];
    check_lease(&empty, &lease(Some("10.64.0.9"), &[]), odd);
    let endless: Vec<Turn> = (0..20).map(|offset| page(offset, r#""more""#, &ours)).collect();
    check_lease(&endless, &lease(Some("10.64.0.9"), &[]), odd);
}

#[track_caller]
fn check_words(status: u16, body: &str, kind: Kind, words: &str) {
    let refused = policy(&[next("", status, body)]).request_address(&lease(None, &[])).unwrap_err();
    assert_eq!(refused, Error::other(kind, words), "{status} {body}");
    assert!(!refused.text().contains("0123abcd"));
}

#[test]
fn every_answer_that_is_not_hoped_for_has_its_error() {
    let detail = r#"{"detail": "Invalid token"}"#;
    check_words(403, detail, Kind::Forbidden, "NetBox answers 403: Invalid token");
    check_words(401, "", Kind::Forbidden, "NetBox answers 401");
    let field = r#"{"status":["\"x\" is not a valid choice."]}"#;
    check_words(400, field, Kind::BadRequest, &format!("NetBox answers 400: {field}"));
    check_words(429, "", Kind::Unavailable, "NetBox answers 429");
    check_words(502, "<html>Bad Gateway</html>", Kind::Unavailable, "NetBox answers 502");
    // It is not followed.
    check_words(301, "", Kind::Internal, "NetBox answers 301");
    check_words(200, "{}", Kind::Internal, "NetBox answers 200: {}");
    check_words(
        0,
        "ConnectionTimeout",
        Kind::Unavailable,
        "NetBox does not answer: ConnectionTimeout",
    );
    let long = format!(r#"{{"detail": "{}"}}"#, "ü".repeat(1000));
    let shortened = format!("NetBox answers 500: {}", "ü".repeat(150));
    check_words(500, &long, Kind::Unavailable, &shortened);

    let odd = |text: &str| format!("NetBox's answer is not understood: {text}");
    check_words(201, "\u{0}garbage", Kind::Internal, &odd("that is no JSON"));
    check_words(201, "[]", Kind::Internal, &odd("nothing was made"));
    for body in [
        r#"{"id": 5}"#,
        r#"{"id": "5", "address": "10.64.0.1/26"}"#,
        r#"{"id": 5, "address": "10.64.0.1"}"#,
    ] {
        check_words(201, body, Kind::Internal, &odd("that has no id and address"));
    }
    let elsewhere = object(5, "address", "10.99.0.1/26", "");
    check_words(201, &elsewhere, Kind::Internal, &odd("that address is not of the pool"));
    let list =
        turn("GET /ipam/ip-addresses/?address=10.64.0.9&vrf_id=null&limit=100&offset=0", 200, "[]");
    check_lease(&[list], &lease(Some("10.64.0.9"), &[]), Err(Code::Other(Kind::Internal)));
    for net in ["10.64.0.0/25", "10.99.0.0/26"] {
        let turns = [base(3, "10.64.0.0/24"), cut(3, 26, 201, &object(17, "prefix", net, TAG))];
        check_pool(&turns, &pool(ANY), Err(Code::Other(Kind::Internal)));
    }
}

#[test]
fn a_vrf_has_its_own_addresses() {
    let config = config::read(&CONFIG.replacen('{', r#"{"vrf": 7,"#, 1)).unwrap().unwrap();
    let get = turn(
        "GET /ipam/ip-addresses/?address=10.64.0.9&vrf_id=7&limit=100&offset=0",
        200,
        r#"{"results": []}"#,
    );
    let post = format!(
        r#"POST /ipam/ip-addresses/ {{"address":"10.64.0.9/26","description":"{TAG} pool=17","status":"active","vrf":7}}"#
    );
    let script = Script::new([get.clone(), turn(post, 201, made(5, 9)), get]);
    assert!(Policy::new(config, script).request_address(&lease(Some("10.64.0.9"), &[])).is_ok());
}

#[test]
fn without_a_configuration_nobody_is_asked() {
    use ipam_driver::Driver as _;
    let mut driver = crate::NetBox::new("{}").unwrap();
    assert_eq!(driver.default_address_spaces().unwrap().local, "netbox");
    let refused = driver.request_pool(pool(ANY)).unwrap_err();
    assert_eq!(refused.code(), Code::Other(Kind::Unavailable));
    let registrations = crate::NetBox::registrations("{}").unwrap();
    assert_eq!(registrations[0].capability, ipam_driver::Capability::NOTHING);
}
