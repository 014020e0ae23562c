//! What is wrong with a policy file: each mistake or trap with its place, what is wrong, and what was expected there.

use std::fmt::Write;
use std::ops::Range;

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};

use crate::code::{Code, Severity};

/// A place in a file: the bytes from its start to its end.
pub type Span = Range<usize>;

/// One mistake, or one trap.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Mistake {
    /// What kind of mistake it is.
    pub code: Code,
    /// Where it is.
    pub span: Span,
    /// What is wrong, as a phrase without a full stop.
    pub wrong: String,
    /// What was expected there, or what to do about it, written under the place; may be empty.
    pub expected: String,
}

impl Mistake {
    /// What to do about it, also where the wrong itself says what would be right.
    pub fn fix(&self) -> String {
        if !self.expected.is_empty() {
            return self.expected.clone();
        }
        match self.wrong.split_once(": must ") {
            Some((_, demand)) => format!("it must {demand}"),
            None => "change it, or take it out".to_owned(),
        }
    }
}

/// All mistakes found so far.
#[derive(Debug, Default)]
pub struct Mistakes(Vec<Mistake>);

/// More are counted, not shown: nobody reads them, and each is printed with its line.
const SHOWN_MAX: usize = 50;

impl Mistakes {
    /// Notes one mistake. The same words about the same place are noted once.
    pub fn add(&mut self, span: &Span, wrong: impl Into<String>, expected: impl Into<String>) {
        self.add_as(Code::InvalidValue, span, wrong, expected);
    }

    /// Notes one mistake of a kind that is told from others.
    pub fn add_as(&mut self, code: Code, span: &Span, wrong: impl Into<String>, expected: impl Into<String>) {
        let mistake = Mistake { code, span: span.clone(), wrong: wrong.into(), expected: expected.into() };
        if !self.0.contains(&mistake) {
            self.0.push(mistake);
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// All of them, in the order in which they stand in the file.
    pub fn in_order(mut self) -> Vec<Mistake> {
        self.0.sort_by_key(|mistake| mistake.span.start);
        self.0
    }
}

/// A file with everything that is wrong with it.
#[derive(Debug)]
pub struct Report {
    /// The file's name, as the user wrote it.
    pub name: String,
    /// The file's text, as far as it is text.
    pub text: String,
    /// In the order of their places.
    pub mistakes: Vec<Mistake>,
}

impl Report {
    /// Everything that is wrong, each with its line and a caret under the place, and a count at the end. Why a kind of thing
    /// matters is said with the first of its kind, unless that goes without saying.
    pub fn render(&self, colour: bool) -> String {
        let renderer = if colour { Renderer::styled() } else { Renderer::plain() };
        let mut page = String::new();
        let mut explained = vec![Code::Syntax, Code::UnknownKey, Code::MissingKey, Code::InvalidValue];
        for mistake in self.mistakes.iter().take(SHOWN_MAX) {
            let why = !explained.contains(&mistake.code);
            explained.push(mistake.code);
            page.push_str(&renderer.render(&[self.group(mistake, why)]));
            page.push_str("\n\n");
        }
        let more = if self.mistakes.len() > SHOWN_MAX { ", not all of them shown" } else { "" };
        // A string takes in whatever is written to it.
        let _ = writeln!(page, "{}: {}{more}", self.name, self.count());
        page
    }

    /// How much is wrong, in words.
    pub fn count(&self) -> String {
        let of = |severity| self.mistakes.iter().filter(|mistake| mistake.code.severity() == severity).count();
        let words = |count, word: &str| format!("{count} {word}{}", if count == 1 { "" } else { "s" });
        match (of(Severity::Error), of(Severity::Warning)) {
            (errors, 0) => words(errors, "mistake"),
            (0, warnings) => words(warnings, "warning"),
            (errors, warnings) => format!("{}, {}", words(errors, "mistake"), words(warnings, "warning")),
        }
    }

    fn group<'a>(&'a self, mistake: &'a Mistake, why: bool) -> Group<'a> {
        let mut annotation = AnnotationKind::Primary.span(self.within(&mistake.span));
        if !mistake.expected.is_empty() {
            annotation = annotation.label(mistake.expected.as_str());
        }
        let snippet = Snippet::source(self.text.as_str()).path(self.name.as_str()).annotation(annotation);
        let level = match mistake.code.severity() {
            Severity::Error => Level::ERROR,
            Severity::Warning => Level::WARNING,
        };
        let title = level.primary_title(mistake.wrong.as_str()).id(mistake.code.number());
        let group = title.element(snippet);
        if why { group.element(Level::NOTE.message(mistake.code.why())) } else { group }
    }

    /// The span, cut to the text and to its first line: a caret under a whole mapping says nothing.
    fn within(&self, span: &Span) -> Span {
        let start = self.text.floor_char_boundary(span.start);
        let line = self.text.get(start..).unwrap_or_default();
        let line = line.find('\n').map_or(self.text.len(), |end| start + end);
        start..self.text.floor_char_boundary(span.end.clamp(start, line.max(start)))
    }

    /// Line and column of a place, both counted from one; columns are characters.
    pub fn position(&self, span: &Span) -> (usize, usize) {
        let before = self.text.get(..self.text.floor_char_boundary(span.start)).unwrap_or_default();
        let line_start = before.rfind('\n').map_or(0, |end| end + 1);
        let column = before.get(line_start..).unwrap_or_default().chars().count() + 1;
        (before.matches('\n').count() + 1, column)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mistake_is_shown_under_its_line() {
        let text = "version: 1\nlisten: nowhere\n".to_owned();
        let mut mistakes = Mistakes::default();
        mistakes.add(&(19..26), "`nowhere` is not an address", "expected an address and a port");
        mistakes.add(&(19..26), "`nowhere` is not an address", "expected an address and a port");
        let refused = Report { name: "a.yaml".into(), text, mistakes: mistakes.in_order() };
        let expected = "\
error[E004]: `nowhere` is not an address
 --> a.yaml:2:9
  |
2 | listen: nowhere
  |         ^^^^^^^ expected an address and a port

a.yaml: 1 mistake
";
        assert_eq!(refused.render(false), expected);
        assert_eq!(refused.position(&(19..26)), (2, 9));
    }

    #[test]
    fn a_place_beyond_the_text_is_shown_at_its_end() {
        let refused = Report { name: "a".into(), text: "é".into(), mistakes: vec![] };
        assert_eq!(refused.within(&(1..9)), 0..2);
        assert_eq!(refused.within(&(7..9)), 2..2);
        assert_eq!(refused.position(&(7..9)), (1, 2));
    }
}
