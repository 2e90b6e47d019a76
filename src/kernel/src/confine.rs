//! A thread that has a tree as its root: no path, symbolic link or `..` leads it out, as in a container.
//!
//! On Linux a thread can have a root directory, a umask, a mount namespace and a user for files of its own (`unshare(2)`,
//! `setfsuid(2)`). It must be a thread of its own, that ends when its work does: nothing of that can be taken back.

use std::ffi::{CStr, CString};
use std::fs;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::thread::{self, JoinHandle};

use nix::errno::Errno;
use nix::mount::MsFlags;
use nix::sched::CloneFlags;
use nix::sys::stat::Mode;
use nix::unistd::{Gid, Uid};

use crate::error::{Error, Result};
use crate::process::{DetachedMount, move_mount};

/// What a process has unless somebody changes it: files that others may read.
const UMASK: u32 = 0o022;

/// Room for the calls of an interpreter and of its compiler.
const STACK: usize = 8 << 20;

/// What a thread is confined to.
#[derive(Debug)]
pub struct Confinement {
    place: PathBuf,
    root: OwnedFd,
    mounts: Vec<(OwnedFd, PathBuf)>,
    uid: u32,
    gid: u32,
    groups: Vec<u32>,
}

impl Confinement {
    /// To the tree below `root`, a path of the host, as root; it can open no device there.
    pub fn to(root: &Path) -> Result<Self> {
        let attempt = "confine a thread to";
        let tree = DetachedMount::clone_of(root).map_err(Error::of(attempt, root))?;
        tree.restrict(false).map_err(Error::of(attempt, root))?;
        Ok(Self {
            place: root.to_owned(),
            root: tree.into(),
            mounts: Vec::new(),
            uid: 0,
            gid: 0,
            groups: Vec::new(),
        })
    }

    /// The mount appears at `target`, a path of the tree, to the thread alone; of several, in this order.
    ///
    /// Something must stand at `target`, unless that is within another mount: there a directory is made.
    pub fn mount(&mut self, mount: DetachedMount, target: &Path) {
        self.mounts.push((mount.into(), target.to_owned()));
    }

    /// Files are opened and made as this user.
    pub fn user(&mut self, uid: u32, gid: u32, groups: &[u32]) {
        (self.uid, self.gid) = (uid, gid);
        self.groups = groups.to_vec();
    }

    /// Does `work` in a thread confined so; its working directory is the tree's root.
    pub fn spawn<T: Send + 'static>(
        self,
        name: &str,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> io::Result<JoinHandle<Result<T>>> {
        thread::Builder::new()
            .name(name.to_owned())
            .stack_size(STACK)
            .spawn(move || {
                self.enter()?;
                Ok(work())
            })
    }

    fn enter(&self) -> Result<()> {
        self.enter_root()
            .map_err(Error::of("confine a thread to", &self.place))?;
        for (mount, target) in &self.mounts {
            let attempt = || match attach(mount, target) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    fs::create_dir_all(target)?;
                    attach(mount, target)
                }
                result => result,
            };
            attempt().map_err(Error::of("mount at", target))?;
        }
        // Last: what is above is for root alone.
        self.become_user().map_err(Error::of(
            "use files as the user of the step in",
            &self.place,
        ))
    }

    fn enter_root(&self) -> io::Result<()> {
        nix::sched::unshare(CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_FS)?;
        let none = None::<&CStr>;
        // What is mounted here must not appear in the others' namespace; what is unmounted there must go here.
        let flags = MsFlags::MS_REC | MsFlags::MS_SLAVE;
        nix::mount::mount(none, c"/", none, flags, none)?;
        // Only what has a place in the namespace can have mounts over it.
        attach(&self.root, &self.place)?;
        nix::unistd::fchdir(&self.root)?;
        nix::unistd::chroot(".")?;
        nix::unistd::chdir("/")?;
        nix::sys::stat::umask(Mode::from_bits_retain(UMASK));
        Ok(())
    }

    fn become_user(&self) -> io::Result<()> {
        // SAFETY: setgroups(2) reads as many numbers as it is told. The C library's function would change all threads.
        let result =
            unsafe { libc::syscall(libc::SYS_setgroups, self.groups.len(), self.groups.as_ptr()) };
        Errno::result(result)?;
        let (uid, gid) = (Uid::from_raw(self.uid), Gid::from_raw(self.gid));
        nix::unistd::setfsgid(gid);
        nix::unistd::setfsuid(uid);
        // They tell what was before, and of a failure nothing.
        if nix::unistd::setfsgid(gid) != gid || nix::unistd::setfsuid(uid) != uid {
            return Err(Errno::EPERM.into());
        }
        Ok(())
    }
}

fn attach(mount: &OwnedFd, target: &Path) -> io::Result<()> {
    let target = CString::new(target.as_os_str().as_bytes())?;
    move_mount(mount.as_raw_fd(), &target)
}
