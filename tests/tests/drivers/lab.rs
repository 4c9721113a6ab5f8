//! A daemon with one driver more.

use ipam_tests::{
    daemon::{Daemon, binary},
    http::Client,
    programs,
};
use serde_json::{Value, json};
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

pub(crate) struct Lab {
    driver: &'static str,
    directory: tempfile::TempDir,
    /// Where its sockets are.
    plugins: PathBuf,
    daemon: Option<Daemon>,
}

impl Lab {
    /// Serves a driver as its README says, with some words in it replaced.
    pub(crate) fn new(driver: &'static str, replaced: &[(&str, &str)]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let plugins = directory.path().join("plugins");
        Self::beside(driver, replaced, directory, plugins)
    }

    /// The same with its sockets where an engine looks for them.
    pub(crate) fn with_plugins(
        driver: &'static str,
        replaced: &[(&str, &str)],
        plugins: &Path,
    ) -> Self {
        Self::beside(driver, replaced, tempfile::tempdir().unwrap(), plugins.to_owned())
    }

    fn beside(
        driver: &'static str,
        replaced: &[(&str, &str)],
        directory: tempfile::TempDir,
        plugins: PathBuf,
    ) -> Self {
        let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("../guest/drivers").join(driver);
        let readme = fs::read_to_string(readme.join("README.md")).unwrap();
        let (_, rest) = readme.split_once("```toml\n").unwrap();
        let (table, _) = rest.split_once("```").unwrap();
        let file = programs::driver(driver);
        let built = format!("ipam_{driver}.wasm");
        let mut config = table.to_owned();
        for (from, to) in [(built.as_str(), file.to_str().unwrap())].iter().chain(replaced) {
            assert!(config.contains(from), "{from} is not in {table}");
            config = config.replace(from, to);
        }
        let config = format!("[[driver]]\nfile = \"builtin:default\"\n{config}");
        fs::write(directory.path().join("wipam.toml"), config).unwrap();
        let mut lab = Self { driver, directory, plugins, daemon: None };
        lab.start();
        lab
    }

    fn start(&mut self) {
        let config = self.directory.path().join("wipam.toml");
        let arguments = ["--config", config.to_str().unwrap()];
        fs::create_dir_all(&self.plugins).unwrap();
        let (command, directory) = (Command::new(binary()), self.directory.path());
        let daemon = Daemon::start_as(command, directory, &self.plugins, &arguments);
        self.daemon = Some(daemon.ready());
    }

    /// `kill -9`, and another daemon.
    pub(crate) fn restart(&mut self) {
        self.daemon = None;
        // The next one is ready when it says so itself.
        fs::remove_file(self.directory.path().join("wipam.log")).unwrap();
        self.start();
    }

    pub(crate) fn daemon(&self) -> &Daemon {
        self.daemon.as_ref().unwrap()
    }

    fn client(&self) -> Client {
        Client::connect(&self.daemon().socket(self.driver)).unwrap()
    }

    pub(crate) fn ask(&self, call: &str, body: &Value) -> (u16, Value) {
        self.client().ask(call, body)
    }

    /// Takes a pool, and answers its id.
    pub(crate) fn pool(&self, space: &str, pool: &str) -> String {
        self.client().pool(space, pool)
    }

    /// Takes an address of a pool with these options: any, or this.
    pub(crate) fn lease(&self, pool: &str, address: &str, options: &Value) -> Result<String, u16> {
        self.client().lease(pool, address, options)
    }

    #[track_caller]
    pub(crate) fn release(&self, pool: &str, address: &str) {
        let released = self.ask("ReleaseAddress", &json!({"PoolID": pool, "Address": address}));
        assert_eq!(released, (200, json!({})));
    }
}
