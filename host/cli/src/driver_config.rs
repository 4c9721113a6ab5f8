//! One driver's table in the configuration: where it comes from, what it may
//! use, and what it is granted.

use crate::{
    built_in::BuiltIn,
    driver_json,
    fatal::Fatal,
    limits_table::LimitsTable,
    signature_table::{SignaturePolicy, SignaturesTable},
    store_table::StoreTable,
    written::{Prefix, parse_name},
};
use ipam_api::{Digest, DriverName};
use ipam_registry::{Reference, SCHEME};
use ipam_runtime::{Grants, Limits, PluginGrant};
use ipnet::IpNet;
use serde::Deserialize;
use std::{
    collections::BTreeSet,
    fmt,
    path::{Path, PathBuf},
};

/// Where a driver comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Source {
    /// Embedded in this program.
    BuiltIn(BuiltIn),
    /// A component file.
    File(PathBuf),
    /// An artifact of a registry.
    Registry(Reference),
}

impl Source {
    /// Whether it is this very file, however it is written, or reference.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::File(one), Self::File(other)) => is_same_file(one, other),
            _ => self == other,
        }
    }

    /// What to call its driver before that has said so itself.
    pub(crate) fn name(&self) -> String {
        match self {
            Self::BuiltIn(which) => which.name().to_owned(),
            Self::File(path) => path.file_stem().unwrap_or_default().display().to_string(),
            Self::Registry(reference) => {
                reference.repository().rsplit('/').next().unwrap_or_default().to_owned()
            }
        }
    }

    /// Which entry it is, whatever version of it.
    pub(crate) fn identity(&self) -> String {
        match self {
            Self::BuiltIn(_) | Self::File(_) => self.to_string(),
            Self::Registry(reference) => format!("{SCHEME}{}", reference.name()),
        }
    }
}

/// Whether two paths lead to one file.
fn is_same_file(one: &Path, other: &Path) -> bool {
    one == other
        || one.canonicalize().ok().is_some_and(|one| other.canonicalize().ok() == Some(one))
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BuiltIn(which) => write!(f, "builtin:{}", which.name()),
            Self::File(path) => path.display().fmt(f),
            Self::Registry(reference) => reference.fmt(f),
        }
    }
}

/// One driver to serve.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct DriverSettings {
    /// Where it comes from.
    pub(crate) source: Source,
    /// What to call it instead of its own name.
    pub(crate) rename: Option<DriverName>,
    /// The only file that may be loaded.
    pub(crate) digest: Option<Digest>,
    /// Who must have signed it: always if it is from a registry, else if that is
    /// required.
    pub(crate) signed: Option<SignaturePolicy>,
    /// Whether a file must be signed, too.
    pub(crate) require_signature: Option<bool>,
    /// The registries that are spoken to without TLS.
    pub(crate) plain_http: Vec<String>,
    /// What it may use.
    pub(crate) limits: Limits,
    /// What it gets beyond what every driver gets.
    pub(crate) grants: Grants,
    /// What its automatic pools are bounded by, if it was granted any.
    pub(crate) pools: Option<Vec<IpNet>>,
    /// Whether it may have what another was granted under its name.
    pub(crate) takes_over: bool,
    /// Its own table.
    pub(crate) config: serde_json::Map<String, serde_json::Value>,
}

/// The table, key for key.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct DriverTable {
    file: String,
    name: Option<String>,
    digest: Option<String>,
    signatures: Option<SignaturesTable>,
    require_signature: Option<bool>,
    #[serde(default)]
    limits: LimitsTable,
    #[serde(default)]
    http: Vec<String>,
    store: Option<StoreTable>,
    #[serde(default)]
    plugins: Vec<String>,
    plugin_types: Option<Vec<String>>,
    plugin_sockets: Option<Vec<PathBuf>>,
    plugin_specs: Option<Vec<PathBuf>>,
    #[serde(default)]
    random: Random,
    pools: Option<Vec<Prefix>>,
    #[serde(default)]
    takes_over: bool,
    #[serde(default)]
    config: toml::Table,
}

/// Types of plugins, by what `Plugin.Activate` calls them.
fn types(named: Option<Vec<String>>) -> Result<Option<BTreeSet<String>>, String> {
    let is_type = |it: &String| !it.is_empty() && it.bytes().all(|it| it.is_ascii_alphanumeric());
    match named.iter().flatten().find(|it| !is_type(it)) {
        Some(wrong) => Err(format!("plugin-types: {wrong:?} is not a type such as \"IpamDriver\"")),
        None => Ok(named.map(|named| named.into_iter().collect())),
    }
}

/// Which random numbers a driver gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Random {
    /// The same for everybody.
    #[default]
    Fixed,
    /// Those that nobody foresees.
    Real,
}

/// Directories in which plugins are looked for. Where an empty one leads depends
/// on where the daemon was started.
fn directories(key: &str, paths: Option<Vec<PathBuf>>) -> Result<Option<Vec<PathBuf>>, String> {
    match &paths {
        Some(paths) if paths.iter().any(|path| path.as_os_str().is_empty()) => {
            Err(format!("{key} has an empty directory"))
        }
        _ => Ok(paths),
    }
}

impl DriverTable {
    /// `base` is what a relative file is relative to.
    pub(crate) fn settings(self, base: &Path) -> Result<DriverSettings, Fatal> {
        let usage = |why: &dyn fmt::Display| Fatal::Usage(format!("driver {}: {why}", self.file));
        let digest = self.digest.as_ref().map(|text| text.parse());
        let usual = PluginGrant::default();
        let names = self.plugins.iter().map(|name| parse_name(name));
        let plugins = PluginGrant {
            names: names.collect::<Result<_, _>>()?,
            types: types(self.plugin_types).map_err(|why| usage(&why))?.unwrap_or(usual.types),
            sockets: directories("plugin-sockets", self.plugin_sockets)
                .map_err(|why| usage(&why))?
                .unwrap_or(usual.sockets),
            specs: directories("plugin-specs", self.plugin_specs)
                .map_err(|why| usage(&why))?
                .unwrap_or(usual.specs),
        };
        let http = self.http.iter().map(|text| text.parse());
        let config = driver_json::json(self.config).map_err(|why| usage(&why))?;
        let settings = DriverSettings::new(&self.file, self.name.as_deref(), base)?;
        let grants = Grants {
            http: http.collect::<Result<_, _>>().map_err(|error| usage(&error))?,
            store: self
                .store
                .as_ref()
                .map(StoreTable::limits)
                .transpose()
                .map_err(|it| usage(&it))?
                .or(settings.grants.store),
            plugins,
            random_real: self.random == Random::Real,
        };
        let mut limits = self.limits.limits().map_err(|why| usage(&why))?;
        if !self.limits.has_names() && settings.source == Source::BuiltIn(BuiltIn::Remote) {
            // Each plugin that it was granted is a driver.
            limits.instance.names = grants.plugins.names.len().max(1);
        }
        Ok(DriverSettings {
            grants,
            digest: digest.transpose().map_err(|error| usage(&error))?,
            signed: self.signatures.map(|table| table.signed(base)).transpose()?,
            require_signature: self.require_signature,
            limits,
            pools: self.pools.map(|pools| pools.iter().map(|Prefix(pool)| pool.trunc()).collect()),
            takes_over: self.takes_over,
            config,
            ..settings
        })
    }
}

impl DriverSettings {
    /// A driver with the limits of every driver, and without grants.
    pub(crate) fn new(file: &str, name: Option<&str>, base: &Path) -> Result<Self, Fatal> {
        let source = match file.strip_prefix("builtin:") {
            Some(name) => match BuiltIn::ALL.into_iter().find(|which| which.name() == name) {
                Some(which) => Source::BuiltIn(which),
                None => {
                    let all = BuiltIn::ALL.map(|which| format!("builtin:{}", which.name()));
                    let text = format!("no driver builtin:{name}; there are {}", all.join(", "));
                    return Err(Fatal::Usage(text));
                }
            },
            None if file.is_empty() => {
                return Err(Fatal::Usage("a driver needs a file".to_owned()));
            }
            None if file.starts_with(SCHEME) => {
                let reference = file.parse();
                Source::Registry(reference.map_err(|error| Fatal::Usage(format!("{error}")))?)
            }
            None => Source::File(base.join(file)),
        };
        Ok(Self { rename: name.map(parse_name).transpose()?, ..Self::of(source) })
    }

    pub(crate) fn built_in(which: BuiltIn) -> Self {
        Self::of(Source::BuiltIn(which))
    }

    fn of(source: Source) -> Self {
        let store = match &source {
            Source::BuiltIn(which) => which.store(),
            Source::File(_) | Source::Registry(_) => None,
        };
        Self {
            source,
            rename: None,
            digest: None,
            signed: None,
            require_signature: None,
            plain_http: Vec::new(),
            limits: Limits::default(),
            grants: Grants { store, ..Grants::default() },
            pools: None,
            takes_over: false,
            config: serde_json::Map::new(),
        }
    }

    /// What to call it until it has registered.
    pub(crate) fn called(&self) -> String {
        self.rename.as_ref().map_or_else(|| self.source.name(), ToString::to_string)
    }

    /// Whether this is another state of that entry: of one name if it has one,
    /// else of one file, or of one repository.
    pub(crate) fn is_of(&self, other: &Self) -> bool {
        self.rename == other.rename
            && (self.rename.is_some() || self.source.identity() == other.source.identity())
    }

    /// Takes over what holds for all drivers, where its own table says nothing.
    pub(crate) fn inherit(
        &mut self,
        signed: Option<&SignaturePolicy>,
        require_signature: bool,
        plain_http: &[String],
    ) -> Result<(), Fatal> {
        if matches!(self.source, Source::BuiltIn(_)) {
            return Ok(());
        }
        self.plain_http = plain_http.to_vec();
        self.signed = self.signed.take().or_else(|| signed.cloned());
        let is_required = *self.require_signature.get_or_insert(require_signature);
        if is_required && self.signed.is_none() {
            let source = &self.source;
            return Err(Fatal::Usage(format!(
                "driver {source}: require-signature needs keys: write them into [signatures]"
            )));
        }
        Ok(())
    }

    /// Whether a file of it must be signed.
    pub(crate) fn signed_file(&self) -> Option<&SignaturePolicy> {
        self.signed.as_ref().filter(|_| self.require_signature == Some(true))
    }
}

#[cfg(test)]
mod tests {
    use super::{DriverSettings, DriverTable};
    use ipam_runtime::Limits;
    use std::{path::Path, time::Duration};

    fn settings(text: &str) -> Result<DriverSettings, String> {
        let table: DriverTable =
            toml::from_str(text).map_err(|error| error.message().to_owned())?;
        table.settings(Path::new("/etc/wipam")).map_err(|fatal| fatal.to_string())
    }

    #[test]
    fn a_driver_may_have_less_or_more_than_others() {
        let lab = settings(
            r#"
            file = "lab.wasm"
            digest = "sha256:abababababababababababababababababababababababababababababababab"
            http = ["https://netbox.example/api"]
            store = { max-bytes = 1000, max-keys = 10 }
            plugins = ["infoblox"]
            random = "real"
            pools = ["10.0.0.0/8", "fd00::7/8"]
            takes-over = true
            [limits]
            call-ms = 250
            instance.memory = "1MiB"
            [limits.answer]
            log-lines = 5
            "#,
        )
        .unwrap();
        assert_eq!(lab.limits.call.time, Duration::from_millis(250));
        assert_eq!((lab.limits.instance.memory_bytes, lab.limits.answer.log_lines), (1 << 20, 5));
        assert_eq!(lab.limits.http, Limits::default().http);
        assert_eq!(lab.grants.http[0].to_string(), "https://netbox.example/api/");
        assert_eq!(lab.grants.store.map(|store| store.keys_max), Some(10));
        assert!(lab.grants.plugins.names.contains("infoblox"));
        assert!(lab.grants.random_real && lab.takes_over);
        let pools: Vec<String> = lab.pools.unwrap().iter().map(ToString::to_string).collect();
        assert_eq!(pools, ["10.0.0.0/8", "fd00::/8"]);
        let plain = settings("file = 'lab.wasm'").unwrap();
        assert_eq!((plain.pools, plain.takes_over), (None, false));
        assert!(lab.digest.is_some());
    }

    #[test]
    fn a_driver_has_one_name_and_remote_one_for_each_plugin() {
        for (text, names) in [
            ("file = 'a'", 1),
            ("file = 'a'\n[limits]\nnames = 3", 3),
            ("file = 'builtin:remote'\nplugins = ['b', 'c']\nlimits.instance.names = 3", 3),
            ("file = 'a'\nplugins = ['b', 'c']", 1),
            ("file = 'builtin:remote'\nplugins = ['b', 'c']", 2),
            ("file = 'builtin:remote'", 1),
            ("file = 'builtin:remote'\nplugins = ['b', 'c']\n[limits]\nnames = 1", 1),
        ] {
            assert_eq!(settings(text).unwrap().limits.instance.names, names, "{text}");
        }
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        for (text, words) in [
            ("file = 'a'\n[limits]\ncall.time = '0s'", "limits.call.time must be from"),
            (
                "file = 'a'\nstore = { max-bytes = 2000000000, max-keys = 1 }",
                "store.max-bytes must",
            ),
            ("file = 'a'\nstore = { max-bytes = 1 }", "max-keys"),
            ("file = 'a'\nhttp = ['netbox']", "is not http:// or https://"),
            ("file = 'a'\nrandom = 'none'", "unknown variant"),
            ("file = 'a'\ndigest = 'abc'", "a digest is sha256:"),
            ("file = ''", "a driver needs a file"),
            ("file = 'builtin:'", "no driver builtin:"),
            ("file = 'a'\nname = ''", "a driver's name"),
            ("file = 'a'\ndigest = ''", "a digest is sha256:"),
            ("file = 'a'\nhttp = ['']", "is not http:// or https://"),
            ("file = 'a'\nplugins = ['']", "a driver's name"),
            ("file = 'a'\nplugin-sockets = ['/run', '']", "plugin-sockets has an empty directory"),
            ("file = 'a'\nplugin-specs = ['']", "plugin-specs has an empty directory"),
            ("file = 'a'\npools = ['10.0.0.0']", "prefix"),
            ("file = 'a'\npools = ['010.0.0.0/8']", "prefix"),
        ] {
            let refused = settings(text).unwrap_err();
            assert!(refused.contains(words), "{text}: {refused}");
        }
    }
}
