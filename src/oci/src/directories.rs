//! Directories of a tree, kept open while paths are visited in order: a path is never resolved twice from the root.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use stromatekt_kernel::beneath::OFlag;
use stromatekt_kernel::{Root, entry};

/// How many directories are open at once. What lies deeper is opened one by one for every other path, which is slow, but no
/// tree can exhaust the descriptors.
const MAX_OPEN: usize = 64;

/// The open directories from the root to the one that was asked for last.
pub(crate) struct Directories<'a> {
    root: &'a Root,
    open: Vec<(OsString, OwnedFd)>,
    /// The names below the last one of `open`, and the directory that they lead to.
    deep: Option<(Vec<OsString>, OwnedFd)>,
}

impl<'a> Directories<'a> {
    pub fn new(root: &'a Root) -> Self {
        Self {
            root,
            open: Vec::new(),
            deep: None,
        }
    }

    /// The tree that the directories are of.
    pub fn root(&self) -> &'a Root {
        self.root
    }

    /// A handle (`O_PATH`) on the directory at a relative path of plain names, none of which is a symbolic link.
    pub fn open(&mut self, path: &Path) -> io::Result<BorrowedFd<'_>> {
        let mut names = path.iter();
        let mut shared = 0;
        for (name, _) in &self.open {
            match names.clone().next() {
                Some(wanted) if wanted == name => {
                    names.next();
                    shared += 1;
                }
                _ => break,
            }
        }
        if shared < self.open.len() {
            self.open.truncate(shared);
            self.deep = None;
        }
        for name in names.by_ref().take(MAX_OPEN - shared) {
            let dir = open_in(self.last(), name)?;
            self.open.push((name.to_owned(), dir));
        }
        let rest: Vec<OsString> = names.map(OsStr::to_owned).collect();
        if rest.is_empty() {
            self.deep = None;
        } else if self.deep.as_ref().is_none_or(|(known, _)| *known != rest) {
            let mut dir = None;
            for name in &rest {
                dir = Some(open_in(
                    dir.as_ref().map_or(self.last(), AsFd::as_fd),
                    name,
                )?);
            }
            self.deep = dir.map(|dir| (rest, dir));
        }
        Ok(match &self.deep {
            Some((_, dir)) => dir.as_fd(),
            None => self.last(),
        })
    }

    /// Forgets what is open: directories were replaced.
    pub fn close(&mut self) {
        self.open.clear();
        self.deep = None;
    }

    fn last(&self) -> BorrowedFd<'_> {
        match self.open.last() {
            Some((_, dir)) => dir.as_fd(),
            None => self.root.as_fd(),
        }
    }
}

fn open_in(dir: impl AsFd, name: &OsStr) -> io::Result<OwnedFd> {
    entry::openat(dir, name, OFlag::O_PATH | OFlag::O_DIRECTORY, 0).map(OwnedFd::from)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;

    #[test]
    fn directories_of_any_depth_are_opened_in_any_order() {
        let dir = tempfile::tempdir().unwrap();
        let deep: PathBuf = (0..200).map(|n| n.to_string()).collect();
        std::fs::create_dir_all(dir.path().join(&deep)).unwrap();
        std::fs::create_dir_all(dir.path().join("a/b")).unwrap();
        let root = Root::open(dir.path()).unwrap();
        let mut directories = Directories::new(&root);
        let ancestors: Vec<_> = deep.ancestors().map(Path::to_owned).collect();
        let paths = ancestors.iter().chain(ancestors.iter().rev());
        let others = [PathBuf::from("a/b"), "a".into(), "".into(), "a/b".into()];
        for path in paths.chain(&others).chain(ancestors.iter().step_by(7)) {
            let found = entry::stat_fd(directories.open(path).unwrap()).unwrap();
            assert_eq!(
                found.ino,
                root.stat(path).unwrap().ino,
                "{}",
                path.display()
            );
        }
    }

    #[test]
    fn a_symlink_is_no_directory() {
        let dir = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink("/", dir.path().join("link")).unwrap();
        let root = Root::open(dir.path()).unwrap();
        let mut directories = Directories::new(&root);
        assert!(directories.open(Path::new("link")).is_err());
        assert!(directories.open(Path::new("link/etc")).is_err());
        assert!(directories.open(Path::new("")).is_ok());
    }
}
