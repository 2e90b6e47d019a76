//! Comparing manifests: media types, which have to be of one format, and annotations.

use std::collections::BTreeSet;

use stromatekt_oci::descriptor::CREATED;
use stromatekt_oci::{Manifest, MediaType};

use crate::compare::Found;
use crate::comparison::{Difference, Kind};
use crate::image::Image;
use crate::noise::Class;
use crate::rules::Builder;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    Oci,
    Docker,
    Other,
}

pub(crate) fn compare(left: &Image, right: &Image, found: &mut Found<'_>) {
    // What a docker-archive does not keep cannot be compared.
    let (Some(left), Some(right)) = (&left.manifest, &right.manifest) else {
        return;
    };
    let formats = (format_of(left), format_of(right));
    media_type(
        "manifest.mediaType",
        (left.media_type.as_ref(), right.media_type.as_ref()),
        formats,
        found,
    );
    media_type(
        "manifest.config.mediaType",
        (
            Some(&left.config.media_type),
            Some(&right.config.media_type),
        ),
        formats,
        found,
    );
    for (at, (left, right)) in left.layers.iter().zip(&right.layers).enumerate() {
        media_type(
            &format!("manifest.layers[{at}].mediaType"),
            (Some(&left.media_type), Some(&right.media_type)),
            formats,
            found,
        );
    }
    annotations(left, right, found);
}

fn media_type(
    place: &str,
    (left, right): (Option<&MediaType>, Option<&MediaType>),
    formats: (Format, Format),
    found: &mut Found<'_>,
) {
    let is_valid = |kind: Option<&MediaType>, format: Format| {
        kind.is_none_or(|kind| {
            [Format::Other, format].contains(&format_of_type(kind)) || format == Format::Other
        })
    };
    let validity = (is_valid(left, formats.0), is_valid(right, formats.1));
    if formats.0 != formats.1 && validity.0 == validity.1 {
        return;
    }
    if left == right && validity.0 == validity.1 {
        return;
    }
    let side = |kind: Option<&MediaType>, is_valid: bool| {
        let note = if is_valid {
            ""
        } else {
            " (not one of its manifest's format)"
        };
        kind.map(|kind| format!("{kind}{note}"))
    };
    let are_layers = [left, right]
        .iter()
        .all(|kind| kind.is_some_and(|kind| kind.layer_compression().is_some()));
    // The media type of a manifest is in its descriptor too, and so need not be in itself.
    let is_left_out = left.is_none() || right.is_none();
    // The classic builder puts layers of docker's format into manifests of the other, where docker keeps images in containerd.
    let is_mixed = found.rules.left == Builder::Classic && are_layers;
    let is_valid = validity == (true, true) && (are_layers || is_left_out);
    let class = (is_valid || is_mixed).then_some(Class::Storage);
    let difference = Difference::new(place, Kind::Manifest)
        .sides(side(left, validity.0), side(right, validity.1));
    found.add_as(class, difference);
}

fn annotations(left: &Manifest, right: &Manifest, found: &mut Found<'_>) {
    let keys: BTreeSet<&String> = left
        .annotations
        .keys()
        .chain(right.annotations.keys())
        .collect();
    for key in keys {
        let (old, new) = (left.annotations.get(key), right.annotations.get(key));
        if old != new {
            let difference = Difference::new(format!("manifest.annotations.{key}"), Kind::Manifest)
                .sides(old.cloned(), new.cloned());
            found.add_as((key == CREATED).then_some(Class::Created), difference);
        }
    }
}

fn format_of(manifest: &Manifest) -> Format {
    match &manifest.media_type {
        Some(kind) => format_of_type(kind),
        // Docker's manifests always say what they are.
        None => Format::Oci,
    }
}

fn format_of_type(kind: &MediaType) -> Format {
    match kind {
        MediaType::OciManifest
        | MediaType::OciIndex
        | MediaType::OciConfig
        | MediaType::OciLayer(_) => Format::Oci,
        MediaType::DockerManifest
        | MediaType::DockerManifestList
        | MediaType::DockerConfig
        | MediaType::DockerLayer(_) => Format::Docker,
        MediaType::Other(_) => Format::Other,
    }
}
