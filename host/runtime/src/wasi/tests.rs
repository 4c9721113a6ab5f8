//! Programs of languages whose runtimes look around when they start:
//! `tests/startup` has them, and says where they come from.

use crate::{
    Grants, Limits, Runtime,
    halt::Halt,
    imports::{self, State},
    log::{Budget, Log},
    quota::{Allowance, Quota},
    store::Overlay,
};
use std::sync::Arc;
use wasi_preview1_component_adapter_provider::{
    WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME, WASI_SNAPSHOT_PREVIEW1_COMMAND_ADAPTER,
};
use wasmtime::{Store, component::Component};
use wasmtime_wasi::{I32Exit, p2::bindings::sync::Command};
use wit_component::ComponentEncoder;

const PROGRAMS: [(&str, &[u8]); 3] = [
    ("C", include_bytes!("../../tests/startup/c.wasm")),
    ("TinyGo", include_bytes!("../../tests/startup/tinygo.wasm")),
    ("Zig", include_bytes!("../../tests/startup/zig.wasm")),
];

fn state(name: &str) -> State {
    let limits = Limits::default();
    let log = Log::new(name.into(), &limits, Arc::new(Budget::new(&limits)));
    let overlay = Overlay::new(&Arc::default(), None, 0);
    let quota = Quota::new(&Allowance::new(&limits), &limits, 0).unwrap();
    State::new(log, &limits, &Arc::new(Grants::default()), overlay, quota, &Halt::default())
}

#[test]
fn programs_find_what_they_look_for_when_they_start() {
    let runtime = Runtime::new(None).unwrap();
    let linker = imports::linker(runtime.engine()).unwrap();
    for (language, module) in PROGRAMS {
        let encoder = ComponentEncoder::default().module(module).unwrap();
        let name = WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME;
        let adapter = WASI_SNAPSHOT_PREVIEW1_COMMAND_ADAPTER;
        let component = encoder.adapter(name, adapter).unwrap().encode().unwrap();
        let component = Component::new(runtime.engine(), component).unwrap();

        let mut store = Store::new(runtime.engine(), state(language));
        store.set_epoch_deadline(6000);
        let command = Command::instantiate(&mut store, &component, &linker).unwrap();
        match command.wasi_cli_run().call_run(&mut store) {
            Ok(Ok(())) => {}
            Err(end) if end.downcast_ref::<I32Exit>().is_some_and(|exit| exit.0 == 0) => {}
            end => panic!("{language}: {end:?}"),
        }
    }
}
