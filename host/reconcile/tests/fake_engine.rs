//! Engines that answer what real ones answered, and engines that do not.
//!
//! `engines/*.json` are the answers of Debian's Docker 20.10.24 and 28.5.2, by
//! path, captured with networks of Wipam (as a socket and as a managed plugin),
//! a swarm with services, and containers in every state; `-killed` is the same
//! engine after `kill -9` of dockerd and a new start, with everything at rest.
//! `-manager` and `-worker` are the two nodes of a swarm of 20.10.24, without
//! their certificates and lists of plugins.

#![expect(clippy::unwrap_used, reason = "a test may")]

#[path = "fake_engine/swarm.rs"]
mod swarm;

use http_body_util::Full;
use hyper::{
    Request, Response, body::Bytes, body::Incoming, server::conn::http1, service::service_fn,
};
use hyper_util::rt::TokioIo;
use ipam_api::with_causes;
use ipam_reconcile::{DockerEngines, EngineError, Engines, Limits, Observation};
use std::{
    collections::BTreeMap,
    error::Error,
    future, io,
    path::PathBuf,
    sync::{Arc, Mutex},
};
use tempfile::TempDir;
use tokio::{io::AsyncWriteExt, net::UnixListener};

const OLD: &str = include_str!("engines/20.10.24.json");
const KILLED: &str = include_str!("engines/20.10.24-killed.json");
const NEW: &str = include_str!("engines/28.5.2.json");
const MANAGER: &str = include_str!("engines/20.10.24-manager.json");
const WORKER: &str = include_str!("engines/20.10.24-worker.json");
/// What 20.10.24 says without a swarm. The recordings that are older than the
/// question get it.
const NO_SWARM: &str = r#"{"Swarm":{"NodeID":"","NodeAddr":"","LocalNodeState":"inactive","ControlAvailable":false,"Error":"","RemoteManagers":null}}"#;

/// What a path is answered with.
#[derive(Clone)]
enum Answer {
    Says(u16, String),
    Hangs,
    Breaks,
    /// Is not there, and from then on the list of networks is this.
    Vanishes(String),
}

use Answer::{Breaks, Hangs, Says, Vanishes};

type Answers = BTreeMap<String, Answer>;

fn recorded(json: &str) -> Answers {
    let all: BTreeMap<String, serde_json::Value> = serde_json::from_str(json).unwrap();
    let mut all: Answers =
        all.into_iter().map(|(path, body)| (path, Says(200, body.to_string()))).collect();
    let old = all.contains_key("/v1.41/networks");
    let info = if old { "/v1.41/info" } else { INFO };
    all.entry(info.to_owned()).or_insert_with(|| Says(200, NO_SWARM.to_owned()));
    all
}

/// Serves these until the test ends.
struct Fake {
    directory: TempDir,
}

impl Fake {
    fn start(answers: Answers) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(directory.path().join("docker.sock")).unwrap();
        let answers = Arc::new(Mutex::new(answers));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let answers = Arc::clone(&answers);
                let service = service_fn(move |request: Request<Incoming>| {
                    let path = request.uri().path_and_query().unwrap().to_string();
                    let mut answers = answers.lock().unwrap();
                    let mut answer = answers.get(&path).cloned();
                    if let Some(Vanishes(list)) = answer.take_if(|it| matches!(it, Vanishes(_))) {
                        answers.insert(NETWORKS.to_owned(), Says(200, list));
                    }
                    drop(answers);
                    async move {
                        match answer.unwrap_or(Says(404, format!("no such page: {path}"))) {
                            Vanishes(_) => unreachable!("it was taken"),
                            Says(status, text) => {
                                let body = Full::new(Bytes::from(text));
                                Ok(Response::builder().status(status).body(body).unwrap())
                            }
                            Hangs => future::pending().await,
                            Breaks => Err(io::Error::other("it breaks")),
                        }
                    }
                });
                let server = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
                tokio::spawn(server);
            }
        });
        Self { directory }
    }

    fn socket(&self) -> PathBuf {
        self.directory.path().join("docker.sock")
    }

    async fn observe(&self, limits: Limits) -> Result<Observation, EngineError> {
        DockerEngines::new(vec![self.socket()], limits).observe().await
    }
}

/// An observation as lines, in order.
fn lines(seen: &Observation) -> Vec<String> {
    let mut lines = Vec::new();
    for network in &seen.networks {
        let mut line = network.driver.clone();
        for subnet in &network.subnets {
            line += &format!(" {}", subnet.prefix);
            if let Some(range) = subnet.ip_range {
                line += &format!(" range {range}");
            }
            for address in &subnet.reserved {
                line += &format!(" keeps {address}");
            }
        }
        for address in &network.endpoints {
            line += &format!(" {address}");
        }
        lines.push(line + if network.is_complete { "" } else { " and others" });
    }
    lines.extend(seen.unplaced.iter().map(|address| format!("anywhere {address}")));
    lines
}

#[track_caller]
fn check(seen: &Observation, mut want: Vec<&str>) {
    want.extend(OF_DOCKERS_OWN);
    let mut lines = lines(seen);
    lines.sort_unstable();
    want.sort_unstable();
    assert_eq!(lines, want);
}

const RECORDED: [&str; 7] = [
    "wipam 10.50.0.0/16 range 10.50.5.0/24 keeps 10.50.5.1 keeps 10.50.5.254 10.50.5.0 10.50.9.9",
    "wipam 10.52.0.0/24 fd52::/64 10.52.0.2 fd52::2",
    "wipam 10.53.0.0/24 10.53.0.2",
    "wipam 10.60.0.0/16 range 10.60.1.0/24",
    "wipam 172.17.0.0/16 keeps 172.17.0.1 172.17.0.2 172.17.0.3",
    "wipam-managed:1 10.82.0.0/24",
    // The service, its tasks and the load balancer.
    "wipam-managed:1 10.80.0.0/24 keeps 10.80.0.1 10.80.0.2 10.80.0.3 10.80.0.4 10.80.0.5",
];

/// Addresses of containers in networks of Docker's own drivers.
const OF_DOCKERS_OWN: [&str; 3] = ["anywhere 10.0.0.4", "anywhere 10.0.1.3", "anywhere 10.70.0.2"];

#[tokio::test]
async fn an_old_engine_is_read() {
    let seen = Fake::start(recorded(OLD)).observe(Limits::default()).await.unwrap();
    // That network was created with --subnet 10.57.0.9/24; 28.5 refuses it.
    check(&seen, [&RECORDED[..], &["wipam 10.57.0.0/24"]].concat());
}

#[tokio::test]
async fn the_newest_engine_is_read() {
    let seen = Fake::start(recorded(NEW)).observe(Limits::default()).await.unwrap();
    check(&seen, RECORDED.to_vec());
}

#[tokio::test]
async fn containers_at_rest_hold_nothing_whatever_they_show() {
    let recorded = recorded(KILLED);
    let Says(_, containers) = &recorded["/v1.41/containers/json?all=1"] else { panic!("it says") };
    assert!(containers.contains(r#""IPAddress":"10.50.9.9""#), "a container shows what it had");
    let seen = Fake::start(recorded).observe(Limits::default()).await.unwrap();
    assert!(!lines(&seen).concat().contains("10.50.9.9"));
    // They keep their pools: by what they had, in networks of Docker's own, too.
    let at_rest = |text: &str| seen.at_rest.contains(&text.parse().unwrap());
    assert!(at_rest("10.50.9.9") && at_rest("10.52.0.2") && at_rest("fd52::2"), "they had it");
    assert!(at_rest("10.50.9.10") && at_rest("10.50.9.11") && at_rest("10.70.0.2"), "--ip");
    fails_with(CONTAINERS, r#""IPAMConfig":"#, r#""Config":"#, "missing field `IPAMConfig`").await;
    let odd = r#""IPv4Address":"10.50.9.010""#;
    fails_with(CONTAINERS, r#""IPv4Address":"10.50.9.10""#, odd, r#""10.50.9.010" is no a"#).await;
}

#[tokio::test]
async fn a_network_without_a_list_of_endpoints_has_others() {
    let path = inspection("shared1");
    let mut answers = recorded(NEW);
    let Says(_, text) = &answers[&path] else { panic!("it says") };
    let text = text.replace(r#""Containers":{}"#, r#""Containers":null"#);
    answers.insert(path, Says(200, text));
    let seen = Fake::start(answers).observe(Limits::default()).await.unwrap();
    let mut want = RECORDED;
    want[3] = "wipam 10.60.0.0/16 range 10.60.1.0/24 and others";
    check(&seen, want.to_vec());
}

#[tokio::test]
async fn a_network_without_a_config_leaves_its_subnets_open() {
    let path = inspection("shared1");
    let mut answers = recorded(NEW);
    let Says(_, text) = &answers[&path] else { panic!("it says") };
    let mut network: serde_json::Value = serde_json::from_str(text).unwrap();
    network["IPAM"]["Config"] = serde_json::Value::Null;
    answers.insert(path, Says(200, network.to_string()));
    let seen = Fake::start(answers).observe(Limits::default()).await.unwrap();
    let mut want = RECORDED;
    want[3] = "wipam";
    check(&seen, want.to_vec());
    assert_eq!(seen.open(), ["shared1"].into());
}

#[tokio::test]
async fn networks_of_dockers_own_drivers_show_their_subnets() {
    for recording in [OLD, NEW] {
        let seen = Fake::start(recorded(recording)).observe(Limits::default()).await.unwrap();
        let own: Vec<String> = seen.dockers_own.iter().map(ToString::to_string).collect();
        assert_eq!(
            own,
            ["10.0.0.0/24", "10.0.1.0/24", "10.70.0.0/24", "10.81.0.0/24", "172.18.0.0/16"]
        );
    }
}

#[tokio::test]
async fn several_engines_are_one_observation_and_fail_together() {
    let (old, new) = (Fake::start(recorded(OLD)), Fake::start(recorded(NEW)));
    let sockets = vec![old.socket(), new.socket()];
    let seen = DockerEngines::new(sockets, Limits::default()).observe().await.unwrap();
    assert_eq!(seen.networks.len(), 2 * RECORDED.len() + 1);

    let missing = old.directory.path().join("missing.sock");
    let sockets = vec![old.socket(), missing.clone()];
    let error = DockerEngines::new(sockets, Limits::default()).observe().await.unwrap_err();
    assert_eq!(error.socket, missing);
    let error = DockerEngines::new(vec![], Limits::default()).observe().await.unwrap_err();
    assert_eq!(error.source().unwrap().to_string(), "no engine to ask");
}

/// Reads the recorded engine with one answer changed.
async fn fails(path: &str, answer: Answer, want: &str) {
    let mut answers = recorded(NEW);
    assert!(answers.insert(path.to_owned(), answer).is_some(), "{path} is asked");
    let fake = Fake::start(answers);
    let error = fake.observe(Limits::default()).await.unwrap_err();
    let start = format!("{}: GET {path}: ", fake.socket().display());
    let text = with_causes(&error);
    assert!(text.starts_with(&start) && text[start.len()..].contains(want), "{text}");
}

/// The path of the network that a container is looked up in.
fn inspection(name: &str) -> String {
    let is_it = |answer: &Answer| {
        matches!(answer, Says(_, text) if text.starts_with('{')
            && text.contains(&format!(r#""Name":"{name}""#)) && text.contains(r#""IPAM""#))
    };
    recorded(NEW).into_iter().find(|(_, answer)| is_it(answer)).unwrap().0
}

const NETWORKS: &str = "/v1.51/networks";
const INFO: &str = "/v1.51/info";
const CONTAINERS: &str = "/v1.51/containers/json?all=1";

#[tokio::test(start_paused = true)]
async fn whatever_fails_fails_the_observation_and_is_named() {
    for path in ["/version", CONTAINERS, INFO, NETWORKS, &inspection("full")] {
        let refused = r#"{"message":"no"}"#.to_owned();
        fails(path, Says(500, refused), r#"answered 500: {"message":"no"}"#).await;
        fails(path, Says(200, "<html>".to_owned()), "cannot be read: expected value").await;
        fails(path, Says(200, String::new()), "cannot be read: EOF").await;
        fails(path, Says(200, "{}".to_owned()), "an answer that cannot be read").await;
        fails(path, Says(204, String::new()), "answered 204").await;
        fails(path, Breaks, "the exchange failed").await;
        fails(path, Hangs, "no answer within 30s").await;
    }
}

/// Changes one text in what a path is answered with.
async fn fails_with(path: &str, from: &str, to: &str, want: &str) {
    let Says(_, text) = &recorded(NEW)[path] else { panic!("it says") };
    assert!(text.contains(from), "{from} is not in {text}");
    fails(path, Says(200, text.replace(from, to)), want).await;
}

#[tokio::test]
async fn an_answer_of_another_shape_is_not_taken_for_an_empty_one() {
    let full = &inspection("full");
    fails_with(full, r#""Containers":"#, r#""Endpoints":"#, "missing field `Containers`").await;
    fails_with(full, r#""IPv4Address":"#, r#""IPv4":"#, "missing field `IPv4Address`").await;
    fails_with(full, "10.50.9.9/16", "nonsense", r#""full": "nonsense" is no address"#).await;
    fails_with(full, "10.50.0.0/16", "", r#""full": "" is no subnet"#).await;
    fails_with(full, r#""Config":"#, r#""Configs":"#, "missing field `Config`").await;
    fails_with(CONTAINERS, r#""State":"#, r#""Status":"#, "field `State").await;
    fails_with(CONTAINERS, r#""Networks":"#, r#""Nets":"#, "missing field `Networks`").await;
    fails_with(CONTAINERS, r#""IPAddress":"#, r#""IP":"#, "missing field `IPAddress`").await;
    fails_with(NETWORKS, r#""Scope":"#, r#""Of":"#, "missing field `Scope`").await;
    fails_with(INFO, r#""ControlAvailable":"#, r#""Control":"#, "missing field `ControlA").await;
    fails_with("/version", r#"MinAPIVersion":"1.24""#, r#"MinAPIVersion":"1.52""#, "1.52").await;
    fails_with("/version", r#"ApiVersion":"1.51""#, r#"ApiVersion":"1.40""#, "1.40").await;
    fails_with("/version", r#"ApiVersion":"1.51""#, r#"ApiVersion":"new""#, "new").await;
}

#[tokio::test]
async fn ids_that_are_none_lead_nowhere() {
    let full = inspection("full");
    let id = full.trim_start_matches("/v1.51/networks/").trim_end_matches("?verbose=true");
    fails_with(NETWORKS, id, "../containers/prune", "a network with the id").await;
}

#[tokio::test(start_paused = true)]
async fn everything_is_bounded() {
    let limited = |change: fn(&mut Limits)| async move {
        let mut limits = Limits::default();
        change(&mut limits);
        let error = Fake::start(recorded(NEW)).observe(limits).await.unwrap_err();
        error.source().unwrap().to_string()
    };
    assert_eq!(limited(|limits| limits.answer_max_bytes = 2000).await, "more than 2000 bytes");
    assert_eq!(limited(|limits| limits.networks_max = 3).await, "more than 3 networks");
    assert_eq!(limited(|limits| limits.containers_max = 3).await, "more than 3 containers");
    assert_eq!(limited(|limits| limits.addresses_max = 3).await, "more than 3 addresses");
    let mut answers = recorded(NEW);
    answers.insert("/version".to_owned(), Hangs);
    let mut limits = Limits::default();
    (limits.engine_timeout, limits.answer_timeout) = (limits.answer_timeout, limits.engine_timeout);
    let error = Fake::start(answers).observe(limits).await.unwrap_err();
    assert!(with_causes(&error).ends_with("docker.sock: all of it: no answer within 30s"));
}

#[tokio::test]
async fn a_network_that_vanishes_is_looked_for_again() {
    let full = inspection("full");
    let mut answers = recorded(NEW);
    let Says(_, list) = &answers[NETWORKS] else { panic!("it says") };
    let mut list: Vec<serde_json::Value> = serde_json::from_str(list).unwrap();
    list.retain(|network| network["Name"] != "full");
    answers.insert(full.clone(), Vanishes(serde_json::Value::from(list).to_string()));
    let seen = Fake::start(answers).observe(Limits::default()).await.unwrap();
    // Its containers still have their addresses.
    check(&seen, [&RECORDED[1..], &["anywhere 10.50.5.0", "anywhere 10.50.9.9"]].concat());

    // It is in the list for ever, and cannot be inspected.
    let mut answers = recorded(NEW);
    answers.remove(&full);
    let error = Fake::start(answers).observe(Limits::default()).await.unwrap_err();
    assert!(
        with_causes(&error).ends_with("GET /networks: networks vanish while they are looked at")
    );
}

#[tokio::test]
async fn an_engine_that_is_cut_off_in_an_answer_was_not_read() {
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("docker.sock");
    let listener = UnixListener::bind(&socket).unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let half = b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n[]";
            stream.write_all(half).await.unwrap();
        }
    });
    let mut engines = DockerEngines::new(vec![socket], Limits::default());
    let error = engines.observe().await.unwrap_err();
    assert!(
        with_causes(&error).contains("GET /version: the exchange failed"),
        "{}",
        with_causes(&error)
    );
}
