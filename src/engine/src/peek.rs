//! The configs of images for who builds nothing: the store is looked at, but neither made nor opened; nothing is kept.

use std::path::Path;
use std::sync::Arc;

use stromatekt_graph::op::ImageLocation;
use stromatekt_oci::config::ImageConfig;
use stromatekt_oci::platform::Platform;
use stromatekt_oci::reference::ImageReference;
use stromatekt_oci::source::ImageSource;
use stromatekt_sources::registry::Registry;
use stromatekt_store::peek::image_configs;
use tokio_util::sync::CancellationToken;

use crate::error::{Error, Result};
use crate::events::{Events, Outcome};
use crate::limits::until_cancelled;

/// Finds an image where a build would, and reads its config: in the store in `root` where there is one that can be read, in its registry,
/// in a layout.
///
/// # Errors
/// When it is not found, or there is none for the platform.
pub async fn image_config(
    root: &Path,
    location: &ImageLocation,
    platform: &Platform,
    events: &Events,
    cancel: &CancellationToken,
) -> Result<ImageConfig, Arc<Error>> {
    let vertex = events.start(&format!("[internal] load metadata for {location}"));
    let found = until_cancelled(cancel, find(root, location, platform))
        .await
        .flatten();
    vertex.complete(match &found {
        Ok(_) => Outcome::Done,
        Err(error) if error.is_canceled() => Outcome::Canceled,
        Err(error) => Outcome::Failed(error.to_string()),
    });
    found.map_err(Arc::new)
}

async fn find(root: &Path, location: &ImageLocation, platform: &Platform) -> Result<ImageConfig> {
    let name = location.to_string();
    match location {
        ImageLocation::Named(reference) => {
            if let Some(config) = stored(root, reference, platform)? {
                return Ok(config);
            }
            let found = Registry::new().resolve(reference, platform).await?;
            Ok(ImageConfig::parse(&found.config, &name)?)
        }
        ImageLocation::Layout { path, selector } => {
            let image = ImageSource::open(path)?.image(selector.as_deref(), platform)?;
            Ok(ImageConfig::parse(&image.config, &name)?)
        }
    }
}

/// The config of the image of the store that suits the platform best.
fn stored(root: &Path, name: &ImageReference, platform: &Platform) -> Result<Option<ImageConfig>> {
    let mut configs = Vec::new();
    for json in image_configs(root, name) {
        let config = ImageConfig::parse(&json, &name.to_string())?;
        configs.push((config.platform(), config));
    }
    let all = configs.iter().map(|(platform, config)| (platform, config));
    Ok(platform.best(all).cloned())
}
