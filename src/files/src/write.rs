//! Writes single entries into a tree: content and attributes, each entry from one of a source or from given bytes.

use std::ffi::OsStr;
use std::fs::{File, FileTimes};
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use stromatekt_kernel::{FileKind, Stat, Timestamp, entry, reflink, xattr};

use crate::error::{Error, Result};
use crate::mode::ModeChange;
use crate::owner::Ids;
use crate::place;
use crate::select::Owners;

/// What becomes of the attributes of what is copied, and of what is in its way.
#[derive(Debug)]
pub(crate) struct Style {
    /// Whose everything becomes; nothing keeps the owners of the source.
    pub owner: Option<Ids>,
    /// What happens to modes.
    pub mode: Option<ModeChange>,
    /// The owners of the source.
    pub owners: Owners,
    /// Whatever is in the way is replaced, as a layer over the tree would.
    pub replaces: bool,
    /// Special files are copied as they are. BuildKit's copies are not: see [`Style::kind_of_copy`].
    pub is_verbatim: bool,
    /// Whether files of this source may share their blocks with those of this tree; asked until it fails.
    pub may_share: AtomicBool,
}

/// A place for an entry: its directory, its name, and the whole path for messages.
#[derive(Clone, Copy)]
pub(crate) struct Place<'a> {
    pub dir: &'a OwnedFd,
    pub name: &'a OsStr,
    pub path: &'a Path,
}

/// Whether a copy takes an extended attribute along.
pub(crate) fn is_copied(name: &OsStr, owners: Owners) -> bool {
    match name.as_encoded_bytes() {
        // When BuildKit receives a context, it sets the owner after the attributes, which removes capabilities.
        b"security.capability" => owners == Owners::Kept,
        // Properties of the file system, not of the file.
        name => !name.starts_with(b"btrfs."),
    }
}

impl Style {
    /// Whose a copy is.
    pub fn ids(&self, stat: &Stat) -> Ids {
        match (self.owner, self.owners) {
            (Some(ids), _) => ids,
            (None, Owners::Root) => Ids::default(),
            (None, Owners::Kept) => Ids {
                uid: stat.uid,
                gid: stat.gid,
            },
        }
    }

    /// The mode of a copy.
    pub fn mode(&self, mode: u32, is_dir: bool) -> u32 {
        match &self.mode {
            Some(change) => change.apply(mode, is_dir),
            None => mode,
        }
    }

    /// What a copy is: BuildKit makes sockets empty files, and, while it takes the bits of sockets from the type, block devices character
    /// devices with the same number.
    fn kind_of_copy(&self, kind: FileKind) -> FileKind {
        match kind {
            FileKind::Socket if !self.is_verbatim => FileKind::File,
            FileKind::BlockDevice if !self.is_verbatim => FileKind::CharDevice,
            kind => kind,
        }
    }

    /// Copies a regular file that is open; `path` is where, for messages.
    pub fn copy_file(
        &self,
        (from, stat, path): (&File, &Stat, &Path),
        to: Place<'_>,
        buffer: &mut [u8],
    ) -> Result<()> {
        let failed = || Error::write("write", to.path);
        let mode = self.mode(stat.mode, false);
        let file = self.create(to, mode)?;
        let is_shared = stat.size > 0
            && self.may_share.load(Ordering::Relaxed)
            && match reflink::clone_file(from, &file) {
                Ok(()) => true,
                Err(_) => {
                    self.may_share.store(false, Ordering::Relaxed);
                    false
                }
            };
        if !is_shared {
            copy_content(from, &file, stat.size, buffer).map_err(|error| match error {
                Failed::Reading(error) => Error::read(path)(error),
                Failed::Writing(error) => failed()(error),
            })?;
        }
        place::set_owner(&file, self.ids(stat), mode).map_err(failed())?;
        copy_xattrs(
            &xattr::Target::of_fd(from),
            &xattr::Target::of_fd(&file),
            self.owners,
        );
        set_times(&file, stat.mtime).map_err(failed())
    }

    /// Writes a regular file with this content, of now.
    pub fn write_file(&self, content: &[u8], mode: u32, to: Place<'_>) -> Result<()> {
        let failed = || Error::write("write", to.path);
        let mode = self.mode(mode, false);
        let mut file = self.create(to, mode)?;
        file.write_all(content).map_err(failed())?;
        place::set_owner(&file, self.owner.unwrap_or_default(), mode).map_err(failed())
    }

    /// Copies what is neither a regular file nor a directory.
    pub fn copy_special(&self, from: Place<'_>, stat: &Stat, to: Place<'_>) -> Result<()> {
        let failed = || Error::write("make", to.path);
        match self.kind_of_copy(stat.kind) {
            FileKind::Symlink => {
                let target =
                    entry::readlinkat(from.dir, from.name).map_err(Error::read(from.path))?;
                self.make(to, || entry::symlinkat(&target, to.dir, to.name))?;
            }
            FileKind::File | FileKind::Directory => drop(self.create(to, 0)?),
            kind => {
                let (major, minor) = (stat.rdev_major(), stat.rdev_minor());
                let node = match kind {
                    FileKind::CharDevice => entry::Node::CharDevice { major, minor },
                    FileKind::BlockDevice => entry::Node::BlockDevice { major, minor },
                    FileKind::Socket => entry::Node::Socket,
                    _ => entry::Node::Fifo,
                };
                self.make(to, || entry::mknodat(to.dir, to.name, node, 0o600))?;
            }
        }
        let ids = self.ids(stat);
        entry::fchownat(to.dir, to.name, ids.uid, ids.gid).map_err(failed())?;
        if stat.kind != FileKind::Symlink {
            let mode = self.mode(stat.mode, false);
            entry::fchmodat(to.dir, to.name, mode).map_err(failed())?;
        }
        let source =
            xattr::Target::of_entry(from.dir, from.name).map_err(Error::read(from.path))?;
        let target = xattr::Target::of_entry(to.dir, to.name).map_err(failed())?;
        copy_xattrs(&source, &target, self.owners);
        entry::utimensat(to.dir, to.name, stat.mtime, stat.mtime).map_err(failed())
    }

    /// Gives a directory the attributes of another; its times where `with_time`.
    pub fn copy_attributes(
        &self,
        from: &OwnedFd,
        stat: &Stat,
        to: &File,
        with_time: bool,
    ) -> io::Result<()> {
        place::set_owner(to, self.ids(stat), self.mode(stat.mode, true))?;
        copy_xattrs(
            &xattr::Target::of_fd(from),
            &xattr::Target::of_fd(to),
            self.owners,
        );
        if with_time {
            set_times(to, stat.mtime)?;
        }
        Ok(())
    }

    /// Gives a file one more name.
    pub fn link(&self, from: Place<'_>, to: Place<'_>) -> Result<()> {
        self.make(to, || entry::linkat(from.dir, from.name, to.dir, to.name))
    }

    /// A new regular file, with no more than this mode.
    fn create(&self, to: Place<'_>, mode: u32) -> Result<File> {
        self.make(to, || entry::create_file_at(to.dir, to.name, mode & 0o777))
    }

    /// Makes an entry; what was there goes first.
    fn make<T>(&self, to: Place<'_>, make: impl Fn() -> io::Result<T>) -> Result<T> {
        let failed = || Error::write("make", to.path);
        match make() {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            made => return made.map_err(failed()),
        }
        let standing = entry::lstatat(to.dir, to.name).map_err(failed())?;
        match (standing.is_dir(), self.replaces) {
            (true, false) => {
                return Err(Error::FileOverDirectory {
                    path: to.path.to_owned(),
                });
            }
            (true, true) => entry::remove_tree_at(to.dir, to.name),
            (false, _) => entry::unlinkat(to.dir, to.name),
        }
        .map_err(Error::write("replace", to.path))?;
        make().map_err(failed())
    }
}

enum Failed {
    Reading(io::Error),
    Writing(io::Error),
}

/// Copies by way of a buffer: into another file system, which is the usual case, the kernel would do no better. A file that has grown is
/// not read to its end, and found to have changed by whoever looks at it afterwards.
fn copy_content(
    mut from: &File,
    mut to: &File,
    size: u64,
    buffer: &mut [u8],
) -> Result<(), Failed> {
    let mut rest = size;
    while rest > 0 {
        let chunk = usize::try_from(rest).map_or(buffer.len(), |rest| rest.min(buffer.len()));
        match from.read(&mut buffer[..chunk]) {
            Ok(0) => break,
            Ok(count) => {
                to.write_all(&buffer[..count]).map_err(Failed::Writing)?;
                rest -= count as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(Failed::Reading(error)),
        }
    }
    Ok(())
}

/// Copies the extended attributes, after the owner was set, which removes capabilities. One that the file system of the tree refuses is
/// left out with all that follow it, as in BuildKit.
fn copy_xattrs(from: &xattr::Target<'_>, to: &xattr::Target<'_>, owners: Owners) {
    for (name, value) in xattr::all(from).unwrap_or_default() {
        if is_copied(&name, owners) && xattr::set(to, &name, &value).is_err() {
            return;
        }
    }
}

pub(crate) fn set_times(file: &File, time: Timestamp) -> io::Result<()> {
    let time = system_time(time).ok_or(io::ErrorKind::InvalidData)?;
    file.set_times(FileTimes::new().set_accessed(time).set_modified(time))
}

fn system_time(time: Timestamp) -> Option<SystemTime> {
    let seconds = Duration::from_secs(time.seconds.unsigned_abs());
    let start = if time.seconds < 0 {
        UNIX_EPOCH.checked_sub(seconds)
    } else {
        UNIX_EPOCH.checked_add(seconds)
    };
    start?.checked_add(Duration::from_nanos(time.nanoseconds.into()))
}
