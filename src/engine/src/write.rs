//! Images and trees written outside of the store. A file gets its name when it is complete.

use std::collections::{HashMap, HashSet};
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use stromatekt_files::{Content, Source};
use stromatekt_graph::file::{Copy, CopySource, Unpack};
use stromatekt_kernel::entry::{futimens, utimensat};
use stromatekt_kernel::{FileKind, Root, Timestamp};
use stromatekt_oci::image::Exported;
use stromatekt_oci::platform::Platform;
use stromatekt_oci::{archive, layout, rootfs_tar};

use crate::error::{Error, Result};
use crate::file_step::tree_source;
use crate::request::{BuildRequest, Destination, ImageRequest, Output};

const BUFFER: usize = 1 << 20;

/// Fails for outputs that could not be written, before anything else is done.
pub(crate) fn check(request: &BuildRequest) -> Result<()> {
    let mut places = HashSet::new();
    for image in &request.images {
        check_image(image)?;
        let outputs = image.outputs.iter().filter_map(place);
        // Several outputs of one image may be the same: that is its owner's business, as with docker.
        let own: HashSet<_> = outputs.collect();
        if let Some(twice) = own.iter().find(|place| places.contains(*place)) {
            return Err(Error::Unsupported {
                what: format!("two images cannot both be written to {twice}"),
                hint: "give each of them an output of its own, or build one of them".into(),
            });
        }
        places.extend(own);
    }
    Ok(())
}

/// Where an output writes to that holds one image.
fn place(output: &Output) -> Option<String> {
    let (Output::OciLayout { destination, .. }
    | Output::DockerArchive { destination, .. }
    | Output::Tar { destination, .. }) = output
    else {
        return match output {
            Output::Local { directory, .. } => Some(directory.display().to_string()),
            _ => None,
        };
    };
    Some(match destination {
        Destination::Path(path) => path.display().to_string(),
        Destination::Stdout => "the standard output".to_owned(),
    })
}

fn check_image(request: &ImageRequest) -> Result<()> {
    let is_index = request.makes_index();
    let platforms: Vec<Platform> = request
        .exports
        .iter()
        .map(|export| export.platform.clone())
        .collect();
    for output in &request.outputs {
        if let Some(options) = output.image_options() {
            let oci = options.oci_media_types;
            options.annotations.check(&platforms, is_index, oci)?;
        }
        match output {
            Output::DockerArchive { .. } if is_index => {
                return Err(Error::Unsupported {
                    what: "docker exporter does not currently support exporting manifest lists".into(),
                    hint: "use type=oci, whose archives newer dockers load, too, or build one platform".into(),
                });
            }
            Output::OciLayout {
                destination: Destination::Path(path),
                tar,
                ..
            } => match tar {
                true => check_file(path)?,
                false => check_directory(path)?,
            },
            Output::DockerArchive {
                destination: Destination::Path(path),
                ..
            }
            | Output::Tar {
                destination: Destination::Path(path),
                ..
            } => check_file(path)?,
            Output::Local { directory, .. } => check_directory(directory)?,
            Output::Store(_)
            | Output::Registry { .. }
            | Output::OciLayout { .. }
            | Output::DockerArchive { .. }
            | Output::Tar { .. } => {}
        }
    }
    Ok(())
}

fn check_file(path: &Path) -> Result<()> {
    if path.is_dir() {
        let error = io::ErrorKind::IsADirectory.into();
        return Err(Error::file("write a file at", path)(error));
    }
    let parent = parent(path);
    let found = fs::metadata(&parent).map_err(Error::file("write into the directory", &parent))?;
    match found.is_dir() {
        true => Ok(()),
        false => Err(Error::file("write into the directory", &parent)(
            io::ErrorKind::NotADirectory.into(),
        )),
    }
}

fn check_directory(path: &Path) -> Result<()> {
    fs::create_dir_all(path).map_err(Error::file("make the directory", path))
}

fn parent(path: &Path) -> PathBuf {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        _ => ".".into(),
    }
}

/// Writes an OCI layout: a directory, or one tar stream.
pub(crate) fn oci_layout(images: &[Exported], destination: &Destination, tar: bool) -> Result<()> {
    match destination {
        Destination::Path(path) if !tar => Ok(layout::write_directory(path, images)?),
        _ => to(destination, |out| Ok(layout::write_tar(out, images)?)),
    }
}

/// Writes an archive as `docker save` makes it.
pub(crate) fn docker_archive(images: &[Exported], destination: &Destination) -> Result<()> {
    to(destination, |out| Ok(archive::write_docker(out, images)?))
}

/// The root filesystem of a platform, and how it is written.
pub(crate) struct PlatformTree {
    /// Where it is.
    pub root: Root,
    /// The directory that it goes into; the destination itself where absent.
    pub name: Option<String>,
    /// What it is for.
    pub platform: String,
    /// The time of all that is written.
    pub epoch: Option<i64>,
}

/// Writes all of the trees as one tar stream.
pub(crate) fn rootfs_tar(trees: &[PlatformTree], destination: &Destination) -> Result<()> {
    let trees: Vec<rootfs_tar::Rootfs<'_>> = trees
        .iter()
        .map(|tree| rootfs_tar::Rootfs {
            root: &tree.root,
            directory: tree.name.as_deref(),
            epoch: tree.epoch,
        })
        .collect();
    to(destination, |out| {
        rootfs_tar::write_rootfs(&trees, out)?;
        Ok(())
    })
}

/// Copies all of the trees over what is in a directory. Links that are there are replaced where they are in the way, never followed.
pub(crate) fn local(trees: &[PlatformTree], directory: &Path) -> Result<()> {
    check_overlap(trees)?;
    for tree in trees {
        let directory = match &tree.name {
            None => directory.to_owned(),
            Some(name) => {
                let inner = directory.join(name);
                check_directory(&inner)?;
                inner
            }
        };
        copy_tree(tree, &directory)?;
    }
    Ok(())
}

/// Fails where two trees have a file at the same path and go into the same directory, as BuildKit does.
fn check_overlap(trees: &[PlatformTree]) -> Result<()> {
    let mut seen: HashMap<PathBuf, &str> = HashMap::new();
    for tree in trees.iter().filter(|tree| tree.name.is_none()) {
        if trees.len() == 1 {
            break;
        }
        for path in files_of(&tree.root)? {
            if let Some(other) = seen.get(&path) {
                return Err(Error::Unsupported {
                    what: format!(
                        "cannot overwrite {} from {other} with {} when split option is disabled",
                        path.display(),
                        tree.platform
                    ),
                    hint: "leave platform-split=false out: each platform has a directory of its own then".into(),
                });
            }
            seen.insert(path, &tree.platform);
        }
    }
    Ok(())
}

/// The paths of all that is no directory.
fn files_of(root: &Root) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let mut waiting = vec![PathBuf::new()];
    while let Some(directory) = waiting.pop() {
        let unreadable = || Error::file("list the directory", &directory);
        let entries = root
            .open_dir_no_symlinks(&directory)
            .and_then(stromatekt_kernel::entry::read_dir_fd)
            .map_err(unreadable())?;
        for entry in entries {
            let path = directory.join(&entry.name);
            match root
                .lstat(&path)
                .map_err(Error::file("look at", &path))?
                .kind
            {
                FileKind::Directory => waiting.push(path),
                _ => files.push(path),
            }
        }
    }
    Ok(files)
}

fn copy_tree(tree: &PlatformTree, directory: &Path) -> Result<()> {
    let into = crate::snapshots::open_root(directory)?;
    let source: Source<'_> = tree_source(&tree.root);
    let copy = Copy {
        from: CopySource::Inline {
            name: String::new(),
            content: Vec::new(),
        },
        destination: "/".to_owned(),
        owner: None,
        mode: None,
        unpack: Unpack::Never,
        parents: false,
        exclude: Vec::new(),
        link: true,
    };
    let selection = stromatekt_files::select(&source, &[".".to_owned()], &copy)?;
    let content = Content::Tree(&source, &selection);
    let _ = stromatekt_files::copy(content, &copy, &into)?;
    match tree.epoch {
        Some(epoch) => set_times(tree, &into, epoch),
        None => Ok(()),
    }
}

/// Gives all that a tree brought this time, directories after what is in them.
fn set_times(tree: &PlatformTree, into: &Root, epoch: i64) -> Result<()> {
    let mut directories = vec![PathBuf::new()];
    let mut at = 0;
    let time = Timestamp {
        seconds: epoch,
        nanoseconds: 0,
    };
    while let Some(directory) = directories.get(at).cloned() {
        at += 1;
        let entries = tree
            .root
            .open_dir_no_symlinks(&directory)
            .and_then(stromatekt_kernel::entry::read_dir_fd)
            .map_err(Error::file("list the directory", &directory))?;
        for entry in entries {
            let path = directory.join(&entry.name);
            match tree
                .root
                .lstat(&path)
                .map_err(Error::file("look at", &path))?
                .kind
            {
                FileKind::Directory => directories.push(path),
                _ => set_time(into, &path, time).map_err(Error::file("set the time of", &path))?,
            }
        }
    }
    // The root is not part of what BuildKit sends, unless it is a directory of its own.
    let first = usize::from(tree.name.is_none());
    for directory in directories.iter().skip(first).rev() {
        set_time(into, directory, time).map_err(Error::file("set the time of", directory))?;
    }
    Ok(())
}

fn set_time(root: &Root, path: &Path, time: Timestamp) -> io::Result<()> {
    match path.as_os_str().is_empty() {
        true => futimens(root.open_dir(path)?, time, time),
        false => {
            let (parent, name) = root.open_parent(path)?;
            utimensat(parent, &name, time, time)
        }
    }
}

/// Gives `write` what is to become the destination's content.
fn to(
    destination: &Destination,
    write: impl FnOnce(&mut (dyn Write + Send)) -> Result<()>,
) -> Result<()> {
    match destination {
        Destination::Stdout => {
            let mut out = BufWriter::with_capacity(BUFFER, io::stdout());
            write(&mut out)?;
            out.flush()
                .map_err(Error::file("write to", "the standard output"))
        }
        // What is no file and no link to one (a pipe, a device) cannot be replaced.
        Destination::Path(path) if fs::metadata(path).is_ok_and(|found| !found.is_file()) => {
            let file = File::options()
                .write(true)
                .open(path)
                .map_err(Error::file("open", path))?;
            let mut out = BufWriter::with_capacity(BUFFER, file);
            write(&mut out)?;
            out.flush().map_err(Error::file("write", path))
        }
        Destination::Path(path) => {
            let mut file = tempfile::NamedTempFile::new_in(parent(path))
                .map_err(Error::file("make a file beside", path))?;
            let mut out = BufWriter::with_capacity(BUFFER, file.as_file_mut());
            write(&mut out)?;
            out.flush().map_err(Error::file("write", path))?;
            drop(out);
            let mode = fs::Permissions::from_mode(0o666 & !umask());
            file.as_file()
                .set_permissions(mode)
                .map_err(Error::file("set the mode of", path))?;
            // A link keeps its place, and what it leads to is replaced.
            let path = fs::canonicalize(path).unwrap_or_else(|_| path.clone());
            file.persist(&path)
                .map(drop)
                .map_err(|error| Error::file("name", &path)(error.error))
        }
    }
}

/// What files of this process lack of their permissions.
fn umask() -> u32 {
    // Reading the umask means setting it, which other threads would see: /proc tells it.
    fs::read_to_string("/proc/self/status")
        .ok()
        .and_then(|status| {
            let line = status
                .lines()
                .find_map(|line| line.strip_prefix("Umask:"))?;
            u32::from_str_radix(line.trim(), 8).ok()
        })
        .unwrap_or(0o022)
}
