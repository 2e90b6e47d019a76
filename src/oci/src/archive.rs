//! Writing docker-archives: what `docker load` takes, old and new, and what buildx writes with `--output type=docker`.

use std::io::Write;

use serde_json::json;

use crate::error::Result;
use crate::image::OutputImage;
use crate::image_tar;
use crate::layout::BLOBS;

/// Writes images as a docker-archive, which is an OCI layout as well. The same images give the same bytes.
///
/// Every docker that can read one goes by `manifest.json`, which says where configs and layers are; newer ones prefer the layout.
pub fn write_docker<W: Write>(out: W, images: &[OutputImage]) -> Result<()> {
    let blob = |digest: &crate::Digest| format!("{BLOBS}/{}", digest.hex());
    let list: Vec<_> = images
        .iter()
        .map(|image| {
            let names: Vec<_> = image.names.iter().map(|name| name.familiar()).collect();
            let layers = image
                .layers
                .iter()
                .map(|layer| blob(&layer.descriptor.digest));
            json!({
                "Config": blob(&crate::Digest::of(&image.config)),
                // Go writes an empty list so.
                "RepoTags": (!names.is_empty()).then_some(names),
                "Layers": layers.collect::<Vec<_>>(),
            })
        })
        .collect();
    let manifest = serde_json::Value::from(list).to_string();
    image_tar::write(out, images, Some(manifest.as_bytes()))
}
