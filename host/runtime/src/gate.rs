//! What a component may be made of, judged before anything is compiled.
//!
//! In: a file that `inspect` has found to be a component. Out: what an instance
//! of it costs the host, or why it is refused: it needs a proposal that is off,
//! it is not valid, or it has more of something than any driver needs. All of
//! that is read in one pass, and counted before the validator sees it, so that
//! a file costs the reader little more than its own size.
//!
//! A module counts as often as it is instantiated, in nested components too:
//! that is what the host pays for.

mod footprint;

use crate::{
    Limits, LoadError,
    features::{FEATURES, without, words},
};
pub(crate) use footprint::Footprint;
use footprint::{Frames, bytes};
use ipam_api::text::bounded;
use std::mem;
use wasmparser::{
    ComponentInstance, ElementItems, ExternalKind, FuncValidatorAllocations, Instance, KnownCustom,
    Name, Parser, Payload, TypeRef, ValidPayload, Validator,
};

/// The most of the validator's words that are repeated.
const WORDS_BYTES: usize = 1 << 10;

struct Gate<'a> {
    limits: &'a Limits,
    frames: Frames,
    parts: u64,
    functions: u64,
    types: u64,
    type_bytes: u64,
    imports: u64,
    exports: u64,
    segments: u64,
    symbol_bytes: u64,
}

/// What an instance of the component takes of the host.
///
/// # Errors
/// Why it is not compiled.
pub(crate) fn pass(bytes: &[u8], limits: &Limits) -> Result<Footprint, LoadError> {
    let mut validator = Validator::new_with_features(FEATURES);
    let mut parser = Parser::new(0);
    parser.set_features(FEATURES);
    let mut gate = Gate {
        limits,
        frames: Frames::default(),
        parts: 0,
        functions: 0,
        types: 0,
        type_bytes: 0,
        imports: 0,
        exports: 0,
        segments: 0,
        symbol_bytes: 0,
    };
    let mut allocations = FuncValidatorAllocations::default();
    let mut total = Footprint::default();
    for payload in parser.parse_all(bytes) {
        let payload = payload.map_err(refusal)?;
        gate.count(&payload)?;
        if let ValidPayload::Func(function, body) = validator.payload(&payload).map_err(refusal)? {
            let mut function = function.into_validator(mem::take(&mut allocations));
            function.validate(&body).map_err(refusal)?;
            allocations = function.into_allocations();
        }
        if let Some(whole) = gate.frames.instantiate(&payload)? {
            total = whole;
        }
    }
    total.host_bytes = total.host_bytes.saturating_add(bytes::STORE);
    at_most(
        limits.instance.instances_max,
        total.instances,
        "core instances",
        "instance.instances-max",
    )?;
    at_most(limits.instance.instances_max, total.memories, "memories", "instance.instances-max")?;
    at_most(limits.instance.instances_max, total.tables, "tables", "instance.instances-max")?;
    at_most(limits.instance.globals, total.globals, "globals", "instance.globals")?;
    at_most(
        limits.instance.memory_bytes,
        total.host_bytes,
        "bytes of the host's memory",
        "instance.memory",
    )?;
    Ok(total)
}

/// The validator's words; a proposal that is off is called by its name.
fn refusal(error: wasmparser::Error) -> LoadError {
    let said = bounded(WORDS_BYTES, &error);
    match error.missing_wasm_feature() {
        Some(missing) => {
            LoadError::Proposal { proposal: words(missing), way_out: without(missing), said }
        }
        None => LoadError::Invalid(said),
    }
}

fn at_most(
    most: usize,
    found: u64,
    what: &'static str,
    key: &'static str,
) -> Result<(), LoadError> {
    let most = u64::try_from(most).unwrap_or(u64::MAX);
    if found <= most { Ok(()) } else { Err(LoadError::TooMany { what, key, most, found }) }
}

impl Gate<'_> {
    fn imports(&mut self, more: u64) -> Result<(), LoadError> {
        self.imports = self.imports.saturating_add(more);
        at_most(self.limits.compile.imports, self.imports, "imports", "compile.imports")
    }

    fn exports(&mut self, more: u64) -> Result<(), LoadError> {
        self.exports = self.exports.saturating_add(more);
        at_most(self.limits.compile.exports, self.exports, "exports", "compile.exports")
    }

    fn functions(&mut self, more: u64) -> Result<(), LoadError> {
        self.functions = self.functions.saturating_add(more);
        at_most(self.limits.compile.functions, self.functions, "functions", "compile.functions")
    }

    fn types(&mut self, more: u64, bytes: usize) -> Result<(), LoadError> {
        self.types = self.types.saturating_add(more);
        at_most(self.limits.compile.types, self.types, "types", "compile.types")?;
        self.type_bytes = self.type_bytes.saturating_add(wide(bytes));
        at_most(
            self.limits.compile.type_bytes,
            self.type_bytes,
            "bytes of types",
            "compile.type-size",
        )
    }

    fn segments(&mut self, more: u64) -> Result<(), LoadError> {
        self.segments = self.segments.saturating_add(more);
        at_most(
            self.limits.compile.segments,
            self.segments,
            "data and element segments",
            "compile.segments",
        )
    }

    fn symbol(&self, name: &str) -> Result<(), LoadError> {
        at_most(
            self.limits.compile.symbol_bytes,
            wide(name.len()),
            "bytes of a name",
            "compile.symbol",
        )
    }

    /// Counts what there is, before it is read into memory.
    fn count(&mut self, payload: &Payload<'_>) -> Result<(), LoadError> {
        #[expect(clippy::wildcard_enum_match_arm, reason = "what is not counted takes no memory")]
        match payload {
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => {
                self.parts += 1;
                at_most(
                    self.limits.compile.modules,
                    self.parts,
                    "modules and components",
                    "compile.modules",
                )
            }
            Payload::TypeSection(section) => {
                self.types(section.count().into(), section.range().len())
            }
            Payload::CoreTypeSection(section) => {
                self.types(section.count().into(), section.range().len())
            }
            Payload::ComponentTypeSection(section) => {
                self.types(section.count().into(), section.range().len())
            }
            Payload::ImportSection(section) => {
                self.imports(section.count().into())?;
                for import in section.clone().into_imports() {
                    let import = import.map_err(refusal)?;
                    self.symbol(import.module)?;
                    self.symbol(import.name)?;
                    let frame = self.frames.last();
                    frame.takes.host_bytes += bytes::IMPORT;
                    frame.functions += u64::from(matches!(import.ty, TypeRef::Func(_)));
                }
                Ok(())
            }
            Payload::FunctionSection(section) => {
                self.functions(section.count().into())?;
                self.frames.last().functions += u64::from(section.count());
                Ok(())
            }
            Payload::TableSection(section) => {
                let takes = &mut self.frames.last().takes;
                takes.tables += u64::from(section.count());
                takes.host_bytes += bytes::TABLE * u64::from(section.count());
                Ok(())
            }
            Payload::MemorySection(section) => {
                let takes = &mut self.frames.last().takes;
                takes.memories += u64::from(section.count());
                takes.host_bytes += bytes::MEMORY * u64::from(section.count());
                Ok(())
            }
            Payload::GlobalSection(section) => {
                // One module alone has no more than all of them together may.
                at_most(
                    self.limits.instance.globals,
                    section.count().into(),
                    "globals",
                    "instance.globals",
                )?;
                let frame = self.frames.last();
                frame.takes.globals += u64::from(section.count());
                frame.takes.host_bytes += bytes::GLOBAL * u64::from(section.count());
                for global in section.clone() {
                    let is_reference = global.map_err(refusal)?.ty.content_type.is_reference_type();
                    frame.referred += u64::from(is_reference);
                }
                Ok(())
            }
            Payload::ExportSection(section) => {
                self.exports(section.count().into())?;
                for export in section.clone() {
                    let export = export.map_err(refusal)?;
                    self.symbol(export.name)?;
                    self.frames.last().referred +=
                        u64::from(matches!(export.kind, ExternalKind::Func));
                }
                Ok(())
            }
            Payload::ElementSection(section) => {
                self.segments(section.count().into())?;
                for segment in section.clone() {
                    let items = match segment.map_err(refusal)?.items {
                        ElementItems::Functions(items) => items.count(),
                        ElementItems::Expressions(_, items) => items.count(),
                    };
                    let frame = self.frames.last();
                    frame.referred += u64::from(items);
                    frame.takes.host_bytes += bytes::ELEMENT * u64::from(items);
                }
                Ok(())
            }
            Payload::DataSection(section) => {
                self.segments(section.count().into())?;
                self.frames.last().takes.host_bytes += bytes::DATA * u64::from(section.count());
                Ok(())
            }
            Payload::InstanceSection(section) => {
                for instance in section.clone() {
                    match instance.map_err(refusal)? {
                        Instance::Instantiate { args, .. } => self.imports(wide(args.len()))?,
                        Instance::FromExports(exports) => self.exports(wide(exports.len()))?,
                    }
                }
                self.exports(section.count().into())
            }
            Payload::ComponentInstanceSection(section) => {
                for instance in section.clone() {
                    match instance.map_err(refusal)? {
                        ComponentInstance::Instantiate { args, .. } => {
                            self.imports(wide(args.len()))?;
                        }
                        ComponentInstance::FromExports(exports) => {
                            self.exports(wide(exports.len()))?;
                        }
                    }
                }
                self.exports(section.count().into())
            }
            Payload::ComponentAliasSection(section) => self.imports(section.count().into()),
            Payload::ComponentCanonicalSection(section) => {
                self.functions(section.count().into())?;
                self.frames.last().takes.host_bytes += bytes::LOWERED * u64::from(section.count());
                Ok(())
            }
            Payload::ComponentImportSection(section) => {
                self.imports(section.count().into())?;
                for import in section.clone() {
                    self.symbol(import.map_err(refusal)?.name.name)?;
                }
                Ok(())
            }
            Payload::ComponentExportSection(section) => {
                self.exports(section.count().into())?;
                for export in section.clone() {
                    self.symbol(export.map_err(refusal)?.name.name)?;
                }
                Ok(())
            }
            Payload::CustomSection(section) => match section.as_known() {
                KnownCustom::Name(names) => self.names(names, section.data().len()),
                _ => Ok(()),
            },
            _ => Ok(()),
        }
    }

    /// The names of functions, which the engine keeps for its backtraces. What
    /// cannot be read there is of no account, to the engine neither.
    fn names(
        &mut self,
        names: wasmparser::NameSectionReader<'_>,
        bytes: usize,
    ) -> Result<(), LoadError> {
        self.symbol_bytes = self.symbol_bytes.saturating_add(wide(bytes));
        let most = self.limits.compile.symbol_total_bytes;
        at_most(most, self.symbol_bytes, "bytes of names of functions", "compile.symbol-total")?;
        for names in names.into_iter().map_while(Result::ok) {
            if let Name::Module { name, .. } = names {
                self.symbol(name)?;
            } else if let Name::Function(names) = names {
                for name in names.into_iter().map_while(Result::ok) {
                    self.symbol(name.name)?;
                }
            }
        }
        Ok(())
    }
}

fn wide(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}
