//! The protocol's messages, from the client's side.

use ipam_api::{Capability, Code, Error, Failure, Kind, Options, text::bounded};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::collections::BTreeMap;

/// How much of a plugin's text is shown, in bytes.
const TEXT_MAX_BYTES: usize = 200;

#[derive(Serialize, Deserialize)]
pub(super) struct Nothing {}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Activation {
    #[serde(default)]
    pub(super) implements: Option<Vec<String>>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct RequestPool<'a> {
    pub(super) address_space: &'a str,
    pub(super) pool: String,
    pub(super) sub_pool: String,
    pub(super) options: Option<&'a Options>,
    pub(super) v6: bool,
}

#[derive(Serialize)]
pub(super) struct ReleasePool<'a> {
    #[serde(rename = "PoolID")]
    pub(super) pool_id: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct RequestAddress<'a> {
    #[serde(rename = "PoolID")]
    pub(super) pool_id: &'a str,
    pub(super) address: String,
    pub(super) options: Option<&'a Options>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ReleaseAddress<'a> {
    #[serde(rename = "PoolID")]
    pub(super) pool_id: &'a str,
    pub(super) address: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", default)]
#[derive(Default)]
pub(super) struct Spaces {
    pub(super) local_default_address_space: String,
    pub(super) global_default_address_space: String,
}

#[derive(Deserialize)]
pub(super) struct Capabilities {
    #[serde(rename = "RequiresMACAddress", default)]
    requires_mac_address: bool,
    #[serde(rename = "RequiresRequestReplay", default)]
    requires_request_replay: bool,
}

impl From<Capabilities> for Capability {
    fn from(answer: Capabilities) -> Self {
        let Capabilities { requires_mac_address, requires_request_replay } = answer;
        Self { requires_mac_address, requires_request_replay }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct PoolAnswer {
    #[serde(rename = "PoolID", default)]
    pub(super) pool_id: String,
    #[serde(default)]
    pub(super) pool: String,
    pub(super) data: Option<BTreeMap<String, String>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct AddressAnswer {
    #[serde(default)]
    pub(super) address: String,
    pub(super) data: Option<BTreeMap<String, String>>,
}

/// Both names that refusals have: libnetwork reads `Error`, the plugin client
/// below it `Err`.
#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct Refusal {
    error: Option<String>,
    err: Option<String>,
}

/// The answer, or the refusal: any status but 200, and an error in a 200.
pub(super) fn read<T: DeserializeOwned>(
    method: &str,
    status: u16,
    body: &[u8],
) -> Result<T, Failure> {
    let refusal: Option<Refusal> = serde_json::from_slice(body).ok();
    let is_text = |text: &String| !text.is_empty();
    let text = refusal.and_then(|it| it.error.filter(is_text).or(it.err.filter(is_text)));
    match (status, text) {
        (200, None) => serde_json::from_slice(body).map_err(|error| {
            Failure::broken(format!("{method}: answered what cannot be read: {error}"))
        }),
        (200, Some(text)) => Err(refused(Kind::Internal, &text)),
        (status, text) => {
            let text = text.unwrap_or_else(|| String::from_utf8_lossy(body).trim().to_owned());
            let text = if text.is_empty() { format!("HTTP {status}") } else { text };
            Err(refused(kind(status), &text))
        }
    }
}

fn kind(status: u16) -> Kind {
    match status {
        400 => Kind::BadRequest,
        403 | 409 => Kind::Forbidden,
        404 => Kind::NotFound,
        405 | 501 => Kind::NotImplemented,
        503 => Kind::Unavailable,
        _ => Kind::Internal,
    }
}

/// The contract's name for its own words, in whatever case.
fn refused(kind: Kind, text: &str) -> Failure {
    let named = [
        Code::InvalidAddressSpace,
        Code::InvalidPool,
        Code::InvalidSubPool,
        Code::PoolNotFound,
        Code::OverlapPool,
        Code::NoAvailablePool,
        Code::NoAvailableIps,
        Code::NoIpReturned,
        Code::IpAlreadyAllocated,
        Code::IpOutOfRange,
        Code::PoolOverlap,
        Code::BadPool,
        Code::NoMoreSubnets,
    ];
    let code = named.into_iter().find(|code| code.text().eq_ignore_ascii_case(text.trim()));
    Error::new(code.unwrap_or(Code::Other(kind)), bounded(TEXT_MAX_BYTES, text)).into()
}

/// A plugin's text, which may be long, within another.
pub(super) fn quoted(text: &str) -> String {
    ipam_api::text::quoted(TEXT_MAX_BYTES, text)
}

#[cfg(test)]
mod tests {
    use super::{AddressAnswer, Nothing, read};
    use ipam_api::{Code, Failure, Kind};

    #[track_caller]
    fn refuses(status: u16, body: &str, code: Code, text: &str) {
        match read::<Nothing>("M", status, body.as_bytes()) {
            Err(Failure::Refused(error)) => {
                assert_eq!((error.code(), &*error.to_string()), (code, text), "{body}");
            }
            Err(failure) => panic!("{body}: {failure}"),
            Ok(_) => panic!("{body} is no refusal"),
        }
    }

    #[test]
    fn a_refusal_is_a_status_or_a_text() {
        refuses(
            403,
            r#"{"Err":"Address already in use"}"#,
            Code::IpAlreadyAllocated,
            "Address already in use",
        );
        refuses(200, r#"{"Error":"no"}"#, Code::Other(Kind::Internal), "no");
        refuses(404, "404 page not found\n", Code::Other(Kind::NotFound), "404 page not found");
        refuses(500, "", Code::Other(Kind::Internal), "HTTP 500");
        refuses(400, r#"{"Err":"\u001b[2J"}"#, Code::Other(Kind::BadRequest), r"\u{1b}[2J");
    }

    #[test]
    fn an_answer_that_cannot_be_read_breaks_the_plugin() {
        for body in ["", "[1]", r#"{"Address":7}"#] {
            let answer = read::<AddressAnswer>("M", 200, body.as_bytes());
            assert!(matches!(answer, Err(Failure::Broken { .. })), "{body}");
        }
        let answer = read::<AddressAnswer>("M", 200, br#"{"Address":"10.0.0.1/8","Data":null}"#);
        assert_eq!(answer.map(|it| it.address).ok().as_deref(), Some("10.0.0.1/8"));
    }
}
