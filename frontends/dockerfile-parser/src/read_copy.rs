//! COPY and ADD: sources, here-documents and a destination.

use crate::arguments;
use crate::error::{Error, Problem};
use crate::flags::{self, Flags, Takes};
use crate::heredoc::{self, Opening};
use crate::instruction::{Add, Copy, Document, Transfer};
use crate::scan::Raw;
use crate::span::Word;

const COPY_FLAGS: [(&str, Takes); 6] = [
    ("from", Takes::One),
    ("chown", Takes::One),
    ("chmod", Takes::One),
    ("link", Takes::Switch),
    ("parents", Takes::Switch),
    ("exclude", Takes::Many),
];
const ADD_FLAGS: [(&str, Takes); 7] = [
    ("chown", Takes::One),
    ("chmod", Takes::One),
    ("link", Takes::Switch),
    ("keep-git-dir", Takes::Switch),
    ("checksum", Takes::One),
    ("unpack", Takes::Switch),
    ("exclude", Takes::Many),
];

/// COPY.
pub fn copy(raw: &Raw) -> Result<Copy, Error> {
    let (files, flags) = transfer(raw, "COPY", &COPY_FLAGS)?;
    Ok(Copy {
        files,
        from: flags.one("from"),
        parents: flags.switch("parents") == Some(true),
    })
}

/// ADD.
pub fn add(raw: &Raw) -> Result<Add, Error> {
    let (files, flags) = transfer(raw, "ADD", &ADD_FLAGS)?;
    Ok(Add {
        files,
        checksum: flags.one("checksum"),
        keep_git_dir: flags.switch("keep-git-dir"),
        unpack: flags.switch("unpack"),
    })
}

fn transfer(
    raw: &Raw,
    instruction: &'static str,
    known: &[(&'static str, Takes)],
) -> Result<(Transfer, Flags), Error> {
    let mut words = arguments::list(&raw.line, raw.split.rest.clone())?;
    let flags = flags::read(instruction, &raw.split.flags, known)?;
    let destination = match words.pop() {
        Some(destination) if !words.is_empty() => destination,
        _ => return Err(Problem::NoDestination { instruction }.at(raw.line.whole())),
    };
    if document_name(&destination).is_some() {
        return Err(Problem::HeredocDestination { instruction }.at(destination.span));
    }
    let mut sources = Vec::new();
    let mut documents = Vec::new();
    for word in words {
        match document_name(&word) {
            Some(opening) => documents.push(document(raw, &opening, &word)),
            None => sources.push(word),
        }
    }
    let files = Transfer {
        sources,
        documents,
        destination,
        chown: flags.one("chown"),
        chmod: flags.one("chmod"),
        link: flags.switch("link") == Some(true),
        exclude: flags.many("exclude"),
    };
    Ok((files, flags))
}

/// A word that cannot be read as the start of a here-document is a path.
fn document_name(word: &Word) -> Option<Opening> {
    heredoc::opening(&word.value).ok().flatten()
}

/// Documents are found by their names: of two with the same name, both are the last. One in a JSON list is empty.
fn document(raw: &Raw, opening: &Opening, word: &Word) -> Document {
    let found = raw
        .heredocs
        .iter()
        .rfind(|heredoc| heredoc.name == opening.name);
    let text = found.map(|heredoc| {
        let mut heredoc = heredoc.clone();
        heredoc.chomp = opening.chomp;
        heredoc.text()
    });
    Document {
        name: opening.name.clone(),
        content: text.unwrap_or_default(),
        expand: opening.expand,
        span: word.span,
    }
}
