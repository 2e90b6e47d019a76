//! The pictures of a build that ended, whether well or not: `--timeline`, `--trace`.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use stromatekt_view::timeline::{Recorder, Timeline, page, trace};

use crate::error::{Error, Result};
use crate::options::Args;

/// The files that are asked for, open.
pub struct Pictures {
    title: String,
    files: Vec<(PathBuf, File, Render)>,
}

/// How a picture is drawn.
type Render = fn(&Timeline) -> String;

/// Checks that pictures are asked for of something that has them.
///
/// # Errors
/// When nothing is built, or one file is to be both.
pub fn check(args: &Args) -> Result<()> {
    let is_asked = args.timeline.is_some() || args.trace.is_some();
    if is_asked && args.call.asked().is_some() {
        return Err(Error::Usage {
            what: "--timeline and --trace show a build, and nothing is built here".into(),
            hint: "leave them out, or --check and --call".into(),
        });
    }
    match args.timeline.is_some() && args.timeline == args.trace {
        true => Err(same_file()),
        false => Ok(()),
    }
}

impl Pictures {
    /// Opens the files, so that a build whose pictures cannot be written does not begin.
    ///
    /// # Errors
    /// When one cannot be written, or both are one.
    pub fn open(args: &Args) -> Result<Self> {
        let asked: [(&Option<PathBuf>, Render); 2] =
            [(&args.timeline, page::render), (&args.trace, trace::render)];
        let mut files: Vec<(PathBuf, File, Render)> = Vec::new();
        for (path, render) in asked {
            let Some(path) = path else { continue };
            // What is in there stays until there is something better.
            let mut options = OpenOptions::new();
            options.write(true).create(true).truncate(false);
            let file = options.open(path).map_err(Error::file("write", path))?;
            for (_, other, _) in &files {
                // By another path, or a link.
                if is_same(&file, other).map_err(Error::file("look at", path))? {
                    return Err(same_file());
                }
            }
            files.push((path.clone(), file, render));
        }
        Ok(Self {
            title: title(args),
            files,
        })
    }

    /// What collects the events, where somebody wants to see them.
    pub fn recorder(&self) -> Option<Recorder> {
        (!self.files.is_empty()).then(|| Recorder::new(SystemTime::now()))
    }

    /// Writes them.
    ///
    /// # Errors
    /// When one cannot be written.
    pub fn write(self, recorder: Option<Recorder>) -> Result<()> {
        let Some(recorder) = recorder else {
            return Ok(());
        };
        let timeline = recorder.finish(self.title, SystemTime::now());
        for (path, file, render) in self.files {
            replace(file, &render(&timeline)).map_err(Error::file("write", &path))?;
        }
        Ok(())
    }
}

/// What is built, for a title: the image by its first name, or the directory that it is built from.
pub fn title(args: &Args) -> String {
    let context = Path::new(&args.context);
    let directory = context.canonicalize().ok();
    let name = directory.as_deref().and_then(Path::file_name);
    match args.tags.first() {
        Some(tag) => tag.familiar(),
        None => name.unwrap_or(&args.context).to_string_lossy().into_owned(),
    }
}

fn same_file() -> Error {
    Error::Usage {
        what: "--timeline and --trace name the same file".into(),
        hint: "the one is a page, the other is JSON: give each a file of its own".into(),
    }
}

fn is_same(one: &File, other: &File) -> io::Result<bool> {
    let (one, other) = (one.metadata()?, other.metadata()?);
    Ok(one.is_file() && (one.dev(), one.ino()) == (other.dev(), other.ino()))
}

fn replace(mut file: File, text: &str) -> io::Result<()> {
    // A pipe has no length.
    if file.metadata()?.is_file() {
        file.set_len(0)?;
    }
    file.write_all(text.as_bytes())
}
