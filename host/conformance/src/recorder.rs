//! The driver that the suite asks, and a record of what it was asked.

use crate::{
    asking::{Asking, Maker},
    show,
};
use ipam_api::{
    AddressGrant, AddressRequest, AddressSpaces, Answer, Driver, DriverName, Error, Failure,
    PoolGrant, PoolId, PoolRequest, Request,
};
use ipam_runtime::Subject;
use std::{
    collections::VecDeque,
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// How many exchanges are kept for a second instance.
const EXCHANGES_MAX: usize = 20_000;
/// How many of the last ones are shown with a failure.
const SHOWN: usize = 4;

/// One question with its answer.
pub(crate) type Exchange = (Request, Result<Answer, Error>);

/// What was asked of one instance.
#[derive(Debug, Default)]
pub(crate) struct Record {
    /// The first exchanges, in order.
    pub(crate) exchanges: Vec<Exchange>,
    last: VecDeque<Exchange>,
    /// How it broke, if it did.
    pub(crate) broke: Option<Broke>,
}

/// How a driver broke.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Broke {
    pub(crate) reason: String,
    /// What came before it, and what was asked last.
    pub(crate) exchange: Vec<String>,
}

/// Shared between who asks and who runs the suite.
pub(crate) type Shared = Arc<Mutex<Record>>;

pub(crate) fn lock(shared: &Shared) -> MutexGuard<'_, Record> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How many frames of a backtrace are shown.
const FRAMES: usize = 6;

/// How the driver failed, and where in its component. The operator of a daemon
/// reads all of it in one line; here, frames have lines of their own, and what
/// it was allowed is in the documentation.
pub(crate) fn broke(failure: &Failure) -> (String, Vec<String>) {
    let text = failure.to_string();
    let text = text.split("; allowed: ").next().unwrap_or_default();
    let mut parts = text.split("; at ");
    let reason = parts.next().unwrap_or_default().replace("wasm trap: ", "");
    (reason, parts.take(FRAMES).map(|frame| format!("at {frame}")).collect())
}

/// How the driver failed, in one line.
pub(crate) fn reason(failure: &Failure) -> String {
    broke(failure).0
}

pub(crate) struct Recorder {
    maker: Maker,
    asking: Option<Asking>,
    shared: Shared,
}

impl Recorder {
    pub(crate) fn new(maker: Maker) -> (Box<Self>, Shared) {
        let shared = Shared::default();
        (Box::new(Self { maker, asking: None, shared: shared.clone() }), shared)
    }

    fn asking(&mut self) -> Result<&mut Asking, Failure> {
        self.asking.as_mut().ok_or_else(|| Failure::broken("it was not started"))
    }

    fn broke<T>(&self, asked: Option<&Request>, answer: Result<T, Failure>) -> Result<T, Failure> {
        if let Err(failure @ Failure::Broken { .. }) = &answer {
            let mut record = lock(&self.shared);
            let mut exchange: Vec<String> = record
                .last
                .iter()
                .map(|(asked, answered)| show::exchange(asked, answered))
                .collect();
            exchange.extend(asked.map(|asked| format!("{asked} -> no answer")));
            let (reason, frames) = broke(failure);
            exchange.extend(frames);
            record.broke = Some(Broke { reason, exchange });
        }
        answer
    }

    fn ask(&mut self, request: Request) -> Result<Answer, Failure> {
        let answer = self.asking()?.ask(&request);
        let answered = match &answer {
            Ok(answer) => Ok(answer.clone()),
            Err(Failure::Refused(error)) => Err(error.clone()),
            Err(Failure::Broken { .. }) => return self.broke(Some(&request), answer),
        };
        let mut record = lock(&self.shared);
        if record.last.len() == SHOWN {
            record.last.pop_front();
        }
        record.last.push_back((request.clone(), answered.clone()));
        if record.exchanges.len() < EXCHANGES_MAX {
            record.exchanges.push((request, answered));
        }
        drop(record);
        answer
    }
}

/// An answer of another kind cannot come of [`Asking::ask`].
fn mixed_up<T>() -> Result<T, Failure> {
    Err(Failure::broken("the answer is to another question"))
}

impl Subject for Recorder {
    fn start(&mut self, name: Option<&DriverName>, _: &str) -> Result<(), Failure> {
        let made = self.maker.make(name, ipam_api::Stored::new());
        self.asking = Some(self.broke(None, made)?);
        Ok(())
    }
}

impl Driver for Recorder {
    fn default_address_spaces(&mut self) -> Result<AddressSpaces, Failure> {
        let spaces = self.asking()?.now().default_address_spaces();
        self.broke(None, spaces)
    }

    fn request_pool(&mut self, request: &PoolRequest) -> Result<PoolGrant, Failure> {
        match self.ask(Request::Pool(request.clone()))? {
            Answer::Pool(grant) => Ok(grant),
            Answer::Address(_) | Answer::Released | Answer::Status(_) | Answer::Records(_) => {
                mixed_up()
            }
        }
    }

    fn release_pool(&mut self, pool_id: &PoolId) -> Result<(), Failure> {
        self.ask(Request::ReleasePool(pool_id.clone())).map(drop)
    }

    fn request_address(&mut self, request: &AddressRequest) -> Result<AddressGrant, Failure> {
        match self.ask(Request::Address(request.clone()))? {
            Answer::Address(grant) => Ok(grant),
            Answer::Pool(_) | Answer::Released | Answer::Status(_) | Answer::Records(_) => {
                mixed_up()
            }
        }
    }

    fn release_address(&mut self, pool_id: &PoolId, address: IpAddr) -> Result<(), Failure> {
        self.ask(Request::ReleaseAddress(pool_id.clone(), address)).map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::broke;
    use ipam_api::Failure;

    #[test]
    fn a_failure_is_told_without_what_it_was_allowed() {
        let text = "took more than 5s; in start(); wasm trap: interrupt; at a!b (0x1); at a!c (0x2); \
                    allowed: y";
        let (reason, frames) = broke(&Failure::broken(text));
        assert_eq!(reason, "driver failed: took more than 5s; in start(); interrupt");
        assert_eq!(frames, ["at a!b (0x1)", "at a!c (0x2)"]);
        let (reason, frames) = broke(&Failure::broken("answered 7; in a(); allowed: x"));
        assert_eq!((&*reason, frames.len()), ("driver failed: answered 7; in a()", 0));
    }
}
