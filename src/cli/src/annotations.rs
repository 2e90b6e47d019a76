//! `--annotation`, and the attributes of outputs that say the same: what is annotated, and for which platform.

use stromatekt_engine::annotations::{Annotation, AnnotationPlace};

use crate::error::{Error, Result};

const OPTION: &str = "--annotation";
const HINT: &str = "write it as KEY=VALUE, or with a place before it: index:KEY=VALUE, manifest[linux/amd64]:KEY=VALUE";

const PLACES: [(&str, AnnotationPlace); 4] = [
    ("manifest", AnnotationPlace::Manifest),
    ("manifest-descriptor", AnnotationPlace::ManifestDescriptor),
    ("index", AnnotationPlace::Index),
    ("index-descriptor", AnnotationPlace::IndexDescriptor),
];

/// The annotations of the option, written as buildx has it: `[PLACE[[PLATFORM]][,PLACE…]:]KEY=VALUE`.
///
/// # Errors
/// When one cannot be understood.
pub fn parse(values: &[String]) -> Result<Vec<Annotation>> {
    let mut all = Vec::new();
    for value in values.iter().filter(|value| !value.is_empty()) {
        let refuse = |reason: String| Error::Option {
            option: OPTION,
            value: value.clone(),
            reason,
            hint: Some(HINT.into()),
        };
        let Some((name, content)) = value.split_once('=') else {
            return Err(refuse("it is no KEY=VALUE".into()));
        };
        let (places, key) = name.split_once(':').unwrap_or(("manifest", name));
        if key.is_empty() {
            return Err(refuse("it has no key".into()));
        }
        for place in places.split(',') {
            all.push(annotation(place, key, content).map_err(refuse)?);
        }
    }
    Ok(all)
}

/// An attribute of an output, `annotation[-PLACE][[PLATFORM]].KEY`; nothing where it is another attribute.
pub fn attribute(name: &str, content: &str) -> Option<Result<Annotation, String>> {
    let rest = name.strip_prefix("annotation")?;
    // The key has dots of its own, and the platform may have none.
    let (place, key) = rest.split_once('.')?;
    let place = match place.strip_prefix('-') {
        Some(place) => place.to_owned(),
        None if place.is_empty() || place.starts_with('[') => format!("manifest{place}"),
        None => return None,
    };
    Some(annotation(&place, key, content))
}

/// An annotation at a place, with a platform in brackets.
fn annotation(place: &str, key: &str, content: &str) -> Result<Annotation, String> {
    let (name, platform) = match place.strip_suffix(']').and_then(|p| p.split_once('[')) {
        Some((name, platform)) => (name, Some(platform)),
        None => (place, None),
    };
    let known = PLACES.iter().find(|(known, _)| *known == name);
    let (_, place) =
        known.ok_or_else(|| format!("there is nothing to annotate called `{name}`"))?;
    let platform = platform
        .map(|text| text.parse())
        .transpose()
        .map_err(|error: stromatekt_oci::Error| error.to_string())?;
    Ok(Annotation {
        place: *place,
        platform,
        key: key.to_owned(),
        value: content.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(annotation: &Annotation) -> String {
        let platform = annotation.platform.as_ref();
        format!(
            "{:?} {} {}={}",
            annotation.place,
            platform.map_or("all".to_owned(), ToString::to_string),
            annotation.key,
            annotation.value
        )
    }

    #[test]
    fn annotations_are_read_as_buildx_reads_them() {
        for (value, expected) in [
            ("a.b=c=d", &["Manifest all a.b=c=d"][..]),
            ("index:a=b", &["Index all a=b"]),
            (
                "manifest[linux/arm64],manifest-descriptor:a=",
                &["Manifest linux/arm64 a=", "ManifestDescriptor all a="],
            ),
            ("index-descriptor:a=b", &["IndexDescriptor all a=b"]),
            ("", &[]),
        ] {
            let found = parse(&[value.to_owned()]).unwrap();
            let found: Vec<_> = found.iter().map(shown).collect();
            assert_eq!(found, expected, "{value}");
        }
        for value in ["a", "=b", "floppy:a=b", "index[x/]:a=b", "manifest:=b"] {
            assert!(parse(&[value.to_owned()]).is_err(), "{value}");
        }
    }

    #[test]
    fn attributes_of_outputs_say_the_same() {
        for (name, expected) in [
            ("annotation.a.b", Some("Manifest all a.b=v")),
            ("annotation-index.a", Some("Index all a=v")),
            (
                "annotation[linux/arm64].a.b",
                Some("Manifest linux/arm64 a.b=v"),
            ),
            (
                "annotation-manifest-descriptor[linux/arm64].a",
                Some("ManifestDescriptor linux/arm64 a=v"),
            ),
            ("annotations.a", None),
            ("annotation", None),
            ("name", None),
        ] {
            let found = attribute(name, "v").map(|found| shown(&found.unwrap()));
            assert_eq!(found.as_deref(), expected, "{name}");
        }
        assert!(attribute("annotation-floppy.a", "v").unwrap().is_err());
    }
}
