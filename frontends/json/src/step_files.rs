//! A step that copies and makes files, as one file operation.

use stromatekt_graph::NodeId;
use stromatekt_graph::file::{Copy, CopySource, FileAction};
use stromatekt_graph::op::{File, Op};
use stromatekt_pipeline::Problem;

use crate::build::Builder;
use crate::model::{FileEntry, FileKind, Target};
use crate::scope::{Thing, Use};
use crate::timeline::Marks;

/// The tree after the step.
pub fn files(
    builder: &mut Builder<'_>,
    root: NodeId,
    files: &[FileEntry],
    marks: &Marks<'_>,
) -> Result<NodeId, Problem> {
    let mut actions = Vec::new();
    for file in files {
        actions.push(action(builder, file, marks)?);
    }
    let label = match files {
        [one] => text(&one.kind),
        [first, rest @ ..] => format!("{} (and {} more)", text(&first.kind), rest.len()),
        [] => "nothing".to_owned(),
    };
    let op = Op::File(File { root, actions });
    builder.step(op, marks.label(&label), marks.place)
}

fn action(
    builder: &mut Builder<'_>,
    file: &FileEntry,
    marks: &Marks<'_>,
) -> Result<FileAction, Problem> {
    let (from, target) = match &file.kind {
        FileKind::Copy {
            from,
            sources,
            target,
        } => {
            let from = match from {
                Some(name) => builder.tree(name, marks.here)?,
                None => builder.context(&file.place)?,
            };
            let patterns = sources.iter().map(|source| source.text.clone()).collect();
            (CopySource::Tree { from, patterns }, target)
        }
        FileKind::Fetched { from, name, target } => {
            let from = match builder.scope.resolve(from, marks.here, Use::Fetched)? {
                Thing::Source(index) => builder.source(index)?,
                _ => return Err(from.place.problem("this is no file of a web server")),
            };
            let name = name.clone();
            (CopySource::Blob { from, name }, target)
        }
        FileKind::Inline {
            name,
            content,
            target,
        } => {
            let (name, content) = (name.clone(), content.clone());
            (CopySource::Inline { name, content }, target)
        }
        FileKind::Directory { path, owner, time } => {
            return Ok(FileAction::MakeDirectory {
                path: path.clone(),
                owner: owner.clone(),
                time: *time,
            });
        }
    };
    let Target {
        path,
        owner,
        mode,
        unpack,
        parents,
        exclude,
        link,
    } = target.clone();
    Ok(FileAction::Copy(Box::new(Copy {
        from,
        destination: path,
        owner,
        mode,
        unpack,
        parents,
        exclude,
        link,
    })))
}

fn text(kind: &FileKind) -> String {
    match kind {
        FileKind::Copy {
            from,
            sources,
            target,
        } => {
            let mut words = vec!["copy"];
            words.extend(sources.iter().map(|source| source.text.as_str()));
            if let Some(from) = from {
                words.extend(["of", &from.text]);
            }
            words.extend(["to", &target.path]);
            words.join(" ")
        }
        FileKind::Fetched { from, target, .. } => format!("copy {} to {}", from.text, target.path),
        FileKind::Inline { target, .. } => format!("write {}", target.path),
        FileKind::Directory { path, .. } => format!("make {path}"),
    }
}
