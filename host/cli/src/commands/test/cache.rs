//! Where `wipam test` has its compiled code. What lies there is executed, so
//! it is this user's alone, and so is the directory that it is in: whoever may
//! write there may put another in its place.

use crate::{fatal::Fatal, state_dir::private};
use std::{
    env,
    fs::DirBuilder,
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
};

pub(super) enum Cache {
    /// From one run to the next.
    Kept(PathBuf),
    /// For whoever has no such directory.
    OfThisRun(tempfile::TempDir),
}

impl Cache {
    /// `$XDG_CACHE_HOME/wipam` or `~/.cache/wipam`.
    pub(super) fn new() -> Result<Self, Fatal> {
        let of = |name| env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
        let home = of("XDG_CACHE_HOME").or_else(|| Some(of("HOME")?.join(".cache")));
        match home.ok_or_else(|| "there is no home".to_owned()).and_then(|home| kept(&home)) {
            Ok(path) => Ok(Self::Kept(path)),
            Err(why) => {
                tracing::info!(%why, "compiled code is not kept");
                let directory = tempfile::tempdir()
                    .map_err(|error| Fatal::Usage(format!("a temporary directory: {error}")))?;
                Ok(Self::OfThisRun(directory))
            }
        }
    }

    pub(super) fn path(&self) -> &Path {
        match self {
            Self::Kept(path) => path,
            Self::OfThisRun(directory) => directory.path(),
        }
    }
}

/// The directory for it in that of all caches.
fn kept(home: &Path) -> Result<PathBuf, String> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(home);
    made.map_err(|error| error.to_string())?;
    private(home).and_then(|home| private(&home.join("wipam"))).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::kept;
    use std::{
        fs::{self, Permissions},
        os::unix::fs::{PermissionsExt as _, chown, symlink},
        path::Path,
    };

    #[test]
    fn it_is_kept_where_nobody_else_may_put_another() {
        let place = tempfile::tempdir().unwrap();
        let home = place.path().join("home/.cache");
        assert!(kept(&home).unwrap().ends_with("home/.cache/wipam"));
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&home), mode(&home.join("wipam"))), (0o700, 0o700));
        for (bits, is_kept) in [(0o755, true), (0o775, false), (0o1777, false), (0o700, true)] {
            fs::set_permissions(&home, Permissions::from_mode(bits)).unwrap();
            assert_eq!(kept(&home).is_ok(), is_kept, "{bits:o}");
        }
        let link = place.path().join("link");
        symlink(&home, &link).unwrap();
        assert!(kept(&link).unwrap_err().contains("symbolic link"));
        // Only root can give a directory away.
        if rustix::process::geteuid().is_root() {
            chown(&home, Some(65534), None).unwrap();
            assert!(kept(&home).unwrap_err().contains("it belongs to user"));
        }
    }
}
