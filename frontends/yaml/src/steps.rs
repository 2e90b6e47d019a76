//! Tasks: their steps as nodes, and what they changed as layers.

use std::rc::Rc;

use stromatekt_dockerfile::paths;
use stromatekt_graph::file::{Copy, CopySource, FileAction, Unpack};
use stromatekt_graph::op::{
    Expect as ExpectOp, Expected, File, Object, Objects, Stack, StackLayer,
};
use stromatekt_graph::{Node, NodeId, Op};
use stromatekt_oci::compress::Compression;
use stromatekt_oci::config::{History, ImageConfig};
use stromatekt_pipeline::{Place, Problem};

use crate::builder::{Builder, COMMENT};
use crate::made::{Below, Made, MadeLayer};
use crate::process::Process;
use crate::spec::{
    Action, Command, CopySpec, Description, Expect, NamedLayers, Settings, Step, Task, UnitId, Use,
    Work,
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

impl Builder<'_> {
    /// Makes a task.
    pub fn task(
        &mut self,
        id: UnitId,
        name: &str,
        place: &Place,
        task: &Task,
    ) -> Result<Made, Problem> {
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
        debug_assert!(place.span.start.line > 0);
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
                self.add_layer(&mut made, name, before, doing.tree, &texts)?;
            }
        }
        self.turn(&mut doing, None)?;
        if !is_per_step && count > 0 {
            let texts = std::mem::take(&mut doing.texts);
            self.add_layer(&mut made, name, doing.ground.tree, doing.tree, &texts)?;
        }
        made.tree = doing.tree;
        Ok(made)
    }

    fn add_layer(
        &mut self,
        made: &mut Made,
        name: &str,
        before: NodeId,
        after: NodeId,
        texts: &[String],
    ) -> Result<(), Problem> {
        let below = self.below(before);
        made.layers.push(MadeLayer {
            changeset: self.diff(below, after, name)?,
            below,
            upper: Some(after),
            of_image: None,
            name: name.to_owned(),
            history: made.history.len(),
        });
        made.history.push(History {
            created_by: format!("{name}: {}", texts.join("; ")),
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
            let mut actions = Vec::new();
            let mut texts = Vec::new();
            for action in &step.files {
                self.action(&mut actions, &mut texts, action, &workdir)?;
            }
            let op = Op::File(File {
                root: doing.tree,
                actions,
            });
            self.operation(doing, step, op, texts.join("; "))?;
        }
        for description in &step.descriptions {
            let op = Op::Objects(Box::new(self.objects(doing.tree, description, &workdir)?));
            self.operation(doing, step, op, format!("DESCRIBE {}", description.to))?;
        }
        for command in &step.commands {
            let process = Process {
                root: doing.tree,
                config: &doing.config,
                workdir: &workdir,
                step,
            };
            let run = self.process(&process, command)?;
            let text = match command {
                Command::Args(args) => args.join(" "),
                Command::Shell(text) => text.trim_end().to_owned(),
            };
            self.operation(doing, step, Op::Run(Box::new(run)), format!("RUN {text}"))?;
        }
        Ok(())
    }

    fn operation(
        &mut self,
        doing: &mut Doing<'_>,
        step: &Step,
        op: Op,
        text: String,
    ) -> Result<(), Problem> {
        doing.done += 1;
        let (first, more) = text.split_once('\n').unwrap_or((&text, ""));
        let more = if more.is_empty() { "" } else { " …" };
        let label = format!(
            "[{} {}/{}] {first}{more}",
            doing.name, doing.done, doing.count
        );
        doing.tree = self.add_node(Node {
            op,
            label,
            origin: Some(step.place.origin()),
            no_cache: step.settings.no_cache.unwrap_or(self.options.no_cache),
        })?;
        doing.texts.push(text);
        Ok(())
    }

    fn action(
        &mut self,
        actions: &mut Vec<FileAction>,
        texts: &mut Vec<String>,
        action: &Action,
        workdir: &str,
    ) -> Result<(), Problem> {
        match action {
            Action::Plain(FileAction::MakeDirectory { path, owner, time }) => {
                let path = paths::join(workdir, path);
                texts.push(format!("DIRECTORY {path}"));
                actions.push(FileAction::MakeDirectory {
                    path,
                    owner: owner.clone(),
                    time: time.or(self.options.source_date_epoch),
                });
            }
            Action::Plain(FileAction::Copy(copy)) => {
                let destination = paths::destination(workdir, &copy.destination);
                texts.push(format!("FILE {destination}"));
                actions.push(FileAction::Copy(Box::new(Copy {
                    destination,
                    ..Copy::clone(copy)
                })));
            }
            Action::Copy(copy) => {
                let more = self.copies(copy, workdir)?;
                texts.push(text_of(copy, workdir));
                actions.extend(more);
            }
        }
        Ok(())
    }

    fn copies(&mut self, copy: &CopySpec, workdir: &str) -> Result<Vec<FileAction>, Problem> {
        let destination = paths::destination(workdir, &copy.rest.destination);
        let made = self.made(&copy.from)?;
        let action = |from, unpack| {
            FileAction::Copy(Box::new(Copy {
                from,
                destination: destination.clone(),
                unpack: if copy.is_unpacked {
                    unpack
                } else {
                    Unpack::Never
                },
                ..copy.rest.clone()
            }))
        };
        if let Some((from, url)) = &made.blob {
            if !copy.files.is_empty() {
                return Err(copy
                    .place
                    .problem(format!(
                        "`{}` is one file, so `files` has no meaning",
                        copy.from.name
                    ))
                    .help("leave it out"));
            }
            let name = copy.name.clone().unwrap_or_else(|| paths::file_name(url));
            let blob = CopySource::Blob { from: *from, name };
            return Ok(vec![action(blob, Unpack::Always)]);
        }
        if copy.name.is_some() {
            return Err(copy
                .place
                .problem("`name` belongs to copies of a URL")
                .help("write the name at the end of `to`"));
        }
        let from = made.tree;
        let files = match copy.files.as_slice() {
            [] => &[".".to_owned()],
            files => files,
        };
        let actions = files.iter().map(|file| {
            let pattern = match copy.rest.parents {
                true => paths::source_with_pivot(file),
                false => paths::source(file),
            };
            let tree = CopySource::Tree {
                from,
                patterns: vec![pattern],
            };
            action(tree, Unpack::Archives)
        });
        Ok(actions.collect())
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

fn text_of(copy: &CopySpec, workdir: &str) -> String {
    let mut words = vec!["COPY".to_owned()];
    if copy.from.name != crate::names::CONTEXT {
        words.push(format!("--from={}", copy.from.name));
    }
    words.extend(copy.files.iter().cloned());
    words.push(paths::destination(workdir, &copy.rest.destination));
    words.join(" ")
}
