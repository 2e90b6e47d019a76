//! What a step does to files: directories, copies and files that are written, all in one node.

use stromatekt_dockerfile::paths;
use stromatekt_graph::file::{Copy, CopySource, FileAction, Unpack};
use stromatekt_graph::op::File;
use stromatekt_graph::{Op, Part};
use stromatekt_pipeline::{Place, Problem};

use super::Doing;
use crate::builder::Builder;
use crate::names::CONTEXT;
use crate::spec::{Action, CopySpec, Step};

impl Builder<'_> {
    /// All that is done to files is one node; each part of it is known by its own place.
    pub(super) fn file_step(
        &mut self,
        doing: &mut Doing<'_>,
        step: &Step,
        workdir: &str,
    ) -> Result<(), Problem> {
        let mut actions = Vec::new();
        let mut texts = Vec::with_capacity(step.files.len());
        let mut told: Vec<(String, &Place)> = Vec::new();
        for (action, place) in &step.files {
            let text = self.action(&mut actions, action, place, workdir)?;
            told.resize(actions.len(), (text.clone(), place));
            texts.push(text);
        }
        let op = Op::File(File {
            root: doing.tree,
            actions,
        });
        let place = match step.files.as_slice() {
            [(_, place)] => place,
            _ => &step.place,
        };
        self.operation(doing, step, place, op, texts.join("; "))?;
        if step.files.len() > 1 && self.graph.parts(doing.tree).is_empty() {
            let parts = told.into_iter().map(|(text, place)| Part {
                label: doing.label(&text),
                origin: Some(place.origin()),
            });
            self.graph.set_parts(doing.tree, parts.collect());
        }
        Ok(())
    }

    /// Adds what an action comes to, and yields what the history says of it.
    fn action(
        &self,
        actions: &mut Vec<FileAction>,
        action: &Action,
        place: &Place,
        workdir: &str,
    ) -> Result<String, Problem> {
        Ok(match action {
            Action::Plain(FileAction::MakeDirectory { path, owner, time }) => {
                let path = paths::join(workdir, path);
                let text = format!("DIRECTORY {path}");
                actions.push(FileAction::MakeDirectory {
                    path,
                    owner: owner.clone(),
                    time: time.or(self.options.source_date_epoch),
                });
                text
            }
            Action::Plain(FileAction::Copy(copy)) => {
                let destination = paths::destination(workdir, &copy.destination);
                let text = format!("FILE {destination}");
                actions.push(FileAction::Copy(Box::new(Copy {
                    destination,
                    ..Copy::clone(copy)
                })));
                text
            }
            Action::Copy(copy) => {
                actions.extend(self.copies(copy, place, workdir)?);
                text_of(copy, workdir)
            }
        })
    }

    fn copies(
        &self,
        copy: &CopySpec,
        place: &Place,
        workdir: &str,
    ) -> Result<Vec<FileAction>, Problem> {
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
                return Err(place
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
            return Err(place
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
}

fn text_of(copy: &CopySpec, workdir: &str) -> String {
    let mut words = vec!["COPY".to_owned()];
    if copy.from.name != CONTEXT {
        words.push(format!("--from={}", copy.from.name));
    }
    words.extend(copy.files.iter().cloned());
    words.push(paths::destination(workdir, &copy.rest.destination));
    words.join(" ")
}
