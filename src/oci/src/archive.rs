//! Writing docker-archives: what `docker load` takes, old and new, and what buildx writes with `--output type=docker`.

use std::io::Write;

use serde_json::json;

use crate::error::Result;
use crate::image::Exported;
use crate::image_tar;
use crate::layout::BLOBS;
use crate::platform::Platform;

/// Writes images as a docker-archive, which is an OCI layout as well. The same images give the same bytes.
///
/// Every docker that can read one goes by `manifest.json`, which says where configs and layers are; newer ones prefer the layout. Of an
/// index, `manifest.json` has the image that suits this machine, or else the first; the layout has all.
pub fn write_docker<W: Write>(out: W, outputs: &[Exported]) -> Result<()> {
    let blob = |digest: &crate::Digest| format!("{BLOBS}/{}", digest.hex());
    let host = Platform::host();
    let list: Vec<_> = outputs
        .iter()
        .filter_map(|output| {
            let images = output.images();
            let image = host
                .best(images.iter().map(|image| (&image.platform, image)))
                .or(images.first())?;
            let names: Vec<_> = output.names.iter().map(|name| name.familiar()).collect();
            let layers = image
                .layers
                .iter()
                .map(|layer| blob(&layer.descriptor.digest));
            Some(json!({
                "Config": blob(&crate::Digest::of(&image.config)),
                // Go writes an empty list so.
                "RepoTags": (!names.is_empty()).then_some(names),
                "Layers": layers.collect::<Vec<_>>(),
            }))
        })
        .collect();
    let manifest = serde_json::Value::from(list).to_string();
    image_tar::write(out, outputs, Some(manifest.as_bytes()))
}
