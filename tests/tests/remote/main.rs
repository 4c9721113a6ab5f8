//! Plugins that already exist, behind the built-in `remote` and the ledger's
//! checks: the real daemon, and plugins of the test's own.

#![expect(clippy::unwrap_used, reason = "a test may")]

mod discovery;
mod exchange;
mod grant;
mod legacy;

use ipam_tests::{daemon::Daemon, http::Client, operator::wipam};
use serde_json::{Value, json};
use std::{fs, path::Path};
use tempfile::TempDir;

/// A daemon with the table of one `remote` driver, and directories for plugins
/// of its own: `sock` and `spec`.
struct Bridge {
    directory: TempDir,
    daemon: Option<Daemon>,
}

impl Bridge {
    /// A place for one; nothing runs.
    fn place() -> Self {
        let directory = tempfile::tempdir().unwrap();
        for name in ["sock", "spec", "plugins"] {
            fs::create_dir(directory.path().join(name)).unwrap();
        }
        Self { directory, daemon: None }
    }

    fn path(&self, path: &str) -> std::path::PathBuf {
        self.directory.path().join(path)
    }

    /// Writes the configuration: the driver's file and what its table has more.
    fn configure(&self, file: &str, table: &str) -> String {
        let [sock, spec] = ["sock", "spec"].map(|name| self.path(name));
        let text = format!(
            "[[driver]]\nfile = \"builtin:default\"\n\
             [[driver]]\nfile = {file:?}\nplugin-sockets = [{sock:?}]\nplugin-specs = [{spec:?}]\n{table}\n"
        );
        let config = self.path("wipam.toml");
        fs::write(&config, text).unwrap();
        config.to_str().unwrap().to_owned()
    }

    fn start(mut self, table: &str) -> Self {
        let config = self.configure("builtin:remote", table);
        // Or one before it would seem to say that this one is ready.
        let _ = fs::remove_file(self.path("wipam.log"));
        self.daemon = Some(Daemon::start(self.directory.path(), &["--config", &config]).ready());
        self
    }

    fn daemon(&self) -> &Daemon {
        self.daemon.as_ref().unwrap()
    }

    fn client(&self, driver: &str) -> Client {
        Client::connect(&self.daemon().socket(driver)).unwrap()
    }

    /// The names of what is served besides the built-in driver.
    fn names(&self) -> Vec<String> {
        let drivers = wipam(self.daemon(), &["drivers"]).done();
        let names = drivers.iter().map(|driver| driver["name"].as_str().unwrap().to_owned());
        names.filter(|name| name != "default").collect()
    }
}

fn any_pool(client: &mut Client) -> (u16, Value) {
    client.ask("RequestPool", &json!({"AddressSpace": "L", "Pool": "192.0.2.0/24"}))
}

fn any_address(client: &mut Client, pool: &str) -> (u16, Value) {
    client.ask("RequestAddress", &json!({"PoolID": pool}))
}

fn socket(bridge: &Bridge, name: &str) -> std::path::PathBuf {
    bridge.path("sock").join(Path::new(name).with_extension("sock"))
}
