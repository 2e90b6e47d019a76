//! The tar that [`crate::layout`] and [`crate::archive`] write: members sorted by name, of root, without times.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Write};

use crate::descriptor::Index;
use crate::error::{Error, Result};
use crate::image::{Content, Exported, OutputLayer, blobs};
use crate::layout::{BLOBS, INDEX_FILE, LAYOUT, LAYOUT_FILE};
use crate::source::DOCKER_MANIFEST;
use crate::tar::{END, Header, Style, pad};

const CHUNK: usize = 1 << 20;

/// Writes the layout of some images and indexes, and docker's list of them where there is one.
pub(crate) fn write<W: Write>(
    mut out: W,
    outputs: &[Exported],
    docker_manifest: Option<&[u8]>,
) -> Result<()> {
    let entries = outputs.iter().flat_map(Exported::index_entries);
    let index = Index::new(entries.collect()).to_json();
    let mut members: BTreeMap<String, (u32, Content<'_>)> = blobs(outputs)
        .into_iter()
        .map(|(digest, content)| (format!("{BLOBS}/{}", digest.hex()), (0o444, content)))
        .collect();
    members.insert(INDEX_FILE.to_owned(), (0o644, Content::Bytes(&index)));
    members.insert(LAYOUT_FILE.to_owned(), (0o444, Content::Bytes(LAYOUT)));
    if let Some(list) = docker_manifest {
        members.insert(DOCKER_MANIFEST.to_owned(), (0o644, Content::Bytes(list)));
    }
    let failed = || Error::stream("write the archive");
    let mut block = Vec::new();
    for directory in ["blobs/", "blobs/sha256/"] {
        Header::directory(directory.as_bytes(), 0o755).encode(Style::Any, &mut block);
    }
    out.write_all(&block).map_err(failed())?;
    for (name, (mode, content)) in &members {
        let size = match content {
            Content::Bytes(bytes) => bytes.len() as u64,
            Content::File(layer) => layer.descriptor.size,
        };
        block.clear();
        Header::file(name.as_bytes(), *mode, size).encode(Style::Any, &mut block);
        out.write_all(&block).map_err(failed())?;
        match content {
            Content::Bytes(bytes) => out.write_all(bytes).map_err(failed())?,
            Content::File(layer) => copy(layer, &mut out)?,
        }
        out.write_all(&END[..pad(size)]).map_err(failed())?;
    }
    out.write_all(&END).map_err(failed())?;
    out.flush().map_err(failed())
}

/// Copies a layer's blob, which must be as long as the header said.
fn copy(layer: &OutputLayer, out: &mut impl Write) -> Result<()> {
    let path = &layer.path;
    let expected = layer.descriptor.size;
    let file = File::open(path).map_err(Error::io("open", path))?;
    let mut file = file.take(expected + 1);
    let mut buffer = vec![0; CHUNK];
    let mut found = 0;
    loop {
        match file.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => {
                found += count as u64;
                if found <= expected {
                    out.write_all(&buffer[..count])
                        .map_err(Error::stream("write the archive"))?;
                }
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(Error::io("read", path)(error)),
        }
    }
    match found == expected {
        true => Ok(()),
        false => Err(Error::SizeMismatch {
            what: format!("the blob {}", layer.descriptor.digest),
            expected,
            found,
        }),
    }
}
