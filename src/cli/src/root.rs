//! Where the state directory is when nobody says.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::PathBuf;

use nix::unistd::geteuid;
use stromatekt_kernel::btrfs::is_btrfs;

use crate::error::Error;
use crate::user_config::UserConfig;

const NAME: &str = "stromatekt";

/// The state directory of whoever runs this: the one on btrfs that they chose, else where it usually is (XDG Base Directory
/// Specification; the system's place for root).
///
/// # Errors
/// When neither is known, or the chosen one is not on btrfs.
pub fn default_root() -> Result<PathBuf, Error> {
    if let Some(chosen) = UserConfig::read()?.btrfs_root {
        fs::create_dir_all(&chosen).map_err(Error::file("make the directory", &chosen))?;
        return match is_btrfs(&chosen)
            .map_err(|error| Error::file("look at", &chosen)(io::Error::other(error)))? {
            true => Ok(chosen),
            false => Err(Error::Usage {
                what: format!("btrfs_root {} is not on btrfs", chosen.display()),
                hint: "let it name a directory on btrfs, or leave it out of ~/.config/stromatekt/config.json: \
                       an image file is used then"
                    .into(),
            }),
        };
    }
    if geteuid().is_root() {
        return Ok(PathBuf::from("/var/lib").join(NAME));
    }
    choose(env::var_os("XDG_STATE_HOME"), env::var_os("HOME")).ok_or_else(|| Error::Usage {
        what: "cannot tell where the state directory is: neither XDG_STATE_HOME nor HOME is set"
            .into(),
        hint: "name one with --root DIR".into(),
    })
}

fn choose(state: Option<OsString>, home: Option<OsString>) -> Option<PathBuf> {
    // The specification: a path that is not absolute is to be ignored.
    let absolute = |path: OsString| Some(PathBuf::from(path)).filter(|path| path.is_absolute());
    state
        .and_then(absolute)
        .or_else(|| Some(home.and_then(absolute)?.join(".local/state")))
        .map(|directory| directory.join(NAME))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_state_directory_is_where_the_specification_says() {
        let path = |text: &str| Some(OsString::from(text));
        for (state, home, expected) in [
            (path("/s"), path("/h"), Some("/s/stromatekt")),
            (
                path("relative"),
                path("/h"),
                Some("/h/.local/state/stromatekt"),
            ),
            (path(""), path("/h"), Some("/h/.local/state/stromatekt")),
            (None, path("/h"), Some("/h/.local/state/stromatekt")),
            (None, None, None),
        ] {
            assert_eq!(choose(state, home), expected.map(PathBuf::from));
        }
    }
}
