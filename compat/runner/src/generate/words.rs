//! Words of Dockerfiles: variables, quoting, escapes, all nested in each other.

use super::Theme;
use super::model::{Case, Instruction};
use super::random::Random;

/// What can be said about words.
pub const THEME: Theme = Theme {
    name: "words",
    point: "Variables, quoting and escapes nested in each other.",
    begin,
    probe,
};

/// Variables that are used; the last ones are never set.
const NAMES: [&str; 10] = [
    "A",
    "B",
    "C",
    "D",
    "PATH",
    "long_name1",
    "EMPTY",
    "E",
    "UNSET",
    "_u",
];
const PLAIN: [&str; 34] = [
    "a", "b1", "abc", "x.y", "é", "-", "/usr/bin", "=", ":", ",", "{", "}", "*", "?", "#", "~",
    "!", "%", "0", "[a-c]", "[", "]", "(", ")", "ab.ab", "/", "//", "|", "&", ";", "<", ">", "^",
    "日本",
];

fn begin(r: &mut Random, case: &mut Case) {
    if r.chance(15) {
        case.directives.push("# escape=`".to_owned());
    }
    case.push(Instruction::new("FROM", ["busybox"]));
    let escape = escape(case);
    let mut set = Instruction::new("ENV", ["A=abc.abc/x", "EMPTY="]);
    for name in ["B", "C", "long_name1"] {
        if r.chance(70) {
            set.arguments.push(format!("{name}={}", word(r, 1, escape)));
        }
    }
    case.push(set);
    if r.chance(40) {
        let value = Words { escape }.bare(r);
        case.args
            .push(vec!["--build-arg".to_owned(), format!("D={value}")]);
        case.push(Instruction::new("ARG", ["D"]));
    }
}

/// The escape character that the case's directives say.
#[must_use]
pub fn escape(case: &Case) -> char {
    if case.directives.iter().any(|line| line.contains('`')) {
        '`'
    } else {
        '\\'
    }
}

/// A value that is one word, with expansions nested so deep.
pub fn word(r: &mut Random, depth: usize, escape: char) -> String {
    Words { escape }.word(r, depth)
}

struct Words {
    escape: char,
}

impl Words {
    /// Text without any meaning to the expansion or the splitting.
    fn bare(&self, r: &mut Random) -> String {
        r.text(&[
            "a", "b.c/d", "x y", "", "é", "a:b", "$A", "'q'", "\"q\"", "\\", "ab/ab", "*",
        ])
        .to_owned()
    }

    fn word(&self, r: &mut Random, depth: usize) -> String {
        (0..r.between(1, 4)).map(|_| self.piece(r, depth)).collect()
    }

    fn piece(&self, r: &mut Random, depth: usize) -> String {
        match r.weighted(&[(30, 0), (16, 1), (10, 2), (10, 3), (40, 4), (2, 5)]) {
            0 => r.text(&PLAIN).to_owned(),
            1 => {
                let inner: String = (0..r.between(0, 3))
                    .map(|_| self.in_double_quotes(r, depth))
                    .collect();
                format!("\"{inner}\"")
            }
            2 => {
                let inner: String = (0..r.between(0, 3))
                    .map(|_| {
                        r.text(&[
                            "a", " ", "$A", "\"", "\\", "${B:-x}", "é", "\t", "#", "`", "\\n", "*",
                        ])
                    })
                    .collect();
                format!("'{inner}'")
            }
            3 => format!(
                "{}{}",
                self.escape,
                r.text(&[
                    " ", "$", "\"", "'", "n", "\\", "é", "a", "{", "`", "*", "=", "#"
                ])
            ),
            4 => self.expansion(r, depth),
            _ => r
                .text(&["$$", "$1", "$-", "$@", "$", "$*", "$0", "$?"])
                .to_owned(),
        }
    }

    fn in_double_quotes(&self, r: &mut Random, depth: usize) -> String {
        match r.below(6) {
            0 | 1 => r
                .text(&[
                    "a", " ", "b c", "'", "é", "#", "/", "=", "  ", "\t", "*", "~", "]",
                ])
                .to_owned(),
            2 => format!(
                "{}{}",
                self.escape,
                r.text(&["\"", "$", "n", "'", "a", "\\", "`", " ", "*"])
            ),
            _ => self.expansion(r, depth),
        }
    }

    fn expansion(&self, r: &mut Random, depth: usize) -> String {
        let name = r.text(&NAMES);
        if depth == 0 || r.chance(25) {
            return if r.chance(50) {
                format!("${name}")
            } else {
                format!("${{{name}}}")
            };
        }
        let inner = depth - 1;
        match r.below(10) {
            0..=4 => {
                let with = r.text(&[":-", "-", ":+", "+", ":-", ":+"]);
                format!("${{{name}{with}{}}}", self.nested(r, inner))
            }
            5 if r.chance(6) => {
                let with = r.text(&[":?", "?"]);
                format!("${{{name}{with}{}}}", self.nested(r, inner))
            }
            5..=7 => {
                let with = r.text(&["#", "##", "%", "%%"]);
                format!("${{{name}{with}{}}}", self.pattern(r, inner))
            }
            _ => {
                let with = r.text(&["/", "//", "/#", "/%"]);
                let new = if r.chance(20) {
                    String::new()
                } else {
                    format!("/{}", self.nested(r, inner))
                };
                format!("${{{name}{with}{}{new}}}", self.pattern(r, inner))
            }
        }
    }

    /// A word inside `${…}`; mostly without spaces, which would end it outside of quotes.
    fn nested(&self, r: &mut Random, depth: usize) -> String {
        (0..r.between(0, 3))
            .map(|_| match r.below(8) {
                0..=2 => r
                    .text(&[
                        "a", "b.c", "é", ":", "-", "=", "/x", "#", "%", "*", "+", "?", "~", "[",
                    ])
                    .to_owned(),
                3 => format!("\"{}\"", self.in_double_quotes(r, 0)),
                4 => format!("'{}'", r.text(&["a b", "$A", "}", "{", "\"", "\\", "/"])),
                5 => format!(
                    "{}{}",
                    self.escape,
                    r.text(&["}", "$", "\"", "/", "'", "a", "\\", " ", "*"])
                ),
                _ => self.expansion(r, depth),
            })
            .collect()
    }

    fn pattern(&self, r: &mut Random, depth: usize) -> String {
        (0..r.between(1, 3))
            .map(|_| match r.below(9) {
                0..=3 => r
                    .text(&[
                        "a", "b", ".", "*", "?", "c", "x", "**", "[ab]", "]", "-", "ab", "+", "^",
                        "(", "|", "$",
                    ])
                    .to_owned(),
                4 => format!("{}{}", self.escape, r.text(&["*", "?", "*", "?", "*", "?"])),
                5 => format!("\"{}\"", r.text(&["*", "?", "a", ".", "\\*"])),
                6 => format!("'{}'", r.text(&["*", "?", "a", "/", "."])),
                7 if self.escape == '\\' && r.chance(12) => "\\/".to_owned(),
                _ => self.expansion(r, depth),
            })
            .collect()
    }
}

fn probe(r: &mut Random, case: &mut Case) {
    let words = Words {
        escape: escape(case),
    };
    let depth = r.between(0, 3);
    let between = if r.chance(20) {
        format!(" {}\n    ", words.escape)
    } else {
        r.text(&[" ", " ", " ", "  ", "\t"]).to_owned()
    };
    match r.weighted(&[
        (40, 0),
        (15, 1),
        (15, 2),
        (8, 3),
        (4, 4),
        (4, 5),
        (5, 6),
        (3, 7),
        (3, 8),
        (3, 9),
    ]) {
        0 => {
            let mut set = Instruction::new("ENV", Vec::<String>::new());
            for _ in 0..r.between(1, 4) {
                let name = name(r);
                set.arguments
                    .push(format!("{name}={}", words.word(r, depth)));
            }
            set.separator = between;
            case.push(set);
        }
        1 => {
            let mut label = Instruction::new("LABEL", Vec::<String>::new());
            for _ in 0..r.between(1, 3) {
                let key = match r.below(6) {
                    0 => format!("\"k {}\"", r.below(9)),
                    1 => format!("k{}$A", r.below(9)),
                    2 => "'q$A'".to_owned(),
                    3 => format!("org.é-{}", r.below(9)),
                    _ => format!("l{}", r.below(9)),
                };
                label
                    .arguments
                    .push(format!("{key}={}", words.word(r, depth)));
            }
            label.separator = between;
            case.push(label);
        }
        2 => {
            let mut arg = Instruction::new("ARG", Vec::<String>::new());
            for _ in 0..r.between(1, 3) {
                let name = name(r);
                arg.arguments.push(if r.chance(20) {
                    name
                } else {
                    format!("{name}={}", words.word(r, depth))
                });
            }
            case.push(arg);
        }
        3 => {
            let value: Vec<String> = (0..r.between(1, 3)).map(|_| words.word(r, depth)).collect();
            case.push(Instruction::new(
                r.text(&["ENV", "LABEL"]),
                [name(r), value.join(" ")],
            ));
        }
        4 => case.push(Instruction::new(
            "USER",
            [format!("u{}", words.word(r, depth))],
        )),
        5 => case.push(Instruction::new(
            "WORKDIR",
            [format!("/w{}", words.word(r, depth))],
        )),
        6 => case.push(Instruction::new(
            "VOLUME",
            (0..r.between(1, 2)).map(|_| format!("/v{}", words.word(r, depth))),
        )),
        7 => {
            case.push(Instruction::new("ARG", [format!("P=8{}", r.below(9))]));
            case.push(Instruction::new(
                "EXPOSE",
                [r.text(&[
                    "$P",
                    "${P}/udp",
                    "${P:-1}-90",
                    "\"$P\"",
                    "${P#8}1",
                    "${UNSET:-7}/tcp",
                ])],
            ));
        }
        8 => {
            let keyword = r.text(&["CMD", "ENTRYPOINT"]);
            case.push(Instruction::new(keyword, [words.word(r, depth)]));
        }
        _ => case.push(Instruction::run(vec![
            "env | sort | grep -v -e ^HOSTNAME= -e ^PWD= -e ^OLDPWD= -e ^SHLVL= > /env".to_owned(),
        ])),
    }
}

fn name(r: &mut Random) -> String {
    match r.below(12) {
        0 => "a.b".to_owned(),
        1 => "é".to_owned(),
        _ => r.text(&NAMES[..8]).to_owned(),
    }
}
