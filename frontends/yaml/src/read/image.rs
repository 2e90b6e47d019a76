//! Images.

use stromatekt_oci::platform::Platform;
use stromatekt_oci::reference::ImageReference;
use stromatekt_pipeline::{Item, Kind, Place, Problem};

use super::{
    Reading, boolean, compression, config, digest, finish, platform, text, text_map, texts,
};
use crate::language::{BLOB, IMAGE, WRITTEN};
use crate::spec::{Content, Image, Written};

/// Reads an image with this name.
pub fn image(
    name: String,
    place: Place,
    item: &Item<'_>,
    reading: &Reading<'_>,
) -> Result<Image, Problem> {
    let mut fields = item.fields(IMAGE.what)?;
    text(fields.take("about"))?;
    fields.take("matrix");
    let written = fields.take("written");
    let layers = fields.take("layers");
    let ordered = fields.take("ordered");
    let config = fields.take("config");
    let expect = fields.take("expect");
    let tags = fields.take("tags").map(|item| tags(&item)).transpose()?;
    let platforms = fields
        .take("platforms")
        .map(|item| platforms(&item))
        .transpose()?;
    let is_index = boolean(fields.take("index"))?.unwrap_or(false);
    let epoch = fields.take("source-date-epoch");
    let source_date_epoch = epoch.as_ref().map(Item::i64).transpose()?;
    let lacks_layers = fields.problem("an image has no `layers`, which it needs");
    finish(fields, &IMAGE)?;
    let content = match (written, layers) {
        (Some(written), layers) => {
            let others = [&layers, &ordered, &config, &expect, &epoch];
            if let Some(other) = others.into_iter().flatten().next() {
                return Err(other.problem(format!(
                    "`{}` has no meaning beside `written`: the manifest says it",
                    other.place().path
                )));
            }
            Content::Written(Box::new(self::written(&written, reading)?))
        }
        (None, Some(layers)) => Content::Composed {
            layers: reading.stacking(&layers, ordered)?,
            config: Box::new(match &config {
                Some(item) => config::config(item, reading)?,
                None => Default::default(),
            }),
            expect: match expect {
                Some(item) => Some((digest(&item)?, item.place())),
                None => None,
            },
        },
        (None, None) => return Err(lacks_layers),
    };
    Ok(Image {
        module: reading.module,
        name,
        place,
        content,
        tags: tags.unwrap_or_default(),
        platforms: platforms.unwrap_or_default(),
        is_index,
        source_date_epoch,
    })
}

fn tags(item: &Item<'_>) -> Result<Vec<(ImageReference, Place)>, Problem> {
    let mut tags: Vec<(ImageReference, Place)> = Vec::new();
    for item in item.one_or_list() {
        let tag: Result<ImageReference, _> = item.non_empty_text()?.parse();
        let tag = tag.map_err(|error| item.problem(error.to_string()))?;
        if tag.digest().is_some() {
            return Err(item.problem("a name that is given has no digest"));
        }
        if let Some((_, first)) = tags.iter().find(|(known, _)| *known == tag) {
            return Err(item
                .problem(format!("the name {} is there twice", tag.familiar()))
                .also("it is here first", first.clone()));
        }
        tags.push((tag, item.place()));
    }
    Ok(tags)
}

/// What an image is built for.
fn platforms(item: &Item<'_>) -> Result<Vec<Platform>, Problem> {
    let mut platforms: Vec<Platform> = Vec::new();
    for item in item.one_or_list() {
        let platform = platform(&item)?;
        if platforms.contains(&platform) {
            return Err(item.problem(format!("{platform} is there twice")));
        }
        platforms.push(platform);
    }
    Ok(platforms)
}

fn written(item: &Item<'_>, reading: &Reading<'_>) -> Result<Written, Problem> {
    let mut fields = item.fields(WRITTEN.what)?;
    let by = reading.unit(&fields.required("by")?)?;
    let manifests = fields.required("manifests")?;
    let paths = texts(&manifests)?;
    if paths.is_empty() {
        return Err(manifests.problem("an image has at least one manifest"));
    }
    let paths = paths.iter().map(|path| absolute(path, &manifests));
    let layers = fields
        .take("layers")
        .map(|item| reading.named_layers(&item))
        .transpose()?;
    let blobs = fields
        .take("blobs")
        .map(|item| item.one_or_list())
        .unwrap_or_default();
    let annotations = fields
        .take("annotations")
        .map(|item| text_map(&item))
        .transpose()?;
    let written = Written {
        by,
        manifests: paths.collect::<Result<_, _>>()?,
        layers: layers.unwrap_or_default(),
        compression: compression(fields.take("compression"))?,
        blobs: blobs.iter().map(blob).collect::<Result<_, _>>()?,
        annotations: annotations.unwrap_or_default(),
    };
    finish(fields, &WRITTEN)?;
    Ok(written)
}

fn absolute(path: &str, item: &Item<'_>) -> Result<String, Problem> {
    match path.starts_with('/') {
        true => Ok(stromatekt_dockerfile::paths::clean(path)),
        false => Err(item
            .problem(format!("`{path}` is no absolute path"))
            .help(format!("write `/{path}`"))),
    }
}

type Blob = (String, Option<String>, Option<stromatekt_oci::Digest>);

fn blob(item: &Item<'_>) -> Result<Blob, Problem> {
    let Kind::Map(_) = item.kind() else {
        return Ok((absolute(&item.text()?, item)?, None, None));
    };
    let mut fields = item.fields(BLOB.what)?;
    let path = fields.required("path")?;
    let path = absolute(&path.text()?, &path)?;
    let media_type = text(fields.take("media-type"))?;
    let digest = fields
        .take("digest")
        .map(|item| digest(&item))
        .transpose()?;
    finish(fields, &BLOB)?;
    Ok((path, media_type, digest))
}
