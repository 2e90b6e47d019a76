//! A layer as files: image-spec `layer.md`, "Applying Changesets"; and archives as ADD extracts them.
//!
//! Names in an archive are hostile. Each is taken apart lexically first, and may not lead out of the root; then its directory is
//! resolved beneath the root, where symbolic links count as a process chrooted there would see them, and the entry itself is made
//! with a call that follows none.

mod entries;
mod metadata;
mod name;

use std::collections::HashSet;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use stromatekt_kernel::entry::{self, Node};
use stromatekt_kernel::{FileKind, Root, Timestamp};

use crate::changeset::Changeset;
use crate::directories::Directories;
use crate::error::{Error, Result};
use crate::tar::{Chunk, Kind, Member, Streamed, TarReader};

pub use crate::apply::{AppliedLayer, apply_layer};
pub use entries::{EntryKind, EntryMetadata, LayerChange, LayerEntry, list_layer};

/// The chunk in which an archive is read that is not buffered already.
const CHUNK: usize = 256 << 10;
/// The mode of directories that an archive implies but does not hold, as in docker and containerd.
const IMPLIED_MODE: u32 = 0o755;

/// What names with the prefix `.wh.` mean.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Whiteouts {
    /// That a lower layer's entry is gone: the archive is a layer.
    #[default]
    Apply,
    /// Nothing: the archive is one that ADD extracts.
    Literal,
}

/// How an archive is unpacked.
#[derive(Clone, Debug, Default)]
pub struct UnpackOptions {
    /// What whiteouts mean.
    pub whiteouts: Whiteouts,
    /// The directory beneath the root that is the archive's root, the root itself by default. It must exist.
    pub into: PathBuf,
    /// The owner and group of all entries; by default those that the archive says.
    pub owner: Option<(u32, u32)>,
    /// Whether to tell which paths were touched.
    pub list_changes: bool,
}

/// What was unpacked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unpacked {
    /// How many entries the archive has, whiteouts among them.
    pub entries: u64,
    /// How many bytes of content they have.
    pub bytes: u64,
    /// The paths that were made, altered and removed, without symbolic links and relative to the root; directories that had to be
    /// made for them are among them. Empty unless asked for with [`UnpackOptions::list_changes`].
    pub changes: Changeset,
}

/// Unpacks an uncompressed tar into the tree below `root`.
///
/// What the tree has at a name of the archive is replaced; directories are merged. After an error, the tree has some of the entries.
pub fn unpack<R: Read>(tar: R, root: &Root, options: &UnpackOptions) -> Result<Unpacked> {
    unpack_buffered(&mut BufReader::with_capacity(CHUNK, tar), root, options)
}

/// [`unpack`] from a reader whose buffer is used. What follows the end of the archive is not read.
pub(crate) fn unpack_buffered<R: BufRead>(
    tar: &mut R,
    root: &Root,
    options: &UnpackOptions,
) -> Result<Unpacked> {
    let into = root
        .resolve(&options.into)
        .and_then(|into| Ok((root.subtree(&into)?, into)));
    let (root, into) = into.map_err(Error::entry("unpack into the directory", &options.into))?;
    let mut unpacking = Unpacking {
        directories: Directories::new(&root),
        options,
        parent: PathBuf::new(),
        asked: None,
        is_noted: false,
        made: HashSet::new(),
        parents: HashSet::new(),
        removed: HashSet::new(),
        times: Vec::new(),
    };
    let mut unpacked = Unpacked::default();
    let mut reader = TarReader::new(Streamed(tar));
    let mut member = Member::default();
    while reader.next(&mut member)? {
        unpacked.entries += 1;
        unpacked.bytes += member.size;
        unpacking.entry(&member, &mut reader)?;
    }
    unpacking.set_times()?;
    if options.list_changes {
        unpacked.changes = unpacking.changes(&into);
    }
    Ok(unpacked)
}

struct Unpacking<'a> {
    directories: Directories<'a>,
    options: &'a UnpackOptions,
    /// The directory that entries are made in: its path without symbolic links.
    parent: PathBuf,
    /// The path by which the archive asked for it.
    asked: Option<PathBuf>,
    /// Whether it is among `parents`.
    is_noted: bool,
    /// Paths, without symbolic links, of what the archive holds.
    made: HashSet<OsString>,
    /// Paths of the directories in which something was made.
    parents: HashSet<OsString>,
    /// Paths of what was removed.
    removed: HashSet<OsString>,
    /// The times of directories, set at the end: whatever is made in one alters its time.
    times: Vec<(PathBuf, Timestamp)>,
}

impl Unpacking<'_> {
    fn entry<R: BufRead>(
        &mut self,
        member: &Member,
        content: &mut TarReader<Streamed<R>>,
    ) -> Result<()> {
        if self.options.whiteouts == Whiteouts::Literal && name::is_dot(member) {
            return Ok(());
        }
        let Some(path) = name::relative(member)? else {
            // The root itself: docker and containerd leave it as it is.
            return Ok(());
        };
        let (Some(parent), Some(file_name)) = (path.parent(), path.file_name()) else {
            return Ok(());
        };
        let whiteout = match self.options.whiteouts {
            Whiteouts::Apply => name::whiteout(&path)?,
            Whiteouts::Literal => name::Whiteout::None,
        };
        if whiteout == name::Whiteout::Ignored {
            return Ok(());
        }
        self.enter(parent)
            .map_err(Error::entry("make the directory of", &path))?;
        match whiteout {
            name::Whiteout::Of(gone) => {
                self.hide(gone).map_err(Error::entry("remove", &path))?;
            }
            name::Whiteout::Opaque => {
                let dir = self.parent.clone();
                self.hide_below(dir)
                    .map_err(Error::entry("remove what is hidden by", &path))?;
            }
            name::Whiteout::None | name::Whiteout::Ignored => {
                self.make(member, &path, file_name, content)?;
                self.note(file_name);
            }
        }
        Ok(())
    }

    /// Makes `parent` the directory that entries are made in.
    fn enter(&mut self, parent: &Path) -> io::Result<()> {
        if self.asked.as_deref().map(Path::as_os_str) == Some(parent.as_os_str()) {
            return Ok(());
        }
        let resolved = match self.directories.open(parent) {
            Ok(_) => parent.to_owned(),
            // It does not exist, or symbolic links lead to it.
            Err(_) => {
                let root = self.directories.root();
                let resolved = root.resolve(parent)?;
                let implied = root.create_dir_all(&resolved, IMPLIED_MODE)?;
                // Without the setgid bit that they may have from above: docker sets their mode once more.
                for path in &implied {
                    let (dir, name) = root.open_parent(path)?;
                    entry::fchmodat(&dir, &name, IMPLIED_MODE)?;
                }
                self.made.extend(implied.into_iter().map(OsString::from));
                self.directories.open(&resolved)?;
                resolved
            }
        };
        self.parent = resolved;
        self.asked = Some(parent.to_owned());
        self.is_noted = false;
        Ok(())
    }

    /// Notes an entry in the current directory as the archive's.
    fn note(&mut self, name: &OsStr) {
        self.made.insert(self.parent.join(name).into());
        if self.is_noted {
            return;
        }
        for above in self.parent.ancestors() {
            if !self.parents.insert(above.into()) {
                break;
            }
        }
        self.is_noted = true;
    }

    fn forget_directories(&mut self) {
        self.directories.close();
        self.asked = None;
    }

    fn make<R: BufRead>(
        &mut self,
        member: &Member,
        path: &Path,
        file_name: &OsStr,
        content: &mut TarReader<Streamed<R>>,
    ) -> Result<()> {
        let attempt = match member.kind {
            Kind::File => "make the file",
            Kind::HardLink => "make the hard link",
            Kind::Symlink => "make the symbolic link",
            Kind::CharDevice | Kind::BlockDevice => "make the device",
            Kind::Directory => "make the directory",
            Kind::Fifo => "make the named pipe",
        };
        let failed = || Error::entry(attempt, path);
        // Before what is in the way is removed, which might be the target.
        let target = match member.kind {
            Kind::HardLink => Some(self.link_target(member, path)?),
            _ => None,
        };
        let mut replaced = false;
        loop {
            let dir = self.directories.open(&self.parent).map_err(failed())?;
            let made = match member.kind {
                Kind::File => match entry::create_file_at(dir, file_name, member.mode) {
                    Ok(file) => return self.fill(file, member, path, content),
                    Err(error) => Err(error),
                },
                Kind::Directory => entry::mkdirat(dir, file_name, member.mode),
                Kind::Symlink => {
                    let target = OsStr::from_bytes(&member.link);
                    entry::symlinkat(Path::new(target), dir, file_name)
                }
                Kind::HardLink => match &target {
                    Some((from, name)) => entry::linkat(from, name, dir, file_name),
                    None => Err(io::ErrorKind::NotFound.into()),
                },
                Kind::CharDevice | Kind::BlockDevice | Kind::Fifo => {
                    entry::mknodat(dir, file_name, node(member), member.mode)
                }
            };
            match made {
                Ok(()) => break,
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists && !replaced => {
                    let found = entry::lstatat(dir, file_name).map_err(failed())?;
                    if found.is_dir() && member.kind == Kind::Directory {
                        break;
                    }
                    self.remove(&self.parent.join(file_name), found.kind)
                        .map_err(Error::entry("replace", path))?;
                    replaced = true;
                }
                Err(error) => return Err(failed()(error)),
            }
        }
        let dir = self.directories.open(&self.parent).map_err(failed())?;
        metadata::of_entry(dir, file_name, member, self.options.owner)
            .map_err(Error::entry("set the metadata of", path))?;
        if member.kind == Kind::Directory {
            let own = self.parent.join(file_name);
            self.times.push((own, metadata::bounded(member.mtime)));
        }
        Ok(())
    }

    /// Writes the content of a new file.
    fn fill<R: BufRead>(
        &self,
        mut file: File,
        member: &Member,
        path: &Path,
        content: &mut TarReader<Streamed<R>>,
    ) -> Result<()> {
        loop {
            let length = match content.chunk()? {
                Chunk::Data(chunk) => {
                    file.write_all(chunk).map_err(Error::entry("write", path))?;
                    chunk.len()
                }
                Chunk::Hole(length) => {
                    make_hole(&mut file, length).map_err(Error::entry("write", path))?;
                    continue;
                }
                Chunk::End => break,
            };
            content.consume(length);
        }
        metadata::of_file(&file, member, self.options.owner)
            .map_err(Error::entry("set the metadata of", path))
    }

    /// The directory and the name of what a hard link is to be another name of. A symbolic link there is not followed.
    fn link_target(&self, member: &Member, path: &Path) -> Result<(OwnedFd, OsString)> {
        let target = name::link_target(member)?;
        self.directories
            .root()
            .open_parent(&target)
            .map_err(Error::entry("find the target of the hard link", path))
    }

    /// Removes what a lower layer has at a name in the current directory.
    fn hide(&mut self, name: &OsStr) -> io::Result<()> {
        let path = self.parent.join(name);
        let dir = self.directories.open(&self.parent)?;
        let found = match entry::lstatat(dir, name) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            found => found?,
        };
        // layer.md: a whiteout hides nothing of its own layer.
        match self.is_own(&path) {
            false => self.remove(&path, found.kind),
            true if found.is_dir() => self.hide_below(path),
            true => Ok(()),
        }
    }

    /// Removes what lower layers have in a directory.
    fn hide_below(&mut self, dir: PathBuf) -> io::Result<()> {
        let mut waiting = vec![dir];
        while let Some(dir) = waiting.pop() {
            let open = self.directories.root().open_dir_no_symlinks(&dir)?;
            for found in entry::read_dir_fd(open)? {
                let path = dir.join(&found.name);
                if !self.is_own(&path) {
                    self.remove(&path, found.kind)?;
                } else if found.kind == FileKind::Directory {
                    waiting.push(path);
                }
            }
        }
        Ok(())
    }

    /// Whether the archive holds a path, or something below it.
    fn is_own(&self, path: &Path) -> bool {
        self.made.contains(path.as_os_str()) || self.parents.contains(path.as_os_str())
    }

    /// Removes what stands at a path.
    fn remove(&mut self, path: &Path, kind: FileKind) -> io::Result<()> {
        let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
            return Ok(());
        };
        let dir = self.directories.open(parent)?;
        if kind == FileKind::Directory {
            entry::remove_tree_at(dir, name)?;
            self.forget_directories();
            if self.is_own(path) {
                let is_below = |known: &OsString| Path::new(known).starts_with(path);
                self.made.retain(|known| !is_below(known));
                self.parents.retain(|known| !is_below(known));
                // docker sets the times of all directories of an archive that it extracts, and fails where one is gone.
                if self.options.whiteouts == Whiteouts::Apply {
                    self.times.retain(|(known, _)| !known.starts_with(path));
                }
            }
        } else {
            entry::unlinkat(dir, name)?;
            self.made.remove(path.as_os_str());
        }
        if self.options.list_changes {
            self.removed.insert(path.into());
        }
        Ok(())
    }

    /// Sets the times of directories.
    fn set_times(&mut self) -> Result<()> {
        // A directory may have several entries, of which the last one counts.
        for (path, time) in std::mem::take(&mut self.times) {
            let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
                continue;
            };
            self.directories
                .open(parent)
                .and_then(|dir| entry::utimensat(dir, name, time, time))
                .map_err(Error::entry("set the time of", &path))?;
        }
        Ok(())
    }

    /// What was done, as paths below the root of the tree.
    fn changes(self, into: &Path) -> Changeset {
        let in_tree = |path: OsString| into.join(path);
        Changeset {
            changed: self.made.into_iter().map(in_tree).collect(),
            removed: self.removed.into_iter().map(in_tree).collect(),
        }
    }
}

/// Leaves out that many bytes at the end of a file.
fn make_hole(file: &mut File, length: u64) -> io::Result<()> {
    let length = i64::try_from(length).map_err(io::Error::other)?;
    let end = file.seek(SeekFrom::Current(length))?;
    file.set_len(end)
}

fn node(member: &Member) -> Node {
    let (major, minor) = member.device;
    match member.kind {
        Kind::CharDevice => Node::CharDevice { major, minor },
        Kind::BlockDevice => Node::BlockDevice { major, minor },
        _ => Node::Fifo,
    }
}

#[cfg(test)]
mod tests;
