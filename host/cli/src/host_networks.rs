//! What automatic pools of the local space keep clear of: what the operator
//! excludes, and what this host's own network uses already.
//!
//! Docker never tells a plugin, and repeats an automatic request until the
//! answer does not collide; for its built-in driver it keeps clear of just
//! these (moby, `netutils.InferReservedNetworks`): the IPv4 routes of link
//! scope, and the resolvers of both families. A VPN's `0.0.0.0/1` does not
//! count, whether it goes through a gateway or to the link.
//!
//! A thread of its own keeps it current by the kernel's notifications, so that
//! a request reads nothing of the system. It is read anew before the first one.
//! Nothing here fails: what cannot be read excludes nothing, and is said once.

mod resolvers;
mod routes;
mod table;

use ipnet::{IpNet, Ipv4Net};
use routes::{Heard, PERIOD, Watch};
use std::{
    io,
    sync::{Arc, PoisonError, RwLock, Weak},
    thread,
    time::{Duration, Instant},
};

/// How long until routes are read again though nothing was told.
const ROUTES_PERIOD: Duration = Duration::from_secs(60);
/// Reading routes takes this part of a processor at most, however often they
/// change.
const SHARE: u32 = 10;
/// The longest that a change waits for that.
const PAUSE_MAX: Duration = Duration::from_secs(10);
/// The shortest.
const PAUSE_MIN: Duration = Duration::from_millis(1);

/// What is kept clear of now.
#[derive(Debug)]
pub(crate) struct Excluded(RwLock<Parts>);

#[derive(Debug, Default)]
struct Parts {
    operator: Vec<IpNet>,
    host: Vec<IpNet>,
    /// Both, sorted.
    all: Arc<[IpNet]>,
}

impl Excluded {
    /// What the operator excludes; [`watch`] adds the host's.
    pub(crate) fn new(operator: &[IpNet]) -> Arc<Self> {
        let excluded = Self(RwLock::default());
        excluded.set_operator(operator);
        Arc::new(excluded)
    }

    pub(crate) fn all(&self) -> Vec<IpNet> {
        let all = self.0.read().unwrap_or_else(PoisonError::into_inner).all.clone();
        all.to_vec()
    }

    /// Replaces what the operator excludes.
    pub(crate) fn set_operator(&self, operator: &[IpNet]) {
        self.set(|parts| parts.operator = operator.iter().map(IpNet::trunc).collect());
    }

    fn set_host(&self, host: Vec<IpNet>) {
        self.set(|parts| parts.host = host);
    }

    fn set(&self, change: impl FnOnce(&mut Parts)) {
        let mut parts = self.0.write().unwrap_or_else(PoisonError::into_inner);
        change(&mut parts);
        let mut all = [&*parts.operator, &*parts.host].concat();
        all.sort_unstable();
        all.dedup();
        parts.all = all.into();
    }
}

/// Reads what the host uses, and keeps it current until `excluded` is dropped.
///
/// # Errors
/// When there is no thread to be had.
pub(crate) fn watch(excluded: &Arc<Excluded>) -> io::Result<()> {
    let mut host = Host::new();
    host.read_routes();
    host.tell(excluded);
    let excluded = Arc::downgrade(excluded);
    thread::Builder::new().name("wipam-routes".to_owned()).spawn(move || host.follow(&excluded))?;
    Ok(())
}

/// What was read of the host, and how.
struct Host {
    /// Nothing where the kernel does not tell.
    watch: Option<Watch>,
    routes: Vec<Ipv4Net>,
    read_at: Instant,
    /// When the kernel was last asked to tell.
    tried_at: Instant,
}

impl Host {
    fn new() -> Self {
        let watch = Watch::open().map_err(|error| warn_unreported(&error)).ok();
        let now = Instant::now();
        Self { watch, routes: Vec::new(), read_at: now, tried_at: now }
    }

    /// Until nobody wants to know.
    fn follow(mut self, excluded: &Weak<Excluded>) {
        loop {
            let is_old = match self.watch.as_ref().map(Watch::wait) {
                Some(Ok(Heard::Change)) => true,
                Some(Ok(Heard::Nothing)) => self.read_at.elapsed() >= ROUTES_PERIOD,
                Some(Err(error)) => {
                    warn_unreported(&error);
                    self.watch = None;
                    true
                }
                None => {
                    thread::sleep(PERIOD);
                    self.try_again();
                    true
                }
            };
            let begin = Instant::now();
            if is_old {
                self.read_routes();
            }
            let Some(excluded) = excluded.upgrade() else { return };
            self.tell(&excluded);
            if is_old {
                // What changes meanwhile is told, and waits.
                thread::sleep((begin.elapsed() * SHARE).clamp(PAUSE_MIN, PAUSE_MAX));
            }
        }
    }

    /// What failed may have lacked no more than a file descriptor.
    fn try_again(&mut self) {
        if self.tried_at.elapsed() < ROUTES_PERIOD {
            return;
        }
        self.tried_at = Instant::now();
        if let (Ok(watch), Ok(_)) = (Watch::open(), routes::read()) {
            tracing::info!("the kernel reports changed routes");
            self.watch = Some(watch);
        }
    }

    fn read_routes(&mut self) {
        self.read_at = Instant::now();
        if self.watch.is_some() {
            match routes::read() {
                Ok(read) => {
                    self.routes = read;
                    return;
                }
                Err(error) => {
                    warn_unreported(&error);
                    self.watch = None;
                }
            }
        }
        self.routes = table::read();
    }

    fn tell(&self, excluded: &Excluded) {
        let mut host: Vec<IpNet> = self.routes.iter().copied().map(IpNet::V4).collect();
        host.extend(resolvers::read());
        host.sort_unstable();
        host.dedup();
        let is_new = excluded.0.read().unwrap_or_else(PoisonError::into_inner).host != host;
        if is_new {
            tracing::debug!(?host, "automatic pools avoid these networks of this host");
            excluded.set_host(host);
        }
    }
}

/// A sandbox may not let us ask.
fn warn_unreported(error: &io::Error) {
    tracing::warn!(
        %error,
        "the kernel does not report changed routes: reading /proc/net/route every {} s instead",
        PERIOD.as_secs()
    );
}

#[cfg(test)]
mod tests {
    use super::{Excluded, watch};
    use ipnet::IpNet;
    use std::sync::Arc;

    fn nets(texts: &[&str]) -> Vec<IpNet> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn both_parts_are_kept_clear_of_and_each_is_replaced_alone() {
        let excluded = Excluded::new(&nets(&["10.8.1.1/16", "10.7.0.0/16"]));
        assert_eq!(excluded.all(), nets(&["10.7.0.0/16", "10.8.0.0/16"]));
        excluded.set_host(nets(&["10.7.0.0/16", "10.1.0.0/24"]));
        assert_eq!(excluded.all(), nets(&["10.1.0.0/24", "10.7.0.0/16", "10.8.0.0/16"]));
        excluded.set_operator(&[]);
        assert_eq!(excluded.all(), nets(&["10.1.0.0/24", "10.7.0.0/16"]));
        excluded.set_host(Vec::new());
        assert!(excluded.all().is_empty());
    }

    #[test]
    fn nobody_is_watched_for_who_is_gone() {
        let excluded = Excluded::new(&[]);
        watch(&excluded).unwrap();
        assert_eq!(Arc::strong_count(&excluded), 1);
    }
}
