//! `stromatekt version` and `info`: what this is, in docker's words where they fit.

use std::path::Path;

use serde_json::{Value, json};
use stromatekt_engine::Engine;
use stromatekt_oci::platform::Platform;

use crate::commands::image_inspect::filled;
use crate::error::Result;
use crate::output::print;
use crate::template::Template;

const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The options.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Go template of what to show, as {{.Client.Version}}, or json
    #[arg(short, long, value_name = "TEMPLATE", value_parser = Template::parse)]
    format: Option<Template>,
}

/// Tells the version.
///
/// # Errors
/// When a template asks for what is not there: there is no server.
pub fn run(args: &Args) -> Result<()> {
    let platform = Platform::host();
    let value = json!({
        "Client": { "Name": "stromatekt", "Version": VERSION, "Os": platform.os, "Arch": platform.architecture },
    });
    show(args, &value, || {
        format!(
            "Client: stromatekt\n Version:    {VERSION}\n OS/Arch:    {}/{}\n\nThere is no server: stromatekt builds by itself.\n",
            platform.os, platform.architecture
        )
    })
}

/// Tells about the store.
///
/// # Errors
/// When it cannot be opened.
pub fn info(root: &Path, args: &Args) -> Result<()> {
    let images = Engine::open(root)?.images()?.len();
    let platform = Platform::host();
    let value = json!({
        "Name": "stromatekt",
        "ServerVersion": VERSION,
        "DockerRootDir": root,
        "Images": images,
        "Containers": 0,
        "Driver": "btrfs",
        "OSType": platform.os,
        "Architecture": platform.architecture,
    });
    show(args, &value, || {
        format!(
            "stromatekt {VERSION}: builds images; it has no daemon, and runs no containers but those of RUN\n State directory: {}\n Images: {images}\n Storage Driver: btrfs\n OSType: {}\n Architecture: {}\n",
            root.display(),
            platform.os,
            platform.architecture
        )
    })
}

fn show(args: &Args, value: &Value, plain: impl FnOnce() -> String) -> Result<()> {
    match &args.format {
        Some(template) => print(&(filled(template, value)? + "\n")),
        None => print(&plain()),
    }
}
