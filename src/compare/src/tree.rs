//! The root filesystem that layers make, one applied after the other (image-spec `layer.md`, "Applying Changesets").
//!
//! Nothing is written: what would be unpacked is known by path. Links in the directories that lead to an entry are followed as a
//! process chrooted there would, for so are layers unpacked.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ffi::{OsStr, OsString};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use stromatekt_kernel::Timestamp;
use stromatekt_oci::Digest;
use stromatekt_oci::unpack::EntryMetadata;

use crate::error::{Error, Result};
use crate::layer::{Budget, Change, Layer};

/// How many symbolic links a path leads through at most, as in Linux.
const MAX_LINKS: usize = 40;
/// The longest path (`PATH_MAX`).
const MAX_PATH: usize = 4096;
/// The mode of directories that a layer implies but does not hold.
const IMPLIED_MODE: u32 = 0o755;
/// How whiteouts are called (layer.md, "Whiteouts").
const WHITEOUT: &str = ".wh.";
const OPAQUE: &str = ".wh..wh..opq";

/// A file of any type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// What it is.
    pub kind: NodeKind,
    /// Permission bits, with setuid, setgid and sticky.
    pub mode: u32,
    /// The owner.
    pub uid: u32,
    /// The group.
    pub gid: u32,
    /// When the content was last changed.
    pub mtime: Timestamp,
    /// Extended attributes.
    pub xattrs: BTreeMap<OsString, Vec<u8>>,
}

/// The type of a file, with what only this type has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NodeKind {
    /// A regular file.
    File(Content),
    /// A symbolic link with its target.
    Symlink(OsString),
    /// A character device with its major and minor number.
    CharDevice(u32, u32),
    /// A block device with its major and minor number.
    BlockDevice(u32, u32),
    /// A directory.
    Directory,
    /// A named pipe.
    Fifo,
}

/// The content of a regular file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Content {
    /// Its length.
    pub size: u64,
    /// Its digest.
    pub digest: Digest,
    /// The content itself, if it is a short text.
    pub text: Option<String>,
}

impl Node {
    pub(crate) fn new(kind: NodeKind, metadata: EntryMetadata) -> Self {
        Self {
            kind,
            mode: metadata.mode,
            uid: metadata.uid,
            gid: metadata.gid,
            mtime: metadata.mtime,
            xattrs: metadata.xattrs.into_iter().collect(),
        }
    }

    fn implied() -> Self {
        Self {
            kind: NodeKind::Directory,
            mode: IMPLIED_MODE,
            uid: 0,
            gid: 0,
            mtime: Timestamp::from_seconds(0),
            xattrs: BTreeMap::new(),
        }
    }

    /// Whether it is a directory.
    #[must_use]
    pub fn is_directory(&self) -> bool {
        self.kind == NodeKind::Directory
    }

    /// Whether nothing but the time of a directory tells one from the other.
    fn is_unchanged(&self, before: &Self) -> bool {
        let has_time = self.is_directory() || self.mtime == before.mtime;
        has_time
            && self.kind == before.kind
            && (self.mode, self.uid, self.gid) == (before.mode, before.uid, before.gid)
            && self.xattrs == before.xattrs
    }
}

impl NodeKind {
    /// The word for it.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::File(_) => "file",
            Self::Symlink(_) => "symbolic link",
            Self::CharDevice(..) => "character device",
            Self::BlockDevice(..) => "block device",
            Self::Directory => "directory",
            Self::Fifo => "named pipe",
        }
    }
}

/// All files of an image by their paths, which are relative to the root.
#[derive(Debug, Default)]
pub struct RootFilesystem {
    /// Which inode a path means.
    paths: BTreeMap<PathBuf, usize>,
    inodes: Vec<Arc<Node>>,
    /// The last directory that was resolved: as it was asked for, and where it is.
    last: Option<(PathBuf, PathBuf)>,
}

/// What a layer did to the layers below.
#[derive(Debug, Default)]
pub(crate) struct Effect {
    /// What the layer mentions, by the path as it is written; whiteouts by their own.
    pub mentions: BTreeMap<PathBuf, Mention>,
    /// The paths that were there before, and are not any more.
    pub gone: BTreeSet<PathBuf>,
}

/// What a layer says of a path.
#[derive(Debug)]
pub(crate) enum Mention {
    /// That there is this, which was there just so before, or was not.
    Node(Arc<Node>, Changed),
    Whiteout,
    Opaque,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Changed {
    Yes,
    /// The directory has another time at most; anything else is as it was.
    No,
}

/// What is known while a layer is applied.
#[derive(Default)]
struct Applying {
    /// What the layer made, and the directories that lead there: its whiteouts do not hide them.
    own: BTreeSet<PathBuf>,
    /// Directories of which nothing of lower layers is left: nothing of them comes back while the layer is applied.
    cleared: BTreeSet<PathBuf>,
    /// What stood at paths before the layer, of those that it removed or replaced.
    removed: BTreeSet<PathBuf>,
    effect: Effect,
}

impl RootFilesystem {
    /// What stands at a path, which is relative to the root.
    #[must_use]
    pub fn get(&self, path: &Path) -> Option<&Node> {
        let inode = self.paths.get(path)?;
        Some(&self.inodes[*inode])
    }

    /// All paths in order with what stands there, and the number of its inode: names of one file have the same.
    pub fn iter(&self) -> impl Iterator<Item = (&Path, &Node, usize)> {
        let nodes = self.paths.iter();
        nodes.map(|(path, inode)| (path.as_path(), &*self.inodes[*inode], *inode))
    }

    /// How many paths there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.paths.len()
    }

    /// Whether there is nothing but the root.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.paths.is_empty()
    }

    /// Applies a layer on top.
    pub(crate) fn apply(&mut self, layer: &Layer, budget: &mut Budget) -> Result<Effect> {
        let mut applying = Applying::default();
        for entry in &layer.entries {
            budget.entry(entry.path.as_os_str().len())?;
            let (Some(parent), Some(name)) = (entry.path.parent(), entry.path.file_name()) else {
                // An opaque root hides all of the lower layers.
                if matches!(entry.change, Change::Opaque) {
                    applying.mention(Path::new(OPAQUE), Mention::Opaque);
                    self.hide_below(Path::new(""), &mut applying);
                }
                continue;
            };
            let parent = self.enter(parent, &mut applying, budget)?;
            let path = parent.join(name);
            match &entry.change {
                Change::Whiteout => {
                    let mut whiteout = OsString::from(WHITEOUT);
                    whiteout.push(name);
                    applying.mention(&entry.path.with_file_name(whiteout), Mention::Whiteout);
                    self.hide(&path, &mut applying);
                }
                Change::Opaque => {
                    applying.mention(&entry.path.join(OPAQUE), Mention::Opaque);
                    self.hide_below(&path, &mut applying);
                }
                Change::Node(node) => {
                    let changed = self.place(&path, node, &mut applying);
                    applying.mention(&entry.path, Mention::Node(Arc::clone(node), changed));
                }
                Change::HardLink(target, metadata) => {
                    let node = self.link(&path, target, metadata, &mut applying)?;
                    applying.mention(&entry.path, Mention::Node(node, Changed::Yes));
                }
            }
        }
        let Applying {
            removed,
            mut effect,
            ..
        } = applying;
        let is_gone = |path: &PathBuf| !self.paths.contains_key(path);
        effect.gone = removed.into_iter().filter(is_gone).collect();
        Ok(effect)
    }

    /// The directory that a path leads to; it is made if it is not there.
    fn enter(
        &mut self,
        asked: &Path,
        applying: &mut Applying,
        budget: &mut Budget,
    ) -> Result<PathBuf> {
        if let Some((known, resolved)) = &self.last
            && known == asked
        {
            return Ok(resolved.clone());
        }
        let refused = |reason: &str| Error::Entry {
            path: asked.to_owned(),
            reason: reason.to_owned(),
        };
        let mut waiting: VecDeque<OsString> = names(asked);
        let mut resolved = PathBuf::new();
        let mut links = 0;
        while let Some(name) = waiting.pop_front() {
            if name == ".." {
                resolved.pop();
                continue;
            }
            let next = resolved.join(&name);
            if next.as_os_str().len() > MAX_PATH {
                return Err(refused("leads through links to a path that is too long"));
            }
            match self.get(&next).map(|node| &node.kind) {
                Some(NodeKind::Directory) => resolved = next,
                Some(NodeKind::Symlink(target)) => {
                    links += 1;
                    if links > MAX_LINKS {
                        return Err(refused("leads through more than 40 symbolic links"));
                    }
                    through(Path::new(target), &mut resolved, &mut waiting);
                }
                Some(_) => return Err(refused("is no directory, but something is to be in it")),
                None => {
                    budget.entry(next.as_os_str().len())?;
                    self.insert(&next, Arc::new(Node::implied()), applying);
                    resolved = next;
                }
            }
        }
        self.last = Some((asked.to_owned(), resolved.clone()));
        Ok(resolved)
    }

    /// Puts a new inode at a path that is free, or a directory's.
    fn insert(&mut self, path: &Path, node: Arc<Node>, applying: &mut Applying) {
        self.paths.insert(path.to_owned(), self.inodes.len());
        self.inodes.push(node);
        applying.own(path);
    }

    fn place(&mut self, path: &Path, node: &Arc<Node>, applying: &mut Applying) -> Changed {
        let before = self.paths.get(path).map(|inode| &self.inodes[*inode]);
        let changed = match before {
            Some(before) if node.is_unchanged(before) => Changed::No,
            _ => Changed::Yes,
        };
        let is_merged = before.is_some_and(|before| before.is_directory() && node.is_directory());
        if before.is_some() && !is_merged {
            self.remove(path, applying);
        }
        self.insert(path, Arc::clone(node), applying);
        changed
    }

    /// Makes another name for a file, which gets the metadata that the entry has.
    fn link(
        &mut self,
        path: &Path,
        target: &Path,
        metadata: &EntryMetadata,
        applying: &mut Applying,
    ) -> Result<Arc<Node>> {
        let refused = |reason: String| Error::Entry {
            path: path.to_owned(),
            reason,
        };
        let missing = || {
            refused(format!(
                "is a hard link to `{}`, which is not there",
                target.display()
            ))
        };
        let (parent, name) = (target.parent(), target.file_name());
        let (Some(parent), Some(name)) = (parent, name) else {
            return Err(missing());
        };
        let at = self.follow(parent).map(|parent| parent.join(name));
        let inode = at.as_ref().and_then(|at| self.paths.get(at)).copied();
        let (Some(at), Some(inode)) = (at, inode) else {
            return Err(missing());
        };
        if self.inodes[inode].is_directory() {
            return Err(refused(format!(
                "is a hard link to the directory `{}`",
                target.display()
            )));
        }
        if at != path {
            if self.paths.contains_key(path) {
                self.remove(path, applying);
            }
            // A directory that was replaced may have held the target.
            if !self.paths.contains_key(&at) {
                return Err(missing());
            }
            self.paths.insert(path.to_owned(), inode);
        }
        applying.own(path);
        let own = Node::new(self.inodes[inode].kind.clone(), metadata.clone());
        let node = &mut self.inodes[inode];
        if **node != own {
            *node = Arc::new(own);
        }
        Ok(Arc::clone(node))
    }

    /// Where a directory is that has to be there.
    fn follow(&self, asked: &Path) -> Option<PathBuf> {
        let mut waiting = names(asked);
        let mut resolved = PathBuf::new();
        let mut links = 0;
        while let Some(name) = waiting.pop_front() {
            if name == ".." {
                resolved.pop();
                continue;
            }
            let next = resolved.join(&name);
            match &self.get(&next)?.kind {
                NodeKind::Directory => resolved = next,
                NodeKind::Symlink(target) if links < MAX_LINKS => {
                    links += 1;
                    through(Path::new(target), &mut resolved, &mut waiting);
                }
                _ => return None,
            }
        }
        Some(resolved)
    }

    /// Removes what lower layers have at a path.
    fn hide(&mut self, path: &Path, applying: &mut Applying) {
        match applying.own.contains(path) {
            false => self.remove(path, applying),
            true => self.hide_below(path, applying),
        }
    }

    /// Removes what lower layers have below a path.
    fn hide_below(&mut self, path: &Path, applying: &mut Applying) {
        if path
            .ancestors()
            .any(|above| applying.cleared.contains(above))
        {
            return;
        }
        let hidden = self.below(path);
        applying.cleared.insert(path.to_owned());
        for path in hidden {
            if !applying.own.contains(&path) {
                self.paths.remove(&path);
                applying.removed.insert(path);
            }
        }
        self.last = None;
    }

    /// Removes what stands at a path, and all below.
    fn remove(&mut self, path: &Path, applying: &mut Applying) {
        let mut removed = self.below(path);
        if self.paths.contains_key(path) {
            removed.push(path.to_owned());
        }
        for path in removed {
            self.paths.remove(&path);
            applying.own.remove(&path);
            applying.removed.insert(path);
        }
        self.last = None;
    }

    fn below(&self, path: &Path) -> Vec<PathBuf> {
        let from = (
            std::ops::Bound::Excluded(path.to_owned()),
            std::ops::Bound::Unbounded,
        );
        let paths = self.paths.range::<PathBuf, _>(from).map(|(path, _)| path);
        paths
            .take_while(|below| below.starts_with(path))
            .cloned()
            .collect()
    }
}

impl Applying {
    fn mention(&mut self, path: &Path, mention: Mention) {
        self.effect.mentions.insert(path.to_owned(), mention);
    }

    /// Notes a path as the layer's own, and the directories that lead there.
    fn own(&mut self, path: &Path) {
        for above in path.ancestors() {
            if above.as_os_str().is_empty() || !self.own.insert(above.to_owned()) {
                break;
            }
        }
    }
}

/// Goes on where a symbolic link leads to.
fn through(target: &Path, resolved: &mut PathBuf, waiting: &mut VecDeque<OsString>) {
    if target.has_root() {
        resolved.clear();
    }
    for name in names(target).into_iter().rev() {
        waiting.push_front(name);
    }
}

/// The names that a path is made of, `..` among them.
fn names(path: &Path) -> VecDeque<OsString> {
    let names = path.components().filter_map(|part| match part {
        Component::Normal(name) => Some(name),
        Component::ParentDir => Some(OsStr::new("..")),
        Component::RootDir | Component::CurDir | Component::Prefix(_) => None,
    });
    names.map(OsString::from).collect()
}
