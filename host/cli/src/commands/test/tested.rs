//! What is tested, and within which limits: by flags, or as a configuration file
//! has it.

use crate::{
    built_in::BuiltIn,
    component::{component, of_table},
    config::{Flags, Settings},
    driver_config::{DriverSettings, Source},
    fatal::Fatal,
    predefined,
};
use ipam_api::DriverName;
use ipam_runtime::{CallLimits, Grants, Limits, PluginGrant, StoreLimits, UrlPrefix};
use std::{
    path::{Path, PathBuf},
    time::Duration,
};

/// What `--store` grants.
const STORE: StoreLimits = StoreLimits { bytes_max: 1 << 20, keys_max: 1000 };
/// A site id like any other, so that each run has the same IPv6 addresses.
const SITE_ID: &str = "00000000000000000000000000000000";

/// What flags grant a driver, where no table does.
#[derive(Debug, clap::Args)]
pub(super) struct Granted {
    /// Grant a store of 1 MiB and 1000 keys
    #[arg(long)]
    pub(super) store: bool,
    /// Grant HTTP requests to URLs that begin with this; may be repeated
    #[arg(long, value_name = "URL")]
    pub(super) http: Vec<UrlPrefix>,
    /// Grant calls to this Docker plugin; may be repeated
    #[arg(long, value_name = "NAME")]
    pub(super) plugin: Vec<DriverName>,
    /// Directory of the plugin sockets, instead of /run/docker/plugins
    #[arg(long, value_name = "DIR", requires = "plugin")]
    pub(super) plugin_sockets: Option<PathBuf>,
    /// Grant real random numbers
    #[arg(long)]
    pub(super) random: bool,
    /// How long one call may take, in milliseconds
    #[arg(long, value_name = "NUMBER", default_value_t = 5000, value_parser = clap::value_parser!(u64).range(1..=86_400_000))]
    pub(super) call_ms: u64,
}

/// A driver's component, and what it gets.
pub(super) struct Tested {
    /// What to call it in the log.
    pub(super) label: String,
    pub(super) bytes: Vec<u8>,
    pub(super) is_built_in: bool,
    pub(super) limits: Limits,
    pub(super) grants: Grants,
    /// The most names that it may register, if that is not for the test to say.
    pub(super) names_max: Option<usize>,
    /// Its own table, one JSON object.
    pub(super) config: String,
}

impl Tested {
    /// By flags.
    pub(super) fn of_flags(file: &str, config: &str, args: &Granted) -> Result<Self, Fatal> {
        let read: serde_json::Value = serde_json::from_str(config)
            .map_err(|error| Fatal::Usage(format!("--config: {error}")))?;
        if !read.is_object() {
            return Err(Fatal::Usage("--config: it is not a JSON object".to_owned()));
        }
        let time = Duration::from_millis(args.call_ms);
        let limits =
            Limits { call: CallLimits { time, ..CallLimits::default() }, ..Limits::default() };
        let (label, bytes, is_built_in) = component(file)?;
        let store = DriverSettings::new(file, None, Path::new(""))?.grants.store;
        let grants = Grants {
            store: args.store.then_some(STORE).or(store),
            http: args.http.clone(),
            plugins: plugins(args),
            random_real: args.random,
        };
        let config = config.to_owned();
        Ok(Self { label, bytes, is_built_in, limits, grants, names_max: None, config })
    }

    /// As `serve` has it by this file, signed and pinned as its table wants it; or
    /// a component that is given as another version of it, which is trusted.
    pub(super) fn in_service(path: &Path, name: &str, file: Option<&str>) -> Result<Self, Fatal> {
        let flags = Flags { config: Some(path.to_owned()), ..Flags::default() };
        let drivers = Settings::new(flags)?.drivers;
        let usage = |why: String| Fatal::Usage(format!("{}: {why}", path.display()));
        let names: Vec<String> = drivers.iter().map(DriverSettings::called).collect();
        let one = drivers.into_iter().find(|driver| driver.called() == name);
        let settings = one.ok_or_else(|| {
            usage(format!("it has no driver {name}; it has {}", names.join(", ")))
        })?;
        let (label, bytes, is_built_in) = match file {
            Some(file) => of_table(&DriverSettings {
                limits: settings.limits.clone(),
                ..DriverSettings::new(file, None, Path::new(""))?
            })?,
            None => of_table(&settings)?,
        };
        let DriverSettings { source, limits, grants, pools, mut config, .. } = settings;
        if source == Source::BuiltIn(BuiltIn::Default) {
            predefined::check(&config, pools.as_deref()).map_err(usage)?;
            config.entry("site-id").or_insert_with(|| SITE_ID.into());
        }
        let config = serde_json::Value::Object(config).to_string();
        let names_max = Some(limits.instance.names);
        Ok(Self { label, bytes, is_built_in, limits, grants, names_max, config })
    }
}

/// The plugins that flags grant.
fn plugins(args: &Granted) -> PluginGrant {
    let usual = PluginGrant::default();
    PluginGrant {
        names: args.plugin.iter().cloned().collect(),
        sockets: args.plugin_sockets.clone().map_or(usual.sockets, |directory| vec![directory]),
        ..usual
    }
}
