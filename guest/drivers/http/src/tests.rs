//! What every driver over HTTP relies on.

use crate::{
    Client, Identity, LEFT_OVER_MAX, LeftOver, PAGES_MAX, Page, Script, Secret, Server, Turn, Url,
    escaped, is_end, read_table, turn, unescaped,
};
use ipam_driver::{AddressRequest, Code, Error, Kind, Options};
use serde_json::json;
use std::collections::BTreeMap;

fn client(turns: &[Turn]) -> Client<Script> {
    let url = Url::parse("https://lab.example/api/").unwrap();
    let headers = vec![("token", Secret::new("0123abcd"))];
    let server = Server { name: "Lab", words: "detail", url, headers };
    Client::new(server, Script::new(turns.iter().cloned()))
}

#[track_caller]
fn check_words(status: u16, body: &str, kind: Kind, words: &str) {
    let mut client = client(&[turn("POST /x/ {\"a\":1}", status, body)]);
    let refused = client
        .post("/x/", &json!({"a": 1}))
        .and_then(|response| client.json(&response, 201))
        .unwrap_err();
    assert_eq!(refused, Error::other(kind, words), "{status} {body}");
}

#[test]
fn every_answer_that_is_not_hoped_for_has_its_error() {
    check_words(403, r#"{"detail": "no right"}"#, Kind::Forbidden, "Lab answers 403: no right");
    check_words(401, "", Kind::Forbidden, "Lab answers 401");
    check_words(400, r#"{"a":["x"]}"#, Kind::BadRequest, r#"Lab answers 400: {"a":["x"]}"#);
    check_words(404, "", Kind::NotFound, "Lab answers 404");
    check_words(429, "", Kind::Unavailable, "Lab answers 429");
    check_words(502, "<html>", Kind::Unavailable, "Lab answers 502");
    check_words(301, "", Kind::Internal, "Lab answers 301");
    check_words(201, "{", Kind::Internal, "Lab's answer is not understood: that is no JSON");
    let long = format!(r#"{{"detail": "{}"}}"#, "ü".repeat(1000));
    let cut = format!("Lab answers 400: {}", "ü".repeat(150));
    check_words(400, &long, Kind::BadRequest, &cut);
    check_words(500, &long, Kind::Unavailable, "Lab answers 500");
    let lost = "ConnectionTerminated";
    check_words(0, lost, Kind::Unavailable, &format!("Lab does not answer: {lost}"));
}

#[test]
fn a_failure_of_tls_is_said_with_what_helps() {
    let mut client = client(&[turn("GET /x/", 0, "TlsProtocolError")]);
    let refused = client.get("/x/").unwrap_err();
    assert_eq!(refused.code(), Code::Other(Kind::Unavailable));
    assert!(refused.text().contains("SSL_CERT_FILE"), "{refused}");
}

#[test]
fn of_lost_requests_only_one_that_reads_is_sent_again_and_once() {
    let lost = turn("GET /x/", 0, "ConnectionTerminated");
    let found = turn("GET /x/", 200, "{}");
    assert_eq!(client(&[lost.clone(), found]).get("/x/").unwrap().status, 200);
    assert!(client(&[lost.clone(), lost]).get("/x/").is_err());
    assert!(client(&[turn("GET /x/", 0, "ConnectionRefused")]).get("/x/").is_err());
    let lost = [turn("DELETE /x/", 0, "ConnectionTerminated")];
    assert!(client(&lost).delete("/x/", None).is_err());
}

#[test]
fn a_deletion_that_the_server_could_not_do_is_sent_again_and_once() {
    let [undone, done] = [500, 204].map(|status| turn("DELETE /x/", status, ""));
    assert_eq!(client(&[undone.clone(), done]).delete("/x/", None).unwrap().status, 204);
    assert_eq!(client(&[undone.clone(), undone]).delete("/x/", None).unwrap().status, 500);
    for status in [502, 503, 429] {
        let once = [turn("DELETE /x/", status, "")];
        assert_eq!(client(&once).delete("/x/", None).unwrap().status, status);
    }
    let made = [turn("POST /x/ {}", 500, "")];
    assert_eq!(client(&made).post("/x/", &serde_json::json!({})).unwrap().status, 500);
}

#[test]
fn a_list_is_read_to_its_end_if_it_has_one() {
    let mut client = client(&[]);
    let all: Vec<usize> = (0..7).collect();
    let page = |_: &mut Client<Script>, offset: usize| {
        let end = (offset + 3).min(all.len());
        Ok(Page { items: all[offset..end].to_vec(), has_next: end < all.len() })
    };
    assert_eq!(client.read_pages("things", page).unwrap(), all);
    let mut asked = 0;
    let endless = |_: &mut Client<Script>, _| {
        asked += 1;
        Ok(Page { items: vec![()], has_next: true })
    };
    assert!(
        client.read_pages("things", endless).unwrap_err().text().contains("20 pages of things")
    );
    assert_eq!(asked, PAGES_MAX);
    let empty = |_: &mut Client<Script>, _| Ok(Page::<()> { items: Vec::new(), has_next: true });
    assert!(client.read_pages("things", empty).is_err());
}

#[test]
fn what_an_operator_writes_is_read_without_showing_it() {
    assert!(read_table::<BTreeMap<String, u8>>("{}").unwrap().is_none());
    let table: BTreeMap<String, u8> = read_table(r#"{"a": 1}"#).unwrap().unwrap();
    assert_eq!(table["a"], 1);
    let refused = read_table::<BTreeMap<String, u8>>(r#"{"a": "secret"}"#).unwrap_err();
    assert!(!refused.text().contains("secret"), "{refused}");
    assert!(refused.text().contains("wrong type: expected u8"), "{refused}");
    let is_host_name = |text: &str| Identity::new("lab", text.to_owned()).is_ok();
    assert!(is_host_name("node-1.example_2") && !is_host_name("node 1") && !is_host_name(""));
    assert!(is_host_name(&"x".repeat(64)) && !is_host_name(&"x".repeat(65)));
    let url = Url::parse("http://lab:8080").unwrap();
    assert_eq!((url.is_https, &*url.authority, &*url.path), (false, "lab:8080", ""));
    for wrong in ["ftp://lab", "https://", "https://me@lab", "https://lab/a b", "lab/api"] {
        assert_eq!(Url::parse(wrong), None, "{wrong}");
    }
    assert_eq!(format!("{:?}", Secret::new("0123")), "Secret");
}

#[test]
fn what_is_escaped_can_be_read_again() {
    assert_eq!(escaped("a b/ü"), "a%20b%2F%C3%BC");
    for text in ["", "a b/ü", "100%", "%2F", "a;b=c,d", "\u{0}\n"] {
        assert_eq!(unescaped(&escaped(text)), text);
    }
    // What nobody escaped does not fail.
    for text in ["%", "%2", "%zz", "%+a", "a%\u{e9}"] {
        assert_eq!(unescaped(text), text);
    }
}

#[test]
fn the_newest_that_may_be_left_over_are_offered_while_they_are_there() {
    let request = |name: &str| AddressRequest {
        pool_id: "p".to_owned(),
        address: None,
        options: Options::from([("name".to_owned(), name.to_owned())]),
    };
    let (one, two) = (request("one"), request("two"));
    let mut left = LeftOver::default();
    assert!(left.needs_look("p", &one));
    left.found("p", (0..100).map(|id| (id, id)));
    assert_eq!(left.next("p", &one), Some(99));
    // The host asks again, for it is leased.
    assert!(!left.needs_look("p", &one));
    assert_eq!(left.next("p", &one), Some(98));
    // Somebody else asks: what is still there? One is new, and is none that was left over.
    assert!(left.needs_look("p", &two));
    left.found("p", [(96, 96), (97, 97), (200, 200)]);
    left.forget("p", |left| *left == 97);
    assert_eq!((left.next("p", &two), left.next("p", &two)), (Some(96), None));
    assert!(!left.needs_look("p", &one), "there is nothing more");
    left.forget_pool("p");
    left.found("p", (0..100).map(|id| (id, id)));
    let all = std::iter::from_fn(|| left.next("p", &one)).count();
    assert_eq!(all, LEFT_OVER_MAX);
}

#[test]
fn the_ends_of_a_pool_are_never_leased() {
    for (net, address, want) in [
        ("10.64.0.0/26", "10.64.0.0", true),
        ("10.64.0.0/26", "10.64.0.63", true),
        ("10.64.0.0/31", "10.64.0.0", false),
        ("fd64::/64", "fd64::", true),
        ("fd64::/64", "fd64::ffff:ffff:ffff:ffff", false),
        ("fd64::/127", "fd64::", false),
    ] {
        assert_eq!(is_end(net.parse().unwrap(), address.parse().unwrap()), want, "{net} {address}");
    }
}
