//! The files that an image's layers add up to.

use std::collections::BTreeMap;
use std::io::Read;

/// What an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link.
    Symlink,
    /// Another name of a file.
    HardLink,
    /// A named pipe.
    Fifo,
    /// A character device.
    CharacterDevice,
    /// A block device.
    BlockDevice,
}

/// An entry of a layer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Relative to the root, without a slash at either end; empty for the root.
    pub path: String,
    /// What it is.
    pub kind: Kind,
    /// Permission bits.
    pub mode: u32,
    /// User and group.
    pub owner: (u64, u64),
    /// Seconds since 1970.
    pub mtime: u64,
    /// The target of a symbolic link; the other name of a hard link.
    pub link: String,
    /// Extended attributes.
    pub xattrs: BTreeMap<String, Vec<u8>>,
    /// The content of a file.
    pub data: Vec<u8>,
}

impl Entry {
    /// The name that image-spec `layer.md` gives the entry that removes a path, or hides what is in a directory.
    fn whiteout(&self) -> Option<(&str, &str)> {
        let (parent, name) = self.path.rsplit_once('/').unwrap_or(("", &self.path));
        Some((parent, name.strip_prefix(".wh.")?))
    }
}

/// Reads the entries of a tar.
///
/// # Panics
///
/// When it is not a well-formed tar, or has an entry twice: no output of stromatekt does.
#[track_caller]
pub fn read_tar(tar: &[u8]) -> Vec<Entry> {
    let mut archive = tar::Archive::new(tar);
    let mut found: Vec<Entry> = Vec::new();
    let mut seen = std::collections::BTreeSet::new();
    for entry in archive.entries().expect("a tar") {
        let mut entry = entry.expect("a sound tar entry");
        let mut xattrs = BTreeMap::new();
        if let Some(pax) = entry.pax_extensions().expect("sound PAX records") {
            for record in pax {
                let record = record.expect("a sound PAX record");
                if let Some(name) = record
                    .key()
                    .expect("a UTF-8 key")
                    .strip_prefix("SCHILY.xattr.")
                {
                    xattrs.insert(name.to_owned(), record.value_bytes().to_vec());
                }
            }
        }
        let path = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        let path = path.trim_start_matches("./").trim_matches('/');
        let path = if path == "." { "" } else { path }.to_owned();
        let link = entry
            .link_name_bytes()
            .map(|link| String::from_utf8_lossy(&link).into_owned())
            .unwrap_or_default();
        let header = entry.header();
        let kind = match header.entry_type() {
            tar::EntryType::Regular | tar::EntryType::Continuous => Kind::File,
            tar::EntryType::Directory => Kind::Directory,
            tar::EntryType::Symlink => Kind::Symlink,
            tar::EntryType::Link => Kind::HardLink,
            tar::EntryType::Fifo => Kind::Fifo,
            tar::EntryType::Char => Kind::CharacterDevice,
            tar::EntryType::Block => Kind::BlockDevice,
            other => panic!("{path} is a {other:?}"),
        };
        let mut read = Entry {
            path,
            kind,
            mode: header.mode().expect("a mode") & 0o7777,
            owner: (header.uid().expect("a uid"), header.gid().expect("a gid")),
            mtime: header.mtime().expect("a time"),
            link,
            xattrs,
            data: Vec::new(),
        };
        entry.read_to_end(&mut read.data).expect("the whole file");
        assert!(
            seen.insert(read.path.clone()),
            "{:?} is in the layer twice",
            read.path
        );
        found.push(read);
    }
    found
}

/// A root filesystem.
#[derive(Clone, Debug, Default)]
pub struct Rootfs {
    entries: BTreeMap<String, Entry>,
}

impl Rootfs {
    /// Applies layers onto nothing, the lowest first.
    pub fn of_layers<'a>(layers: impl IntoIterator<Item = &'a [Entry]>) -> Self {
        let mut rootfs = Self::default();
        for layer in layers {
            // Whiteouts hide what lower layers have, never what the same layer has.
            for (parent, name) in layer.iter().filter_map(Entry::whiteout) {
                if name == ".wh..opq" {
                    rootfs.remove_beneath(parent);
                } else {
                    let path = if parent.is_empty() {
                        name.to_owned()
                    } else {
                        format!("{parent}/{name}")
                    };
                    rootfs.entries.remove(&path);
                    rootfs.remove_beneath(&path);
                }
            }
            for entry in layer.iter().filter(|entry| entry.whiteout().is_none()) {
                if entry.kind != Kind::Directory {
                    rootfs.remove_beneath(&entry.path);
                }
                rootfs.entries.insert(entry.path.clone(), entry.clone());
            }
        }
        rootfs
    }

    fn remove_beneath(&mut self, directory: &str) {
        let prefix = if directory.is_empty() {
            String::new()
        } else {
            format!("{directory}/")
        };
        self.entries
            .retain(|path, _| !(path.starts_with(&prefix) && path != directory));
    }

    /// The entry at a path.
    #[track_caller]
    pub fn entry(&self, path: &str) -> &Entry {
        let Some(entry) = self.entries.get(path) else {
            let parent = path.rsplit_once('/').map_or("", |(parent, _)| parent);
            panic!(
                "expected {path:?}; {parent:?} has {:?}",
                self.beneath(parent)
            );
        };
        entry
    }

    /// There is something at a path.
    pub fn has(&self, path: &str) -> bool {
        self.entries.contains_key(path)
    }

    /// The content of a file.
    #[track_caller]
    pub fn data(&self, path: &str) -> &[u8] {
        let entry = self.entry(path);
        match entry.kind {
            Kind::File => &entry.data,
            Kind::HardLink => {
                self.data(entry.link.trim_start_matches("./").trim_start_matches('/'))
            }
            other => panic!("expected {path:?} to be a file; it is a {other:?}"),
        }
    }

    /// The text of a file, without the line end.
    #[track_caller]
    pub fn text(&self, path: &str) -> &str {
        std::str::from_utf8(self.data(path))
            .expect("the file is UTF-8")
            .trim_end_matches('\n')
    }

    /// The lines of a file.
    #[track_caller]
    pub fn lines(&self, path: &str) -> Vec<&str> {
        self.text(path).lines().collect()
    }

    /// The paths beneath a directory, relative to it, sorted.
    pub fn beneath(&self, directory: &str) -> Vec<&str> {
        let prefix = if directory.is_empty() {
            String::new()
        } else {
            format!("{directory}/")
        };
        self.entries
            .keys()
            .filter_map(|path| path.strip_prefix(&prefix))
            .filter(|path| !path.is_empty())
            .collect()
    }

    /// All entries by path.
    pub fn entries(&self) -> &BTreeMap<String, Entry> {
        &self.entries
    }
}
