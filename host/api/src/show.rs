//! Questions as people read them: in the contract's words, on one line, escaped
//! and bounded.

use crate::{
    AddressRequest, Family, Options, PoolChoice, PoolRequest, PoolStatus, Request, text::quoted,
};
use std::fmt;

/// How much of one text is shown, in bytes.
const TEXT_MAX_BYTES: usize = 200;
/// How many options are shown.
const OPTIONS_MAX: usize = 4;

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ipv4 => "ipv4",
            Self::Ipv6 => "ipv6",
        })
    }
}

impl fmt::Display for PoolChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Automatic(family) => write!(f, "automatic({family})"),
            Self::Sized(family, length) => write!(f, "sized({family}, {length})"),
            Self::Exact(prefix) => write!(f, "exact({prefix})"),
        }
    }
}

/// ```
/// use ipam_api::{Family, PoolChoice, PoolRequest};
///
/// let request = PoolRequest::new("lab", PoolChoice::Sized(Family::Ipv4, 24));
/// assert_eq!(request.to_string(), "\"lab\", sized(ipv4, 24)");
/// ```
impl fmt::Display for PoolRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { address_space, pool, sub_pool, options, exclude: _ } = self;
        write!(f, "{}, {pool}", quoted(TEXT_MAX_BYTES, address_space))?;
        if let Some(sub_pool) = sub_pool {
            write!(f, ", sub-pool {sub_pool}")?;
        }
        pairs(f, options)
    }
}

impl fmt::Display for AddressRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { pool_id, address, options } = self;
        match address {
            Some(address) => write!(f, "{pool_id:?}, {address}")?,
            None => write!(f, "{pool_id:?}, any")?,
        }
        pairs(f, options)
    }
}

impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pool(request) => write!(f, "request-pool({request})"),
            Self::ReleasePool(id) => write!(f, "release-pool({id:?})"),
            Self::Address(request) => write!(f, "request-address({request})"),
            Self::ReleaseAddress(id, address) => write!(f, "release-address({id:?}, {address})"),
            Self::Status(id) => write!(f, "pool-status({id:?})"),
            Self::TakeBack { .. } | Self::Records(_) => f.write_str("no question to a driver"),
        }
    }
}

impl fmt::Display for PoolStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} in use, {} available", self.ips_in_use, self.dynamic_ips_available)
    }
}

fn pairs(f: &mut fmt::Formatter<'_>, options: &Options) -> fmt::Result {
    options.iter().take(OPTIONS_MAX).try_for_each(|(key, value)| {
        write!(f, ", {}={}", quoted(TEXT_MAX_BYTES, key), quoted(TEXT_MAX_BYTES, value))
    })?;
    if options.len() > OPTIONS_MAX { f.write_str(", …") } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use crate::{AddressRequest, DriverName, PoolChoice, PoolId, PoolRequest, Request};

    #[test]
    fn a_question_is_in_the_words_of_the_contract() {
        let mut pool = PoolRequest::new("lab\n", PoolChoice::Exact("10.0.0.0/8".parse().unwrap()));
        pool.sub_pool = Some("10.1.0.0/16".parse().unwrap());
        pool.options.insert("key".to_owned(), "v".repeat(300));
        let told = Request::Pool(pool).to_string();
        let want = r#"request-pool("lab\n", exact(10.0.0.0/8), sub-pool 10.1.0.0/16, "key"="vvv"#;
        assert!(told.starts_with(want) && told.ends_with("v\"…)"), "{told}");
        let id = PoolId::try_from("a \"b\"").unwrap();
        for (request, want) in [
            (
                Request::Address(AddressRequest::any(id.clone())),
                r#"request-address("a \"b\"", any)"#,
            ),
            (
                Request::ReleaseAddress(id.clone(), "10.0.0.1".parse().unwrap()),
                r#"release-address("a \"b\"", 10.0.0.1)"#,
            ),
            (Request::ReleasePool(id), r#"release-pool("a \"b\"")"#),
        ] {
            assert_eq!(request.to_string(), want);
        }
    }

    #[test]
    fn of_many_options_some_are_shown() {
        let mut request = AddressRequest::any(PoolId::try_from("p").unwrap());
        for key in ["a", "b", "c", "d"] {
            request.options.insert(key.to_owned(), "v".to_owned());
        }
        let four = r#""p", any, "a"="v", "b"="v", "c"="v", "d"="v""#;
        assert_eq!(request.to_string(), four);
        request.options.insert("e".to_owned(), "v".to_owned());
        assert_eq!(request.to_string(), format!("{four}, …"));
    }

    /// People see both in refusals and logs.
    #[test]
    fn no_name_is_shown_as_the_code_of_it() {
        assert_eq!(format!("{:?}", PoolId::try_from("10.0.0.0/8").unwrap()), r#""10.0.0.0/8""#);
        assert_eq!(format!("{:?}", "lab".parse::<DriverName>().unwrap()), r#""lab""#);
    }
}
