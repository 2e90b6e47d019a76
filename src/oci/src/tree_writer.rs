//! Entries of a tree as entries of a tar: what [`crate::pack`] and [`crate::rootfs_tar`] have in common.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use stromatekt_kernel::beneath::OFlag;
use stromatekt_kernel::xattr::{self, Target};
use stromatekt_kernel::{FileKind, Root, Stat, entry};

use crate::directories::Directories;
use crate::error::{Error, Result};
use crate::pack::Xattrs;
use crate::tar::{END, Header, Kind, Style, pad};
use crate::write_behind::WriteBehind;

/// The xattr that layers carry.
const CAPABILITY: &str = "security.capability";

/// Which times entries get.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Times {
    /// Their own, but none later than this.
    AtMost(Option<i64>),
    /// Their own, or all of them this one.
    Exactly(Option<i64>),
}

/// A writer of entries of one tree.
pub(crate) struct TreeWriter<'a> {
    directories: Directories<'a>,
    out: &'a mut WriteBehind,
    times: Times,
    xattrs: Xattrs,
    /// What stands before all names, with a slash at its end, or nothing.
    prefix: String,
    /// The first name of each file that has several.
    links: HashMap<(u64, u64), PathBuf>,
    block: Vec<u8>,
    name: Vec<u8>,
}

impl<'a> TreeWriter<'a> {
    pub fn new(root: &'a Root, out: &'a mut WriteBehind, times: Times, xattrs: Xattrs) -> Self {
        Self {
            directories: Directories::new(root),
            out,
            times,
            xattrs,
            prefix: String::new(),
            links: HashMap::new(),
            block: Vec::new(),
            name: Vec::new(),
        }
    }

    /// Puts all entries into a directory of this name, which gets an entry first.
    pub fn beneath(mut self, directory: &str, time: i64) -> Result<Self> {
        self.prefix = format!("{directory}/");
        self.block.clear();
        let header = Header {
            mtime: time,
            ..Header::directory(self.prefix.as_bytes(), 0o755)
        };
        header.encode(Style::Pax, &mut self.block);
        let written = self.out.write_all(&self.block);
        written.map_err(unreadable(Path::new(directory)))?;
        Ok(self)
    }

    /// Writes the entry at a path; of a directory, not what is in it. Tells what it is.
    pub fn entry(&mut self, path: &Path) -> Result<FileKind> {
        let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
            return Ok(FileKind::Directory);
        };
        let dir = self.directories.open(parent).map_err(unreadable(path))?;
        let stat = entry::lstatat(dir, name).map_err(unreadable(path))?;
        self.block.clear();
        self.name.clear();
        self.name.extend_from_slice(self.prefix.as_bytes());
        self.name.extend_from_slice(path.as_os_str().as_bytes());
        let (mut link, mut size) = (PathBuf::new(), 0);
        let kind = match stat.kind {
            FileKind::File => {
                size = stat.size;
                Kind::File
            }
            FileKind::Directory => {
                self.name.push(b'/');
                Kind::Directory
            }
            FileKind::Symlink => {
                link = entry::readlinkat(dir, name).map_err(unreadable(path))?;
                Kind::Symlink
            }
            FileKind::CharDevice => Kind::CharDevice,
            FileKind::BlockDevice => Kind::BlockDevice,
            FileKind::Fifo => Kind::Fifo,
            // A tar cannot hold them, and they mean nothing without the process behind them.
            FileKind::Socket => return Ok(stat.kind),
        };
        let mut linked = false;
        if stat.nlink > 1 && kind != Kind::Directory {
            match self.links.get(&(stat.dev, stat.ino)) {
                Some(first) => {
                    link = PathBuf::from(&self.prefix).join(first);
                    linked = true;
                }
                None => drop(self.links.insert((stat.dev, stat.ino), path.to_owned())),
            }
        }
        let file = match kind {
            Kind::File if !linked => {
                let file = entry::openat(dir, name, OFlag::O_RDONLY, 0);
                Some(file.map_err(unreadable(path))?)
            }
            _ => None,
        };
        let xattrs = match &file {
            Some(file) => wanted_xattrs(self.xattrs, &Target::of_fd(file), stat.kind),
            None => Target::of_entry(&dir, name)
                .and_then(|target| wanted_xattrs(self.xattrs, &target, stat.kind)),
        };
        let xattrs = xattrs.map_err(Error::entry("read the extended attributes of", path))?;
        let header = Header {
            name: &self.name,
            link: link.as_os_str().as_bytes(),
            kind: if linked { Kind::HardLink } else { kind },
            mode: stat.mode,
            uid: stat.uid,
            gid: stat.gid,
            size: if linked { 0 } else { size },
            mtime: time(self.times, &stat),
            device: match kind {
                Kind::CharDevice | Kind::BlockDevice => (stat.rdev_major(), stat.rdev_minor()),
                _ => (0, 0),
            },
            xattrs: &xattrs,
        };
        header.encode(Style::Pax, &mut self.block);
        self.out.write_all(&self.block).map_err(unreadable(path))?;
        if let Some(file) = file {
            self.out.copy(file, size).map_err(unreadable(path))?;
            self.out.zeros(pad(size)).map_err(unreadable(path))?;
        }
        Ok(stat.kind)
    }

    /// Whether a path without symbolic links leads to a directory.
    pub fn is_directory(&mut self, path: &Path) -> Result<bool> {
        match self.directories.open(path) {
            Ok(_) => Ok(true),
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
                ) =>
            {
                Ok(false)
            }
            Err(error) => Err(unreadable(path)(error)),
        }
    }

    /// Writes an empty file of this name in a directory: a marker, which has neither owner nor mode nor time.
    pub fn marker(&mut self, parent: &Path, prefix: &str, name: &OsStr) -> Result<()> {
        let mut file_name = OsString::from(prefix);
        file_name.push(name);
        let path = parent.join(file_name);
        self.block.clear();
        Header::file(path.as_os_str().as_bytes(), 0, 0).encode(Style::Any, &mut self.block);
        self.out.write_all(&self.block).map_err(unreadable(&path))
    }

    /// Ends the archive.
    pub fn finish(self) -> Result<()> {
        self.out
            .write_all(&END)
            .map_err(Error::stream("end the archive"))
    }
}

/// Sub-seconds are cut, as containerd cuts them.
fn time(times: Times, stat: &Stat) -> i64 {
    let own = stat.mtime.seconds;
    match times {
        Times::AtMost(Some(latest)) => own.min(latest),
        Times::Exactly(Some(time)) => time,
        Times::AtMost(None) | Times::Exactly(None) => own,
    }
}

fn wanted_xattrs(
    wanted: Xattrs,
    target: &Target<'_>,
    kind: FileKind,
) -> io::Result<Vec<(OsString, Vec<u8>)>> {
    match (wanted, kind) {
        (Xattrs::All, _) => {
            let mut all = xattr::all(target)?;
            // Properties of btrfs are of the disk, not of the image.
            all.retain(|(name, _)| !name.as_bytes().starts_with(b"btrfs."));
            Ok(all)
        }
        (Xattrs::Capability, FileKind::File) => {
            let name = OsStr::new(CAPABILITY);
            let value = match xattr::get(target, name) {
                Err(error) if error.kind() == io::ErrorKind::Unsupported => None,
                value => value?.filter(|value| !value.is_empty()),
            };
            Ok(value
                .into_iter()
                .map(|value| (name.to_owned(), value))
                .collect())
        }
        (Xattrs::Capability, _) => Ok(Vec::new()),
    }
}

fn unreadable(path: &Path) -> impl FnOnce(io::Error) -> Error {
    Error::entry("read", path)
}
