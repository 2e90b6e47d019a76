//! What a build would do: the build itself, which goes as far as it can without running anything.
//!
//! Each node looks for its result by the very key that a build looks for. Where there is none, a build goes to work; here the node stops
//! ([`Build::would_run`]), and those who need it are told apart by what they would take from it: a process leaves another tree each time
//! that it runs, so whatever starts from it runs; what copies files of it may find that they are the same.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use stromatekt_graph::forecast::{Forecast, State};
use stromatekt_graph::{Node, NodeId, Op, digest};
use stromatekt_oci::Digest;
use stromatekt_store::Recipe;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::build::{Build, Life, Value};
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::events::channel;
use crate::request::BuildRequest;

/// What nodes found out that did not find their results.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    states: Mutex<HashMap<NodeId, State>>,
}

impl Engine {
    /// Says what a build would do with each node that it needs, and why. Nothing runs, and nothing of a build is kept. Base images and git
    /// references are looked up as a build does it.
    ///
    /// # Errors
    /// When the store cannot be used, or it was stopped.
    pub async fn explain(
        &self,
        request: BuildRequest,
        cancel: CancellationToken,
    ) -> Result<HashMap<NodeId, Forecast>, Arc<Error>> {
        // Nobody listens: what is told of a build would be wrong.
        let (events, _) = channel();
        let parts = Arc::clone(&self.parts);
        let (build, needed) = Build::new(parts, request, events, &cancel, true);
        let mut tasks = JoinSet::new();
        for &id in &needed {
            let build = Arc::clone(&build);
            tasks.spawn(async move { build.live(id).await });
        }
        while let Some(ended) = tasks.join_next().await {
            if let Err(error) = ended
                && let Ok(panic) = error.try_into_panic()
            {
                tasks.shutdown().await;
                std::panic::resume_unwind(panic);
            }
        }
        if cancel.is_cancelled() {
            return Err(Arc::new(Error::Canceled));
        }
        build.forecasts(&needed).map_err(Arc::new)
    }
}

impl Build {
    /// Whether this build only looks.
    pub fn only_looks(&self) -> bool {
        self.findings.is_some()
    }

    /// Stops a node of a build that only looks where another build would go to work. `inputs` are what the node is made of.
    ///
    /// # Errors
    /// When this build only looks.
    pub fn would_run(&self, id: NodeId, inputs: &[Digest]) -> Result<()> {
        if !self.only_looks() {
            return Ok(());
        }
        let why = self.why(id, inputs)?;
        self.finds(id, State::Runs { why });
        Err(Error::WouldRun)
    }

    /// Keeps what was found out of a node.
    pub fn finds(&self, id: NodeId, state: State) {
        if let Some(findings) = &self.findings {
            let mut states = findings.states.lock();
            states
                .as_deref_mut()
                .unwrap_or_else(|poisoned| poisoned.get_mut())
                .entry(id)
                .or_insert(state);
        }
    }

    /// Remembers what a step was made of that ran.
    ///
    /// # Errors
    /// When the store refuses.
    pub fn remember_recipe(
        &self,
        id: NodeId,
        inputs: Vec<Digest>,
        started: SystemTime,
    ) -> Result<()> {
        let node = self.node(id);
        let recipe = Recipe {
            operation: operation(node),
            place: place(node, &inputs),
            label: node.label.clone(),
            inputs,
            took: started.elapsed().unwrap_or(Duration::ZERO),
        };
        Ok(self.parts.store.add_recipe(&recipe)?)
    }

    /// Why a step would run whose result was not found.
    fn why(&self, id: NodeId, inputs: &[Digest]) -> Result<String> {
        let node = self.node(id);
        if node.no_cache {
            return Ok("earlier results are not looked for".to_owned());
        }
        let store = &self.parts.store;
        if let Some(last) = store.recipe(&operation(node))? {
            let changed: Vec<usize> = (0..inputs.len())
                .filter(|&place| inputs.get(place) != last.inputs.get(place))
                .collect();
            return Ok(match changed.as_slice() {
                [] => "its earlier result is gone".to_owned(),
                // What it starts from says enough.
                [first, ..] => self.changed(node, *first),
            });
        }
        Ok(match store.recipe_at(&place(node, inputs))? {
            Some(last) if last.label == node.label => {
                "its environment or options changed".to_owned()
            }
            Some(last) => format!("it was `{}` the last time", last.label),
            None => "no earlier result".to_owned(),
        })
    }

    /// What is another input than the last time, in words.
    fn changed(&self, node: &Node, place: usize) -> String {
        let Some((input, _)) = node.op.inputs().get(place).copied() else {
            return "its inputs changed".to_owned();
        };
        let label = self.shown(input);
        match (&node.op, &self.node(input).op) {
            (Op::File(_), Op::Context(_)) => "the files it copies changed".to_owned(),
            (Op::Run(_), Op::Context(_)) => "the files it mounts changed".to_owned(),
            (_, Op::Http(_)) => format!("{label} changed"),
            // A stack may begin with a layer.
            (_, Op::Diff(_) | Op::Layer(_)) => format!("what it takes from {label} changed"),
            _ if place == 0 => "it starts from another tree than the last time".to_owned(),
            _ => format!("what it takes from {label} changed"),
        }
    }

    /// What is known of each node, once all have stopped.
    fn forecasts(&self, needed: &[NodeId]) -> Result<HashMap<NodeId, Forecast>> {
        let found = match &self.findings {
            Some(findings) => findings
                .states
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .clone(),
            None => HashMap::new(),
        };
        let mut forecasts: HashMap<NodeId, Forecast> = HashMap::new();
        for &id in needed {
            let state = match (found.get(&id), self.life(id)) {
                (Some(state), _) => state.clone(),
                (None, Life::Ready(_)) => State::Cached,
                (None, Life::Pending | Life::Failed(_)) => self.consequence(id, &forecasts),
            };
            let seconds = match state {
                State::Cached => None,
                _ => {
                    let last = self.parts.store.recipe(&operation(self.node(id)))?;
                    last.map(|last| last.took.as_secs_f64())
                }
            };
            forecasts.insert(id, Forecast { state, seconds });
        }
        self.unpacked_images(needed, &mut forecasts)?;
        Ok(forecasts)
    }

    /// The state of a node that could not even look, since inputs of it are not there.
    fn consequence(&self, id: NodeId, forecasts: &HashMap<NodeId, Forecast>) -> State {
        let op = &self.node(id).op;
        let mut unknown = None;
        for (place, (input, _)) in op.inputs().into_iter().enumerate() {
            let Some(forecast) = forecasts.get(&input) else {
                continue;
            };
            // What was fetched may be what it was; and so may be what is copied from a step that runs.
            let is_another = match (op, &self.node(input).op) {
                (_, Op::Git(_) | Op::Http(_)) => false,
                (Op::File(_), _) => place == 0,
                _ => true,
            };
            let label = self.shown(input);
            match &forecast.state {
                State::Cached => {}
                State::Runs { .. } if is_another => {
                    return State::Runs {
                        why: format!("its input {label} runs"),
                    };
                }
                State::Runs { .. } => {
                    unknown.get_or_insert(format!("depends on what {label} yields"));
                }
                State::Unknown { .. } => {
                    unknown.get_or_insert(format!("depends on whether {label} runs"));
                }
            }
        }
        State::Unknown {
            why: unknown.unwrap_or_default(),
        }
    }

    /// The label of the step behind a layer, or of a node that is a step itself.
    fn shown(&self, id: NodeId) -> &str {
        let node = self.node(id);
        match &node.op {
            Op::Diff(diff) => self.shown(diff.upper),
            Op::Layer(layer) => self.shown(layer.image),
            _ => &node.label,
        }
    }

    /// A base is unpacked when a step runs on it, or takes files from it.
    fn unpacked_images(
        &self,
        needed: &[NodeId],
        forecasts: &mut HashMap<NodeId, Forecast>,
    ) -> Result<()> {
        let mut wanted: Vec<NodeId> = Vec::new();
        for id in needed {
            let is_work = matches!(
                self.node(*id).op,
                Op::Run(_) | Op::File(_) | Op::Stack(_) | Op::Objects(_)
            );
            let runs = forecasts
                .get(id)
                .is_some_and(|forecast| matches!(forecast.state, State::Runs { .. }));
            if is_work && runs {
                wanted.extend(self.node(*id).op.inputs().iter().map(|(input, _)| *input));
            }
        }
        for id in wanted {
            if let Life::Ready(Value::Image(image, _)) = self.life(id)
                && self.parts.snapshots.find(image.tree_id())?.is_none()
            {
                let state = State::Runs {
                    why: "its layers are not unpacked yet".to_owned(),
                };
                forecasts.insert(
                    id,
                    Forecast {
                        state,
                        seconds: None,
                    },
                );
            }
        }
        Ok(())
    }
}

/// What an operation is known by, whatever it works on.
fn operation(node: &Node) -> Digest {
    digest::definition(&node.op, &[])
}

/// Where a step stands: the stage and number of its label, on the tree that it starts from.
fn place(node: &Node, inputs: &[Digest]) -> String {
    let (stage, _) = node.label.split_once(']').unwrap_or((&node.label, ""));
    let base = inputs.first().map(Digest::hex).unwrap_or_default();
    format!("{stage}] {base}")
}
