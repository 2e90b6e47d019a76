//! Reading values as what they say: a file for each kind of object.

mod config;
mod files;
mod image;
mod mount;
mod settings;
mod source;
mod task;

use std::path::Path;

pub use image::image;
pub use source::{base, source};
use stromatekt_oci::Digest;
use stromatekt_oci::compress::Compression;
use stromatekt_oci::platform::Platform;
use stromatekt_pipeline::{Fields, Item, Problem};
pub use task::task;

use crate::language::Object;
use crate::scope::Names;
use crate::spec::{NamedLayers, Stacking, Use};

/// What must be known to read a value.
#[derive(Clone, Copy, Debug)]
pub struct Reading<'a> {
    /// The names of all files.
    pub names: &'a Names,
    /// The number of the file that is read.
    pub module: usize,
    /// Its directory.
    pub directory: &'a Path,
    /// The name of the file as a library; empty for the main one.
    pub library: &'a str,
    /// What is built for.
    pub target: &'a Platform,
    /// The platform of the builder.
    pub host: &'a Platform,
}

impl Reading<'_> {
    fn unit(&self, item: &Item<'_>) -> Result<Use, Problem> {
        self.names.resolve_whole(self.module, item)
    }

    fn stacking(&self, item: &Item<'_>, ordered: Option<Item<'_>>) -> Result<Stacking, Problem> {
        let uses = self.uses(item)?;
        let is_ordered = ordered.as_ref().map(Item::boolean).transpose()?;
        Ok(Stacking {
            uses,
            is_ordered: is_ordered.unwrap_or(false),
        })
    }

    fn uses(&self, item: &Item<'_>) -> Result<Vec<Use>, Problem> {
        let items = item.one_or_list();
        if items.is_empty() {
            return Err(item
                .problem(format!("`{}` names nothing", item.place().path))
                .help("`scratch` is the empty tree"));
        }
        items
            .iter()
            .map(|item| self.names.resolve(self.module, item))
            .collect()
    }

    fn named_layers(&self, item: &Item<'_>) -> Result<Vec<NamedLayers>, Problem> {
        let entries = item.entries()?;
        let named = entries.iter().map(|entry| {
            Ok(NamedLayers {
                name: entry.name.to_owned(),
                uses: self.uses(&entry.item)?,
            })
        });
        named.collect()
    }
}

/// Ends the reading of an object.
fn finish(fields: Fields<'_>, object: &Object) -> Result<(), Problem> {
    debug_assert!(
        {
            let mut known = fields.known().to_vec();
            let mut table: Vec<&str> = object.fields.iter().map(|field| field.name).collect();
            known.sort_unstable();
            table.sort_unstable();
            known == table
        },
        "the table of {} and its reader differ: {:?}",
        object.what,
        fields.known()
    );
    fields.finish()
}

/// A text, or a list of texts.
fn texts(item: &Item<'_>) -> Result<Vec<String>, Problem> {
    item.one_or_list().iter().map(Item::text).collect()
}

/// A list of texts.
fn text_list(item: &Item<'_>) -> Result<Vec<String>, Problem> {
    item.list()?.iter().map(Item::text).collect()
}

/// A list of texts with something in it.
fn words(item: &Item<'_>) -> Result<Vec<String>, Problem> {
    match text_list(item)? {
        empty if empty.is_empty() => Err(item.problem(format!("`{}` is empty", item.place().path))),
        words => Ok(words),
    }
}

/// Texts by the user's own names.
fn text_map(item: &Item<'_>) -> Result<Vec<(String, String)>, Problem> {
    let entries = item.entries()?;
    let texts = entries
        .iter()
        .map(|entry| Ok((entry.name.to_owned(), entry.item.text()?)));
    texts.collect()
}

fn text(item: Option<Item<'_>>) -> Result<Option<String>, Problem> {
    item.map(|item| item.text()).transpose()
}

fn boolean(item: Option<Item<'_>>) -> Result<Option<bool>, Problem> {
    item.map(|item| item.boolean()).transpose()
}

fn number<T: TryFrom<u64>>(item: Option<Item<'_>>) -> Result<Option<T>, Problem> {
    let Some(item) = item else {
        return Ok(None);
    };
    let value = item.u64()?;
    match T::try_from(value) {
        Ok(value) => Ok(Some(value)),
        Err(_) => Err(item.problem(format!("{value} is too big"))),
    }
}

fn digest(item: &Item<'_>) -> Result<Digest, Problem> {
    item.string()?
        .parse()
        .map_err(|error: stromatekt_oci::Error| {
            item.problem(error.to_string())
                .help("a digest is `sha256:` and 64 digits")
        })
}

fn platform(item: &Item<'_>) -> Result<Platform, Problem> {
    item.text()?
        .parse()
        .map_err(|error: stromatekt_oci::Error| {
            item.problem(error.to_string())
                .help("platforms are written as linux/amd64 or linux/arm64/v8")
        })
}

fn compression(item: Option<Item<'_>>) -> Result<Compression, Problem> {
    let Some(item) = item else {
        return Ok(Compression::Gzip);
    };
    item.word(
        "compression",
        &[
            ("none", Compression::None),
            ("gzip", Compression::Gzip),
            ("zstd", Compression::Zstd),
        ],
    )
}
