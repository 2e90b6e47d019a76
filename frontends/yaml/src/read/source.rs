//! Bases and sources: images and files from elsewhere.

use stromatekt_graph::op::{Git, Http, ImageLocation};
use stromatekt_pipeline::{Item, Kind, Problem};

use super::{Reading, boolean, digest, finish, platform, text};
use crate::language::{BASE, SOURCE};
use crate::load::beside;
use crate::spec::Spec;

const HOST: &str = "host";

/// A base.
pub fn base(item: &Item<'_>, reading: &Reading<'_>) -> Result<Spec, Problem> {
    let target = reading.target.clone();
    let Kind::Map(_) = item.kind() else {
        return Ok(Spec::Base(named(item)?, target));
    };
    let mut fields = item.fields(BASE.what)?;
    let image = fields.take("image");
    let layout = fields.take("layout");
    let tag = fields.take("tag");
    let platform = match fields.take("platform") {
        Some(item) if item.text()? == HOST => reading.host.clone(),
        Some(item) => platform(&item)?,
        None => target,
    };
    let location = match (image, layout) {
        (Some(image), None) => {
            if let Some(tag) = &tag {
                return Err(tag
                    .problem("`tag` belongs to a layout")
                    .help("a name has its own: `image: NAME:TAG`"));
            }
            named(&image)?
        }
        (None, Some(layout)) => ImageLocation::Layout {
            path: beside(reading.directory, &layout.non_empty_text()?),
            selector: text(tag)?,
        },
        (Some(_), Some(layout)) => {
            return Err(layout.problem("a base has an `image` or a `layout`, not both"));
        }
        (None, None) => {
            finish(fields, &BASE)?;
            return Err(item.problem("a base needs an `image` or a `layout`"));
        }
    };
    finish(fields, &BASE)?;
    Ok(Spec::Base(location, platform))
}

fn named(item: &Item<'_>) -> Result<ImageLocation, Problem> {
    let reference = item.non_empty_text()?.parse();
    let reference = reference.map_err(|error: stromatekt_oci::Error| {
        item.problem(error.to_string())
            .help("images are named like debian:12 or registry.example.com/team/app:1")
    });
    reference.map(ImageLocation::Named)
}

/// A source with this name.
pub fn source(name: &str, item: &Item<'_>, reading: &Reading<'_>) -> Result<Spec, Problem> {
    let Kind::Map(_) = item.kind() else {
        return directory(name, item, reading);
    };
    let mut fields = item.fields(SOURCE.what)?;
    let places = [
        fields.take("directory"),
        fields.take("git"),
        fields.take("url"),
    ];
    let checksum = fields.take("checksum");
    let of_git = [
        "ref",
        "subdirectory",
        "keep-git-dir",
        "submodules",
        "commit-time",
        "by-commit",
    ]
    .map(|name| fields.take(name));
    let start = fields.problem("a source is one of `directory`, `git` and `url`");
    finish(fields, &SOURCE)?;
    let misplaced = |items: &[Option<Item<'_>>], what: &str| match items.iter().flatten().next() {
        Some(item) => Err(item.problem(format!("`{}` belongs to {what}", item.place().path))),
        None => Ok(()),
    };
    match places {
        [Some(item), None, None] => {
            misplaced(&of_git, "a git repository")?;
            misplaced(&[checksum], "a git repository or a URL")?;
            directory(name, &item, reading)
        }
        [None, Some(item), None] => {
            let [reference, subdirectory, keep, submodules, time, by_commit] = of_git;
            if let Some(by_commit) = &by_commit
                && by_commit.boolean()?
                && checksum.is_none()
            {
                return Err(by_commit.problem("`by-commit` needs the `checksum` that it fetches"));
            }
            Ok(Spec::Git(Git {
                remote: item.non_empty_text()?,
                reference: text(reference)?,
                subdirectory: text(subdirectory)?,
                keep_git_dir: boolean(keep)?.unwrap_or(false),
                checksum: checksum.as_ref().map(commit).transpose()?,
                skip_submodules: !boolean(submodules)?.unwrap_or(true),
                commit_time: boolean(time)?.unwrap_or(false),
                fetch_by_commit: boolean(by_commit)?.unwrap_or(false),
            }))
        }
        [None, None, Some(item)] => {
            misplaced(&of_git, "a git repository")?;
            let url = item.non_empty_text()?;
            if !url.starts_with("http://") && !url.starts_with("https://") {
                return Err(item
                    .problem(format!("`{url}` is no URL of a web server"))
                    .help("it starts with https:// or http://"));
            }
            Ok(Spec::Http(Http {
                url,
                checksum: checksum.as_ref().map(digest).transpose()?,
            }))
        }
        _ => Err(start),
    }
}

/// The digits of a commit, or the first of them.
fn commit(item: &Item<'_>) -> Result<String, Problem> {
    let text = item.non_empty_text()?;
    match text
        .bytes()
        .all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'))
    {
        true => Ok(text),
        false => Err(item
            .problem(format!("`{text}` is no commit"))
            .help("commits are written in hexadecimal digits, with small letters")),
    }
}

fn directory(name: &str, item: &Item<'_>, reading: &Reading<'_>) -> Result<Spec, Problem> {
    let path = beside(reading.directory, &item.non_empty_text()?);
    let name = match reading.library {
        "" => name.to_owned(),
        library => format!("{library}.{name}"),
    };
    Ok(Spec::Directory(name, Some(path)))
}
