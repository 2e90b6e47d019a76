//! Images from files into the store: OCI layouts, docker-archives, and root filesystems.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use stromatekt_kernel::direct::DirectWriter;
use stromatekt_oci::config::{History, ImageConfig};
use stromatekt_oci::image::{Document, Exported, OutputIndex};
use stromatekt_oci::platform::Platform;
use stromatekt_oci::reference::ImageReference;
use stromatekt_oci::source::ImageSource;
use stromatekt_oci::unpack::apply_layer;
use stromatekt_oci::{Digest, MediaType};
use stromatekt_store::blobs::LayerBlob;
use stromatekt_store::{ImageRecord, LayerRecord, TreeId};
use tokio_util::sync::CancellationToken;

use crate::catalog::{Found, parse_config};
use crate::engine::{Engine, Parts};
use crate::error::{Error, Result};
use crate::events::{Events, Outcome, Vertex};
use crate::export::Form;
use crate::images::{BaseImage, Origin};
use crate::limits::blocking;
use crate::request::Destination;
use crate::write;

/// An image that was loaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loaded {
    /// The digest of its config.
    pub id: Digest,
    /// The names that it was given.
    pub names: Vec<ImageReference>,
}

/// How images are written to a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SaveFormat {
    /// As `docker save` writes it.
    DockerArchive,
    /// An OCI layout.
    OciLayout {
        /// One tar stream instead of a directory.
        tar: bool,
    },
}

impl Engine {
    /// Loads all images of this platform in an OCI layout (directory or tar), a docker-archive, or a root filesystem tar, and unpacks them.
    ///
    /// A `name` replaces the names that the file gives, and must not when there are several images. A root filesystem becomes an
    /// image of one layer without a config.
    ///
    /// # Errors
    /// When the file is none of these or not sound; then the store is as before.
    pub async fn load(
        &self,
        path: &Path,
        name: Option<&ImageReference>,
        events: &Events,
        cancel: CancellationToken,
    ) -> Result<Vec<Loaded>, Arc<Error>> {
        let vertex = events.start(&format!("[internal] load {}", path.display()));
        let loaded = self.load_all(path, name, &vertex, &cancel).await;
        vertex.complete(match &loaded {
            Ok(_) => Outcome::Done,
            Err(error) if error.is_canceled() => Outcome::Canceled,
            Err(error) => Outcome::Failed(error.to_string()),
        });
        loaded.map_err(Arc::new)
    }

    async fn load_all(
        &self,
        path: &Path,
        name: Option<&ImageReference>,
        vertex: &Vertex,
        cancel: &CancellationToken,
    ) -> Result<Vec<Loaded>> {
        let source = {
            let path = path.to_owned();
            blocking(move || Ok(ImageSource::open(&path))).await?
        };
        let source = match source {
            Err(error) if error.is_no_image() => {
                let loaded = self.parts.import(path, name, cancel).await?;
                return Ok(vec![loaded]);
            }
            source => Arc::new(source?),
        };
        let images = source.images(&Platform::host())?;
        if name.is_some() && images.len() > 1 {
            return Err(Error::Unsupported {
                what: format!(
                    "{} holds {} images, which cannot have one name",
                    path.display(),
                    images.len()
                ),
                hint: "load it without --name".into(),
            });
        }
        let mut loaded = Vec::new();
        for found in images {
            let names = match name {
                Some(name) => vec![name.clone()],
                None => found.names,
            };
            let blobs = found.layers.into_iter().map(Some).collect();
            let origin = Origin::File(Arc::clone(&source));
            let title = path.display().to_string();
            let image = BaseImage::new(found.config, blobs, found.manifest, origin, &title)?;
            let image = Arc::new(image);
            self.parts.unpack(&image, vertex, cancel).await?;
            // Layers whose trees were there already.
            for layer in &image.layers {
                self.parts.keep_blob(&image, layer, vertex, cancel).await?;
            }
            let id = self
                .parts
                .store
                .add_image(&image.record(), &names, image.manifest)?;
            loaded.push(Loaded { id, names });
        }
        Ok(loaded)
    }

    /// Writes images of the store, by name, id or start of an id, into one file or layout.
    ///
    /// # Errors
    /// When there is no such image, or the destination cannot be written.
    pub async fn save(
        &self,
        images: &[String],
        format: SaveFormat,
        destination: Destination,
    ) -> Result<()> {
        let mut wanted: Vec<(Found, Vec<ImageReference>)> = Vec::new();
        for image in images {
            let found = self.parts.find_named(image)?;
            let id = found.id();
            // As docker: what is asked for by name keeps that name.
            let named = image.parse::<ImageReference>().ok().filter(|name| {
                name.digest().is_none()
                    && self
                        .parts
                        .store
                        .image_named(name)
                        .is_ok_and(|found| found == Some(id))
            });
            match wanted.iter_mut().find(|(known, _)| known.id() == id) {
                Some((_, names)) => names.extend(named),
                None => wanted.push((found, named.into_iter().collect())),
            }
        }
        let parts = Arc::clone(&self.parts);
        blocking(move || {
            let cancel = CancellationToken::new();
            let oci = matches!(format, SaveFormat::OciLayout { .. });
            let mut outputs = Vec::new();
            for (found, names) in wanted {
                outputs.push(Exported {
                    names,
                    document: parts.document(&found, oci, &cancel)?,
                });
            }
            match format {
                SaveFormat::DockerArchive => write::docker_archive(&outputs, &destination),
                SaveFormat::OciLayout { tar } => write::oci_layout(&outputs, &destination, tar),
            }
        })
        .await
    }
}

impl Parts {
    /// What has a name in the store, as outputs take it. An index has the media types of the image-spec, whatever the archive.
    pub(crate) fn document(
        &self,
        found: &Found,
        oci: bool,
        cancel: &CancellationToken,
    ) -> Result<Document> {
        let listing = match found {
            Found::Image(_, record) => {
                let platform = parse_config(record)?.platform();
                let form = Form {
                    oci,
                    ..Form::default()
                };
                let image = self.output_image(record, platform, form, cancel)?;
                return Ok(Document::Image(image));
            }
            Found::Listing(_, listing) => listing,
        };
        let mut images = Vec::new();
        for listed in &listing.images {
            let form = Form {
                oci: true,
                annotations: listed.annotations.clone(),
                descriptor_annotations: listed.descriptor_annotations.clone(),
                ..Form::default()
            };
            let (record, platform) = (self.listed(&listed.id)?, listed.platform.clone());
            images.push(self.output_image(&record, platform, form, cancel)?);
        }
        Ok(match (listing.is_index, images.len()) {
            (false, 1) => Document::Image(images.remove(0)),
            _ => Document::Index(OutputIndex::new(
                images,
                MediaType::OciIndex,
                listing.annotations.clone(),
                listing.descriptor_annotations.clone(),
            )),
        })
    }

    /// Makes an image of a root filesystem tar, which becomes its layer as it is.
    async fn import(
        self: &Arc<Self>,
        path: &Path,
        name: Option<&ImageReference>,
        cancel: &CancellationToken,
    ) -> Result<Loaded> {
        let _turn = self.limits.disk(cancel).await?;
        let (parts, path, cancel) = (Arc::clone(self), path.to_owned(), cancel.clone());
        let names: Vec<ImageReference> = name.cloned().into_iter().collect();
        blocking(move || {
            let file = File::open(&path).map_err(Error::file("open", &path))?;
            let size = file
                .metadata()
                .map_err(Error::file("look at", &path))?
                .len();
            parts.snapshots.ensure_space(size)?;
            let draft = parts.snapshots.fork(None)?;
            let kept = parts.store.lease().scratch_file();
            let mut tee = DirectWriter::create_new(&kept).map_err(Error::file("make", &kept))?;
            let applied = apply_layer(
                crate::unpack::Cancelable(file, cancel.clone()),
                &mut tee,
                &draft.root()?,
            );
            let applied = match applied {
                Err(_) if cancel.is_cancelled() => return Err(Error::Canceled),
                Err(source) => {
                    return Err(parts.snapshots.explain(Error::Archive { path, source }));
                }
                Ok(applied) => applied,
            };
            tee.finish().map_err(Error::file("write", &kept))?;
            let media_type = MediaType::OciLayer(applied.compression);
            let config = imported(applied.diff_id);
            let layer = LayerBlob {
                diff_id: applied.diff_id,
                compression: applied.compression,
                packed_here: false,
            };
            parts
                .store
                .add_blob(&kept, &applied.digest, applied.size, Some(layer))?;
            draft.keep_as(TreeId(applied.diff_id))?;
            let record = ImageRecord {
                config: config.to_json(),
                layers: vec![LayerRecord {
                    diff_id: applied.diff_id,
                    blob: Some((applied.digest, media_type)),
                }],
            };
            let id = parts.store.add_image(&record, &names, None)?;
            Ok(Loaded { id, names })
        })
        .await
    }
}

/// The config of an image made of a root filesystem, as `docker import` makes it; but without a time, so that the same files are the
/// same image.
fn imported(diff_id: Digest) -> ImageConfig {
    let mut config = ImageConfig::for_platform(&Platform::host());
    config.rootfs.diff_ids = vec![diff_id];
    config.history = vec![History {
        comment: "Imported from a root filesystem".to_owned(),
        ..History::default()
    }];
    config
}
