//! Requests and answers as text, so that recorded behaviour can be read and compared.
//!
//! One line is one request and its answer, after `->`, or `=>` where it is not the
//! reference's; `! text` is an error. Lines that begin with `#` say something to the
//! reader.
//!
//! - `fresh BASE:SIZE...`: a new allocator with those local pools; those of a Docker
//!   engine without any, and none with `none`;
//! - `pool SPACE PREFIX|any [sub=PREFIX] [v6] [not=PREFIX]... -> ID`;
//! - `release-pool ID -> ok`;
//! - `address ID [ADDRESS] [serial] -> ADDRESS/LENGTH`;
//! - `release ID ADDRESS -> ok`;
//! - `status ID -> IN-USE AVAILABLE`;
//! - `fill ID [serial] -> COUNT FIRST LAST full|more`: at most 300 addresses.

use ipam_allocator::{
    Allocator, Choice, Error, Family, Predefined, global_predefined, local_predefined,
};
use ipnet::IpNet;

/// As many addresses as one `fill` requests.
const FILL_MAX: usize = 300;

/// Plays a transcript, from its first line to its last.
#[track_caller]
pub(crate) fn play(transcript: &str) {
    let mut allocator = engine();
    for line in transcript.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        if let Some(pools) = line.strip_prefix("fresh") {
            allocator = fresh(pools);
            continue;
        }
        let (request, want) = line.split_once(" -> ").or_else(|| line.split_once(" => ")).unwrap();
        let answer = ask(&mut allocator, &request.split(' ').collect::<Vec<_>>());
        let got = answer.unwrap_or_else(|error| format!("! {error}"));
        assert_eq!(got, want, "{line}");
    }
}

/// What a Docker engine has that is not configured.
fn engine() -> Allocator {
    let mut local = local_predefined();
    local.push(predefined("fd00:1:2::/48:64"));
    Allocator::new(local, global_predefined()).unwrap()
}

fn fresh(pools: &str) -> Allocator {
    match pools.trim() {
        "" => engine(),
        "none" => Allocator::new(vec![], vec![]).unwrap(),
        pools => {
            let local = pools.split(' ').map(predefined).collect();
            Allocator::new(local, global_predefined()).unwrap()
        }
    }
}

/// `BASE:SIZE`.
pub(crate) fn predefined(text: &str) -> Predefined {
    let (base, size) = text.rsplit_once(':').unwrap();
    Predefined { base: base.parse().unwrap(), size: size.parse().unwrap() }
}

fn ask(allocator: &mut Allocator, request: &[&str]) -> Result<String, Error> {
    let unquoted = request[1].trim_matches('"');
    let address = || request.get(2)?.parse().ok();
    let serial = request.contains(&"serial");
    match request[0] {
        "pool" => {
            let exclude: Vec<_> = keyed(request, "not=").collect();
            let pool = allocator.request_pool(unquoted, choice(request), &exclude)?;
            assert!(pool.id.starts_with(&format!("{unquoted}/{}", pool.prefix)));
            Ok(pool.id)
        }
        "release-pool" => allocator.release_pool(unquoted).map(|()| "ok".to_owned()),
        "address" => {
            let address = allocator.request_address(unquoted, address(), serial)?;
            Ok(address.to_string())
        }
        "release" => {
            let address = address().expect("an address to release");
            allocator.release_address(unquoted, address).map(|()| "ok".to_owned())
        }
        "status" => {
            let status = allocator.status(unquoted)?;
            Ok(format!("{} {}", status.ips_in_use, status.dynamic_ips_available))
        }
        "fill" => {
            let mut filled = vec![];
            let end = loop {
                if filled.len() == FILL_MAX {
                    break "more";
                }
                match allocator.request_address(unquoted, None, serial) {
                    Ok(address) => filled.push(address.to_string()),
                    Err(Error::NoAvailableIps) => break "full",
                    Err(error) => return Err(error),
                }
            };
            let [first, last] =
                [filled.first(), filled.last()].map(|end| end.map_or("-", |end| end));
            Ok(format!("{} {first} {last} {end}", filled.len()))
        }
        request => panic!("unknown request {request:?}"),
    }
}

/// The choice that a `pool` line means.
pub(crate) fn choice(request: &[&str]) -> Choice {
    let family = if request.contains(&"v6") { Family::V6 } else { Family::V4 };
    match request[2].split_once('/') {
        None => Choice::Automatic(family),
        Some(("0.0.0.0" | "::", len)) => Choice::Sized(family, len.parse().unwrap()),
        Some(_) => Choice::Exact {
            pool: request[2].parse().unwrap(),
            sub_pool: keyed(request, "sub=").next(),
        },
    }
}

/// The prefixes that follow `key`.
fn keyed<'a>(request: &'a [&str], key: &'a str) -> impl Iterator<Item = IpNet> + 'a {
    request.iter().filter_map(move |word| word.strip_prefix(key)).map(|text| text.parse().unwrap())
}
