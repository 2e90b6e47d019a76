//! COPY and ADD with the values of a stage.

use stromatekt_dockerfile_parser::{Add, Copy, Transfer, Word};

use crate::copy::{AddFlags, CopyRequest, Document};
use crate::effect::{expand, expand_all, values};
use crate::error::Problem;
use crate::expand;
use crate::plan::Plan;
use crate::state::State;

/// COPY.
pub fn copy(copy: &Copy, state: &State, plan: &Plan<'_>) -> Result<CopyRequest, Problem> {
    Ok(CopyRequest {
        parents: copy.parents,
        ..transfer(&copy.files, state, plan)?
    })
}

/// ADD.
pub fn add(add: &Add, state: &State, plan: &Plan<'_>) -> Result<CopyRequest, Problem> {
    let flags = AddFlags {
        checksum: optional(add.checksum.as_ref(), state, plan)?,
        keep_git_dir: add.keep_git_dir,
        unpack: add.unpack,
    };
    Ok(CopyRequest {
        add: Some(flags),
        ..transfer(&add.files, state, plan)?
    })
}

fn optional(word: Option<&Word>, state: &State, plan: &Plan<'_>) -> Result<String, Problem> {
    word.map_or(Ok(String::new()), |word| expand(word, state, plan))
}

fn transfer(files: &Transfer, state: &State, plan: &Plan<'_>) -> Result<CopyRequest, Problem> {
    let documents: Result<Vec<Document>, Problem> = files
        .documents
        .iter()
        .map(|document| {
            Ok(Document {
                name: document.name.clone(),
                content: expand::document(document, &state.environment)?,
            })
        })
        .collect();
    Ok(CopyRequest {
        add: None,
        sources: expand_all(&files.sources, state, plan)?,
        documents: documents?,
        destination: expand(&files.destination, state, plan)?,
        chown: optional(files.chown.as_ref(), state, plan)?,
        chmod: optional(files.chmod.as_ref(), state, plan)?,
        link: files.link,
        parents: false,
        // Patterns are taken as they are written.
        exclude: values(&files.exclude),
    })
}
