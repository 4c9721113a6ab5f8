//! Conversations with a driver through its plugin socket, as text.
//!
//! `> CALL BODY` is a request of Docker's, `< STATUS BODY` its answer, and
//! every other line is for the reader. In a script that has them, `$name` is
//! the driver's name, and `$1`, `$2` and so on are the pool ids in the order in
//! which they were first granted, so that one script fits many drivers.

use crate::http::Client;
use std::fmt::Write;

/// Asks what a script asks, and returns it with the answers that came.
///
/// # Panics
/// When the connection ends before an answer does.
#[must_use]
pub fn play(client: &mut Client, name: &str, script: &str) -> String {
    let ids_are_named = script.contains("$1");
    let mut ids: Vec<String> = Vec::new();
    let mut played = String::new();
    for line in script.lines().filter(|line| !line.starts_with("< ")) {
        let _ = writeln!(played, "{line}");
        let Some(request) = line.strip_prefix("> ") else { continue };
        let (call, body) = request.split_once(' ').unwrap_or((request, ""));
        let mut body = body.replace("$name", name);
        for (number, id) in ids.iter().enumerate() {
            body = body.replace(&named(number), &member(id));
        }
        let answer = client.post(&format!("/IpamDriver.{call}"), &body).expect("it answers");
        let mut text = answer.body.to_string();
        if script.contains("$name") {
            text = text.replace(&format!("\"{name}\""), "\"$name\"");
        }
        if let (true, Some(id)) = (ids_are_named, answer.body["PoolID"].as_str()) {
            let known = ids.iter().position(|other| other == id);
            let number = known.unwrap_or_else(|| {
                ids.push(id.to_owned());
                ids.len() - 1
            });
            text = text.replace(&member(id), &named(number));
        }
        let _ = writeln!(played, "< {} {text}", answer.status);
    }
    played
}

fn named(number: usize) -> String {
    member(&format!("${}", number + 1))
}

fn member(id: &str) -> String {
    format!("\"PoolID\":\"{id}\"")
}
