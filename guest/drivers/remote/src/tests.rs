//! Every answer of `reference/docker-wire.txt`, and what comes of it; and what
//! is asked, byte for byte as Docker's engine writes it.

use crate::{
    Config,
    fit::Known,
    protocol::{Ask, Protocol},
};
use ipam_driver::{
    AddressRequest, Capability, Code, Error, Family, Kind, Options, PoolChoice, PoolRequest, names,
    plugins::Answer,
};
use std::{
    cell::RefCell,
    collections::{BTreeMap, VecDeque},
};

/// Answers what it was told to, and `{}` from then on; keeps what it was asked.
#[derive(Default)]
struct Fake {
    answers: RefCell<VecDeque<Result<(u16, &'static str), Error>>>,
    asked: RefCell<Vec<(String, String)>>,
    known: RefCell<BTreeMap<String, String>>,
}

impl Ask for Fake {
    fn ask(&self, method: &str, body: &[u8]) -> Result<Answer, Error> {
        let body = String::from_utf8(body.to_vec()).unwrap();
        self.asked.borrow_mut().push((method.to_owned(), body));
        let (status, body) = self.answers.borrow_mut().pop_front().unwrap_or(Ok((200, "{}")))?;
        Ok(Answer { status, body: body.into() })
    }

    fn remember(&self, pool_id: &str, known: Known) -> Result<(), Error> {
        self.known.borrow_mut().insert(pool_id.to_owned(), known.to_text());
        Ok(())
    }

    fn recall(&self, pool_id: &str) -> Result<Option<Known>, Error> {
        if pool_id.len() > 256 {
            return Err(Error::new(Code::InvalidRequest, "a key has 1 to 256 bytes"));
        }
        Ok(self.known.borrow().get(pool_id).map(|text| Known::from_text(text).unwrap()))
    }

    fn forget(&self, pool_id: &str) -> Result<(), Error> {
        self.known.borrow_mut().remove(pool_id);
        Ok(())
    }
}

fn answering(status: u16, body: &'static str) -> Protocol<Fake> {
    Protocol(Fake { answers: RefCell::new([Ok((status, body))].into()), ..Fake::default() })
}

fn pool(pool: PoolChoice) -> PoolRequest {
    PoolRequest {
        address_space: "L".to_owned(),
        pool,
        sub_pool: None,
        options: Options::new(),
        exclude: Vec::new(),
    }
}

fn address(address: Option<&str>) -> AddressRequest {
    AddressRequest {
        pool_id: "p1".to_owned(),
        address: address.map(|text| text.parse().unwrap()),
        options: Options::new(),
    }
}

/// What was asked, in order.
#[track_caller]
fn asked(plugin: &Protocol<Fake>, want: &[(&str, &str)]) {
    let asked = plugin.0.asked.borrow();
    let asked: Vec<_> = asked.iter().map(|(method, body)| (&**method, &**body)).collect();
    assert_eq!(asked, want);
}

const ANY_POOL: PoolChoice = PoolChoice::Automatic(Family::Ipv4);

#[track_caller]
fn pool_body(request: PoolRequest, want: &str) {
    let plugin = answering(200, r#"{"PoolID":"p1","Pool":"10.1.0.0/16"}"#);
    // What it answers does not fit each of them.
    let _ = plugin.request_pool(&request);
    let asked = &plugin.0.asked.borrow()[0];
    assert_eq!((&*asked.0, &*asked.1), ("IpamDriver.RequestPool", &*format!("{want}\n")));
}

#[test]
fn pools_are_asked_for_as_docker_does() {
    pool_body(
        pool(ANY_POOL),
        r#"{"AddressSpace":"L","Pool":"","SubPool":"","Options":null,"V6":false}"#,
    );
    let exact = |text: &str| PoolChoice::Exact(text.parse().unwrap());
    let mut request = pool(exact("10.1.0.0/16"));
    request.sub_pool = Some("10.1.2.0/24".parse().unwrap());
    request.options = [("foo".to_owned(), "bar".to_owned())].into();
    pool_body(
        request,
        r#"{"AddressSpace":"L","Pool":"10.1.0.0/16","SubPool":"10.1.2.0/24","Options":{"foo":"bar"},"V6":false}"#,
    );
    pool_body(
        pool(PoolChoice::Automatic(Family::Ipv6)),
        r#"{"AddressSpace":"L","Pool":"","SubPool":"","Options":null,"V6":true}"#,
    );
    pool_body(
        pool(PoolChoice::Sized(Family::Ipv4, 24)),
        r#"{"AddressSpace":"L","Pool":"0.0.0.0/24","SubPool":"","Options":null,"V6":false}"#,
    );
    pool_body(
        pool(PoolChoice::Sized(Family::Ipv6, 64)),
        r#"{"AddressSpace":"L","Pool":"::/64","SubPool":"","Options":null,"V6":true}"#,
    );
    // Our own words stay with us.
    let mut replayed = pool(exact("fd00:1::/64"));
    replayed.options = [(names::REPLAY.to_owned(), names::REPLAY_EXPLICIT.to_owned())].into();
    pool_body(
        replayed,
        r#"{"AddressSpace":"L","Pool":"fd00:1::/64","SubPool":"","Options":null,"V6":true}"#,
    );
}

#[test]
fn addresses_are_asked_for_as_docker_does() {
    let gateway = [(names::REQUEST_ADDRESS_TYPE.to_owned(), names::GATEWAY.to_owned())];
    for (wanted, options, want) in [
        (None, Options::new(), r#"{"PoolID":"p1","Address":"","Options":null}"#),
        (
            None,
            gateway.into(),
            r#"{"PoolID":"p1","Address":"","Options":{"RequestAddressType":"com.docker.network.gateway"}}"#,
        ),
        (
            Some("10.1.0.5"),
            Options::new(),
            r#"{"PoolID":"p1","Address":"10.1.0.5","Options":null}"#,
        ),
        (Some("fd00::5"), Options::new(), r#"{"PoolID":"p1","Address":"fd00::5","Options":null}"#),
    ] {
        let plugin = answering(200, r#"{"Address":"10.1.0.5/16"}"#);
        let _ = plugin.request_address(&AddressRequest { options, ..address(wanted) });
        let asked = &plugin.0.asked.borrow()[0];
        assert_eq!((&*asked.0, &*asked.1), ("IpamDriver.RequestAddress", &*format!("{want}\n")));
    }
}

#[test]
fn what_has_no_body_is_asked_without_one_and_releases_have_theirs() {
    let plugin =
        answering(200, r#"{"LocalDefaultAddressSpace":"L","GlobalDefaultAddressSpace":"G"}"#);
    let spaces = plugin.default_address_spaces().unwrap();
    assert_eq!((&*spaces.local, &*spaces.global), ("L", "G"));
    plugin.release_address("p1", "10.1.0.5".parse().unwrap()).unwrap();
    plugin.release_pool("p1").unwrap();
    asked(
        &plugin,
        &[
            ("IpamDriver.GetDefaultAddressSpaces", ""),
            ("IpamDriver.ReleaseAddress", "{\"PoolID\":\"p1\",\"Address\":\"10.1.0.5\"}\n"),
            ("IpamDriver.ReleasePool", "{\"PoolID\":\"p1\"}\n"),
        ],
    );
}

#[test]
fn who_does_not_say_what_it_needs_needs_nothing() {
    for (status, body, want) in [
        (200, r#"{"RequiresMACAddress":true,"RequiresRequestReplay":true}"#, (true, true)),
        (200, r#"{"requiresmacaddress":true}"#, (true, false)),
        (200, "{}", (false, false)),
        (200, "", (false, false)),
        (200, r#"{"RequiresMACAddress":"yes"}"#, (false, false)),
        (200, r#"{"Error":"boom","RequiresMACAddress":true}"#, (false, false)),
        (404, "404 page not found", (false, false)),
    ] {
        let Capability { requires_mac_address, requires_request_replay } =
            answering(status, body).capability();
        assert_eq!((requires_mac_address, requires_request_replay), want, "{status} {body}");
    }
}

/// The pool that an answer grants, or the class and words of its refusal.
#[track_caller]
fn pool_answer(status: u16, body: &'static str, want: Result<(&str, &str), (Kind, &str)>) {
    let answer = answering(status, body).request_pool(&pool(ANY_POOL));
    match (answer, want) {
        (Ok(grant), Ok((id, pool))) => {
            assert_eq!((&*grant.pool_id, &*grant.pool.to_string()), (id, pool), "{body}");
        }
        (Err(error), Err((kind, words))) => {
            assert_eq!(error.code(), Code::Other(kind), "{status} {body}");
            assert!(error.text().contains(words), "{status} {body}: {error}");
        }
        (got, want) => panic!("{status} {body}: {got:?}, not {want:?}"),
    }
}

#[test]
fn every_odd_answer_about_a_pool_is_understood_as_docker_does() {
    let boom = "IpamDriver.RequestPool: boom";
    pool_answer(200, r#"{"PoolID":"p1","Pool":"10.1.0.0/16"}"#, Ok(("p1", "10.1.0.0/16")));
    pool_answer(200, r#"{"PoolID":"p","Pool":"10.1.2.3/16"}"#, Ok(("p", "10.1.0.0/16")));
    pool_answer(200, r#"{"poolid":"p","pool":"10.1.0.0/16","x":1}"#, Ok(("p", "10.1.0.0/16")));
    pool_answer(200, r#"{"PoolID":"n","Pool":"0.0.0.0/0"}"#, Ok(("n", "0.0.0.0/0")));
    pool_answer(
        200,
        r#"{"PoolID":"p","Pool":"10.1.0.0/16","Data":null}"#,
        Ok(("p", "10.1.0.0/16")),
    );
    pool_answer(200, "{}", Err((Kind::Internal, "no PoolID")));
    pool_answer(200, r#"{"Error":"boom"}"#, Err((Kind::Internal, "remote: boom")));
    // Not the error's name: ignored, and then the pool is missing.
    pool_answer(200, r#"{"Err":"boom"}"#, Err((Kind::Internal, "no PoolID")));
    pool_answer(500, r#"{"Err":"boom"}"#, Err((Kind::Internal, boom)));
    let whole = r#"IpamDriver.RequestPool: {"Error":"boom"}"#;
    pool_answer(500, r#"{"Error":"boom"}"#, Err((Kind::Internal, whole)));
    pool_answer(404, r#"{"Err":"boom"}"#, Err((Kind::NotFound, boom)));
    pool_answer(400, "boom\n", Err((Kind::BadRequest, boom)));
    pool_answer(201, r#"{"PoolID":"p","Pool":"10.1.0.0/16"}"#, Err((Kind::Internal, "PoolID")));
    pool_answer(200, "", Err((Kind::Internal, "EOF")));
    pool_answer(200, "[]", Err((Kind::Internal, "expected")));
    pool_answer(200, r#"{"PoolID":7,"Pool":"10.1.0.0/16"}"#, Err((Kind::Internal, "expected")));
    pool_answer(200, "\u{0}", Err((Kind::Internal, "expected")));
}

#[test]
fn a_pool_that_cannot_be_read_is_given_back() {
    let plugin = answering(200, r#"{"PoolID":"p1","Pool":"ten"}"#);
    let refusal = plugin.request_pool(&pool(ANY_POOL)).unwrap_err();
    assert!(refusal.text().contains("ten"), "{refusal}");
    assert_eq!(plugin.0.asked.borrow()[1].0, "IpamDriver.ReleasePool");
    assert_eq!(plugin.0.asked.borrow()[1].1, "{\"PoolID\":\"p1\"}\n");
}

#[test]
fn every_odd_answer_about_an_address_is_understood_as_docker_does() {
    let granted = answering(200, r#"{"Address":"10.1.0.5/16","Data":{"k":"v"}}"#);
    let grant = granted.request_address(&address(None)).unwrap();
    assert_eq!(grant.address.unwrap().to_string(), "10.1.0.5/16");
    assert_eq!(grant.data, [("k".to_owned(), "v".to_owned())].into());
    for body in ["{}", r#"{"Address":""}"#] {
        let refusal = answering(200, body).request_address(&address(None)).unwrap_err();
        assert_eq!(refusal.code(), Code::NoIpReturned, "{body}");
    }
    let bare = answering(200, r#"{"Address":"10.1.0.5"}"#);
    let refusal = bare.request_address(&address(None)).unwrap_err();
    assert!(refusal.text().contains("10.1.0.5"), "{refusal}");
    let released = "{\"PoolID\":\"p1\",\"Address\":\"10.1.0.5\"}\n";
    assert_eq!(bare.0.asked.borrow()[1], ("IpamDriver.ReleaseAddress".into(), released.into()));
}

/// A plugin that has granted 10.1.0.0/16 as `p1`, and answers this then.
fn after_a_pool(sub_pool: Option<&str>, status: u16, body: &'static str) -> Protocol<Fake> {
    let plugin = answering(200, r#"{"PoolID":"p1","Pool":"10.1.0.0/16"}"#);
    let sub_pool = sub_pool.map(|text| text.parse().unwrap());
    plugin.request_pool(&PoolRequest { sub_pool, ..pool(ANY_POOL) }).unwrap();
    plugin.0.asked.borrow_mut().clear();
    plugin.0.answers.borrow_mut().push_back(Ok((status, body)));
    plugin
}

#[test]
fn an_address_gets_the_length_of_its_pool() {
    for text in ["10.1.0.5/16", "10.1.0.5/32", "10.1.0.5/0", "::ffff:10.1.0.5/128"] {
        let body: &'static str = format!(r#"{{"Address":"{text}"}}"#).leak();
        let grant = after_a_pool(None, 200, body).request_address(&address(None)).unwrap();
        assert_eq!(grant.address.unwrap().to_string(), "10.1.0.5/16", "{text}");
    }
}

#[test]
fn an_address_that_does_not_fit_is_refused_and_given_back() {
    for (asked_for, sub_pool, text, given_back) in [
        (None, None, "10.2.0.5/16", "10.2.0.5"),
        (None, None, "fd00::5/16", "fd00::5"),
        (None, Some("10.1.2.0/24"), "10.1.3.5/16", "10.1.3.5"),
        (Some("10.1.0.5"), None, "10.1.0.6/16", "10.1.0.6"),
        (None, None, "10.1.0.5", "10.1.0.5"),
    ] {
        let body: &'static str = format!(r#"{{"Address":"{text}"}}"#).leak();
        let plugin = after_a_pool(sub_pool, 200, body);
        let refusal = plugin.request_address(&address(asked_for)).unwrap_err();
        assert_eq!(refusal.code(), Code::Other(Kind::Internal), "{text}");
        let released = format!("{{\"PoolID\":\"p1\",\"Address\":\"{given_back}\"}}\n");
        assert_eq!(plugin.0.asked.borrow()[1].1, released, "{text}");
    }
    // By name anything of the pool will do.
    let plugin = after_a_pool(Some("10.1.2.0/24"), 200, r#"{"Address":"10.1.3.5/32"}"#);
    assert!(plugin.request_address(&address(Some("10.1.3.5"))).is_ok());
    // Nothing is known of a pool that an earlier version granted.
    let plugin = answering(200, r#"{"Address":"10.1.3.5/16"}"#);
    assert!(plugin.request_address(&address(None)).is_ok());
}

#[test]
fn a_pool_that_does_not_fit_is_refused_and_given_back() {
    let exact = PoolChoice::Exact("10.1.0.0/16".parse().unwrap());
    let long = format!(r#"{{"PoolID":"{}","Pool":"10.1.0.0/16"}}"#, "p".repeat(257)).leak();
    let wide = format!(
        r#"{{"PoolID":"p","Pool":"10.1.0.0/16","Data":{{"k":"{}"}}}}"#,
        "v".repeat(16 << 10)
    );
    for (request, body) in [
        (exact, r#"{"PoolID":"p","Pool":"10.2.0.0/16"}"#),
        (ANY_POOL, r#"{"PoolID":"p","Pool":"fd00::/64"}"#),
        (PoolChoice::Sized(Family::Ipv4, 24), r#"{"PoolID":"p","Pool":"10.1.0.0/16"}"#),
        (ANY_POOL, r#"{"PoolID":"p","Pool":"010.1.0.0/16"}"#),
        (ANY_POOL, r#"{"PoolID":"p","Pool":16}"#),
        (ANY_POOL, r#"{"PoolID":"p","Pool":"10.1.0.0/16","Data":{"ttl":300}}"#),
        (ANY_POOL, r#"{"PoolID":"p","Pool":"10.1.0.0/16","Data":["x"]}"#),
        (
            ANY_POOL,
            r#"{"PoolID":"p","Pool":"10.1.0.0/16","Data":{"com.docker.network.gateway":"10.1.0.1"}}"#,
        ),
        (ANY_POOL, long),
        (ANY_POOL, wide.leak()),
    ] {
        let plugin = answering(200, body);
        let refusal = plugin.request_pool(&pool(request)).unwrap_err();
        assert_eq!(refusal.code(), Code::Other(Kind::Internal), "{body}");
        assert_eq!(plugin.0.asked.borrow()[1].0, "IpamDriver.ReleasePool", "{body}");
    }
}

/// Calico's plugin grants it to whoever names no subnet.
#[test]
fn nothing_is_leased_of_no_pool() {
    let no_pool = r#"{"PoolID":"any","Pool":"0.0.0.0/0"}"#;
    let plugin = answering(200, no_pool);
    plugin.0.answers.borrow_mut().push_back(Ok((200, no_pool)));
    plugin.0.answers.borrow_mut().push_back(Ok((200, r#"{"Address":"192.168.0.1/32"}"#)));
    for _ in 0..2 {
        plugin.request_pool(&pool(ANY_POOL)).unwrap();
    }
    let request = AddressRequest { pool_id: "any".into(), ..address(None) };
    let refusal = plugin.request_address(&request).unwrap_err();
    assert!(refusal.text().contains("needs a subnet of its own"), "{refusal}");
    assert_eq!(plugin.0.asked.borrow()[3].0, "IpamDriver.ReleaseAddress");
}

#[test]
fn an_id_that_names_a_pool_is_not_granted_again() {
    let same = r#"{"PoolID":"p1","Pool":"10.1.0.0/16"}"#;
    let plugin = after_a_pool(None, 200, same);
    let refusal = plugin.request_pool(&pool(ANY_POOL)).unwrap_err();
    assert!(refusal.text().contains("names 10.1.0.0/16 already"), "{refusal}");
    assert_eq!(plugin.0.asked.borrow().len(), 1, "and is not given back");
    // But it is told of what it granted before.
    plugin.0.answers.borrow_mut().push_back(Ok((200, same)));
    let options = Options::from([(names::REPLAY.to_owned(), "explicit".to_owned())]);
    assert!(plugin.request_pool(&PoolRequest { options, ..pool(ANY_POOL) }).is_ok());
}

#[test]
fn a_pool_that_is_granted_already_is_not_given_back() {
    let plugin = after_a_pool(None, 200, r#"{"PoolID":"p1","Pool":"10.2.0.0/16"}"#);
    let exact = PoolChoice::Exact("10.3.0.0/16".parse().unwrap());
    assert!(plugin.request_pool(&pool(exact)).is_err());
    assert_eq!(plugin.0.asked.borrow().len(), 1);
}

#[test]
fn a_gateway_is_one_of_the_pool_or_left_out() {
    for (text, want) in [
        ("10.1.0.1/16", Some("10.1.0.1/16")),
        ("10.1.0.1/32", Some("10.1.0.1/16")),
        ("0.0.0.0/0", Some("0.0.0.0/0")),
        ("192.0.2.1/24", None),
        ("::/0", None),
    ] {
        let data = format!(r#"{{"com.docker.network.gateway":"{text}","k":null}}"#);
        let body = format!(r#"{{"PoolID":"p","Pool":"10.1.0.0/16","Data":{data}}}"#);
        let grant = answering(200, body.leak()).request_pool(&pool(ANY_POOL)).unwrap();
        assert_eq!(grant.data.get(names::GATEWAY).map(String::as_str), want, "{text}");
        assert_eq!(grant.data["k"], "", "what is null is empty, as in Go");
    }
}

#[test]
fn whatever_is_said_of_a_release_it_has_happened() {
    for (status, body) in [
        (200, ""),
        (200, "null"),
        (200, "[]"),
        (200, "ok"),
        (204, ""),
        (200, r#"{"Error":"no"}"#),
        (404, r#"{"Err":"no"}"#),
        (500, ""),
    ] {
        let release =
            |plugin: &Protocol<Fake>| plugin.release_address("p1", "10.1.0.5".parse().unwrap());
        assert!(release(&answering(status, body)).is_ok(), "{status} {body}");
        let plugin = after_a_pool(None, status, body);
        assert!(plugin.release_pool("p1").is_ok(), "{status} {body}");
        assert!(plugin.0.known.borrow().is_empty());
    }
    // Who cannot take it now is told again.
    let plugin = after_a_pool(None, 503, "later");
    assert_eq!(plugin.release_pool("p1").unwrap_err().code(), Code::Other(Kind::Unavailable));
    assert_eq!(plugin.0.known.borrow().len(), 1);
}

#[test]
fn who_does_not_answer_is_not_asked_again() {
    let fake = Fake::default();
    fake.answers.borrow_mut().push_back(Err(Error::other(Kind::Unavailable, "no answer")));
    let plugin = Protocol(fake);
    let refusal = plugin.request_address(&address(None)).unwrap_err();
    assert_eq!(refusal.code(), Code::Other(Kind::Unavailable));
    assert_eq!(plugin.0.asked.borrow().len(), 1);
}

#[test]
fn the_table_has_one_key() {
    assert!(Config::read("{}").unwrap().replay);
    assert!(!Config::read(r#"{"replay":false}"#).unwrap().replay);
    assert!(Config::read(r#"{"reply":false}"#).is_err());
}
