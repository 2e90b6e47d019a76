//! Files of a pipeline: the main one, the libraries that it imports, the Dockerfiles that its tasks are.

use std::collections::hash_map::{self, HashMap};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use stromatekt_dockerfile::Dockerfile;
use stromatekt_pipeline::{Document, Entry, Item, Kind, Mark, Place, Problem, Span, suggest};

use crate::language::{IMPORT, PIPELINE};
use crate::names;

/// How many files a pipeline may have.
const FILES: usize = 1000;
/// How many imports may lead from one to the next.
const DEPTH: usize = 64;
/// What a field at the top may start with to be left alone.
const NOT_READ: &str = "x-";

/// A pipeline with its libraries.
#[derive(Debug)]
pub struct Pipeline {
    /// The main file first.
    pub(crate) modules: Vec<Module>,
}

/// A file.
#[derive(Debug)]
pub(crate) struct Module {
    /// What is in it.
    pub document: Document,
    /// Its directory.
    pub directory: PathBuf,
    /// The imports that lead to it, with dots between them; empty for the main file.
    pub library: String,
    /// What it imports.
    pub imports: Vec<Import>,
    /// The Dockerfiles that it names, by path as written.
    pub dockerfiles: HashMap<String, DockerfileText>,
}

/// An import.
#[derive(Debug)]
pub(crate) struct Import {
    /// Its name.
    pub name: String,
    /// Where that stands.
    pub place: Place,
    /// Which file it is.
    pub module: usize,
    /// Texts for its variables, not expanded yet.
    pub variables: Vec<Entry>,
}

/// A Dockerfile.
#[derive(Debug)]
pub(crate) struct DockerfileText {
    /// Its name, for progress and errors.
    pub file: Arc<str>,
    /// Its text.
    pub text: String,
    /// What is in it.
    pub dockerfile: Dockerfile,
}

/// Reads a pipeline and all files that it names.
///
/// # Errors
/// When a file cannot be read, is no YAML, or imports itself.
pub fn load(path: &Path, read: &dyn Fn(&Path) -> io::Result<String>) -> Result<Pipeline, Problem> {
    let file: Arc<str> = path.display().to_string().into();
    let text = read(path).map_err(|error| {
        Place::start_of(&file).problem(format!("the pipeline cannot be read: {error}"))
    })?;
    let mut loading = Loading {
        read,
        modules: Vec::new(),
        open: Vec::new(),
        known: HashMap::new(),
    };
    loading.module(path, &text, String::new(), None)?;
    // Each has its place since before its imports were read: the main file is the first.
    let modules: Option<Vec<Module>> = loading.modules.into_iter().collect();
    Ok(Pipeline {
        modules: modules.unwrap_or_default(),
    })
}

struct Loading<'a> {
    read: &'a dyn Fn(&Path) -> io::Result<String>,
    /// The files; nothing for those that are not complete.
    modules: Vec<Option<Module>>,
    /// The files that lead to the one being read, with the places that import them.
    open: Vec<(PathBuf, Option<Place>)>,
    /// Libraries that were read, if their variables are as they have them.
    known: HashMap<PathBuf, usize>,
}

impl Loading<'_> {
    fn module(
        &mut self,
        path: &Path,
        text: &str,
        library: String,
        place: Option<Place>,
    ) -> Result<usize, Problem> {
        let document = Document::parse_yaml(&path.display().to_string(), text)?;
        let number = self.modules.len();
        if let Some(place) = &place {
            if number >= FILES {
                return Err(place.problem(format!("the pipeline has more than {FILES} files")));
            }
            if self.open.len() >= DEPTH {
                return Err(place.problem(format!("more than {DEPTH} imports lead here")));
            }
        }
        self.modules.push(None);
        self.open.push((normal(path), place));
        let directory = path.parent().unwrap_or(Path::new("")).to_owned();
        let mut imports = Vec::new();
        let mut dockerfiles = HashMap::new();
        {
            let mut top = document.top().fields(PIPELINE.what)?;
            if let Some(item) = top.take("import") {
                for item in item.one_or_list() {
                    imports.push(self.import(&item, &directory, &library)?);
                }
            }
            if let Some(tasks) = top.take("tasks") {
                for (file, place) in named_dockerfiles(&tasks)? {
                    let path = beside(&directory, &file);
                    if let hash_map::Entry::Vacant(vacant) = dockerfiles.entry(file) {
                        vacant.insert(self.dockerfile(&path, &place)?);
                    }
                }
            }
            known_fields(&document)?;
        }
        self.open.pop();
        self.modules[number] = Some(Module {
            document,
            directory,
            library,
            imports,
            dockerfiles,
        });
        Ok(number)
    }

    fn import(
        &mut self,
        item: &Item<'_>,
        directory: &Path,
        library: &str,
    ) -> Result<Import, Problem> {
        let mut variables = Vec::new();
        let mut name = None;
        let file = match item.kind() {
            Kind::Map(_) => {
                let mut fields = item.fields(IMPORT.what)?;
                let file = fields.required("file")?;
                name = fields.take("as");
                if let Some(item) = fields.take("variables") {
                    item.entries()?;
                    if let Kind::Map(entries) = item.kind() {
                        variables.clone_from(entries);
                    }
                }
                fields.finish()?;
                file
            }
            _ => item.clone(),
        };
        let written = literal(&file)?;
        let path = beside(directory, &written);
        let (name, named) = match name {
            Some(name) => (name.non_empty_text()?, name.place()),
            None => (stem(&path), file.place()),
        };
        if !names::is_name(&name) {
            let problem = named.problem(format!("`{name}` cannot be the name of a library"));
            return Err(problem.help("say what it is called: `{file: …, as: NAME}`"));
        }
        let place = file.place();
        let key = normal(&path);
        if let Some((_, opened)) = self.open.iter().find(|(open, _)| *open == key) {
            let problem = place.problem(format!("`{written}` imports itself in the end"));
            return Err(match opened {
                Some(first) => problem.also("it was imported here before", first.clone()),
                None => problem.also(
                    "it is the file that is built",
                    Place::start_of(&path.display().to_string().into()),
                ),
            });
        }
        let module = match self.known.get(&key) {
            Some(module) if variables.is_empty() => *module,
            _ => {
                let text = (self.read)(&path).map_err(|error| {
                    let message = format!("`{}` cannot be read: {error}", path.display());
                    place.problem(message)
                })?;
                let whole = match library {
                    "" => name.clone(),
                    library => format!("{library}.{name}"),
                };
                let module = self.module(&path, &text, whole, Some(place.clone()))?;
                if variables.is_empty() {
                    self.known.insert(key, module);
                }
                module
            }
        };
        Ok(Import {
            name,
            place: named,
            module,
            variables,
        })
    }

    fn dockerfile(&self, path: &Path, place: &Place) -> Result<DockerfileText, Problem> {
        let text = (self.read)(path).map_err(|error| {
            place.problem(format!("`{}` cannot be read: {error}", path.display()))
        })?;
        let file: Arc<str> = path.display().to_string().into();
        match stromatekt_dockerfile::parse(&text) {
            Ok(dockerfile) => Ok(DockerfileText {
                file,
                text,
                dockerfile,
            }),
            Err(error) => Err(in_dockerfile(&file, &text, &error, place)),
        }
    }
}

/// An error of a Dockerfile, at its place there.
pub(crate) fn in_dockerfile(
    file: &Arc<str>,
    text: &str,
    error: &stromatekt_dockerfile::Error,
    place: &Place,
) -> Problem {
    let span = error.span.map(|span| Span {
        start: Mark::at(text, span.start),
        end: Mark::at(text, span.end),
    });
    let at = match span {
        Some(span) => Place {
            file: Arc::clone(file),
            span,
            path: String::new(),
        },
        None => place.clone(),
    };
    let mut problem = at.problem(error.to_string());
    problem.help = error.help();
    match span {
        Some(_) => problem.also("the task that this Dockerfile is", place.clone()),
        None => problem,
    }
}

/// Refuses fields at the top that nobody knows. What starts with `x-` is a place for anchors.
fn known_fields(document: &Document) -> Result<(), Problem> {
    let Kind::Map(entries) = &document.root.kind else {
        return Ok(());
    };
    let known = || PIPELINE.fields.iter().map(|field| field.name);
    let strange = entries
        .iter()
        .find(|entry| !entry.key.starts_with(NOT_READ) && !known().any(|name| name == entry.key));
    let Some(entry) = strange else {
        return Ok(());
    };
    let place = document.place(entry.key_span, &entry.key);
    let mut problem = place.problem(format!("{} has no field `{}`", PIPELINE.what, entry.key));
    problem.help = suggest(&entry.key, known());
    Err(problem)
}

/// The Dockerfiles that tasks name, as they are written.
fn named_dockerfiles(tasks: &Item<'_>) -> Result<Vec<(String, Place)>, Problem> {
    let mut found = Vec::new();
    for task in tasks.entries()? {
        if let Kind::Map(_) = task.item.kind()
            && let Some(item) = task.item.fields("a task")?.take("dockerfile")
        {
            let text = literal(&item)?;
            let file = text.split_once('#').map_or(text.as_str(), |(file, _)| file);
            found.push((file.to_owned(), item.place()));
        }
    }
    Ok(found)
}

/// A path of a file that is read before variables are known.
fn literal(item: &Item<'_>) -> Result<String, Problem> {
    let text = item.non_empty_text()?;
    let file = text.split_once('#').map_or(text.as_str(), |(file, _)| file);
    match file.contains("${") {
        true => Err(item.problem("files are read before variables are known, so none can be here")),
        false => Ok(text),
    }
}

fn stem(path: &Path) -> String {
    let stem = path.file_stem().unwrap_or_default();
    stem.to_string_lossy().into_owned()
}

/// What a file in a directory names, as it is shown: `./` in the middle of a path says nothing.
pub(crate) fn beside(directory: &Path, path: &str) -> PathBuf {
    directory.join(path).components().collect()
}

/// The path by its text, so that one file is known by one.
fn normal(path: &Path) -> PathBuf {
    stromatekt_graph::path::clean(&path.to_string_lossy()).into()
}
