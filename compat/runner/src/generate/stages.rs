//! Graphs of stages.

use super::Theme;
use super::model::{Case, Instruction};
use super::random::Random;

/// What can be said about them.
pub const THEME: Theme = Theme {
    name: "stages",
    point: "Stages on stages, copies between them, targets, names in odd letters.",
    begin,
    probe,
};

fn begin(r: &mut Random, case: &mut Case) {
    case.file("f", "f\n");
    if r.chance(50) {
        case.push(Instruction::new(
            "ARG",
            ["BASE=busybox", "STAGE=one", "V=global"],
        ));
    }
    stage(r, case);
    if r.chance(25) {
        let name = r.text(&["one", "TWO", "0", "1", "three", "2", "x.y-z_1"]);
        case.args.push(vec!["--target".to_owned(), name.to_owned()]);
    }
    if r.chance(25) {
        let arg = r.text(&["V=cli", "BASE=scratch", "STAGE=two", "A=cli"]);
        case.args
            .push(vec!["--build-arg".to_owned(), arg.to_owned()]);
    }
}

fn has_args(case: &Case) -> bool {
    case.instructions
        .first()
        .is_some_and(|one| one.keyword == "ARG")
}

fn names(case: &Case) -> Vec<String> {
    let mut names = Vec::new();
    for (index, from) in case
        .instructions
        .iter()
        .filter(|one| one.is_from())
        .enumerate()
    {
        names.push(index.to_string());
        if let Some(name) = from.arguments.get(2) {
            names.push(name.clone());
        }
    }
    names
}

fn other_case(r: &mut Random, name: &str) -> String {
    match r.below(4) {
        0 => name.to_uppercase(),
        1 => name.to_lowercase(),
        _ => name.to_owned(),
    }
}

fn stage(r: &mut Random, case: &mut Case) {
    let named: Vec<String> = names(case)
        .into_iter()
        .filter(|name| name.parse::<u32>().is_err())
        .collect();
    let base = if !named.is_empty() && r.chance(50) {
        let name = r.pick(&named).clone();
        other_case(r, &name)
    } else if has_args(case) && r.chance(30) {
        r.text(&[
            "$BASE",
            "${BASE:-scratch}",
            "${UNSET:-busybox}",
            "${BASE}:latest",
            "$STAGE",
            "${BASE%box}box",
        ])
        .to_owned()
    } else {
        r.text(&["busybox", "busybox", "scratch"]).to_owned()
    };
    let mut from = Instruction::new(r.text(&["FROM", "FROM", "from"]), [base]);
    if r.chance(75) {
        from.arguments.push(r.text(&["AS", "as", "As"]).to_owned());
        from.arguments.push(
            r.text(&["one", "two", "three", "x.y-z_1", "One", "four", "busybox"])
                .to_owned(),
        );
    }
    if r.chance(10) {
        from = from.flag(format!(
            "--platform={}",
            r.text(&[
                "linux/amd64",
                "$BUILDPLATFORM",
                "$TARGETPLATFORM",
                "${TARGETPLATFORM}",
                "linux"
            ])
        ));
    }
    case.push(from);
}

fn probe(r: &mut Random, case: &mut Case) {
    let n = case.instructions.len();
    match r.below(14) {
        0..=3 => stage(r, case),
        4..=6 => {
            let names = earlier(r, case);
            if names.is_empty() {
                return;
            }
            let from = r.pick(&names).clone();
            let from = other_case(r, &from);
            let path = r.text(&["/", "/", "/", ".", "/*", "/etc"]);
            case.push(
                Instruction::new("COPY", [path.to_owned(), format!("/from{n}/")])
                    .flag(format!("--from={from}")),
            );
        }
        7 => {
            case.push(
                Instruction::new("COPY", ["/etc/passwd".to_owned(), format!("/o/p{n}")])
                    .flag("--from=busybox"),
            );
        }
        8 => case.push(Instruction::new(
            "COPY",
            ["f".to_owned(), format!("/o/f{n}")],
        )),
        9 => case.push(Instruction::new(
            "ENV",
            [format!("A={n}"), "B=$A$V".to_owned()],
        )),
        10 => case.push(Instruction::new(
            "ARG",
            [r.text(&["V", "A=1", "V=local", "BASE", "C=$V"])],
        )),
        11 if has_shell(case) => case.push(Instruction::run(vec![
            "mkdir -p /o".to_owned(),
            format!("echo \"$A $B $V $BASE\" > /o/r{n}"),
        ])),
        11 => {}
        12 => case.push(Instruction::new(
            r.text(&["WORKDIR", "USER", "CMD", "LABEL", "ONBUILD ENV", "VOLUME"]),
            [r.text(&["/o", "5", "a=b", "/o=x"])],
        )),
        _ if has_shell(case) => {
            // Mounts take stages by their names alone.
            let mut names = earlier(r, case);
            names.retain(|name| name.parse::<u32>().is_err());
            if !names.is_empty() {
                let from = r.pick(&names).clone();
                case.push(
                    Instruction::run(vec![format!("ls /mm > /o{n}")])
                        .flag(format!("--mount=from={from},target=/mm")),
                );
            }
        }
        _ => {}
    }
}

/// Names of stages that the last one can use, mostly.
fn earlier(r: &mut Random, case: &Case) -> Vec<String> {
    let mut before = case.clone();
    if let Some(last) = case.instructions.iter().rposition(Instruction::is_from)
        && r.chance(95)
    {
        before.instructions.truncate(last);
    }
    names(&before)
}

/// Whether the last stage has a shell for all that is known.
fn has_shell(case: &Case) -> bool {
    let mut with_shell: Vec<String> = Vec::new();
    let mut last = false;
    for from in case.instructions.iter().filter(|one| one.is_from()) {
        let base = from.arguments[0].to_lowercase();
        last =
            base.starts_with("busybox") || base.contains("busybox}") || with_shell.contains(&base);
        if let Some(name) = from.arguments.get(2) {
            with_shell.retain(|known| *known != name.to_lowercase());
            if last {
                with_shell.push(name.to_lowercase());
            }
        }
    }
    last
}
