//! The stromatekt that is tested, with a store of its own for the run.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::bases::Bases;
use crate::command;
use crate::error::Result;

/// The binary and its store.
#[derive(Debug)]
pub struct Stromatekt {
    binary: PathBuf,
    root: PathBuf,
    /// What it says of itself.
    pub version: String,
}

impl Stromatekt {
    /// Uses a binary with a store at a place, which is made when it is needed.
    ///
    /// # Errors
    ///
    /// The binary cannot be run.
    pub fn new(binary: &Path, root: &Path) -> Result<Self> {
        let said = command::require(
            Command::new(binary).arg("--version"),
            "asks for its version",
        )?;
        Ok(Self {
            binary: binary.to_owned(),
            root: root.to_owned(),
            version: said.trim_start_matches("stromatekt ").to_owned(),
        })
    }

    /// A command on the store, with a clean environment.
    #[must_use]
    pub fn command(&self) -> Command {
        let mut command = Command::new(&self.binary);
        command::clean_environment(&mut command);
        command.arg("--root").arg(&self.root);
        command
    }

    /// Loads base images.
    ///
    /// # Errors
    ///
    /// One cannot be loaded.
    pub fn load(&self, bases: &Bases) -> Result<()> {
        for (name, archive) in &bases.archives {
            let mut load = self.command();
            load.args(["image", "load"])
                .arg(archive)
                .args(["--name", name]);
            command::require(&mut load, "loads a base image")?;
        }
        Ok(())
    }

    /// Unmounts the store, where it was mounted.
    pub fn unmount(&self) {
        // What is still mounted is found by who removes the store.
        let _ = command::require(
            self.command().args(["store", "unmount"]),
            "unmounts the store of the run",
        );
    }
}
