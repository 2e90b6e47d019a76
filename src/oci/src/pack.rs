//! A changeset as a layer: image-spec `layer.md`, "Representing Changes", as containerd's differ writes it for BuildKit.
//!
//! Entries stand in the order of their paths, component by component; each one after the directories that lead to it, changed or
//! not, but never the root itself. So the same trees give the same bytes.

use std::io::Write;
use std::path::{Path, PathBuf};

use stromatekt_kernel::{FileKind, Root};

use crate::changeset::Changeset;
use crate::digest::Digest;
use crate::error::Result;
use crate::tree_writer::{Times, TreeWriter};
use crate::write_behind::{Written, write_behind};

/// The prefix of the names of whiteouts.
pub(crate) const WHITEOUT: &str = ".wh.";
/// The whiteout of all that lower layers have in a directory.
pub(crate) const OPAQUE: &str = ".wh..wh..opq";

/// How a layer is packed.
#[derive(Clone, Copy, Debug, Default)]
pub struct PackOptions {
    /// The latest time that entries have (`SOURCE_DATE_EPOCH`), in seconds since the epoch: later ones become this one.
    pub latest_time: Option<i64>,
    /// Which extended attributes entries keep.
    pub xattrs: Xattrs,
}

/// Which extended attributes entries of an archive have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Xattrs {
    /// Capabilities of files alone: containerd's differ takes no notice of others, and so they are in no layer of BuildKit's.
    #[default]
    Capability,
    /// All.
    All,
}

/// What was packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub struct Packed {
    /// The digest of the tar.
    pub diff_id: Digest,
    /// The length of the tar.
    pub size: u64,
}

/// Writes a changeset as an uncompressed layer to `out`, which is given back; `root` is the later tree.
///
/// Files with several names among the changes are linked; a name that is not among them is not. Sockets are left out. The digest
/// is computed, and `out` written, on another thread.
pub fn pack<W: Write + Send>(
    root: &Root,
    changes: &Changeset,
    options: &PackOptions,
    out: W,
) -> Result<(Packed, W)> {
    let written = write_behind(out, "write the layer", |out| {
        let times = Times::AtMost(options.latest_time);
        let mut writer = TreeWriter::new(root, out, times, options.xattrs);
        write(changes, &mut writer)?;
        writer.finish()
    })?;
    let Written { out, digest, size } = written;
    let packed = Packed {
        diff_id: digest,
        size,
    };
    Ok((packed, out))
}

fn write(changes: &Changeset, writer: &mut TreeWriter<'_>) -> Result<()> {
    // The last directory that was written; those above it were written before.
    let mut known = PathBuf::new();
    let mut removed = changes.removed.iter().peekable();
    for path in &changes.changed {
        while let Some(gone) = removed.next_if(|gone| *gone < path) {
            whiteout(gone, &mut known, writer)?;
        }
        let replaces = removed.next_if_eq(&path).is_some();
        if path.as_os_str().is_empty() {
            continue;
        }
        ancestors(path, &mut known, writer)?;
        if writer.entry(path)? == FileKind::Directory {
            known.clone_from(path);
            // What stood there before may have been a directory too, whose entries are not listed.
            if replaces {
                writer.marker(path, "", OPAQUE.as_ref())?;
            }
        }
    }
    removed.try_for_each(|gone| whiteout(gone, &mut known, writer))
}

/// Writes that an entry is gone, unless that goes without saying: because its directory is gone or replaced, too.
fn whiteout(gone: &Path, known: &mut PathBuf, writer: &mut TreeWriter<'_>) -> Result<()> {
    let (Some(parent), Some(name)) = (gone.parent(), gone.file_name()) else {
        return Ok(());
    };
    if !writer.is_directory(parent)? {
        return Ok(());
    }
    ancestors(gone, known, writer)?;
    writer.marker(parent, WHITEOUT, name)
}

/// Writes the directories that lead to a path, as far as they were not written yet.
fn ancestors(path: &Path, known: &mut PathBuf, writer: &mut TreeWriter<'_>) -> Result<()> {
    let Some(parent) = path.parent() else {
        return Ok(());
    };
    let missing: Vec<&Path> = parent
        .ancestors()
        .take_while(|above| !known.starts_with(above))
        .collect();
    for above in missing.iter().rev() {
        writer.entry(above)?;
    }
    if !missing.is_empty() {
        known.clear();
        known.push(parent);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::io::{self, Read};
    use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, symlink};

    use stromatekt_kernel::Timestamp;
    use stromatekt_kernel::entry::{self, Node};
    use stromatekt_kernel::xattr::{self, Target};

    struct Tree {
        dir: tempfile::TempDir,
        root: Root,
    }

    impl Tree {
        fn new() -> Self {
            let dir = tempfile::tempdir().unwrap();
            let root = Root::open(dir.path()).unwrap();
            Self { dir, root }
        }

        fn at(&self, path: &str) -> PathBuf {
            self.dir.path().join(path)
        }

        fn write(&self, path: &str, content: &[u8]) {
            fs::create_dir_all(self.at(path).parent().unwrap()).unwrap();
            fs::write(self.at(path), content).unwrap();
        }

        fn pack(&self, changed: &[&str], removed: &[&str]) -> Vec<u8> {
            let paths = |paths: &[&str]| paths.iter().map(PathBuf::from).collect();
            let changes = Changeset {
                changed: paths(changed),
                removed: paths(removed),
            };
            let options = PackOptions::default();
            let (packed, tar) = pack(&self.root, &changes, &options, Vec::new()).unwrap();
            assert_eq!(packed.diff_id, Digest::of(&tar));
            assert_eq!(packed.size, tar.len() as u64);
            tar
        }
    }

    /// What the `tar` crate, which is another reader, finds.
    fn list(archive: &[u8]) -> Vec<String> {
        let mut archive = ::tar::Archive::new(archive);
        let entries = archive.entries().unwrap();
        entries
            .map(|entry| {
                let entry = entry.unwrap();
                let path = entry.path().unwrap().display().to_string();
                match entry.link_name().unwrap() {
                    Some(link) => format!("{path} -> {}", link.display()),
                    None => path,
                }
            })
            .collect()
    }

    #[test]
    fn directories_come_before_what_is_in_them_and_once() {
        let tree = Tree::new();
        for path in ["a/b/x", "a/b/y", "a/c", "a.d/e", "z"] {
            tree.write(path, b"");
        }
        assert_eq!(
            list(&tree.pack(&["a/b/x", "a/b/y", "a/c", "a.d/e", "a.d", "z", ""], &[])),
            ["a/", "a/b/", "a/b/x", "a/b/y", "a/c", "a.d/", "a.d/e", "z"]
        );
        assert_eq!(list(&tree.pack(&[], &[])), Vec::<String>::new());
    }

    #[test]
    fn what_is_gone_has_a_whiteout_in_its_place() {
        let tree = Tree::new();
        tree.write("d/keep", b"");
        tree.write("file", b"");
        fs::create_dir(tree.at("was-file")).unwrap();
        let archive = tree.pack(
            &["d/keep", "file", "was-file"],
            &[
                "d/gone",
                "d/z",
                "a",
                "file",
                "was-file",
                "no/directory",
                "file/below",
            ],
        );
        assert_eq!(
            list(&archive),
            [
                ".wh.a",
                "d/",
                "d/.wh.gone",
                "d/keep",
                "d/.wh.z",
                "file",
                "was-file/",
                "was-file/.wh..wh..opq"
            ]
        );
        let mut reader = ::tar::Archive::new(&archive[..]);
        let whiteout = reader.entries().unwrap().next().unwrap().unwrap();
        let header = whiteout.header();
        assert_eq!(
            (
                header.mode().unwrap(),
                header.mtime().unwrap(),
                header.size().unwrap()
            ),
            (0, 0, 0)
        );
    }

    #[test]
    fn names_of_one_file_are_linked_among_the_changes_alone() {
        let tree = Tree::new();
        tree.write("a", b"content");
        for name in ["b", "c"] {
            fs::hard_link(tree.at("a"), tree.at(name)).unwrap();
        }
        symlink("a", tree.at("s")).unwrap();
        assert_eq!(
            list(&tree.pack(&["b", "c", "s"], &[])),
            ["b", "c -> b", "s -> a"]
        );
    }

    #[test]
    fn times_are_cut_to_seconds_and_clamped() {
        let tree = Tree::new();
        let time = |seconds| Timestamp {
            seconds,
            nanoseconds: 900_000_000,
        };
        for (name, seconds) in [("early", 100), ("late", 5000), ("before", -7)] {
            tree.write(name, b"");
            entry::utimensat(&tree.root, name.as_ref(), time(0), time(seconds)).unwrap();
        }
        let changes = Changeset {
            changed: ["before", "early", "late"].map(PathBuf::from).into(),
            ..Changeset::default()
        };
        let options = PackOptions {
            latest_time: Some(1000),
            ..PackOptions::default()
        };
        let (_, archive) = pack(&tree.root, &changes, &options, Vec::new()).unwrap();
        let mut archive = ::tar::Archive::new(&archive[..]);
        let mut times = Vec::new();
        for entry in archive.entries().unwrap() {
            let mut entry = entry.unwrap();
            let own = entry.header().mtime().unwrap();
            let records = entry.pax_extensions().unwrap();
            let record = records.and_then(|mut records| records.next());
            times.push(record.map_or(own.to_string(), |record| {
                record.unwrap().value().unwrap().to_owned()
            }));
        }
        assert_eq!(times, ["-7", "100", "1000"]);
    }

    #[test]
    fn all_kinds_come_back_as_they_were() {
        let tree = Tree::new();
        let long = format!("{}/{}/é", "d".repeat(150), "e".repeat(200));
        let big: Vec<u8> = (0..700_001_u32).map(|n| (n % 241) as u8).collect();
        tree.write("big", &big);
        tree.write(&long, b"long");
        tree.write("setuid", b"#!");
        std::os::unix::fs::lchown(tree.at("setuid"), Some(3_000_000_000), Some(5)).unwrap();
        fs::set_permissions(tree.at("setuid"), fs::Permissions::from_mode(0o6751)).unwrap();
        let capability = [1, 0, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        let target = |tree: &Tree| tree.root.open_no_follow("setuid").unwrap();
        let fd = target(&tree);
        xattr::set(
            &Target::of_fd(&fd),
            "security.capability".as_ref(),
            &capability,
        )
        .unwrap();
        xattr::set(&Target::of_fd(&fd), "user.note".as_ref(), b"x").unwrap();
        fs::create_dir(tree.at("sticky")).unwrap();
        fs::set_permissions(tree.at("sticky"), fs::Permissions::from_mode(0o1777)).unwrap();
        symlink("/nowhere", tree.at("link")).unwrap();
        let device = Node::CharDevice { major: 1, minor: 3 };
        entry::mknodat(&tree.root, "null".as_ref(), device, 0o666).unwrap();
        entry::mknodat(&tree.root, "fifo".as_ref(), Node::Fifo, 0o600).unwrap();
        entry::mknodat(&tree.root, "socket".as_ref(), Node::Socket, 0o600).unwrap();
        let all = [
            "big", &long, "setuid", "sticky", "link", "null", "fifo", "socket",
        ];
        let archive = tree.pack(&all, &[]);

        let other = Tree::new();
        let options = crate::unpack::UnpackOptions::default();
        let unpacked = crate::unpack::unpack(&archive[..], &other.root, &options).unwrap();
        assert_eq!(unpacked.bytes, big.len() as u64 + 4 + 2);
        assert!(fs::read(other.at("big")).unwrap() == big);
        assert_eq!(fs::read(other.at(&long)).unwrap(), b"long");
        let setuid = fs::metadata(other.at("setuid")).unwrap();
        assert_eq!(
            (setuid.mode() & 0o7777, setuid.uid(), setuid.gid()),
            (0o6751, 3_000_000_000, 5)
        );
        let fd = target(&other);
        let xattrs = xattr::all(&Target::of_fd(&fd)).unwrap();
        assert_eq!(
            xattrs,
            [("security.capability".into(), capability.to_vec())]
        );
        assert_eq!(
            fs::metadata(other.at("sticky")).unwrap().mode() & 0o7777,
            0o1777
        );
        assert_eq!(
            fs::read_link(other.at("link")).unwrap(),
            Path::new("/nowhere")
        );
        let null = fs::metadata(other.at("null")).unwrap();
        assert!(null.file_type().is_char_device());
        assert_eq!(
            (null.rdev(), null.mode() & 0o7777),
            (0x103, 0o644 & null.mode())
        );
        assert!(
            fs::metadata(other.at("fifo"))
                .unwrap()
                .file_type()
                .is_fifo()
        );
        assert!(!other.at("socket").exists());
        assert!(
            other.pack(&all[..7], &[]) == archive,
            "packed again it is the same"
        );
    }

    #[test]
    fn an_output_that_fails_and_a_path_that_is_absent_are_errors() {
        struct Full;
        impl Write for Full {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(io::ErrorKind::StorageFull.into())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let tree = Tree::new();
        let mut random = vec![0; 9 << 20];
        fs::File::open("/dev/urandom")
            .unwrap()
            .read_exact(&mut random)
            .unwrap();
        tree.write("big", &random);
        let mut changes = Changeset::new();
        changes.changed.insert("big".into());
        let result = pack(&tree.root, &changes, &PackOptions::default(), Full);
        assert!(matches!(result, Err(crate::Error::Stream { .. })));
        changes.changed.insert("absent".into());
        let result = pack(&tree.root, &changes, &PackOptions::default(), Vec::new());
        let error = result.map(|_| ()).unwrap_err().to_string();
        assert!(error.starts_with("cannot read `absent`"), "{error}");
    }
}
