//! COPY and ADD of files of the context and of stages.

use super::Theme;
use super::context;
use super::model::{Case, Entry, Instruction};
use super::random::Random;

/// What can be said about them.
pub const THEME: Theme = Theme {
    name: "copies",
    point: "Copies with patterns, odd names, links, owners and modes, to places that are there and that are not.",
    begin,
    probe,
};

/// Copies that need odd names to be met.
pub const ODD_THEME: Theme = Theme {
    name: "odd-names",
    point: "Copies of files with odd names.",
    begin: begin_odd,
    probe: probe_odd,
};

fn begin(r: &mut Random, case: &mut Case) {
    let size = r.between(4, 12);
    context::tree(r, case, size, 3);
    if r.chance(60) {
        context::attributes(r, case);
    }
    from_stage(r, case);
    places(r, case);
}

fn begin_odd(r: &mut Random, case: &mut Case) {
    let size = r.between(4, 10);
    context::tree(r, case, size, 65);
    from_stage(r, case);
    case.push(Instruction::new("ENV", ["A=a", "B=b"]));
}

/// A stage `s` with the same files, in half of the cases, and the last stage.
fn from_stage(r: &mut Random, case: &mut Case) {
    if r.chance(35) {
        case.push(Instruction::new(
            "FROM",
            [r.text(&["busybox", "scratch"]), "AS", "s"],
        ));
        case.push(Instruction::new("COPY", [".", "/"]));
    }
    let base = if r.chance(20) { "scratch" } else { "busybox" };
    case.push(Instruction::new("FROM", [base]));
}

/// What copies come upon: directories, files and links at the places where they go.
fn places(r: &mut Random, case: &mut Case) {
    let base = case
        .instructions
        .last()
        .map(|from| from.arguments[0].clone());
    if base.as_deref() == Some("scratch") || r.chance(40) {
        return;
    }
    let commands = [
        "mkdir -p /t/a/b /t/c",
        "mkdir /real",
        "ln -s /real /l",
        "echo x > /real/file",
        "ln -s real/file /fl",
        "echo y > /t/d",
        "chmod 700 /t",
        "chown 3:4 /t /t/d",
        "ln -s nowhere /dang",
        "mkdir -p /t/e.txt",
        "ln -s /t /real/t",
        "ln -s ../real /t/rl",
    ];
    let some: Vec<String> = commands
        .iter()
        .filter(|_| r.chance(75))
        .map(|&command| command.to_owned())
        .collect();
    if !some.is_empty() {
        let run = Instruction::run(some);
        case.push(Instruction {
            frame: (String::new(), "; true".to_owned()),
            ..run
        });
    }
    if r.chance(25) {
        case.push(Instruction::new(
            "WORKDIR",
            [r.text(&["/t", "/w", "/l/x", "/l"])],
        ));
    }
    if r.chance(15) {
        case.push(Instruction::new("USER", [r.text(&["worker", "5:6"])]));
    }
}

/// Sources that may be there or not, and may be what a pattern means or not.
fn any_source(r: &mut Random, case: &Case) -> String {
    if r.chance(50) {
        return r
            .text(&[
                "*", "a*", "?", "*.txt", "*/*", "[a-c]", "[!a]", "*/a", "**", "**/a", "a/..",
                "./a/.", "[^a-b]*", "d/", "*/", "\\a", "**/*.txt", "../a", "*/.", "a/*/..",
            ])
            .to_owned();
    }
    let paths: Vec<&String> = case.files.keys().collect();
    let path = r.pick(&paths).as_str();
    format!("{path}{}", r.text(&["", "/", "/.", "/*", "/..", "*"]))
}

/// Sources that are there.
fn sure_source(r: &mut Random, case: &Case) -> String {
    let paths: Vec<&String> = case
        .files
        .iter()
        .filter(|(_, entry)| matches!(entry, Entry::File(_)))
        .map(|(path, _)| path)
        .collect();
    if paths.is_empty() || r.chance(12) {
        return r
            .text(&[".", "./", "*", "/", "/*", "**", "a/..", "./.", "[!#]*"])
            .to_owned();
    }
    let path = r.pick(&paths).as_str();
    let (parent, name) = path.rsplit_once('/').unwrap_or((".", path));
    match r.below(10) {
        // The directory of a file.
        0 | 1 => format!("{parent}{}", r.text(&["", "/", "/", "/.", "/*"])),
        // A pattern that means it.
        2 => format!("{parent}/{}*", name.chars().next().unwrap_or('*')),
        3 => format!("{parent}/{}", "?".repeat(name.chars().count())),
        4 => format!("{parent}/[{}-~]*", name.chars().next().unwrap_or('a')),
        5 => path
            .split('/')
            .map(|part| if r.chance(50) { "*" } else { part })
            .collect::<Vec<_>>()
            .join("/"),
        _ => {
            let before = r.text(&["", "", "", "/", "./", "../", ".//"]);
            format!("{before}{path}")
        }
    }
}

fn flags(r: &mut Random, mut copy: Instruction, stage: bool, named: bool) -> Instruction {
    if stage {
        copy = copy.flag(format!("--from={}", r.text(&["s", "S", "0", "s"])));
    }
    if r.chance(20) {
        let by_name = ["worker", "worker:video", "root:daemon", "7:video"];
        let by_number = ["5:6", "7", "0:0", "1000:44", "2000000000:1"];
        let owner = if named && r.chance(50) {
            r.text(&by_name)
        } else {
            r.text(&by_number)
        };
        copy = copy.flag(format!("--chown={owner}"));
    }
    if r.chance(18) {
        copy = copy.flag(format!(
            "--chmod={}",
            r.text(&[
                "755",
                "0600",
                "4711",
                "1777",
                "u+x",
                "go-rwx",
                "a=rX",
                "u=rwX,go=rX",
                "+x",
                "u+s,g-w",
                "o=u",
                "777",
                "ug+rw,o-x",
                "a+t",
                "444"
            ])
        ));
    }
    if r.chance(15) {
        copy = copy.flag(r.text(&["--link", "--link=true", "--link=false"]));
    }
    if r.chance(12) {
        copy = copy.flag(r.text(&["--parents", "--parents", "--parents=false"]));
    }
    if r.chance(14) {
        for _ in 0..r.between(1, 2) {
            copy = copy.flag(format!(
                "--exclude={}",
                r.text(&[
                    "a", "*.txt", "**/a", "d", "**/*.o", "*/b", "!a", "b/*", "**", "?", "e.txt",
                    "**/.h", "c/"
                ])
            ));
        }
    }
    r.shuffle(&mut copy.flags);
    copy
}

fn has_stage(case: &Case) -> bool {
    case.instructions
        .iter()
        .any(|one| one.is_from() && one.arguments.last().is_some_and(|last| last == "s"))
}

fn probe(r: &mut Random, case: &mut Case) {
    let stage = has_stage(case) && r.chance(40);
    let keyword = if stage {
        "COPY"
    } else {
        r.text(&["COPY", "COPY", "ADD"])
    };
    let n = case.instructions.len();
    let count = r.weighted(&[(6, 1), (2, 2), (1, 3)]);
    // What is refused ends the case, so most is not.
    let risky = r.chance(12);
    let mut arguments: Vec<String> = (0..count)
        .map(|_| {
            if risky && !case.files.is_empty() {
                any_source(r, case)
            } else {
                sure_source(r, case)
            }
        })
        .collect();
    let mut to = match r.below(10) {
        0..=6 => format!("/n{n}{}", r.text(&["", "/", "/m/o", "/m/p/", "/."])),
        _ => r
            .text(&[
                "/t",
                "/t/",
                "/t/a",
                "/t/b/",
                "/l",
                "/l/",
                "/l/x",
                "/fl",
                "/dang",
                "/t/a/b",
                ".",
                "./",
                "x",
                "../up",
                "/",
                "/real/..",
                "/t/rl",
                "/t/rl/",
                "/real/t/a",
            ])
            .to_owned(),
    };
    if count > 1 && !to.ends_with('/') && r.chance(90) {
        to.push('/');
    }
    arguments.push(to);
    let plain = !arguments
        .iter()
        .any(|word| word.contains([' ', '\n', '\t', '"', '\'']));
    let copy = if plain && r.chance(80) {
        Instruction::new(keyword, arguments)
    } else {
        Instruction::json(keyword, &arguments)
    };
    let named = case
        .instructions
        .iter()
        .rev()
        .find(|one| one.is_from())
        .is_some_and(|from| from.arguments[0] == "busybox");
    let copy = flags(r, copy, stage, named);
    case.push(copy);
}

fn probe_odd(r: &mut Random, case: &mut Case) {
    let paths: Vec<String> = case
        .files
        .iter()
        .filter(|(_, entry)| matches!(entry, Entry::File(_)))
        .map(|(path, _)| path.clone())
        .collect();
    let n = case.instructions.len();
    if paths.is_empty() || r.chance(12) {
        let from = r.text(&[
            ".", "*", "[[]*", "*[*]*", "\\**", "*\\?*", "*é*", "*\\\\*", "* *", "[ -~]*", "??",
            "$A", "**/*é*",
        ]);
        case.push(Instruction::json(
            "COPY",
            &[from.to_owned(), format!("/o{n}/")],
        ));
        return;
    }
    let path = r.pick(&paths).clone();
    // Written so that it means itself, mostly; whether it does is for both to say alike.
    let special = |text: &str, escaped: &[char]| -> String {
        text.chars()
            .flat_map(|c| escaped.contains(&c).then_some('\\').into_iter().chain([c]))
            .collect()
    };
    let to = match r.below(4) {
        0 => format!("/o{n}"),
        1 => format!("/o{n}/{}", path.rsplit('/').next().unwrap_or_default()),
        _ => format!("/o{n}/"),
    };
    let copy = match r.below(5) {
        0 => Instruction::json("COPY", &[path, to]),
        1 | 2 => Instruction::json("COPY", &[special(&path, &['[', '*', '?', '\\', '$']), to]),
        3 => Instruction::new(
            "COPY",
            [
                special(&path, &['[', '*', '?', '\\', '$', '"', '\'', ' ']),
                format!("/o{n}/"),
            ],
        ),
        _ => Instruction::new("COPY", [format!("'{path}'"), format!("\"/o{n}/\"")]),
    };
    let copy = if copy.arguments.iter().any(|word| word.contains('\n')) {
        Instruction::json("COPY", &[".".to_owned(), format!("/o{n}/")])
    } else {
        copy
    };
    let stage = has_stage(case) && r.chance(30);
    let copy = flags(r, copy, stage, false);
    case.push(copy);
}
