use super::{
    Error, Family, IpNet, Options, PoolChoice, PoolRequest, pool_request, preferred_address,
    read_release_address, read_release_pool, read_request_address, read_request_pool,
    released_address,
};
use ipam_api::{Code, Kind};
use proptest::prelude::*;

fn net(text: &str) -> IpNet {
    text.parse().unwrap()
}

fn request(pool: &str, sub_pool: &str, v6: bool) -> Result<PoolRequest, Error> {
    pool_request("L", pool, sub_pool, Options::new(), v6)
}

#[track_caller]
fn chooses(pool: &str, v6: bool, want: PoolChoice) {
    assert_eq!(request(pool, "", v6).map(|request| request.pool), Ok(want), "{pool:?} {v6}");
}

#[track_caller]
fn refuses(pool: &str, sub_pool: &str, want: Code) {
    let refused = request(pool, sub_pool, false).map_err(|error| error.code());
    assert_eq!(refused, Err(want), "{pool:?} {sub_pool:?}");
}

#[test]
fn the_flag_counts_only_without_a_prefix() {
    chooses("", false, PoolChoice::Automatic(Family::Ipv4));
    chooses("", true, PoolChoice::Automatic(Family::Ipv6));
    for v6 in [false, true] {
        chooses("0.0.0.0/0", v6, PoolChoice::Automatic(Family::Ipv4));
        chooses("::/0", v6, PoolChoice::Automatic(Family::Ipv6));
        chooses("0.0.0.0/24", v6, PoolChoice::Sized(Family::Ipv4, 24));
        chooses("::/64", v6, PoolChoice::Sized(Family::Ipv6, 64));
        chooses("10.1.0.0/16", v6, PoolChoice::Exact(net("10.1.0.0/16")));
        chooses("fd00::/64", v6, PoolChoice::Exact(net("fd00::/64")));
    }
}

#[test]
fn host_bits_are_masked() {
    chooses("10.1.2.3/16", false, PoolChoice::Exact(net("10.1.0.0/16")));
    chooses("0.0.0.1/24", false, PoolChoice::Exact(net("0.0.0.0/24")));
    let sub_pool = request("10.1.0.0/16", "10.1.2.3/24", false).unwrap().sub_pool;
    assert_eq!(sub_pool, Some(net("10.1.2.0/24")));
}

/// The same texts that Go's `netip.ParsePrefix` refuses.
#[test]
fn what_is_no_prefix() {
    for text in [
        "10.0.0.0",
        "/24",
        "10.0.0.0/",
        "10.0.0.0/33",
        "::/129",
        "10.0.0/8",
        "10.0.0.0/08",
        "10.0.0.0/+8",
        "10.0.0.0/-1",
        "010.0.0.0/8",
        "10.0.0.0/8 ",
        " 10.0.0.0/8",
        "0.0.0.0/AB",
        "fe80::1%eth0/64",
        "10.0.0.0/8/8",
        "x",
        "::ffff:10.0.0.0/104",
        "::ffff:0.0.0.0/96",
    ] {
        refuses(text, "", Code::InvalidPool);
        refuses("10.0.0.0/8", text, Code::InvalidSubPool);
    }
}

#[test]
fn a_sub_pool_needs_a_pool_of_its_family() {
    refuses("", "10.0.0.0/24", Code::InvalidSubPool);
    refuses("0.0.0.0/16", "10.0.0.0/24", Code::InvalidSubPool);
    refuses("10.0.0.0/8", "fd00::/64", Code::InvalidSubPool);
    refuses("fd00::/48", "10.0.0.0/24", Code::InvalidSubPool);
}

#[test]
fn an_address_space_has_a_name() {
    let refused = pool_request("", "10.0.0.0/8", "", Options::new(), false).unwrap_err();
    assert_eq!(refused.code(), Code::InvalidAddressSpace);
}

#[test]
fn addresses_are_unmapped() {
    let v4 = "192.0.2.9".parse().unwrap();
    for text in ["192.0.2.9", "::ffff:192.0.2.9", "::ffff:c000:209"] {
        assert_eq!(preferred_address(text), Ok(Some(v4)));
        assert_eq!(released_address(text), Ok(v4));
    }
    assert_eq!(preferred_address(""), Ok(None));
    for text in ["", "x", "192.0.2.9/24", "192.0.2", "fe80::1%eth0"] {
        assert_eq!(released_address(text).unwrap_err().kind(), Kind::BadRequest, "{text:?}");
    }
}

#[test]
fn a_quoted_text_is_cut_where_a_character_ends() {
    let error = request(&"\u{1F980}".repeat(100), "", false).unwrap_err().to_string();
    assert!(error.contains("\u{1F980}…\"") || error.contains("\"…"), "{error}");
    assert!(error.len() < 200, "{error}");
}

/// Go adds to a map that it has, and empties it for `null`.
#[test]
fn options_as_go_reads_them() {
    for (json, want) in [
        (r#"{"PoolID":"p"}"#, &[][..]),
        (r#"{"PoolID":"p","Options":null}"#, &[]),
        (r#"{"PoolID":"p","Options":{}}"#, &[]),
        (r#"{"PoolID":"p","Options":{"a":"1","a":"2"}}"#, &[("a", "2")]),
        (r#"{"PoolID":"p","Options":{"a":null}}"#, &[("a", "")]),
        (r#"{"PoolID":"p","Options":{"a":"1"},"options":{"b":"2"}}"#, &[("a", "1"), ("b", "2")]),
        (r#"{"PoolID":"p","Options":{"a":"1"},"Options":null}"#, &[]),
    ] {
        let request = read_request_address(json.as_bytes()).unwrap();
        let want = want.iter().map(|&(key, text)| (key.to_owned(), text.to_owned()));
        assert_eq!(request.options, want.collect(), "{json}");
    }
}

#[test]
fn null_leaves_a_field_as_it_was() {
    let pool = read_release_pool(br#"{"PoolID":"p","PoolID":null}"#).unwrap();
    assert_eq!(pool.as_str(), "p");
    let request = read_request_pool(br#"{"AddressSpace":"L","V6":true,"V6":null}"#).unwrap();
    assert_eq!(request.pool, PoolChoice::Automatic(Family::Ipv6));
}

#[test]
fn escapes_count_in_keys_and_values() {
    let json = br#"{"\u0050ool\u0049D":"a\"\u00e9\n"}"#;
    assert_eq!(read_release_pool(json).unwrap().as_str(), "a\"\u{e9}\n");
}

/// Go repairs it; here nobody guesses, wherever it is.
#[test]
fn what_is_no_text_is_refused_wherever_it_is() {
    let refused: [&[u8]; 16] = [
        b"{\"PoolID\":\"p\xff\"}",
        b"{\"PoolID\":\"p\",\"Note\":\"\xff\"}",
        b"{\"PoolID\":\"p\",\"N\xffte\":1}",
        b"{\"PoolID\":\"p\",\"Note\":[{\"a\":[\"\xc3\"]}]}",
        b"{\"PoolID\":\"p\",\"Note\":{\"\xed\xa0\x80\":1}}",
        b"{\"PoolID\":\"p\",\"Note\":\"\xc0\xaf\"}",
        b"{\"PoolID\":\"p\",\"Options\":{\"a\":\"\xfe\"}}",
        b"{\"PoolID\":\"p\"}\xff",
        br#"{"PoolID":"\ud800"}"#,
        br#"{"PoolID":"p","Note":"\ud800"}"#,
        br#"{"PoolID":"p","Note":"\udc00"}"#,
        br#"{"PoolID":"p","Note":"\ud83d\u0041"}"#,
        br#"{"PoolID":"p","Note":"\ud83d\\udc00"}"#,
        br#"{"PoolID":"p","Note":{"\uDFFF":1}}"#,
        br#"{"PoolID":"p","\udbff":[]}"#,
        br#"{"PoolID":"p","Note":"\\\ud83d"}"#,
    ];
    for body in refused {
        let text = String::from_utf8_lossy(body);
        let pool = read_release_pool(body).unwrap_err();
        assert_eq!(pool.code(), Code::InvalidRequest, "{text}");
        assert_eq!(read_request_address(body).unwrap_err().code(), Code::InvalidRequest, "{text}");
    }
    let read: [&[u8]; 4] = [
        br#"{"PoolID":"p","Note":"\ud83e\udd80"}"#,
        br#"{"PoolID":"p","Note":"\\ud800 \\"}"#,
        br#"{"PoolID":"p","Note":"\u00e9\n\"\\"}"#,
        "{\"PoolID\":\"p\",\"Note\":\"\u{1F980}\u{fffd}\"}".as_bytes(),
    ];
    for body in read {
        let text = String::from_utf8_lossy(body);
        assert_eq!(read_release_pool(body).unwrap().as_str(), "p", "{text}");
    }
    // What ends in an escape is no JSON, and no trouble.
    for body in [r#"{"PoolID":"\"#, r#"{"PoolID":"\u"#, r#"{"PoolID":"\ud83d\"#, "\\é", "\\uéé"]
    {
        assert!(read_release_pool(body.as_bytes()).is_err(), "{body}");
    }
}

proptest! {
    /// Nothing that arrives is more than an error.
    #[test]
    fn any_bytes_are_read_or_refused(body in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = read_request_pool(&body);
        let _ = read_release_pool(&body);
        let _ = read_request_address(&body);
        let _ = read_release_address(&body);
    }

    /// Whatever was masked, an exact pool has no host bits, keeps its length
    /// and holds the address it was written with.
    #[test]
    fn any_prefix_is_a_choice_of_its_family(address: std::net::IpAddr, length in 0u8..=128) {
        let most = if address.is_ipv4() { 32 } else { 128 };
        let text = format!("{address}/{length}");
        match request(&text, "", false) {
            Ok(PoolRequest { pool: PoolChoice::Exact(pool), .. }) => {
                prop_assert_eq!(pool, pool.trunc());
                prop_assert_eq!(pool.prefix_len(), length);
                prop_assert!(pool.contains(&address));
            }
            Ok(request) => {
                prop_assert!(address.is_unspecified());
                prop_assert_eq!(request.pool.family() == Family::Ipv4, address.is_ipv4());
            }
            Err(error) => {
                let mapped = address.to_canonical() != address;
                prop_assert!(mapped || length > most, "{error}");
            }
        }
    }
}
