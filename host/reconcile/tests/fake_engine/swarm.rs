//! The two nodes of a swarm, and what they do not tell.

use super::{Answer::Breaks, Answer::Says, Answers, Fake, MANAGER, WORKER, lines, recorded};
use ipam_api::with_causes;
use ipam_reconcile::{
    DockerEngines, Engines, GrantedBy, Held, HeldLease, HeldPool, Limits, Observation, Space,
    compare,
};
use std::error::Error;

const TASKS: &str = "/v1.41/tasks?filters=%7B%22runtime%22%3A%5B%22container%22%2C%22%22\
    %2C%22plugin%22%2C%22attachment%22%5D%7D";
const SERVICES: &str = "/v1.41/services";
const NODES: &str = "/v1.41/nodes";
const OLD_INFO: &str = "/v1.41/info";

/// The recorded manager with one text changed, or another answer.
fn manager_with(path: &str, from: &str, to: &str) -> Answers {
    let mut answers = recorded(MANAGER);
    let Says(_, text) = &answers[path] else { panic!("it says") };
    assert!(text.contains(from), "{from} is not in {text}");
    answers.insert(path.to_owned(), Says(200, text.replace(from, to)));
    answers
}

/// The manager as it would be without the other node.
fn alone() -> Answers {
    let mut answers = recorded(MANAGER);
    let Says(_, text) = &answers[NODES] else { panic!("it says") };
    let mut nodes: Vec<serde_json::Value> = serde_json::from_str(text).unwrap();
    nodes.retain(|node| node["Spec"]["Role"] == "manager");
    answers.insert(NODES.to_owned(), Says(200, serde_json::Value::from(nodes).to_string()));
    answers
}

async fn read(answers: Answers) -> Observation {
    Fake::start(answers).observe(Limits::default()).await.unwrap()
}

/// The swarm's networks in which nobody has an address that is not shown.
fn whole(seen: &Observation) -> Vec<String> {
    let whole = seen.networks.iter().filter(|network| network.shows_all_of_swarm);
    whole.map(|network| network.subnets[0].prefix.to_string()).collect()
}

#[tokio::test]
async fn a_manager_knows_what_services_and_tasks_have_anywhere() {
    let seen = read(recorded(MANAGER)).await;
    assert_eq!(seen.swarms.why_unknown(), None);
    assert_eq!((seen.swarms.members.len(), seen.swarms.nodes.len()), (1, 2));
    let mut lines = lines(&seen);
    lines.sort_unstable();
    // Services have .2 and .6, tasks .3 to .5 and .7, which has ended, and .10,
    // a container of the other node that was attached by `docker run`. That
    // node's load balancer has .8, and nothing here says so.
    let want = [
        "anywhere 10.92.0.10",
        "anywhere 10.92.0.2",
        "anywhere 10.92.0.3",
        "anywhere 10.92.0.4",
        "anywhere 10.92.0.5",
        "anywhere 10.92.0.6",
        "anywhere 10.92.0.7",
        "wipam-managed:1 10.0.0.0/24 keeps 10.0.0.1 and others",
        "wipam-managed:1 10.92.0.0/24 keeps 10.92.0.1 10.92.0.2 10.92.0.3 10.92.0.4 10.92.0.5 \
         10.92.0.9 10.92.0.10",
        "wipam-managed:1 10.93.0.0/24 range 10.93.0.128/25 keeps 10.93.0.128 and others",
    ];
    assert_eq!(lines, want);
    assert_eq!(whole(&seen), [""; 0]);
    // Alone, it shows the load balancer of the network that it has a part in.
    assert_eq!(whole(&read(alone()).await), ["10.92.0.0/24"]);
    let mut without = alone();
    for answer in without.values_mut() {
        let Says(_, text) = answer else { continue };
        *text = text.replace("lb-wnet", "sandbox");
    }
    assert_eq!(whole(&read(without).await), [""; 0]);
}

/// A stale pool of the global space with stale leases.
fn stale(prefix: &str, leases: &[&str]) -> HeldPool {
    let lease = |address: &&str| HeldLease {
        address: address.parse().unwrap(),
        generation: 2,
        is_gateway: false,
        granted_by: GrantedBy::Docker,
        is_stale: true,
    };
    HeldPool {
        pool_id: prefix.try_into().unwrap(),
        prefix: prefix.parse().unwrap(),
        sub_pool: None,
        generation: 1,
        newest: 2,
        granted_by: GrantedBy::Docker,
        space: Space::Global,
        is_stale: true,
        leases: leases.iter().map(lease).collect(),
    }
}

#[tokio::test]
async fn what_a_former_leader_left_is_found_by_what_a_manager_shows() {
    // Of the live network .7 was a task's that ended and is still listed, .8 is
    // the other node's load balancer, and nobody has .55.
    let pools = vec![
        stale("10.92.0.0/24", &["10.92.0.3", "10.92.0.7", "10.92.0.8", "10.92.0.55"]),
        stale("10.93.0.0/24", &["10.93.0.200"]),
        stale("10.99.0.0/24", &["10.99.0.1", "10.99.0.2"]),
    ];
    let held = [Held { driver: "wipam-managed:1".to_owned(), pools }];
    let found = |seen: &Observation| -> Vec<String> {
        let unknown = compare(&held, seen);
        unknown.addresses.iter().chain(&unknown.pools).map(ToString::to_string).collect()
    };
    let pool = "wipam-managed:1: pool 10.99.0.0/24 with 2 addresses, generation 1";
    assert_eq!(found(&read(recorded(MANAGER)).await), [pool]);
    // With one node there is no other load balancer.
    let address =
        |host| format!("wipam-managed:1: address 10.92.0.{host} of 10.92.0.0/24, generation 2");
    assert_eq!(found(&read(alone()).await), [&address(8), &address(55), pool]);
    assert_eq!(found(&read(recorded(WORKER)).await), [""; 0]);
    // Networks that engines share without a swarm show their own endpoints alone.
    let mut shared = alone();
    for answer in shared.values_mut() {
        let Says(_, text) = answer else { continue };
        if text.starts_with('{') && text.contains("lb-wnet") {
            *text = text.replace(r#""Scope":"swarm""#, r#""Scope":"global""#);
        }
    }
    assert_eq!(found(&read(shared).await), [pool]);
    let short = manager_with("/v1.41/networks", r#""Containers":null"#, r#""Containers":{}"#);
    assert_eq!(found(&read(short).await), [""; 0]);
}

#[tokio::test]
async fn a_worker_knows_nothing_of_its_swarm_without_a_manager() {
    let (manager, worker) = (Fake::start(recorded(MANAGER)), Fake::start(recorded(WORKER)));
    let seen = worker.observe(Limits::default()).await.unwrap();
    let why = seen.swarms.why_unknown().unwrap();
    assert_eq!(why, "none of these engines is a manager of a swarm");
    assert_eq!(whole(&seen), [""; 0]);
    let both = |sockets| DockerEngines::new(sockets, Limits::default());
    let seen = both(vec![worker.socket(), manager.socket()]).observe().await.unwrap();
    assert_eq!(seen.swarms.why_unknown(), None);
    // The worker of another swarm.
    let node = seen.swarms.nodes.iter().find(|it| recorded_text(WORKER).contains(*it)).unwrap();
    let Says(_, text) = &recorded(WORKER)[OLD_INFO] else { panic!("it says") };
    let mut answers = recorded(WORKER);
    let text = text.replace(&**node, "anothernodeofanotherswarm");
    answers.insert(OLD_INFO.to_owned(), Says(200, text));
    let other = Fake::start(answers);
    let seen = both(vec![other.socket(), manager.socket()]).observe().await.unwrap();
    let why = seen.swarms.why_unknown().unwrap();
    assert_eq!(why, "one of these engines is in a swarm of which none of them is a manager");
}

fn recorded_text(json: &str) -> String {
    let Says(_, text) = &recorded(json)[OLD_INFO] else { panic!("it says") };
    text.clone()
}

#[tokio::test]
async fn an_engine_that_does_not_tell_all_of_its_swarm_leaves_it_unknown() {
    let unclear = "one of these engines does not tell all of its swarm";
    // Observed when half of two managers were stopped: `GET /networks` answers
    // 200, with the networks that this node has a part in and `{}` for
    // endpoints; `GET /services` answers 500, and is not asked.
    let lost = r#""Error":"rpc error: code = Unknown desc = The swarm does not have a leader.""#;
    let mut answers = manager_with(OLD_INFO, r#""Error":"""#, lost);
    answers.insert(SERVICES.to_owned(), Says(500, String::new()));
    assert_eq!(read(answers).await.swarms.why_unknown(), Some(unclear));
    // It was lost between two questions.
    let short = manager_with("/v1.41/networks", r#""Containers":null"#, r#""Containers":{}"#);
    assert_eq!(read(short).await.swarms.why_unknown(), Some(unclear));
    let none = manager_with("/v1.41/networks", r#""Containers":null,"#, "");
    assert_eq!(read(none).await.swarms.why_unknown(), Some(unclear));
    for state in ["locked", "pending", "error"] {
        let state = format!(r#""LocalNodeState":"{state}""#);
        let answers = manager_with(OLD_INFO, r#""LocalNodeState":"active""#, &state);
        assert_eq!(read(answers).await.swarms.why_unknown(), Some(unclear));
    }
}

#[tokio::test]
async fn a_manager_that_fails_in_an_answer_fails_the_observation() {
    for path in [SERVICES, TASKS, NODES] {
        for (answer, want) in [
            (Says(500, "rpc error".to_owned()), "answered 500: rpc error"),
            (Says(503, "no manager".to_owned()), "answered 503: no manager"),
            (Says(200, "null".to_owned()), "cannot be read: invalid type: null"),
            (Says(200, "[{}]".to_owned()), "cannot be read: missing field `ID`"),
            (Breaks, "the exchange failed"),
        ] {
            let mut answers = recorded(MANAGER);
            assert!(answers.insert(path.to_owned(), answer).is_some(), "{path} is asked");
            let error = Fake::start(answers).observe(Limits::default()).await.unwrap_err();
            let text = with_causes(&error);
            assert!(text.contains(&format!("GET {path}: ")) && text.contains(want), "{text}");
        }
    }
    for (path, from, to, want) in [
        (SERVICES, "10.92.0.2/24", "nonsense", r#"": "nonsense" is no address"#),
        (SERVICES, r#""Endpoint":"#, r#""Endpoints":"#, "missing field `Endpoint`"),
        (TASKS, "10.92.0.3/24", "10.92.0.03/24", r#": "10.92.0.03/24" is no address"#),
    ] {
        let answers = manager_with(path, from, to);
        let error = Fake::start(answers).observe(Limits::default()).await.unwrap_err();
        let text = with_causes(&error);
        assert!(text.contains(&format!("GET {path}: ")) && text.contains(want), "{text}");
    }
    let limited = |change: fn(&mut Limits)| async move {
        let mut limits = Limits::default();
        change(&mut limits);
        let error = Fake::start(recorded(MANAGER)).observe(limits).await.unwrap_err();
        error.source().unwrap().to_string()
    };
    // Two containers and nodes, three services, five tasks with 7 addresses.
    assert_eq!(limited(|limits| limits.containers_max = 2).await, "more than 2 services");
    assert_eq!(limited(|limits| limits.containers_max = 4).await, "more than 4 tasks");
    assert_eq!(limited(|limits| limits.addresses_max = 6).await, "more than 6 addresses");
}
