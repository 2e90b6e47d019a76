//! What names stand for.
//!
//! A qualified name says where it belongs: `imports.NAME` (and `imports.NAME.layers.N`, the lowest is 0), `sources.NAME`,
//! `TIMELINE.result`, `TIMELINE.result.VAR`. A plain name is, in this order: what a step before in the same timeline called so; an
//! import, a source or a timeline; what a step of any other timeline called so, if only one did. `scratch` is the empty tree and `context` the
//! build context, always. No two imports, sources and timelines have one name, and nothing in a timeline is called as one of them.

use std::collections::HashMap;

use stromatekt_pipeline::{Place, Problem, suggest};

use crate::model::{Name, Pipeline, SourceKind, StepKind};

/// What a name stands for. The numbers are positions in the [`Pipeline`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Thing {
    /// The empty tree.
    Scratch,
    /// The build context.
    Context,
    /// An image.
    Import(usize),
    /// A layer of an image.
    ImportLayer(usize, usize),
    /// A source.
    Source(usize),
    /// The result of a timeline.
    Timeline(usize),
    /// A changeset that a step made.
    Changeset {
        /// The timeline.
        timeline: usize,
        /// The step in it.
        step: usize,
    },
    /// A file that a step made a blob of.
    Blob {
        /// The timeline.
        timeline: usize,
        /// The step in it.
        step: usize,
        /// The file of the step.
        file: usize,
    },
}

/// A place in a timeline where a name is used.
#[derive(Clone, Copy, Debug)]
pub struct Here {
    /// The timeline.
    pub timeline: usize,
    /// The step in it.
    pub step: usize,
}

/// What a name must stand for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    /// Something with files.
    Tree,
    /// Something that a timeline can stand on.
    Stack,
    /// A single changeset.
    Changeset,
    /// A changeset, or all of a stack.
    Changesets,
    /// A file of a web server.
    Fetched,
    /// A blob.
    Blob,
    /// An import, for its config.
    Import,
}

#[derive(Debug)]
struct Known {
    thing: Thing,
    place: Place,
}

/// All names of a pipeline.
#[derive(Debug)]
pub struct Scope<'p> {
    pipeline: &'p Pipeline,
    /// Imports, sources and timelines.
    shared: HashMap<&'p str, Known>,
    /// What the steps of each timeline made.
    vars: Vec<HashMap<&'p str, Known>>,
}

impl<'p> Scope<'p> {
    /// The names of a pipeline.
    ///
    /// # Errors
    /// When two things have one name.
    pub fn new(pipeline: &'p Pipeline) -> Result<Self, Problem> {
        let mut scope = Self {
            pipeline,
            shared: HashMap::new(),
            vars: Vec::new(),
        };
        for (index, import) in pipeline.images.iter().enumerate() {
            define(&mut scope.shared, &import.name, Thing::Import(index))?;
        }
        for (index, source) in pipeline.sources.iter().enumerate() {
            define(&mut scope.shared, &source.name, Thing::Source(index))?;
        }
        for (index, timeline) in pipeline.timelines.iter().enumerate() {
            define(&mut scope.shared, &timeline.name, Thing::Timeline(index))?;
        }
        for timeline in 0..pipeline.timelines.len() {
            let vars = scope.vars_of(timeline)?;
            scope.vars.push(vars);
        }
        Ok(scope)
    }

    fn vars_of(&self, timeline: usize) -> Result<HashMap<&'p str, Known>, Problem> {
        let mut vars = HashMap::new();
        for (step, one) in self.pipeline.timelines[timeline].steps.iter().enumerate() {
            let mut new = Vec::new();
            match &one.kind {
                StepKind::SnapshotChangeset { var: Some(var), .. } => {
                    new.push((var, Thing::Changeset { timeline, step }));
                }
                StepKind::SnapshotFiles(files) => {
                    for (file, blob) in files.iter().enumerate() {
                        let thing = Thing::Blob {
                            timeline,
                            step,
                            file,
                        };
                        new.extend(blob.var.as_ref().map(|var| (var, thing)));
                    }
                }
                _ => {}
            }
            for (name, thing) in new {
                if let Some(taken) = self.shared.get(name.text.as_str()) {
                    return Err(twice(name, taken));
                }
                define(&mut vars, name, thing)?;
            }
        }
        Ok(vars)
    }

    /// What a name stands for, which must be fit for what it is used for.
    ///
    /// # Errors
    /// When there is no such name, or it stands for something else.
    pub fn resolve(&self, name: &Name, here: Here, wanted: Use) -> Result<Thing, Problem> {
        let thing = self.find(name, here)?;
        match self.wrong(thing, wanted) {
            None => Ok(thing),
            Some(help) => {
                let (is, should) = (self.describe(thing), wanted.describe());
                let message = format!("`{}` is {is}, but {should} is needed here", name.text);
                let mut problem = name.place.problem(message);
                problem.help = help.map(str::to_owned);
                Err(problem)
            }
        }
    }

    fn find(&self, name: &Name, here: Here) -> Result<Thing, Problem> {
        let parts: Vec<&str> = name.text.split('.').collect();
        match parts.as_slice() {
            ["scratch"] => Ok(Thing::Scratch),
            ["context"] => Ok(Thing::Context),
            [plain] => self.plain(plain, name, here),
            ["imports", import] => self.import(import, name).map(Thing::Import),
            ["imports", import, "layers", number] => {
                let import = self.import(import, name)?;
                match number.parse() {
                    Ok(position) if !number.starts_with('+') => {
                        Ok(Thing::ImportLayer(import, position))
                    }
                    _ => Err(name
                        .place
                        .problem(format!("`{number}` is no number of a layer"))
                        .help("the lowest is 0")),
                }
            }
            ["sources", source] => self.source(source, name).map(Thing::Source),
            [timeline, "result"] => {
                let timeline = self.timeline(timeline, name)?;
                self.not_itself(timeline, name, here)?;
                Ok(Thing::Timeline(timeline))
            }
            [timeline, "result", var] => {
                let timeline = self.timeline(timeline, name)?;
                match self.vars[timeline].get(var) {
                    Some(known) => self.before(known, name, here),
                    None => {
                        let whose = &self.pipeline.timelines[timeline].name.text;
                        let message = format!("the timeline `{whose}` has nothing called `{var}`");
                        let mut problem = name.place.problem(message);
                        problem.help = suggest(var, sorted(&self.vars[timeline]));
                        Err(problem)
                    }
                }
            }
            _ => Err(name
                .place
                .problem(format!("`{}` is no name", name.text))
                .help("qualified names are `imports.NAME`, `imports.NAME.layers.NUMBER`, `sources.NAME`, `TIMELINE.result` and `TIMELINE.result.VAR`")),
        }
    }

    fn plain(&self, plain: &str, name: &Name, here: Here) -> Result<Thing, Problem> {
        if let Some(known) = self.vars[here.timeline].get(plain) {
            return self.before(known, name, here);
        }
        if let Some(known) = self.shared.get(plain) {
            if let Thing::Timeline(timeline) = known.thing {
                self.not_itself(timeline, name, here)?;
            }
            return Ok(known.thing);
        }
        let elsewhere: Vec<&Known> = self
            .vars
            .iter()
            .filter_map(|vars| vars.get(plain))
            .collect();
        match elsewhere.as_slice() {
            [known] => Ok(known.thing),
            [] => {
                let mut all: Vec<&str> = self.shared.keys().copied().collect();
                all.extend(self.vars.iter().flat_map(HashMap::keys));
                all.sort_unstable();
                all.dedup();
                let mut problem = name.place.problem(format!("nothing is called `{plain}`"));
                problem.help = suggest(plain, all);
                Err(problem)
            }
            several => {
                let mut problem = name
                    .place
                    .problem(format!("`{plain}` is something in several timelines"))
                    .help(format!("say in which: `TIMELINE.result.{plain}`"));
                for known in several {
                    problem = problem.also("it may be this", known.place.clone());
                }
                Err(problem)
            }
        }
    }

    fn import(&self, import: &str, name: &Name) -> Result<usize, Problem> {
        self.position(import, name, "import", |thing| match thing {
            Thing::Import(position) => Some(position),
            _ => None,
        })
    }

    fn source(&self, source: &str, name: &Name) -> Result<usize, Problem> {
        self.position(source, name, "source", |thing| match thing {
            Thing::Source(position) => Some(position),
            _ => None,
        })
    }

    fn timeline(&self, timeline: &str, name: &Name) -> Result<usize, Problem> {
        self.position(timeline, name, "timeline", |thing| match thing {
            Thing::Timeline(position) => Some(position),
            _ => None,
        })
    }

    /// The position of a thing of one kind, which `of_kind` tells from others.
    fn position(
        &self,
        word: &str,
        name: &Name,
        what: &str,
        of_kind: impl Fn(Thing) -> Option<usize>,
    ) -> Result<usize, Problem> {
        match self.shared.get(word).and_then(|known| of_kind(known.thing)) {
            Some(position) => Ok(position),
            None => {
                let mut kin: Vec<&str> = self
                    .shared
                    .iter()
                    .filter(|(_, known)| of_kind(known.thing).is_some())
                    .map(|(word, _)| *word)
                    .collect();
                kin.sort_unstable();
                let mut problem = name.place.problem(format!("there is no {what} `{word}`"));
                problem.help = suggest(word, kin);
                Err(problem)
            }
        }
    }

    fn not_itself(&self, timeline: usize, name: &Name, here: Here) -> Result<(), Problem> {
        if here.timeline != timeline {
            return Ok(());
        }
        let own = &self.pipeline.timelines[timeline].name;
        Err(name
            .place
            .problem(format!("the timeline `{}` needs its own result", own.text))
            .also("it is this timeline", own.place.clone()))
    }

    /// What a step made, which must come before where it is used, if that is in the same timeline.
    fn before(&self, known: &Known, name: &Name, here: Here) -> Result<Thing, Problem> {
        let (timeline, step) = match known.thing {
            Thing::Changeset { timeline, step } | Thing::Blob { timeline, step, .. } => {
                (timeline, step)
            }
            other => return Ok(other),
        };
        match here.timeline == timeline && here.step <= step {
            true => Err(name
                .place
                .problem(format!("`{}` is used before it is there", name.text))
                .also("it is made here", known.place.clone())),
            false => Ok(known.thing),
        }
    }

    /// What a thing is, in words.
    fn describe(&self, thing: Thing) -> &'static str {
        match thing {
            Thing::Scratch => "the empty tree",
            Thing::Context => "the build context",
            Thing::Import(_) => "an image",
            Thing::ImportLayer(..) => "a layer of an image",
            Thing::Source(index) => match self.pipeline.sources[index].kind {
                SourceKind::Git(_) => "a git repository",
                SourceKind::Http { .. } => "a file of a web server",
                SourceKind::Directory { .. } => "a directory",
            },
            Thing::Timeline(_) => "the result of a timeline",
            Thing::Changeset { .. } => "a changeset",
            Thing::Blob { .. } => "a blob",
        }
    }

    /// Whether a thing is not fit for a use, and if so, what to do.
    fn wrong(&self, thing: Thing, wanted: Use) -> Option<Option<&'static str>> {
        let is_fetched = match thing {
            Thing::Source(index) => {
                matches!(self.pipeline.sources[index].kind, SourceKind::Http { .. })
            }
            _ => false,
        };
        let is_blob = matches!(thing, Thing::Blob { .. });
        let is_changeset = matches!(thing, Thing::Changeset { .. } | Thing::ImportLayer(..));
        let has_files = !is_fetched && !is_blob;
        let is_fit = match wanted {
            Use::Tree | Use::Changesets => has_files,
            Use::Stack => has_files && !is_changeset,
            Use::Changeset => is_changeset,
            Use::Fetched => is_fetched,
            Use::Blob => is_blob,
            Use::Import => matches!(thing, Thing::Import(_)),
        };
        let help = match wanted {
            Use::Stack if is_changeset => {
                Some("a step of type `apply-changesets` puts it on top of what is there")
            }
            Use::Changeset if has_files => {
                Some("name a changeset of it: `TIMELINE.result.VAR`, or `imports.NAME.layers.0`")
            }
            Use::Tree if is_fetched => Some("a file of type `fetched-file` copies it"),
            Use::Fetched if has_files => Some("a file of type `copy-file` copies from it"),
            _ => None,
        };
        (!is_fit).then_some(help)
    }
}

impl Use {
    fn describe(self) -> &'static str {
        match self {
            Self::Tree => "something with files",
            Self::Stack => "an image or the result of a timeline",
            Self::Changeset => "a changeset",
            Self::Changesets => "a changeset, an image or the result of a timeline",
            Self::Fetched => "a file of a web server",
            Self::Blob => "a blob",
            Self::Import => "an image",
        }
    }
}

fn define<'p>(
    names: &mut HashMap<&'p str, Known>,
    name: &'p Name,
    thing: Thing,
) -> Result<(), Problem> {
    if let Some(taken) = names.get(name.text.as_str()) {
        return Err(twice(name, taken));
    }
    let place = name.place.clone();
    names.insert(&name.text, Known { thing, place });
    Ok(())
}

fn twice(name: &Name, taken: &Known) -> Problem {
    name.place
        .problem(format!("two things are called `{}`", name.text))
        .also("it is the name of this", taken.place.clone())
}

fn sorted<'a>(names: &HashMap<&'a str, Known>) -> Vec<&'a str> {
    let mut all: Vec<&str> = names.keys().copied().collect();
    all.sort_unstable();
    all
}
