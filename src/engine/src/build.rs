//! One build: each node that the export needs is a task, which waits for its inputs and then does its work.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use stromatekt_graph::forecast::State;
use stromatekt_graph::{Graph, Node, NodeId, Op};
use stromatekt_store::TreeId;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::changesets::Changeset;
use crate::contexts::ContextTree;
use crate::engine::Parts;
use crate::error::{Error, Result};
use crate::events::{Events, Outcome, Vertex, VertexId};
use crate::explain::Findings;
use crate::export::Made;
use crate::images::{BaseImage, empty_tree};
use crate::limits::blocking;
use crate::remote::Download;
use crate::request::{BuildRequest, Built};
use crate::snapshots::Tree;
use crate::written::WrittenImages;

/// The life of a node: it moves forward only.
#[derive(Clone, Debug)]
pub(crate) enum Life {
    /// Its task waits for inputs, for its turn, or works.
    Pending,
    /// Its value is there.
    Ready(Value),
    /// It failed, or one that it needs did, or the build was stopped.
    Failed(Arc<Error>),
}

/// What a node yields.
#[derive(Clone, Debug)]
pub(crate) enum Value {
    /// The empty tree.
    Empty,
    /// A tree that exists as a snapshot.
    Tree(Tree),
    /// The image of this node: unpacked when somebody asks for its files.
    Image(Arc<BaseImage>, NodeId),
    /// A local directory: made a snapshot when somebody mounts it.
    Context(Arc<ContextTree>),
    /// A file that was fetched.
    Download(Arc<Download>),
    /// What turns a tree into another.
    Changeset(Arc<Changeset>),
    /// The image of a platform.
    Made(Arc<Made>),
    /// Images whose manifests steps wrote.
    Written(Arc<WrittenImages>),
}

/// A build under way, shared by its tasks.
pub(crate) struct Build {
    pub parts: Arc<Parts>,
    pub request: BuildRequest,
    pub events: Events,
    pub cancel: CancellationToken,
    nodes: Vec<watch::Sender<Life>>,
    vertices: Vec<OnceLock<Vertex>>,
    started: Vec<AtomicBool>,
    first_error: OnceLock<Arc<Error>>,
    /// Where this build only looks what another would do: what it found.
    pub(crate) findings: Option<Findings>,
    /// The paths that steps of this build touched which copied files, by the trees before and after.
    touched: Mutex<HashMap<TreePair, Arc<BTreeSet<PathBuf>>>>,
}

/// A tree, and the one that was made of it; of nothing where the first is none.
type TreePair = (Option<TreeId>, TreeId);

impl Build {
    /// Does what `request` asks for. When it returns, whether well or not, none of its tasks and processes is left.
    ///
    /// # Errors
    /// The first failure; what it stopped is not reported.
    pub async fn run(
        parts: Arc<Parts>,
        request: BuildRequest,
        events: Events,
        cancel: CancellationToken,
    ) -> Result<Vec<Built>, Arc<Error>> {
        crate::write::check(&request).map_err(Arc::new)?;
        let (build, needed) = Self::new(parts, request, events, &cancel, false);
        let mut tasks = JoinSet::new();
        for &id in &needed {
            let build = Arc::clone(&build);
            tasks.spawn(async move { build.live(id).await });
        }
        let mut deliveries = JoinSet::new();
        for index in 0..build.request.images.len() {
            let build = Arc::clone(&build);
            deliveries.spawn(async move { (index, build.deliver_or_record(index).await) });
        }
        while let Some(ended) = tasks.join_next().await {
            if let Err(error) = ended {
                build.cancel.cancel();
                if let Ok(panic) = error.try_into_panic() {
                    tasks.shutdown().await;
                    deliveries.shutdown().await;
                    std::panic::resume_unwind(panic);
                }
            }
        }
        let mut delivered = BTreeMap::new();
        while let Some(ended) = deliveries.join_next().await {
            match ended {
                Ok((index, built)) => drop(delivered.insert(index, built)),
                Err(error) => {
                    if let Ok(panic) = error.try_into_panic() {
                        deliveries.shutdown().await;
                        std::panic::resume_unwind(panic);
                    }
                }
            }
        }
        for &id in &needed {
            build.finish_unused_image(id);
        }
        match build.first_error.get() {
            Some(error) => Err(Arc::clone(error)),
            None => delivered.into_values().collect(),
        }
    }

    /// A build that has not begun, with the nodes that it needs.
    pub fn new(
        parts: Arc<Parts>,
        request: BuildRequest,
        events: Events,
        cancel: &CancellationToken,
        only_looks: bool,
    ) -> (Arc<Self>, Vec<NodeId>) {
        let count = request.graph.nodes().len();
        let exports = request.images.iter().flat_map(|image| &image.exports);
        let exports: Vec<NodeId> = exports.map(|export| export.node).collect();
        let needed = request.graph.needed(&exports);
        let build = Self {
            parts,
            request,
            events,
            // The first failure stops the rest of this build, and nothing else of its caller's.
            cancel: cancel.child_token(),
            nodes: (0..count)
                .map(|_| watch::Sender::new(Life::Pending))
                .collect(),
            vertices: (0..count).map(|_| OnceLock::new()).collect(),
            started: (0..count).map(|_| AtomicBool::new(false)).collect(),
            first_error: OnceLock::new(),
            findings: only_looks.then(Findings::default),
            touched: Mutex::default(),
        };
        (Arc::new(build), needed)
    }

    /// How far a node is.
    pub fn life(&self, id: NodeId) -> Life {
        self.nodes[id.index()].borrow().clone()
    }

    /// Writes an image to its outputs, once it is made.
    async fn deliver_or_record(self: &Arc<Self>, index: usize) -> Result<Built, Arc<Error>> {
        let image = &self.request.images[index];
        let delivered = self.deliver(image).await;
        delivered.map_err(|error| match (error, image.exports.first()) {
            (Error::Shared(error), _) => error,
            (error, Some(export)) => self.record(export.node, error),
            (error, None) => Arc::new(error),
        })
    }

    /// The graph of this build.
    pub fn graph(&self) -> &Graph {
        &self.request.graph
    }

    /// A node of the graph.
    pub fn node(&self, id: NodeId) -> &Node {
        self.graph().node(id)
    }

    /// The value of a node, once it is there.
    pub async fn wait(&self, id: NodeId) -> Result<Value> {
        let mut life = self.nodes[id.index()].subscribe();
        let settled = life.wait_for(|life| !matches!(life, Life::Pending)).await;
        match settled.as_deref() {
            Ok(Life::Ready(value)) => Ok(value.clone()),
            Ok(Life::Failed(error)) => Err(Error::Shared(Arc::clone(error))),
            // The sender lives as long as the build.
            Ok(Life::Pending) | Err(_) => Err(Error::Canceled),
        }
    }

    /// The identity of the tree that a node yields, for keys. Its files need not exist.
    pub async fn tree_id(&self, value: &Value) -> Result<TreeId> {
        match value {
            Value::Empty => Ok(empty_tree()),
            Value::Tree(tree) => Ok(tree.id),
            Value::Image(image, _) => Ok(image.tree_id()),
            Value::Context(context) => self.context_id(context, "").await,
            Value::Download(_) | Value::Changeset(_) | Value::Made(_) | Value::Written(_) => {
                Err(wrong_kind())
            }
        }
    }

    /// The tree that a value stands for, made where it does not exist; none is the empty tree.
    pub async fn tree(&self, value: &Value) -> Result<Option<Tree>> {
        match value {
            Value::Empty => Ok(None),
            Value::Tree(tree) => Ok(Some(tree.clone())),
            Value::Image(image, id) => self.image_tree(image, *id).await,
            Value::Context(context) => self.context_tree(context, "").await.map(Some),
            Value::Download(_) | Value::Changeset(_) | Value::Made(_) | Value::Written(_) => {
                Err(wrong_kind())
            }
        }
    }

    /// The same where there must be files to read, of the empty tree too: a changeset may end on it.
    pub async fn tree_to_read(&self, value: &Value) -> Result<Tree> {
        if let Some(tree) = self.tree(value).await? {
            return Ok(tree);
        }
        let snapshots = Arc::clone(&self.parts.snapshots);
        blocking(move || match snapshots.find(empty_tree())? {
            Some(tree) => Ok(tree),
            None => snapshots.fork(None)?.keep_as(empty_tree()),
        })
        .await
    }

    /// The vertex of a node, announced when it is first asked for; those that it waits for are announced before it.
    pub fn vertex(&self, id: NodeId) -> &Vertex {
        self.vertices[id.index()].get_or_init(|| {
            let node = self.node(id);
            let mut inputs = Vec::new();
            self.add_inputs(node, &mut inputs);
            self.events.vertex(&node.label, inputs, node.origin.clone())
        })
    }

    /// Adds the vertices of a node's inputs, each once. A layer is made for the one that wants it: that one waits for its tree.
    fn add_inputs(&self, node: &Node, inputs: &mut Vec<VertexId>) {
        for (input, _) in node.op.inputs() {
            match &self.node(input).op {
                Op::Scratch(_) => {}
                Op::Diff(_) | Op::Layer(_) => self.add_inputs(self.node(input), inputs),
                _ => {
                    let vertex = self.vertex(input).id;
                    if !inputs.contains(&vertex) {
                        inputs.push(vertex);
                    }
                }
            }
        }
    }

    /// The paths at which two trees may differ, where a step of this build made one of the other.
    pub fn touched(&self, lower: Option<TreeId>, upper: TreeId) -> Option<Arc<BTreeSet<PathBuf>>> {
        let touched = self.touched.lock().unwrap_or_else(PoisonError::into_inner);
        touched.get(&(lower, upper)).cloned()
    }

    /// Remembers where a step changed its tree.
    pub fn has_touched(&self, lower: Option<TreeId>, upper: TreeId, paths: BTreeSet<PathBuf>) {
        let mut touched = self.touched.lock().unwrap_or_else(PoisonError::into_inner);
        touched.insert((lower, upper), Arc::new(paths));
    }

    /// Tells that a node's vertex starts, unless it has.
    pub fn start(&self, id: NodeId) {
        if !self.started[id.index()].swap(true, Ordering::Relaxed) {
            self.vertex(id).start();
        }
    }

    /// Tells how a node's vertex ended.
    pub fn complete<T>(&self, id: NodeId, result: &Result<T>, outcome: Outcome) {
        self.vertex(id).complete(match result {
            Ok(_) => outcome,
            Err(error) if error.is_canceled() => Outcome::Canceled,
            Err(error) => Outcome::Failed(error.to_string()),
        });
    }

    /// An image that nobody had to unpack was there all the time.
    fn finish_unused_image(&self, id: NodeId) {
        let is_ready = matches!(
            &*self.nodes[id.index()].borrow(),
            Life::Ready(Value::Image(..))
        );
        if is_ready && !self.started[id.index()].load(Ordering::Relaxed) {
            self.start(id);
            self.vertex(id).complete(Outcome::Cached);
        }
    }

    /// Does the work of a node, once its inputs are there.
    pub async fn live(self: Arc<Self>, id: NodeId) {
        // Work that holds processes or snapshots watches the token itself, so that it cleans up: it is never dropped half-way.
        let life = match self.evaluate(id).await {
            Ok(value) => Life::Ready(value),
            Err(error) if self.only_looks() => Life::Failed(self.found(id, error)),
            Err(error) => Life::Failed(self.record(id, error)),
        };
        self.nodes[id.index()].send_replace(life);
    }

    async fn evaluate(self: &Arc<Self>, id: NodeId) -> Result<Value> {
        if self.cancel.is_cancelled() {
            return Err(Error::Canceled);
        }
        match &self.node(id).op {
            Op::Image(image) => self
                .image(id, image)
                .await
                .map(|image| Value::Image(image, id)),
            Op::Context(context) => self.context(id, context).map(Value::Context),
            Op::Git(git) => self.git(id, git).await.map(Value::Tree),
            Op::Http(http) => self.http(id, http).await.map(Value::Download),
            Op::Scratch(_) => Ok(Value::Empty),
            Op::Run(run) => self.run_step(id, run).await.map(Value::Tree),
            Op::File(file) => self.file_step(id, file).await.map(Value::Tree),
            Op::Diff(diff) => {
                let changeset = self.changeset(diff).await;
                changeset.map(|changeset| Value::Changeset(Arc::new(changeset)))
            }
            Op::Layer(layer) => {
                let changeset = self.image_layer(layer).await;
                changeset.map(|changeset| Value::Changeset(Arc::new(changeset)))
            }
            Op::Stack(stack) => self.stack_step(id, stack).await,
            Op::Expect(expect) => self.expect_step(id, expect).await,
            Op::Objects(objects) => self.objects_step(id, objects).await.map(Value::Tree),
            op @ (Op::Written(_) | Op::Export(_)) if self.only_looks() => {
                for (input, _) in op.inputs() {
                    self.wait(input).await?;
                }
                self.finds(
                    id,
                    State::Runs {
                        why: "an image is written each time".into(),
                    },
                );
                Err(Error::WouldRun)
            }
            Op::Written(written) => {
                let images = self.written(id, written).await;
                images.map(|images| Value::Written(Arc::new(images)))
            }
            Op::Export(export) => self
                .made(export)
                .await
                .map(|made| Value::Made(Arc::new(made))),
        }
    }

    /// Keeps what would fail of a build that only looks. It stops nobody.
    fn found(&self, id: NodeId, error: Error) -> Arc<Error> {
        match error {
            Error::Shared(error) => return error,
            Error::WouldRun | Error::Canceled => {}
            ref error => self.finds(
                id,
                State::Runs {
                    why: format!("it would fail: {error}"),
                },
            ),
        }
        Arc::new(error)
    }

    /// Keeps the first failure, which stops the others.
    pub fn record(&self, id: NodeId, error: Error) -> Arc<Error> {
        let error = match error {
            Error::Shared(error) => return error,
            error if self.cancel.is_cancelled() && error.is_canceled() => Arc::new(error),
            error => Arc::new(self.of_step(id, error)),
        };
        let _ = self.first_error.set(Arc::clone(&error));
        self.cancel.cancel();
        error
    }

    /// A failure with the instruction that it is of.
    fn of_step(&self, id: NodeId, error: Error) -> Error {
        let node = self.node(id);
        let (part, source) = match error {
            Error::Action { index, source } => (self.graph().parts(id).get(index), source),
            error => (None, Box::new(error)),
        };
        let (label, origin) = match part {
            Some(part) => (&part.label, &part.origin),
            None => (&node.label, &node.origin),
        };
        Error::Step {
            label: label.clone(),
            origin: origin.clone(),
            source,
        }
    }
}

/// The graph checks the types of its edges: this is for the compiler.
pub(crate) fn wrong_kind() -> Error {
    Error::Unsupported {
        what: "an input of a step has the wrong type".into(),
        hint: "this is a defect: the graph should have refused it".into(),
    }
}
