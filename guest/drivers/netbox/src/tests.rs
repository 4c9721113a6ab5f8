//! What is asked of NetBox, word for word, and what is made of each answer.

mod addresses;
mod fields;
mod pools;
mod records;

use crate::{
    config::{self, Config},
    system::System,
};
use ipam_driver::{AddressRequest, Code, Error, Family, Kind, Options, PoolChoice, PoolRequest};
use ipam_http_driver::{Policy, Script, Server, Turn, turn};

const CONFIG: &str = r#"{
    "url": "https://netbox.example/api", "token": "0123abcd", "host": "node-1",
    "default-address-pools": [
        {"base": "10.64.0.0/24", "size": 26}, {"base": "10.65.0.0/16", "size": 24},
        {"base": "fd64::/48", "size": 64}
    ]
}"#;
const TAG: &str = "wipam driver=netbox host=node-1";
/// What NetBox says with a 404; a proxy does not.
const NOT_FOUND: &str = r#"{"detail": "Not found."}"#;
const POOL: &str = "netbox/17/10.64.0.0/26";

fn system_policy(config: (Server, Config), script: Script) -> Policy<System<Script>> {
    Policy::new(System::new(config, script))
}

fn policy(turns: &[Turn]) -> Policy<System<Script>> {
    let config = config::read(CONFIG).unwrap().unwrap();
    system_policy(config, Script::new(turns.iter().cloned()))
}

/// The path of a list's page.
fn listed(of: &str, filter: &str, offset: usize) -> String {
    let key = if of == "prefixes" { "prefix" } else { "address" };
    format!(
        "GET /ipam/{of}/?{filter}&ordering=id&fields=id,{key},description,status\
         &vrf_id=null&limit=1000&offset={offset}"
    )
}

/// The one page of a list.
fn list(of: &str, filter: &str, objects: &[String]) -> Turn {
    let body = format!(r#"{{"count": 1, "next": null, "results": [{}]}}"#, objects.join(","));
    turn(listed(of, filter, 0), 200, body)
}

/// What NetBox has in the pool.
fn inside(objects: &[String]) -> Turn {
    list("ip-addresses", "parent=10.64.0.0%2F26", objects)
}

/// What NetBox has of this host in the pool.
fn ours(objects: &[String]) -> Turn {
    let tag = TAG.replace(' ', "%20").replace('=', "%3D");
    let filter = format!("parent=10.64.0.0%2F26&description__isw={tag}%20pool%3D17");
    list("ip-addresses", &filter, objects)
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
    for (status, body) in [(204, ""), (404, NOT_FOUND)] {
        let turns = [at(9, &[ours.clone(), theirs[0].clone()]), delete(status, body)];
        assert_eq!(policy(&turns).release_address(POOL, address), Ok(()));
    }
    // The host tells again what may end, and only that.
    for (status, body, kind) in [
        (0, "ConnectionRefused", Kind::Unavailable),
        (503, "", Kind::Unavailable),
        (403, "", Kind::Unavailable),
        (301, "", Kind::Unavailable),
        (404, "<html>", Kind::Unavailable),
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
        let request = listed("ip-addresses", "address=10.64.0.9", offset);
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

    let empty = [page(0, r#""more""#, "")];
    let refused = policy(&empty).release_address(POOL, address).unwrap_err();
    assert!(refused.text().contains("no results"), "{refused}");
    let endless: Vec<Turn> = (0..20).map(|offset| page(offset, r#""more""#, &ours)).collect();
    let refused = policy(&endless).release_address(POOL, address).unwrap_err();
    assert!(refused.text().contains("20 pages"), "{refused}");
}

#[track_caller]
fn check_words(status: u16, body: &str, kind: Kind, words: &str) {
    let turns = [ours(&[]), next("", status, body)];
    let refused = policy(&turns).request_address(&lease(None, &[])).unwrap_err();
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
    let broke = r#"{"detail": "deadlock detected"}"#;
    check_words(500, broke, Kind::Unavailable, "NetBox answers 500");
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
    let shortened = format!("NetBox answers 400: {}", "ü".repeat(150));
    check_words(400, &long, Kind::BadRequest, &shortened);

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
    for net in ["10.64.0.0/25", "10.99.0.0/26"] {
        let turns = [base(3, "10.64.0.0/24"), cut(3, 26, 201, &object(17, "prefix", net, TAG))];
        check_pool(&turns, &pool(ANY), Err(Code::Other(Kind::Internal)));
    }
}

#[test]
fn a_vrf_has_its_own_addresses() {
    let config = config::read(&CONFIG.replacen('{', r#"{"vrf": 7,"#, 1)).unwrap().unwrap();
    let post = format!(
        r#"POST /ipam/ip-addresses/ {{"address":"10.64.0.9/26","description":"{TAG} pool=17","status":"active","vrf":7}}"#
    );
    let mut get = at(9, &[made(5, 9)]);
    get.request = get.request.replace("vrf_id=null", "vrf_id=7");
    let turns = [turn(post, 201, made(5, 9)), get];
    let nine = lease(Some("10.64.0.9"), &[]);
    assert!(system_policy(config, Script::new(turns.clone())).request_address(&nine).is_ok());

    // By its distinguisher or its name, which is looked up once.
    let named = CONFIG.replacen('{', r#"{"vrf": "65000:1","#, 1);
    let vrfs = |key: &str, results: &str| {
        let path = format!("GET /ipam/vrfs/?{key}=65000%3A1&vrf_id=null&limit=1000&offset=0");
        turn(path, 200, format!(r#"{{"results": [{results}]}}"#))
    };
    let found = [vrfs("rd", ""), vrfs("name", r#"{"id": 7}"#)];
    let again = turns
        .clone()
        .map(|it| turn(it.request.replace("0.9", "0.8"), it.status, it.body.replace("0.9", "0.8")));
    let script = Script::new(found.into_iter().chain(turns).chain(again));
    let eight = lease(Some("10.64.0.8"), &[]);
    let mut policy = system_policy(config::read(&named).unwrap().unwrap(), script);
    assert!(policy.request_address(&nine).is_ok() && policy.request_address(&eight).is_ok());
    for (turns, words) in [
        (vec![vrfs("rd", ""), vrfs("name", "")], "no VRF"),
        (vec![vrfs("rd", ""), vrfs("name", r#"{"id": 7}, {"id": 8}"#)], "several VRFs"),
    ] {
        let config = config::read(&named).unwrap().unwrap();
        let refused = system_policy(config, Script::new(turns)).request_address(&nine).unwrap_err();
        assert!(refused.text().contains(words), "{refused}");
    }
    // A release that cannot find it is told again: it may be the token.
    for status in [403, 404] {
        let away = || Script::new([turn(vrfs("rd", "").request, status, "{}")]);
        let policy = || system_policy(config::read(&named).unwrap().unwrap(), away());
        let unavailable = Code::Other(Kind::Unavailable);
        let nine = "10.64.0.9".parse().unwrap();
        assert_eq!(policy().release_address(POOL, nine).unwrap_err().code(), unavailable);
        assert_eq!(policy().release_pool(POOL).unwrap_err().code(), unavailable);
    }
}

#[test]
fn without_a_configuration_nobody_is_asked() {
    use ipam_driver::Driver as _;
    let mut driver = crate::NetBox::new("{}").unwrap();
    assert_eq!(driver.default_address_spaces().unwrap().local, "netbox");
    let refused = driver.request_pool(pool(ANY)).unwrap_err();
    assert_eq!(refused.code(), Code::Other(Kind::Unavailable));
    let registrations = crate::NetBox::registrations("{}").unwrap();
    assert_eq!(
        (
            registrations[0].capability.requires_mac_address,
            registrations[0].capability.requires_request_replay
        ),
        (true, false)
    );
}
