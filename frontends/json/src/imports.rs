//! The images that a pipeline imports: where they are, their trees, layers and configs.

use std::path::PathBuf;

use stromatekt_graph::NodeId;
use stromatekt_graph::op::{Image, ImageLocation, Layer, Op};
use stromatekt_oci::config::ImageConfig;
use stromatekt_oci::platform::Platform;
use stromatekt_oci::reference::ImageReference;
use stromatekt_pipeline::{ImageRequest, Place, Problem};

use crate::build::{Builder, Layered};
use crate::model::Import;

impl Builder<'_> {
    /// A layer of an import, the lowest is 0.
    pub fn image_layer(
        &mut self,
        index: usize,
        number: usize,
        place: &Place,
    ) -> Result<Layered, Problem> {
        let image = self.import(index)?;
        let name = format!("{}.layers.{number}", self.pipeline.images[index].name.text);
        let op = Op::Layer(Layer {
            image,
            index: number,
        });
        Ok(Layered {
            changeset: self.add(op, format!("layer {name}"), place)?,
            name,
            compression: None,
            is_own: false,
        })
    }

    /// The import that a node is the image of.
    pub fn import_of(&self, node: NodeId) -> Option<usize> {
        let Op::Image(image) = &self.graph.node(node).op else {
            return None;
        };
        self.pipeline.images.iter().position(|import| {
            let (location, platform) = self.located(import);
            location == image.source && platform == image.platform
        })
    }

    /// Where an image is, and for which platform it is asked.
    fn located(&self, import: &Import) -> (ImageLocation, Platform) {
        let platform = import.platform.as_ref().unwrap_or(&self.platform);
        let location = match &import.location {
            ImageLocation::Named(reference) => match self.overridden(reference) {
                Some(path) => ImageLocation::Layout {
                    path: path.clone(),
                    selector: None,
                },
                None => import.location.clone(),
            },
            layout @ ImageLocation::Layout { .. } => layout.clone(),
        };
        (location, platform.clone())
    }

    /// Where an image is instead: what is said for its whole name counts most, then what is said for the name without a tag.
    fn overridden(&self, reference: &ImageReference) -> Option<&PathBuf> {
        let short = reference.familiar_name();
        let is_whole = |name: &str| {
            name != short
                && name
                    .parse()
                    .is_ok_and(|name: ImageReference| *reference == name)
        };
        let whole = self.overrides.iter().find(|(name, _)| is_whole(name));
        whole
            .map(|(_, path)| path)
            .or_else(|| self.overrides.get(&short))
    }

    /// The tree of an import.
    pub fn import(&mut self, index: usize) -> Result<NodeId, Problem> {
        let pipeline = self.pipeline;
        let import = &pipeline.images[index];
        let (source, platform) = self.located(import);
        let label = format!("[{}] FROM {source}", import.name.text);
        let op = Op::Image(Image { source, platform });
        self.add(op, label, &import.name.place)
    }

    /// How many layers an import has; nothing where its config must be found first.
    pub fn layer_count(&mut self, index: usize) -> Option<usize> {
        let config = self.config(index)?;
        Some(config.rootfs.diff_ids.len())
    }

    /// All layers of an import, the lowest first; none where its config must be found first.
    pub fn image_layers(&mut self, index: usize, place: &Place) -> Result<Vec<Layered>, Problem> {
        (0..self.layer_count(index).unwrap_or_default())
            .map(|number| self.image_layer(index, number, place))
            .collect()
    }

    /// The config of the import that a node is the image of; nothing where it must be found first.
    pub fn config_of(&mut self, image: NodeId) -> Option<ImageConfig> {
        let index = self.import_of(image)?;
        self.config(index)
    }

    /// The config of an import; nothing where it must be found first.
    pub fn config(&mut self, index: usize) -> Option<ImageConfig> {
        let import = &self.pipeline.images[index];
        let (location, platform) = self.located(import);
        let key = (location, platform);
        if let Some(config) = self.configs.get(&key) {
            return Some(config.clone());
        }
        let (location, platform) = key;
        let is_known = self
            .requests
            .iter()
            .any(|known| known.location == location && known.platform == platform);
        if !is_known {
            self.requests.push(ImageRequest {
                name: location.to_string(),
                location,
                platform,
                place: import.name.place.clone(),
            });
        }
        None
    }
}
