//! `wipam new`: a project for an author, in a directory of its own.

use crate::fatal::Fatal;
use ipam_api::{DriverName, names};
use ipam_templates::{File, Language, project, wrapper};
use std::{
    fs,
    io::{self, Write as _},
    path::Path,
};

/// Create a project for a new driver, in a directory with its name
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Args {
    /// The name of the driver and of the directory
    name: DriverName,
    /// The language: rust, python, js, c or go
    #[arg(long, value_name = "LANGUAGE", default_value_t = Language::Rust)]
    lang: Language,
    /// A driver around another one, in Rust: a quota, an allow-list, an audit line
    #[arg(long, conflicts_with = "lang")]
    wrap: bool,
}

const AFTER_HELP: &str = "\
The project has a small policy, its tests, the contract, and a README with the
commands; `make` builds NAME.wasm with the language's own tools.

Exit codes: 0 created, 1 failed, for example because the directory is not empty, 2 wrong command line.

Example:
  wipam new lab --lang python && make -C lab && wipam serve --driver lab/lab.wasm
  wipam new quota --wrap && make -C quota INNER=../lab/lab.wasm";

/// What built-in drivers are called, and what Docker sees them as.
const TAKEN: [&str; 4] = [names::DEFAULT_IPAM, names::NULL_IPAM, "wipam", "wipam-null"];

pub(crate) fn run(args: &Args) -> Result<(), Fatal> {
    let Args { name, lang, wrap } = args;
    if TAKEN.contains(&name.as_str()) {
        return Err(Fatal::Usage(format!("{name} is the name of a built-in driver")));
    }
    let directory = Path::new(name.as_str());
    let name_text = name.as_str();
    let files = if *wrap { wrapper(name_text) } else { project(*lang, name_text) };
    write(directory, &files).map_err(|error| {
        Fatal::Failed(format!("cannot create the project {}: {error}", directory.display()))
    })?;
    // Whoever closed standard output has the project all the same.
    let _ = io::stdout().write_all(next(name, *wrap).as_bytes());
    Ok(())
}

/// Writes files into a directory that is not there, or is empty.
fn write(directory: &Path, files: &[File]) -> io::Result<()> {
    match fs::read_dir(directory) {
        Ok(entries) => {
            if entries.count() > 0 {
                return Err(io::Error::other("the directory is not empty"));
            }
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => fs::create_dir(directory)?,
        Err(error) => return Err(error),
    }
    for File { path, bytes } in files {
        let path = directory.join(path);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        fs::File::create_new(path)?.write_all(bytes)?;
    }
    Ok(())
}

fn next(name: &DriverName, wrap: bool) -> String {
    // A wrapper has the name of the driver in it, unless it is given another.
    let (make, named) = match wrap {
        true => ("make INNER=../lab/lab.wasm", format!("{name}=")),
        false => ("make", String::new()),
    };
    format!(
        "The driver {name} is in the directory {name}. Next:\n\
         \n  cd {name}\
         \n  {:<40}# its tests, then {name}.wasm\
         \n  {:<40}# every promise of the contract\
         \n  wipam driver inspect {name}.wasm\
         \n  wipam serve --driver {named}{name}.wasm\
         \n  docker network create --ipam-driver {name} lab\n",
        make,
        format!("wipam test {name}.wasm"),
    )
}

#[cfg(test)]
mod tests {
    use super::{File, write};
    use std::fs;

    fn files() -> Vec<File> {
        vec![
            File { path: "README.md", bytes: b"one".to_vec() },
            File { path: "src/a/b", bytes: b"two".to_vec() },
        ]
    }

    #[test]
    fn a_project_is_written_into_an_empty_directory() {
        let root = tempfile::tempdir().unwrap();
        for name in ["new", "empty"] {
            let directory = root.path().join(name);
            if name == "empty" {
                fs::create_dir(&directory).unwrap();
            }
            write(&directory, &files()).unwrap();
            assert_eq!(fs::read(directory.join("README.md")).unwrap(), b"one");
            assert_eq!(fs::read(directory.join("src/a/b")).unwrap(), b"two");
        }
    }

    #[test]
    fn what_is_there_stays_as_it_is() {
        let root = tempfile::tempdir().unwrap();
        fs::write(root.path().join("notes"), "mine").unwrap();
        let refusal = write(root.path(), &files()).unwrap_err();
        assert_eq!(refusal.to_string(), "the directory is not empty");
        assert_eq!(fs::read_dir(root.path()).unwrap().count(), 1);
        // A file where the directory would be is no directory.
        assert!(write(&root.path().join("notes"), &files()).is_err());
    }
}
