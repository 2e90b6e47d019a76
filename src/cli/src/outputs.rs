//! `--output`, `--push` and `--load`: where the image goes, written as buildx has it.

use std::io::{self, IsTerminal};

use stromatekt_engine::annotations::Annotation;
use stromatekt_engine::{Destination, ImageOptions, Output};
use stromatekt_oci::reference::ImageReference;

use crate::error::{Error, Result};
use crate::output_attributes::one;

/// The outputs of a build, and names of the image that they bring.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outputs {
    /// Where the image goes.
    pub outputs: Vec<Output>,
    /// `name=` of them.
    pub names: Vec<ImageReference>,
}

/// Reads the options. Without any of them, the image goes to the local store.
///
/// # Errors
/// When one cannot be understood, or two of them are in each other's way.
pub fn parse(
    values: &[String],
    annotations: &[Annotation],
    push: bool,
    load: bool,
) -> Result<Outputs> {
    let mut all = Outputs::default();
    let mut names: Vec<Vec<ImageReference>> = Vec::new();
    for value in values {
        let (outputs, named) = one(value)?;
        all.outputs.extend(outputs);
        names.extend(Some(named).filter(|named| !named.is_empty()));
    }
    if push {
        all.outputs.push(registry());
    }
    if load || (values.is_empty() && !push) {
        all.outputs.push(Output::Store(ImageOptions::default()));
    }
    annotate(&mut all.outputs, annotations)?;
    // `type=image,push=true` beside `--push` asks once.
    let mut seen: Vec<Output> = Vec::new();
    all.outputs.retain(|output| {
        let is_new = !seen.contains(output);
        seen.push(output.clone());
        is_new
    });
    if let Some((first, rest)) = names.split_first() {
        if rest.iter().any(|other| other != first) {
            return Err(Error::Usage {
                what: "outputs with different names".into(),
                hint: "all outputs of a build get the same names: give them with --tag".into(),
            });
        }
        all.names.clone_from(first);
    }
    check_standard_output(&all.outputs)?;
    Ok(all)
}

/// Whether an output writes to standard output.
pub fn uses_standard_output(output: &Output) -> bool {
    matches!(
        output,
        Output::OciLayout {
            destination: Destination::Stdout,
            ..
        } | Output::DockerArchive {
            destination: Destination::Stdout,
            ..
        } | Output::Tar {
            destination: Destination::Stdout,
            ..
        }
    )
}

fn check_standard_output(outputs: &[Output]) -> Result<()> {
    let count = outputs
        .iter()
        .filter(|output| uses_standard_output(output))
        .count();
    if count > 1 {
        return Err(Error::Usage {
            what: "several outputs go to standard output".into(),
            hint: "give all but one of them a file: dest=FILE".into(),
        });
    }
    if count == 1 && io::stdout().is_terminal() {
        return Err(Error::Usage {
            what: "an archive is not written to a terminal".into(),
            hint: "redirect standard output, or name a file: dest=FILE".into(),
        });
    }
    Ok(())
}

fn registry() -> Output {
    Output::Registry {
        by_digest: false,
        options: ImageOptions::default(),
    }
}

/// Gives the annotations to all outputs that are images.
fn annotate(outputs: &mut [Output], annotations: &[Annotation]) -> Result<()> {
    if annotations.is_empty() {
        return Ok(());
    }
    let mut is_written = false;
    for output in outputs {
        if let Output::Store(options)
        | Output::OciLayout { options, .. }
        | Output::DockerArchive { options, .. }
        | Output::Registry { options, .. } = output
        {
            options.annotations.0.extend_from_slice(annotations);
            is_written = true;
        }
    }
    match is_written {
        true => Ok(()),
        false => Err(Error::Usage {
            what: "--annotation without an output that is an image".into(),
            hint:
                "annotations belong to manifests, which files and cacheonly have not: leave it out"
                    .into(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn store() -> Output {
        Output::Store(ImageOptions::default())
    }

    #[test]
    fn without_outputs_the_image_goes_to_the_store() {
        let outputs = |values: &[&str], push, load| {
            let values: Vec<_> = values.iter().map(|&value| value.to_owned()).collect();
            parse(&values, &[], push, load).map(|outputs| outputs.outputs)
        };
        assert_eq!(outputs(&[], false, false).unwrap(), [store()]);
        assert_eq!(outputs(&[], true, false).unwrap(), [registry()]);
        assert_eq!(outputs(&[], true, true).unwrap(), [registry(), store()]);
        assert_eq!(outputs(&["type=cacheonly"], false, false).unwrap(), []);
        assert_eq!(
            outputs(&["type=image,push=true"], true, true).unwrap(),
            [store(), registry()]
        );
        assert!(outputs(&["-", "type=oci,dest=-"], false, false).is_err());
        assert!(
            outputs(
                &["type=image,name=a", "type=docker,dest=x,name=b"],
                false,
                false
            )
            .is_err()
        );
    }

    #[test]
    fn annotations_need_an_image_to_be_written_to() {
        let annotation = crate::annotations::parse(&["a=b".to_owned()]).unwrap();
        let parse = |value: &str| parse(&[value.to_owned()], &annotation, false, false);
        let outputs = parse("type=oci,dest=x").unwrap().outputs;
        let Output::OciLayout { options, .. } = &outputs[0] else {
            panic!("a layout: {outputs:?}");
        };
        assert_eq!(options.annotations.0, annotation);
        assert!(parse("out").is_err() && parse("type=cacheonly").is_err());
    }
}
