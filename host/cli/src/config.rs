//! The configuration file, and what it and the flags add up to.
//!
//! Out: [`Settings`], complete and checked; nobody behind asks for a default
//! again.

mod flags;

use crate::{
    built_in::BuiltIn,
    defaults::{PLUGIN_DIR, STATE_DIR},
    driver_config::{DriverSettings, DriverTable},
    fatal::Fatal,
    logging::LogFormat,
    names::{check_docker_names, docker_names},
    signature_table::{SignaturePolicy, SignaturesTable},
    written::Prefix,
};
pub(crate) use flags::Flags;
use ipam_api::DriverName;
use ipam_ledger::Retention;
use ipam_runtime::read_regular;
use ipnet::IpNet;
use serde::Deserialize;
use std::{
    collections::BTreeMap,
    net::SocketAddr,
    path::{Path, PathBuf},
};

/// The file beside the configuration that says what each tag meant.
const LOCK: &str = "wipam.lock";
/// Larger configuration files are refused.
const CONFIG_MAX_BYTES: u64 = 1 << 20;

/// What `serve` was asked for, complete.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Settings {
    pub(crate) state_dir: PathBuf,
    pub(crate) plugin_dir: PathBuf,
    /// Whether the ledger lives in memory.
    pub(crate) ephemeral: bool,
    pub(crate) retention: Retention,
    pub(crate) drivers: Vec<DriverSettings>,
    /// Who must have signed drivers whose own tables do not say so.
    pub(crate) signed: Option<SignaturePolicy>,
    /// The registries that are spoken to without TLS.
    pub(crate) plain_http: Vec<String>,
    /// Where it is written what each tag meant.
    pub(crate) lock: PathBuf,
    pub(crate) exclude: Vec<IpNet>,
    pub(crate) docker_names: BTreeMap<DriverName, DriverName>,
    /// Whether engines are asked for MAC addresses.
    pub(crate) mac_addresses: bool,
    /// Where metrics are served, if anywhere.
    pub(crate) metrics_listen: Option<SocketAddr>,
    pub(crate) log_format: LogFormat,
}

/// The file, key for key.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct File {
    state_dir: Option<PathBuf>,
    plugin_dir: Option<PathBuf>,
    #[serde(default)]
    ephemeral: bool,
    history: Option<HistoryTable>,
    #[serde(default)]
    driver: Vec<DriverTable>,
    signatures: Option<SignaturesTable>,
    #[serde(default)]
    require_signature: bool,
    #[serde(default)]
    registries: RegistriesTable,
    #[serde(default)]
    exclude: Vec<Prefix>,
    docker_names: Option<BTreeMap<String, String>>,
    #[serde(default)]
    mac_addresses: bool,
    metrics_listen: Option<SocketAddr>,
    log_format: Option<LogFormat>,
}

/// How registries are asked.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct RegistriesTable {
    #[serde(default)]
    plain_http: Vec<String>,
}

impl RegistriesTable {
    fn plain_http(self) -> Result<Vec<String>, Fatal> {
        match self.plain_http.iter().find(|it| !ipam_registry::is_registry(it)) {
            Some(wrong) => {
                Err(Fatal::Usage(format!("registries.plain-http: {wrong:?} is not HOST[:PORT]")))
            }
            None => Ok(self.plain_http),
        }
    }
}

/// How much of the past is kept.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct HistoryTable {
    max_mib: Option<u32>,
    max_days: Option<u32>,
}

impl HistoryTable {
    fn retention(&self) -> Retention {
        let default = Retention::default();
        Retention {
            max_bytes: self.max_mib.map_or(default.max_bytes, |mib| u64::from(mib) << 20),
            max_age_ms: self
                .max_days
                .map_or(default.max_age_ms, |days| u64::from(days) * 24 * 60 * 60 * 1000),
        }
    }
}

impl Settings {
    /// Reads the file that the flags name, if any, and lets the flags win.
    pub(crate) fn new(flags: Flags) -> Result<Self, Fatal> {
        let (file, base) = match &flags.config {
            None => (File::default(), PathBuf::new()),
            Some(path) => {
                let usage = |why: String| Fatal::Usage(format!("{}: {why}", path.display()));
                let text = read(path).map_err(usage)?;
                // A TOML error is several lines with a picture; the operator
                // gets its place and its words in one.
                let file = toml::from_str(&text).map_err(|error| {
                    let line = error.span().map_or(1, |span| {
                        text.as_bytes().iter().take(span.start).filter(|&&b| b == b'\n').count() + 1
                    });
                    usage(format!("line {line}: {}", error.message().replace('\n', ", ")))
                })?;
                (file, path.parent().map(Path::to_owned).unwrap_or_default())
            }
        };
        Self::merge(flags, file, &base)
    }

    /// `base` is what relative paths of the file are relative to.
    fn merge(flags: Flags, file: File, base: &Path) -> Result<Self, Fatal> {
        let mut drivers: Vec<DriverSettings> = if !flags.drivers.is_empty() {
            flags.drivers.iter().map(|text| driver_of_flag(text)).collect::<Result<_, _>>()?
        } else if !file.driver.is_empty() {
            file.driver.into_iter().map(|table| table.settings(base)).collect::<Result<_, _>>()?
        } else {
            vec![
                DriverSettings::built_in(BuiltIn::Default),
                DriverSettings::built_in(BuiltIn::Null),
            ]
        };
        let signed = file.signatures.map(|table| table.signed(base)).transpose()?;
        let plain_http = file.registries.plain_http()?;
        for driver in &mut drivers {
            driver.inherit(signed.as_ref(), file.require_signature, &plain_http)?;
        }
        let state_dir = in_file("state-dir", file.state_dir, base)?;
        let plugin_dir = in_file("plugin-dir", file.plugin_dir, base)?;
        let exclude = file.exclude.into_iter().map(|Prefix(prefix)| prefix).collect();
        let docker_names = docker_names(&flags.docker_names, file.docker_names)?;
        check_docker_names(&drivers, &docker_names)?;
        let state_dir = flags.state_dir.or(state_dir).unwrap_or_else(|| STATE_DIR.into());
        let beside = if flags.config.is_some() { base } else { &state_dir };
        Ok(Self {
            lock: beside.join(LOCK),
            signed,
            plain_http,
            state_dir,
            plugin_dir: flags.plugin_dir.or(plugin_dir).unwrap_or_else(|| PLUGIN_DIR.into()),
            ephemeral: flags.ephemeral || file.ephemeral,
            retention: file.history.map_or_else(Retention::default, |table| table.retention()),
            drivers,
            exclude: if flags.exclude.is_empty() { exclude } else { flags.exclude },
            docker_names,
            mac_addresses: flags.mac_addresses || file.mac_addresses,
            metrics_listen: flags.metrics_listen.or(file.metrics_listen),
            log_format: flags.log_format.or(file.log_format).unwrap_or_default(),
        })
    }
}

impl Settings {
    /// What differs from `new` and is read when the daemon starts, by key.
    pub(crate) fn fixed_that_differ(&self, new: &Self) -> Vec<&'static str> {
        let mut keys = Vec::new();
        let mut compare = |key, is_same: bool| {
            if !is_same {
                keys.push(key);
            }
        };
        compare("state-dir", self.state_dir == new.state_dir);
        compare("plugin-dir", self.plugin_dir == new.plugin_dir);
        compare("ephemeral", self.ephemeral == new.ephemeral);
        compare("history", self.retention == new.retention);
        compare("docker-names", self.docker_names == new.docker_names);
        compare("mac-addresses", self.mac_addresses == new.mac_addresses);
        compare("metrics-listen", self.metrics_listen == new.metrics_listen);
        compare("log-format", self.log_format == new.log_format);
        keys
    }
}

fn read(path: &Path) -> Result<String, String> {
    let bytes = read_regular(path, CONFIG_MAX_BYTES).map_err(|error| error.to_string())?;
    String::from_utf8(bytes).map_err(|error| format!("it is no text: {error}"))
}

/// A path of the file. An empty one is a mistake, such as a variable that is not
/// set, and would name the directory of the file itself.
fn in_file(key: &str, path: Option<PathBuf>, base: &Path) -> Result<Option<PathBuf>, Fatal> {
    match path {
        Some(path) if path.as_os_str().is_empty() => {
            Err(Fatal::Usage(format!("{key} is empty: leave it out, or name a directory")))
        }
        path => Ok(path.map(|path| base.join(path))),
    }
}

fn driver_of_flag(text: &str) -> Result<DriverSettings, Fatal> {
    // A name cannot hold a slash, so a path with `=` in it needs no escaping
    // as long as it has a directory: ./a=b.wasm.
    let (name, file) = match text.split_once('=') {
        Some((name, file)) if !name.contains('/') => (Some(name), file),
        _ => (None, text),
    };
    DriverSettings::new(file, name, Path::new(""))
}

#[cfg(test)]
mod tests {
    use super::{DriverSettings, File, Flags, LogFormat, Retention, Settings};
    use crate::built_in::BuiltIn;
    use crate::driver_config::Source;
    use std::path::Path;

    fn settings(flags: Flags, file: &str) -> Result<Settings, String> {
        let file: File = toml::from_str(file).map_err(|error| error.message().to_owned())?;
        Settings::merge(flags, file, Path::new("/etc/wipam")).map_err(|fatal| fatal.to_string())
    }

    #[test]
    fn nothing_asked_is_both_builtins_where_docker_looks() {
        let settings = settings(Flags::default(), "").unwrap();
        assert_eq!(settings.plugin_dir, Path::new("/run/docker/plugins"));
        assert_eq!(
            settings.drivers,
            [BuiltIn::Default, BuiltIn::Null].map(DriverSettings::built_in)
        );
        let names: Vec<String> =
            settings.docker_names.iter().map(|(driver, name)| format!("{driver}={name}")).collect();
        assert_eq!(names, ["default=wipam", "null=wipam-null"]);
    }

    #[test]
    fn every_flag_has_its_key() {
        let settings = settings(
            Flags::default(),
            r#"
            state-dir = "state"
            plugin-dir = "/plugins"
            exclude = ["10.0.0.0/8", "fd00::/8"]
            log-format = "json"
            ephemeral = true
            history = { max-mib = 1, max-days = 2 }
            docker-names = { default = "ours", lab = "laboratory" }
            [[driver]]
            file = "lab.wasm"
            name = "lab"
            config = { rest = 3 }
            [[driver]]
            file = "builtin:default"
            [driver.config]
            default-address-pools = [{ base = "10.1.0.0/16", size = 24 }]
            "#,
        )
        .unwrap();
        assert_eq!(settings.state_dir, Path::new("/etc/wipam/state"));
        assert_eq!(settings.plugin_dir, Path::new("/plugins"));
        assert!(settings.ephemeral);
        let retention = Retention { max_bytes: 1 << 20, max_age_ms: 2 * 86_400_000 };
        assert_eq!(settings.retention, retention);
        assert_eq!(settings.exclude.len(), 2);
        assert_eq!(settings.log_format, LogFormat::Json);
        assert_eq!(settings.docker_names.len(), 3);
        let [lab, default] = &settings.drivers[..] else { panic!("{:?}", settings.drivers) };
        assert_eq!(lab.source, Source::File("/etc/wipam/lab.wasm".into()));
        assert_eq!(lab.config["rest"], 3);
        assert_eq!(default.config["default-address-pools"][0]["size"], 24);
    }

    #[test]
    fn a_driver_inherits_who_must_have_signed_it() {
        let of =
            |table: &str, key: &str| format!("[{table}]\nall-of = [{{ key = '''{key}''' }}]\n");
        let all = of("signatures", include_str!("../../signature/fixtures/p256.pub"));
        let own = of("driver.signatures", include_str!("../../signature/fixtures/other.pub"));
        let file = format!(
            "require-signature = true\n{all}[registries]\nplain-http = ['a:5000']\n\
             [[driver]]\nfile = 'oci://a:5000/lab:1'\n[[driver]]\nfile = 'x'\n{own}\
             [[driver]]\nfile = 'y'\nrequire-signature = false\n[[driver]]\nfile = 'builtin:null'"
        );
        let settings = settings(Flags::default(), &file).unwrap();
        let [artifact, own, plain, _] = &settings.drivers[..] else { panic!("four") };
        assert_eq!(artifact.source.to_string(), "oci://a:5000/lab:1");
        assert_eq!(artifact.signed, settings.signed);
        assert_eq!(artifact.plain_http, ["a:5000"]);
        assert!(own.signed_file().is_some() && own.signed != settings.signed);
        assert!(plain.signed.is_some() && plain.signed_file().is_none());
    }

    #[test]
    fn flags_win_over_the_file() {
        let flags = Flags {
            state_dir: Some("here".into()),
            drivers: vec!["lab=a.wasm".into(), "./odd=name.wasm".into()],
            docker_names: vec![("default".parse().unwrap(), "x".into())],
            ..Flags::default()
        };
        let settings =
            settings(flags, "state-dir = '/there'\n[[driver]]\nfile = 'b.wasm'").unwrap();
        assert_eq!(settings.state_dir, Path::new("here"));
        let sources: Vec<&Source> = settings.drivers.iter().map(|driver| &driver.source).collect();
        assert_eq!(
            sources,
            [&Source::File("a.wasm".into()), &Source::File("./odd=name.wasm".into())]
        );
        assert_eq!(settings.docker_names["default"].as_str(), "x");
    }

    #[test]
    fn another_driver_may_have_the_name_of_a_built_in() {
        let settings = settings(Flags::default(), "docker-names = { lab = 'wipam' }").unwrap();
        assert_eq!(settings.docker_names["lab"].as_str(), "wipam");
    }

    #[test]
    fn what_cannot_be_meant_is_refused_with_its_name() {
        for (file, part) in [
            ("stat-dir = 'x'", "stat-dir"),
            ("exclude = ['10.0.0.0']", "IP"),
            ("exclude = ['']", "IP"),
            ("exclude = ['010.0.0.0/8']", "010.0.0.0/8"),
            ("exclude = ['::ffff:10.0.0.0/104']", "write 10.0.0.0/8"),
            ("state-dir = ''", "state-dir is empty"),
            ("plugin-dir = ''", "plugin-dir is empty"),
            ("docker-names = { default = '' }", "a driver's name"),
            ("metrics-listen = ''", "socket address"),
            ("log-format = ''", "unknown variant"),
            ("require-signature = true\n[[driver]]\nfile = 'x'", "needs keys: write them into"),
            ("[registries]\nplain-http = ['http://a']", "\"http://a\" is not HOST[:PORT]"),
            ("[registries]\nplain = ['a']", "unknown field"),
            ("[[driver]]\nfile = 'oci://ghcr.io/lab'", "name a tag"),
            ("[[driver]]\nfile = 'x'\n[driver.signatures]", "it names no key"),
            ("[[driver]]\nname = 'x'", "file"),
            ("[[driver]]\nfile = ''", "needs a file"),
            ("[[driver]]\nfile = 'builtin:cluster'", "builtin:cluster"),
            ("[[driver]]\nfile = 'x'\nname = '../x'", "../x"),
            ("docker-names = { default = 'a/b' }", "a/b"),
            ("docker-names = { a = 'x', b = 'x' }", "both a and b as x"),
            ("log-format = 'xml'", "xml"),
            (
                "docker-names = { lab = 'wipam' }\n[[driver]]\nfile = 'x'\nname = 'lab'\n\
                 [[driver]]\nfile = 'builtin:default'",
                "both lab and default as wipam",
            ),
            (
                "[[driver]]\nfile = 'builtin:null'\n[[driver]]\nfile = 'x'\nname = 'wipam-null'",
                "both null and wipam-null as wipam-null",
            ),
            (
                "[[driver]]\nfile = 'builtin:default'\n\
                 [[driver]]\nfile = 'builtin:remote'\nplugins = ['wipam']",
                "both default and wipam as wipam",
            ),
        ] {
            let refused = settings(Flags::default(), file).unwrap_err();
            assert!(refused.contains(part), "{file}: {refused}");
        }
    }
}
