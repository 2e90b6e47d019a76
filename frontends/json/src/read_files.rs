//! The entries of a step that copies and makes files, each by its `fileType`.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use stromatekt_dockerfile::{chmod, paths};
use stromatekt_graph::file::Unpack;
use stromatekt_graph::path;
use stromatekt_pipeline::{Fields, Item, Problem};

use crate::model::{FileEntry, FileKind, Name, Target};
use crate::read::{absolute, flag, name, no_zero, optional_string};

type Reader = fn(&mut Fields<'_>) -> Result<FileKind, Problem>;

/// The types of entries.
const TYPES: [(&str, Reader); 4] = [
    ("copy-file", copy_file),
    ("fetched-file", fetched_file),
    ("inline-file", inline_file),
    ("make-directory", make_directory),
];

/// An entry.
pub fn entry(item: &Item<'_>) -> Result<FileEntry, Problem> {
    let mut fields = item.fields("a file")?;
    let file_type = fields.required("fileType")?;
    let read = file_type.word("type of file", &TYPES)?;
    let mut fields = item.fields(&format!("a file of type `{}`", file_type.string()?))?;
    fields.take("fileType");
    let kind = read(&mut fields)?;
    fields.finish()?;
    let place = item.place();
    Ok(FileEntry { place, kind })
}

fn copy_file(fields: &mut Fields<'_>) -> Result<FileKind, Problem> {
    let from = fields.take("from").map(|item| name(&item)).transpose()?;
    let source = fields.required("source")?;
    let target = Target {
        unpack: unpack(fields)?,
        parents: flag(fields, "parents")?,
        exclude: match fields.take("exclude") {
            Some(item) => item.strings()?.into_iter().map(str::to_owned).collect(),
            None => Vec::new(),
        },
        ..target(fields)?
    };
    let cleaned = match target.parents {
        true => paths::source_with_pivot,
        false => paths::source,
    };
    let sources: Vec<Name> = source
        .one_or_list()
        .iter()
        .map(|item| {
            Ok(Name {
                text: cleaned(no_zero(item, item.non_empty()?)?),
                place: item.place(),
            })
        })
        .collect::<Result<_, Problem>>()?;
    if sources.is_empty() {
        return Err(source.problem("there is nothing to copy"));
    }
    if sources.len() > 1 && !target.path.ends_with('/') {
        return Err(fields
            .problem("several files go into a directory")
            .help(format!("write \"target\": \"{}/\"", target.path)));
    }
    Ok(FileKind::Copy {
        from,
        sources,
        target,
    })
}

fn fetched_file(fields: &mut Fields<'_>) -> Result<FileKind, Problem> {
    Ok(FileKind::Fetched {
        from: name(&fields.required("from")?)?,
        name: file_name(&fields.required("name")?)?,
        target: Target {
            unpack: unpack(fields)?,
            ..target(fields)?
        },
    })
}

fn inline_file(fields: &mut Fields<'_>) -> Result<FileKind, Problem> {
    let content = content(fields)?;
    let name = match fields.take("name") {
        Some(item) => file_name(&item)?,
        None => String::new(),
    };
    let target = target(fields)?;
    if name.is_empty() && target.path.ends_with('/') {
        return Err(fields
            .problem("this file has no name")
            .help("`target` is a directory: say `name`, or leave out the slash at its end"));
    }
    Ok(FileKind::Inline {
        name,
        content,
        target,
    })
}

/// The bytes of a file that stands in the pipeline: `content`, or `contentBase64`.
pub fn content(fields: &mut Fields<'_>) -> Result<Vec<u8>, Problem> {
    match (fields.take("content"), fields.take("contentBase64")) {
        (Some(text), None) => Ok(text.string()?.as_bytes().to_vec()),
        (None, Some(text)) => STANDARD
            .decode(text.string()?)
            .map_err(|error| text.problem(format!("this is no base64: {error}"))),
        (Some(text), Some(bytes)) => Err(bytes
            .problem("`content` and `contentBase64` are both there")
            .also("`content`", text.place())),
        (None, None) => Err(fields
            .problem("there is no `content`")
            .help("`content` is a text; `contentBase64` is for what is none")),
    }
}

fn file_name(item: &Item<'_>) -> Result<String, Problem> {
    let text = item.non_empty()?;
    match text.contains(['/', '\0']) || text == "." || text == ".." {
        true => Err(item.problem(format!("`{text}` is no name of a file"))),
        false => Ok(text.to_owned()),
    }
}

/// What each kind of file has.
fn target(fields: &mut Fields<'_>) -> Result<Target, Problem> {
    Ok(Target {
        path: absolute(&fields.required("target")?)?,
        owner: optional_string(fields, "owner")?,
        mode: fields.take("mode").map(|item| mode(&item)).transpose()?,
        unpack: Unpack::Never,
        parents: false,
        exclude: Vec::new(),
        link: flag(fields, "link")?,
    })
}

fn unpack(fields: &mut Fields<'_>) -> Result<Unpack, Problem> {
    let words = [
        ("never", Unpack::Never),
        ("archives", Unpack::Archives),
        ("always", Unpack::Always),
    ];
    match fields.take("unpack") {
        Some(item) => item.word("way to unpack", &words),
        None => Ok(Unpack::Never),
    }
}

/// A mode as `--chmod` of a Dockerfile has it.
fn mode(item: &Item<'_>) -> Result<String, Problem> {
    let text = item.non_empty()?;
    chmod::check(text).map_err(|reason| item.problem(format!("`{text}` is no mode: {reason}")))?;
    Ok(text.to_owned())
}

fn make_directory(fields: &mut Fields<'_>) -> Result<FileKind, Problem> {
    let path = absolute(&fields.required("path")?)?;
    Ok(FileKind::Directory {
        path: path::clean(&path),
        owner: optional_string(fields, "owner")?.unwrap_or_default(),
        time: fields.take("time").map(|item| item.i64()).transpose()?,
    })
}
