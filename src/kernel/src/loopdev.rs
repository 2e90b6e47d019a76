//! Loop devices: an image file as a block device.

use std::fs::{self, File};
use std::io;
use std::mem::size_of;
use std::os::fd::AsRawFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use nix::errno::Errno;

use crate::error::{Error, Result};

const CONTROL: &str = "/dev/loop-control";

/// How often another device is tried when somebody else takes the free one first.
const ATTEMPTS: usize = 64;

/// The sectors of the device: not shorter than those of any disk below, or direct I/O could not be.
const SECTOR: u32 = 4096;

/// The structures of `linux/loop.h`, and the calls that take them.
mod raw {
    use super::size_of;

    pub const AUTOCLEAR: u32 = 4;
    pub const DIRECT_IO: u32 = 16;

    #[repr(C)]
    pub struct Info64 {
        pub device: u64,
        pub inode: u64,
        pub rdevice: u64,
        pub offset: u64,
        pub sizelimit: u64,
        pub number: u32,
        pub encrypt_type: u32,
        pub encrypt_key_size: u32,
        pub flags: u32,
        pub file_name: [u8; 64],
        pub crypt_name: [u8; 64],
        pub encrypt_key: [u8; 32],
        pub init: [u64; 2],
    }

    #[repr(C)]
    pub struct Config {
        pub fd: u32,
        pub block_size: u32,
        pub info: Info64,
        pub reserved: [u64; 8],
    }

    const _: () = assert!(size_of::<Info64>() == 232);
    const _: () = assert!(size_of::<Config>() == 304);

    // Numbers from before those that tell a size.
    nix::ioctl_none_bad!(clr_fd, 0x4C01);
    nix::ioctl_read_bad!(get_status64, 0x4C05, Info64);
    nix::ioctl_none_bad!(set_capacity, 0x4C07);
    nix::ioctl_write_ptr_bad!(configure, 0x4C0A, Config);
    nix::ioctl_none_bad!(ctl_get_free, 0x4C82);
}

/// An open loop device. Closing it leaves it attached to its file as long as it is mounted.
#[derive(Debug)]
pub struct LoopDevice {
    device: File,
    path: PathBuf,
}

impl LoopDevice {
    /// A device for an image file, which is written past the page cache where that can be, and detached when nobody uses the
    /// device any more.
    pub fn attach(image: &Path) -> Result<Self> {
        let failed = "attach to a loop device";
        let control = open(Path::new(CONTROL))?;
        let file = open(image)?;
        let mut config: raw::Config = {
            // SAFETY: the structure is of integers and arrays of them, for which zeros are valid.
            unsafe { std::mem::zeroed() }
        };
        config.fd = file.as_raw_fd().cast_unsigned();
        config.block_size = SECTOR;
        config.info.flags = raw::AUTOCLEAR | raw::DIRECT_IO;
        for _ in 0..ATTEMPTS {
            // SAFETY: the descriptor is open, and the call touches no memory.
            let number = unsafe { raw::ctl_get_free(control.as_raw_fd()) }
                .map_err(Error::of("get a free loop device from", CONTROL))?;
            let path = PathBuf::from(format!("/dev/loop{number}"));
            let device = open(&path)?;
            // SAFETY: both descriptors are open, and the kernel reads the structure during the call.
            match unsafe { raw::configure(device.as_raw_fd(), &raw const config) } {
                Ok(_) => return Ok(Self { device, path }),
                Err(Errno::EBUSY) => {}
                Err(error) => return Err(Error::of(failed, image)(error)),
            }
        }
        Err(Error::of(failed, image)(Errno::EBUSY))
    }

    /// The device that an image file is attached to, if there is one.
    pub fn find(image: &Path) -> Result<Option<Self>> {
        let wanted = fs::metadata(image).map_err(Error::of("look at", image))?;
        let devices = Path::new("/sys/block");
        for entry in fs::read_dir(devices).map_err(Error::of("read", devices))? {
            let entry = entry.map_err(Error::of("read", devices))?;
            // Only those that are attached have this directory.
            if !entry.path().join("loop").exists() {
                continue;
            }
            let path = Path::new("/dev").join(entry.file_name());
            let Ok(device) = open(&path) else {
                continue;
            };
            // SAFETY: the structure is of integers and arrays of them, for which zeros are valid.
            let mut info: raw::Info64 = unsafe { std::mem::zeroed() };
            // SAFETY: the descriptor is open, and the kernel fills the structure during the call.
            let attached = unsafe { raw::get_status64(device.as_raw_fd(), &raw mut info) }.is_ok();
            if attached && (info.device, info.inode) == (wanted.dev(), wanted.ino()) {
                return Ok(Some(Self { device, path }));
            }
        }
        Ok(None)
    }

    /// The device's path.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Makes the device as long as its file has become.
    pub fn take_file_size(&self) -> Result<()> {
        // SAFETY: the descriptor is open, and the call touches no memory.
        unsafe { raw::set_capacity(self.device.as_raw_fd()) }
            .map_err(Error::of("set the size of", &self.path))?;
        Ok(())
    }

    /// Detaches the device from its file, as soon as nobody uses it any more.
    pub fn detach(self) -> Result<()> {
        // SAFETY: the descriptor is open, and the call touches no memory.
        unsafe { raw::clr_fd(self.device.as_raw_fd()) }.map_err(Error::of("detach", &self.path))?;
        Ok(())
    }
}

fn open(path: &Path) -> Result<File> {
    let opened: io::Result<File> = File::options().read(true).write(true).open(path);
    opened.map_err(Error::of("open", path))
}
