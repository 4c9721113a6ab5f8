//! A built-in driver that is idle serves addresses on the thread that asks;
//! nobody else's does, and nothing else is.

use super::lab::{
    FlakyStore, Lab, REPLAYED, Twist, host, lease, limits, pool, release, shown, trap,
};
use crate::{Limits, Origin};
use ipam_api::{Failure, Kind, Request, Served};
use ipam_ledger::MemoryStore;
use std::{
    sync::mpsc,
    thread::{self, ThreadId},
};

const POOL: &str = "10.0.0.0/24";

fn lab(origin: Origin) -> Lab {
    let lab = Lab::of(origin, Box::new(MemoryStore::default()), REPLAYED, limits());
    lab.ask(pool(POOL)).unwrap();
    lab
}

/// Where a request was answered, and how.
fn answered_on(lab: &Lab, request: Request) -> (ThreadId, Result<String, Kind>) {
    let (sender, receiver) = mpsc::channel();
    let reply = move |answer: Result<Served, Failure>| {
        let answer = answer.map(|served| shown(&served.answer));
        let answer = answer.map_err(|failure| failure.contract().kind());
        let _ = sender.send((thread::current().id(), answer));
    };
    lab.mount.submit(request, Box::new(reply));
    receiver.recv().unwrap()
}

/// Whether it is answered here before many others were. The driver's thread
/// may be on its way to sleep the first times.
fn is_served_here(lab: &Lab, request: impl Fn() -> Request) -> bool {
    let me = thread::current().id();
    (0..1000).any(|_| answered_on(lab, request()).0 == me)
}

#[test]
fn addresses_of_a_built_in_driver() {
    let lab = lab(Origin::BuiltIn);
    assert!(is_served_here(&lab, || release(POOL, "10.0.0.1")));
    lab.control.look();
    assert!(is_served_here(&lab, || lease(POOL)));
    assert_eq!(lab.control.look().last().unwrap(), "address any of 10.0.0.0/24");
}

#[test]
fn nothing_of_a_component() {
    let lab = lab(Origin::Component);
    assert!(!is_served_here(&lab, || release(POOL, "10.0.0.1")));
}

#[test]
fn nothing_that_may_take_long() {
    let lab = lab(Origin::BuiltIn);
    for _ in 0..100 {
        let (thread, answer) = answered_on(&lab, pool("10.1.0.0/16"));
        assert_ne!(thread, thread::current().id(), "{answer:?}");
    }
}

#[test]
fn a_trap_fails_its_request_and_the_rest_waits_for_the_next_instance() {
    let lab = lab(Origin::BuiltIn);
    let answers: Vec<_> = (0..3)
        .map(|_| mpsc::channel())
        .map(|(sender, receiver)| {
            let reply = move |answer: Result<Served, Failure>| {
                let _ = sender.send(answer.map(|served| shown(&served.answer)));
            };
            ((lease(POOL), Box::new(reply) as ipam_api::Reply), receiver)
        })
        .collect();
    let (mut batch, receivers): (Vec<_>, Vec<_>) = answers.into_iter().unzip();
    lab.control.twist(Twist::Address(Err(trap())));
    lab.mount.submit_all(&mut batch);
    let answers: Vec<_> = receivers
        .iter()
        .map(|answer| answer.recv().unwrap().map_err(|failure| failure.contract().kind()))
        .collect();
    assert_eq!(answers, [Err(Kind::Internal), Ok(host(1)), Ok(host(2))]);
}

#[test]
fn nothing_while_the_store_fails() {
    let store = FlakyStore::new(true);
    let fails = store.fails.clone();
    let lab = Lab::of(Origin::BuiltIn, Box::new(store), REPLAYED, limits());
    lab.ask(pool(POOL)).unwrap();
    fails.store(true, std::sync::atomic::Ordering::SeqCst);
    for _ in 0..3 {
        assert_eq!(lab.try_ask(lease(POOL)), Err(Kind::Unavailable));
    }
    fails.store(false, std::sync::atomic::Ordering::SeqCst);
    assert_eq!(lab.try_ask(lease(POOL)), Ok(host(1)), "nothing was leased meanwhile");
}

#[test]
fn no_more_at_once_than_a_batch() {
    let limits = Limits { batch_max: 1, ..limits() };
    let lab = Lab::of(Origin::BuiltIn, Box::new(MemoryStore::default()), REPLAYED, limits);
    lab.ask(pool(POOL)).unwrap();
    let (sender, receiver) = mpsc::channel();
    let mut batch: Vec<(Request, ipam_api::Reply)> = (0..2)
        .map(|_| {
            let sender = sender.clone();
            let reply = move |_| {
                let _ = sender.send(thread::current().id());
            };
            (lease(POOL), Box::new(reply) as ipam_api::Reply)
        })
        .collect();
    lab.mount.submit_all(&mut batch);
    for _ in 0..2 {
        assert_ne!(receiver.recv().unwrap(), thread::current().id());
    }
}
