//! The digest of what a copy takes: equal digests, equal results of the copy but for times.

use std::collections::HashMap;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};
use stromatekt_kernel::{FileKind, Stat, entry, xattr};
use stromatekt_oci::Digest;

use crate::contents;
use crate::error::{Error, Result};
use crate::parallel;
use crate::select::{self, Owners, Selection, Source, Taken, TakenContent};
use crate::walk::Item;
use crate::write::is_copied;

/// A file as `stat` shows it; as long as nothing of this changes, neither do its content and its attributes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FileKey {
    /// Device number.
    pub dev: u64,
    /// Inode number.
    pub ino: u64,
    /// Length in bytes.
    pub size: u64,
    /// Time of the last change of the content, nanoseconds since 1970.
    pub mtime_ns: i64,
    /// Time of the last change of the inode, nanoseconds since 1970.
    pub ctime_ns: i64,
}

impl FileKey {
    pub(crate) fn of(stat: &Stat) -> Self {
        let nanoseconds = |time: stromatekt_kernel::Timestamp| {
            let seconds = time.seconds.saturating_mul(1_000_000_000);
            seconds.saturating_add(time.nanoseconds.into())
        };
        Self {
            dev: stat.dev,
            ino: stat.ino,
            size: stat.size,
            mtime_ns: nanoseconds(stat.mtime),
            ctime_ns: nanoseconds(stat.ctime),
        }
    }
}

/// Remembers the digests of files between builds.
pub trait FileHashes: Sync {
    /// The digests of these files where they are known, in the same order.
    fn get_many(
        &self,
        keys: &[FileKey],
    ) -> Result<Vec<Option<Digest>>, Box<dyn std::error::Error + Send + Sync>>;

    /// Remembers the digests of files.
    fn put_many(
        &self,
        files: &[(FileKey, Digest)],
    ) -> Result<(), Box<dyn std::error::Error + Send + Sync>>;
}

/// The digest of what was selected: names, types, modes, owners, contents, link targets and extended attributes; no times.
///
/// Files that were remembered are not read. Files changed just before are not remembered: they may change again without
/// a change of their times.
pub fn digest(
    source: &Source<'_>,
    selection: &Selection,
    hashes: &dyn FileHashes,
) -> Result<Digest> {
    let has_owners = source.owners == Owners::Kept && !selection.owner_is_given;
    digest_of(source, &selection.taken, has_owners, Top::Merged, hashes)
}

/// The digest of everything at `path` of a source: as [`digest()`], and with the attributes of the directory at `path` itself.
pub fn tree_digest(source: &Source<'_>, path: &str, hashes: &dyn FileHashes) -> Result<Digest> {
    let taken = [select::all(source, path)?];
    let has_owners = source.owners == Owners::Kept;
    digest_of(source, &taken, has_owners, Top::Itself, hashes)
}

/// Whether the attributes of a directory that was named count, or only what it contains: that is merged into another.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Top {
    Merged,
    Itself,
}

/// The entries of one directory that are no directories.
struct Group<'a> {
    /// Where the directory is in the source.
    path: PathBuf,
    items: &'a [Item],
    /// The index of the first of them among all that were hashed.
    start: usize,
}

fn digest_of(
    source: &Source<'_>,
    taken: &[Taken],
    has_owners: bool,
    top: Top,
    hashes: &dyn FileHashes,
) -> Result<Digest> {
    let singles: Vec<Option<(PathBuf, Item)>> = taken.iter().map(single).collect();
    let mut groups = Vec::new();
    let mut start = 0;
    let mut add = |path: PathBuf, items| {
        let group = Group { path, items, start };
        start += group.items.len();
        groups.push(group);
    };
    for (one, single) in taken.iter().zip(&singles) {
        match (&one.content, single) {
            (TakenContent::Directory(folders), _) => {
                for folder in folders {
                    add(one.path.join(&folder.path), &folder.items);
                }
            }
            (TakenContent::File(_), Some((dir, item))) => {
                add(dir.clone(), std::slice::from_ref(item))
            }
            (TakenContent::File(_), None) => {}
        }
    }
    let files: Vec<(&Path, &Item)> = groups
        .iter()
        .flat_map(|group| group.items.iter().map(|item| (group.path.as_path(), item)))
        .collect();
    let contents = contents::digests(source, &files, hashes)?;
    let links = links(taken);
    let digests = parallel::map(
        &groups,
        || (),
        |(), group| {
            let contents = &contents[group.start..];
            let links = &links[group.start..];
            group_digest(source, group, contents, links, has_owners)
        },
    )?;

    let mut digests = digests.into_iter();
    let mut hasher = Sha256::new();
    hasher.update(b"files 1\0");
    hasher.update([u8::from(has_owners)]);
    for one in taken {
        match &one.content {
            TakenContent::File(_) => {
                hasher.update(b"file");
                path_bytes(&mut hasher, Path::new(&one.name));
                bytes(&mut hasher, digests.next().unwrap_or(EMPTY).as_bytes());
            }
            TakenContent::Directory(folders) => {
                hasher.update(b"directory");
                hasher.update((folders.len() as u64).to_le_bytes());
                for (index, folder) in folders.iter().enumerate() {
                    path_bytes(&mut hasher, &folder.path);
                    hasher.update([u8::from(folder.included)]);
                    if index > 0 || top == Top::Itself {
                        let path = one.path.join(&folder.path);
                        let dir = source
                            .root
                            .open_dir_no_symlinks(&path)
                            .map_err(Error::read(&path))?;
                        attributes(&mut hasher, &folder.stat, has_owners);
                        xattrs(&mut hasher, source, &xattr::Target::of_fd(&dir));
                    }
                    bytes(&mut hasher, digests.next().unwrap_or(EMPTY).as_bytes());
                }
            }
        }
    }
    Ok(Digest::from_bytes(hasher.finalize().into()))
}

/// Never part of a digest: there are as many digests of groups as groups.
const EMPTY: Digest = Digest::from_bytes([0; 32]);

/// The directory of what was named and is no directory, and it as an item of that.
fn single(taken: &Taken) -> Option<(PathBuf, Item)> {
    let TakenContent::File(stat) = &taken.content else {
        return None;
    };
    let dir = taken.path.parent().unwrap_or(Path::new("")).to_owned();
    let name = taken.path.file_name()?.to_owned();
    Some((dir, Item { name, stat: *stat }))
}

/// For each entry that is no directory: among those of the same directory that was named, the number of the first that is another name of
/// the same file, which a copy keeps so. 0 where it has no other name there.
fn links(taken: &[Taken]) -> Vec<u64> {
    let inode = |item: &Item| {
        let has_names = item.stat.kind == FileKind::File && item.stat.nlink > 1;
        has_names.then_some((item.stat.dev, item.stat.ino))
    };
    let mut links = Vec::new();
    for one in taken {
        let TakenContent::Directory(folders) = &one.content else {
            links.push(0);
            continue;
        };
        let items = || folders.iter().flat_map(|folder| &folder.items);
        let mut names: HashMap<(u64, u64), (u64, usize)> = HashMap::new();
        for (number, item) in (1..).zip(items()) {
            if let Some(inode) = inode(item) {
                names.entry(inode).or_insert((number, 0)).1 += 1;
            }
        }
        links.extend(items().map(|item| {
            let names = inode(item).and_then(|inode| names.get(&inode));
            names
                .filter(|(_, count)| *count > 1)
                .map_or(0, |(first, _)| *first)
        }));
    }
    links
}

fn group_digest(
    source: &Source<'_>,
    group: &Group<'_>,
    contents: &[Option<Digest>],
    links: &[u64],
    has_owners: bool,
) -> Result<Digest> {
    let mut hasher = Sha256::new();
    if group.items.is_empty() {
        return Ok(Digest::from_bytes(hasher.finalize().into()));
    }
    let dir = source
        .root
        .open_dir_no_symlinks(&group.path)
        .map_err(Error::read(&group.path))?;
    for ((item, content), link) in group.items.iter().zip(contents).zip(links) {
        item_digest(
            &mut hasher,
            source,
            group,
            &dir,
            item,
            content.as_ref(),
            has_owners,
        )?;
        hasher.update(link.to_le_bytes());
    }
    Ok(Digest::from_bytes(hasher.finalize().into()))
}

fn item_digest(
    hasher: &mut Sha256,
    source: &Source<'_>,
    group: &Group<'_>,
    dir: &OwnedFd,
    item: &Item,
    content: Option<&Digest>,
    has_owners: bool,
) -> Result<()> {
    let path = group.path.join(&item.name);
    let failed = || Error::read(&path);
    path_bytes(hasher, Path::new(&item.name));
    attributes(hasher, &item.stat, has_owners);
    match item.stat.kind {
        FileKind::Symlink => {
            let target = entry::readlinkat(dir, &item.name).map_err(failed())?;
            path_bytes(hasher, &target);
        }
        FileKind::CharDevice | FileKind::BlockDevice => hasher.update(item.stat.rdev.to_le_bytes()),
        _ => {
            if let Some(content) = content {
                bytes(hasher, content.as_bytes());
            }
        }
    }
    let target = xattr::Target::of_entry(dir, &item.name).map_err(failed())?;
    xattrs(hasher, source, &target);
    Ok(())
}

fn attributes(hasher: &mut Sha256, stat: &Stat, has_owners: bool) {
    let kind = match stat.kind {
        FileKind::File => b'f',
        FileKind::Directory => b'd',
        FileKind::Symlink => b'l',
        FileKind::CharDevice => b'c',
        FileKind::BlockDevice => b'b',
        FileKind::Fifo => b'p',
        FileKind::Socket => b's',
    };
    hasher.update([kind]);
    if stat.kind != FileKind::Symlink {
        hasher.update(stat.mode.to_le_bytes());
    }
    if has_owners {
        hasher.update(stat.uid.to_le_bytes());
        hasher.update(stat.gid.to_le_bytes());
    }
}

fn xattrs(hasher: &mut Sha256, source: &Source<'_>, target: &xattr::Target<'_>) {
    // Attributes that cannot be read are not copied, as in BuildKit.
    for (name, value) in xattr::all(target).unwrap_or_default() {
        if is_copied(&name, source.owners) {
            path_bytes(hasher, Path::new(&name));
            bytes(hasher, &value);
        }
    }
    bytes(hasher, b"");
}

fn path_bytes(hasher: &mut Sha256, path: &Path) {
    bytes(hasher, path.as_os_str().as_bytes());
}

/// The length first, so that no two sequences of values give the same bytes.
fn bytes(hasher: &mut Sha256, bytes: &[u8]) {
    hasher.update((bytes.len() as u64).to_le_bytes());
    hasher.update(bytes);
}
