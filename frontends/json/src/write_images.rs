//! Images as timelines of their own: on the tree that a timeline left, with the steps that export it.

use serde_json::{Value, json};
use stromatekt_graph::op::{Export, Op, Written};
use stromatekt_oci::reference::ImageReference;

use crate::image;
use crate::write::{ImageToWrite, WriteError, Writer, last};
use crate::write_steps::{self, BlobKey};

impl Writer<'_> {
    /// A timeline that ends with an image.
    pub fn image(&mut self, image: &ImageToWrite) -> Result<(), WriteError> {
        let name = self.names.fresh(&last(
            image.name.split([':', '@']).next().unwrap_or_default(),
        ));
        let graph = self.graph;
        let (tree, step) = match &graph.node(image.node).op {
            Op::Export(export) => (export.tree, self.export(image, export)?),
            Op::Written(written) => (written.tree, self.written(image, written)?),
            _ => return Err(self.cannot(image.node, "it is no image")),
        };
        let mut steps: Vec<Value> = self.apply(tree, image.node)?.into_iter().collect();
        steps.extend(step);
        self.timelines
            .push(json!({"resultVar": name, "steps": steps}));
        Ok(())
    }

    fn named(&self, image: &ImageToWrite) -> Value {
        let mut step = json!({"stepType": "export-image"});
        if image.name.parse::<ImageReference>().is_ok() {
            step["name"] = image.name.as_str().into();
        }
        if !image.tags.is_empty() {
            let tags: Vec<String> = image.tags.iter().map(ToString::to_string).collect();
            step["tags"] = tags.into();
        }
        if let Some(path) = &image.output {
            step["path"] = path.to_string_lossy().into();
        }
        step
    }

    fn export(&self, image: &ImageToWrite, export: &Export) -> Result<Vec<Value>, WriteError> {
        let stack = self.stacks.get(&export.tree).cloned().unwrap_or_default();
        let layers = export.layers.iter().map(|layer| Some(layer.changeset));
        if stack.image != export.base || !layers.eq(stack.layers.iter().copied()) {
            return Err(WriteError::Layers {
                image: image.name.clone(),
            });
        }
        let mut step = self.named(image);
        let mut expected = vec![None; export.layers.len()];
        image::defaults(&export.config.history, &mut expected);
        let histories: Vec<Option<usize>> =
            export.layers.iter().map(|layer| layer.history).collect();
        if histories != expected {
            let mut list = Vec::new();
            if let Some(base) = export.base {
                list.push(Value::from(self.name_of(base, image.node)?));
            }
            for layer in &export.layers {
                let name = self.changeset(layer.changeset)?;
                list.push(match layer.history {
                    Some(history) => json!({"layer": name, "history": history}),
                    None => name.into(),
                });
            }
            step["layers"] = list.into();
        }
        step["config"] = config(image, export)?;
        Ok(vec![step])
    }

    fn written(&self, image: &ImageToWrite, written: &Written) -> Result<Vec<Value>, WriteError> {
        let mut step = self.named(image);
        step["manifests"] = written.manifests.clone().into();
        if written.is_index {
            step["indexType"] = "oci".into();
            step["annotations"] = json!(written.annotations);
        }
        let mut blobs = Vec::new();
        for file in &written.blobs {
            let key = (file.tree, BlobKey::of(file));
            let name = self.blobs.get(&key);
            blobs.push(name.ok_or_else(|| self.cannot(image.node, "it names a file of an image"))?);
        }
        if !blobs.is_empty() {
            step["blobs"] = json!(blobs);
        }
        let mut steps = Vec::new();
        if !written.objects.is_empty() {
            let objects = write_steps::objects(self, &written.objects, image.node)?;
            steps.push(json!({"stepType": "import-objects", "objects": objects}));
        }
        steps.push(step);
        Ok(steps)
    }
}

fn config(image: &ImageToWrite, export: &Export) -> Result<Value, WriteError> {
    let config = &export.config;
    let extra = config.extra.keys().chain(config.config.extra.keys());
    let extra = extra.chain(config.history.iter().flat_map(|entry| entry.extra.keys()));
    if let Some(field) = extra.into_iter().next() {
        return Err(WriteError::ConfigField {
            image: image.name.clone(),
            field: field.clone(),
        });
    }
    let mut json: Value = serde_json::from_slice(&config.to_json()).unwrap_or_default();
    if let Some(map) = json.as_object_mut() {
        map.shift_remove("rootfs");
        // Without it, one would be made up.
        map.entry("history").or_insert_with(|| json!([]));
    }
    Ok(json)
}
