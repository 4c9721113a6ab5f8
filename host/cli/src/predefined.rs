//! The predefined pools of the built-in allocator, against what its automatic
//! pools may be: a configuration that leads elsewhere is refused where the
//! operator sees it, and not when the first network is made.

use ipam_ledger::unusable;
use ipnet::{IpNet, Ipv4Net};
use serde_json::{Map, Value};

/// The keys that have them, as guest/drivers/pools reads them.
const KEYS: [&str; 2] = ["default-address-pools", "global-address-pools"];

/// Refuses bases that no automatic pool may be of. What cannot be read, the
/// driver refuses.
///
/// # Errors
/// The base, and why.
pub(crate) fn check(config: &Map<String, Value>, pools: Option<&[IpNet]>) -> Result<(), String> {
    for key in KEYS {
        let entries = config.get(key).and_then(Value::as_array).into_iter().flatten();
        let bases = entries.filter_map(|entry| entry.get("base")?.as_str()?.parse().ok());
        for base in bases.map(|base: IpNet| unmapped(base.trunc())) {
            match pools {
                Some(pools) if pools.iter().any(|pool| pool.contains(&base)) => {}
                Some(_) => {
                    return Err(format!("{key}: {base} is not within the granted pools"));
                }
                None => {
                    if let Some(range) = unusable(&base) {
                        return Err(format!(
                            "{key}: {base} overlaps {range}; grant it with pools = [\"{base}\"] in the \
                             driver's table"
                        ));
                    }
                }
            }
        }
    }
    Ok(())
}

/// An IPv4-mapped base means the IPv4 one.
fn unmapped(base: IpNet) -> IpNet {
    let IpNet::V6(v6) = base else { return base };
    let mapped = v6.addr().to_ipv4_mapped().zip(v6.prefix_len().checked_sub(96));
    mapped
        .and_then(|(address, length)| Ipv4Net::new(address, length).ok())
        .map_or(base, IpNet::from)
}

#[cfg(test)]
mod tests {
    use super::check;
    use ipnet::IpNet;

    #[track_caller]
    fn refused(base: &str, pools: Option<&[&str]>, words: Option<&str>) {
        for key in super::KEYS {
            let config = serde_json::json!({key: [{"base": "10.0.0.0/8", "size": 24},
                {"base": base, "size": 24}]});
            let pools: Option<Vec<IpNet>> =
                pools.map(|them| them.iter().map(|text| text.parse().unwrap()).collect());
            let got = check(config.as_object().unwrap(), pools.as_deref()).err();
            assert_eq!(got.is_some(), words.is_some(), "{base} {pools:?}: {got:?}");
            if let (Some(got), Some(words)) = (got, words) {
                assert!(got.contains(key) && got.contains(words), "{got}");
            }
        }
    }

    #[test]
    fn bases_that_no_automatic_pool_may_be_of_are_refused() {
        refused("192.0.2.0/24", None, None);
        refused("127.0.0.0/16", None, Some("127.0.0.0/8 (loopback"));
        refused("::ffff:169.254.0.0/112", None, Some("169.254.0.0/16 (link-local"));
        refused("::ffff:172.16.0.0/108", None, None);
        refused("fe80::/64", None, Some("fe80::/10"));
        refused("no prefix", None, None);
        refused("127.0.0.0/16", Some(&["10.0.0.0/8", "127.0.0.0/8"]), None);
        refused("192.0.2.0/24", Some(&["10.0.0.0/8"]), Some("not within the granted pools"));
        refused("0.0.0.0/1", Some(&["10.0.0.0/8"]), Some("not within the granted pools"));
    }
}
