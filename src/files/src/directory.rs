//! Makes a directory of a tree with all its parents, as WORKDIR does.

use std::path::PathBuf;

use stromatekt_kernel::entry::futimens;
use stromatekt_kernel::{Root, Timestamp};

use crate::error::{Error, Result};
use crate::owner::Owner;
use crate::place::{self, NewDirectory};

/// Makes the directory and its parents with mode 0755, following symbolic links beneath the root; what exists stays as it is. Tells where the
/// directory is, without symbolic links.
///
/// The owner (`user[:group]`, root where empty) is looked up in the tree and gets what is made. Where the directory itself is made, it gets
/// `time`, in seconds since 1970; its parents keep the time at which they were made.
pub fn make_directory(tree: &Root, path: &str, owner: &str, time: Option<i64>) -> Result<PathBuf> {
    let time = time.filter(|_| tree.stat(path).is_err());
    let owner = match owner {
        "" => None,
        text => Some(Owner::parse(text)?.resolve(tree)?),
    };
    let new = NewDirectory { mode: 0o755, owner };
    place::directory(tree, path.as_ref(), new)?;
    if let Some(seconds) = time {
        let time = Timestamp::from_seconds(seconds);
        tree.open_dir(path)
            .and_then(|directory| futimens(directory, time, time))
            .map_err(Error::write("set the time of", path.as_ref()))?;
    }
    tree.resolve(path)
        .map_err(Error::write("find", path.as_ref()))
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};

    use super::*;
    use crate::error::Error;

    #[test]
    fn a_directory_is_made_through_symlinks_beneath_the_root() {
        let dir = tempfile::tempdir().unwrap();
        let at = |path: &str| dir.path().join(path);
        std::fs::create_dir(at("real")).unwrap();
        symlink("/real", at("link")).unwrap();
        let tree = Root::open(dir.path()).unwrap();
        make_directory(&tree, "/link/a/b", "7:8", Some(77)).unwrap();
        // What exists stays as it is.
        make_directory(&tree, "/real/a/b/", "", Some(88)).unwrap();
        assert_eq!(std::fs::metadata(at("real/a/b")).unwrap().mtime(), 77);
        assert_ne!(std::fs::metadata(at("real/a")).unwrap().mtime(), 77);
        for path in ["real/a", "real/a/b"] {
            let made = std::fs::metadata(at(path)).unwrap();
            assert_eq!(
                (made.mode() & 0o7777, made.uid(), made.gid()),
                (0o755, 7, 8),
                "{path}"
            );
        }
        assert_eq!(std::fs::metadata(at("real")).unwrap().uid(), 0);
    }

    #[test]
    fn directories_beneath_one_with_setgid_have_the_bit_and_its_group() {
        let dir = tempfile::tempdir().unwrap();
        let shared = dir.path().join("shared");
        std::fs::create_dir(&shared).unwrap();
        chown(&shared, None, Some(6)).unwrap();
        std::fs::set_permissions(&shared, Permissions::from_mode(0o2775)).unwrap();
        let tree = Root::open(dir.path()).unwrap();
        for (owner, ids) in [("", (0, 6)), ("7:8", (7, 8))] {
            let path = format!("/shared/of{owner}");
            make_directory(&tree, &path, owner, None).unwrap();
            let made = std::fs::metadata(dir.path().join(&path[1..])).unwrap();
            assert_eq!((made.uid(), made.gid()), ids, "{path}");
            assert_eq!(made.mode() & 0o7777, 0o2755, "{path}");
        }
    }

    #[test]
    fn a_file_in_the_way_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("file"), "").unwrap();
        let tree = Root::open(dir.path()).unwrap();
        for path in ["/file", "/file/below"] {
            let error = make_directory(&tree, path, "", None).unwrap_err();
            assert!(matches!(error, Error::Write { .. }), "{path}: {error:?}");
        }
    }
}
