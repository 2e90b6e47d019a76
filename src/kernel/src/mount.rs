//! Mounts, and the room that is left on them.

use std::ffi::CString;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use nix::errno::Errno;
use nix::mount::{MntFlags, umount2};
use nix::sys::statvfs::{FsFlags, statvfs};

use crate::error::{Error, Result};

pub use nix::mount::MsFlags as MountFlags;

/// The room on a file system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Space {
    /// How many bytes it has in all.
    pub total: u64,
    /// How many bytes can still be written.
    pub available: u64,
    /// Whether it is read-only, as btrfs makes itself after an error.
    pub read_only: bool,
}

/// The room on the file system that a path is on.
// The widths of these fields differ between architectures.
#[allow(clippy::useless_conversion, clippy::unnecessary_cast)]
pub fn space(path: &Path) -> Result<Space> {
    let fs = statvfs(path).map_err(Error::of("look at the file system of", path))?;
    let bytes = |blocks: u64| blocks.saturating_mul(fs.fragment_size() as u64);
    Ok(Space {
        total: bytes(fs.blocks() as u64),
        available: bytes(fs.blocks_available() as u64),
        read_only: fs.flags().contains(FsFlags::ST_RDONLY),
    })
}

/// Mounts a file system of a type; `options` are of its own kind, separated by commas.
pub fn mount_device(
    device: &Path,
    target: &Path,
    filesystem: &str,
    flags: MountFlags,
    options: &str,
) -> Result<()> {
    nix::mount::mount(Some(device), target, Some(filesystem), flags, Some(options))
        .map_err(Error::of("mount a file system at", target))
}

/// Makes what is at `source`, a file or a directory, appear at `target` too.
pub fn bind(source: &Path, target: &Path) -> Result<()> {
    nix::mount::mount(
        Some(source),
        target,
        None::<&str>,
        MountFlags::MS_BIND,
        None::<&str>,
    )
    .map_err(Error::of("bind a directory to", target))
}

/// Removes the topmost mount at `target`; `EBUSY` if it is in use.
pub fn unmount(target: &Path) -> Result<()> {
    umount2(target, MntFlags::UMOUNT_NOFOLLOW).map_err(Error::of("unmount", target))
}

/// Removes the topmost mount at `target` from the tree of files now, and for good when nobody uses it any more.
pub fn detach(target: &Path) -> Result<()> {
    let flags = MntFlags::UMOUNT_NOFOLLOW | MntFlags::MNT_DETACH;
    umount2(target, flags).map_err(Error::of("unmount", target))
}

/// Whether something is mounted at `path`.
pub fn is_mount_point(path: &Path) -> Result<bool> {
    let attempt = "look at";
    let c_path = CString::new(path.as_os_str().as_bytes())
        .map_err(io::Error::from)
        .map_err(Error::of(attempt, path))?;
    // SAFETY: the structure is of integers, for which zeros are valid.
    let mut found: libc::statx = unsafe { std::mem::zeroed() };
    let flags = libc::AT_SYMLINK_NOFOLLOW | libc::AT_NO_AUTOMOUNT;
    // SAFETY: the path is NUL-terminated, `found` is the structure that the kernel fills, and both live through the call.
    let result = unsafe { libc::statx(libc::AT_FDCWD, c_path.as_ptr(), flags, 0, &raw mut found) };
    Errno::result(result).map_err(Error::of(attempt, path))?;
    Ok(found.stx_attributes & libc::STATX_ATTR_MOUNT_ROOT as u64 != 0)
}

/// Returns when all that was written to the file system that `file` is on would survive a power failure.
pub fn syncfs(file: impl AsFd) -> io::Result<()> {
    Ok(nix::unistd::syncfs(file)?)
}
