//! A document as a [`Pipeline`]: the top of the file, and the values that all parts of it have in common.

use std::collections::BTreeMap;

use stromatekt_graph::op::{Git, ImageLocation};
use stromatekt_graph::path;
use stromatekt_oci::compress::Compression;
use stromatekt_oci::digest::Digest;
use stromatekt_oci::platform::Platform;
use stromatekt_oci::reference::ImageReference;
use stromatekt_pipeline::{Document, Fields, Item, Problem};

use crate::allowed::allowed;
use crate::model::{Import, Name, Pipeline, Source, SourceKind, Timeline};
use crate::read_step;

/// Names that stand for something in every pipeline, so that nothing else can have them.
pub const RESERVED: [&str; 5] = ["context", "imports", "result", "scratch", "sources"];

/// Reads a whole document.
pub fn pipeline(document: &Document) -> Result<Pipeline, Problem> {
    let mut top = document.top().fields("a pipeline")?;
    // An editor finds the schema of a file by this field.
    if let Some(schema) = top.take("$schema") {
        schema.string()?;
    }
    top.take("files");
    let files = allowed(document)?;
    let images = each(top.take("images"), import)?;
    let sources = each(top.take("sources"), source)?;
    no_context_twice(&sources)?;
    let timelines = top.required_any(&["timelines", "tasks"])?;
    let timelines = each(Some(timelines), timeline)?;
    let export = match top.take("export") {
        Some(item) => Some(item.list()?.iter().map(name).collect::<Result<_, _>>()?),
        None => None,
    };
    top.finish()?;
    Ok(Pipeline {
        files,
        images,
        sources,
        timelines,
        export,
    })
}

fn import(item: &Item<'_>) -> Result<Import, Problem> {
    let mut fields = item.fields("an import")?;
    fields
        .required("importType")?
        .word("type of import", &[("layer", ())])?;
    let location = location(&fields.required("image")?)?;
    let platform = match fields.take("platform") {
        Some(item) => Some(parsed::<Platform>(&item)?),
        None => None,
    };
    let name = new_name(&fields.required("resultVar")?)?;
    fields.finish()?;
    Ok(Import {
        name,
        location,
        platform,
    })
}

#[derive(Clone, Copy)]
enum ImageType {
    Oci,
    Docker,
}

fn location(item: &Item<'_>) -> Result<ImageLocation, Problem> {
    let mut fields = item.fields("an image")?;
    let kinds = [("oci", ImageType::Oci), ("docker", ImageType::Docker)];
    let location = match fields
        .required("imageType")?
        .word("type of image", &kinds)?
    {
        ImageType::Oci => {
            let path = fields.required("path")?.non_empty()?.into();
            let selector = match (fields.take("tag"), fields.take("digest")) {
                (Some(tag), Some(digest)) => {
                    return Err(digest
                        .problem("an image in a layout is chosen by its `tag` or by its `digest`, not both")
                        .also("`tag`", tag.place()));
                }
                (Some(tag), None) => Some(tag.non_empty()?.to_owned()),
                (None, Some(digest)) => Some(parsed::<Digest>(&digest)?.to_string()),
                (None, None) => None,
            };
            ImageLocation::Layout { path, selector }
        }
        ImageType::Docker => {
            let name = fields.required("name")?;
            let mut text = name.non_empty()?.to_owned();
            let mut place = name.place();
            if let Some(tag) = fields.take("tag") {
                text = format!("{text}:{}", tag.non_empty()?);
                place = tag.place();
            }
            if let Some(digest) = fields.take("digest") {
                text = format!("{text}@{}", parsed::<Digest>(&digest)?);
            }
            let reference = text.parse::<ImageReference>();
            ImageLocation::Named(reference.map_err(|error| place.problem(error.to_string()))?)
        }
    };
    fields.finish()?;
    Ok(location)
}

#[derive(Clone, Copy)]
enum SourceType {
    Git,
    Http,
    Directory,
}

fn source(item: &Item<'_>) -> Result<Source, Problem> {
    let mut fields = item.fields("a source")?;
    let kinds = [
        ("git", SourceType::Git),
        ("http", SourceType::Http),
        ("directory", SourceType::Directory),
    ];
    let kind = fields
        .required("sourceType")?
        .word("type of source", &kinds)?;
    let name = new_name(&fields.required("resultVar")?)?;
    let kind = match kind {
        SourceType::Git => SourceKind::Git(Git {
            remote: fields.required("remote")?.non_empty()?.to_owned(),
            reference: optional_string(&mut fields, "reference")?,
            subdirectory: optional_string(&mut fields, "subdirectory")?,
            keep_git_dir: flag(&mut fields, "keepGitDir")?,
            checksum: optional_string(&mut fields, "checksum")?,
            skip_submodules: flag(&mut fields, "skipSubmodules")?,
            commit_time: flag(&mut fields, "commitTime")?,
            fetch_by_commit: flag(&mut fields, "fetchByCommit")?,
        }),
        SourceType::Http => SourceKind::Http {
            url: url(&fields.required("url")?)?,
            checksum: optional(&mut fields, "checksum")?,
        },
        SourceType::Directory => SourceKind::Directory {
            context: match fields.take("contextName") {
                Some(item) if item.non_empty()? == "context" => {
                    return Err(item.problem("`context` is the name of the build context"));
                }
                Some(item) => item.non_empty()?.to_owned(),
                None => name.text.clone(),
            },
            path: fields.required("path")?.non_empty()?.to_owned(),
        },
    };
    fields.finish()?;
    Ok(Source { name, kind })
}

/// The graph knows directories by these names alone.
fn no_context_twice(sources: &[Source]) -> Result<(), Problem> {
    let mut known: BTreeMap<&str, (&str, &Name)> = BTreeMap::new();
    for source in sources {
        let SourceKind::Directory { context, path } = &source.kind else {
            continue;
        };
        match known.insert(context, (path, &source.name)) {
            Some((other, first)) if other != path => {
                return Err(source
                    .name
                    .place
                    .problem(format!(
                        "two directories are called `{context}` in plans and caches"
                    ))
                    .also("it is the name of this", first.place.clone())
                    .help("`contextName` gives one of them another name"));
            }
            _ => {}
        }
    }
    Ok(())
}

fn url(item: &Item<'_>) -> Result<String, Problem> {
    let text = item.string()?;
    match text.split_once("://") {
        Some(("http" | "https", rest)) if !rest.is_empty() => Ok(text.to_owned()),
        _ => Err(item
            .problem(format!("`{text}` is no URL of a web server"))
            .help("it begins with http:// or https://")),
    }
}

fn timeline(item: &Item<'_>) -> Result<Timeline, Problem> {
    let mut fields = item.fields("a timeline")?;
    let name = new_name(&fields.required_any(&["resultVar", "taskVar"])?)?;
    let steps = each(Some(fields.required("steps")?), read_step::step)?;
    fields.finish()?;
    Ok(Timeline { name, steps })
}

/// Each element of a list, read by `read`; nothing where there is no list.
pub fn each<T>(
    item: Option<Item<'_>>,
    read: impl Fn(&Item<'_>) -> Result<T, Problem>,
) -> Result<Vec<T>, Problem> {
    match item {
        Some(item) => item.list()?.iter().map(read).collect(),
        None => Ok(Vec::new()),
    }
}

/// A text that is handed to the kernel.
pub fn no_zero<'a>(item: &Item<'_>, text: &'a str) -> Result<&'a str, Problem> {
    match text.contains('\0') {
        true => Err(item.problem("this has no character 0")),
        false => Ok(text),
    }
}

/// A reference to something.
pub fn name(item: &Item<'_>) -> Result<Name, Problem> {
    Ok(Name {
        text: item.non_empty()?.to_owned(),
        place: item.place(),
    })
}

/// A list of references, or one.
pub fn names(item: &Item<'_>) -> Result<Vec<Name>, Problem> {
    item.one_or_list().iter().map(name).collect()
}

/// A name that something gets.
pub fn new_name(item: &Item<'_>) -> Result<Name, Problem> {
    let text = item.non_empty()?;
    if RESERVED.contains(&text) {
        return Err(item.problem(format!(
            "`{text}` means something already, and cannot be the name of anything else"
        )));
    }
    if let Some(character) = text
        .chars()
        .find(|c| !(c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '+')))
    {
        return Err(item
            .problem(format!("a name has no `{}`", character.escape_debug()))
            .help("letters, digits, `-`, `_` and `+` are what it can have; dots stand between the parts of qualified names"));
    }
    name(item)
}

/// The value of a field that is a string.
pub fn optional_string(
    fields: &mut Fields<'_>,
    name: &'static str,
) -> Result<Option<String>, Problem> {
    match fields.take(name) {
        Some(item) => Ok(Some(item.non_empty()?.to_owned())),
        None => Ok(None),
    }
}

/// The value of a field that is true or, where absent, false.
pub fn flag(fields: &mut Fields<'_>, name: &'static str) -> Result<bool, Problem> {
    fields.take(name).map_or(Ok(false), |item| item.boolean())
}

/// The value of a field that has a text form of its own.
pub fn optional<T>(fields: &mut Fields<'_>, name: &'static str) -> Result<Option<T>, Problem>
where
    T: std::str::FromStr,
    T::Err: std::fmt::Display,
{
    fields.take(name).map(|item| parsed(&item)).transpose()
}

/// A string that has a text form of its own.
pub fn parsed<T>(item: &Item<'_>) -> Result<T, Problem>
where
    T: std::str::FromStr,
    T::Err: std::fmt::Display,
{
    item.string()?
        .parse()
        .map_err(|error: T::Err| item.problem(error.to_string()))
}

/// An absolute path in a tree, without what means nothing in it. A slash at the end is kept.
pub fn absolute(item: &Item<'_>) -> Result<String, Problem> {
    let text = item.non_empty()?;
    if !text.starts_with('/') {
        return Err(item
            .problem(format!("`{text}` is not absolute"))
            .help(format!("write /{text}")));
    }
    let clean = path::clean(no_zero(item, text)?);
    Ok(match text.ends_with('/') && clean != "/" {
        true => format!("{clean}/"),
        false => clean,
    })
}

/// An absolute path of a file.
pub fn absolute_file(item: &Item<'_>) -> Result<String, Problem> {
    let path = absolute(item)?;
    match path.ends_with('/') {
        true => Err(item.problem(format!("`{path}` is a directory, not a file"))),
        false => Ok(path),
    }
}

/// How the layer of a changeset is compressed: gzip where nothing is said.
pub fn media_type(fields: &mut Fields<'_>) -> Result<Option<Compression>, Problem> {
    let words = [
        ("tar", Compression::None),
        ("tar+gzip", Compression::Gzip),
        ("tar+zstd", Compression::Zstd),
        ("application/vnd.oci.image.layer.v1.tar", Compression::None),
        (
            "application/vnd.oci.image.layer.v1.tar+gzip",
            Compression::Gzip,
        ),
        (
            "application/vnd.oci.image.layer.v1.tar+zstd",
            Compression::Zstd,
        ),
    ];
    fields
        .take("mediaType")
        .map(|item| item.word("media type of a layer", &words))
        .transpose()
}
