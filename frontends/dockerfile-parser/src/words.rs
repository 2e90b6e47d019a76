//! Expansion of words: `$name`, `${name}` with its modifiers, quotes and escapes, as BuildKit's `shell` package does it.
//!
//! | form | value |
//! | --- | --- |
//! | `${x:-w}` `${x-w}` | `w` where `x` is unset (with the colon: or empty), expanded itself |
//! | `${x:+w}` `${x+w}` | `w` where `x` is set (and not empty), else nothing |
//! | `${x:?w}` `${x?w}` | an error with the message `w` where `x` is unset (or empty) |
//! | `${x#p}` `${x##p}` | without the shortest (longest) start that matches the pattern |
//! | `${x%p}` `${x%%p}` | without the shortest (longest) end that matches the pattern |
//! | `${x/p/r}` `${x//p/r}` | the first match (all matches) replaced |

use std::collections::{BTreeMap, HashMap};
use std::iter::Peekable;
use std::str::Chars;

use crate::directives::Escape;
use crate::pattern;
use crate::word_error::WordError;

/// How deep `${a:-${b:-…}}` may go.
const DEEPEST: usize = 200;
/// How much longer than its text a word may become. Nothing that long can be a variable of a process, and a word that doubles what
/// another one doubled must end somewhere.
pub(crate) const LONGEST: usize = 1 << 20;

/// Where the values of variables come from.
pub trait Variables {
    /// The value of a variable; nothing where it is not set.
    fn value(&self, name: &str) -> Option<&str>;
}

/// No variables at all.
impl Variables for () {
    fn value(&self, _: &str) -> Option<&str> {
        None
    }
}

impl Variables for HashMap<String, String> {
    fn value(&self, name: &str) -> Option<&str> {
        self.get(name).map(String::as_str)
    }
}

impl Variables for BTreeMap<String, String> {
    fn value(&self, name: &str) -> Option<&str> {
        self.get(name).map(String::as_str)
    }
}

/// How words are expanded.
#[derive(Clone, Copy, Debug)]
pub struct Expander {
    escape: char,
    keeps_quotes: bool,
    keeps_escapes: bool,
    ignores_quotes: bool,
    keeps_unset: bool,
}

impl Expander {
    /// The expansion of arguments: quotes and escapes are taken away, unset variables are empty.
    #[must_use]
    pub fn new(escape: Escape) -> Self {
        Self {
            escape: escape.char(),
            keeps_quotes: false,
            keeps_escapes: false,
            ignores_quotes: false,
            keeps_unset: false,
        }
    }

    /// Leaves the quotes in the result.
    #[must_use]
    pub fn keep_quotes(self) -> Self {
        Self {
            keeps_quotes: true,
            ..self
        }
    }

    /// Leaves the escapes in the result.
    #[must_use]
    pub fn keep_escapes(self) -> Self {
        Self {
            keeps_escapes: true,
            ..self
        }
    }

    /// Takes quotes for ordinary characters, as in here-documents.
    #[must_use]
    pub fn ignore_quotes(self) -> Self {
        Self {
            ignores_quotes: true,
            ..self
        }
    }

    /// Leaves variables that are not set as they are written.
    #[must_use]
    pub fn keep_unset(self) -> Self {
        Self {
            keeps_unset: true,
            ..self
        }
    }

    /// The text with everything expanded, spaces kept.
    pub fn word(self, text: &str, variables: &impl Variables) -> Result<String, WordError> {
        Reader::new(self, text, variables).until(None, self.keeps_escapes, None)
    }

    /// The words of the text: it is split at spaces that are not quoted, after variables were replaced.
    pub fn words(self, text: &str, variables: &impl Variables) -> Result<Vec<String>, WordError> {
        let mut list = List::default();
        Reader::new(self, text, variables).until(None, self.keeps_escapes, Some(&mut list))?;
        Ok(list.finish())
    }
}

/// Words under construction.
#[derive(Default)]
struct List {
    done: Vec<String>,
    current: String,
    is_in_word: bool,
}

impl List {
    fn push(&mut self, text: &str) {
        self.current.push_str(text);
        self.is_in_word = true;
    }

    /// Appends what may separate words.
    fn push_splitting(&mut self, text: &str) {
        for c in text.chars() {
            if !c.is_whitespace() {
                self.current.push(c);
                self.is_in_word = true;
            } else if self.is_in_word && !self.current.is_empty() {
                self.done.push(std::mem::take(&mut self.current));
                self.is_in_word = false;
            }
        }
    }

    fn finish(mut self) -> Vec<String> {
        if !self.current.is_empty() {
            self.done.push(self.current);
        }
        self.done
    }
}

struct Reader<'a, V> {
    how: Expander,
    variables: &'a V,
    chars: Peekable<Chars<'a>>,
    keeps_escapes: bool,
    depth: usize,
    /// How long the word may become.
    longest: usize,
    /// Whether a modifier's word was read since this was last asked.
    was_nested: bool,
}

impl<'a, V: Variables> Reader<'a, V> {
    fn new(how: Expander, text: &'a str, variables: &'a V) -> Self {
        // Go's scanner skips a byte order mark.
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        Self {
            how,
            variables,
            chars: text.chars().peekable(),
            keeps_escapes: how.keeps_escapes,
            depth: 0,
            longest: text.len() + LONGEST,
            was_nested: false,
        }
    }

    /// Reads up to and over `stop`, or to the end where there is none.
    fn until(
        &mut self,
        stop: Option<char>,
        keeps_escapes: bool,
        mut list: Option<&mut List>,
    ) -> Result<String, WordError> {
        let outside = std::mem::replace(&mut self.keeps_escapes, keeps_escapes);
        let mut out = String::new();
        loop {
            self.check_length(&out)?;
            let Some(&c) = self.chars.peek() else {
                // The caller knows what is missing.
                return match stop {
                    Some(_) => Err(WordError::MissingBrace),
                    None => Ok(out),
                };
            };
            if Some(c) == stop {
                self.chars.next();
                self.keeps_escapes = outside;
                return Ok(out);
            }
            match c {
                '$' => {
                    let value = self.dollar()?;
                    out.push_str(&value);
                    if let Some(list) = list.as_deref_mut() {
                        self.forget_current(list);
                        list.push_splitting(&value);
                    }
                }
                '<' => {
                    let value = self.less();
                    out.push_str(&value);
                    if let Some(list) = list.as_deref_mut() {
                        list.push(&value);
                    }
                }
                '\'' | '"' if !self.how.ignores_quotes => {
                    let value = match c {
                        '"' => self.double_quoted()?,
                        _ => self.single_quoted()?,
                    };
                    out.push_str(&value);
                    if let Some(list) = list.as_deref_mut() {
                        self.forget_current(list);
                        list.push(&value);
                    }
                }
                _ => {
                    let value = self.plain();
                    out.push_str(&value);
                    if let Some(list) = list.as_deref_mut() {
                        if c == self.how.escape {
                            list.push(&value);
                        } else {
                            list.push_splitting(&value);
                        }
                    }
                }
            }
        }
    }

    fn check_length(&self, out: &str) -> Result<(), WordError> {
        match out.len() > self.longest {
            true => Err(WordError::TooLong),
            false => Ok(()),
        }
    }

    /// BuildKit's words share their buffer with the words of modifiers, which empty it: `80${x:-80}` is the word `80`. So it must be here.
    fn forget_current(&mut self, list: &mut List) {
        if std::mem::take(&mut self.was_nested) {
            list.current.clear();
        }
    }

    /// An ordinary character, or an escaped one.
    fn plain(&mut self) -> String {
        let mut out = String::new();
        if let Some(c) = self.chars.next() {
            if c != self.how.escape {
                out.push(c);
                return out;
            }
            if self.keeps_escapes {
                out.push(c);
            }
            out.extend(self.chars.next());
        }
        out
    }

    fn single_quoted(&mut self) -> Result<String, WordError> {
        let mut out = String::new();
        let quote = self.chars.next().filter(|_| self.how.keeps_quotes);
        out.extend(quote);
        for c in self.chars.by_ref() {
            if c == '\'' {
                out.extend(quote);
                return Ok(out);
            }
            out.push(c);
        }
        Err(WordError::OpenQuote { quote: '\'' })
    }

    fn double_quoted(&mut self) -> Result<String, WordError> {
        let mut out = String::new();
        let quote = self.chars.next().filter(|_| self.how.keeps_quotes);
        out.extend(quote);
        loop {
            match self.chars.peek().copied() {
                None => return Err(WordError::OpenQuote { quote: '"' }),
                Some('"') => {
                    self.chars.next();
                    out.extend(quote);
                    return Ok(out);
                }
                Some('$') => {
                    out.push_str(&self.dollar()?);
                    self.check_length(&out)?;
                }
                Some(c) => {
                    self.chars.next();
                    if c != self.how.escape {
                        out.push(c);
                        continue;
                    }
                    if self.keeps_escapes {
                        out.push(c);
                    }
                    // Only these are escaped; before others the escape character is one like any other.
                    match self.chars.peek().copied() {
                        None => {}
                        Some(next) if matches!(next, '"' | '$') || next == self.how.escape => {
                            self.chars.next();
                            out.push(next);
                        }
                        Some(_) => out.push(c),
                    }
                }
            }
        }
    }

    /// `<`, or `<<` with the spaces behind it, so that here-documents may have some before their name.
    fn less(&mut self) -> String {
        self.chars.next();
        let mut out = String::from("<");
        if self.chars.next_if_eq(&'<').is_some() {
            out.push('<');
            while let Some(c) = self.chars.next_if(|c| matches!(c, '\t' | '\r' | ' ')) {
                out.push(c);
            }
        }
        out
    }

    /// The name of a variable: letters, digits and `_`; or only digits; or one of the shell's special parameters.
    fn name(&mut self) -> String {
        let mut name = String::new();
        match self.chars.peek().copied() {
            Some(c) if c.is_ascii_digit() => {
                while let Some(c) = self.chars.next_if(char::is_ascii_digit) {
                    name.push(c);
                }
                return name;
            }
            Some('@' | '*' | '#' | '?' | '-' | '$' | '!') => {
                name.extend(self.chars.next());
                return name;
            }
            _ => {}
        }
        let is_part = |c: &char| c.is_alphabetic() || c.is_ascii_digit() || *c == '_';
        while let Some(c) = self.chars.next_if(is_part) {
            name.push(c);
        }
        name
    }

    fn dollar(&mut self) -> Result<String, WordError> {
        self.chars.next();
        if self.chars.next_if_eq(&'{').is_none() {
            let name = self.name();
            if name.is_empty() {
                return Ok("$".to_owned());
            }
            return Ok(match self.variables.value(&name) {
                Some(value) => value.to_owned(),
                None if self.how.keeps_unset => format!("${name}"),
                None => String::new(),
            });
        }
        match self.chars.peek() {
            None => return Err(WordError::MissingBrace),
            Some('{' | '}' | ':') => return Err(WordError::NoName),
            Some(_) => {}
        }
        let name = self.name();
        // Who remembers what was asked for is asked only where BuildKit asks: when all before is sound.
        match self.chars.next() {
            None => Err(WordError::MissingBrace),
            Some('}') => Ok(match self.variables.value(&name) {
                Some(value) => value.to_owned(),
                None if self.how.keeps_unset => format!("${{{name}}}"),
                None => String::new(),
            }),
            Some(':') => match self.chars.next() {
                None => Err(WordError::MissingBrace),
                Some(c) => self.modified(&name, c, true),
            },
            Some(c @ ('+' | '-' | '?' | '#' | '%')) => self.modified(&name, c, false),
            Some('/') => self.replaced(&name),
            Some(c) => Err(WordError::Modifier {
                name,
                modifier: c.to_string(),
            }),
        }
    }

    /// Reads the word of a modifier.
    fn nested(
        &mut self,
        stop: char,
        keeps_escapes: bool,
        missing: WordError,
    ) -> Result<String, WordError> {
        if self.depth == DEEPEST {
            return Err(WordError::TooDeep);
        }
        self.depth += 1;
        self.was_nested = true;
        let read = self.until(Some(stop), keeps_escapes, None);
        self.depth -= 1;
        match read {
            Err(error @ (WordError::TooDeep | WordError::TooLong)) => Err(error),
            Err(_) if self.chars.peek().is_none() => Err(missing),
            other => other,
        }
    }

    fn modified(
        &mut self,
        name: &str,
        modifier: char,
        with_colon: bool,
    ) -> Result<String, WordError> {
        let colon = if with_colon { ":" } else { "" };
        let unsupported = || WordError::Modifier {
            name: name.to_owned(),
            modifier: format!("{colon}{modifier}"),
        };
        let is_pattern = matches!(modifier, '#' | '%');
        if is_pattern && with_colon {
            return Err(unsupported());
        }
        let word = self.nested('}', is_pattern, WordError::MissingBrace)?;
        let value = self.variables.value(name);
        if self.how.keeps_unset && value.is_none() {
            return Ok(format!("${{{name}{colon}{modifier}{word}}}"));
        }
        let present = value.filter(|value| !(with_colon && value.is_empty()));
        match (modifier, present) {
            ('-', present) => Ok(present.map_or(word, str::to_owned)),
            ('+', present) => Ok(present.map_or_else(String::new, |_| word)),
            ('?', Some(value)) => Ok(value.to_owned()),
            ('?', None) => Err(WordError::Required {
                name: name.to_owned(),
                message: match word.as_str() {
                    "" if value.is_some() => "is not allowed to be empty".to_owned(),
                    "" => "is not allowed to be unset".to_owned(),
                    message => message.to_owned(),
                },
            }),
            ('#' | '%', _) => {
                let value = value.unwrap_or("");
                let doubled = word.strip_prefix(modifier);
                let pattern = doubled.unwrap_or(&word);
                let trim = match modifier {
                    '#' => pattern::trim_prefix,
                    _ => pattern::trim_suffix,
                };
                trim(pattern, value, doubled.is_some())
            }
            _ => Err(unsupported()),
        }
    }

    fn replaced(&mut self, name: &str) -> Result<String, WordError> {
        let all = self.chars.next_if_eq(&'/').is_some();
        let pattern = self.nested('/', true, WordError::MissingSlash)?;
        let by = self.nested('}', true, WordError::MissingBrace)?;
        let value = self.variables.value(name);
        match value {
            None if self.how.keeps_unset => Ok(format!("${{{name}/{pattern}/{by}}}")),
            value if all => pattern::replace_all(&pattern, value.unwrap_or(""), &by),
            value => pattern::replace_first(&pattern, value.unwrap_or(""), &by),
        }
    }
}
