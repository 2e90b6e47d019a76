//! Writing OCI image layouts (image-spec `image-layout.md`): as directories, and as one tar.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use stromatekt_kernel::reflink;

use crate::descriptor::{Descriptor, IMAGE_NAME, Index, REF_NAME};
use crate::error::{Error, Result};
use crate::image::{Content, Exported, blobs};
use crate::image_tar;

pub(crate) const LAYOUT_FILE: &str = "oci-layout";
pub(crate) const INDEX_FILE: &str = "index.json";
pub(crate) const BLOBS: &str = "blobs/sha256";
/// The content of the file that marks a layout.
pub(crate) const LAYOUT: &[u8] = br#"{"imageLayoutVersion":"1.0.0"}"#;

/// Writes images and indexes into a layout directory, which is made unless it exists.
///
/// Images that are there stay; those of the same names give them up. Blobs share their content with the files that they come from
/// where the file system can, and are linked to them else. Every file gets its name when it is complete, the index at last.
pub fn write_directory(directory: &Path, outputs: &[Exported]) -> Result<()> {
    let blobs_directory = directory.join(BLOBS);
    fs::create_dir_all(&blobs_directory)
        .map_err(Error::io("make the directory", &blobs_directory))?;
    for (digest, content) in blobs(outputs) {
        let path = blobs_directory.join(digest.hex());
        match content {
            Content::Bytes(bytes) => replace(&path, bytes)?,
            Content::File(layer) => {
                let size = layer.descriptor.size;
                if fs::symlink_metadata(&path)
                    .is_ok_and(|found| found.is_file() && found.size() == size)
                {
                    continue;
                }
                let fresh = beside(&path);
                let placed = remove_if_there(&fresh)
                    .and_then(|()| reflink::link_or_clone(&layer.path, &fresh))
                    .and_then(|_| fs::rename(&fresh, &path));
                placed.map_err(Error::io("copy a layer to", &path))?;
            }
        }
    }
    let index_path = directory.join(INDEX_FILE);
    let mut index = match fs::read(&index_path) {
        Ok(json) => Index::parse(&json, &index_path.display().to_string())?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => Index::default(),
        Err(error) => return Err(Error::io("read", &index_path)(error)),
    };
    for output in outputs {
        for entry in output.index_entries() {
            index
                .manifests
                .retain(|known| !is_replaced_by(known, &entry));
            index.manifests.push(entry);
        }
    }
    replace(&directory.join(LAYOUT_FILE), LAYOUT)?;
    replace(&index_path, &index.to_json())
}

/// Writes images and indexes as a layout in one tar. The same images give the same bytes.
pub fn write_tar<W: Write>(out: W, outputs: &[Exported]) -> Result<()> {
    image_tar::write(out, outputs, None)
}

/// Whether an index must not have both entries: they have one name, or are one image without a name.
fn is_replaced_by(known: &Descriptor, new: &Descriptor) -> bool {
    let name = |entry: &Descriptor| {
        let annotation = |key| entry.annotations.get(key).cloned();
        (annotation(IMAGE_NAME), annotation(REF_NAME))
    };
    name(known) == name(new) && (name(new) != (None, None) || known.digest == new.digest)
}

/// Makes a file that has its whole content as soon as it has its name.
fn replace(path: &Path, content: &[u8]) -> Result<()> {
    let fresh = beside(path);
    let replaced = remove_if_there(&fresh)
        .and_then(|()| fs::write(&fresh, content))
        .and_then(|()| fs::rename(&fresh, path));
    replaced.map_err(Error::io("write", path))
}

/// A name for a file that is to become `path`.
fn beside(path: &Path) -> PathBuf {
    let mut name = std::ffi::OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(format!(".{}", std::process::id()));
    path.with_file_name(name)
}

fn remove_if_there(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result,
    }
}
