//! What is done to files: directories, copies, files that are written, descriptions of layers.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use stromatekt_dockerfile::{chmod, paths};
use stromatekt_graph::file::{Copy, CopySource, FileAction, Unpack};
use stromatekt_pipeline::{Fields, Item, Kind, Place, Problem};

use super::{Reading, boolean, compression, finish, text, texts};
use crate::language::{COPY, DESCRIBE, DIRECTORY, FILE, MADE};
use crate::scope::CONTEXT_UNIT;
use crate::spec::{Action, CopySpec, Description, Use};

/// What a map of fields does to files, in the order in which it is done.
pub fn actions(
    fields: &mut Fields<'_>,
    reading: &Reading<'_>,
) -> Result<Vec<(Action, Place)>, Problem> {
    let mut actions = Vec::new();
    if let Some(item) = fields.take("directories") {
        for item in item.one_or_list() {
            actions.push((Action::Plain(directory(&item)?), item.place()));
        }
    }
    if let Some(item) = fields.take("copy") {
        for item in item.one_or_list() {
            let copy = Action::Copy(Box::new(copy(&item, reading)?));
            actions.push((copy, item.place()));
        }
    }
    if let Some(item) = fields.take("files") {
        for (copy, place) in files(&item)? {
            let copy = Action::Plain(FileAction::Copy(Box::new(copy)));
            actions.push((copy, place));
        }
    }
    Ok(actions)
}

/// The descriptions that it asks for.
pub fn descriptions(
    fields: &mut Fields<'_>,
    reading: &Reading<'_>,
) -> Result<Vec<Description>, Problem> {
    let Some(item) = fields.take("describe") else {
        return Ok(Vec::new());
    };
    let items = item.one_or_list();
    items
        .iter()
        .map(|item| description(item, reading))
        .collect()
}

fn description(item: &Item<'_>, reading: &Reading<'_>) -> Result<Description, Problem> {
    let mut fields = item.fields(DESCRIBE.what)?;
    let to = fields.required("to")?.non_empty_text()?;
    let layers = reading.named_layers(&fields.required("layers")?)?;
    let compression = compression(fields.take("compression"))?;
    finish(fields, &DESCRIBE)?;
    Ok(Description {
        to,
        layers,
        compression,
        place: item.place(),
    })
}

fn directory(item: &Item<'_>) -> Result<FileAction, Problem> {
    let Kind::Map(_) = item.kind() else {
        return Ok(FileAction::MakeDirectory {
            path: item.non_empty_text()?,
            owner: String::new(),
            time: None,
        });
    };
    let mut fields = item.fields(DIRECTORY.what)?;
    let action = FileAction::MakeDirectory {
        path: fields.required("path")?.non_empty_text()?,
        owner: text(fields.take("owner"))?.unwrap_or_default(),
        time: fields.take("time").map(|item| item.i64()).transpose()?,
    };
    finish(fields, &DIRECTORY)?;
    Ok(action)
}

fn copy(item: &Item<'_>, reading: &Reading<'_>) -> Result<CopySpec, Problem> {
    let mut fields = item.fields(COPY.what)?;
    let from = match fields.take("from") {
        Some(item) => reading.unit(&item)?,
        None => Use {
            unit: CONTEXT_UNIT,
            layers: None,
            name: crate::names::CONTEXT.to_owned(),
            place: item.place(),
        },
    };
    let files = match fields.take("files") {
        Some(item) => match texts(&item)? {
            none if none.is_empty() => return Err(item.problem("there are no files to copy")),
            files => files,
        },
        None => Vec::new(),
    };
    let to = fields.required("to")?;
    let destination = to.non_empty_text()?;
    if files.len() > 1 && !destination.ends_with('/') {
        return Err(to
            .problem("several files are copied, so this must be a directory")
            .help(format!("write `{destination}/`")));
    }
    let rest = Copy {
        from: nothing(),
        destination,
        owner: text(fields.take("owner"))?,
        mode: mode(fields.take("mode"))?,
        unpack: Unpack::Never,
        exclude: fields
            .take("exclude")
            .map(|item| texts(&item))
            .transpose()?
            .unwrap_or_default(),
        parents: boolean(fields.take("parents"))?.unwrap_or(false),
        link: boolean(fields.take("link"))?.unwrap_or(false),
    };
    let is_unpacked = boolean(fields.take("unpack"))?.unwrap_or(false);
    let name = text(fields.take("name"))?;
    finish(fields, &COPY)?;
    Ok(CopySpec {
        from,
        files,
        name,
        is_unpacked,
        rest,
    })
}

/// A source that stands for none yet.
fn nothing() -> CopySource {
    CopySource::Inline {
        name: String::new(),
        content: Vec::new(),
    }
}

fn mode(item: Option<Item<'_>>) -> Result<Option<String>, Problem> {
    let Some(item) = item else {
        return Ok(None);
    };
    let text = item.text()?;
    // YAML's own way to write an octal number.
    let mode = text.strip_prefix("0o").unwrap_or(&text);
    match chmod::check(mode) {
        Ok(()) if !mode.is_empty() => Ok(Some(mode.to_owned())),
        Ok(()) => Err(item.problem("a mode cannot be empty")),
        Err(reason) => Err(item
            .problem(format!("`{mode}` is no mode: {reason}"))
            .help("write it as 0755 or u=rwX,go=rX")),
    }
}

fn files(item: &Item<'_>) -> Result<Vec<(Copy, Place)>, Problem> {
    if let Kind::List(_) = item.kind() {
        let items = item.list()?;
        let copies = items.iter().map(|item| Ok((file(item)?, item.place())));
        return copies.collect();
    }
    let entries = item.entries()?;
    let copies = entries.iter().map(|entry| {
        let path = entry.name;
        if path.is_empty() || path.ends_with('/') {
            return Err(entry
                .name_place
                .problem("this is not the path of a file")
                .help("write the name of the file behind it"));
        }
        let mut copy = match entry.item.kind() {
            Kind::Map(_) => made(&entry.item)?,
            _ => written(entry.item.text()?.into_bytes()),
        };
        path.clone_into(&mut copy.destination);
        copy.from = named(copy.from, paths::base(path));
        Ok((copy, entry.name_place.clone()))
    });
    copies.collect()
}

fn made(item: &Item<'_>) -> Result<Copy, Problem> {
    let mut fields = item.fields(MADE.what)?;
    let mut copy = written(content(&mut fields)?);
    options(&mut fields, &mut copy)?;
    finish(fields, &MADE)?;
    Ok(copy)
}

fn file(item: &Item<'_>) -> Result<Copy, Problem> {
    let mut fields = item.fields(FILE.what)?;
    let to = fields.required("to")?;
    let destination = to.non_empty_text()?;
    let mut copy = written(content(&mut fields)?);
    options(&mut fields, &mut copy)?;
    copy.exclude = fields
        .take("exclude")
        .map(|item| texts(&item))
        .transpose()?
        .unwrap_or_default();
    let name = match text(fields.take("name"))? {
        Some(name) => name,
        None if destination.ends_with('/') => {
            return Err(to
                .problem("a file in a directory needs a `name`")
                .help("give it one, or write it behind the path"));
        }
        None => paths::base(&destination).to_owned(),
    };
    finish(fields, &FILE)?;
    copy.destination = destination;
    copy.from = named(copy.from, &name);
    Ok(copy)
}

fn options(fields: &mut Fields<'_>, copy: &mut Copy) -> Result<(), Problem> {
    copy.owner = text(fields.take("owner"))?;
    copy.mode = mode(fields.take("mode"))?;
    copy.link = boolean(fields.take("link"))?.unwrap_or(false);
    Ok(())
}

/// The bytes of a file, by either of the two fields.
pub fn content(fields: &mut Fields<'_>) -> Result<Vec<u8>, Problem> {
    let plain = fields.take("content");
    let encoded = fields.take("base64");
    match (plain, encoded) {
        (Some(plain), None) => Ok(plain.text()?.into_bytes()),
        (None, Some(encoded)) => {
            let text: String = encoded.text()?.split_whitespace().collect();
            STANDARD
                .decode(text)
                .map_err(|error| encoded.problem(format!("this is no base64: {error}")))
        }
        (Some(_), Some(encoded)) => {
            Err(encoded.problem("`content` and `base64` mean the same: give one of them"))
        }
        (None, None) => {
            // A name that is nearly one of them is what was meant.
            let meant = ["content", "base64"].into_iter().find_map(|name| {
                let problem = fields.required(name).err()?;
                problem.help.is_some().then_some(problem)
            });
            let missing = || {
                fields
                    .problem("a file has no `content`, which it needs")
                    .help("`content: \"\"` is an empty one")
            };
            Err(meant.unwrap_or_else(missing))
        }
    }
}

fn written(content: Vec<u8>) -> Copy {
    Copy {
        from: CopySource::Inline {
            name: String::new(),
            content,
        },
        destination: String::new(),
        owner: None,
        mode: None,
        unpack: Unpack::Never,
        parents: false,
        exclude: Vec::new(),
        link: false,
    }
}

fn named(from: CopySource, name: &str) -> CopySource {
    match from {
        CopySource::Inline { content, .. } => CopySource::Inline {
            name: name.to_owned(),
            content,
        },
        other => other,
    }
}
