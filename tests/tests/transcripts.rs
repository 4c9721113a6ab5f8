//! Conversations that real Docker Engines had with a recording plugin, held
//! again with ours over a real socket.
//!
//! Requests go out as recorded, line, headers and body, except that recorded
//! pool ids, spaces and automatic addresses are replaced by ours. Every answer
//! must be the naive model's. The recorder answered some requests otherwise
//! than a driver may, sometimes on purpose: a scene ends at the first request
//! that a different answer would have changed, and what we had granted for it
//! is given back.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a test may")]

use flate2::read::GzDecoder;
use ipam_tests::{
    http::{Client, Response},
    naive::{Expected, Naive},
    stack::Stack,
};
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    io::{BufRead, BufReader},
    path::Path,
};

/// Where an engine and the recorder began with nothing. Elsewhere the recorder
/// was restarted, and the engine's networks lived on.
const BEGINNINGS: [&str; 9] = [
    "create-full",
    "replay=False mk1",
    "replay=True mk1",
    "err activate 500",
    "swarm overlay create",
    "spec unix",
    "swarm-managed plugin",
    "compose up",
    "hang prep",
];

/// What is cut from what, as the recorder did it.
const PREDEFINED: [(&str, u8); 2] = [("10.99.0.0/16", 24), ("fd99:1::/48", 64)];

/// Per engine: requests played, and scenes played to their end.
const AT_LEAST: [(&str, usize, usize); 3] =
    [("docker-20.10.24", 343, 78), ("docker-26.1.5", 471, 82), ("docker-28.5.2", 521, 90)];

#[derive(Default)]
struct Tally {
    played: usize,
    scenes_whole: usize,
    scenes_cut: usize,
}

/// One engine's conversation, from a beginning to the next.
struct Conversation {
    stack: Stack,
    naive: Naive,
    clients: BTreeMap<u64, Client>,
    /// Recorded pool ids and ours: the recorder granted a pool again while it
    /// was held, and then each is released in turn.
    ids: BTreeMap<String, Vec<String>>,
    /// Recorded ids of pools that this scene has granted.
    of_this_scene: Vec<String>,
    /// Recorded pool id and automatic address, and the address we gave.
    addresses: BTreeMap<(String, String), String>,
    /// The scene that has ended early.
    cut: Option<String>,
}

impl Conversation {
    fn new() -> Self {
        let pools: Vec<Value> =
            PREDEFINED.iter().map(|(base, size)| json!({ "base": base, "size": size })).collect();
        let predefined =
            PREDEFINED.iter().map(|(base, size)| (base.parse().unwrap(), *size)).collect();
        Self {
            stack: Stack::new(&json!({ "default-address-pools": pools }).to_string()),
            naive: Naive::new(predefined),
            clients: BTreeMap::new(),
            ids: BTreeMap::new(),
            of_this_scene: Vec::new(),
            addresses: BTreeMap::new(),
            cut: None,
        }
    }

    /// The recorded body in our words; nothing if it names a pool that we
    /// never granted.
    fn translate(&self, body: &Value) -> Option<Value> {
        let mut ours = body.clone();
        if let Some(space) = body["AddressSpace"].as_str() {
            ours["AddressSpace"] = json!(match space {
                "recLocal" => "LocalDefault",
                "recGlobal" => "GlobalDefault",
                other => other,
            });
        }
        if let Some(id) = body["PoolID"].as_str() {
            ours["PoolID"] = json!(self.ids.get(id)?.last()?);
            let address = body["Address"].as_str().unwrap_or_default();
            if let Some(given) = self.addresses.get(&(id.to_owned(), address.to_owned())) {
                ours["Address"] = json!(given);
            }
        }
        Some(ours)
    }

    /// Plays one recorded exchange; `false` ends the scene.
    fn exchange(&mut self, record: &Value) -> bool {
        let recorded = &record["req"];
        let line = recorded["line"].as_str().unwrap();
        let method = line.split(['/', ' ', '.']).nth(3).unwrap().to_owned();
        let text = recorded["body"].as_str().unwrap();
        let body: Value = serde_json::from_str(text).unwrap_or_default();
        let Some(ours) = self.translate(&body) else { return false };
        let sent = if text.is_empty() { String::new() } else { format!("{ours}\n") };
        let answer = self.send(record, &sent);
        match &*method {
            "Activate" => assert_eq!(answer.body, json!({ "Implements": ["IpamDriver"] })),
            "GetCapabilities" => {
                self.naive.begin_session();
                let none = json!({ "RequiresMACAddress": false, "RequiresRequestReplay": false });
                assert_eq!(answer.body, none);
            }
            "GetDefaultAddressSpaces" => {
                assert_eq!(answer.body["LocalDefaultAddressSpace"], "LocalDefault");
                assert_eq!(answer.body["GlobalDefaultAddressSpace"], "GlobalDefault");
            }
            // Docker's broken retry: nothing may be read out of it.
            _ if text.is_empty() => {
                assert_eq!(answer.status, 400, "{record}");
                return record["resp"]["status"] != 200;
            }
            _ => {
                let expected = self.naive.expect(&method, &ours);
                check(record, &expected, &answer);
                let id = answer.body["PoolID"].as_str().unwrap_or_default();
                self.naive.apply(&method, &ours, &expected, id);
                let goes_on = self.goes_on(record, &method, &body, &answer);
                if !goes_on {
                    self.give_back(&method, &ours, &answer);
                } else if method == "ReleasePool" {
                    let id = body["PoolID"].as_str().unwrap();
                    self.ids.get_mut(id).and_then(Vec::pop);
                    self.of_this_scene.retain(|granted| granted != id);
                }
                return goes_on;
            }
        }
        // A plugin without capabilities is tolerated, nothing else is.
        method == "GetCapabilities" || record["resp"]["status"] == 200
    }

    fn send(&mut self, record: &Value, body: &str) -> Response {
        let recorded = &record["req"];
        let headers = recorded["headers"].as_array().unwrap();
        let headers: Vec<(&str, &str)> = headers
            .iter()
            .map(|pair| (pair[0].as_str().unwrap(), pair[1].as_str().unwrap()))
            .filter(|(name, _)| !name.eq_ignore_ascii_case("content-length"))
            .collect();
        let connection = record["conn"].as_u64().unwrap();
        let socket = self.stack.socket();
        let client = self
            .clients
            .entry(connection)
            .or_insert_with(|| Client::connect(&socket).expect("we serve"));
        client.send(recorded["line"].as_str().unwrap(), &headers, body.as_bytes()).unwrap();
        client.receive().unwrap_or_else(|error| panic!("{error}: {record}"))
    }

    /// Whether the engine would have gone on as recorded after our answer;
    /// notes what it calls things.
    fn goes_on(&mut self, record: &Value, method: &str, body: &Value, ours: &Response) -> bool {
        let theirs = &record["resp"];
        let granted = theirs["status"] == 200;
        if granted != (ours.status == 200) || theirs["status"].is_null() {
            return false;
        }
        let text = theirs["body"].as_str().unwrap_or_default();
        let answer: Value = serde_json::from_str(text).unwrap_or_default();
        let same = |key: &str| answer[key] == ours.body[key];
        let faulty = record["label"].as_str().unwrap().starts_with("err");
        match method {
            "RequestPool" if granted => {
                let automatic = body["Pool"] == "" && !faulty;
                let id = answer["PoolID"].as_str().unwrap_or_default();
                if id.is_empty() || !(automatic || same("Pool")) || !same("Data") {
                    return false;
                }
                let id_of_ours = ours.body["PoolID"].as_str().unwrap();
                self.ids.entry(id.to_owned()).or_default().push(id_of_ours.to_owned());
                self.of_this_scene.push(id.to_owned());
                true
            }
            "RequestAddress" if granted => {
                let automatic = body["Address"] == "" && !faulty;
                if !automatic {
                    return same("Address") || self.is_translated(body, ours);
                }
                let bare = |answer: &Value| {
                    let net = answer["Address"].as_str()?;
                    Some(net.split_once('/')?.0.to_owned())
                };
                let (Some(theirs), Some(given)) = (bare(&answer), bare(&ours.body)) else {
                    return false;
                };
                let id = body["PoolID"].as_str().unwrap().to_owned();
                self.addresses.insert((id, theirs), given);
                true
            }
            _ => true,
        }
    }

    fn is_translated(&self, body: &Value, ours: &Response) -> bool {
        let key = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
        let given = self.addresses.get(&(key("PoolID"), key("Address")));
        let answer = ours.body["Address"].as_str().unwrap_or_default();
        given.is_some_and(|given| answer.split('/').next() == Some(given))
    }

    /// Gives back what the engine never got.
    fn give_back(&mut self, method: &str, sent: &Value, answer: &Response) {
        if answer.status != 200 {
            return;
        }
        match method {
            "RequestPool" => {
                self.release("ReleasePool", &json!({ "PoolID": answer.body["PoolID"] }))
            }
            "RequestAddress" => {
                let address = answer.body["Address"].as_str().unwrap().split('/').next();
                let body = json!({ "PoolID": sent["PoolID"], "Address": address });
                self.release("ReleaseAddress", &body);
            }
            _ => {}
        }
    }

    /// Gives back the pools of a scene that was cut: how the engine would have
    /// gone on with them, nobody knows.
    fn cut(&mut self) {
        for id in std::mem::take(&mut self.of_this_scene) {
            if let Some(ours) = self.ids.get_mut(&id).and_then(Vec::pop) {
                self.release("ReleasePool", &json!({ "PoolID": ours }));
            }
        }
    }

    fn release(&mut self, method: &str, body: &Value) {
        let mut client = Client::connect(&self.stack.socket()).unwrap();
        let answer = client.post(&format!("/IpamDriver.{method}"), &body.to_string());
        assert_eq!(answer.unwrap().status, 200, "{body}");
        self.naive.apply(method, body, &Expected::Done, "");
    }
}

#[track_caller]
fn check(record: &Value, expected: &Expected, answer: &Response) {
    let matches = match expected {
        Expected::Pool(prefix) => answer.body["Pool"] == prefix.to_string(),
        Expected::Address(leased) => answer.body["Address"] == leased.to_string(),
        Expected::Done => answer.status == 200,
        Expected::Refused(status) => answer.status == *status,
    };
    assert!(matches, "want {expected:?}, got {answer:?} to {record}");
    if answer.status != 200 {
        let words = answer.body["Err"].as_str().unwrap_or_default();
        assert!(!words.is_empty() && answer.body["Error"] == words, "{answer:?}");
    }
}

#[test]
fn recorded_conversations_are_answered_as_a_driver_must() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden/docker-transcript.jsonl.gz");
    let lines = BufReader::new(GzDecoder::new(std::fs::File::open(path).unwrap())).lines();
    let records: Vec<Value> =
        lines.map(|line| serde_json::from_str(&line.unwrap()).unwrap()).collect();
    let engines: BTreeSet<&str> =
        records.iter().map(|record| record["engine"].as_str().unwrap()).collect();
    assert_eq!(engines.len(), 3, "20.10, 26 and 28: {engines:?}");
    for engine in engines {
        let tally = play(records.iter().filter(|record| record["engine"] == engine));
        println!(
            "{engine}: {} requests played, {} scenes whole, {} cut",
            tally.played, tally.scenes_whole, tally.scenes_cut
        );
        // What is left out must not grow unseen.
        let (_, played, whole) =
            AT_LEAST.into_iter().find(|(name, ..)| *name == engine).expect("it is listed");
        assert!(tally.played >= played, "{engine}: only {} requests were played", tally.played);
        assert!(tally.scenes_whole >= whole, "{engine}: only {} whole scenes", tally.scenes_whole);
    }
}

fn play<'a>(records: impl Iterator<Item = &'a Value>) -> Tally {
    let mut tally = Tally::default();
    let mut conversation: Option<Conversation> = None;
    let mut begun = BTreeSet::new();
    let mut scene = String::new();
    for record in records {
        let label = record["label"].as_str().unwrap();
        if BEGINNINGS.contains(&label) && begun.insert(label) {
            conversation = Some(Conversation::new());
        }
        let Some(conversation) = conversation.as_mut() else { continue };
        if record["req"].is_null() {
            continue;
        }
        if scene != label {
            scene = label.to_owned();
            conversation.of_this_scene.clear();
            tally.scenes_whole += 1;
        }
        if conversation.cut.as_deref() == Some(label) {
            continue;
        }
        tally.played += 1;
        if !conversation.exchange(record) {
            conversation.cut();
            conversation.cut = Some(label.to_owned());
            tally.scenes_whole -= 1;
            tally.scenes_cut += 1;
        }
    }
    tally
}
