//! RUN: the command, and flags with small languages of their own.

use crate::boolean::boolean;
use crate::csv;
use crate::error::{Error, Problem};
use crate::flags::{self, Flags, Takes};
use crate::instruction::{Device, Mount, Network, Run, Security};
use crate::nearest::nearest;
use crate::read;
use crate::scan::Raw;
use crate::span::Word;

const FLAGS: [(&str, Takes); 4] = [
    ("mount", Takes::Many),
    ("network", Takes::One),
    ("security", Takes::One),
    ("device", Takes::Many),
];

/// RUN.
pub fn run(raw: &Raw) -> Result<Run, Error> {
    let flags = flags::read("RUN", &raw.split.flags, &FLAGS)?;
    let command = read::command(raw)?;
    Ok(Run {
        command,
        heredocs: raw.heredocs.clone(),
        mounts: flags
            .many("mount")
            .iter()
            .map(mount)
            .collect::<Result<_, _>>()?,
        network: choose(
            &flags,
            "network",
            "--network",
            &[
                ("default", Network::Default),
                ("none", Network::None),
                ("host", Network::Host),
            ],
        )?,
        security: choose(
            &flags,
            "security",
            "--security",
            &[
                ("sandbox", Security::Sandbox),
                ("insecure", Security::Insecure),
            ],
        )?,
        devices: flags
            .many("device")
            .iter()
            .map(device)
            .collect::<Result<_, _>>()?,
    })
}

fn not_valid(flag: &'static str, reason: String, help: String, word: &Word) -> Error {
    Problem::FlagNotValid { flag, reason, help }.at(word.span)
}

/// The value of a flag that is one of a few words; the first where it is not there.
fn choose<T: Copy + Default>(
    flags: &Flags,
    name: &str,
    flag: &'static str,
    values: &[(&str, T)],
) -> Result<T, Error> {
    let given = flags.many(name);
    let Some(word) = given.first() else {
        return Ok(T::default());
    };
    let found = values.iter().find(|(value, _)| *value == word.value);
    found.map(|(_, value)| *value).ok_or_else(|| {
        let known: Vec<&str> = values.iter().map(|(value, _)| *value).collect();
        let help = match nearest(&word.value, known.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("it is one of: {}", known.join(", ")),
        };
        not_valid(flag, format!("unknown value `{}`", word.value), help, word)
    })
}

fn mount(word: &Word) -> Result<Mount, Error> {
    let fields = csv::fields(&word.value).map_err(|reason| {
        let help = "write it as --mount=type=bind,target=/path,…".to_owned();
        not_valid("--mount", reason, help, word)
    })?;
    let mount = Mount {
        fields,
        span: word.span,
    };
    // A dollar at the end is no variable.
    let has_variable = mount
        .entries()
        .filter(|(key, _)| key.eq_ignore_ascii_case("from"))
        .filter_map(|(_, value)| value)
        .any(|value| value.find('$').is_some_and(|at| at + 1 != value.len()));
    if has_variable {
        return Err(not_valid(
            "--mount",
            "variables are not expanded in `from`".to_owned(),
            "give the image a stage of its own, `FROM image:$ARG AS name`, and mount from that"
                .to_owned(),
            word,
        ));
    }
    Ok(mount)
}

fn device(word: &Word) -> Result<Device, Error> {
    let fail = |reason: String| {
        let help = "write it as --device=vendor.com/class=name,required".to_owned();
        not_valid("--device", reason, help, word)
    };
    let mut name = String::new();
    let mut required = false;
    for field in csv::fields(&word.value).map_err(fail)? {
        let (key, value) = match field.split_once('=') {
            Some((key, value)) => (key.to_lowercase(), Some(value)),
            None => (field.to_lowercase(), None),
        };
        match (key.as_str(), value) {
            ("required", None) => required = true,
            ("required", Some(value)) => {
                let refuse = || fail(format!("`required` is true or false, not `{value}`"));
                required = boolean(value).ok_or_else(refuse)?;
            }
            ("name", Some(value)) if name.is_empty() => value.clone_into(&mut name),
            ("name", Some(_)) => return Err(fail(format!("it has a name already, `{name}`"))),
            // A name can have an equals sign.
            _ if name.is_empty() => name = field,
            _ => return Err(fail(format!("unknown field `{field}`"))),
        }
    }
    Ok(Device {
        name,
        required,
        span: word.span,
    })
}
