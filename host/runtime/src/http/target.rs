//! Which requests are granted.
//!
//! What two programs could read in two ways is refused, whatever was granted:
//! whoever answers may be more generous than we are.

use crate::{UrlPrefix, grants::Origin};
use http::{Method, Uri};

/// What may be asked. Not `CONNECT`, which asks for a tunnel that could lead
/// anywhere, nor `TRACE`, which repeats what was sent; a method that a server
/// has of its own may mean anything.
const METHODS: [Method; 7] = [
    Method::GET,
    Method::HEAD,
    Method::OPTIONS,
    Method::POST,
    Method::PUT,
    Method::PATCH,
    Method::DELETE,
];

/// Whether a request by this method may have a body. In the others a server
/// may take what is no body for it as the next request ([RFC 9110], section
/// 9.3.1).
///
/// [RFC 9110]: https://www.rfc-editor.org/rfc/rfc9110#section-9.3.1
pub(super) fn has_body(method: &Method) -> bool {
    [Method::POST, Method::PUT, Method::PATCH, Method::DELETE].contains(method)
}

/// Whom a request may be sent to, if it was granted.
pub(super) fn granted<'a>(
    prefixes: &'a [UrlPrefix],
    method: &Method,
    uri: &Uri,
) -> Option<&'a Origin> {
    if !METHODS.contains(method) {
        return None;
    }
    let origin = Origin::parse(uri.scheme_str()?, uri.authority()?.as_str())?;
    let is_plain = |text: &str| text.bytes().all(|byte| byte.is_ascii_graphic());
    let path = uri.path();
    if !is_plain(path) || !uri.query().is_none_or(is_plain) || !is_plain_path(path) {
        return None;
    }
    let path = format!("{path}/");
    let is_granted =
        |prefix: &&UrlPrefix| prefix.origin == origin && path.starts_with(&prefix.path);
    prefixes.iter().find(is_granted).map(|prefix| &prefix.origin)
}

/// Whether the path goes down, segment by segment, and nowhere else.
fn is_plain_path(path: &str) -> bool {
    path.strip_prefix('/').is_some_and(|rest| rest.split('/').all(is_plain_segment))
}

/// Whether it is one segment, and not `..` or several, however often it is
/// decoded. Some servers leave out parameters (`..;x`) before they walk.
fn is_plain_segment(segment: &str) -> bool {
    let name = segment.split_once(';').map_or(segment, |(name, _)| name);
    if is_dots(name) || segment.contains(SEPARATORS) {
        return false;
    }
    if segment.chars().any(char::is_control) {
        return false;
    }
    match decoded(segment) {
        Some(decoded) if decoded.len() < segment.len() => is_plain_segment(&decoded),
        Some(_) => true,
        None => false,
    }
}

/// Whether a name is dots and blanks alone: `..` to those that leave out what
/// trails, as Windows does with both, and to those that read compatible
/// characters (Unicode's NFKC) as the ASCII ones.
fn is_dots(name: &str) -> bool {
    let is_dot = |character: char| {
        matches!(character, '.' | '\u{2024}'..='\u{2026}' | '\u{fe52}' | '\u{ff0e}')
    };
    name.contains(is_dot) && name.chars().all(|it| is_dot(it) || it.is_whitespace())
}

/// What ends a segment, to some.
const SEPARATORS: [char; 5] = ['/', '\\', '\u{fe68}', '\u{ff0f}', '\u{ff3c}'];

/// Decoded once; nothing if that gives no UTF-8, or there is no code to a `%`.
fn decoded(segment: &str) -> Option<String> {
    let mut pieces = segment.split('%');
    let mut bytes = pieces.next()?.as_bytes().to_vec();
    for piece in pieces {
        let code =
            piece.get(..2).filter(|code| code.bytes().all(|digit| digit.is_ascii_hexdigit()));
        bytes.push(u8::from_str_radix(code?, 16).ok()?);
        bytes.extend_from_slice(&piece.as_bytes()[2..]);
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::granted;
    use http::{Method, Uri};

    /// Whether it is granted `https://netbox.example/api` and
    /// `http://[::1]:8080/`.
    #[track_caller]
    fn check(url: &str, want: bool) {
        let prefixes = ["https://netbox.example/api", "http://[::1]:8080/"];
        let prefixes = prefixes.map(|prefix| prefix.parse().expect("a prefix"));
        let Ok(uri) = url.parse::<Uri>() else {
            assert!(!want, "{url} is no URL");
            return;
        };
        assert_eq!(granted(&prefixes, &Method::GET, &uri).is_some(), want, "{url}");
        for method in ["CONNECT", "TRACE", "PROPFIND", "get", "X"] {
            let method = method.parse().expect("a method");
            assert!(granted(&prefixes, &method, &uri).is_none(), "{method} {url}");
        }
    }

    #[test]
    fn what_is_below_a_prefix_is_granted() {
        for url in [
            "https://netbox.example/api",
            "https://netbox.example/api/",
            "https://netbox.example/api?x=../..",
            "https://netbox.example:443/api/ipam/prefixes/?limit=1",
            "https://NetBox.EXAMPLE/api/x",
            "https://netbox.example/api/a%20b;v=1/..c/c../.c./%20",
            "https://netbox.example/api/%C3%A4",
            "http://[::1]:8080/",
            "http://[::1]:8080",
        ] {
            check(url, true);
        }
    }

    #[test]
    fn what_is_beside_it_is_not() {
        for url in [
            "https://netbox.example/",
            "https://netbox.example/apis",
            "https://netbox.example/API/",
            "https://netbox.example//api/",
            "http://netbox.example/api/",
            "http://netbox.example:443/api/",
            "https://netbox.example:8443/api/",
            "https://netbox.example.:443/api/",
            "https://other.example/api/",
            "https://netbox.example@other.example/api/",
            "https://me@netbox.example/api/",
            "https://me:secret@netbox.example/api/",
            "https://netbox.example:/api/",
            "https://192.0.2.1/api/",
            "http://[0:0:0:0:0:0:0:1]:8080/",
            "http://127.0.0.1:8080/",
            "http://localhost:8080/",
            "ftp://netbox.example/api/",
            "/api/",
        ] {
            check(url, false);
        }
    }

    #[test]
    fn what_could_be_read_in_two_ways_is_not() {
        for path in [
            "..",
            "...",
            "%20..",
            "..%20/secret",
            "..%20./secret",
            ". ./secret",
            ".%20",
            "..%20;v=1/secret",
            "%252e%252e%2520/secret",
            "%E2%80%A5/secret",
            "%EF%BC%8E%EF%BC%8E/secret",
            "%C2%A0../secret",
            "a%EF%BC%8Fsecret",
            "a%EF%BC%BCsecret",
            "ä",
            "?x=ä",
            "../secret",
            "a/../../secret",
            "a/..",
            "./a",
            "%2e%2e/secret",
            "%2E./secret",
            ".%2e",
            "%252e%252e/secret",
            "%25252e%25252e/secret",
            "..%2fsecret",
            "a%2Fb",
            "a%5cb",
            "..%5c..%5csecret",
            "a%252fb",
            "..;/secret",
            "..;v=1/secret",
            "%2e%2e%3b/secret",
            "%c0%ae%c0%ae/secret",
            "a%00",
            "a%0d%0aHost:%20x",
            "%",
            "%2",
            "%zz",
            "100%25",
            "%+1",
        ] {
            check(&format!("https://netbox.example/api/{path}"), false);
        }
    }
}
