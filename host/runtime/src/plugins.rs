//! Plugins that already exist, for drivers that were granted them by name: the
//! host's side of `ipam:driver/plugins`.
//!
//! `find` looks them up as Docker does, and `call` asks them; nothing else here
//! opens a connection. A call is over before that of the driver is: what the
//! driver was asked meanwhile is answered, if only with a refusal.

mod call;
mod find;

use crate::{
    Grants, Limits, PluginGrant,
    bindings::{plugins, types},
    convert,
    halt::{Halt, LOOK},
    imports::State,
    log::Log,
};
use call::{Call, NoAnswer};
use find::Target;
use ipam_api::{Code, Error, Kind, text::joined};
use plugins::PluginAnswer;
use serde::Deserialize;
use std::{
    sync::Arc,
    time::{Duration, Instant},
};
use tracing::Level;
use wasmtime::component::{Resource, ResourceTableError};
use wasmtime_wasi::runtime::in_tokio;

/// The longest name of a method, in bytes.
const METHOD_BYTES: usize = 128;
/// The longest answer to `Plugin.Activate` that is read, in bytes.
const ACTIVATION_BYTES: usize = 64 << 10;

/// What an instance may ask of plugins.
pub(crate) struct Plugins {
    grants: Arc<Grants>,
    log: Log,
    time: Duration,
    body_bytes: usize,
    calls: u32,
    calls_left: u32,
    /// When the last call of a plugin is over.
    ends: Instant,
    halt: Halt,
}

/// A guest's `plugin-getter`: there is nothing to know of it.
#[expect(unreachable_pub, reason = "the bindings export it again")]
pub struct Getter;

/// A guest's `plugin`: one that was found and activated.
#[expect(unreachable_pub, reason = "the bindings export it again")]
pub struct Plugin {
    name: Arc<str>,
    target: Target,
    endpoint_type: String,
}

/// What `Plugin.Activate` answers.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Activation {
    #[serde(default)]
    implements: Option<Vec<String>>,
}

impl Plugins {
    pub(crate) fn new(grants: Arc<Grants>, limits: &Limits, log: Log, halt: Halt) -> Self {
        Self {
            grants,
            log,
            time: limits.plugins.time,
            body_bytes: limits.plugins.body_bytes,
            calls: limits.plugins.calls,
            calls_left: 0,
            ends: Instant::now(),
            halt,
        }
    }

    fn granted(&self) -> &PluginGrant {
        &self.grants.plugins
    }

    /// Whether methods of that type were granted, and can be called.
    fn is_granted(&self, endpoint_type: &str) -> bool {
        self.granted().types.contains(endpoint_type) && is_word(endpoint_type)
    }

    /// A call begins, and may take so long. Plugins are given up a tenth
    /// earlier, so that a driver whose plugin hangs can say so.
    pub(crate) fn begin(&mut self, time: Duration) {
        if !self.granted().names.is_empty() {
            let time = time.min(Limits::LONGEST);
            self.ends = Instant::now() + (time - time / 10);
            self.calls_left = self.calls;
        }
    }

    fn say(&self, name: &str, method: &str, why: &dyn std::fmt::Display) {
        self.log.say(Level::WARN, format_args!("plugin {name}: {method}: {why}"));
    }

    /// Asks once. Nothing if it was not asked, and then the operator knows why.
    fn ask(
        &mut self,
        (name, target): (&str, &Target),
        method: &str,
        body: Vec<u8>,
        waits: bool,
    ) -> Option<Result<PluginAnswer, NoAnswer>> {
        let Some(left) = self.calls_left.checked_sub(1) else {
            self.say(name, method, &format_args!("a call may make {} of plugins", self.calls));
            return None;
        };
        self.calls_left = left;
        let (time, body_bytes) = if method == ACTIVATE {
            (self.time / 4, ACTIVATION_BYTES)
        } else {
            (self.time, self.body_bytes)
        };
        let ends = self.ends.min(Instant::now() + time.min(Limits::LONGEST));
        let call = Call { target, method, body, body_bytes, ends: ends.into(), waits };
        // It sees to that itself, and says which of its waits took so long.
        let until = ends + LOOK;
        let answer = in_tokio(self.halt.until(until, call.make()));
        Some(answer.unwrap_or(Err(NoAnswer::Late)))
    }

    /// Finds a plugin and activates it: the first that is there, and no other
    /// even if that one implements something else, as with Docker.
    fn activate(&mut self, name: &str, endpoint_type: &str) -> Option<Plugin> {
        let grants = self.grants.clone();
        let log = self.log.clone();
        let tell = |file: &std::path::Path, why| {
            log.say(Level::WARN, format_args!("plugin {name}: {}: {why}", file.display()));
        };
        let mut is_somewhere = false;
        for target in find::targets(&grants.plugins, name, tell) {
            is_somewhere = true;
            let answer = match self.ask((name, &target), ACTIVATE, Vec::new(), false)? {
                Ok(answer) => answer,
                Err(NoAnswer::Ourselves) => continue,
                Err(why) => {
                    self.say(name, ACTIVATE, &why);
                    if !matches!(why, NoAnswer::Connect(_)) {
                        return None;
                    }
                    continue;
                }
            };
            let activation = if answer.status == 200 {
                serde_json::from_slice::<Activation>(&answer.body).map_err(|why| why.to_string())
            } else {
                Err(format!("it answers with status {}", answer.status))
            };
            let implements = match activation {
                Ok(activation) => activation.implements.unwrap_or_default(),
                Err(why) => {
                    self.say(name, ACTIVATE, &why);
                    return None;
                }
            };
            let endpoint_type = endpoint_type.to_owned();
            if implements.contains(&endpoint_type) {
                return Some(Plugin { name: name.into(), target, endpoint_type });
            }
            let implements = joined(&implements, ", ");
            self.log.say(Level::WARN, format_args!("plugin {name}: it implements {implements}"));
            return None;
        }
        if !is_somewhere {
            let text = format_args!("plugin {name}: no socket and no file says where it is");
            self.log.say(Level::WARN, text);
        }
        None
    }
}

const ACTIVATE: &str = "Plugin.Activate";

/// Whether it can be the name of a type or of a method.
fn is_word(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= METHOD_BYTES
        && text.bytes().all(|it| it.is_ascii_alphanumeric())
}

fn refusal(error: &Error) -> types::Error {
    convert::error_to_guest(error)
}

impl plugins::Host for State {
    fn get_plugin_getter(&mut self) -> wasmtime::Result<Option<Resource<Getter>>> {
        Ok(Some(self.table.push(Getter)?))
    }
}

impl plugins::HostPluginGetter for State {
    fn get(
        &mut self,
        _: Resource<Getter>,
        name: String,
        endpoint_type: String,
    ) -> wasmtime::Result<Result<Resource<Plugin>, types::Error>> {
        let is_granted = self.plugins.granted().names.contains(name.as_str());
        let plugin = if is_granted && self.plugins.is_granted(&endpoint_type) {
            self.plugins.activate(&name, &endpoint_type)
        } else {
            None
        };
        Ok(match plugin {
            Some(plugin) => Ok(self.table.push(plugin)?),
            None => Err(refusal(&Error::other(Kind::NotFound, "there is no such plugin"))),
        })
    }

    fn get_all_by_endpoint_type(
        &mut self,
        _: Resource<Getter>,
        endpoint_type: String,
    ) -> wasmtime::Result<Vec<Resource<Plugin>>> {
        if !self.plugins.is_granted(&endpoint_type) {
            return Ok(Vec::new());
        }
        let grants = self.plugins.grants.clone();
        let mut found = Vec::new();
        for name in &grants.plugins.names {
            found.extend(self.plugins.activate(name.as_str(), &endpoint_type));
        }
        let found = found.into_iter().map(|plugin| self.table.push(plugin));
        Ok(found.collect::<Result<_, ResourceTableError>>()?)
    }

    fn drop(&mut self, getter: Resource<Getter>) -> wasmtime::Result<()> {
        self.table.delete(getter)?;
        Ok(())
    }
}

impl plugins::HostPlugin for State {
    fn name(&mut self, plugin: Resource<Plugin>) -> wasmtime::Result<String> {
        Ok(self.table.get(&plugin)?.name.to_string())
    }

    fn call(
        &mut self,
        plugin: Resource<Plugin>,
        method: String,
        body: Vec<u8>,
    ) -> wasmtime::Result<Result<PluginAnswer, types::Error>> {
        let plugin = self.table.get(&plugin)?;
        let word = method.strip_prefix(&*plugin.endpoint_type).and_then(|it| it.strip_prefix('.'));
        if !word.is_some_and(is_word) {
            let text = format!("a method of it is {}.Word", plugin.endpoint_type);
            return Ok(Err(refusal(&Error::new(Code::InvalidRequest, text))));
        }
        if body.len() > self.plugins.body_bytes {
            let text = format!("a request has at most {} bytes", self.plugins.body_bytes);
            return Ok(Err(refusal(&Error::new(Code::InvalidRequest, text))));
        }
        let unavailable = |text| Ok(Err(refusal(&Error::other(Kind::Unavailable, text))));
        match self.plugins.ask((&plugin.name, &plugin.target), &method, body, true) {
            None => unavailable("too many calls of plugins"),
            Some(Ok(answer)) => Ok(Ok(answer)),
            Some(Err(why)) => {
                self.plugins.say(&plugin.name, &method, &why);
                unavailable("the plugin does not answer")
            }
        }
    }

    fn drop(&mut self, plugin: Resource<Plugin>) -> wasmtime::Result<()> {
        self.table.delete(plugin)?;
        Ok(())
    }
}
