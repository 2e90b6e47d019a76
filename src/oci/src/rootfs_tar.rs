//! All of a tree as one tar, as `docker build --output type=tar` writes it.

use std::io::Write;
use std::path::PathBuf;

use stromatekt_kernel::{FileKind, Root};

use crate::error::{Error, Result};
use crate::pack::Xattrs;
use crate::tree_writer::{Times, TreeWriter};
use crate::write_behind::write_behind;

/// Writes all of a tree to `out`, which is given back: sorted, without the root itself, with all extended attributes.
///
/// With an `epoch` (`SOURCE_DATE_EPOCH`), every entry gets that time; BuildKit's exporter of root filesystems does not keep
/// earlier ones, as layers do.
pub fn write_rootfs<W: Write + Send>(root: &Root, out: W, epoch: Option<i64>) -> Result<W> {
    let written = write_behind(out, "write the archive", |out| {
        let mut writer = TreeWriter::new(root, out, Times::Exactly(epoch), Xattrs::All);
        // What is still to write, the next one last.
        let mut waiting = Vec::new();
        list(root, PathBuf::new(), &mut waiting)?;
        while let Some(path) = waiting.pop() {
            if writer.entry(&path)? == FileKind::Directory {
                list(root, path, &mut waiting)?;
            }
        }
        writer.finish()
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
        let tar = write_rootfs(&root, Vec::new(), Some(77)).unwrap();
        let into = Root::open(to.path()).unwrap();
        let unpacked = unpack(&tar[..], &into, &UnpackOptions::default()).unwrap();
        assert_eq!(unpacked.entries, 5);
        assert_eq!(std::fs::read(to.path().join("z/file")).unwrap(), b"content");
        let (one, other) = (
            into.lstat("a-link").unwrap(),
            into.lstat("b/c/file").unwrap(),
        );
        assert_eq!((one.ino, one.nlink, one.mtime.seconds), (other.ino, 2, 77));
        assert!(write_rootfs(&into, Vec::new(), Some(77)).unwrap() == tar);
    }
}
