//! Owner, mode, extended attributes and times of entries that were just made: set only where the kernel chose otherwise.

use std::ffi::OsStr;
use std::fs::{File, FileTimes, Permissions};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, UNIX_EPOCH};

use stromatekt_kernel::xattr::{self, Target};
use stromatekt_kernel::{FileKind, Stat, Timestamp, entry};

use crate::tar::Member;

/// The last second that Go's nanoseconds reach.
const LAST: i64 = i64::MAX / 1_000_000_000;
/// Bits that a change of owner may clear (chown(2)).
const CLEARED: u32 = 0o6000;

/// Times before the epoch or beyond Go's reach become the epoch, as in docker and containerd.
pub(super) fn bounded(time: Timestamp) -> Timestamp {
    match time.seconds {
        0..LAST => time,
        _ => Timestamp::from_seconds(0),
    }
}

/// Sets the metadata of a regular file, after its content was written.
pub(super) fn of_file(file: &File, member: &Member, owner: Option<(u32, u32)>) -> io::Result<()> {
    let stat = entry::stat_fd(file)?;
    let (uid, gid) = owner.unwrap_or((member.uid, member.gid));
    let is_chowned = (stat.uid, stat.gid) != (uid, gid);
    if is_chowned {
        std::os::unix::fs::fchown(file, Some(uid), Some(gid))?;
    }
    if needs_mode(&stat, member, is_chowned) {
        file.set_permissions(Permissions::from_mode(member.mode))?;
    }
    if !member.xattrs.is_empty() {
        set_xattrs(&Target::of_fd(file), member, stat.kind)?;
    }
    let time = bounded(member.mtime);
    let seconds = Duration::new(time.seconds.unsigned_abs(), time.nanoseconds);
    let time = UNIX_EPOCH + seconds;
    file.set_times(FileTimes::new().set_accessed(time).set_modified(time))
}

/// Sets the metadata of an entry of any kind; of a directory not its time, which is set when all is in it.
pub(super) fn of_entry(
    dir: impl AsFd,
    name: &OsStr,
    member: &Member,
    owner: Option<(u32, u32)>,
) -> io::Result<()> {
    let stat = entry::lstatat(&dir, name)?;
    let (uid, gid) = owner.unwrap_or((member.uid, member.gid));
    let is_chowned = (stat.uid, stat.gid) != (uid, gid);
    if is_chowned {
        entry::fchownat(&dir, name, uid, gid)?;
    }
    // A symbolic link has no mode. (A hard link may be another name of one.)
    if stat.kind != FileKind::Symlink && needs_mode(&stat, member, is_chowned) {
        entry::fchmodat(&dir, name, member.mode)?;
    }
    if !member.xattrs.is_empty() {
        set_xattrs(&Target::of_entry(&dir, name)?, member, stat.kind)?;
    }
    if !stat.is_dir() {
        let time = bounded(member.mtime);
        entry::utimensat(&dir, name, time, time)?;
    }
    Ok(())
}

fn needs_mode(stat: &Stat, member: &Member, is_chowned: bool) -> bool {
    stat.mode != member.mode || (is_chowned && member.mode & CLEARED != 0)
}

/// Sets extended attributes, except those that docker and containerd let go: `trusted.*` always, others where the file system or
/// the kind of file cannot have them.
fn set_xattrs(target: &Target<'_>, member: &Member, kind: FileKind) -> io::Result<()> {
    for (name, value) in &member.xattrs {
        if name.as_bytes().starts_with(b"trusted.") {
            continue;
        }
        // xattr(7): only files and directories have attributes of users.
        let is_special = !matches!(kind, FileKind::File | FileKind::Directory);
        match xattr::set(target, name, value) {
            Err(error) if error.kind() == io::ErrorKind::Unsupported => {}
            Err(error)
                if error.kind() == io::ErrorKind::PermissionDenied
                    && is_special
                    && name.as_bytes().starts_with(b"user.") => {}
            result => result?,
        }
    }
    Ok(())
}
