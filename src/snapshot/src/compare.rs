//! Compares two trees at the paths where they may differ, and tells their changeset.
//!
//! Nothing here follows a symbolic link of a tree: directories are opened by paths whose every component is one.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use stromatekt_kernel::beneath::{DirEntry, OFlag};
use stromatekt_kernel::{FileKind, Root, Stat, btrfs, entry, xattr};
use stromatekt_oci::Changeset;

use crate::replay::{Hint, Hints};

/// Why two trees could not be compared: what failed, at which path of the later one.
#[derive(Debug)]
pub(crate) struct Failure {
    pub path: PathBuf,
    pub source: io::Error,
}

type Result<T> = std::result::Result<T, Failure>;

/// The changeset that turns `lower` into `upper`, which differ at the paths of `hints` only. `upper` is a btrfs subvolume.
pub(crate) fn changeset(lower: &Root, upper: &Root, hints: &Hints) -> Result<Changeset> {
    let mut comparison = Comparison {
        lower: Side::new(Some(lower)),
        upper: Side::new(Some(upper)),
        hints,
        changes: Changeset::new(),
        linked: BTreeMap::new(),
    };
    // What is below the path that was compared last was compared with it.
    let mut done: Option<PathBuf> = None;
    for (path, hint) in hints {
        if done.as_ref().is_some_and(|done| path.starts_with(done)) {
            continue;
        }
        done = comparison.compare(path, *hint)?.then(|| path.clone());
    }
    comparison.all_names_of_changed_files(upper)?;
    Ok(comparison.finish())
}

/// The hints for two trees that differ at most at these paths, which are outermost ones at least, and at the directories above them.
pub(crate) fn at_paths(paths: &BTreeSet<PathBuf>) -> Hints {
    let mut hints = Hints::new();
    for path in paths {
        for above in path.ancestors().skip(1) {
            hints.entry(above.to_owned()).or_default();
        }
        hints.entry(path.clone()).or_default().content = true;
    }
    hints
}

/// The hints for two trees of which nothing is known: they may differ at any path.
pub(crate) fn anywhere() -> Hints {
    let hint = Hint {
        content: true,
        moved: true,
    };
    Hints::from([(PathBuf::new(), hint)])
}

/// The changeset that turns the empty tree into `upper`.
pub(crate) fn everything(upper: &Root) -> Result<Changeset> {
    let hints = Hints::new();
    let mut comparison = Comparison {
        lower: Side::new(None),
        upper: Side::new(Some(upper)),
        hints: &hints,
        changes: Changeset::new(),
        linked: BTreeMap::new(),
    };
    let root = upper.lstat("").map_err(at(Path::new("")))?;
    // As `Snapshotter::fork` makes it.
    let (mode, uid, gid) = (root.mode, root.uid, root.gid);
    let attributes = xattr::list(&xattr::Target::of_fd(upper)).map_err(at(Path::new("")))?;
    if (mode, uid, gid) != (0o755, 0, 0) || !attributes.is_empty() {
        comparison.changes.changed.insert(PathBuf::new());
    }
    let mut waiting = vec![PathBuf::new()];
    while let Some(dir) = waiting.pop() {
        for entry in comparison.upper.entries(&dir)? {
            let path = dir.join(entry.name);
            comparison.changes.changed.insert(path.clone());
            if entry.kind == FileKind::Directory {
                waiting.push(path);
            }
        }
    }
    Ok(comparison.finish())
}

/// One of the two trees. It keeps the directory open that was looked at last, since the next path is often in it too.
struct Side<'a> {
    root: Option<&'a Root>,
    last: Option<(PathBuf, Option<OwnedFd>)>,
}

struct Comparison<'a> {
    lower: Side<'a>,
    upper: Side<'a>,
    hints: &'a Hints,
    changes: Changeset,
    /// Changed files of several names, by inode number.
    linked: BTreeMap<u64, Linked>,
}

/// A changed file of several names.
struct Linked {
    /// One of its names.
    path: PathBuf,
    /// How many names it has.
    names: u64,
    /// How many of them are known to be changed.
    changed: u64,
}

impl<'a> Side<'a> {
    fn new(root: Option<&'a Root>) -> Self {
        Self { root, last: None }
    }

    /// The directory at `path`, unless something else or nothing is there, or on the way.
    fn dir(&mut self, path: &Path) -> Result<Option<&OwnedFd>> {
        if self.last.as_ref().is_none_or(|(last, _)| last != path) {
            let opened = match self.root.map(|root| root.open_dir_no_symlinks(path)) {
                None => None,
                Some(Ok(dir)) => Some(dir),
                Some(Err(error)) if is_absent(&error) => None,
                Some(Err(error)) => return Err(at(path)(error)),
            };
            self.last = Some((path.to_owned(), opened));
        }
        Ok(self.last.as_ref().and_then(|(_, dir)| dir.as_ref()))
    }

    fn lstat(&mut self, path: &Path) -> Result<Option<Stat>> {
        let Some(name) = path.file_name() else {
            let root = self.root.map(|root| root.lstat(""));
            return root.transpose().map_err(at(path));
        };
        let Some(dir) = self.dir(parent(path))? else {
            return Ok(None);
        };
        match entry::lstatat(dir, name) {
            Ok(stat) => Ok(Some(stat)),
            Err(error) if is_absent(&error) => Ok(None),
            Err(error) => Err(at(path)(error)),
        }
    }

    /// The entries of a directory; none if there is no directory.
    fn entries(&mut self, path: &Path) -> Result<Vec<DirEntry>> {
        let Some(dir) = self.dir(path)? else {
            return Ok(Vec::new());
        };
        let entries = dir.try_clone().and_then(entry::read_dir_fd);
        // The clone shares the position in the directory, which is at its end now.
        self.last = None;
        entries.map_err(at(path))
    }

    fn names(&mut self, path: &Path) -> Result<impl Iterator<Item = OsString> + use<>> {
        let entries = self.entries(path)?;
        Ok(entries.into_iter().map(|entry| entry.name))
    }

    fn xattrs(&mut self, path: &Path) -> Result<Vec<(OsString, Vec<u8>)>> {
        let found = match (path.file_name(), self.root) {
            (None, Some(root)) => xattr::all(&xattr::Target::of_fd(root)),
            (Some(name), _) => match self.dir(parent(path))? {
                Some(dir) => xattr::Target::of_entry(dir, name).and_then(|file| xattr::all(&file)),
                None => Ok(Vec::new()),
            },
            (None, None) => Ok(Vec::new()),
        };
        found.map_err(at(path))
    }

    /// Calls `read` with the directory that holds `path` and the name there.
    fn entry<T>(
        &mut self,
        path: &Path,
        read: impl FnOnce(&OwnedFd, &OsStr) -> io::Result<T>,
    ) -> Result<T> {
        let absent = || io::Error::from(io::ErrorKind::NotFound);
        let name = path
            .file_name()
            .ok_or_else(|| at(path)(io::ErrorKind::IsADirectory.into()))?;
        match self.dir(parent(path))? {
            Some(dir) => read(dir, name).map_err(at(path)),
            None => Err(at(path)(absent())),
        }
    }

    fn open(&mut self, path: &Path) -> Result<File> {
        self.entry(path, |dir, name| {
            entry::openat(dir, name, OFlag::O_RDONLY | OFlag::O_NONBLOCK, 0)
        })
    }
}

impl Comparison<'_> {
    /// Compares what stands at a path. Tells whether all below it is compared now as well.
    fn compare(&mut self, path: &Path, hint: Hint) -> Result<bool> {
        let mut waiting = vec![(path.to_owned(), hint)];
        while let Some((path, hint)) = waiting.pop() {
            let (lower, upper) = (self.lower.lstat(&path)?, self.upper.lstat(&path)?);
            match (lower, upper) {
                (None, None) => {}
                (Some(_), None) => {
                    self.changes.removed.insert(path);
                }
                (None, Some(upper)) => self.add(path, &upper)?,
                (Some(lower), Some(upper)) if lower.kind != upper.kind => {
                    self.changes.removed.insert(path.clone());
                    self.add(path, &upper)?;
                }
                (Some(lower), Some(upper)) => {
                    if !self.same(&path, hint, &lower, &upper)? {
                        self.change(path.clone(), &upper);
                    }
                    if !upper.is_dir() {
                        continue;
                    }
                    if !hint.moved {
                        return Ok(false);
                    }
                    let names: BTreeSet<_> = self.lower.names(&path)?.collect();
                    let names = names.into_iter().chain(self.upper.names(&path)?);
                    for name in names.collect::<BTreeSet<_>>() {
                        let path = path.join(name);
                        let own = self.hints.get(&path).is_some_and(|hint| hint.content);
                        let content = hint.content || own;
                        waiting.push((
                            path,
                            Hint {
                                content,
                                moved: true,
                            },
                        ));
                    }
                }
            }
        }
        Ok(true)
    }

    /// Whether an entry of the same kind is the same in both trees.
    fn same(&mut self, path: &Path, hint: Hint, lower: &Stat, upper: &Stat) -> Result<bool> {
        let metadata = |stat: &Stat| (stat.mode, stat.uid, stat.gid, stat.rdev);
        if metadata(lower) != metadata(upper) {
            return Ok(false);
        }
        if !upper.is_dir() {
            // As long as one name is among several it has to be of the same file, or of one with the same names, or a layer without
            // it would tear names apart or tie them together.
            let several = lower.nlink > 1 || upper.nlink > 1;
            if (lower.size, lower.mtime) != (upper.size, upper.mtime)
                || (several && lower.ino != upper.ino && !self.same_names(path, lower, upper)?)
            {
                return Ok(false);
            }
        }
        if self.lower.xattrs(path)? != self.upper.xattrs(path)? {
            return Ok(false);
        }
        match upper.kind {
            FileKind::Symlink => {
                let lower = self
                    .lower
                    .entry(path, |dir, name| entry::readlinkat(dir, name))?;
                let upper = self
                    .upper
                    .entry(path, |dir, name| entry::readlinkat(dir, name))?;
                Ok(lower == upper)
            }
            // A snapshot's file keeps its inode number, and the stream tells when its content changes.
            FileKind::File if hint.content || lower.ino != upper.ino => {
                let (lower, upper) = (self.lower.open(path)?, self.upper.open(path)?);
                same_content(lower, upper).map_err(at(path))
            }
            _ => Ok(true),
        }
    }

    /// Whether two files have the same names, each in its tree.
    fn same_names(&self, path: &Path, lower: &Stat, upper: &Stat) -> Result<bool> {
        if lower.nlink != upper.nlink {
            return Ok(false);
        }
        let names = |side: &Side<'_>, inode| -> io::Result<Option<BTreeSet<PathBuf>>> {
            let Some(root) = side.root else {
                return Ok(None);
            };
            // INO_PATHS takes no O_PATH descriptor.
            let names = btrfs::paths_of_inode(root.open_dir("")?, inode)?;
            Ok(names.map(BTreeSet::from_iter))
        };
        let lower = names(&self.lower, lower.ino).map_err(at(path))?;
        let upper = names(&self.upper, upper.ino).map_err(at(path))?;
        Ok(lower.is_some() && lower == upper)
    }

    /// Notes an entry that was not there, with all that is in it.
    fn add(&mut self, path: PathBuf, stat: &Stat) -> Result<()> {
        self.change(path.clone(), stat);
        match stat.is_dir() {
            true => self.add_all_below(path),
            false => Ok(()),
        }
    }

    fn add_all_below(&mut self, path: PathBuf) -> Result<()> {
        let mut waiting = vec![path];
        while let Some(dir) = waiting.pop() {
            for name in self.upper.names(&dir)? {
                let path = dir.join(name);
                // It was listed in a tree that nothing changes.
                let stat = self.upper.lstat(&path)?;
                let stat = stat.ok_or_else(|| at(&path)(io::ErrorKind::NotFound.into()))?;
                self.change(path.clone(), &stat);
                if stat.is_dir() {
                    waiting.push(path);
                }
            }
        }
        Ok(())
    }

    fn change(&mut self, path: PathBuf, stat: &Stat) {
        let several = !stat.is_dir() && stat.nlink > 1;
        if self.changes.changed.insert(path.clone()) && several {
            let linked = self.linked.entry(stat.ino).or_insert(Linked {
                path,
                names: stat.nlink,
                changed: 0,
            });
            linked.changed += 1;
        }
    }

    /// Adds the other names of files that are changed at one: a layer has to carry all of them to keep them linked.
    fn all_names_of_changed_files(&mut self, upper: &Root) -> Result<()> {
        self.linked
            .retain(|_, linked| linked.changed < linked.names);
        let mut too_many = false;
        // INO_PATHS takes no O_PATH descriptor.
        let root = upper.open_dir("").map_err(at(Path::new("")))?;
        for (inode, linked) in &self.linked {
            match btrfs::paths_of_inode(&root, *inode).map_err(at(&linked.path))? {
                Some(paths) => self.changes.changed.extend(paths),
                None => too_many = true,
            }
        }
        if too_many {
            self.search_names()?;
        }
        Ok(())
    }

    /// Looks for the names of changed files in the whole tree.
    fn search_names(&mut self) -> Result<()> {
        let mut waiting = vec![PathBuf::new()];
        while let Some(dir) = waiting.pop() {
            for name in self.upper.names(&dir)? {
                let path = dir.join(name);
                match self.upper.lstat(&path)? {
                    Some(stat) if stat.is_dir() => waiting.push(path),
                    Some(stat) if self.linked.contains_key(&stat.ino) => {
                        self.changes.changed.insert(path);
                    }
                    Some(_) | None => {}
                }
            }
        }
        Ok(())
    }

    fn finish(self) -> Changeset {
        let Changeset { changed, removed } = self.changes;
        let topmost = |path: &&PathBuf| {
            !path
                .ancestors()
                .skip(1)
                .any(|above| removed.contains(above))
        };
        let removed = removed.iter().filter(topmost).cloned().collect();
        Changeset { changed, removed }
    }
}

fn same_content(mut lower: File, mut upper: File) -> io::Result<bool> {
    const CHUNK: usize = 128 << 10;
    let (mut a, mut b) = (Vec::with_capacity(CHUNK), Vec::with_capacity(CHUNK));
    loop {
        a.clear();
        b.clear();
        (&mut lower).take(CHUNK as u64).read_to_end(&mut a)?;
        (&mut upper).take(CHUNK as u64).read_to_end(&mut b)?;
        if a != b {
            return Ok(false);
        }
        if a.is_empty() {
            return Ok(true);
        }
    }
}

fn parent(path: &Path) -> &Path {
    path.parent().unwrap_or(Path::new(""))
}

/// Whether an error says that nothing is at a path without symbolic links.
fn is_absent(error: &io::Error) -> bool {
    use nix::libc::{ELOOP, ENOENT, ENOTDIR};
    matches!(error.raw_os_error(), Some(ENOENT | ENOTDIR | ELOOP))
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> Failure {
    move |source| Failure {
        path: path.to_owned(),
        source,
    }
}
