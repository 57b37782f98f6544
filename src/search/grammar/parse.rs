//! Recursive descent: tantivy's grammar, and what this crate adds to it.

use std::collections::HashSet;
use std::ops::Bound;

use tantivy::query::Occur;

use super::ast::{Clause, Factor, Kind, Leaf, Mode, Name, Node, Value};
use super::lex::{Cursor, Fraction, List, Spent, joins};
use crate::error::Result;

/// What a pattern or fuzzy word counts as at least among [`crate::limits::QUERY_PATTERNS`].
const LEAST_PATTERN: usize = 16;
/// The same of a regular expression, and of a phrase whose last word is a beginning.
const LEAST_AUTOMATON: usize = 256;

/// Between two clauses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operator {
    And,
    Or,
}

/// A clause as it is written: the operator before it, its sign, and itself.
struct Operand {
    operator: Option<Operator>,
    occur: Option<Occur>,
    node: Node,
    start: usize,
    /// A number with a minus in a group of numbers, which elsewhere would be left out.
    negative: bool,
}

/// Parses `text`. `holds_numbers` says of the name of a field whether `-5` is a value in a group of that field, and no
/// exclusion of 5; words without a field are asked of `defaults` ones. What it takes is added to `spent`.
///
/// # Errors
/// [`crate::ErrorCode::BadQuery`] with the byte.
pub(super) fn parse(
    mode: Mode,
    text: &str,
    holds_numbers: &dyn Fn(&str) -> bool,
    defaults: usize,
    spent: &mut Spent,
) -> Result<Node> {
    let mut parser = Parser { cursor: Cursor::new(mode, text, *spent), holds_numbers, defaults };
    let node = parser.group(None)?;
    *spent = parser.cursor.spent();
    match parser.cursor.peek() {
        None => Ok(once(node)),
        Some(_) => Err(parser.cursor.error(parser.cursor.at, "a `)` closes nothing")),
    }
}

struct Parser<'a> {
    cursor: Cursor<'a>,
    holds_numbers: &'a dyn Fn(&str) -> bool,
    defaults: usize,
}

impl Parser<'_> {
    /// Clauses up to a closing parenthesis or the end; `field` is that of the group.
    fn group(&mut self, field: Option<&Name>) -> Result<Node> {
        let mut operands: Vec<Operand> = Vec::new();
        self.cursor.blanks();
        loop {
            let operator = if operands.is_empty() { None } else { self.operator()? };
            self.cursor.blanks();
            let start = self.cursor.at;
            let occur = self.sign(field);
            let negative = occur.is_none() && self.cursor.peek() == Some('-');
            let node = self.boosted(field)?;
            operands.push(Operand { operator, occur, node, start, negative });
            let apart = self.cursor.blanks();
            match self.cursor.peek() {
                None | Some(')') => break,
                // What is glued on would be a clause of its own, and add to what matches: name:O'Brien.
                Some(c) if !apart && !joins(self.cursor.rest()) => {
                    let why = format!("`{c}` stands right after a clause");
                    return Err(self
                        .cursor
                        .error(self.cursor.at, &why)
                        .hint("put a blank between two clauses, or the whole value into double quotes"));
                }
                Some(_) => {}
            }
        }
        if self.cursor.mode == Mode::Filter {
            self.says_which(&operands)?;
        }
        Ok(aggregate(operands))
    }

    /// Refuses clauses of a filter that are read in one of two ways.
    fn says_which(&self, operands: &[Operand]) -> Result<()> {
        let after = |at: usize| operands.get(at + 1).and_then(|next| next.operator);
        let several = operands.len() > 1;
        for (at, operand) in operands.iter().enumerate().filter(|_| several) {
            if operand.negative && operand.operator.is_none() && after(at).is_none() {
                let number = self.cursor.text[operand.start + 1..]
                    .split([' ', ')', '^', '&', '|'])
                    .next()
                    .unwrap_or_default();
                let why = format!("`-{number}` is a value here, or leaves {number} out");
                return Err(self.cursor.error(operand.start, &why).hint(format!(
                    "write OR -{number} between the values to ask for it, or AND NOT {number} to leave it out"
                )));
            }
        }
        let joined = |at: usize| [operands[at].operator, after(at)].contains(&Some(Operator::And));
        let alone = |at: &usize, occur| !joined(*at) && operands[*at].occur == occur;
        let Some(plus) = (0..operands.len()).find(|at| several && alone(at, Some(Occur::Must))) else {
            return Ok(());
        };
        match (0..operands.len()).find(|at| joined(*at) || alone(at, None)) {
            None => Ok(()),
            Some(at) => Err(self
                .cursor
                .error(
                    operands[at].start,
                    &format!(
                        "a clause without a sign leaves nothing out beside the + at byte {}",
                        operands[plus].start
                    ),
                )
                .hint("write AND between clauses that must all match, OR between those of which one must")),
        }
    }

    fn operator(&mut self) -> Result<Option<Operator>> {
        for (word, sign, operator) in [("AND", "&&", Operator::And), ("OR", "||", Operator::Or)] {
            if self.cursor.keyword(word) {
                return Ok(Some(operator));
            }
            let Some(after) = self.cursor.rest().strip_prefix(sign) else { continue };
            if let Some(more) = after.chars().next().filter(|c| ['&', '|'].contains(c)) {
                let why = format!("`{sign}` joins two clauses, and `{more}` stands right after it");
                let hint = "write && or ||, or put the signs into quotes to look for them";
                return Err(self.cursor.error(self.cursor.at, &why).hint(hint));
            }
            self.cursor.at += sign.len();
            return Ok(Some(operator));
        }
        Ok(None)
    }

    /// `+`, `-` or `!` before a clause. In a group of a field of numbers a negative number is a value.
    fn sign(&mut self, field: Option<&Name>) -> Option<Occur> {
        let next = self.cursor.second();
        match self.cursor.peek()? {
            '+' => {
                self.cursor.eat('+');
                Some(Occur::Must)
            }
            '-' => {
                let numbers = field.is_some_and(|name| (self.holds_numbers)(&name.path));
                if numbers && self.cursor.negative_number() {
                    return None;
                }
                self.cursor.eat('-');
                Some(Occur::MustNot)
            }
            '!' if next.is_some_and(|c| !c.is_whitespace() && c != '!' && c != ')' && c != '=') => {
                self.cursor.eat('!');
                Some(Occur::MustNot)
            }
            _ => None,
        }
    }

    fn boosted(&mut self, field: Option<&Name>) -> Result<Node> {
        let node = self.leaf(field)?;
        let start = self.cursor.at;
        if !self.cursor.eat('^') {
            return Ok(node);
        }
        let factor = self.cursor.digits(Fraction::Allowed).and_then(|digits| digits.parse::<f32>().ok());
        let factor = factor.ok_or_else(|| {
            self.cursor.error(start, "a ^ stands without a number").hint("boosts are written as word^2.5")
        })?;
        if factor == 1.0 {
            return Ok(node);
        }
        Ok(Node::Boost(Box::new(node), Factor(factor), self.cursor.span(start)))
    }

    fn leaf(&mut self, field: Option<&Name>) -> Result<Node> {
        let start = self.cursor.at;
        if self.cursor.peek() == Some('(') {
            return self.parentheses(field);
        }
        if self.cursor.star() {
            self.cursor.eat('*');
            return self.made(field.cloned(), Kind::All, start);
        }
        if self.cursor.keyword("NOT") {
            self.cursor.blanks();
            self.cursor.deeper()?;
            let inner = self.leaf(field)?;
            self.cursor.higher();
            return Ok(inner.not());
        }
        match self.cursor.field_name() {
            Some(name) if self.cursor.peek() == Some('(') => self.parentheses(Some(&name)),
            Some(name) => self.value(Some(name), start),
            None => self.value(field.cloned(), start),
        }
    }

    fn parentheses(&mut self, field: Option<&Name>) -> Result<Node> {
        let start = self.cursor.at;
        self.cursor.eat('(');
        self.cursor.deeper()?;
        let node = self.group(field)?;
        self.cursor.higher();
        if self.cursor.eat(')') {
            return Ok(node);
        }
        Err(self.cursor.error(start, "a `(` is never closed"))
    }

    fn made(&mut self, field: Option<Name>, kind: Kind, start: usize) -> Result<Node> {
        let fields = match (&field, &kind) {
            (None, Kind::Words { .. }) => self.defaults,
            _ => 1,
        };
        self.cursor.clause(fields)?;
        match &kind {
            Kind::Words { value, prefix: true, .. } => {
                self.cursor.pattern(value.text.len().max(LEAST_AUTOMATON), fields)?;
            }
            Kind::Words { value, .. } if !value.marks.is_empty() => {
                self.cursor.pattern(value.text.len().max(LEAST_PATTERN), fields)?;
            }
            Kind::Regex(pattern) => self.cursor.pattern(pattern.len().max(LEAST_AUTOMATON), fields)?,
            _ => {}
        }
        Ok(Node::Leaf(Leaf { field, kind, span: self.cursor.span(start) }))
    }

    fn value(&mut self, field: Option<Name>, start: usize) -> Result<Node> {
        let kind = match self.cursor.peek() {
            Some('[' | '{') => self.interval()?,
            Some('<' | '>') => self.comparison()?,
            Some('/') => match self.regex() {
                Some(pattern) => Kind::Regex(pattern),
                None => self.words()?,
            },
            Some('*') if self.cursor.star() => {
                self.cursor.eat('*');
                Kind::All
            }
            Some('I') if self.list_begins() => self.set()?,
            _ => self.words()?,
        };
        self.made(field, kind, start)
    }

    fn words(&mut self) -> Result<Kind> {
        let quote = self.cursor.peek().filter(|c| *c == '"' || *c == '\'');
        let Some(quote) = quote else {
            let value = self.cursor.word(List::No)?;
            return Ok(Kind::Words { value, slop: 0, prefix: false });
        };
        let value = self.cursor.quoted(quote)?;
        let at = self.cursor.at;
        if self.cursor.eat('*') {
            return Ok(Kind::Words { value, slop: 0, prefix: true });
        }
        if !self.cursor.eat('~') {
            return Ok(Kind::Words { value, slop: 0, prefix: false });
        }
        let slop = self.cursor.digits(Fraction::Refused).and_then(|digits| digits.parse().ok());
        let slop = slop.ok_or_else(|| {
            self.cursor
                .error(at, "a ~ after a phrase stands without the number of words that may lie between")
                .hint("write \"a b\"~2")
        })?;
        Ok(Kind::Words { value, slop, prefix: false })
    }

    /// `[a TO b]`, where a curly bracket leaves the bound itself out and a star is an open end.
    fn interval(&mut self) -> Result<Kind> {
        let start = self.cursor.at;
        let excluded = self.cursor.eat('{');
        if !excluded {
            self.cursor.eat('[');
        }
        self.cursor.blanks();
        let lower = self.cursor.bound()?;
        let apart = self.cursor.blanks();
        if !(apart && self.cursor.keyword("TO")) {
            let error = self.cursor.error(self.cursor.at, "a range lacks the word TO");
            return Err(error.hint("ranges are written as field:[1 TO 5] or field:{a TO *}"));
        }
        self.cursor.blanks();
        let upper = self.cursor.bound()?;
        self.cursor.blanks();
        let bound = |value: Value, excluded| match (value.quoted, value.text.as_str(), excluded) {
            (false, "*", _) => Bound::Unbounded,
            (_, _, true) => Bound::Excluded(value),
            (_, _, false) => Bound::Included(value),
        };
        let lower = bound(lower, excluded);
        if self.cursor.eat(']') {
            return Ok(Kind::Range(lower, bound(upper, false)));
        }
        if self.cursor.eat('}') {
            return Ok(Kind::Range(lower, bound(upper, true)));
        }
        Err(self.cursor.error(start, "a range is never closed"))
    }

    /// `>a`, `>=a`, `<a`, `<=a`.
    fn comparison(&mut self) -> Result<Kind> {
        let greater = self.cursor.eat('>');
        if !greater {
            self.cursor.eat('<');
        }
        let included = self.cursor.eat('=');
        self.cursor.blanks();
        let value = self.cursor.bound()?;
        let bound = match (value.quoted, value.text.as_str(), included) {
            (false, "*", _) => Bound::Unbounded,
            (_, _, true) => Bound::Included(value),
            (_, _, false) => Bound::Excluded(value),
        };
        Ok(if greater { Kind::Range(bound, Bound::Unbounded) } else { Kind::Range(Bound::Unbounded, bound) })
    }

    fn list_begins(&self) -> bool {
        self.cursor.rest().strip_prefix("IN").is_some_and(|rest| rest.trim_start().starts_with('['))
    }

    /// `IN [a "b c", d]`: blanks or commas between the values.
    fn set(&mut self) -> Result<Kind> {
        let start = self.cursor.at;
        self.cursor.keyword("IN");
        self.cursor.blanks();
        self.cursor.eat('[');
        let mut values = Vec::new();
        self.cursor.blanks();
        while !self.cursor.eat(']') {
            if self.cursor.peek().is_none() {
                return Err(self.cursor.error(start, "a list of values is never closed"));
            }
            let quote = self.cursor.peek().filter(|c| *c == '"' || *c == '\'');
            values.push(match quote {
                Some(quote) => self.cursor.quoted(quote)?,
                None => self.cursor.word(List::Yes)?,
            });
            let apart = self.cursor.blanks();
            let comma = self.cursor.eat(',');
            self.cursor.blanks();
            let at = self.cursor.at;
            match self.cursor.peek() {
                Some(']') if comma => return Err(self.cursor.error(at, "a value is missing after a comma")),
                Some(c) if c != ']' && !comma && !apart => {
                    return Err(self.cursor.error(at, &format!("`{c}` stands right after a value")));
                }
                _ => {}
            }
        }
        if values.is_empty() {
            return Err(self.cursor.error(start, "a list has no values").hint("leave the clause out"));
        }
        Ok(Kind::Set(values))
    }

    /// `/pattern/` with a blank, `)`, `^`, an operator or the end after it; other words begin with a slash too.
    fn regex(&mut self) -> Option<String> {
        let mut pattern = String::new();
        let rest = self.cursor.rest();
        let mut chars = rest.char_indices().skip(1).peekable();
        while let Some((at, c)) = chars.next() {
            match c {
                '\\' if chars.peek().is_some_and(|(_, next)| *next == '/') => {
                    pattern.push('/');
                    chars.next();
                }
                '/' => {
                    let ends = |c: &(usize, char)| c.1.is_whitespace() || c.1 == ')' || c.1 == '^';
                    let ended = joins(&rest[at + 1..]) || chars.peek().is_none_or(ends);
                    if pattern.is_empty() || !ended {
                        return None;
                    }
                    self.cursor.at += at + 1;
                    return Some(pattern);
                }
                c => pattern.push(c),
            }
        }
        None
    }
}

/// Joins clauses by their operators and signs as tantivy does: AND binds closer than OR; a clause with neither adds to
/// the score; what an OR leaves out is all but that.
fn aggregate(operands: Vec<Operand>) -> Node {
    let operators: Vec<Option<Operator>> = operands.iter().map(|operand| operand.operator).collect();
    let mut runs: Vec<Vec<Clause>> = Vec::new();
    for (at, Operand { operator, occur, node, .. }) in operands.into_iter().enumerate() {
        let next = operators.get(at + 1).copied().flatten();
        if let (Some(Operator::And), Some(run)) = (operator, runs.last_mut()) {
            run.push((occur.or(Some(Occur::Must)), node));
            continue;
        }
        let default = match (operator, next) {
            (_, Some(Operator::And)) => Some(Occur::Must),
            (Some(_), _) | (None, Some(Operator::Or)) => Some(Occur::Should),
            (None, None) => None,
        };
        runs.push(vec![match (occur, default) {
            (Some(Occur::MustNot), Some(Occur::Should)) => (Some(Occur::Should), node.not()),
            (occur, default) => (occur.or(default), node),
        }]);
    }
    let mut clauses: Vec<Clause> = Vec::new();
    let alone = runs.len() == 1;
    for mut run in runs {
        match (run.len(), alone) {
            (1, _) => clauses.append(&mut run),
            (_, true) => clauses = run,
            (_, false) => clauses.push((Some(Occur::Should), tidy(run))),
        }
    }
    if alone && clauses.len() == 1 && clauses[0].0 != Some(Occur::MustNot) {
        // Never empty: a group has a clause.
        return clauses.swap_remove(0).1;
    }
    tidy(clauses)
}

/// Takes groups around one exclusion away: `red (NOT blue)` excludes.
fn tidy(clauses: Vec<Clause>) -> Node {
    let flat = |clause: Clause| match clause {
        (None, Node::Group(mut inner)) if inner.len() == 1 => inner.swap_remove(0),
        clause => clause,
    };
    Node::Group(clauses.into_iter().map(flat).collect())
}

/// Leaves out clauses that say the same again. Not inside of boosts, where they add to the score in tantivy too.
fn once(node: Node) -> Node {
    let Node::Group(clauses) = node else { return node };
    let clauses: Vec<Clause> = clauses.into_iter().map(|(occur, node)| (occur, once(node))).collect();
    let mut seen = HashSet::new();
    let first: Vec<bool> = clauses.iter().map(|clause| seen.insert(clause)).collect();
    let kept = clauses.into_iter().zip(first).filter(|(_, first)| *first);
    Node::Group(kept.map(|(clause, _)| clause).collect())
}
