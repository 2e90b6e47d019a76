//! What a child process is given before it runs: mounts that nobody else sees, and an end no later than its parent's.

use std::ffi::{CStr, CString};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use nix::mount::MsFlags;
use nix::sched::CloneFlags;
use nix::sys::signal::Signal;

// include/uapi/linux/mount.h
const FSOPEN_CLOEXEC: libc::c_uint = 1;
const FSMOUNT_CLOEXEC: libc::c_uint = 1;
const FSCONFIG_SET_STRING: libc::c_uint = 1;
const FSCONFIG_CMD_CREATE: libc::c_uint = 6;
const OPEN_TREE_CLONE: libc::c_uint = 1;
const MOVE_MOUNT_F_EMPTY_PATH: libc::c_uint = 4;

/// A mount that has no place in any tree of files yet; unmounted when it never gets one.
#[derive(Debug)]
pub struct DetachedMount {
    root: OwnedFd,
}

/// What a child is given. Its mounts are gone when it and its children are.
#[derive(Debug, Default)]
pub struct Surroundings {
    mounts: Vec<(OwnedFd, CString)>,
    own_proc: bool,
}

impl AsFd for DetachedMount {
    /// The root directory, or the file.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.root.as_fd()
    }
}

impl From<DetachedMount> for OwnedFd {
    fn from(mount: DetachedMount) -> Self {
        mount.root
    }
}

impl DetachedMount {
    /// An empty file system in memory that only root can enter.
    pub fn tmpfs() -> io::Result<Self> {
        Self::tmpfs_with(0o700, None)
    }

    /// An empty file system in memory whose root has this mode, and that holds no more bytes than `size`.
    pub fn tmpfs_with(mode: u32, size: Option<u64>) -> io::Result<Self> {
        let mode = CString::new(format!("{mode:o}"))?;
        let size = size
            .map(|size| CString::new(size.to_string()))
            .transpose()?;
        // SAFETY: fsopen(2) reads the NUL-terminated name.
        let context = unsafe {
            owned(libc::syscall(
                libc::SYS_fsopen,
                c"tmpfs".as_ptr(),
                FSOPEN_CLOEXEC,
            ))
        }?;
        let configure =
            |command: libc::c_uint, key: *const libc::c_char, value: *const libc::c_char| {
                // SAFETY: fsconfig(2) reads the strings, which are NUL-terminated or null as the command demands.
                let result = unsafe {
                    libc::syscall(
                        libc::SYS_fsconfig,
                        context.as_raw_fd(),
                        command,
                        key,
                        value,
                        0,
                    )
                };
                nix::errno::Errno::result(result)
            };
        configure(FSCONFIG_SET_STRING, c"mode".as_ptr(), mode.as_ptr())?;
        if let Some(size) = &size {
            configure(FSCONFIG_SET_STRING, c"size".as_ptr(), size.as_ptr())?;
        }
        configure(FSCONFIG_CMD_CREATE, std::ptr::null(), std::ptr::null())?;
        // SAFETY: fsmount(2) takes no pointers.
        let root = unsafe {
            owned(libc::syscall(
                libc::SYS_fsmount,
                context.as_raw_fd(),
                FSMOUNT_CLOEXEC,
                0,
            ))
        }?;
        Ok(Self { root })
    }

    /// What stands at `path`, once more.
    pub fn clone_of(path: &Path) -> io::Result<Self> {
        let path = CString::new(path.as_os_str().as_bytes())?;
        let flags = OPEN_TREE_CLONE | libc::O_CLOEXEC.cast_unsigned();
        // SAFETY: open_tree(2) reads the NUL-terminated path.
        let root = unsafe {
            owned(libc::syscall(
                libc::SYS_open_tree,
                libc::AT_FDCWD,
                path.as_ptr(),
                flags,
            ))
        }?;
        Ok(Self { root })
    }

    /// Whoever uses the mount can open no device, and, where it is read-only, change nothing.
    pub fn restrict(&self, read_only: bool) -> io::Result<()> {
        let restricted = libc::MOUNT_ATTR_NODEV | libc::MOUNT_ATTR_NOSUID;
        let attributes = libc::mount_attr {
            attr_set: if read_only {
                restricted | libc::MOUNT_ATTR_RDONLY
            } else {
                restricted
            },
            attr_clr: 0,
            propagation: 0,
            userns_fd: 0,
        };
        // SAFETY: mount_setattr(2) reads the empty path and the structure, whose size it is told.
        let result = unsafe {
            libc::syscall(
                libc::SYS_mount_setattr,
                self.root.as_raw_fd(),
                c"".as_ptr(),
                libc::AT_EMPTY_PATH,
                &raw const attributes,
                size_of::<libc::mount_attr>(),
            )
        };
        nix::errno::Errno::result(result)?;
        Ok(())
    }
}

impl Surroundings {
    /// The mount appears at `target`; of several, in this order.
    pub fn mount(&mut self, mount: impl AsFd, target: &Path) -> io::Result<()> {
        let target = CString::new(target.as_os_str().as_bytes())?;
        self.mounts
            .push((mount.as_fd().try_clone_to_owned()?, target));
        Ok(())
    }

    /// `/proc` shows the child's own PID namespace.
    pub fn own_proc(&mut self) {
        self.own_proc = true;
    }

    /// Gives all that to the process that `command` starts.
    ///
    /// Its mount namespace is a copy of this process's, and it is killed when the thread that started it ends.
    pub fn give_to(self, command: &mut Command) {
        // SAFETY: the closure makes system calls with data made before, and neither allocates nor takes locks.
        unsafe {
            command.pre_exec(move || self.apply());
        }
    }

    fn apply(&self) -> io::Result<()> {
        nix::sys::prctl::set_pdeathsig(Signal::SIGKILL)?;
        nix::sched::unshare(CloneFlags::CLONE_NEWNS)?;
        let none = None::<&CStr>;
        // What is mounted here must not appear in the parent's namespace; what is unmounted there must go here.
        let flags = MsFlags::MS_REC | MsFlags::MS_SLAVE;
        nix::mount::mount(none, c"/", none, flags, none)?;
        for (mount, target) in &self.mounts {
            move_mount(mount.as_raw_fd(), target)?;
        }
        if self.own_proc {
            let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
            nix::mount::mount(Some(c"proc"), c"/proc", Some(c"proc"), flags, none)?;
        }
        Ok(())
    }
}

pub(crate) fn move_mount(mount: RawFd, target: &CStr) -> io::Result<()> {
    // SAFETY: move_mount(2) reads the two NUL-terminated paths.
    let result = unsafe {
        libc::syscall(
            libc::SYS_move_mount,
            mount,
            c"".as_ptr(),
            libc::AT_FDCWD,
            target.as_ptr(),
            MOVE_MOUNT_F_EMPTY_PATH,
        )
    };
    nix::errno::Errno::result(result)?;
    Ok(())
}

/// The descriptor that a system call returned.
///
/// # Safety
/// Nobody else may own it.
unsafe fn owned(result: libc::c_long) -> io::Result<OwnedFd> {
    let fd = nix::errno::Errno::result(result)?;
    let fd = RawFd::try_from(fd).map_err(io::Error::other)?;
    // SAFETY: the caller says that it is ours.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}
