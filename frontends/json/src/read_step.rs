//! The steps of a timeline, each by its `stepType`.

use std::collections::BTreeMap;

use stromatekt_oci::compress::Compression;
use stromatekt_oci::digest::Digest;
use stromatekt_oci::reference::ImageReference;
use stromatekt_pipeline::{Fields, Item, Kind, Place, Problem};

use crate::model::{
    BlobFile, ComposedLayer, Expectation, ExportImage, ImageContent, ImportedObject, Name, Step,
    StepKind,
};
use crate::read::{
    absolute_file, each, flag, media_type, name, names, new_name, optional, optional_string, parsed,
};
use crate::{read_config, read_files, read_run};

/// Reads the fields of a step's type.
type Reader = fn(&mut Fields<'_>) -> Result<StepKind, Problem>;

/// The types of steps.
const TYPES: [(&str, Reader); 12] = [
    ("apply", apply),
    ("apply-changesets", apply_changesets),
    ("copy-changeset", copy_changeset),
    ("copy-layer-stack", copy_layer_stack),
    ("files", files),
    ("run", run),
    ("snapshot-changeset", snapshot_changeset),
    ("snapshot-files", snapshot_files),
    ("import-objects", import_objects),
    ("dump-objects", dump_objects),
    ("expect", expect),
    ("export-image", export_image),
];

/// A step.
pub fn step(item: &Item<'_>) -> Result<Step, Problem> {
    let mut fields = item.fields("a step")?;
    let step_type = fields.required("stepType")?;
    let read = step_type.word("type of step", &TYPES)?;
    let mut fields = item.fields(&format!("a step of type `{}`", step_type.string()?))?;
    fields.take("stepType");
    let kind = read(&mut fields)?;
    fields.finish()?;
    let place = item.place();
    Ok(Step { place, kind })
}

fn apply(fields: &mut Fields<'_>) -> Result<StepKind, Problem> {
    Ok(StepKind::Apply(name(&fields.required("layerStack")?)?))
}

fn apply_changesets(fields: &mut Fields<'_>) -> Result<StepKind, Problem> {
    Ok(StepKind::ApplyChangesets {
        changesets: some_names(&fields.required("changesets")?)?,
        exclusive: flag(fields, "exclusive")?,
    })
}

fn copy_changeset(fields: &mut Fields<'_>) -> Result<StepKind, Problem> {
    Ok(StepKind::CopyChangeset(name(
        &fields.required("changeset")?,
    )?))
}

fn copy_layer_stack(fields: &mut Fields<'_>) -> Result<StepKind, Problem> {
    Ok(StepKind::CopyLayerStack(name(
        &fields.required("layerStack")?,
    )?))
}

fn files(fields: &mut Fields<'_>) -> Result<StepKind, Problem> {
    let item = fields.required("files")?;
    let files = each(Some(item.clone()), read_files::entry)?;
    match files.is_empty() {
        true => Err(item.problem("there is nothing to copy or to make in this step")),
        false => Ok(StepKind::Files(files)),
    }
}

fn run(fields: &mut Fields<'_>) -> Result<StepKind, Problem> {
    Ok(StepKind::Run(Box::new(read_run::run(fields)?)))
}

fn snapshot_changeset(fields: &mut Fields<'_>) -> Result<StepKind, Problem> {
    Ok(StepKind::SnapshotChangeset {
        var: fields.take("var").map(|item| new_name(&item)).transpose()?,
        compression: media_type(fields)?.unwrap_or(Compression::Gzip),
    })
}

fn snapshot_files(fields: &mut Fields<'_>) -> Result<StepKind, Problem> {
    let item = fields.required("files")?;
    let files = each(Some(item.clone()), blob_file)?;
    match files.is_empty() {
        true => Err(item.problem("there is no file in this step")),
        false => Ok(StepKind::SnapshotFiles(files)),
    }
}

fn blob_file(item: &Item<'_>) -> Result<BlobFile, Problem> {
    let mut fields = item.fields("a file that becomes a blob")?;
    fields
        .required("fileType")?
        .word("type of such a file", &[("blob", ()), ("oci", ())])?;
    let path = absolute_file(&fields.required("path")?)?;
    let media = optional_string(&mut fields, "media")?;
    let digest = match fields.take("hash") {
        Some(hash) if hash.string()? == "sha256" => None,
        Some(hash) => Some(parsed::<Digest>(&hash).map_err(|problem| {
            problem.help("`sha256` names the only algorithm; `sha256:…` is the digest that the file must have")
        })?),
        None => None,
    };
    let var = fields.take("var").map(|item| new_name(&item)).transpose()?;
    fields.finish()?;
    Ok(BlobFile {
        path,
        media,
        digest,
        var,
    })
}

fn import_objects(fields: &mut Fields<'_>) -> Result<StepKind, Problem> {
    let item = fields.required("objects")?;
    let objects = each(Some(item.clone()), object)?;
    if objects.is_empty() {
        return Err(item.problem("there is nothing to import in this step"));
    }
    let path = fields.take("path").map(|item| absolute_file(&item));
    Ok(StepKind::ImportObjects {
        objects,
        path: path.transpose()?,
    })
}

fn object(item: &Item<'_>) -> Result<ImportedObject, Problem> {
    let mut fields = item.fields("an object")?;
    let (layers, is_changeset) = match (fields.take("layer"), fields.take("changeset")) {
        (Some(layer), None) => (some_names(&layer)?, false),
        (None, Some(changeset)) => (vec![name(&changeset)?], true),
        (Some(layer), Some(changeset)) => {
            return Err(changeset
                .problem("an object is a `layer` or a `changeset`, not both")
                .also("`layer`", layer.place()));
        }
        (None, None) => {
            return Err(fields.problem("an object has no `layer` and no `changeset`")
                .help("`layer` names what has layers, an image or the result of a timeline; `changeset` names a changeset"));
        }
    };
    let first = layers.first().map(|name| name.text.clone());
    let label = optional_string(&mut fields, "name")?;
    let compression = media_type(&mut fields)?;
    fields.finish()?;
    Ok(ImportedObject {
        place: item.place(),
        name: label.or(first).unwrap_or_default(),
        layers,
        is_changeset,
        compression,
    })
}

fn dump_objects(fields: &mut Fields<'_>) -> Result<StepKind, Problem> {
    Ok(StepKind::DumpObjects(absolute_file(
        &fields.required("path")?,
    )?))
}

fn expect(fields: &mut Fields<'_>) -> Result<StepKind, Problem> {
    let tree = optional::<Digest>(fields, "tree")?;
    let changeset = optional::<Digest>(fields, "changeset")?;
    let digest = optional::<Digest>(fields, "digest")?;
    let path = fields.take("path").map(|item| absolute_file(&item));
    let expectation = match (tree, changeset, path.transpose()?, digest) {
        (Some(tree), None, None, None) => Expectation::Tree(tree),
        (None, Some(diff_id), None, None) => Expectation::Changeset(diff_id),
        (None, None, Some(path), Some(digest)) => Expectation::File(path, digest),
        _ => {
            return Err(fields
                .problem("a step of type `expect` expects one thing")
                .help("`tree`, or `changeset`, or `path` with `digest`"));
        }
    };
    Ok(StepKind::Expect(expectation))
}

fn export_image(fields: &mut Fields<'_>) -> Result<StepKind, Problem> {
    let (mut name, mut of_name) = (None, None);
    if let Some(item) = fields.take("name") {
        of_name = Some(tag(&item)?);
        name = Some(self::name(&item)?);
    }
    let mut tags = each(fields.take("tags"), tag)?;
    if tags.is_empty() {
        tags.extend(of_name);
    }
    let path = optional_string(fields, "path")?;
    let content = match fields.take("manifests") {
        Some(manifests) => written(fields, &manifests)?,
        None => composed(fields)?,
    };
    Ok(StepKind::ExportImage(Box::new(ExportImage {
        name,
        tags,
        path,
        content,
    })))
}

/// A name that an image gets, as a user would tag it.
fn tag(item: &Item<'_>) -> Result<(ImageReference, Place), Problem> {
    let reference = parsed::<ImageReference>(item)?;
    match reference.digest() {
        None => Ok((reference, item.place())),
        Some(_) => Err(item
            .problem("the digest of an image is known when it is built")
            .help("write a tag alone")),
    }
}

#[derive(Clone, Copy)]
enum IndexType {
    None,
    Oci,
}

fn written(fields: &mut Fields<'_>, manifests: &Item<'_>) -> Result<ImageContent, Problem> {
    let paths: Vec<String> = manifests
        .list()?
        .iter()
        .map(absolute_file)
        .collect::<Result<_, _>>()?;
    let words = [("none", IndexType::None), ("oci", IndexType::Oci)];
    let index_type = match fields.take("indexType") {
        Some(item) => item.word("type of index", &words)?,
        None => IndexType::None,
    };
    let is_index = matches!(index_type, IndexType::Oci);
    match paths.as_slice() {
        [] => return Err(manifests.problem("an image has a manifest")),
        [_, _, ..] if !is_index => {
            return Err(manifests
                .problem("several manifests are an image only in an index")
                .help("\"indexType\": \"oci\" makes one"));
        }
        _ => {}
    }
    let mut annotations = BTreeMap::new();
    if let Some(item) = fields.take("annotations") {
        if !is_index {
            return Err(item
                .problem("these are the annotations of an index, and this image has none")
                .help("write them into the manifest, or set \"indexType\": \"oci\""));
        }
        for entry in item.entries()? {
            annotations.insert(entry.name.to_owned(), entry.item.string()?.to_owned());
        }
    }
    let blobs = fields.take("blobs").map(|item| names(&item)).transpose()?;
    Ok(ImageContent::Written {
        manifests: paths,
        is_index,
        annotations,
        blobs: blobs.unwrap_or_default(),
    })
}

fn composed(fields: &mut Fields<'_>) -> Result<ImageContent, Problem> {
    for field in ["indexType", "annotations", "blobs"] {
        if let Some(item) = fields.take(field) {
            return Err(item.problem(format!(
                "`{field}` belongs to an image whose `manifests` a step wrote"
            )));
        }
    }
    let layers = match fields.take("layers") {
        Some(item) => Some(
            item.list()?
                .iter()
                .map(composed_layer)
                .collect::<Result<_, _>>()?,
        ),
        None => None,
    };
    Ok(ImageContent::Composed {
        layers,
        config_from: fields
            .take("configFrom")
            .map(|item| name(&item))
            .transpose()?,
        config: fields
            .take("config")
            .map(|item| read_config::config(&item).map(Box::new))
            .transpose()?,
    })
}

fn composed_layer(item: &Item<'_>) -> Result<ComposedLayer, Problem> {
    if !matches!(item.kind(), Kind::Map(_)) {
        return Ok(ComposedLayer {
            layer: name(item)?,
            history: None,
        });
    }
    let mut fields = item.fields("a layer of an image")?;
    let layer = name(&fields.required("layer")?)?;
    let history = match fields.take("history") {
        Some(item) => match usize::try_from(item.u64()?) {
            Ok(number) => Some((number, item.place())),
            Err(_) => return Err(item.problem("no history is that long")),
        },
        None => None,
    };
    fields.finish()?;
    Ok(ComposedLayer { layer, history })
}

/// One reference, or a list of them that is not empty.
fn some_names(item: &Item<'_>) -> Result<Vec<Name>, Problem> {
    let names = names(item)?;
    match names.is_empty() {
        true => Err(item.problem("this list is empty")),
        false => Ok(names),
    }
}
