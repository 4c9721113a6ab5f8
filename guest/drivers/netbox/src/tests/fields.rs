//! What the objects have that are made, and where pools are chosen from.

use super::{ANY, CONFIG, POOL, TAG, list, made, object, turn};
use crate::{config, system::System};
use ipam_driver::{AddressRequest, Code, Options, PoolChoice, PoolRequest, names};
use ipam_http_driver::{Policy, Script, Turn};

fn policy(more: &str, turns: &[Turn]) -> Policy<System<Script>> {
    let config = CONFIG.replacen('{', &format!("{{{more},"), 1);
    super::system_policy(
        config::read(&config).unwrap().unwrap(),
        Script::new(turns.iter().cloned()),
    )
}

fn request(pool: PoolChoice, options: &[(&str, &str)]) -> PoolRequest {
    let options = options.iter().map(|(key, value)| ((*key).into(), (*value).into()));
    PoolRequest { options: options.collect(), ..super::pool(pool) }
}

fn web(pool_id: &str) -> AddressRequest {
    let options = Options::from([(names::ENDPOINT_NAME.to_owned(), "web".to_owned())]);
    AddressRequest { pool_id: pool_id.to_owned(), address: None, options }
}

#[test]
fn what_is_made_has_what_the_operator_and_the_network_say() {
    let table = r#""made": {"tenant": "team-a", "tags": ["docker", 7], "role": "lan", "status": "reserved", "address-status": "dhcp", "dns-domain": "a.example", "custom-fields": {"rack": "r7"}}"#;
    let base = super::base(3, "10.64.0.0/24");
    let cut = format!(
        r#"POST /ipam/prefixes/3/available-prefixes/ {{"custom_fields":{{"rack":"r8"}},"description":"{TAG}","prefix_length":26,"role":{{"slug":"lan"}},"status":"active","tags":[{{"slug":"docker"}},7],"tenant":9}}"#
    );
    let cut = turn(cut, 201, object(17, "prefix", "10.64.0.0/26", TAG));
    let address = format!(
        r#"POST /ipam/prefixes/17/available-ips/ {{"custom_fields":{{"rack":"r8"}},"description":"{TAG} pool=17 for=web","dns_name":"web.a.example","status":"dhcp","tags":[{{"slug":"docker"}},7],"tenant":9}}"#
    );
    let address = turn(address, 201, made(5, 1));
    let options = [
        ("tenant", "9"),
        ("status", "active"),
        ("custom-fields.rack", "r8"),
        ("com.docker.network.ipam.serial", "true"),
    ];
    let mut policy = policy(table, &[base, cut, super::ours(&[]), address]);
    let grant = policy.request_pool(&request(ANY, &options)).unwrap();
    assert_eq!(grant.pool_id, format!("{POOL};custom-fields.rack=r8;tenant=9"));
    assert_eq!(grant.data["netbox.id"], "17");
    let leased = policy.request_address(&web(&grant.pool_id)).unwrap();
    assert_eq!(leased.data["netbox.id"], "5");
}

#[test]
fn an_option_that_nobody_knows_is_refused() {
    let refused = policy(r#""vrf": 7"#, &[]).request_pool(&request(ANY, &[("tennant", "x")]));
    let refused = refused.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidRequest);
    assert!(refused.text().contains("tennant"), "{refused}");
    let long = "x".repeat(300);
    let exact = PoolChoice::Exact("10.9.0.0/24".parse().unwrap());
    let refused =
        policy(r#""vrf": 7"#, &[]).request_pool(&request(exact, &[("tenant", &long)])).unwrap_err();
    assert!(refused.text().contains("too long"), "{refused}");
}

#[test]
fn bases_are_found_by_role_tag_and_tenant() {
    let config = r#"{"url": "https://netbox.example/api", "token": "0123abcd", "host": "node-1",
        "default-address-pools": [{"role": "docker", "tag": "lan", "size": 26}]}"#;
    let ours = object(2, "prefix", "10.64.0.0/26", TAG);
    let small = object(3, "prefix", "10.66.0.0/28", "");
    let full = object(4, "prefix", "10.67.0.0/24", "");
    let base = object(5, "prefix", "10.64.0.0/24", "");
    let turns = [
        list("prefixes", "role=docker&tag=lan&status=container", &[ours, small, full, base]),
        super::cut(4, 26, 409, "{}"),
        super::cut(5, 26, 201, &object(17, "prefix", "10.64.0.0/26", TAG)),
    ];
    let mut policy =
        super::system_policy(config::read(config).unwrap().unwrap(), Script::new(turns));
    assert_eq!(policy.request_pool(&request(ANY, &[])).unwrap().pool_id, POOL);
    drop(policy);
    // The first eight are asked, and not the ninth.
    let nine: Vec<_> = (1..=9).map(|id| object(id, "prefix", "10.64.0.0/24", "")).collect();
    let mut turns = vec![list("prefixes", "role=docker&tag=lan&status=container", &nine)];
    turns.extend((1..=8).map(|id| super::cut(id, 26, 409, "{}")));
    let mut policy =
        super::system_policy(config::read(config).unwrap().unwrap(), Script::new(turns));
    let refused = policy.request_pool(&request(ANY, &[])).unwrap_err();
    assert_eq!(refused.code(), Code::NoMoreSubnets);
}

#[test]
fn a_sub_pool_is_what_ip_ranges_netbox_has_there() {
    let found = object(17, "prefix", "10.64.0.0/26", "");
    let prefixes = [
        list("prefixes", "contains=10.64.0.0%2F26", &[found]),
        list("prefixes", "within=10.64.0.0%2F26", &[]),
    ];
    let ranges = |ids: &str| {
        let path = "GET /ipam/ip-ranges/?parent=10.64.0.32%2F28&status=active&vrf_id=null&limit=1000&offset=0";
        turn(path, 200, format!(r#"{{"results": [{ids}]}}"#))
    };
    let config = CONFIG.replace("10.64.0.0/24", "10.60.0.0/24");
    let policy = |turns: Vec<Turn>| {
        super::system_policy(config::read(&config).unwrap().unwrap(), Script::new(turns))
    };
    let exact = PoolChoice::Exact("10.64.0.0/26".parse().unwrap());
    let sub_pool = Some("10.64.0.32/28".parse().unwrap());
    let request = PoolRequest { sub_pool, ..request(exact, &[]) };
    let mut turns = vec![ranges(r#"{"id": 3}, {"id": 4}"#)];
    turns.extend(prefixes);
    turns.push(with_pool(super::ours(&[]), "17-3.4"));
    for (range, status, body) in [(3, 409, String::new()), (4, 201, made(5, 40))] {
        let post = format!(
            r#"POST /ipam/ip-ranges/{range}/available-ips/ {{"description":"{TAG} pool=17-3.4 for=web","status":"active"}}"#
        );
        turns.push(turn(post, status, body));
    }
    let mut policy_of = policy(turns);
    let grant = policy_of.request_pool(&request).unwrap();
    assert_eq!(grant.pool_id, format!("{POOL};ranges=3.4"));
    let leased = policy_of.request_address(&web(&grant.pool_id)).unwrap();
    assert_eq!(leased.address.unwrap().to_string(), "10.64.0.40/26");
    drop(policy_of);

    // Before anything is made.
    let nine = (1..=9).map(|id| format!(r#"{{"id": {id}}}"#)).collect::<Vec<_>>().join(",");
    for (ids, words) in [("", "0 active IP ranges"), (&*nine, "9 active IP ranges")] {
        let refused = policy(vec![ranges(ids)]).request_pool(&request).unwrap_err();
        assert_eq!(refused.code(), Code::InvalidSubPool);
        assert!(refused.text().contains(words), "{refused}");
    }
}

#[test]
fn the_gateway_of_a_pool_is_what_has_the_tag() {
    let base = super::base(3, "10.64.0.0/24");
    let cut = super::cut(3, 26, 201, &object(17, "prefix", "10.64.0.0/26", TAG));
    let tagged = list(
        "ip-addresses",
        "parent=10.64.0.0%2F26&tag=gateway",
        &[object(5, "address", "10.64.0.62/24", "router")],
    );
    let mut policy = policy(r#""gateway-tag": "gateway""#, &[base.clone(), cut.clone(), tagged]);
    let grant = policy.request_pool(&request(ANY, &[])).unwrap();
    assert_eq!(grant.data[names::GATEWAY], "10.64.0.62/26");
    drop(policy);
    // A tag that NetBox does not have leaves nothing behind.
    let mut unknown = list("ip-addresses", "parent=10.64.0.0%2F26&tag=gateway", &[]);
    unknown.status = 400;
    let delete = turn("DELETE /ipam/prefixes/17/", 204, "");
    let mut policy = self::policy(r#""gateway-tag": "gateway""#, &[base, cut, unknown, delete]);
    assert!(policy.request_pool(&request(ANY, &[])).is_err());
}

/// With custom fields, which may be long.
fn with_field(mut turn: Turn) -> Turn {
    let fields = turn.request.replace("status&", "status,custom_fields&");
    turn.request = fields.replace("limit=1000", "limit=250");
    turn
}

/// By the field, and not by the description.
fn by_field(turn: Turn) -> Turn {
    let mut turn = with_field(turn);
    turn.request = turn.request.replace("description__isw", "cf_wipam");
    turn
}

fn with_pool(mut turn: Turn, key: &str) -> Turn {
    turn.request = turn.request.replace("pool%3D17", &format!("pool%3D{key}"));
    turn
}

#[test]
fn the_identity_may_be_in_a_field_of_its_own() {
    let table = r#""identity-field": "wipam""#;
    let post = format!(
        r#"POST /ipam/prefixes/17/available-ips/ {{"custom_fields":{{"wipam":"{TAG} pool=17"}},"description":"for=web","status":"active"}}"#
    );
    let mine = |id, description: &str| {
        let object = object(id, "address", "10.64.0.1/26", description);
        object.replace('}', &format!(r#", "custom_fields": {{"wipam": "{TAG} pool=17"}}}}"#))
    };
    // People may say what they want in the description.
    let delete = turn("DELETE /ipam/ip-addresses/5/", 204, "");
    let turns = [
        by_field(super::ours(&[])),
        turn(post, 201, mine(5, "for=web")),
        with_field(super::at(1, &[mine(5, "Anna's web")])),
        delete,
    ];
    let mut policy_of = policy(table, &turns);
    policy_of.request_address(&web(POOL)).unwrap();
    policy_of.release_address(POOL, "10.64.0.1".parse().unwrap()).unwrap();
    drop(policy_of);
    // What was made before the field was is still ours.
    let delete = turn("DELETE /ipam/ip-addresses/6/", 204, "");
    let mut policy = policy(table, &[with_field(super::at(1, &[made(6, 1)])), delete]);
    policy.release_address(POOL, "10.64.0.1".parse().unwrap()).unwrap();
}

#[test]
fn what_is_ours_by_the_field_is_listed_once() {
    let object = |id, description: &str, field: &str| {
        let object = object(id, "address", &format!("10.64.0.{id}/26"), description);
        object.replace('}', &format!(r#", "custom_fields": {{"wipam": "{field}"}}}}"#))
    };
    let tag = TAG.replace(' ', "%20").replace('=', "%3D");
    let listed = |of: &str, filter: &str, objects: &[String]| {
        let mut turn = list(of, &format!("{filter}={tag}"), objects);
        turn.request = turn.request.replace("limit=1000", "limit=10");
        turn.request = turn.request.replace("status&", "status,custom_fields&");
        turn
    };
    let ours = format!("{TAG} pool=17");
    let both = object(5, &ours, &ours);
    // NetBox finds the text anywhere in a field.
    let others = object(7, "", &format!("not {ours}"));
    let turns = [
        listed("prefixes", "description__isw", &[]),
        listed("ip-addresses", "description__isw", std::slice::from_ref(&both)),
        listed("prefixes", "cf_wipam", &[]),
        listed("ip-addresses", "cf_wipam", &[both, object(6, "Anna's web", &ours), others]),
    ];
    let mut policy = policy(r#""identity-field": "wipam""#, &turns);
    let (mut cursor, mut found) = (None, Vec::new());
    for _ in 0..4 {
        let page = policy.list_records(cursor.as_deref(), 10).unwrap();
        found.extend(page.records.into_iter().map(|record| record.id));
        cursor = page.next;
    }
    assert_eq!(
        (&found[..], cursor),
        (&["ip-addresses/5".to_owned(), "ip-addresses/6".to_owned()][..], None)
    );
}
