//! Names in an archive, taken apart without looking at any tree.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::pack::{OPAQUE, WHITEOUT};
use crate::tar::{Kind, Member};

/// The longest path that the kernel takes (`PATH_MAX`).
const MAX_PATH: usize = 4096;
/// The prefix of names that AUFS kept for itself (layer.md, "Opaque Whiteout", uses one of them).
const AUFS: &str = ".wh..wh.";

/// What an entry's name says by its prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Whiteout<'a> {
    /// Nothing.
    None,
    /// That the entry of this name is gone.
    Of(&'a OsStr),
    /// That all entries of lower layers are gone from the directory.
    Opaque,
    /// What AUFS alone understands.
    Ignored,
}

/// The path of an entry, relative to the root and without `.` and `..`; nothing for the root directory.
pub(super) fn relative(member: &Member) -> Result<Option<PathBuf>> {
    let refused = |reason: &str| refused(member, reason.to_owned());
    let path = clean(&member.path).map_err(refused)?;
    if !path.as_os_str().is_empty() {
        return Ok(Some(path));
    }
    let names_root = !member.path.is_empty() && !member.path.windows(2).any(|pair| pair == b"..");
    match member.kind {
        Kind::Directory if names_root => Ok(None),
        _ => Err(refused("it would replace the root")),
    }
}

/// Whether an entry is called `.` in other words: whatever it is, docker leaves it out where it extracts an archive over a directory.
pub(super) fn is_dot(member: &Member) -> bool {
    !member.path.starts_with(b"/")
        && clean(&member.path).is_ok_and(|path| path.as_os_str().is_empty())
}

/// The path of what a hard link is another name of.
pub(super) fn link_target(member: &Member) -> Result<PathBuf> {
    let odd = |reason: &str| {
        let target = Path::new(OsStr::from_bytes(&member.link));
        refused(
            member,
            format!("its target `{}`: {reason}", target.display()),
        )
    };
    let target = clean(&member.link).map_err(odd)?;
    match target.as_os_str().is_empty() {
        true => Err(odd("it is the root")),
        false => Ok(target),
    }
}

/// What the name at the end of a path says.
pub(super) fn whiteout(path: &Path) -> Result<Whiteout<'_>> {
    let starts = |name: &OsStr, prefix: &str| name.as_bytes().starts_with(prefix.as_bytes());
    let name = path.file_name().unwrap_or_default();
    if path
        .parent()
        .is_some_and(|dir| dir.iter().any(|name| starts(name, AUFS)))
    {
        return Ok(Whiteout::Ignored);
    }
    if name == OPAQUE {
        return Ok(Whiteout::Opaque);
    }
    if starts(name, AUFS) {
        return Ok(Whiteout::Ignored);
    }
    match name.as_bytes().strip_prefix(WHITEOUT.as_bytes()) {
        None => Ok(Whiteout::None),
        Some(b"" | b"." | b"..") => Err(Error::LayerEntry {
            path: path.to_owned(),
            reason: "it would remove its own directory".to_owned(),
        }),
        Some(gone) => Ok(Whiteout::Of(OsStr::from_bytes(gone))),
    }
}

/// A path without `.`, `..` and slashes at its ends, as Go's `filepath.Clean` makes it.
fn clean(path: &[u8]) -> Result<PathBuf, &'static str> {
    if path.len() > MAX_PATH {
        return Err("it is longer than 4096 bytes");
    }
    let mut names: Vec<&[u8]> = Vec::new();
    for name in path.split(|&byte| byte == b'/') {
        match name {
            b"" | b"." => {}
            b".." => {
                names.pop().ok_or("it leads out of the root")?;
            }
            name if name.contains(&0) => return Err("it has a NUL in it"),
            name => names.push(name),
        }
    }
    Ok(PathBuf::from(OsString::from_vec(names.join(&b'/'))))
}

fn refused(member: &Member, reason: String) -> Error {
    Error::LayerEntry {
        path: PathBuf::from(OsString::from_vec(member.path.clone())),
        reason,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stay_beneath_the_root() {
        for (kind, name, path) in [
            (Kind::File, "a", Some("a")),
            (Kind::File, "/a//./b/", Some("a/b")),
            (Kind::File, "a/../b", Some("b")),
            (Kind::Directory, "./", None),
            (Kind::Directory, "/", None),
        ] {
            let member = Member {
                kind,
                path: name.into(),
                ..Member::default()
            };
            assert_eq!(
                relative(&member).unwrap(),
                path.map(PathBuf::from),
                "{name}"
            );
        }
        let long = "n/".repeat(3000);
        for (kind, name) in [
            (Kind::File, ""),
            (Kind::Directory, ""),
            (Kind::File, "."),
            (Kind::Directory, "a/.."),
            (Kind::File, ".."),
            (Kind::File, "../a"),
            (Kind::File, "a/../../b"),
            (Kind::File, "/../a"),
            (Kind::File, &long),
            (Kind::File, "a\0b"),
        ] {
            let member = Member {
                kind,
                path: name.into(),
                ..Member::default()
            };
            let error = relative(&member).unwrap_err();
            assert!(matches!(&error, Error::LayerEntry { path, .. } if path.as_os_str() == name));
        }
    }

    #[test]
    fn whiteouts_are_told_by_their_names() {
        for (path, expected) in [
            ("a", Whiteout::None),
            ("d/.wh.a", Whiteout::Of("a".as_ref())),
            (".wh.whole", Whiteout::Of("whole".as_ref())),
            ("d/.wh..wh..opq", Whiteout::Opaque),
            (".wh..wh.plnk", Whiteout::Ignored),
            (".wh..wh.plnk/1.2", Whiteout::Ignored),
            (".wh..hidden", Whiteout::Of(".hidden".as_ref())),
        ] {
            assert_eq!(whiteout(Path::new(path)).unwrap(), expected, "{path}");
        }
        for path in [".wh.", ".wh..", ".wh...", "d/.wh."] {
            let error = whiteout(Path::new(path)).unwrap_err().to_string();
            assert!(error.contains(path), "{error}");
        }
    }
}
