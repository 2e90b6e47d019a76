//! Subvolumes that a process made inside its tree become plain directories.
//!
//! A process in a container may make subvolumes as it may make directories (systemd-tmpfiles(8) does so for `/var/lib/machines`), but a
//! snapshot does not reach into them: in a fork they would be empty, and no diff would show what is in them.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use stromatekt_kernel::beneath::{DirEntry, OFlag};
use stromatekt_kernel::{FileKind, Root, Stat, btrfs, entry, reflink, xattr};

/// Replaces the subvolumes within a writable subvolume, by its root directory, with directories that hold the same.
pub(crate) fn flatten(subvolume: &OwnedFd) -> io::Result<()> {
    // The kernel tells of the outermost only; those within come out as directories of it when it is their turn.
    for path in btrfs::nested_subvolumes(subvolume)? {
        let root = Root::from(subvolume.try_clone()?);
        let (dir, name) = entry_of(&root, &path)?;
        let before = entry::stat_fd(&dir)?;
        flatten_one(&dir, name)?;
        if let Some(above) = path.parent().filter(|above| above.file_name().is_some()) {
            let (dir, name) = entry_of(&root, above)?;
            entry::utimensat(&dir, name, before.mtime, before.mtime)?;
        }
    }
    Ok(())
}

/// Removes the subvolume `name` in `parent`, and those in it.
pub(crate) fn destroy(parent: &OwnedFd, name: &OsStr) -> io::Result<()> {
    match btrfs::destroy_subvolume(parent, name) {
        Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty => {}
        result => return result,
    }
    let outer = open_dir(parent, name)?;
    btrfs::set_read_only(&outer, false)?;
    for path in btrfs::nested_subvolumes(&outer)? {
        let (dir, name) = entry_of(&Root::from(outer.try_clone()?), &path)?;
        destroy(&dir, name)?;
    }
    btrfs::destroy_subvolume(parent, name)
}

fn flatten_one(parent: &OwnedFd, name: &OsStr) -> io::Result<()> {
    let inner = open_dir(parent, name)?;
    btrfs::set_read_only(&inner, false)?;
    flatten(&inner)?;
    let fresh = free_name(parent)?;
    entry::mkdirat(parent, &fresh, 0o700)?;
    let copy = Root::from(open_dir(parent, &fresh)?);
    copy_all(&Root::from(inner), &copy)?;
    copy_metadata(parent, name, parent, &fresh, &entry::lstatat(parent, name)?)?;
    btrfs::destroy_subvolume(parent, name)?;
    entry::renameat(parent, &fresh, parent, name)
}

/// Copies what is in a directory into an empty one, sharing the contents of files.
fn copy_all(from: &Root, to: &Root) -> io::Result<()> {
    let mut links = HashMap::<u64, PathBuf>::new();
    // The directories that are made already: they get their metadata when nothing changes them any more.
    let mut made = Vec::new();
    let mut waiting = vec![PathBuf::new()];
    while let Some(path) = waiting.pop() {
        let (from, to_dir) = (
            from.open_dir_no_symlinks(&path)?,
            to.open_dir_no_symlinks(&path)?,
        );
        for DirEntry { name, .. } in entry::read_dir_fd(from.try_clone()?)? {
            let path = path.join(&name);
            let stat = entry::lstatat(&from, &name)?;
            if stat.is_dir() {
                entry::mkdirat(&to_dir, &name, 0o700)?;
                waiting.push(path.clone());
                made.push((path, stat));
                continue;
            }
            if stat.nlink > 1 {
                if let Some(other) = links.get(&stat.ino) {
                    let (dir, other) = entry_of(to, other)?;
                    entry::linkat(&dir, other, &to_dir, &name)?;
                    continue;
                }
                links.insert(stat.ino, path);
            }
            copy_entry(&from, &to_dir, &name, &stat)?;
            copy_metadata(&from, &name, &to_dir, &name, &stat)?;
        }
    }
    for (path, stat) in made.into_iter().rev() {
        let ((from, name), (to, _)) = (entry_of(from, &path)?, entry_of(to, &path)?);
        copy_metadata(&from, name, &to, name, &stat)?;
    }
    Ok(())
}

/// The directory that holds the entry at a path, and the entry's name.
fn entry_of<'a>(root: &Root, path: &'a Path) -> io::Result<(OwnedFd, &'a OsStr)> {
    let name = path.file_name().ok_or(io::ErrorKind::InvalidData)?;
    let dir = root.open_dir_no_symlinks(path.parent().unwrap_or(Path::new("")))?;
    Ok((dir, name))
}

fn copy_entry(from: &OwnedFd, to: &OwnedFd, name: &OsStr, stat: &Stat) -> io::Result<()> {
    let (major, minor) = (stat.rdev_major(), stat.rdev_minor());
    let node = match stat.kind {
        FileKind::File => {
            let source = entry::openat(from, name, OFlag::O_RDONLY, 0)?;
            let target = entry::create_file_at(to, name, 0o600)?;
            reflink::clone_or_copy(&source, &target)?;
            return Ok(());
        }
        FileKind::Symlink => {
            return entry::symlinkat(&entry::readlinkat(from, name)?, to, name);
        }
        FileKind::Directory => return entry::mkdirat(to, name, 0o700),
        FileKind::CharDevice => entry::Node::CharDevice { major, minor },
        FileKind::BlockDevice => entry::Node::BlockDevice { major, minor },
        FileKind::Fifo => entry::Node::Fifo,
        FileKind::Socket => entry::Node::Socket,
    };
    entry::mknodat(to, name, node, 0o600)
}

fn copy_metadata(
    from: impl AsFd,
    name: &OsStr,
    to: impl AsFd,
    new_name: &OsStr,
    stat: &Stat,
) -> io::Result<()> {
    entry::fchownat(&to, new_name, stat.uid, stat.gid)?;
    if stat.kind != FileKind::Symlink {
        entry::fchmodat(&to, new_name, stat.mode)?;
    }
    let target = xattr::Target::of_entry(&to, new_name)?;
    for (attribute, value) in xattr::all(&xattr::Target::of_entry(&from, name)?)? {
        xattr::set(&target, &attribute, &value)?;
    }
    entry::utimensat(&to, new_name, stat.mtime, stat.mtime)
}

/// A name that nothing in a directory has.
fn free_name(dir: &OwnedFd) -> io::Result<OsString> {
    for number in 0u64.. {
        let name = OsString::from(format!(".was-subvolume-{number}"));
        match entry::lstatat(dir, &name) {
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(name),
            Err(error) => return Err(error),
        }
    }
    Err(io::ErrorKind::AlreadyExists.into())
}

fn open_dir(parent: &OwnedFd, name: &OsStr) -> io::Result<OwnedFd> {
    let dir = entry::openat(parent, name, OFlag::O_RDONLY | OFlag::O_DIRECTORY, 0)?;
    Ok(dir.into())
}
