//! Images and trees written outside of the store. A file gets its name when it is complete.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use stromatekt_files::{Content, Source};
use stromatekt_graph::file::{Copy, CopySource, Unpack};
use stromatekt_kernel::Root;
use stromatekt_oci::image::OutputImage;
use stromatekt_oci::{archive, layout, rootfs_tar};

use crate::error::{Error, Result};
use crate::file_step::tree_source;
use crate::request::{Destination, Output};

const BUFFER: usize = 1 << 20;

/// Fails for outputs that could not be written, before anything else is done.
pub(crate) fn check(outputs: &[Output]) -> Result<()> {
    for output in outputs {
        match output {
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
            | Output::Tar(Destination::Path(path)) => check_file(path)?,
            Output::Local(path) => check_directory(path)?,
            Output::Store
            | Output::Registry { .. }
            | Output::OciLayout { .. }
            | Output::DockerArchive { .. }
            | Output::Tar(Destination::Stdout) => {}
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
pub(crate) fn oci_layout(
    images: &[OutputImage],
    destination: &Destination,
    tar: bool,
) -> Result<()> {
    match destination {
        Destination::Path(path) if !tar => Ok(layout::write_directory(path, images)?),
        _ => to(destination, |out| Ok(layout::write_tar(out, images)?)),
    }
}

/// Writes an archive as `docker save` makes it.
pub(crate) fn docker_archive(images: &[OutputImage], destination: &Destination) -> Result<()> {
    to(destination, |out| Ok(archive::write_docker(out, images)?))
}

/// Writes all of a tree as one tar stream.
pub(crate) fn rootfs_tar(
    root: &Root,
    destination: &Destination,
    latest_time: Option<i64>,
) -> Result<()> {
    to(destination, |out| {
        rootfs_tar::write_rootfs(root, out, latest_time)?;
        Ok(())
    })
}

/// Copies all of a tree over what is in a directory. Links that are there are replaced where they are in the way, never followed.
pub(crate) fn local(root: &Root, directory: &Path) -> Result<()> {
    let into = crate::snapshots::open_root(directory)?;
    let source: Source<'_> = tree_source(root);
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
    Ok(())
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
