//! A btrfs in a sparse image file, for machines that have none: made, mounted and grown without asking.
//!
//! ```text
//! <state>/btrfs.img    the image; sparse, and the space of removed snapshots is given back to the disk
//! <state>/btrfs.lock   locked while the image is made, mounted, grown or unmounted
//! <state>/btrfs/       where it is mounted; it stays so between builds
//! ```
//!
//! The file system in the image may promise space that the disk below does not have: then its writes fail, and it turns read-only.
//! Nothing committed is lost by that (btrfs never overwrites what it refers to), but builds fail in odd ways. Therefore the image is
//! never longer than what it holds plus most of what the disk has free; it grows when that becomes more; and before a snapshot is
//! forked, the disk is looked at.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs::{self, DirBuilder, File, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use stromatekt_kernel::btrfs;
use stromatekt_kernel::loopdev::LoopDevice;
use stromatekt_kernel::mount::{self, MountFlags, Space};
use stromatekt_oci::Changeset;

use crate::error::{Error, Result};
use crate::{Btrfs, SnapshotName, Snapshotter};

const MIB: u64 = 1 << 20;

/// The shortest image that btrfs works well in.
const SHORTEST: u64 = 256 * MIB;

/// By how much the image has to become longer for the effort.
const STEP: u64 = 64 * MIB;

/// When less than this is free in the image, it is made longer, if it can be.
const LOW: u64 = 2048 * MIB;

/// No snapshot is forked when less than this can be written.
const TOO_LOW: u64 = 32 * MIB;

/// In a shorter image, files and what btrfs knows of them share their space: apart, either may be full while the other has room.
const SHORT: u64 = 4096 * MIB;

/// How long to wait for the space of snapshots that were removed, which the kernel frees in the background.
const PATIENCE: Duration = Duration::from_secs(10);

/// How the file system is mounted. Times of access would make every read a write; blocks that are free again are given back to the
/// disk in the background.
const MOUNT_OPTIONS: &str = "discard=async";

/// Limits of an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// The image is never longer than this.
    pub longest: u64,
    /// So much of the disk below is left to others.
    pub reserve: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            longest: u64::MAX,
            reserve: 256 * MIB,
        }
    }
}

/// Snapshots on a btrfs in an image file, mounted as long as anybody has them open.
#[derive(Debug)]
pub struct Embedded {
    // Its open directory keeps the file system mounted.
    snapshots: Btrfs,
    place: Place,
}

/// The files of an image, in a state directory.
#[derive(Clone, Debug)]
struct Place {
    state_dir: PathBuf,
    image: PathBuf,
    mount: PathBuf,
    options: Options,
}

/// That nobody else makes, mounts, grows or unmounts the image.
struct Locked {
    _file: File,
}

impl Embedded {
    /// The snapshots in the image file of a state directory, which exists. Makes and mounts what is missing.
    pub fn open(state_dir: &Path, options: Options) -> Result<Self> {
        let place = Place::new(state_dir, options);
        let locked = place.lock()?;
        let mut made = DirBuilder::new();
        match made.mode(0o700).create(&place.mount) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                return Err(Error::file("make the directory", &place.mount)(error));
            }
            _ => {}
        }
        if mount::is_mount_point(&place.mount)? && place.space()?.read_only {
            // Only what is in use has to stay as it is.
            place.unmount(&locked).map_err(|error| match error {
                Error::Busy { path } => Error::ReadOnly { path },
                error => error,
            })?;
        }
        if !mount::is_mount_point(&place.mount)? {
            place.mount(&locked)?;
        }
        let snapshots = Btrfs::open(&place.mount)?;
        let embedded = Self { snapshots, place };
        // What a build that was killed while it grew the image did not come to.
        embedded.take_image_size(&locked)?;
        embedded.grow_if_low(&locked)?;
        Ok(embedded)
    }

    /// Unmounts the file system of a state directory, if it is mounted. Fails with [`Error::Busy`] while somebody uses it.
    pub fn unmount(state_dir: &Path) -> Result<()> {
        let place = Place::new(state_dir, Options::default());
        let locked = place.lock()?;
        if place.mount.exists() && mount::is_mount_point(&place.mount)? {
            place.unmount(&locked)?;
        }
        Ok(())
    }

    /// Makes the image longer if it is nearly full and the disk has more.
    fn grow_if_low(&self, locked: &Locked) -> Result<()> {
        if self.place.space()?.available < LOW {
            self.grow(locked)?;
        }
        Ok(())
    }

    fn grow(&self, locked: &Locked) -> Result<()> {
        let file = File::options()
            .write(true)
            .open(&self.place.image)
            .map_err(Error::file("open", &self.place.image))?;
        let now = file
            .metadata()
            .map_err(Error::file("look at", &self.place.image))?;
        let length = self.place.best_length(now.blocks() * 512)?;
        if length < now.len().saturating_add(STEP) {
            return Ok(());
        }
        tracing::debug!(image = %self.place.image.display(), length, "growing the image");
        file.set_len(length)
            .map_err(Error::file("make longer", &self.place.image))?;
        self.take_image_size(locked)
    }

    /// Lets the device and the file system have the length of the image file.
    fn take_image_size(&self, _: &Locked) -> Result<()> {
        let image = &self.place.image;
        let length = fs::metadata(image).map_err(Error::file("look at", image))?;
        if length.len() < self.place.space()?.total.saturating_add(STEP) {
            return Ok(());
        }
        if let Some(device) = LoopDevice::find(image)? {
            device.take_file_size()?;
            let dir = File::open(&self.place.mount).map_err(Error::file("open", image))?;
            btrfs::resize_to_device(&dir).map_err(Error::file("let grow", &self.place.mount))?;
        }
        Ok(())
    }

    fn available(&self) -> Result<u64> {
        let space = self.place.space()?;
        let image = &self.place.image;
        let file = fs::metadata(image).map_err(Error::file("look at", image))?;
        // What the image held before and does not any more takes no new space of the disk.
        let used = space.total.saturating_sub(space.available);
        let reusable = (file.blocks() * 512).saturating_sub(used);
        Ok(space.available.min(self.place.spare()? + reusable))
    }

    /// Waits until so many bytes can be written, as long as that may come of what was removed.
    fn wait_for(&self, bytes: u64) -> Result<u64> {
        let began = Instant::now();
        loop {
            let available = self.available()?;
            if available >= bytes || began.elapsed() > PATIENCE {
                return Ok(available);
            }
            self.snapshots.reclaim()?;
            thread::sleep(Duration::from_millis(50));
        }
    }
}

impl Place {
    fn new(state_dir: &Path, options: Options) -> Self {
        Self {
            state_dir: state_dir.to_owned(),
            image: state_dir.join("btrfs.img"),
            mount: state_dir.join("btrfs"),
            options,
        }
    }

    fn lock(&self) -> Result<Locked> {
        let path = self.state_dir.join("btrfs.lock");
        let file = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .map_err(Error::file("make", &path))?;
        file.lock().map_err(Error::file("lock", &path))?;
        Ok(Locked { _file: file })
    }

    /// The room in the mounted file system.
    fn space(&self) -> Result<Space> {
        Ok(mount::space(&self.mount)?)
    }

    /// What the disk below has for the image.
    fn spare(&self) -> Result<u64> {
        let host = mount::space(&self.state_dir)?;
        Ok(host.available.saturating_sub(self.options.reserve))
    }

    /// How long an image that holds so many bytes should be.
    fn best_length(&self, holds: u64) -> Result<u64> {
        let length = holds.saturating_add(self.spare()? / 10 * 9);
        Ok(length.min(self.options.longest) / MIB * MIB)
    }

    fn mount(&self, _: &Locked) -> Result<()> {
        if !self.image.exists() {
            self.make()?;
        }
        // It is attached already if it is mounted in another mount namespace: a second device would ruin it.
        let device = match LoopDevice::find(&self.image)? {
            Some(device) => device,
            None => LoopDevice::attach(&self.image)?,
        };
        mount::mount_device(
            device.path(),
            &self.mount,
            "btrfs",
            MountFlags::MS_NOATIME,
            MOUNT_OPTIONS,
        )?;
        fs::set_permissions(&self.mount, Permissions::from_mode(0o700))
            .map_err(Error::file("set the mode of", &self.mount))
    }

    fn unmount(&self, _: &Locked) -> Result<()> {
        mount::unmount(&self.mount).map_err(|error| match error.source.kind() {
            io::ErrorKind::ResourceBusy => Error::Busy {
                path: self.mount.clone(),
            },
            _ => error.into(),
        })
    }

    /// Makes the image file, under its name only when it is complete.
    fn make(&self) -> Result<()> {
        let length = self.best_length(0)?;
        if length < SHORTEST {
            return Err(Error::NoSpace {
                path: self.state_dir.clone(),
                needed: SHORTEST + self.options.reserve,
                available: mount::space(&self.state_dir)?.available,
            });
        }
        let fresh = self.state_dir.join("btrfs.img.new");
        let file = File::create(&fresh).map_err(Error::file("make", &fresh))?;
        file.set_permissions(Permissions::from_mode(0o600))
            .and_then(|()| file.set_len(length))
            .map_err(Error::file("make", &fresh))?;
        format(&fresh, length < SHORT)?;
        file.sync_all().map_err(Error::file("write", &fresh))?;
        fs::rename(&fresh, &self.image).map_err(Error::file("make", &self.image))
    }
}

/// Makes a btrfs in an image file.
///
/// Its metadata is there once, not twice: what guards against is one bad block of a disk, at the price of every write of metadata. And it is in
/// small nodes: each change copies some, and for each file to be written so much is set aside that larger ones make the kernel write out early.
fn format(image: &Path, mixed: bool) -> Result<()> {
    // Users' paths often lack the directories of mkfs.btrfs.
    let mut path = std::env::var_os("PATH").unwrap_or_default();
    path.push(OsString::from(":/usr/sbin:/sbin"));
    let output = Command::new("mkfs.btrfs")
        .args(["--quiet", "--force", "--nodiscard"])
        .args(["--metadata", "single", "--data", "single"])
        .args(["--nodesize", "4096"])
        .args(mixed.then_some("--mixed"))
        .args(["--label", "stromatekt"])
        .arg(image)
        .env("PATH", path)
        .stdin(Stdio::null())
        .output();
    let reason = match output {
        Ok(output) if output.status.success() => return Ok(()),
        Ok(output) => format!(
            "mkfs.btrfs says: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        ),
        Err(error) => format!("mkfs.btrfs cannot run: {error}"),
    };
    Err(Error::Format {
        image: image.to_owned(),
        reason,
    })
}

impl Snapshotter for Embedded {
    fn path(&self, name: &SnapshotName) -> PathBuf {
        self.snapshots.path(name)
    }

    fn fork(&self, parent: Option<&SnapshotName>, new: &SnapshotName) -> Result<()> {
        self.ensure_space(TOO_LOW)?;
        self.snapshots.fork(parent, new)
    }

    fn seal(&self, name: &SnapshotName) -> Result<()> {
        self.snapshots.seal(name)
    }

    fn diff(&self, lower: Option<&SnapshotName>, upper: &SnapshotName) -> Result<Changeset> {
        self.snapshots.diff(lower, upper)
    }

    fn diff_at(
        &self,
        lower: Option<&SnapshotName>,
        upper: &SnapshotName,
        paths: &BTreeSet<PathBuf>,
    ) -> Result<Changeset> {
        self.snapshots.diff_at(lower, upper, paths)
    }

    fn remove(&self, name: &SnapshotName) -> Result<()> {
        self.snapshots.remove(name)
    }

    fn list(&self) -> Result<Vec<SnapshotName>> {
        self.snapshots.list()
    }

    fn exists(&self, name: &SnapshotName) -> Result<bool> {
        self.snapshots.exists(name)
    }

    fn is_sealed(&self, name: &SnapshotName) -> Result<bool> {
        self.snapshots.is_sealed(name)
    }

    fn sync(&self) -> Result<()> {
        self.snapshots.sync()
    }

    fn check(&self) -> Result<()> {
        self.snapshots.check()
    }

    fn available_bytes(&self) -> Result<u64> {
        self.available()
    }

    fn ensure_space(&self, bytes: u64) -> Result<()> {
        let space = self.place.space()?;
        if space.available < bytes.max(LOW) {
            self.grow(&self.place.lock()?)?;
        }
        let available = self.wait_for(bytes)?;
        match available >= bytes {
            true => Ok(()),
            false => Err(Error::NoSpace {
                path: self.place.state_dir.clone(),
                needed: bytes,
                available,
            }),
        }
    }
}
