//! The config that an image starts with: that of its base, or that of an image from nothing.

use stromatekt_oci::config::{ContainerConfig, ImageConfig};
use stromatekt_oci::platform::Platform;

use crate::environment;
use crate::paths;

/// The search path of an image that sets none (BuildKit's `DefaultPathEnvUnix`, which is docker's too).
const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The config that BuildKit gives to an image from nothing.
pub fn from_nothing(platform: &Platform) -> ImageConfig {
    let mut image = ImageConfig::for_platform(platform);
    "/".clone_into(&mut image.config.working_dir);
    image.config.env = vec![format!("PATH={DEFAULT_PATH}")];
    image
}

/// The config of an image that is built on one with this config. Its history goes on; its triggers are none of the new image.
pub fn from_base(image: ImageConfig) -> ImageConfig {
    let mut image = image.without_unknown();
    image.created = None;
    image.config.on_build.clear();
    image.rootfs.diff_ids.clear();
    complete(&mut image.config);
    image
}

/// Adds what each image has that is built: a search path, and a working directory that is absolute if there is one.
pub fn complete(config: &mut ContainerConfig) {
    let has_path = config
        .env
        .iter()
        .any(|variable| environment::split(variable).0 == "PATH");
    if !has_path {
        config.env.push(format!("PATH={DEFAULT_PATH}"));
    }
    if !config.working_dir.is_empty() && !config.working_dir.starts_with('/') {
        // BuildKit enters it twice: once as the directory of the image, once as by WORKDIR.
        let directory = paths::join("/", &config.working_dir);
        config.working_dir = paths::join(&directory, &config.working_dir);
    }
}
