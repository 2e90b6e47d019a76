//! Graphs as pipelines: what a Dockerfile lowered to, in the words of this language.

mod config;
mod emit;
mod steps;
mod units;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};
use stromatekt_dockerfile::inherit;
use stromatekt_graph::op::{Expected, Export, ImageLocation, Op};
use stromatekt_graph::{Graph, NodeId};
use stromatekt_oci::config::ImageConfig;
use stromatekt_oci::platform::Platform;
use stromatekt_oci::reference::ImageReference;
use stromatekt_oci::time::{from_epoch, rfc3339};
use stromatekt_pipeline::{ImageConfigs, Lowering, Options};

use self::config::Start;
use self::steps::{Around, Fields, one_or_more, put};
use self::units::{Task, Units};
use crate::expand::escape;
use crate::{load, lower};

/// A graph, to be written as a pipeline.
#[derive(Clone, Copy, Debug)]
pub struct Source<'a> {
    /// The graph.
    pub graph: &'a Graph,
    /// The images of it, each for one platform.
    pub images: &'a [NamedImage],
    /// The configs of its bases.
    pub configs: &'a ImageConfigs,
    /// What it was lowered for.
    pub platform: &'a Platform,
    /// Whether somebody asked for that platform.
    pub is_asked: bool,
    /// Where the local directories are that it reads besides the build context.
    pub contexts: &'a BTreeMap<String, PathBuf>,
}

/// An image of a graph.
#[derive(Clone, Debug)]
pub struct NamedImage {
    /// The name that it is to have in the pipeline; where it cannot be one, one that is like it.
    pub name: String,
    /// What makes it.
    pub node: NodeId,
    /// Whether an index of it is wanted.
    pub is_index: bool,
    /// The names that it gets.
    pub tags: Vec<ImageReference>,
    /// `SOURCE_DATE_EPOCH`, where it is set.
    pub source_date_epoch: Option<i64>,
}

/// Why a graph cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// Something in it has no words in the language.
    #[error("`{what}` cannot be said in YAML: write it as JSON, or leave it out")]
    NoWords {
        /// The label of the node.
        what: String,
    },
    /// What was written would not build the same.
    #[error(
        "the image `{image}` cannot be said in YAML so that the same comes of it ({reason}): write it as JSON"
    )]
    Differs {
        /// Its name.
        image: String,
        /// In what way.
        reason: String,
    },
}

/// A pipeline that builds the images of a graph: their definition digests are the same.
///
/// # Errors
/// When the language has no words for something in the graph.
pub fn write(source: &Source<'_>) -> Result<String, WriteError> {
    let nodes: Vec<NodeId> = source.images.iter().map(|image| image.node).collect();
    let units = units::cut(source.graph, &nodes);
    let writing = Writing { source, units };
    let mut top = Map::new();
    put(
        &mut top,
        "bases",
        writing.leaves(&|op| matches!(op, Op::Image(_)))?,
    );
    put(
        &mut top,
        "sources",
        writing.leaves(&|op| !matches!(op, Op::Image(_)))?,
    );
    let mut tasks = Map::new();
    for task in &writing.units.tasks {
        tasks.insert(task.name.clone(), Value::Object(writing.task(task)?));
    }
    put(&mut top, "tasks", Value::Object(tasks));
    let mut images = Map::new();
    let mut taken = BTreeSet::new();
    for image in source.images {
        // That of one of a matrix is no name.
        let name = units::unique(&mut taken, &image.name);
        images.insert(name, Value::Object(writing.image(image)?));
    }
    put(&mut top, "images", Value::Object(images));
    let text = emit::document(&escaped(Value::Object(top)));
    check(source, &text)?;
    Ok(text)
}

/// All texts of a value so that they expand to themselves.
fn escaped(value: Value) -> Value {
    match value {
        Value::String(text) => Value::String(escape(&text)),
        Value::Array(values) => values.into_iter().map(escaped).collect(),
        Value::Object(members) => {
            let members = members
                .into_iter()
                .map(|(key, value)| (escape(&key), escaped(value)));
            Value::Object(members.collect())
        }
        other => other,
    }
}

/// Reads what was written, and compares what comes of it.
fn check(source: &Source<'_>, text: &str) -> Result<(), WriteError> {
    let differs = |image: &str, reason: String| WriteError::Differs {
        image: image.to_owned(),
        reason,
    };
    let all = || {
        source
            .images
            .iter()
            .map(|image| image.name.as_str())
            .collect::<Vec<_>>()
            .join("`, `")
    };
    let failed = |problem: stromatekt_pipeline::Problem| differs(&all(), problem.to_string());
    let read = |_: &Path| -> io::Result<String> { Ok(text.to_owned()) };
    let pipeline = load(Path::new("pipeline.yaml"), &read).map_err(failed)?;
    let options = Options {
        host: source.platform.clone(),
        platforms: match source.is_asked {
            true => vec![source.platform.clone()],
            false => Vec::new(),
        },
        // Those who build it must give them; that it can be written does not depend on that.
        allows_host_network: true,
        allows_insecure: true,
        ..Options::default()
    };
    let lowered = match lower(&pipeline, &options, source.configs).map_err(failed)? {
        Lowering::Done(lowered) => lowered,
        Lowering::NeedsImages(requests) => {
            let names: Vec<String> = requests.into_iter().map(|request| request.name).collect();
            return Err(differs(
                &all(),
                format!("the configs of {} are not known", names.join(", ")),
            ));
        }
    };
    for (image, written) in source.images.iter().zip(&lowered.images) {
        let node = written.exports.first().map(|export| export.node);
        let is_same =
            node.is_some_and(|node| lowered.graph.digest(node) == source.graph.digest(image.node));
        if !is_same {
            return Err(differs(
                &image.name,
                "its steps or its config come out otherwise".to_owned(),
            ));
        }
    }
    Ok(())
}

struct Writing<'a> {
    source: &'a Source<'a>,
    units: Units,
}

impl Writing<'_> {
    fn no_words(&self, node: NodeId) -> WriteError {
        WriteError::NoWords {
            what: self.source.graph.node(node).label.clone(),
        }
    }

    fn name(&self, node: NodeId) -> Result<&str, WriteError> {
        let name = self.units.names.get(&node).map(String::as_str);
        name.ok_or_else(|| self.no_words(node))
    }

    fn leaves(&self, is_meant: &dyn Fn(&Op) -> bool) -> Result<Value, WriteError> {
        let mut found = Map::new();
        for leaf in &self.units.leaves {
            let op = &self.source.graph.node(*leaf).op;
            if is_meant(op) {
                found.insert(self.name(*leaf)?.to_owned(), self.leaf(*leaf, op)?);
            }
        }
        Ok(Value::Object(found))
    }

    fn leaf(&self, node: NodeId, op: &Op) -> Result<Value, WriteError> {
        let mut fields = Fields::new();
        match op {
            Op::Image(image) => {
                match &image.source {
                    ImageLocation::Named(reference) => {
                        put(&mut fields, "image", json!(reference.familiar()));
                    }
                    ImageLocation::Layout { path, selector } => {
                        put(&mut fields, "layout", json!(path.display().to_string()));
                        put(&mut fields, "tag", json!(selector));
                    }
                }
                if image.platform != *self.source.platform {
                    put(&mut fields, "platform", json!(image.platform.to_string()));
                }
                if fields.len() == 1
                    && let Some(name) = fields.remove("image")
                {
                    return Ok(name);
                }
            }
            Op::Context(context) => {
                let path = self.source.contexts.get(&context.name);
                let path =
                    path.map_or_else(|| context.name.clone(), |path| path.display().to_string());
                return Ok(json!(path));
            }
            Op::Git(git) => {
                put(&mut fields, "git", json!(git.remote));
                put(&mut fields, "ref", json!(git.reference));
                put(&mut fields, "subdirectory", json!(git.subdirectory));
                put(&mut fields, "checksum", json!(git.checksum));
                for (name, is_on) in [
                    ("keep-git-dir", git.keep_git_dir),
                    ("commit-time", git.commit_time),
                    ("by-commit", git.fetch_by_commit),
                ] {
                    if is_on {
                        put(&mut fields, name, json!(true));
                    }
                }
                if git.skip_submodules {
                    put(&mut fields, "submodules", json!(false));
                }
            }
            Op::Http(http) => {
                put(&mut fields, "url", json!(http.url));
                put(
                    &mut fields,
                    "checksum",
                    json!(http.checksum.map(|digest| digest.to_string())),
                );
            }
            _ => return Err(self.no_words(node)),
        }
        Ok(Value::Object(fields))
    }

    /// The config that steps on a tree see: that of the base at the bottom.
    fn config_of(&self, tree: NodeId) -> ImageConfig {
        let mut tree = tree;
        loop {
            let op = &self.source.graph.node(tree).op;
            tree = match op {
                Op::Image(image) => {
                    let key = (image.source.clone(), image.platform.clone());
                    let config = self.source.configs.get(&key).cloned().unwrap_or_default();
                    return inherit::from_base(config);
                }
                Op::Stack(stack) => match stack.base {
                    Some(base) => base,
                    None => break,
                },
                op => match units::root(op) {
                    Some(root) => root,
                    None => break,
                },
            };
        }
        inherit::from_nothing(self.source.platform)
    }

    fn task(&self, task: &Task) -> Result<Fields, WriteError> {
        let graph = self.source.graph;
        let mut fields = Fields::new();
        match &graph.node(task.on).op {
            Op::Stack(stack) if self.units.names.get(&task.on) == Some(&task.name) => {
                let changesets: Vec<NodeId> =
                    stack.layers.iter().map(|layer| layer.changeset).collect();
                let base = match stack.base {
                    Some(base) => self.name(base)?,
                    None => crate::names::SCRATCH,
                };
                let entries = units::entries(graph, &self.units, &changesets);
                let entries = entries.ok_or_else(|| self.no_words(task.on))?;
                let all: Vec<&str> = std::iter::once(base)
                    .chain(entries.iter().map(String::as_str))
                    .collect();
                put(&mut fields, "on", json!(all));
                if !stack.is_exclusive {
                    put(&mut fields, "ordered", json!(true));
                }
            }
            _ => put(&mut fields, "on", json!(self.name(task.on)?)),
        }
        let config = self.config_of(task.on);
        let around = Around {
            graph,
            units: &self.units,
            config: &config,
        };
        let mut steps = Vec::new();
        for step in &task.steps {
            steps.push(around.step(*step).ok_or_else(|| self.no_words(*step))?);
        }
        if task.is_per_step {
            put(&mut fields, "layers", json!(crate::language::PER_STEP));
        }
        if steps.len() == 1 {
            fields.extend(steps.remove(0));
        } else {
            fields.extend(common(&mut steps));
            put(
                &mut fields,
                "steps",
                steps.into_iter().map(Value::Object).collect(),
            );
        }
        let mut expect = Fields::new();
        let mut files = Map::new();
        for node in &task.expects {
            let Op::Expect(expected) = &graph.node(*node).op else {
                continue;
            };
            match &expected.expected {
                Expected::Tree(digest) => put(&mut expect, "tree", json!(digest.to_string())),
                Expected::Layer { diff_id, .. } => {
                    put(&mut expect, "layer", json!(diff_id.to_string()))
                }
                Expected::File { path, digest } => {
                    files.insert(path.clone(), json!(digest.to_string()));
                }
            }
        }
        put(&mut expect, "files", Value::Object(files));
        put(&mut fields, "expect", Value::Object(expect));
        Ok(fields)
    }

    fn image(&self, image: &NamedImage) -> Result<Fields, WriteError> {
        let graph = self.source.graph;
        let Op::Export(export) = &graph.node(image.node).op else {
            return Err(self.no_words(image.node));
        };
        let mut fields = Fields::new();
        let base = match export.base {
            Some(base) => self.name(base)?,
            None => crate::names::SCRATCH,
        };
        let changesets: Vec<NodeId> = export.layers.iter().map(|layer| layer.changeset).collect();
        let entries = units::entries(graph, &self.units, &changesets);
        let entries = entries.ok_or_else(|| self.no_words(image.node))?;
        let layers = std::iter::once(base.to_owned()).chain(entries);
        put(
            &mut fields,
            "layers",
            one_or_more(layers.map(Value::from).collect()),
        );
        if let Op::Stack(stack) = &graph.node(export.tree).op
            && !stack.is_exclusive
        {
            put(&mut fields, "ordered", json!(true));
        }
        put(
            &mut fields,
            "config",
            Value::Object(self.config(image, export)),
        );
        let tags = image.tags.iter().map(|tag| json!(tag.familiar()));
        put(&mut fields, "tags", one_or_more(tags.collect()));
        if self.source.is_asked {
            put(
                &mut fields,
                "platforms",
                json!(self.source.platform.to_string()),
            );
        }
        if image.is_index {
            put(&mut fields, "index", json!(true));
        }
        put(
            &mut fields,
            "source-date-epoch",
            json!(image.source_date_epoch),
        );
        Ok(fields)
    }

    fn config(&self, image: &NamedImage, export: &Export) -> Fields {
        let configs = self.source.configs;
        let base = export
            .base
            .and_then(|base| match &self.source.graph.node(base).op {
                Op::Image(image) => configs.get(&(image.source.clone(), image.platform.clone())),
                _ => None,
            });
        let base_history = base.map_or(0, |base| base.history.len());
        let own = match base {
            Some(base) => inherit::from_base(base.clone()),
            None => inherit::from_nothing(self.source.platform),
        };
        let nothing = inherit::from_nothing(self.source.platform);
        let is_reachable = config::is_reachable(&own, &export.config);
        let created = image.source_date_epoch.and_then(from_epoch).map(rfc3339);
        let start = Start {
            config: if is_reachable { &own } else { &nothing },
            asked: self.source.is_asked.then_some(self.source.platform),
            base_history,
            created: created.as_deref(),
        };
        let mut fields = Fields::new();
        if !is_reachable {
            put(&mut fields, "from", json!(crate::names::SCRATCH));
        }
        fields.extend(config::fields(&start, &export.config));
        fields
    }
}

/// Takes circumstances that all commands of a task have out of its steps.
fn common(steps: &mut [Fields]) -> Fields {
    const CIRCUMSTANCES: [&str; 6] = ["env", "workdir", "user", "network", "hostname", "hosts"];
    let mut found = Fields::new();
    for name in CIRCUMSTANCES {
        let mut runs = steps.iter().filter(|step| step.contains_key("run"));
        let Some(value) = runs.next().and_then(|first| first.get(name)).cloned() else {
            continue;
        };
        if runs.all(|step| step.get(name) == Some(&value)) {
            steps.iter_mut().for_each(|step| {
                step.remove(name);
            });
            found.insert(name.to_owned(), value);
        }
    }
    found
}
