//! Trees written as lines, and copies between them.
//!
//! `dir/`, `file=content`, `link->target`, `first=>second` (a hard link to the first), each maybe with ` @mode` or ` @mode:uid:gid`.

// Not every test uses all of it.
#![allow(dead_code)]

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, lchown, symlink};
use std::path::Path;

use stromatekt_files::{Content, Copied, Error, IgnoreFilter, Owners, Source};
use stromatekt_graph::file::{Copy, CopySource, Unpack};
use stromatekt_kernel::Root;
use tempfile::TempDir;

/// Makes a tree.
pub fn tree(lines: &[&str]) -> TempDir {
    let root = tempfile::tempdir().unwrap();
    fill(root.path(), lines);
    root
}

/// Makes entries in a directory.
pub fn fill(root: &Path, lines: &[&str]) {
    let mut attributes = Vec::new();
    for line in lines {
        let (entry, mode) = match line.split_once(" @") {
            Some((entry, mode)) => (entry, Some(mode)),
            None => (*line, None),
        };
        let name = if let Some((first, second)) = entry.split_once("=>") {
            parents(&root.join(second));
            fs::hard_link(root.join(first), root.join(second)).unwrap();
            second
        } else if let Some((link, target)) = entry.split_once("->") {
            parents(&root.join(link));
            symlink(target, root.join(link)).unwrap();
            link
        } else if let Some((file, content)) = entry.split_once('=') {
            parents(&root.join(file));
            fs::write(root.join(file), content).unwrap();
            fs::set_permissions(root.join(file), fs::Permissions::from_mode(0o644)).unwrap();
            file
        } else {
            fs::create_dir_all(root.join(entry)).unwrap();
            entry
        };
        attributes.extend(mode.map(|mode| (root.join(name), mode)));
    }
    for (path, text) in attributes {
        let mut parts = text.split(':');
        let mode = u32::from_str_radix(parts.next().unwrap(), 8).unwrap();
        let ids: Vec<u32> = parts.map(|id| id.parse().unwrap()).collect();
        if let [uid, gid] = ids[..] {
            lchown(&path, Some(uid), Some(gid)).unwrap();
        }
        if !path.is_symlink() {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        }
    }
}

fn parents(path: &Path) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
}

/// The lines of everything in a directory, sorted; attributes only where they are not the usual ones.
pub fn lines(root: &Path) -> Vec<String> {
    let mut found = Vec::new();
    list(root, "", &mut found);
    found.sort();
    found
}

fn list(dir: &Path, prefix: &str, found: &mut Vec<String>) {
    for entry in fs::read_dir(dir).unwrap() {
        let entry = entry.unwrap();
        let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
        let metadata = entry.metadata().unwrap();
        let kind = metadata.file_type();
        let (mut line, usual) = if kind.is_dir() {
            list(&entry.path(), &format!("{name}/"), found);
            (format!("{name}/"), 0o755)
        } else if kind.is_symlink() {
            let target = fs::read_link(entry.path()).unwrap();
            (format!("{name}->{}", target.display()), 0o777)
        } else if kind.is_file() {
            let content = fs::read(entry.path()).unwrap();
            (
                format!("{name}={}", String::from_utf8_lossy(&content)),
                0o644,
            )
        } else {
            (
                format!("{name} {:o} {}", metadata.mode() >> 12, metadata.rdev()),
                0o644,
            )
        };
        let (mode, uid, gid) = (metadata.mode() & 0o7777, metadata.uid(), metadata.gid());
        if (uid, gid) != (0, 0) {
            line.push_str(&format!(" @{mode:o}:{uid}:{gid}"));
        } else if mode != usual {
            line.push_str(&format!(" @{mode:o}"));
        }
        found.push(line);
    }
}

/// A plain COPY to this destination.
pub fn to(destination: &str) -> Copy {
    Copy {
        from: CopySource::Inline {
            name: String::new(),
            content: Vec::new(),
        },
        destination: destination.to_owned(),
        owner: None,
        mode: None,
        unpack: Unpack::Never,
        parents: false,
        exclude: Vec::new(),
        link: false,
    }
}

/// COPY of a pattern between two directories.
pub fn copy(from: &Path, pattern: &str, copy: &Copy, into: &Path) -> Result<Copied, Error> {
    copy_as(from, Owners::Kept, None, pattern, copy, into)
}

/// COPY of a pattern out of a build context.
pub fn copy_as(
    from: &Path,
    owners: Owners,
    ignore: Option<&dyn IgnoreFilter>,
    pattern: &str,
    copy: &Copy,
    into: &Path,
) -> Result<Copied, Error> {
    let root = Root::open(from).unwrap();
    let source = Source {
        root: &root,
        owners,
        ignore,
    };
    let selection = stromatekt_files::select(&source, &[pattern.to_owned()], copy)?;
    let into = Root::open(into).unwrap();
    stromatekt_files::copy(Content::Tree(&source, &selection), copy, &into)
}
