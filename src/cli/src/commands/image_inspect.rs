//! `stromatekt image inspect`: everything about images, as docker's JSON array or as a template picks it.

use std::path::Path;

use serde_json::Value;
use stromatekt_engine::Engine;

use crate::docker_json;
use crate::error::{Error, Result};
use crate::output::print;
use crate::template::Template;
use crate::unsupported::{Foreign, OFF, Unsupported, Verb, switch, valued};

/// The options.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Names or ids of images
    #[arg(value_name = "IMAGE", required = true)]
    images: Vec<String>,
    /// Go template of what to show, as {{.Id}} or {{json .Config}}
    #[arg(short, long, value_name = "TEMPLATE", value_parser = Template::parse)]
    format: Option<Template>,
    /// What docker has and this has not.
    #[command(flatten)]
    unsupported: Unsupported<Inspect>,
}

/// The verb.
#[derive(Clone, Debug, Default)]
struct Inspect;

impl Verb for Inspect {
    const FOREIGN: &'static [Foreign] = &[
        Foreign {
            harmless: &["", "image"],
            ..valued("type", "there are only images: leave it out")
        },
        Foreign {
            letter: Some('s'),
            ..switch("size", OFF, "it is about containers: leave it out")
        },
        valued(
            "platform",
            "an image of the store is for one platform: leave it out",
        ),
    ];
}

/// Shows what is there, and fails for what is not.
///
/// # Errors
/// When one of the images is not there, or a template asks for what no image has.
pub fn run(root: &Path, args: &Args) -> Result<()> {
    args.unsupported.refuse()?;
    let engine = Engine::open(root)?;
    let mut found = Vec::new();
    let mut errors: Vec<Error> = Vec::new();
    for image in &args.images {
        match engine.inspect(image) {
            Ok(details) => found.push(docker_json::image(&details)?),
            Err(error) => errors.push(error.into()),
        }
    }
    match &args.format {
        Some(template) => {
            for image in &found {
                print(&(filled(template, image)? + "\n"))?;
            }
        }
        None => print(&format!("{:#}\n", Value::Array(found)))?,
    }
    Error::all(errors)
}

/// What a template shows of a value.
///
/// # Errors
/// When it asks for what is not there.
pub fn filled(template: &Template, value: &Value) -> Result<String> {
    template.render(value).map_err(|reason| {
        let names: Vec<String> = match value {
            Value::Object(map) => map.keys().map(|key| format!(".{key}")).collect(),
            _ => Vec::new(),
        };
        Error::Usage {
            what: format!("the template of --format cannot be filled in: {reason}"),
            hint: format!("there are {}", names.join(", ")),
        }
    })
}
