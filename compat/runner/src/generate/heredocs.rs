//! Heredocs of RUN, COPY and ADD.

use super::Theme;
use super::model::{Case, Instruction};
use super::random::Random;

/// What can be said about them.
pub const THEME: Theme = Theme {
    name: "heredocs",
    point: "Heredocs as scripts, as input of commands, and as files.",
    begin,
    probe,
};

fn begin(r: &mut Random, case: &mut Case) {
    if r.chance(10) {
        case.directives.push("# escape=`".to_owned());
    }
    case.push(Instruction::new("FROM", ["busybox"]));
    case.push(Instruction::new(
        "ENV",
        ["A=value", "B=\"two words\"", "EMPTY="],
    ));
    if r.chance(20) {
        case.push(Instruction::new("WORKDIR", ["/work"]));
    }
    if r.chance(10) {
        case.push(Instruction::new("SHELL", ["[\"/bin/sh\", \"-e\", \"-c\"]"]));
    }
    case.file("f", "file\n");
}

/// Lines that are content: expansion and indentation matter.
fn content(r: &mut Random, tabs: bool) -> Vec<String> {
    (0..r.between(0, 6))
        .map(|_| {
            let indent = if tabs {
                r.text(&["", "\t", "\t\t", "\t ", "  "])
            } else {
                r.text(&["", "", "\t", "  "])
            };
            let text = r.text(&[
                "plain",
                "$A",
                "${B}",
                "\\$A",
                "\"$A\"",
                "'$A'",
                "",
                "a \\",
                "\\\\",
                "# comment",
                "EO",
                "EOF ",
                "${UNSET:-d}",
                "`echo x`",
                "$(echo y)",
                "é日本",
                "back\\slash",
                "tab\there",
                "${A#v}",
                "${A/l/L}",
                "\\n",
                "${EMPTY:+x}",
                "$",
                "$$",
                "trailing  ",
                "<<EOF",
                "\"",
                "it's",
                "{",
                "${A:+'s'}",
                "${A:+\"d\"}",
                "\\\"",
                "\\'",
                "`$A",
                "FROM busybox",
            ]);
            format!("{indent}{text}")
        })
        .collect()
}

/// Lines that a shell can run.
fn script(r: &mut Random, tabs: bool) -> Vec<String> {
    let mut lines: Vec<String> = (0..r.between(1, 5))
        .map(|_| {
            let indent = if tabs {
                r.text(&["", "\t", "\t\t"])
            } else {
                r.text(&["", "", "  "])
            };
            let n = r.below(5);
            let text = match r.below(12) {
                0 => format!("echo \"$A\" > /s{n}"),
                1 => format!("printf '%s\\n' '$B' \"$B\" > /s{n}"),
                2 => "v=1".to_owned(),
                3 => format!("echo $v >> /s{n}"),
                4 => format!("echo a \\\n  b > /s{n}"),
                5 => "# comment".to_owned(),
                6 => String::new(),
                7 => format!("mkdir -p /d{n} && cd /d{n} && touch t"),
                8 => format!("echo \\$A \\\\ > /s{n}"),
                9 => format!("if true; then echo yes > /s{n}; fi"),
                10 => format!("echo `echo b` $(echo c) > /s{n}"),
                _ => format!("echo $0 $# > /z{n}"),
            };
            format!("{indent}{text}")
        })
        .collect();
    if r.chance(20) {
        lines.insert(
            0,
            r.text(&[
                "#!/bin/sh",
                "#!/bin/sh -e",
                "#!/bin/busybox sh",
                "#!/bin/cat",
                "#! /bin/sh",
                "#!/bin/sh -x",
            ])
            .to_owned(),
        );
    }
    lines
}

struct Opening {
    text: String,
    tabs: bool,
    end: String,
}

fn opening(r: &mut Random, word: &str) -> Opening {
    let tabs = r.chance(35);
    let quoted = match r.below(6) {
        0 => format!("\"{word}\""),
        1 => format!("'{word}'"),
        _ => word.to_owned(),
    };
    let number = if r.chance(6) {
        r.text(&["3", "0", "12"])
    } else {
        ""
    };
    let end = if tabs && r.chance(50) {
        format!("{}{word}", r.text(&["\t", "\t\t"]))
    } else {
        word.to_owned()
    };
    Opening {
        text: format!("{number}<<{}{quoted}", if tabs { "-" } else { "" }),
        tabs,
        end,
    }
}

fn probe(r: &mut Random, case: &mut Case) {
    let n = case.instructions.len();
    match r.weighted(&[(25, 0), (20, 1), (35, 2), (15, 3), (5, 4)]) {
        // A script.
        0 => {
            let open = opening(r, "EOF");
            let mut run = Instruction::new("RUN", [open.text]);
            if r.chance(15) {
                run.arguments
                    .push(r.text(&["sh", "cat > /c", "/bin/sh -e"]).to_owned());
            }
            run.heredocs.push((script(r, open.tabs), open.end));
            case.push(run);
        }
        // Input of commands.
        1 => {
            let first = opening(r, "EOF");
            let mut run = Instruction::new("RUN", [format!("cat {} > /i{n}", first.text)]);
            run.heredocs.push((content(r, first.tabs), first.end));
            if r.chance(40) {
                let second = opening(r, "E2");
                run.arguments
                    .push(format!("&& cat {} >> /j{n}", second.text));
                run.heredocs.push((content(r, second.tabs), second.end));
            }
            if first_is_numbered(&run) {
                // Its descriptor is no input of cat, so there is nothing to wait for.
                run.arguments.push("< /dev/null".to_owned());
            }
            case.push(run);
        }
        // Files.
        2 => {
            let open = opening(r, "EOF");
            let keyword = r.text(&["COPY", "COPY", "ADD"]);
            let to = r.text(&["/h", "/h/", "h", "/d/e/", "./", "$A", "/é", "\"/q r\""]);
            let mut copy = Instruction::new(keyword, [open.text, place(to, n)]);
            if r.chance(25) {
                copy = copy.flag(format!(
                    "--chmod={}",
                    r.text(&["600", "0755", "4711", "u+x", "a=r"])
                ));
            }
            if r.chance(25) {
                copy = copy.flag(format!(
                    "--chown={}",
                    r.text(&["5:6", "worker", "worker:video", "7"])
                ));
            }
            if r.chance(15) {
                copy = copy.flag("--link");
            }
            copy.heredocs.push((content(r, open.tabs), open.end));
            case.push(copy);
        }
        // Several, with a file of the context.
        3 => {
            let mut copy = Instruction::new(r.text(&["COPY", "ADD"]), Vec::<String>::new());
            for word in ["one", "two.txt", "_3"] {
                if r.chance(60) {
                    let open = opening(r, word);
                    copy.arguments.push(open.text);
                    copy.heredocs.push((content(r, open.tabs), open.end));
                }
            }
            if copy.arguments.is_empty() || r.chance(40) {
                copy.arguments.push("f".to_owned());
            }
            copy.arguments.push(format!("/m{n}/"));
            case.push(copy);
        }
        _ => {
            let open = opening(r, "EOF");
            let mut on = Instruction::new("ONBUILD RUN", [open.text]);
            on.heredocs.push((script(r, open.tabs), open.end));
            case.push(on);
        }
    }
}

fn first_is_numbered(run: &Instruction) -> bool {
    !run.arguments[0].contains(" <<")
}

fn place(to: &str, n: usize) -> String {
    match to {
        "/h" | "h" | "/é" => format!("{to}{n}"),
        "/h/" => format!("/h{n}/"),
        to => to.to_owned(),
    }
}
