//! `.dockerignore` and `Dockerfile.dockerignore`.

use super::Theme;
use super::context;
use super::model::{Case, Entry, Instruction};
use super::random::Random;

/// What can be said about them.
pub const THEME: Theme = Theme {
    name: "ignores",
    point: "Ignore files with exceptions and wild cards.",
    begin,
    probe,
};

fn begin(r: &mut Random, case: &mut Case) {
    context::tree(r, case, 22, 4);
    let name = r.text(&[
        ".dockerignore",
        ".dockerignore",
        ".dockerignore",
        "Dockerfile.dockerignore",
    ]);
    let content = patterns(r);
    case.files
        .insert(name.to_owned(), Entry::File(content.into_bytes()));
    if name != ".dockerignore" && r.chance(50) {
        let content = patterns(r);
        case.file(".dockerignore", &content);
    }
    case.push(Instruction::new("FROM", ["scratch"]));
    case.push(Instruction::new("COPY", [".", "/all/"]));
}

fn patterns(r: &mut Random) -> String {
    let mut text = String::new();
    if r.chance(4) {
        text.push('\u{feff}');
    }
    for _ in 0..r.between(1, 7) {
        let line = (0..r.weighted(&[(4, 1), (4, 2), (2, 3)]))
            .map(|_| {
                r.text(&[
                    "a", "b", "c", "d", "*", "**", "?", "*.txt", "e.txt", "[ab]", "[^a]", "f.*",
                    "a*", ".", "..", ".h", "*.o", "[a-c]", "\\a", "\\*", "**.txt", "a**", "*a",
                    "é", "sp ace", "???", "g.?", "{a,b}", "(a)", "a+", "^a", "$A", "[!a]", "[]a]",
                    "[a\\]b]",
                ])
            })
            .collect::<Vec<_>>()
            .join("/");
        let before = r.text(&[
            "", "", "", "", "!", "!", "/", "! ", "./", "  ", "!/", "#", "!!", "!./", "\\!", "\\#",
        ]);
        let after = r.text(&["", "", "", "", "/", " ", "/.", "//", "/**", "\t"]);
        let end = r.text(&["\n", "\n", "\n", "\n", "\n", "\r\n", "\n\n"]);
        text.push_str(before);
        text.push_str(&line);
        text.push_str(after);
        text.push_str(end);
    }
    text
}

fn probe(r: &mut Random, case: &mut Case) {
    let n = case.instructions.len();
    // A pattern takes nothing amiss that is ignored.
    let from = r.text(&["*", "*/*", "[abc]*", "*.txt", "*/*.txt", "./", "**/a"]);
    let mut copy = Instruction::new(
        r.text(&["COPY", "ADD"]),
        [from.to_owned(), format!("/c{n}/")],
    );
    if r.chance(30) {
        copy = copy.flag(format!(
            "--exclude={}",
            r.text(&["a", "**/*.txt", "*/b", "!a", "**/.h"])
        ));
    }
    case.push(copy);
}
