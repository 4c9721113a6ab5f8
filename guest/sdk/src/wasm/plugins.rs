//! The host's plugins, in the types of the crate.

use super::plugins_bindings::ipam::driver::plugins;
use crate::{Error, Kind, plugins::Answer};
use alloc::{string::String, vec::Vec};

pub(crate) type Plugin = plugins::Plugin;

pub(crate) fn get(name: &str, endpoint_type: &str) -> Result<Plugin, Error> {
    let getter = plugins::get_plugin_getter();
    let getter = getter.ok_or_else(|| Error::other(Kind::NotFound, "the host has no plugins"))?;
    Ok(getter.get(name, endpoint_type)?)
}

pub(crate) fn all(endpoint_type: &str) -> Vec<Plugin> {
    let getter = plugins::get_plugin_getter();
    getter.map(|getter| getter.get_all_by_endpoint_type(endpoint_type)).unwrap_or_default()
}

pub(crate) fn name(plugin: &Plugin) -> String {
    plugin.name()
}

pub(crate) fn call(plugin: &Plugin, method: &str, body: &[u8]) -> Result<Answer, Error> {
    let plugins::PluginAnswer { status, body } = plugin.call(method, body)?;
    Ok(Answer { status, body })
}
