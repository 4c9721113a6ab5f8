//! A managed plugin for Docker, made of the binary under test.
//!
//! In: a directory. Out: what `docker plugin create` wants, `config.json` and
//! `rootfs/`, with nothing in it that this machine does not have: the binary
//! is linked dynamically, so what `ldd` lists goes with it.

use crate::{daemon, engine::sh};
use std::{fs, path::Path};

/// `wipam serve` on the socket that Docker looks for, in dockerd's network,
/// since it looks at the host's links. Its files persist, so its state does.
const CONFIG: &str = r#"{
    "description": "Wipam",
    "documentation": "",
    "entrypoint": [
        "/wipam", "serve", "--state-dir", "/state", "--plugin-dir", "/run/docker/plugins",
        "--docker-name", "default=wipam"
    ],
    "interface": { "types": ["docker.ipamdriver/1.0"], "socket": "wipam.sock" },
    "network": { "type": "host" },
    "linux": { "capabilities": [] }
}
"#;

/// Makes it in `directory`.
///
/// # Errors
/// The command that failed, with what it said.
pub fn make(directory: &Path) -> Result<(), String> {
    let (d, binary) = (directory.display(), daemon::binary());
    sh(&format!(
        "mkdir -p {d}/rootfs/run/docker/plugins; cp {0} {d}/rootfs/wipam
         for library in $(ldd {0} | grep -o '/[^ ]*'); do install -D $library {d}/rootfs$library; done",
        binary.display()
    ))?;
    fs::write(directory.join("config.json"), CONFIG).map_err(|error| format!("{d}: {error}"))
}
