//! Annotations of what an output writes: on manifests, on the index, and on the descriptors of both.

use std::collections::BTreeMap;

use stromatekt_oci::platform::Platform;

use crate::error::{Error, Result};

/// Where an annotation goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum AnnotationPlace {
    /// The manifest of each image.
    Manifest,
    /// The descriptor of each manifest, in the index or the layout that lists it.
    ManifestDescriptor,
    /// The index.
    Index,
    /// The descriptor of the index, in the layout that lists it.
    IndexDescriptor,
}

/// An annotation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Annotation {
    /// Where it goes.
    pub place: AnnotationPlace,
    /// The platform of the image that it is for; every image where absent.
    pub platform: Option<Platform>,
    /// Its key.
    pub key: String,
    /// Its value.
    pub value: String,
}

/// Annotations. Of equal ones the last counts; one for a platform counts more than one for all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Annotations(pub Vec<Annotation>);

impl Annotations {
    /// Those of a place, for an image of a platform.
    pub(crate) fn of(
        &self,
        place: AnnotationPlace,
        platform: Option<&Platform>,
    ) -> BTreeMap<String, String> {
        let own = |wanted: bool| {
            self.0.iter().filter(move |annotation| {
                annotation.place == place
                    && match &annotation.platform {
                        None => !wanted,
                        Some(other) => wanted && platform.is_some_and(|platform| platform == other),
                    }
            })
        };
        own(false)
            .chain(own(true))
            .map(|annotation| (annotation.key.clone(), annotation.value.clone()))
            .collect()
    }

    /// Refuses what could be written nowhere.
    pub(crate) fn check(
        &self,
        platforms: &[Platform],
        is_index: bool,
        oci_media_types: bool,
    ) -> Result<()> {
        let refuse = |what: String, hint: &str| {
            Err(Error::Unsupported {
                what,
                hint: hint.to_owned(),
            })
        };
        for annotation in &self.0 {
            let key = &annotation.key;
            match (annotation.place, &annotation.platform) {
                (_, Some(platform)) if !platforms.contains(platform) => {
                    return refuse(
                        format!(
                            "invalid annotation: no platform {platform} found in source, for `{key}`"
                        ),
                        "build for that platform, too, or leave the platform out",
                    );
                }
                (AnnotationPlace::Index | AnnotationPlace::IndexDescriptor, _) if !is_index => {
                    return refuse(
                        format!(
                            "index annotations not supported for single platform export: `{key}`"
                        ),
                        "annotate the manifest, or build an index with --build-arg BUILDKIT_MULTI_PLATFORM=1",
                    );
                }
                (AnnotationPlace::Manifest, _) => {}
                _ if !oci_media_types => {
                    return refuse(
                        format!("cannot export annotations with \"oci-mediatypes=false\": `{key}`"),
                        "leave oci-mediatypes=false out: docker's documents have annotations on manifests alone",
                    );
                }
                _ => {}
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn annotation(place: AnnotationPlace, platform: Option<&str>, value: &str) -> Annotation {
        Annotation {
            place,
            platform: platform.map(|text| text.parse().unwrap()),
            key: "k".to_owned(),
            value: value.to_owned(),
        }
    }

    #[test]
    fn one_for_a_platform_counts_more_than_one_for_all() {
        let all = Annotations(vec![
            annotation(AnnotationPlace::Manifest, Some("linux/arm64"), "arm"),
            annotation(AnnotationPlace::Manifest, None, "first"),
            annotation(AnnotationPlace::Manifest, None, "all"),
            annotation(AnnotationPlace::Index, None, "index"),
        ]);
        let value = |place, platform: Option<&str>| {
            let platform = platform.map(|text| text.parse().unwrap());
            all.of(place, platform.as_ref()).remove("k")
        };
        let manifest = AnnotationPlace::Manifest;
        assert_eq!(value(manifest, Some("linux/arm64")).unwrap(), "arm");
        assert_eq!(value(manifest, Some("linux/amd64")).unwrap(), "all");
        assert_eq!(value(AnnotationPlace::Index, None).unwrap(), "index");
        assert_eq!(value(AnnotationPlace::ManifestDescriptor, None), None);
    }

    #[test]
    fn what_could_be_written_nowhere_is_refused() {
        let here: Platform = "linux/amd64".parse().unwrap();
        let fails = |place, platform, is_index, oci| {
            let all = Annotations(vec![annotation(place, platform, "v")]);
            all.check(std::slice::from_ref(&here), is_index, oci)
                .is_err()
        };
        use AnnotationPlace::*;
        assert!(fails(Manifest, Some("linux/s390x"), true, true));
        assert!(fails(Index, None, false, true));
        assert!(fails(IndexDescriptor, None, false, true));
        assert!(fails(ManifestDescriptor, None, true, false));
        assert!(!fails(Manifest, None, false, false));
        assert!(!fails(Manifest, Some("linux/amd64"), false, true));
        assert!(!fails(Index, None, true, true));
    }
}
