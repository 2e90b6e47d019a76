//! Reads the text of a shell as a chain of pipelines joined by `&&`, and refuses whatever is not just that.

use super::{Command, Link, Refusal, UNKNOWN, Word};

/// Commands within words, and expansions within those, are not followed deeper.
const MAX_DEPTH: usize = 8;

/// Words that are no commands, in one shell at least.
const RESERVED: &[&str] = &[
    "!",
    "[[",
    "]]",
    "case",
    "coproc",
    "do",
    "done",
    "elif",
    "else",
    "esac",
    "fi",
    "for",
    "function",
    "if",
    "in",
    "namespace",
    "select",
    "then",
    "time",
    "until",
    "while",
    "{",
    "}",
];

/// Variables that the shell itself changes as it goes, or that tell one process from another.
const VOLATILE: &[&str] = &[
    "DIRSTACK",
    "EPOCHREALTIME",
    "EPOCHSECONDS",
    "FUNCNAME",
    "HISTCMD",
    "HOSTNAME",
    "LINENO",
    "OLDPWD",
    "OPTARG",
    "OPTIND",
    "PIPESTATUS",
    "PPID",
    "RANDOM",
    "REPLY",
    "SECONDS",
    "SHLVL",
    "SRANDOM",
    "_",
];

/// Reads a chain of pipelines that is run with these variables, later ones winning.
///
/// # Errors
/// What else stands in the text, or is not understood.
pub fn read(text: &str, env: &[(String, String)]) -> Result<Vec<Link>, Refusal> {
    let mut reader = Reader {
        text,
        env,
        at: 0,
        end: 0,
        substituted: Vec::new(),
    };
    let mut links = Vec::new();
    loop {
        reader.skip_blanks();
        let start = reader.at;
        let commands = reader.pipeline(0)?;
        links.push(Link {
            start,
            end: reader.end,
            commands,
            substituted: std::mem::take(&mut reader.substituted),
        });
        if reader.take("&&") {
            continue;
        }
        return match reader.rest() {
            "" => Ok(links),
            rest if rest.starts_with("||") => refuse("`||` decides by how a command ended"),
            rest if rest.starts_with('&') => refuse("`&` leaves a job in the background"),
            rest if rest.starts_with(';') => refuse("`;` goes on after a failure"),
            _ => refuse("it has a parenthesis that was not opened"),
        };
    }
}

fn refuse<T>(reason: impl Into<String>) -> Result<T, Refusal> {
    Err(Refusal(reason.into()))
}

struct Reader<'a> {
    text: &'a str,
    env: &'a [(String, String)],
    at: usize,
    /// Where the last word ended: a blank before this is a part of it.
    end: usize,
    substituted: Vec<Command>,
}

impl<'a> Reader<'a> {
    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn next(&mut self) -> Option<char> {
        let next = self.peek()?;
        self.at += next.len_utf8();
        Some(next)
    }

    fn take(&mut self, text: &str) -> bool {
        let is_next = self.rest().starts_with(text);
        if is_next {
            self.at += text.len();
        }
        is_next
    }

    fn skip_blanks(&mut self) {
        while matches!(self.peek(), Some(' ' | '\t')) {
            self.at += 1;
        }
    }

    fn pipeline(&mut self, depth: usize) -> Result<Vec<Command>, Refusal> {
        let mut commands = vec![self.command(depth)?];
        while self.rest().starts_with('|') && !self.rest().starts_with("||") {
            self.at += 1;
            if self.peek() == Some('&') {
                return refuse("shells differ in what `|&` is");
            }
            commands.push(self.command(depth)?);
        }
        Ok(commands)
    }

    fn command(&mut self, depth: usize) -> Result<Command, Refusal> {
        let mut command = Command::default();
        loop {
            self.skip_blanks();
            match self.peek() {
                None | Some('&' | '|' | ';' | ')') => break,
                Some('(') => return refuse("`(` starts a shell of its own, or a function"),
                Some('#') => return refuse("it has a comment"),
                Some('<' | '>') => {
                    let file = self.redirect(depth)?;
                    command.files.extend(file);
                    continue;
                }
                Some(_) => {}
            }
            let start = self.at;
            let word = self.word(depth)?;
            let source = &self.text[start..self.at];
            if matches!(self.peek(), Some('<' | '>')) {
                if source.ends_with('}') {
                    return refuse("shells differ in what `}` before a redirect is");
                }
                if source.bytes().all(|byte| byte.is_ascii_digit()) {
                    if !matches!(source, "0" | "1" | "2") {
                        return refuse("it redirects another file descriptor than the usual three");
                    }
                    let file = self.redirect(depth)?;
                    command.files.extend(file);
                    continue;
                }
            }
            if command.words.is_empty() {
                if RESERVED.contains(&source) {
                    return refuse(format!("`{source}` is a word of the shell's own"));
                }
                if is_assignment(source) {
                    command.assignments.push(word);
                    continue;
                }
            }
            command.words.push(word);
        }
        if !command.words.is_empty() {
            return Ok(command);
        }
        match (command.assignments.is_empty(), command.files.is_empty()) {
            (false, _) => refuse("an assignment changes the shell's variables"),
            (true, false) => refuse("a redirect stands without a command"),
            (true, true) => refuse("a command is missing"),
        }
    }

    /// The file that a redirect names; none where it names a descriptor.
    fn redirect(&mut self, depth: usize) -> Result<Option<Word>, Refusal> {
        if self.rest().starts_with("<<") {
            return refuse("it has a here-document");
        }
        if self.rest().starts_with("<>") || self.rest().starts_with(">|") {
            return refuse("it has a redirect that is not a plain one");
        }
        if self.rest().starts_with("<(") || self.rest().starts_with(">(") {
            return refuse("shells differ in what a parenthesis after a redirect is");
        }
        if self.take(">&") || self.take("<&") {
            self.skip_blanks();
            let start = self.at;
            self.word(depth)?;
            return match &self.text[start..self.at] {
                "1" | "2" => Ok(None),
                _ => refuse("it redirects another file descriptor than the usual three"),
            };
        }
        if !self.take(">>") {
            self.at += 1;
        }
        self.skip_blanks();
        match self.peek() {
            None | Some('&' | '|' | ';' | '(' | ')' | '<' | '>' | '#') => {
                refuse("a redirect names no file")
            }
            Some(_) => {
                let start = self.at;
                let word = self.word(depth)?;
                let is_number = self.text[start..self.at]
                    .bytes()
                    .all(|b| b.is_ascii_digit());
                if is_number && matches!(self.peek(), Some('<' | '>')) {
                    return refuse("a redirect names no file");
                }
                Ok(Some(word))
            }
        }
    }

    fn word(&mut self, depth: usize) -> Result<Word, Refusal> {
        let mut word = Word {
            text: String::new(),
            is_literal: true,
        };
        let start = self.at;
        while let Some(next) = self.peek() {
            match next {
                ' ' | '\t' | '&' | '|' | ';' | '<' | '>' | '(' | ')' => break,
                '\'' => {
                    self.at += 1;
                    let Some(length) = self.rest().find('\'') else {
                        return refuse("a quote is not closed");
                    };
                    let quoted = &self.rest()[..length];
                    check(quoted)?;
                    word.text.push_str(quoted);
                    self.at += length + 1;
                }
                '"' => {
                    self.at += 1;
                    self.double_quoted(&mut word, depth)?;
                }
                '\\' => {
                    self.at += 1;
                    match self.next() {
                        None | Some('\n') => return refuse("it ends in a backslash"),
                        Some(escaped) => word.text.push(escaped),
                    }
                }
                '$' => {
                    self.at += 1;
                    if matches!(self.peek(), Some('\'' | '"')) {
                        return refuse("shells differ in what `$` before a quote is");
                    }
                    self.dollar(&mut word, depth)?;
                }
                '`' => return refuse("it has backquotes: write `$(…)` instead"),
                '*' | '?' | '[' | '{' | '}' => {
                    word.is_literal = false;
                    word.text.push(next);
                    self.at += 1;
                }
                '~' if self.at == start => {
                    word.is_literal = false;
                    word.text.push(UNKNOWN);
                    self.at += 1;
                }
                next => {
                    check(&self.rest()[..next.len_utf8()])?;
                    word.text.push(next);
                    self.at += next.len_utf8();
                }
            }
        }
        self.end = self.at;
        Ok(word)
    }

    fn double_quoted(&mut self, word: &mut Word, depth: usize) -> Result<(), Refusal> {
        loop {
            match self.next() {
                None => return refuse("a quote is not closed"),
                Some('"') => return Ok(()),
                Some('\\') => match self.next() {
                    None | Some('\n') => return refuse("it ends in a backslash"),
                    Some(escaped @ ('$' | '`' | '"' | '\\')) => word.text.push(escaped),
                    Some(other) => word.text.extend(['\\', other]),
                },
                Some('$') => self.dollar(word, depth)?,
                Some('`') => return refuse("it has backquotes: write `$(…)` instead"),
                Some(other) => {
                    check(other.encode_utf8(&mut [0; 4]))?;
                    word.text.push(other);
                }
            }
        }
    }

    /// What follows a `$`.
    fn dollar(&mut self, word: &mut Word, depth: usize) -> Result<(), Refusal> {
        match self.peek() {
            Some('(') if self.rest().starts_with("((") => {
                return refuse("arithmetic may change the shell's variables");
            }
            Some('[') => return refuse("shells differ in what `$[` is"),
            Some('(') => {
                self.at += 1;
                word.text.push(UNKNOWN);
                self.substitution(depth + 1)?;
            }
            Some('{') => {
                self.at += 1;
                self.braces(word, depth + 1)?;
            }
            Some(first) if first == '_' || first.is_ascii_alphabetic() => {
                let name = self.name();
                not_volatile(name)?;
                self.value(name, word);
            }
            Some(other @ ('$' | '!' | '?' | '-' | '@' | '*' | '#' | '0'..='9')) => {
                return refuse(format!("`${other}` is about the shell itself"));
            }
            // Not special: the sign stands for itself.
            _ => {
                word.text.push('$');
                return Ok(());
            }
        }
        word.is_literal = false;
        Ok(())
    }

    /// What a variable may stand for.
    fn value(&self, name: &str, word: &mut Word) {
        word.text.push(UNKNOWN);
        let mut named = self.env.iter().rev().filter(|(other, _)| other == name);
        if let Some((_, value)) = named.next() {
            word.text.push_str(value);
        }
    }

    fn name(&mut self) -> &'a str {
        let rest = self.rest();
        let length = rest
            .find(|c: char| c != '_' && !c.is_ascii_alphanumeric())
            .unwrap_or(rest.len());
        self.at += length;
        &rest[..length]
    }

    /// `${NAME}` from the name on, with the word of `${NAME:-word}` and its like, which it may stand for as well.
    fn braces(&mut self, word: &mut Word, depth: usize) -> Result<(), Refusal> {
        if depth > MAX_DEPTH {
            return refuse("its expansions are nested deeply");
        }
        let is_length = self.take("#");
        let name = self.name();
        if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) {
            return refuse(
                "it has an expansion that is about the shell itself, or that not all shells have",
            );
        }
        not_volatile(name)?;
        self.value(name, word);
        if self.take("}") {
            return Ok(());
        }
        if self.take("=") || self.take(":=") {
            return refuse(format!("`${{{name}=…}}` changes the shell's variables"));
        }
        let has_word = !is_length
            && [":-", ":+", ":?", "-", "+", "?", "%%", "%", "##", "#"]
                .into_iter()
                .any(|operator| self.take(operator));
        if !has_word {
            return refuse(format!("not all shells have this expansion of `{name}`"));
        }
        word.text.push(UNKNOWN);
        loop {
            match self.next() {
                Some('}') => return Ok(()),
                None => return refuse("a brace is not closed"),
                // Shells differ in what quotes within quoted braces are.
                Some('\'' | '"' | '\\' | '`' | '{') => {
                    return refuse("it has a quote or a brace within an expansion");
                }
                Some('$') => {
                    if matches!(self.peek(), Some('\'' | '"')) {
                        return refuse("it has a quote or a brace within an expansion");
                    }
                    self.dollar(word, depth)?;
                }
                Some(other) => {
                    check(other.encode_utf8(&mut [0; 4]))?;
                    word.text.push(other);
                }
            }
        }
    }

    /// The commands of `$(…)`, from behind the parenthesis on. They are in a shell of their own, where lists of any kind are harmless.
    fn substitution(&mut self, depth: usize) -> Result<(), Refusal> {
        if depth > MAX_DEPTH {
            return refuse("its expansions are nested deeply");
        }
        loop {
            let commands = self.pipeline(depth)?;
            self.substituted.extend(commands);
            if self.take(")") {
                return Ok(());
            }
            if !(self.take("&&") || self.take("||") || self.take(";")) {
                return match self.peek() {
                    Some('&') => refuse("`&` leaves a job in the background"),
                    _ => refuse("a parenthesis is not closed"),
                };
            }
        }
    }
}

/// Refuses what ends a line or cannot be seen.
fn check(text: &str) -> Result<(), Refusal> {
    match text.contains(|c: char| c.is_control() && c != '\t') {
        true => refuse("it has several lines"),
        false => Ok(()),
    }
}

fn not_volatile(name: &str) -> Result<(), Refusal> {
    if VOLATILE.contains(&name) || name.starts_with("BASH") || name.starts_with("COMP_") {
        return refuse(format!("`${name}` is about the shell itself"));
    }
    Ok(())
}

fn is_assignment(source: &str) -> bool {
    source.split_once('=').is_some_and(|(name, _)| {
        name.starts_with(|c: char| c == '_' || c.is_ascii_alphabetic())
            && name.chars().all(|c| c == '_' || c.is_ascii_alphanumeric())
    })
}
