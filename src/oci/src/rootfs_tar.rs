//! All of a tree as one tar, as `docker build --output type=tar` writes it.

use std::io::Write;
use std::path::PathBuf;

use stromatekt_kernel::{FileKind, Root};

use crate::error::{Error, Result};
use crate::pack::Xattrs;
use crate::tar::END;
use crate::tree_writer::{Times, TreeWriter};
use crate::write_behind::write_behind;

/// A root filesystem that is to be written.
#[derive(Clone, Copy, Debug)]
pub struct Rootfs<'a> {
    /// Where it is.
    pub root: &'a Root,
    /// The directory of the archive that it goes into; the top where absent.
    pub directory: Option<&'a str>,
    /// The time of every entry (`SOURCE_DATE_EPOCH`); BuildKit's exporter of root filesystems does not keep earlier ones, as layers do.
    pub epoch: Option<i64>,
}

/// Writes all of the trees to `out`, which is given back: sorted, without the roots themselves, with all extended attributes.
pub fn write_rootfs<W: Write + Send>(trees: &[Rootfs<'_>], out: W) -> Result<W> {
    let written = write_behind(out, "write the archive", |out| {
        for tree in trees {
            let times = Times::Exactly(tree.epoch);
            let mut writer = TreeWriter::new(tree.root, out, times, Xattrs::All);
            if let Some(directory) = tree.directory {
                writer = writer.beneath(directory, tree.epoch.unwrap_or(0))?;
            }
            // What is still to write, the next one last.
            let mut waiting = Vec::new();
            list(tree.root, PathBuf::new(), &mut waiting)?;
            while let Some(path) = waiting.pop() {
                if writer.entry(&path)? == FileKind::Directory {
                    list(tree.root, path, &mut waiting)?;
                }
            }
        }
        out.write_all(&END)
            .map_err(Error::stream("end the archive"))
    })?;
    Ok(written.out)
}

/// Appends the entries of a directory, the first one last.
fn list(root: &Root, directory: PathBuf, waiting: &mut Vec<PathBuf>) -> Result<()> {
    let entries = root
        .open_dir_no_symlinks(&directory)
        .and_then(stromatekt_kernel::entry::read_dir_fd)
        .map_err(Error::entry("list the directory", &directory))?;
    let paths = entries
        .iter()
        .rev()
        .map(|entry| directory.join(&entry.name));
    waiting.extend(paths);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::unpack::{UnpackOptions, unpack};

    #[test]
    fn a_tree_comes_back_as_it_was() {
        let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let at = |name: &str| from.path().join(name);
        std::fs::create_dir_all(at("b/c")).unwrap();
        std::fs::write(at("b/c/file"), "content").unwrap();
        std::fs::hard_link(at("b/c/file"), at("a-link")).unwrap();
        std::os::unix::fs::symlink("b/c", at("z")).unwrap();
        let root = Root::open(from.path()).unwrap();
        let top = |root| Rootfs {
            root,
            directory: None,
            epoch: Some(77),
        };
        let tar = write_rootfs(&[top(&root)], Vec::new()).unwrap();
        let into = Root::open(to.path()).unwrap();
        let unpacked = unpack(&tar[..], &into, &UnpackOptions::default()).unwrap();
        assert_eq!(unpacked.entries, 5);
        assert_eq!(std::fs::read(to.path().join("z/file")).unwrap(), b"content");
        let (one, other) = (
            into.lstat("a-link").unwrap(),
            into.lstat("b/c/file").unwrap(),
        );
        assert_eq!((one.ino, one.nlink, one.mtime.seconds), (other.ino, 2, 77));
        assert!(write_rootfs(&[top(&into)], Vec::new()).unwrap() == tar);
    }

    #[test]
    fn trees_have_directories_of_their_own() {
        let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        std::fs::write(from.path().join("a"), "content").unwrap();
        std::fs::hard_link(from.path().join("a"), from.path().join("b")).unwrap();
        let root = Root::open(from.path()).unwrap();
        let trees = ["linux_amd64", "linux_arm64"].map(|name| Rootfs {
            root: &root,
            directory: Some(name),
            epoch: None,
        });
        let tar = write_rootfs(&trees, Vec::new()).unwrap();
        let into = Root::open(to.path()).unwrap();
        let unpacked = unpack(&tar[..], &into, &UnpackOptions::default()).unwrap();
        assert_eq!(unpacked.entries, 6);
        for tree in trees {
            let directory = to.path().join(tree.directory.unwrap());
            assert_eq!(std::fs::read(directory.join("b")).unwrap(), b"content");
        }
        let stat = |path: &str| into.lstat(path).unwrap();
        assert_eq!(stat("linux_arm64/a").ino, stat("linux_arm64/b").ino);
        assert_ne!(stat("linux_amd64/a").ino, stat("linux_arm64/a").ino);
    }
}
