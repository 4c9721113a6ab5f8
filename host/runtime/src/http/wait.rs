//! Waiting, for drivers that may: no longer than the call that they were asked
//! in. A wait that lasts as long is the end of the instance, as a loop would be.
//!
//! In place of WASI's own polls and streams, which wait for ever.

use crate::{halt::Halt, imports::State};
use std::time::Instant;
use wasmtime::{
    Trap,
    component::{HasData, Linker, Resource, ResourceTable},
};
use wasmtime_wasi::{
    p2::{
        DynInputStream, DynOutputStream, DynPollable, StreamError, StreamResult,
        bindings::{
            io::{poll as waiting_poll, streams as waiting},
            sync::io::{poll, streams},
        },
    },
    runtime::in_tokio,
};

type Result<T> = wasmtime::Result<T>;

/// The table of an instance, and until when its call lasts.
pub(super) struct Waits<'a> {
    pub(super) table: &'a mut ResourceTable,
    pub(super) end: End<'a>,
}

/// Until when a call lasts: its own time, unless all calls end before.
#[derive(Clone, Copy)]
pub(super) struct End<'a> {
    pub(super) at: Instant,
    pub(super) halt: &'a Halt,
}

struct HasWaits;

impl HasData for HasWaits {
    type Data<'a> = Waits<'a>;
}

pub(super) fn add_to_linker(linker: &mut Linker<State>) -> Result<()> {
    linker.allow_shadowing(true);
    poll::add_to_linker::<_, HasWaits>(linker, State::waits)?;
    streams::add_to_linker::<_, HasWaits>(linker, State::waits)?;
    linker.allow_shadowing(false);
    Ok(())
}

/// The outcome, unless the end comes first.
fn until<T>(end: End<'_>, wait: impl Future<Output = T>) -> Result<T> {
    let ended = in_tokio(end.halt.until(end.at, wait));
    ended.ok_or_else(|| Trap::Interrupt.into())
}

/// As above, for what fails in its own way.
fn until_done<T>(end: End<'_>, wait: impl Future<Output = StreamResult<T>>) -> StreamResult<T> {
    until(end, wait).unwrap_or_else(|trap| Err(StreamError::Trap(trap)))
}

impl poll::Host for Waits<'_> {
    fn poll(&mut self, pollables: Vec<Resource<DynPollable>>) -> Result<Vec<u32>> {
        until(self.end, waiting_poll::Host::poll(self.table, pollables))?
    }
}

impl poll::HostPollable for Waits<'_> {
    fn ready(&mut self, pollable: Resource<DynPollable>) -> Result<bool> {
        poll::HostPollable::ready(self.table, pollable)
    }

    fn block(&mut self, pollable: Resource<DynPollable>) -> Result<()> {
        until(self.end, waiting_poll::HostPollable::block(self.table, pollable))?
    }

    fn drop(&mut self, pollable: Resource<DynPollable>) -> Result<()> {
        poll::HostPollable::drop(self.table, pollable)
    }
}

impl streams::Host for Waits<'_> {
    fn convert_stream_error(&mut self, error: StreamError) -> Result<streams::StreamError> {
        streams::Host::convert_stream_error(self.table, error)
    }
}

impl streams::HostInputStream for Waits<'_> {
    fn read(&mut self, stream: Resource<DynInputStream>, len: u64) -> StreamResult<Vec<u8>> {
        streams::HostInputStream::read(self.table, stream, len)
    }

    fn blocking_read(
        &mut self,
        stream: Resource<DynInputStream>,
        len: u64,
    ) -> StreamResult<Vec<u8>> {
        until_done(self.end, waiting::HostInputStream::blocking_read(self.table, stream, len))
    }

    fn skip(&mut self, stream: Resource<DynInputStream>, len: u64) -> StreamResult<u64> {
        streams::HostInputStream::skip(self.table, stream, len)
    }

    fn blocking_skip(&mut self, stream: Resource<DynInputStream>, len: u64) -> StreamResult<u64> {
        until_done(self.end, waiting::HostInputStream::blocking_skip(self.table, stream, len))
    }

    fn subscribe(&mut self, stream: Resource<DynInputStream>) -> Result<Resource<DynPollable>> {
        streams::HostInputStream::subscribe(self.table, stream)
    }

    fn drop(&mut self, stream: Resource<DynInputStream>) -> Result<()> {
        until(self.end, waiting::HostInputStream::drop(self.table, stream))?
    }
}

impl streams::HostOutputStream for Waits<'_> {
    fn check_write(&mut self, stream: Resource<DynOutputStream>) -> StreamResult<u64> {
        streams::HostOutputStream::check_write(self.table, stream)
    }

    fn write(&mut self, stream: Resource<DynOutputStream>, bytes: Vec<u8>) -> StreamResult<()> {
        streams::HostOutputStream::write(self.table, stream, bytes)
    }

    fn blocking_write_and_flush(
        &mut self,
        stream: Resource<DynOutputStream>,
        bytes: Vec<u8>,
    ) -> StreamResult<()> {
        let wait = waiting::HostOutputStream::blocking_write_and_flush(self.table, stream, bytes);
        until_done(self.end, wait)
    }

    fn flush(&mut self, stream: Resource<DynOutputStream>) -> StreamResult<()> {
        streams::HostOutputStream::flush(self.table, stream)
    }

    fn blocking_flush(&mut self, stream: Resource<DynOutputStream>) -> StreamResult<()> {
        until_done(self.end, waiting::HostOutputStream::blocking_flush(self.table, stream))
    }

    fn subscribe(&mut self, stream: Resource<DynOutputStream>) -> Result<Resource<DynPollable>> {
        streams::HostOutputStream::subscribe(self.table, stream)
    }

    fn write_zeroes(&mut self, stream: Resource<DynOutputStream>, len: u64) -> StreamResult<()> {
        streams::HostOutputStream::write_zeroes(self.table, stream, len)
    }

    fn blocking_write_zeroes_and_flush(
        &mut self,
        stream: Resource<DynOutputStream>,
        len: u64,
    ) -> StreamResult<()> {
        let wait =
            waiting::HostOutputStream::blocking_write_zeroes_and_flush(self.table, stream, len);
        until_done(self.end, wait)
    }

    fn splice(
        &mut self,
        to: Resource<DynOutputStream>,
        from: Resource<DynInputStream>,
        len: u64,
    ) -> StreamResult<u64> {
        streams::HostOutputStream::splice(self.table, to, from, len)
    }

    fn blocking_splice(
        &mut self,
        to: Resource<DynOutputStream>,
        from: Resource<DynInputStream>,
        len: u64,
    ) -> StreamResult<u64> {
        let wait = waiting::HostOutputStream::blocking_splice(self.table, to, from, len);
        until_done(self.end, wait)
    }

    fn drop(&mut self, stream: Resource<DynOutputStream>) -> Result<()> {
        until(self.end, waiting::HostOutputStream::drop(self.table, stream))?
    }
}
