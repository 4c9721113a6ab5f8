//! Questions and answers as a report shows them, in the suite's own form: one
//! line, escaped and bounded.

use ipam_api::{AddressGrant, Answer, Error, Options, PoolGrant, Request};

/// How much of one text of a driver is shown, in bytes.
const TEXT_MAX_BYTES: usize = 200;

/// A text of a driver.
pub(crate) fn quoted(text: &str) -> String {
    ipam_api::text::quoted(TEXT_MAX_BYTES, text)
}

fn options(options: &Options) -> String {
    let pairs = options.iter().take(4);
    pairs.map(|(key, value)| format!(", {}={}", quoted(key), quoted(value))).collect()
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
        Ok(Answer::Status(status)) => status.to_string(),
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
    format!("{asked} -> {}", answer(answered))
}
