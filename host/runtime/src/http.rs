//! HTTP for drivers that were granted it: `wasi:http`'s side that asks.
//!
//! Each request is judged by `target`, sent by `send`, and nothing else here
//! opens a connection. What a guest waits for is in `wait`.

mod send;
mod target;
mod wait;

use crate::{Grants, Limits, halt::Halt, imports::State, log::Log, tls};
use http::{Request, Response, uri::Scheme};
use send::{Sending, Times};
use std::{
    io,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::sync::Semaphore;
use tracing::Level;
use wait::{End, Waits};
use wasmtime::{
    StoreContextMut,
    component::{Linker, Resource, ResourceTable},
};
use wasmtime_wasi_http::{
    Error, RequestOptions, WasiBody, WasiHttp, WasiHttpCtx, WasiHttpCtxView, WasiHttpHooks,
    WasiHttpView,
    p2::{
        bindings::{
            http::{outgoing_handler, types::ErrorCode},
            sync::http::types::{self, LinkOptions},
        },
        types::{HostFutureIncomingResponse, HostOutgoingRequest},
    },
};

/// What one write of a guest to a body may hold; two of them wait for the
/// network.
const CHUNK_BYTES: usize = 64 << 10;

/// What an instance may ask, and what it has asked.
pub(crate) struct Http {
    context: WasiHttpCtx,
    hooks: Hooks,
    /// When the call began, and what the guest's clock said then.
    began: Instant,
    clock: u64,
    /// When no host function waits any longer.
    deadline: Instant,
    halt: Halt,
}

/// What the guest's requests come by.
struct Hooks {
    grants: Arc<Grants>,
    log: Log,
    connections: Arc<Semaphore>,
    body_bytes: usize,
    head_bytes: usize,
    requests: u32,
    requests_left: u32,
    /// When requests of this call end, and when its connections do.
    ends: Instant,
    closes: Instant,
}

impl Http {
    pub(crate) fn new(grants: Arc<Grants>, limits: &Limits, log: Log, halt: Halt) -> Self {
        let mut context = WasiHttpCtx::new();
        context.set_field_size_limit(limits.http.head_bytes);
        let now = Instant::now();
        Self {
            context,
            hooks: Hooks {
                grants,
                log,
                connections: Arc::new(Semaphore::new(limits.http.connections)),
                body_bytes: limits.http.body_bytes,
                head_bytes: limits.http.head_bytes,
                requests: limits.http.requests,
                requests_left: 0,
                ends: now,
                closes: now,
            },
            began: now,
            clock: 0,
            deadline: now,
            halt,
        }
    }

    pub(crate) fn is_granted(&self) -> bool {
        !self.hooks.grants.http.is_empty()
    }

    /// A call begins, and may take so long. Its requests end a tenth earlier:
    /// a driver whose server hangs can still say so, instead of being ended
    /// with it.
    pub(crate) fn begin(&mut self, time: Duration, clock: u64) {
        if self.is_granted() {
            let time = time.min(Limits::LONGEST);
            self.began = Instant::now();
            self.clock = clock;
            self.deadline = self.began + time;
            self.hooks.closes = self.deadline;
            self.hooks.ends = self.deadline - time / 10;
            self.hooks.requests_left = self.hooks.requests;
        }
    }

    /// What a clock says that has run since the call began. Only for those who
    /// may wait.
    pub(crate) fn moment(&self) -> Option<u64> {
        let passed = u64::try_from(self.began.elapsed().as_nanos()).unwrap_or(u64::MAX);
        self.is_granted().then(|| self.clock.saturating_add(passed))
    }

    /// How many handles may be alive.
    pub(crate) fn handles(grants: &Grants, limits: &Limits) -> usize {
        if grants.http.is_empty() {
            limits.instance.handles
        } else {
            limits.instance.handles.min(limits.http.handles)
        }
    }

    fn view<'a>(&'a mut self, table: &'a mut ResourceTable) -> WasiHttpCtxView<'a> {
        WasiHttpCtxView { hooks: &mut self.hooks, table, ctx: &mut self.context }
    }
}

/// What every driver may import and, if it was granted, HTTP.
pub(crate) fn link(linker: &Linker<State>, grants: &Grants) -> wasmtime::Result<Linker<State>> {
    let mut linker = linker.clone();
    if !grants.http.is_empty() {
        let options = LinkOptions::default();
        types::add_to_linker::<_, WasiHttp>(&mut linker, &options, WasiHttpView::http)?;
        linker.instance("wasi:http/outgoing-handler@0.2.12")?.func_wrap("handle", handle)?;
        wait::add_to_linker(&mut linker)?;
    }
    Ok(linker)
}

type Asked = (Resource<HostOutgoingRequest>, Option<Resource<RequestOptions>>);
type Answered = (Result<Resource<HostFutureIncomingResponse>, ErrorCode>,);

/// Each request comes by here. In place of wasmtime's own, which does not count
/// and forgets to drop the options.
fn handle(
    mut store: StoreContextMut<'_, State>,
    (request, options): Asked,
) -> wasmtime::Result<Answered> {
    let state = store.data_mut();
    let hooks = &mut state.http.hooks;
    let spare = options.as_ref().map(|options| Resource::<RequestOptions>::new_own(options.rep()));
    let answered = if let Some(left) = hooks.requests_left.checked_sub(1) {
        hooks.requests_left = left;
        outgoing_handler::Host::handle(&mut WasiHttpView::http(state), request, options)
    } else {
        hooks
            .log
            .say(Level::WARN, format_args!("a call may make {} HTTP requests", hooks.requests));
        state.table.delete(request)?;
        Err(ErrorCode::HttpRequestDenied.into())
    };
    if let Some(options) = spare {
        state.table.delete(options)?;
    }
    Ok((match answered {
        Ok(response) => Ok(response),
        Err(error) => Err(error.downcast()?),
    },))
}

impl State {
    fn waits(&mut self) -> Waits<'_> {
        Waits { table: &mut self.table, end: End { at: self.http.deadline, halt: &self.http.halt } }
    }
}

impl WasiHttpView for State {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        self.http.view(&mut self.table)
    }
}

type Sent = Result<(Response<WasiBody>, Box<dyn Future<Output = Result<(), Error>> + Send>), Error>;

impl WasiHttpHooks for Hooks {
    /// None is guessed.
    fn default_scheme(&mut self) -> Option<Scheme> {
        None
    }

    fn send_request(
        &mut self,
        request: Request<WasiBody>,
        options: Option<RequestOptions>,
        _: Box<dyn Future<Output = Result<(), Error>> + Send>,
    ) -> Box<dyn Future<Output = Sent> + Send> {
        let log = self.log.clone();
        let asked = shown(&request);
        let Some(origin) = target::granted(&self.grants.http, request.method(), request.uri())
        else {
            log.say(Level::WARN, format_args!("not granted: {asked}"));
            return Box::new(async { Err(Error::HttpRequestDenied) });
        };
        let sending = Sending {
            origin: origin.clone(),
            times: Times::new(self.ends, self.closes, options.unwrap_or_default()),
            connections: self.connections.clone(),
            body_bytes: self.body_bytes,
            head_bytes: self.head_bytes,
        };
        Box::new(async move {
            let sent = sending.send(request).await;
            if let Err(error) = &sent {
                let help = if let Error::Tls(error) = error { tls::help(error) } else { None };
                let help = help.map(|help| format!(": {help}")).unwrap_or_default();
                log.say(Level::WARN, format_args!("{asked}: {error}{help}"));
            }
            sent
        })
    }

    fn p2_outgoing_body_chunk_size(&mut self) -> usize {
        CHUNK_BYTES
    }

    // What went wrong was said where it did, within what a driver may log.

    fn p2_error_from_hyper(&mut self, _: &hyper::Error) -> ErrorCode {
        ErrorCode::HttpProtocolError
    }

    fn p2_error_from_connect(&mut self, error: &io::Error) -> ErrorCode {
        if error.kind() == io::ErrorKind::ConnectionRefused {
            ErrorCode::ConnectionRefused
        } else {
            ErrorCode::DestinationUnavailable
        }
    }

    fn p2_error_from_tls(&mut self, _: &io::Error) -> ErrorCode {
        ErrorCode::TlsProtocolError
    }
}

/// A request for the operator's eyes, without its query: that may hold secrets.
fn shown(request: &Request<WasiBody>) -> String {
    let uri = request.uri();
    let scheme = uri.scheme_str().unwrap_or_default();
    let authority = uri.authority().map_or("", |authority| authority.as_str());
    format!("{} {scheme}://{authority}{}", request.method(), uri.path())
}
