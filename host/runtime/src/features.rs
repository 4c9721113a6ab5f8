//! Which WebAssembly a driver may be made of: one list, for the engine that
//! compiles and for the gate that reads before it.
//!
//! In: nothing. Out: [`FEATURES`], and the name of a proposal that is not among
//! them. What wasmtime has on by default, or will have after an update, is of
//! no account: a proposal is off until it is named here.

use wasmtime::WasmFeatures as Proposal;

/// What the toolchains of the templates emit: WebAssembly 2.0 without
/// references to host objects, constant expressions that add, relaxed SIMD
/// (made deterministic by the engine), and components.
///
/// Several memories in a module are not emitted by any of them, but by
/// wasmtime itself, for what passes values between components that were
/// composed; it panics on a composition if they are off.
///
/// Off are threads and shared memory, which make answers depend on timing;
/// garbage collection, typed references and exceptions, which bring a second
/// heap that no limit here counts; 64-bit memories, tail calls, and all that
/// WASI 0.3 needs: asynchronous functions, streams, futures.
pub(crate) const FEATURES: Proposal = Proposal::FLOATS
    .union(Proposal::MUTABLE_GLOBAL)
    .union(Proposal::SIGN_EXTENSION)
    .union(Proposal::SATURATING_FLOAT_TO_INT)
    .union(Proposal::MULTI_VALUE)
    .union(Proposal::BULK_MEMORY)
    .union(Proposal::REFERENCE_TYPES)
    .union(Proposal::SIMD)
    .union(Proposal::RELAXED_SIMD)
    .union(Proposal::EXTENDED_CONST)
    .union(Proposal::MULTI_MEMORY)
    .union(Proposal::COMPONENT_MODEL);

/// What a proposal is called that is off, for whoever built with it.
pub(crate) fn words(missing: Proposal) -> &'static str {
    let named = NAMES.iter().find(|(proposal, _)| missing.intersects(*proposal));
    named.map_or("a proposal that is not finished", |(_, words)| words)
}

/// What whoever built with it switches off.
pub(crate) fn without(missing: Proposal) -> &'static str {
    if missing.intersects(ASYNC) { "async" } else { words(missing) }
}

/// What functions of components need that wait for others.
const ASYNC: Proposal =
    Proposal::CM_ASYNC.union(Proposal::CM_ASYNC_STACKFUL).union(Proposal::CM_MORE_ASYNC_BUILTINS);

const NAMES: [(Proposal, &str); 17] = [
    (Proposal::THREADS, "threads"),
    (Proposal::SHARED_EVERYTHING_THREADS, "threads that share everything"),
    (Proposal::CM_THREADING, "threads of components"),
    (Proposal::EXCEPTIONS, "exceptions"),
    (Proposal::LEGACY_EXCEPTIONS, "exceptions"),
    (Proposal::FUNCTION_REFERENCES, "typed function references"),
    (Proposal::GC_TYPES, "garbage-collected references"),
    (Proposal::GC, "garbage collection"),
    (Proposal::TAIL_CALL, "tail calls"),
    (Proposal::MEMORY64, "64-bit memories"),
    (Proposal::CUSTOM_PAGE_SIZES, "pages of other sizes"),
    (Proposal::STACK_SWITCHING, "stack switching"),
    (Proposal::WIDE_ARITHMETIC, "wide arithmetic"),
    (Proposal::CM_ERROR_CONTEXT, "error contexts"),
    (Proposal::CM_FIXED_LENGTH_LISTS, "lists of fixed length"),
    (Proposal::CM_MAP, "maps"),
    (ASYNC, "asynchronous functions"),
];
