//! Instructions that make no files, in odd forms.

use super::Theme;
use super::model::{Case, Instruction};
use super::random::Random;

/// What can be said about them.
pub const THEME: Theme = Theme {
    name: "metadata",
    point: "Instructions that set the image's config, in odd forms.",
    begin,
    probe,
};

fn begin(r: &mut Random, case: &mut Case) {
    case.push(Instruction::new(
        r.text(&["FROM", "from", "From"]),
        [r.text(&[
            "busybox",
            "busybox",
            "busybox:latest",
            "scratch",
            "docker.io/library/busybox",
        ])],
    ));
    if r.chance(15) {
        let value = r.text(&["v", "", "a b", "é", "k=v", "$A"]);
        case.args.push(vec![
            "--label".to_owned(),
            format!("l{}={value}", r.below(3)),
        ]);
    }
}

/// Shell text for CMD and its like.
fn shell_text(r: &mut Random) -> Vec<String> {
    (0..r.between(1, 5))
        .map(|_| {
            r.text(&[
                "echo",
                "a",
                "\"b  c\"",
                "'d e'",
                "$HOME",
                "${X:-y}",
                "\\$z",
                "&&",
                "|",
                "é",
                "#no",
                "-c",
                "\\\n  next",
                "\\\n# comment\n  more",
                "\\  \n after",
                "a\\b",
                "[",
                "]",
                "\t",
                "[\"x\"]",
                "--flag=1",
                "\"",
                "'",
                "\\\n\n  blank",
            ])
            .to_owned()
        })
        .collect()
}

/// An array of JSON, or what looks like one.
fn array(r: &mut Random, keyword: &str) -> Instruction {
    let item = |r: &mut Random| {
        r.text(&[
            "\"a\"",
            "\"b c\"",
            "\"\"",
            "\"$X\"",
            "\"\\\"q\\\"\"",
            "\"\\u0041\\u00e9\"",
            "\"\\/\"",
            "\"é\"",
            "\"\\t\"",
            "\"\\\\\"",
            "\"\\ud83d\\ude00\"",
            "\"<&>\"",
            "\"-c\"",
            "\"'\"",
            "\"\\n\"",
            "\"日本\"",
        ])
        .to_owned()
    };
    let mut instruction = Instruction::new(keyword, Vec::<String>::new());
    for _ in 0..r.between(1, 4) {
        let text = item(r);
        instruction.arguments.push(text);
    }
    instruction.frame = (
        r.text(&["[", "[", "[ ", "[  \t"]).to_owned(),
        r.text(&["]", "]", " ]", "]  ", " ]\t"]).to_owned(),
    );
    instruction.separator = r
        .text(&[", ", ",", " , ", " ,", ", \\\n    ", ",\\\n"])
        .to_owned();
    if r.chance(12) {
        // No array then, but the text of a shell.
        let at = r.below(instruction.arguments.len());
        instruction.arguments[at] = r
            .text(&[
                "'a'", "1", "null", "[\"n\"]", "\"\\x\"", "\"\\", "a", "{}", "true", "\"a\",",
                "\"\t\"",
            ])
            .to_owned();
    }
    instruction
}

fn probe(r: &mut Random, case: &mut Case) {
    let instruction = one(r);
    case.push(if r.chance(10) {
        triggered(r, instruction)
    } else {
        instruction
    });
}

fn triggered(r: &mut Random, of: Instruction) -> Instruction {
    let keyword = r.text(&["ONBUILD", "onbuild", "OnBuild"]);
    if of.keyword.eq_ignore_ascii_case("maintainer") || of.keyword.eq_ignore_ascii_case("onbuild") {
        return of;
    }
    Instruction {
        keyword: format!("{keyword} {}", of.keyword),
        ..of
    }
}

fn duration(r: &mut Random) -> &'static str {
    r.text(&[
        "5s",
        "1m30s",
        "1h",
        "0s",
        "1.5s",
        "2ms",
        "100ms",
        "1h2m3.004s",
        "0",
        "1.000s",
        "90m",
        "1001us",
        "1000000ns",
        "3600s",
    ])
}

fn one(r: &mut Random) -> Instruction {
    match r.below(16) {
        0 => Instruction::new(
            "LABEL",
            (0..r.between(1, 4)).map(|_| {
                let key = r.text(&["a", "b.c", "\"k k\"", "é", "'s'", "x-y", "a", "io.x/y"]);
                let value = r.text(&[
                    "1",
                    "\"two words\"",
                    "'three'",
                    "four\\ words",
                    "",
                    "\"\"",
                    "a=b",
                    "\"multi \\\nline\"",
                    "é",
                    "<&>",
                    "{\"j\":1}",
                ]);
                format!("{key}={value}")
            }),
        ),
        1 => Instruction::new(
            "EXPOSE",
            (0..r.between(1, 4)).map(|_| {
                r.text(&[
                    "80",
                    "443/tcp",
                    "53/udp",
                    "8000-8003",
                    "9000-9001/udp",
                    "132/sctp",
                    "\"81\"",
                    "80/TCP",
                    "0",
                    "65535",
                    "1-1",
                ])
            }),
        ),
        2 => {
            if r.chance(50) {
                array(r, "VOLUME")
            } else {
                Instruction::new(
                    "VOLUME",
                    (0..r.between(1, 3)).map(|_| {
                        r.text(&[
                            "/v", "/v/", "rel", "/a/../b", "\"/q\"", "/é", "$HOME/x", "//d", ".",
                            "/s\\ p",
                        ])
                    }),
                )
            }
        }
        3 => Instruction::new(
            "USER",
            [r.text(&[
                "worker",
                "0",
                "1000:1000",
                "root:root",
                ":44",
                "worker:video",
                "4294967295",
                "nobody2",
                "1:",
                "\"worker\"",
                "é",
                "007",
            ])],
        ),
        4 => Instruction::new(
            "WORKDIR",
            [r.text(&[
                "/a",
                "b",
                "/a/b/",
                "../c",
                ".",
                "/",
                "\"/q r\"",
                "/x y",
                "//d//e",
                "/é",
                "/a/./b/../c",
                "$HOME",
                "/tmp",
                "'/s'",
                "/w\\ x",
                "~",
            ])],
        ),
        5 | 6 => {
            if r.chance(60) {
                array(r, r.clone().text(&["CMD", "ENTRYPOINT", "cmd"]))
            } else {
                Instruction::new(
                    r.clone().text(&["CMD", "ENTRYPOINT", "Entrypoint"]),
                    shell_text(r),
                )
            }
        }
        7 | 8 => healthcheck(r),
        9 => array(r, "SHELL"),
        10 => Instruction::new(
            "STOPSIGNAL",
            [r.text(&[
                "SIGTERM",
                "9",
                "SIGKILL",
                "SIGRTMIN+3",
                "KILL",
                "sigint",
                "15",
                "SIGRTMIN",
                "RTMAX-2",
                "\"SIGHUP\"",
                "64",
                "1",
            ])],
        ),
        11 => Instruction::new(
            "MAINTAINER",
            [r.text(&[
                "Me <me@example.org>",
                "é",
                "\"quoted name\"",
                "  spaced   out",
                "$HOME",
            ])],
        ),
        12 => Instruction::new(
            "ENV",
            (0..r.between(1, 4)).map(|_| {
                let name = r.text(&["A", "B", "PATH", "HOME", "a-b", "é", "LC_ALL", "A.B", "1"]);
                let value = r.text(&[
                    "x",
                    "\"y z\"",
                    "$A",
                    "'$B'",
                    "",
                    "a\\ b",
                    "\"\\\"\"",
                    "/bin:$PATH",
                    "c:\\\\d",
                    "=",
                    "\"a\\\n b\"",
                ]);
                format!("{name}={value}")
            }),
        ),
        13 => Instruction::new(
            "ENV",
            [
                r.text(&["A", "OLD", "é"]),
                r.text(&[
                    "some words",
                    "a=b c",
                    "\"q\"",
                    "it\\'s",
                    "x   y",
                    "$A $B",
                    "'s' t",
                    "tail\\ ",
                ]),
            ],
        ),
        14 => Instruction::new(
            "ARG",
            (0..r.between(1, 3)).map(|_| {
                r.text(&[
                    "A",
                    "B=1",
                    "C=\"x y\"",
                    "D='$A'",
                    "TARGETOS",
                    "TARGETPLATFORM",
                    "BUILDARCH",
                    "http_proxy",
                    "E=",
                    "F=$A$B",
                    "G=a\\ b",
                    "TARGETVARIANT",
                    "SOURCE_DATE_EPOCH",
                ])
            }),
        ),
        _ => {
            let inner = Instruction::new("RUN", ["echo a > /x", "\\\n && true"]);
            triggered(r, inner)
        }
    }
}

fn healthcheck(r: &mut Random) -> Instruction {
    if r.chance(12) {
        return Instruction::new("HEALTHCHECK", [r.text(&["NONE", "none", "None"])]);
    }
    let mut of = if r.chance(50) {
        let inner = array(r, "CMD");
        Instruction {
            keyword: "HEALTHCHECK".to_owned(),
            frame: (format!("CMD {}", inner.frame.0), inner.frame.1),
            ..inner
        }
    } else {
        let mut words = vec![r.text(&["CMD", "cmd", "CMD "]).to_owned()];
        words.extend(shell_text(r));
        Instruction::new("HEALTHCHECK", words)
    };
    for flag in ["interval", "timeout", "start-period", "start-interval"] {
        if r.chance(35) {
            of = of.flag(format!("--{flag}={}", duration(r)));
        }
    }
    if r.chance(30) {
        of = of.flag(format!(
            "--retries={}",
            r.text(&["0", "1", "3", "+4", "010"])
        ));
    }
    r.shuffle(&mut of.flags);
    of
}
