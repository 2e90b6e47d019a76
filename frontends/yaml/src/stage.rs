//! Tasks that are stages of Dockerfiles: their graph becomes a part of this one.

use std::collections::HashMap;
use std::rc::Rc;

use stromatekt_dockerfile::{self as dockerfile, NoCache};
use stromatekt_graph::op::{Context, Export};
use stromatekt_graph::{Node, NodeId, Op};
use stromatekt_pipeline::{ImageConfigs, ImageRequest, Options, Problem};

use crate::builder::{Builder, Target};
use crate::load::{Pipeline, in_dockerfile};
use crate::made::{Below, Made, MadeLayer};
use crate::names::CONTEXT;
use crate::spec::{Stage, UnitId};
use crate::variables;

const EPOCH: &str = "SOURCE_DATE_EPOCH";

/// A stage as a graph of its own, or the images that must be known first.
pub fn lower(
    pipeline: &Pipeline,
    options: &Options,
    configs: &ImageConfigs,
    target: &Target,
    stage: &Stage,
) -> Result<Result<dockerfile::Lowered, Vec<ImageRequest>>, Problem> {
    let text = pipeline
        .modules
        .get(stage.module)
        .and_then(|module| module.dockerfiles.get(&stage.file))
        .ok_or_else(|| {
            stage
                .place
                .problem(format!("the Dockerfile `{}` was not read", stage.file))
        })?;
    let mut build_args: std::collections::BTreeMap<String, String> =
        stage.args.iter().cloned().collect();
    if let Some(seconds) = options.source_date_epoch {
        build_args
            .entry(EPOCH.to_owned())
            .or_insert_with(|| seconds.to_string());
    }
    for (name, value) in &options.variables {
        let is_for_all = variables::needs_no_declaration(name);
        if let Some(value) = value.as_ref().filter(|_| is_for_all) {
            build_args
                .entry(name.clone())
                .or_insert_with(|| value.clone());
        }
    }
    let mut allow = std::collections::BTreeSet::new();
    if options.allows_host_network {
        allow.insert(dockerfile::Entitlement::NetworkHost);
    }
    if options.allows_insecure {
        allow.insert(dockerfile::Entitlement::SecurityInsecure);
    }
    let own = dockerfile::Options {
        target: stage.target.clone(),
        build_args,
        platforms: match target.is_asked {
            true => vec![target.platform.clone()],
            false => Vec::new(),
        },
        build_platform: options.host.clone(),
        no_cache: match options.no_cache {
            true => NoCache::All,
            false => NoCache::Off,
        },
        network: options.network,
        extra_hosts: options.extra_hosts.clone(),
        limits: options.limits.clone(),
        allow,
        ..dockerfile::Options::default()
    };
    let lowering = dockerfile::lower(&text.dockerfile, &text.file, &own, configs);
    match lowering {
        Ok(dockerfile::Lowering::Done(lowered)) => Ok(Ok(*lowered)),
        Ok(dockerfile::Lowering::NeedsImages(requests)) => {
            let requests = requests.into_iter().map(|request| ImageRequest {
                location: request.location,
                platform: request.platform,
                name: request.name,
                place: stage.place.clone(),
            });
            Ok(Err(requests.collect()))
        }
        Err(error) => Err(in_dockerfile(&text.file, &text.text, &error, &stage.place)),
    }
}

impl Builder<'_> {
    /// Takes a stage in.
    pub fn stage(&mut self, id: UnitId, name: &str, stage: &Stage) -> Result<Made, Problem> {
        let missing = || {
            stage
                .place
                .problem(format!("`{name}` was not lowered before it is needed"))
        };
        let lowered = self
            .stages
            .remove(&(self.target.clone(), id))
            .ok_or_else(missing)?;
        let image = lowered.images.first().ok_or_else(missing)?;
        let context = match &stage.context {
            Some(context) => Some(self.made(context)?.tree),
            None => None,
        };
        let mut ids: HashMap<NodeId, NodeId> = HashMap::new();
        for old in lowered.graph.needed(&[image.export]) {
            let node = lowered.graph.node(old);
            let new = match &node.op {
                Op::Export(_) => continue,
                Op::Context(Context { name }) if name == CONTEXT => match context {
                    Some(tree) => tree,
                    None => self.context()?,
                },
                _ => self.absorb(node, name, &ids)?,
            };
            ids.insert(old, new);
        }
        match &lowered.graph.node(image.export).op {
            Op::Export(export) => self.of_export(export.as_ref(), &lowered.graph, name, &ids),
            _ => Err(missing()),
        }
    }

    fn absorb(
        &mut self,
        node: &Node,
        name: &str,
        ids: &HashMap<NodeId, NodeId>,
    ) -> Result<NodeId, Problem> {
        let mut node = node.clone();
        // Inputs come before their users.
        node.op
            .map_inputs(|old| ids.get(&old).copied().unwrap_or(old));
        if let Some(rest) = node.label.strip_prefix('[')
            && !rest.starts_with("internal]")
            && !rest.starts_with("context ")
        {
            node.label = format!("[{name} {rest}");
        }
        self.add_node(node)
    }

    fn of_export(
        &mut self,
        export: &Export,
        graph: &stromatekt_graph::Graph,
        name: &str,
        ids: &HashMap<NodeId, NodeId>,
    ) -> Result<Made, Problem> {
        let new = |old: NodeId| ids.get(&old).copied().unwrap_or(old);
        let mut config = export.config.clone();
        let history = std::mem::take(&mut config.history);
        let mut layers = Vec::with_capacity(export.layers.len());
        for (index, layer) in export.layers.iter().enumerate() {
            let (below, upper) = match &graph.node(layer.changeset).op {
                Op::Diff(diff) => {
                    let below = diff
                        .lower
                        .map_or(Below::Empty, |lower| Below::Tree(new(lower)));
                    (below, Some(new(diff.upper)))
                }
                _ => (Below::Unknown, None),
            };
            layers.push(MadeLayer {
                changeset: new(layer.changeset),
                below,
                upper,
                of_image: None,
                name: format!("{name}.layers[{index}]"),
                history: layer.history.unwrap_or(history.len()),
            });
        }
        // Entries of the base are all before the first entry of a layer of its own; metadata between them is the stage's.
        let base_history = match export.base.map(|base| &graph.node(base).op) {
            Some(Op::Image(image)) => self
                .configs
                .get(&(image.source.clone(), image.platform.clone()))
                .map_or(0, |config| config.history.len()),
            _ => 0,
        };
        Ok(Made {
            tree: new(export.tree),
            base: export.base.map(new),
            layers,
            inherited: 0,
            history,
            base_history,
            config: Rc::new(config),
            blob: None,
        })
    }
}
