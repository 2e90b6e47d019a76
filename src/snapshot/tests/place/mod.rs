//! A btrfs for one test, gone after it.

use std::path::Path;

use stromatekt_snapshot::embedded::{Embedded, Options};
use stromatekt_snapshot::{SnapshotName, Snapshotter};
use tempfile::TempDir;

/// A state directory with an image of its own.
pub struct Place {
    snapshots: Option<Embedded>,
    dir: TempDir,
}

impl Place {
    /// One, or why there cannot be one.
    pub fn new() -> Result<Self, String> {
        if !nix::unistd::geteuid().is_root() {
            return Err("not root".to_owned());
        }
        let dir = tempfile::tempdir().map_err(|error| error.to_string())?;
        let options = Options {
            longest: 1 << 30,
            reserve: 0,
        };
        let snapshots = Embedded::open(dir.path(), options).map_err(|error| {
            let source = std::error::Error::source(&error).map(ToString::to_string);
            format!("{error}: {}", source.unwrap_or_default())
        })?;
        Ok(Self {
            snapshots: Some(snapshots),
            dir,
        })
    }

    /// The snapshots.
    pub fn snapshots(&self) -> &Embedded {
        self.snapshots.as_ref().expect("it is there until dropped")
    }

    /// The state directory.
    #[allow(dead_code)]
    pub fn state_dir(&self) -> &Path {
        self.dir.path()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.snapshots = None;
        if let Err(error) = Embedded::unmount(self.dir.path()) {
            eprintln!("{error}");
        }
    }
}

/// A place, or the end of the test where there can be none.
#[macro_export]
macro_rules! place_or_skip {
    () => {
        match place::Place::new() {
            Ok(place) => place,
            Err(why) => {
                eprintln!("skipped: {why}");
                return;
            }
        }
    };
}

/// A snapshot's name.
pub fn name(name: &str) -> SnapshotName {
    SnapshotName::new(name).expect("the test's names are valid")
}

/// Forks, lets `change` work in the new snapshot's root directory, and seals.
#[allow(dead_code)]
pub fn step(snapshots: &Embedded, parent: Option<&str>, new: &str, change: impl FnOnce(&Path)) {
    let new = name(new);
    snapshots
        .fork(parent.map(name).as_ref(), &new)
        .expect("it forks");
    change(&snapshots.path(&new));
    snapshots.seal(&new).expect("it seals");
}
