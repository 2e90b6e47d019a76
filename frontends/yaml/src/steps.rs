//! Tasks: their steps as nodes, and what they changed as layers.

mod files;

use std::rc::Rc;

use stromatekt_dockerfile::paths;
use stromatekt_graph::op::{Expect as ExpectOp, Expected, Object, Objects, Stack, StackLayer};
use stromatekt_graph::{Node, NodeId, Op};
use stromatekt_oci::compress::Compression;
use stromatekt_oci::config::{History, ImageConfig};
use stromatekt_pipeline::{Place, Problem};

use crate::builder::{Builder, COMMENT};
use crate::made::{Below, Made, MadeLayer};
use crate::process::Process;
use crate::spec::{
    Command, Description, Expect, NamedLayers, Settings, Step, Task, UnitId, Use, Work,
};

/// A task that is being done.
struct Doing<'a> {
    name: &'a str,
    /// How many operations there are, and how many are done.
    count: usize,
    done: usize,
    ground: Made,
    /// Whose programs are used now.
    with: Option<UnitId>,
    /// The config of what is run on.
    config: Rc<ImageConfig>,
    /// The tree since the programs were changed.
    start: NodeId,
    tree: NodeId,
    /// What was done with programs before.
    changes: Vec<StackLayer>,
    /// What was done, for the history.
    texts: Vec<String>,
}

impl Doing<'_> {
    /// What the operation that is done now is called.
    fn label(&self, text: &str) -> String {
        let (first, more) = text.split_once('\n').unwrap_or((text, ""));
        let more = if more.is_empty() { "" } else { " …" };
        let Self {
            name, done, count, ..
        } = self;
        format!("[{name} {done}/{count}] {first}{more}")
    }
}

impl Builder<'_> {
    /// Makes a task.
    pub fn task(&mut self, id: UnitId, name: &str, task: &Task) -> Result<Made, Problem> {
        let (mut made, is_per_step) = match &task.work {
            Work::Dockerfile(stage) => (self.stage(id, name, stage)?, true),
            Work::Steps { steps, is_per_step } => {
                let ground = self.stack(&task.on.uses, task.on.is_ordered)?;
                (self.steps(name, ground, steps, *is_per_step)?, *is_per_step)
            }
        };
        self.expect(name, &mut made, &task.expect, is_per_step)?;
        // Triggers are for Dockerfiles that build on an image, not for what is done here.
        if matches!(task.work, Work::Steps { .. }) && !made.config.config.on_build.is_empty() {
            Rc::make_mut(&mut made.config).config.on_build.clear();
        }
        Ok(made)
    }

    fn steps(
        &mut self,
        name: &str,
        ground: Made,
        steps: &[Step],
        is_per_step: bool,
    ) -> Result<Made, Problem> {
        let count = steps.iter().map(operations).sum();
        let mut doing = Doing {
            name,
            count,
            done: 0,
            with: None,
            config: Rc::clone(&ground.config),
            start: ground.tree,
            tree: ground.tree,
            ground,
            changes: Vec::new(),
            texts: Vec::new(),
        };
        let mut made = doing.ground.clone();
        for step in steps {
            self.turn(&mut doing, step.settings.with.as_ref())?;
            let before = doing.tree;
            self.step(&mut doing, step)?;
            if is_per_step {
                let texts = std::mem::take(&mut doing.texts);
                let layer = format!("{name}.layers[{}]", made.own().len());
                let entry = format!("{name}: {}", texts.join("; "));
                self.add_layer(&mut made, layer, entry, before, doing.tree)?;
            }
        }
        self.turn(&mut doing, None)?;
        if !is_per_step && count > 0 {
            let texts = std::mem::take(&mut doing.texts);
            let entry = format!("{name}: {}", texts.join("; "));
            let (before, after) = (doing.ground.tree, doing.tree);
            self.add_layer(&mut made, name.to_owned(), entry, before, after)?;
        }
        made.tree = doing.tree;
        Ok(made)
    }

    fn add_layer(
        &mut self,
        made: &mut Made,
        name: String,
        entry: String,
        before: NodeId,
        after: NodeId,
    ) -> Result<(), Problem> {
        let below = self.below(before);
        made.layers.push(MadeLayer {
            changeset: self.diff(below, after, &name)?,
            below,
            upper: Some(after),
            of_image: None,
            name,
            history: made.history.len(),
        });
        made.history.push(History {
            created_by: entry,
            comment: COMMENT.to_owned(),
            ..History::default()
        });
        Ok(())
    }

    /// Goes on with the programs of a unit, or with those of what the task is on: what was done so far is stacked on them.
    fn turn(&mut self, doing: &mut Doing<'_>, with: Option<&Use>) -> Result<(), Problem> {
        let unit = with.map(|with| with.unit);
        if unit == doing.with {
            return Ok(());
        }
        if doing.tree != doing.start {
            let number = doing.changes.len() + 1;
            let name = format!("{} part {number}", doing.name);
            let changeset = self.diff(self.below(doing.start), doing.tree, &name)?;
            doing.changes.push(StackLayer { changeset, name });
        }
        let (base, config) = match with {
            Some(with) => {
                let made = self.made(with)?;
                (made.tree, Rc::clone(&made.config))
            }
            None => (doing.ground.tree, Rc::clone(&doing.ground.config)),
        };
        let tree = match doing.changes.as_slice() {
            [] => base,
            changes => {
                let base = match self.below(base) {
                    Below::Tree(tree) => Some(tree),
                    _ => None,
                };
                let op = Op::Stack(Stack {
                    base,
                    layers: changes.to_vec(),
                    is_exclusive: false,
                });
                let on = with.map_or("its own", |with| with.name.as_str());
                let origin = with.map(|with| with.place.origin());
                self.add(op, format!("[{}] on {on}", doing.name), origin)?
            }
        };
        doing.with = unit;
        doing.config = config;
        doing.start = tree;
        doing.tree = tree;
        Ok(())
    }

    fn step(&mut self, doing: &mut Doing<'_>, step: &Step) -> Result<(), Problem> {
        let workdir = workdir(&doing.config, &step.settings);
        if !step.files.is_empty() {
            self.file_step(doing, step, &workdir)?;
        }
        for description in &step.descriptions {
            let op = Op::Objects(Box::new(self.objects(doing.tree, description, &workdir)?));
            let text = format!("DESCRIBE {}", description.to);
            self.operation(doing, step, &description.place, op, text)?;
        }
        for (command, place) in &step.commands {
            let process = Process {
                root: doing.tree,
                config: &doing.config,
                workdir: &workdir,
                step,
            };
            let run = self.process(&process, command, place)?;
            let text = match command {
                Command::Args(args) => args.join(" "),
                Command::Shell(text) => text.trim_end().to_owned(),
            };
            let op = Op::Run(Box::new(run));
            self.operation(doing, step, place, op, format!("RUN {text}"))?;
        }
        Ok(())
    }

    fn operation(
        &mut self,
        doing: &mut Doing<'_>,
        step: &Step,
        place: &Place,
        op: Op,
        text: String,
    ) -> Result<(), Problem> {
        doing.done += 1;
        doing.tree = self.add_node(Node {
            op,
            label: doing.label(&text),
            origin: Some(place.origin()),
            no_cache: step.settings.no_cache.unwrap_or(self.options.no_cache),
        })?;
        doing.texts.push(text);
        Ok(())
    }

    fn objects(
        &mut self,
        root: NodeId,
        description: &Description,
        workdir: &str,
    ) -> Result<Objects, Problem> {
        Ok(Objects {
            root,
            path: paths::join(workdir, &description.to),
            objects: self.named_objects(&description.layers, description.compression)?,
        })
    }

    /// Layers with names.
    pub fn named_objects(
        &mut self,
        named: &[NamedLayers],
        compression: Compression,
    ) -> Result<Vec<Object>, Problem> {
        let mut objects = Vec::with_capacity(named.len());
        for named in named {
            let made = self.stack(&named.uses, true)?;
            objects.push(Object {
                name: named.name.clone(),
                base: made.base,
                layers: made.layers.iter().map(|layer| layer.changeset).collect(),
                compression,
            });
        }
        Ok(objects)
    }

    /// Puts what is expected behind a task: whoever uses the task waits for it.
    fn expect(
        &mut self,
        name: &str,
        made: &mut Made,
        expect: &Expect,
        is_per_step: bool,
    ) -> Result<(), Problem> {
        let before = made.tree;
        let mut tree = before;
        let mut expected = Vec::new();
        if let Some((digest, place)) = &expect.tree {
            expected.push((Expected::Tree(*digest), place));
        }
        if let Some((digest, place)) = &expect.layer {
            let layer = match made.own() {
                [layer] if !(is_per_step && layer.below == Below::Unknown) => layer,
                own => {
                    return Err(place
                        .problem(format!("`{name}` has {} layers, not one", own.len()))
                        .help("expect something of the tree, or of files"));
                }
            };
            let lower = match layer.below {
                Below::Tree(tree) => Some(tree),
                _ => None,
            };
            let diff_id = *digest;
            expected.push((Expected::Layer { lower, diff_id }, place));
        }
        for (path, digest, place) in &expect.files {
            let file = Expected::File {
                path: path.clone(),
                digest: *digest,
            };
            expected.push((file, place));
        }
        for (expected, place) in expected {
            let op = Op::Expect(ExpectOp { tree, expected });
            tree = self.add(op, format!("[{name}] expect"), Some(place.origin()))?;
        }
        if tree == before {
            return Ok(());
        }
        made.tree = tree;
        let inherited = made.inherited;
        if let Some(last) = made.layers[inherited..].last_mut()
            && last.upper == Some(before)
        {
            let (below, name) = (last.below, last.name.clone());
            last.upper = Some(tree);
            last.changeset = self.diff(below, tree, &name)?;
        }
        Ok(())
    }
}

/// How many nodes a step is.
fn operations(step: &Step) -> usize {
    usize::from(!step.files.is_empty()) + step.descriptions.len() + step.commands.len()
}

/// Where a step is, absolute.
fn workdir(config: &ImageConfig, settings: &Settings) -> String {
    let own = settings.workdir.as_deref().unwrap_or("");
    paths::join(&paths::join("/", &config.config.working_dir), own)
}
