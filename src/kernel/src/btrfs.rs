//! btrfs: subvolumes, snapshots of them, and what the kernel knows of them.
//!
//! The ioctls of `linux/btrfs.h` one by one, without the `btrfs` command.

use std::ffi::OsStr;
use std::io;
use std::mem::size_of;
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::sys::statfs::{BTRFS_SUPER_MAGIC, statfs};

use crate::beneath::single;
use crate::error::{Error, Result};

/// The inode number of the root directory of every subvolume (`BTRFS_FIRST_FREE_OBJECTID`).
pub const SUBVOLUME_ROOT: u64 = 256;

/// The identity of a subvolume, unique among all file systems.
pub type Uuid = [u8; 16];

/// What the kernel knows of a subvolume.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SubvolumeInfo {
    /// Its number in this file system.
    pub id: u64,
    /// Its identity.
    pub uuid: Uuid,
    /// The identity of the subvolume that it is a snapshot of; zeros if it is none.
    pub parent_uuid: Uuid,
    /// Whether it is read-only.
    pub read_only: bool,
}

/// The structures of `linux/btrfs.h`, and the calls that take them.
mod raw {
    use super::size_of;

    const MAGIC: u8 = 0x94;

    pub const NAME_V2: usize = 4040;
    pub const NAME_V1: usize = 4088;
    pub const RDONLY: u64 = 1 << 1;
    pub const SEND_NO_FILE_DATA: u64 = 1;
    pub const LOOKUP_PATH: usize = 3824;
    pub const ROOTREFS: usize = 255;

    #[repr(C)]
    pub struct VolArgs {
        pub fd: i64,
        pub name: [u8; NAME_V1],
    }

    #[repr(C)]
    pub struct VolArgsV2 {
        pub fd: i64,
        pub transid: u64,
        pub flags: u64,
        pub unused: [u64; 4],
        pub name: [u8; NAME_V2],
    }

    #[repr(C)]
    pub struct Send {
        pub send_fd: i64,
        pub clone_sources_count: u64,
        pub clone_sources: *mut u64,
        pub parent_root: u64,
        pub flags: u64,
        pub version: u32,
        pub reserved: [u8; 28],
    }

    #[repr(C)]
    pub struct InoLookupUser {
        pub dirid: u64,
        pub treeid: u64,
        pub name: [u8; 256],
        pub path: [u8; LOOKUP_PATH],
    }

    #[repr(C)]
    pub struct DevStats {
        pub devid: u64,
        pub nr_items: u64,
        pub flags: u64,
        pub values: [u64; 5],
        pub unused: [u64; 121],
    }

    #[repr(C)]
    pub struct InoPaths {
        pub inum: u64,
        pub size: u64,
        pub reserved: [u64; 4],
        pub fspath: u64,
    }

    #[repr(C)]
    #[derive(Clone, Copy)]
    pub struct Timespec {
        pub sec: u64,
        pub nsec: u32,
    }

    #[repr(C)]
    pub struct SubvolInfo {
        pub treeid: u64,
        pub name: [u8; 256],
        pub parent_id: u64,
        pub dirid: u64,
        pub generation: u64,
        pub flags: u64,
        pub uuid: [u8; 16],
        pub parent_uuid: [u8; 16],
        pub received_uuid: [u8; 16],
        pub ctransid: u64,
        pub otransid: u64,
        pub stransid: u64,
        pub rtransid: u64,
        pub ctime: Timespec,
        pub otime: Timespec,
        pub stime: Timespec,
        pub rtime: Timespec,
        pub reserved: [u64; 8],
    }

    #[repr(C)]
    #[derive(Clone, Copy)]
    pub struct RootRef {
        pub treeid: u64,
        pub dirid: u64,
    }

    #[repr(C)]
    pub struct RootRefs {
        pub min_treeid: u64,
        pub rootref: [RootRef; ROOTREFS],
        pub num_items: u8,
        pub align: [u8; 7],
    }

    // The layouts that the kernel's request numbers are computed from.
    const _: () = assert!(size_of::<VolArgs>() == 4096);
    const _: () = assert!(size_of::<VolArgsV2>() == 4096);
    #[cfg(target_pointer_width = "64")]
    const _: () = assert!(size_of::<Send>() == 72);
    const _: () = assert!(size_of::<InoLookupUser>() == 4096);
    const _: () = assert!(size_of::<InoPaths>() == 56);
    const _: () = assert!(size_of::<DevStats>() == 1032);
    const _: () = assert!(size_of::<SubvolInfo>() == 504);
    const _: () = assert!(size_of::<RootRefs>() == 4096);

    nix::ioctl_write_ptr!(resize, MAGIC, 3, VolArgs);
    nix::ioctl_none!(sync, MAGIC, 8);
    nix::ioctl_write_ptr!(snap_destroy, MAGIC, 15, VolArgs);
    nix::ioctl_write_ptr!(snap_create_v2, MAGIC, 23, VolArgsV2);
    nix::ioctl_write_ptr!(subvol_create_v2, MAGIC, 24, VolArgsV2);
    nix::ioctl_read!(subvol_getflags, MAGIC, 25, u64);
    nix::ioctl_write_ptr!(subvol_setflags, MAGIC, 26, u64);
    nix::ioctl_readwrite!(ino_paths, MAGIC, 35, InoPaths);
    nix::ioctl_write_ptr!(send, MAGIC, 38, Send);
    nix::ioctl_readwrite!(get_dev_stats, MAGIC, 52, DevStats);
    nix::ioctl_read!(get_subvol_info, MAGIC, 60, SubvolInfo);
    nix::ioctl_readwrite!(get_subvol_rootref, MAGIC, 61, RootRefs);
    nix::ioctl_readwrite!(ino_lookup_user, MAGIC, 62, InoLookupUser);
}

/// Whether a path is on a btrfs.
pub fn is_btrfs(path: &Path) -> Result<bool> {
    let fs = statfs(path).map_err(Error::of("look at the file system of", path))?;
    Ok(fs.filesystem_type() == BTRFS_SUPER_MAGIC)
}

/// Makes an empty subvolume in a directory.
pub fn create_subvolume(parent: impl AsFd, name: &OsStr) -> io::Result<()> {
    let args = raw::VolArgsV2 {
        fd: 0,
        transid: 0,
        flags: 0,
        unused: [0; 4],
        name: fixed(name)?,
    };
    // SAFETY: the descriptor is open and the structure, of the size that the request number tells, lives through the call.
    unsafe { raw::subvol_create_v2(parent.as_fd().as_raw_fd(), &raw const args) }?;
    Ok(())
}

/// Makes a writable snapshot of a subvolume, by its root directory, in a directory of the same file system.
pub fn create_snapshot(source: impl AsFd, parent: impl AsFd, name: &OsStr) -> io::Result<()> {
    let args = raw::VolArgsV2 {
        fd: source.as_fd().as_raw_fd().into(),
        transid: 0,
        flags: 0,
        unused: [0; 4],
        name: fixed(name)?,
    };
    // SAFETY: the descriptors are open and the structure, of the size that the request number tells, lives through the call.
    unsafe { raw::snap_create_v2(parent.as_fd().as_raw_fd(), &raw const args) }?;
    Ok(())
}

/// Makes a subvolume, by its root directory, read-only or writable.
pub fn set_read_only(subvolume: impl AsFd, read_only: bool) -> io::Result<()> {
    let fd = subvolume.as_fd().as_raw_fd();
    let mut flags = 0;
    // SAFETY: the descriptor is open, and the kernel writes one u64 to `flags`.
    unsafe { raw::subvol_getflags(fd, &raw mut flags) }?;
    let wanted = match read_only {
        true => flags | raw::RDONLY,
        false => flags & !raw::RDONLY,
    };
    if wanted != flags {
        // SAFETY: the descriptor is open, and the kernel reads one u64 from `wanted`.
        unsafe { raw::subvol_setflags(fd, &raw const wanted) }?;
    }
    Ok(())
}

/// Removes a subvolume, with all its files but not with subvolumes in it: `ENOTEMPTY` then. The space is free some time after.
pub fn destroy_subvolume(parent: impl AsFd, name: &OsStr) -> io::Result<()> {
    let args = raw::VolArgs {
        fd: 0,
        name: fixed(name)?,
    };
    // SAFETY: the descriptor is open and the structure, of the size that the request number tells, lives through the call.
    unsafe { raw::snap_destroy(parent.as_fd().as_raw_fd(), &raw const args) }?;
    Ok(())
}

/// What the kernel knows of the subvolume that a file or directory is in.
pub fn subvolume_info(file: impl AsFd) -> io::Result<SubvolumeInfo> {
    // SAFETY: the structure is of integers and arrays of them, for which zeros are valid.
    let mut info: raw::SubvolInfo = unsafe { std::mem::zeroed() };
    // SAFETY: the descriptor is open, and the kernel writes a structure of the size that the request number tells.
    unsafe { raw::get_subvol_info(file.as_fd().as_raw_fd(), &raw mut info) }?;
    // These are the flags as on the disk (BTRFS_ROOT_SUBVOL_RDONLY), not those of the ioctls.
    let read_only = info.flags & 1 != 0;
    Ok(SubvolumeInfo {
        id: info.treeid,
        uuid: info.uuid,
        parent_uuid: info.parent_uuid,
        read_only,
    })
}

/// The paths of the subvolumes directly within a subvolume, by its root directory.
pub fn nested_subvolumes(subvolume: impl AsFd) -> io::Result<Vec<PathBuf>> {
    let fd = subvolume.as_fd().as_raw_fd();
    let mut nested = Vec::new();
    let mut refs = Box::new(raw::RootRefs {
        min_treeid: 0,
        rootref: [raw::RootRef {
            treeid: 0,
            dirid: 0,
        }; raw::ROOTREFS],
        num_items: 0,
        align: [0; 7],
    });
    loop {
        // SAFETY: the descriptor is open, and the kernel reads and writes a structure of the size that the request number tells.
        let more = match unsafe { raw::get_subvol_rootref(fd, &raw mut *refs) } {
            Ok(_) => false,
            // There are more; the kernel moved `min_treeid` behind the last one.
            Err(Errno::EOVERFLOW) => true,
            Err(error) => return Err(error.into()),
        };
        for found in &refs.rootref[..usize::from(refs.num_items)] {
            let mut lookup = Box::new(raw::InoLookupUser {
                dirid: found.dirid,
                treeid: found.treeid,
                name: [0; 256],
                path: [0; raw::LOOKUP_PATH],
            });
            // SAFETY: the descriptor is open, and the kernel reads and writes a structure of the size that the request tells.
            unsafe { raw::ino_lookup_user(fd, &raw mut *lookup) }?;
            let mut path = PathBuf::from(text(&lookup.path));
            path.push(text(&lookup.name));
            nested.push(path);
        }
        if !more {
            return Ok(nested);
        }
    }
}

/// All paths of a file in the subvolume that `file` is in, relative to the subvolume's root directory.
///
/// Nothing if they are too many: the kernel tells at most 4096 bytes of them.
pub fn paths_of_inode(file: impl AsFd, inode: u64) -> io::Result<Option<Vec<PathBuf>>> {
    // struct btrfs_data_container: four u32, then an offset for each path, counted from behind the four; then the paths.
    const HEADER: usize = 2;
    let mut container = [0u64; 512];
    let mut args = raw::InoPaths {
        inum: inode,
        size: size_of_val(&container) as u64,
        reserved: [0; 4],
        fspath: container.as_mut_ptr() as u64,
    };
    // SAFETY: the descriptor is open, and the kernel writes at most `size` bytes to `container`, which has them.
    unsafe { raw::ino_paths(file.as_fd().as_raw_fd(), &raw mut args) }?;
    let bytes: Vec<u8> = container
        .iter()
        .flat_map(|word| word.to_ne_bytes())
        .collect();
    let count = |index: usize| {
        let bytes = bytes.get(index * 4..index * 4 + 4)?;
        Some(u32::from_ne_bytes(bytes.try_into().ok()?))
    };
    let (Some(missing), Some(found), Some(missed)) = (count(1), count(2), count(3)) else {
        return Ok(None);
    };
    if missing > 0 || missed > 0 {
        return Ok(None);
    }
    let paths = (0..found as usize).map(|index| {
        let offset = usize::try_from(*container.get(HEADER + index)?).ok()?;
        Some(PathBuf::from(text(bytes.get(HEADER * 8 + offset..)?)))
    });
    Ok(paths.collect())
}

/// Writes the stream of what turns the subvolume with the number `parent` into `subvolume`, or the empty tree, to a pipe; which
/// extents of files changed, but not their data. Both have to be read-only. Returns when all is written.
pub fn send_without_data(
    subvolume: impl AsFd,
    parent: Option<u64>,
    pipe: impl AsFd,
) -> io::Result<()> {
    let args = raw::Send {
        send_fd: pipe.as_fd().as_raw_fd().into(),
        clone_sources_count: 0,
        clone_sources: std::ptr::null_mut(),
        parent_root: parent.unwrap_or(0),
        flags: raw::SEND_NO_FILE_DATA,
        version: 0,
        reserved: [0; 28],
    };
    // SAFETY: the descriptors are open and the structure, of the size that the request number tells, lives through the call; no
    // clone sources are to be read.
    unsafe { raw::send(subvolume.as_fd().as_raw_fd(), &raw const args) }?;
    Ok(())
}

/// How many writes and flushes to the first device of the file system that `dir` is on have failed, ever.
///
/// When the write of a file's data fails, a process that did not call fsync(2) never learns of it: here it shows.
pub fn failed_writes(dir: impl AsFd) -> io::Result<u64> {
    // btrfs_dev_stat_values: failed writes, failed reads, failed flushes, …
    const COUNTERS: u64 = 3;
    let mut stats = Box::new(raw::DevStats {
        devid: 1,
        nr_items: COUNTERS,
        flags: 0,
        values: [0; 5],
        unused: [0; 121],
    });
    // SAFETY: the descriptor is open, and the kernel reads and writes a structure of the size that the request number tells.
    match unsafe { raw::get_dev_stats(dir.as_fd().as_raw_fd(), &raw mut *stats) } {
        Ok(_) => {}
        // The first of several devices was taken away.
        Err(Errno::ENODEV) => return Ok(0),
        Err(error) => return Err(error.into()),
    }
    let [writes, _, flushes, ..] = stats.values;
    Ok(writes + flushes)
}

/// Commits what was done to the file system that `dir` is on, and has the kernel free the space of removed subvolumes soon after.
pub fn sync_and_clean(dir: impl AsFd) -> io::Result<()> {
    // SAFETY: the descriptor is open, and the call touches no memory.
    unsafe { raw::sync(dir.as_fd().as_raw_fd()) }?;
    Ok(())
}

/// Lets the file system that `dir` is on, of one device, fill its device.
pub fn resize_to_device(dir: impl AsFd) -> io::Result<()> {
    let args = raw::VolArgs {
        fd: 0,
        name: fixed(OsStr::new("max"))?,
    };
    // SAFETY: the descriptor is open and the structure, of the size that the request number tells, lives through the call.
    unsafe { raw::resize(dir.as_fd().as_raw_fd(), &raw const args) }?;
    Ok(())
}

/// A name as the structures hold it: one path component, ended by a zero.
fn fixed<const N: usize>(name: &OsStr) -> io::Result<[u8; N]> {
    let name = single(name)?.as_bytes();
    let mut array = [0; N];
    match array.get_mut(..name.len()) {
        Some(start) if name.len() < N && !name.contains(&0) => start.copy_from_slice(name),
        Some(_) | None => return Err(Errno::ENAMETOOLONG.into()),
    }
    Ok(array)
}

/// The text before the first zero.
fn text(bytes: &[u8]) -> &OsStr {
    let end = bytes.iter().position(|&byte| byte == 0);
    OsStr::from_bytes(&bytes[..end.unwrap_or(bytes.len())])
}
