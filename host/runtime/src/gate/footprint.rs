//! What an instance of a component is made of: each module as often as it is
//! instantiated, wherever that is said.
//!
//! In: the component's parts in order, each after the validator has seen it.
//! Out: the sum at its end. Modules and components are told apart by their
//! index, which definitions, imports, aliases and exports make.

use super::refusal;
use crate::LoadError;
use wasmparser::{
    ComponentAlias, ComponentExternalKind, ComponentInstance, ComponentOuterAliasKind,
    ComponentTypeRef, Instance, Payload,
};

/// What instances of something are made of, all its parts together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Footprint {
    /// Of core modules.
    pub(crate) instances: u64,
    pub(crate) globals: u64,
    pub(crate) memories: u64,
    pub(crate) tables: u64,
    /// Of the host's own memory, but for what is in memories and tables.
    pub(crate) host_bytes: u64,
}

impl Footprint {
    fn add(&mut self, other: Self) {
        let Self { instances, globals, memories, tables, host_bytes } = self;
        *instances = instances.saturating_add(other.instances);
        *globals = globals.saturating_add(other.globals);
        *memories = memories.saturating_add(other.memories);
        *tables = tables.saturating_add(other.tables);
        *host_bytes = host_bytes.saturating_add(other.host_bytes);
    }
}

/// What wasmtime 48 keeps for an instance, in bytes, by its `vmoffsets.rs` and
/// `vm/instance.rs`; rounded up, and compared with what a process takes by
/// `tests/sandbox/memory.rs`.
pub(super) mod bytes {
    pub(in crate::gate) const STORE: u64 = 16 << 10;
    pub(in crate::gate) const INSTANCE: u64 = 1 << 10;
    pub(in crate::gate) const MEMORY: u64 = 256;
    pub(in crate::gate) const TABLE: u64 = 192;
    pub(in crate::gate) const GLOBAL: u64 = 16;
    pub(in crate::gate) const IMPORT: u64 = 32;
    pub(in crate::gate) const FUNCTION_REFERENCE: u64 = 32;
    pub(in crate::gate) const DATA: u64 = 16;
    pub(in crate::gate) const ELEMENT: u64 = 16;
    pub(in crate::gate) const LOWERED: u64 = 128;
}

/// One module or component that is being read.
#[derive(Default)]
pub(super) struct Frame {
    is_module: bool,
    /// What one instance of it takes.
    pub(super) takes: Footprint,
    /// Of a module: functions that something refers to, at most, and all.
    pub(super) referred: u64,
    pub(super) functions: u64,
    /// Of a component: what its modules and components take, by their index.
    /// Nothing where it is not made with them, but gets them from elsewhere.
    modules: Vec<Option<Footprint>>,
    components: Vec<Option<Footprint>>,
}

/// Those that are in each other, from the outermost.
#[derive(Default)]
pub(super) struct Frames(Vec<Frame>);

impl Frames {
    /// What is being read.
    pub(super) fn last(&mut self) -> &mut Frame {
        if self.0.is_empty() {
            self.0.push(Frame::default());
        }
        let last = self.0.len() - 1;
        &mut self.0[last]
    }

    /// Adds up what is instantiated, once it is known to be valid. At the end
    /// of the outermost component: all of it.
    pub(super) fn instantiate(
        &mut self,
        payload: &Payload<'_>,
    ) -> Result<Option<Footprint>, LoadError> {
        #[expect(clippy::wildcard_enum_match_arm, reason = "nothing else makes an instance")]
        match payload {
            Payload::ModuleSection { .. } => {
                self.last();
                self.0.push(Frame { is_module: true, ..Frame::default() });
            }
            Payload::ComponentSection { .. } => {
                self.last();
                self.0.push(Frame::default());
            }
            Payload::InstanceSection(section) => {
                for instance in section.clone() {
                    if let Instance::Instantiate { module_index, .. } = instance.map_err(refusal)? {
                        let frame = self.last();
                        let takes = known(&frame.modules, module_index)?;
                        frame.takes.add(takes);
                    }
                }
            }
            Payload::ComponentInstanceSection(section) => {
                for instance in section.clone() {
                    let instance = instance.map_err(refusal)?;
                    if let ComponentInstance::Instantiate { component_index, .. } = instance {
                        let frame = self.last();
                        let takes = known(&frame.components, component_index)?;
                        frame.takes.add(takes);
                    }
                }
            }
            Payload::ComponentAliasSection(section) => {
                for alias in section.clone() {
                    self.alias(&alias.map_err(refusal)?);
                }
            }
            Payload::ComponentImportSection(section) => {
                for import in section.clone() {
                    match import.map_err(refusal)?.ty {
                        ComponentTypeRef::Module(_) => self.last().modules.push(None),
                        ComponentTypeRef::Component(_) => self.last().components.push(None),
                        ComponentTypeRef::Func(_)
                        | ComponentTypeRef::Value(_)
                        | ComponentTypeRef::Type(_)
                        | ComponentTypeRef::Instance(_) => {}
                    }
                }
            }
            // What is exported has another index from there on.
            Payload::ComponentExportSection(section) => {
                for export in section.clone() {
                    let export = export.map_err(refusal)?;
                    let all = match export.kind {
                        ComponentExternalKind::Module => &mut self.last().modules,
                        ComponentExternalKind::Component => &mut self.last().components,
                        ComponentExternalKind::Func
                        | ComponentExternalKind::Value
                        | ComponentExternalKind::Type
                        | ComponentExternalKind::Instance => continue,
                    };
                    let takes = at(all, export.index);
                    all.push(takes);
                }
            }
            Payload::End(_) => return Ok(self.end()),
            _ => {}
        }
        Ok(None)
    }

    fn alias(&mut self, alias: &ComponentAlias<'_>) {
        match *alias {
            ComponentAlias::Outer { kind, count, index } => {
                let depth = usize::try_from(count).unwrap_or(usize::MAX);
                let outer = self.0.len().checked_sub(depth.saturating_add(1));
                let outer = outer.and_then(|outer| self.0.get(outer));
                match kind {
                    ComponentOuterAliasKind::CoreModule => {
                        let takes = outer.and_then(|outer| at(&outer.modules, index));
                        self.last().modules.push(takes);
                    }
                    ComponentOuterAliasKind::Component => {
                        let takes = outer.and_then(|outer| at(&outer.components, index));
                        self.last().components.push(takes);
                    }
                    ComponentOuterAliasKind::CoreType | ComponentOuterAliasKind::Type => {}
                }
            }
            ComponentAlias::InstanceExport { kind, .. } => match kind {
                ComponentExternalKind::Module => self.last().modules.push(None),
                ComponentExternalKind::Component => self.last().components.push(None),
                ComponentExternalKind::Func
                | ComponentExternalKind::Value
                | ComponentExternalKind::Type
                | ComponentExternalKind::Instance => {}
            },
            ComponentAlias::CoreInstanceExport { .. } => {}
        }
    }

    /// One of them is read to its end.
    fn end(&mut self) -> Option<Footprint> {
        let mut done = self.0.pop()?;
        if done.is_module {
            let referred = done.referred.min(done.functions);
            let own = bytes::INSTANCE + bytes::FUNCTION_REFERENCE * referred;
            done.takes.host_bytes = done.takes.host_bytes.saturating_add(own);
            done.takes.instances = 1;
        }
        let Some(around) = self.0.last_mut() else { return Some(done.takes) };
        let all = if done.is_module { &mut around.modules } else { &mut around.components };
        all.push(Some(done.takes));
        None
    }
}

fn at(all: &[Option<Footprint>], index: u32) -> Option<Footprint> {
    usize::try_from(index).ok().and_then(|index| all.get(index).copied()).flatten()
}

/// What is instantiated must be of the file: what a component is given by
/// another cannot be counted here, and no toolchain makes such drivers.
fn known(all: &[Option<Footprint>], index: u32) -> Result<Footprint, LoadError> {
    at(all, index).ok_or(LoadError::ForeignPart)
}
