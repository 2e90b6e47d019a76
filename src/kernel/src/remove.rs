//! Removal of whole trees: fast, never out of the tree, however deep it is.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::ffi::OsStringExt;

use nix::dir::{Dir, Type};
use nix::errno::Errno;
use nix::fcntl::{OFlag, RenameFlags, openat, renameat2};
use nix::sys::stat::Mode;
use nix::unistd::{UnlinkatFlags, unlinkat};

use crate::beneath::single;
use crate::entry::is_dot;

/// How many directories are open at once. What lies deeper is moved to the top first, so that neither the stack nor the
/// descriptors run out on a tree made to exhaust them.
const MAX_DEPTH: usize = 128;

const DIRECTORY: OFlag = OFlag::O_RDONLY
    .union(OFlag::O_DIRECTORY)
    .union(OFlag::O_NOFOLLOW)
    .union(OFlag::O_CLOEXEC);

/// Removes the entry and, if it is a directory, everything in it. Symbolic links are removed, not followed.
///
/// What another process removes meanwhile is no error; that the entry itself does not exist is.
pub fn remove_tree_at(dir: impl AsFd, name: &OsStr) -> io::Result<()> {
    match unlinkat(&dir, single(name)?, UnlinkatFlags::NoRemoveDir) {
        Ok(()) => return Ok(()),
        Err(Errno::EISDIR) => {}
        Err(error) => return Err(error.into()),
    }
    let top = openat(&dir, name, DIRECTORY, Mode::empty())?;
    let mut removal = Removal {
        top: top.as_fd(),
        lifted: 0,
    };
    loop {
        let lifted = removal.lifted;
        removal.empty(Dir::openat(&dir, name, DIRECTORY, Mode::empty())?, 0)?;
        if removal.lifted == lifted {
            break;
        }
    }
    Ok(unlinkat(&dir, name, UnlinkatFlags::RemoveDir)?)
}

struct Removal<'a> {
    /// The directory that is to go.
    top: BorrowedFd<'a>,
    /// How many directories were moved to it so far.
    lifted: usize,
}

impl Removal<'_> {
    /// Removes everything in a directory, or moves it to the top.
    fn empty(&mut self, mut dir: Dir, depth: usize) -> nix::Result<()> {
        // All names first: a directory that changes while it is read may skip entries.
        let mut entries = Vec::new();
        for entry in dir.iter() {
            let entry = entry?;
            if !is_dot(entry.file_name()) {
                let name = OsString::from_vec(entry.file_name().to_bytes().to_vec());
                entries.push((name, entry.file_type()));
            }
        }
        for (name, kind) in entries {
            let removed = match kind {
                Some(Type::Directory) | None => self.remove_dir(&dir, &name, depth),
                Some(_) => unlinkat(&dir, &*name, UnlinkatFlags::NoRemoveDir),
            };
            match removed {
                Ok(()) | Err(Errno::ENOENT) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn remove_dir(&mut self, parent: &Dir, name: &OsStr, depth: usize) -> nix::Result<()> {
        let dir = match Dir::openat(parent, name, DIRECTORY, Mode::empty()) {
            Ok(dir) => dir,
            // The file system did not tell the kind, and it is no directory.
            Err(Errno::ENOTDIR | Errno::ELOOP) => {
                return unlinkat(parent, name, UnlinkatFlags::NoRemoveDir);
            }
            Err(error) => return Err(error),
        };
        if depth >= MAX_DEPTH {
            return self.lift(parent, name);
        }
        self.empty(dir, depth + 1)?;
        unlinkat(parent, name, UnlinkatFlags::RemoveDir)
    }

    fn lift(&mut self, parent: &Dir, name: &OsStr) -> nix::Result<()> {
        loop {
            let fresh = format!(".too-deep-{}", self.lifted);
            self.lifted += 1;
            match renameat2(
                parent,
                name,
                self.top,
                fresh.as_str(),
                RenameFlags::RENAME_NOREPLACE,
            ) {
                Err(Errno::EEXIST) => {}
                result => return result,
            }
        }
    }
}
