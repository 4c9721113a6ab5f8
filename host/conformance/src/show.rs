//! Questions and answers as a report shows them, in the suite's own form: one
//! line, escaped and bounded.

use ipam_api::{
    AddressGrant, AddressRequest, Answer, Error, Family, Options, PoolChoice, PoolGrant,
    PoolRequest, Request,
};

/// How much of one text of a driver is shown, in bytes.
const TEXT_MAX_BYTES: usize = 200;

/// A text of a driver.
pub(crate) fn quoted(text: &str) -> String {
    ipam_api::text::quoted(TEXT_MAX_BYTES, text)
}

fn family(family: Family) -> &'static str {
    match family {
        Family::Ipv4 => "ipv4",
        Family::Ipv6 => "ipv6",
    }
}

fn options(options: &Options) -> String {
    let pairs = options.iter().take(4);
    pairs.map(|(key, value)| format!(", {}={}", quoted(key), quoted(value))).collect()
}

/// A question.
pub(crate) fn request(request: &Request) -> String {
    match request {
        Request::Pool(PoolRequest { address_space, pool, sub_pool, options: words, .. }) => {
            let pool = match pool {
                PoolChoice::Automatic(of) => format!("automatic({})", family(*of)),
                PoolChoice::Sized(of, length) => format!("sized({}, {length})", family(*of)),
                PoolChoice::Exact(prefix) => format!("exact({prefix})"),
            };
            let sub_pool = sub_pool.map(|it| format!(", sub-pool {it}")).unwrap_or_default();
            format!("request-pool({}, {pool}{sub_pool}{})", quoted(address_space), options(words))
        }
        Request::ReleasePool(id) => format!("release-pool({})", quoted(id.as_str())),
        Request::Address(AddressRequest { pool_id, address, options: words }) => {
            let address = address.map_or_else(|| "any".to_owned(), |it| it.to_string());
            format!("request-address({}, {address}{})", quoted(pool_id.as_str()), options(words))
        }
        Request::ReleaseAddress(id, address) => {
            format!("release-address({}, {address})", quoted(id.as_str()))
        }
        Request::Status(id) => format!("pool-status({})", quoted(id.as_str())),
        Request::TakeBack { .. } | Request::Records(_) => "no question to a driver".to_owned(),
    }
}

/// An answer.
pub(crate) fn answer(answer: &Result<Answer, Error>) -> String {
    match answer {
        Ok(Answer::Pool(PoolGrant { pool_id, pool, data })) => {
            format!("{} {pool}{}", quoted(pool_id.as_str()), options(data))
        }
        Ok(Answer::Address(AddressGrant { address, data })) => {
            let address = address.map_or_else(|| "no address".to_owned(), |it| it.to_string());
            format!("{address}{}", options(data))
        }
        Ok(Answer::Released) => "ok".to_owned(),
        Ok(Answer::Status(status)) => {
            format!("{} in use, {} available", status.ips_in_use, status.dynamic_ips_available)
        }
        Ok(Answer::Records(_)) => "no answer of a driver".to_owned(),
        Err(error) => {
            let name = kebab(&format!("{:?}", error.code()));
            format!("refused, {name} {}", quoted(&error.to_string()))
        }
    }
}

/// A name as the WIT has it: `Other(NotFound)` is `other(not-found)`.
fn kebab(name: &str) -> String {
    let mut text = String::new();
    for letter in name.chars() {
        if letter.is_uppercase() && !text.is_empty() && !text.ends_with('(') {
            text.push('-');
        }
        text.extend(letter.to_lowercase());
    }
    text
}

/// Both.
pub(crate) fn exchange(asked: &Request, answered: &Result<Answer, Error>) -> String {
    format!("{} -> {}", request(asked), answer(answered))
}
