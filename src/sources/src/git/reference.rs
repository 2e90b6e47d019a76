//! From a branch, tag or commit id to a commit: what the remote lists, and which of it is meant.

use stromatekt_graph::op;

use super::auth::Auth;
use super::missing;
use super::program::{PROTOCOLS, Program};
use crate::error::{Error, Result};
use crate::redact::redact;

/// What a remote has under a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Tip {
    /// The full name of the reference; none for a commit that was named by its id.
    pub name: Option<String>,
    /// What the user calls it.
    pub label: String,
    /// The object that it refers to: a commit or an annotated tag.
    pub object: String,
    /// The commit, as far as the remote tells.
    pub commit: String,
}

/// Finds what the reference of `git` is.
pub(super) async fn resolve(git: &op::Git, auth: &Auth) -> Result<Tip> {
    check(git)?;
    let tip = match &git.reference {
        Some(id) if is_commit_id(id) => Tip {
            name: None,
            label: id.clone(),
            object: id.clone(),
            commit: id.clone(),
        },
        _ if git.fetch_by_commit => by_commit(git)?,
        Some(name) => named(git, name, auth).await?,
        None => default_branch(git, auth).await?,
    };
    match &git.checksum {
        Some(checksum)
            if !tip.object.starts_with(checksum) && !tip.commit.starts_with(checksum) =>
        {
            Err(Error::GitChecksum {
                remote: match &git.reference {
                    Some(reference) => format!("{}#{reference}", redact(&git.remote)),
                    None => redact(&git.remote),
                },
                expected: checksum.clone(),
                found: tip.commit,
            })
        }
        _ => Ok(tip),
    }
}

/// The full id of a commit, with sha1 or sha256.
pub(super) fn is_commit_id(text: &str) -> bool {
    matches!(text.len(), 40 | 64) && is_hex(text)
}

fn is_hex(text: &str) -> bool {
    text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

/// Refuses what git could take for something else than a remote and a reference.
fn check(git: &op::Git) -> Result<()> {
    let refuse = |reason: String| {
        Err(Error::GitSource {
            remote: redact(&git.remote),
            reason,
        })
    };
    let remote = &git.remote;
    if remote.is_empty() || remote.starts_with('-') {
        return refuse("that is no URL".to_owned());
    }
    if let Some((scheme, _)) = remote.split_once("://")
        && !PROTOCOLS.contains(&scheme)
    {
        return refuse(format!("`{scheme}` is none of {}", PROTOCOLS.join(", ")));
    }
    if let Some((helper, _)) = remote.split_once("::")
        && helper
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'-')
    {
        return refuse(format!("`{helper}` would be a program"));
    }
    if let Some(reference) = &git.reference
        && (reference.starts_with('-')
            || reference.is_empty()
            || reference.contains(|c: char| c.is_control() || " ~^:?*[\\".contains(c)))
    {
        return refuse(format!("`{reference}` cannot be a branch, tag or commit"));
    }
    if let Some(checksum) = &git.checksum
        && (checksum.is_empty() || !is_hex(&checksum.to_ascii_lowercase()))
    {
        return refuse(format!(
            "the checksum `{checksum}` is not the id of a commit"
        ));
    }
    Ok(())
}

async fn list(git: &op::Git, arguments: &[&str], auth: &Auth) -> Result<Vec<(String, String)>> {
    let mut all = vec!["ls-remote"];
    let (options, patterns): (Vec<&str>, Vec<&str>) = arguments
        .iter()
        .partition(|argument| argument.starts_with('-'));
    all.extend(options);
    all.extend(["--", &git.remote]);
    all.extend(patterns);
    let output = Program::new(&git.remote)
        .auth(auth)
        .run("list the references", all)
        .await?;
    let pairs = output.lines().filter_map(|line| line.split_once('\t'));
    Ok(pairs
        .map(|(id, name)| (id.to_owned(), name.to_owned()))
        .collect())
}

/// The commit that the checksum names, which the reference is only a name for: a branch, unless it says otherwise.
fn by_commit(git: &op::Git) -> Result<Tip> {
    let refuse = |reason: &str| Error::GitSource {
        remote: redact(&git.remote),
        reason: reason.to_owned(),
    };
    let commit = match &git.checksum {
        Some(checksum) if is_commit_id(checksum) => checksum.clone(),
        Some(_) => {
            return Err(refuse(
                "fetch-by-commit requires a full commit SHA checksum",
            ));
        }
        None => {
            return Err(refuse(
                "fetch-by-commit requires a checksum or a commit SHA ref",
            ));
        }
    };
    Ok(Tip {
        name: None,
        label: match &git.reference {
            None => commit.clone(),
            Some(name) if name.starts_with("refs/") => name.clone(),
            Some(name) => format!("refs/heads/{name}"),
        },
        object: commit.clone(),
        commit,
    })
}

async fn default_branch(git: &op::Git, auth: &Auth) -> Result<Tip> {
    let listed = list(git, &["--symref", "HEAD"], auth).await?;
    let of_head = || listed.iter().filter(|(_, name)| name == "HEAD");
    let object = of_head().find(|(value, _)| is_commit_id(value));
    let Some((object, _)) = object else {
        return Err(missing(git, "HEAD"));
    };
    // A HEAD that is at no branch is taken for itself.
    let name = of_head()
        .find_map(|(value, _)| value.strip_prefix("ref: "))
        .unwrap_or("HEAD");
    Ok(Tip {
        label: name.strip_prefix("refs/heads/").unwrap_or(name).to_owned(),
        name: Some(name.to_owned()),
        object: object.clone(),
        commit: object.clone(),
    })
}

async fn named(git: &op::Git, label: &str, auth: &Auth) -> Result<Tip> {
    let listed = list(git, &[label, &format!("{label}^{{}}")], auth).await?;
    if let Some(tip) = choose(&listed, label) {
        return Ok(tip);
    }
    // A remote finds no commits by the start of their ids; but it lists those of its branches and tags.
    if label.len() >= 4 && is_hex(label) {
        let listed = list(git, &[], auth).await?;
        if let Some(tip) = choose_by_id(&listed, label) {
            return Ok(tip);
        }
    }
    Err(missing(git, label))
}

/// Which of the listed references a name means: as BuildKit, the full name, a branch, or a tag, in this order.
fn choose(listed: &[(String, String)], label: &str) -> Option<Tip> {
    let id_of = |wanted: &str| {
        let found = listed.iter().find(|(_, name)| name == wanted);
        found.map(|(id, _)| id.clone())
    };
    let candidates = [
        label.to_owned(),
        format!("refs/{}", label.strip_prefix("refs/").unwrap_or(label)),
        format!(
            "refs/heads/{}",
            label.strip_prefix("refs/heads/").unwrap_or(label)
        ),
        format!(
            "refs/tags/{}",
            label.strip_prefix("refs/tags/").unwrap_or(label)
        ),
    ];
    candidates.into_iter().find_map(|name| {
        let object = id_of(&name)?;
        // A line of its own tells the commit of an annotated tag.
        let commit = id_of(&format!("{name}^{{}}")).unwrap_or_else(|| object.clone());
        Some(Tip {
            name: Some(name),
            label: label.to_owned(),
            object,
            commit,
        })
    })
}

/// The only commit whose id starts so.
fn choose_by_id(listed: &[(String, String)], start: &str) -> Option<Tip> {
    let (commit, name) = listed.iter().find(|(id, _)| id.starts_with(start))?;
    let is_unique = listed
        .iter()
        .all(|(id, _)| !id.starts_with(start) || id == commit);
    let name = name.strip_suffix("^{}").unwrap_or(name);
    let (object, _) = listed.iter().find(|(_, listed)| listed == name)?;
    is_unique.then(|| Tip {
        name: Some(name.to_owned()),
        label: name.to_owned(),
        object: object.clone(),
        commit: commit.clone(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(lines: &[(&str, &str)]) -> Vec<(String, String)> {
        let owned = |&(id, name): &(&str, &str)| (id.to_owned(), name.to_owned());
        lines.iter().map(owned).collect()
    }

    #[test]
    fn branches_come_before_tags_and_full_names_before_both() {
        let listed = listed(&[
            ("h", "HEAD"),
            ("b", "refs/heads/x"),
            ("n", "refs/heads/heads/x"),
            ("t", "refs/tags/x"),
            ("c", "refs/tags/x^{}"),
            ("o", "refs/tags/only"),
            ("p", "refs/pull/1/head"),
        ]);
        for (label, wanted) in [
            ("x", Some(("refs/heads/x", "b", "b"))),
            ("heads/x", Some(("refs/heads/x", "b", "b"))),
            ("refs/tags/x", Some(("refs/tags/x", "t", "c"))),
            ("tags/x", Some(("refs/tags/x", "t", "c"))),
            ("only", Some(("refs/tags/only", "o", "o"))),
            ("pull/1/head", Some(("refs/pull/1/head", "p", "p"))),
            ("HEAD", Some(("HEAD", "h", "h"))),
            ("1/head", None),
        ] {
            let tip = choose(&listed, label);
            let found = tip
                .as_ref()
                .map(|tip| (tip.name.as_deref().unwrap(), &*tip.object, &*tip.commit));
            assert_eq!(found, wanted, "{label}");
        }
    }

    #[test]
    fn the_start_of_an_id_must_mean_one_commit() {
        let listed = listed(&[
            ("aa11", "HEAD"),
            ("aa11", "refs/heads/x"),
            ("aa22", "refs/heads/y"),
            ("bb11", "refs/tags/t"),
            ("cc11", "refs/tags/t^{}"),
        ]);
        for (start, wanted) in [
            ("aa1", Some("HEAD")),
            ("aa", None),
            ("cc", Some("refs/tags/t")),
            ("dd", None),
        ] {
            let tip = choose_by_id(&listed, start);
            assert_eq!(tip.and_then(|tip| tip.name).as_deref(), wanted, "{start}");
        }
        assert_eq!(choose_by_id(&listed, "cc").unwrap().object, "bb11");
    }

    #[test]
    fn what_could_be_an_option_or_a_program_is_refused() {
        let git = |remote: &str, reference: Option<&str>, checksum: Option<&str>| op::Git {
            remote: remote.into(),
            reference: reference.map(Into::into),
            checksum: checksum.map(Into::into),
            ..op::Git::default()
        };
        for (git, accepted) in [
            (git("https://host/x.git", Some("main"), Some("AB12")), true),
            (git("git@host:x", Some("refs/heads/a/b"), None), true),
            (git("/a/path", None, None), true),
            (git("--upload-pack=x", None, None), false),
            (git("ext::sh -c x", None, None), false),
            (git("ftp://host/x", None, None), false),
            (git("/a", Some("--upload-pack=x"), None), false),
            (git("/a", Some("a:b"), None), false),
            (git("/a", Some("a b"), None), false),
            (git("/a", None, Some("main")), false),
        ] {
            assert_eq!(check(&git).is_ok(), accepted, "{git:?}");
        }
    }
}
