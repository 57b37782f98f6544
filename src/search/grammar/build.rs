//! From clauses to queries: groups, boosts, and the clauses that give no term.

use std::cell::RefCell;

use tantivy::Term;
use tantivy::query::{AllQuery, BoostQuery, ConstScoreQuery, Occur, Query, RegexQuery, TermQuery};
use tantivy::schema::{Field, FieldType};
use tantivy::tokenizer::TokenStream;
use unicode_normalization::UnicodeNormalization;

use super::ast::{Clause, Kind, Leaf, Node, Span, Value};
use super::errors::{Place, in_quotes, shown};
use super::target::{Found, Lost, Target};
use super::told::{AskedWord, Told, Widened};
use super::wildcard::has_other_terms;
use super::{Grammar, Mode};
use crate::error::{Error, Result};
use crate::limits::{self, QUERY_CLAUSES};
use crate::schema::{EXACT_LIMIT, exact_name};
use crate::search::alternatives::{AlternativesQuery, Other, shown as shown_synonym, synonyms_of};
use crate::search::ordered::OrderedQuery;
use crate::search::scorer::MAX_WEIGHT;

/// Words that one error names at most.
const MOST_SHOWN: usize = 8;

/// The query that is built: its text, and in keywords the clauses that gave no term.
pub(super) struct Building<'a> {
    pub(super) place: Place<'a>,
    lost: RefCell<Vec<Span>>,
    told: RefCell<Told>,
}

/// A query and whether a document may be what was asked for without matching it: a field that was asked leaves the word out.
pub(super) struct Built {
    query: Box<dyn Query>,
    optional: bool,
}

impl Built {
    fn of(query: Box<dyn Query>) -> Self {
        Self { query, optional: false }
    }
}

/// What the groups around a clause make of it.
#[derive(Clone, Copy)]
struct Around {
    boost: f32,
    /// Whether more matches where the clause matches less.
    excluded: bool,
}

/// The one word that a query of a text field asks for.
fn word_of(target: Target<'_>, query: &dyn Query) -> Option<String> {
    let words = matches!(target.entry.field_type(), FieldType::Str(_)) && !target.is_whole();
    let term = query.downcast_ref::<TermQuery>().filter(|_| words)?.term();
    term.value().as_str().map(str::to_owned)
}

impl Grammar {
    pub(super) fn build(&self, mode: Mode, text: &str, node: Node) -> Result<(Box<dyn Query>, Told)> {
        let (lost, told) = (RefCell::default(), RefCell::default());
        let building = Building { place: Place { mode, text }, lost, told };
        let (excludes, first) = excludes(&node);
        match self.node(&building, node, Around { boost: 1.0, excluded: false })? {
            None => {
                let lost = building.lost.borrow();
                let mut words: Vec<String> =
                    lost.iter().take(MOST_SHOWN).map(|span| building.place.written(span)).collect();
                words.extend(
                    (lost.len() > MOST_SHOWN).then(|| format!("and {} more", lost.len() - MOST_SHOWN)),
                );
                let at = lost.first().map_or(0, |span| span.0.start);
                let message = format!(
                    "the {} query has no word that could be found: {}",
                    mode.as_str(),
                    words.join(", ")
                );
                Err(Error::new(crate::ErrorCode::BadQuery, message)
                    .offset(at as u64)
                    .expected("a word that the analysis of a field keeps")
                    .hint("stop words, signs and very long words are not looked for; exact fields hold whole values"))
            }
            Some(built) if excludes || only_excludes(&*built.query) => {
                let message = format!("the {} query only excludes", mode.as_str());
                Err(Error::new(crate::ErrorCode::BadQuery, message)
                    .offset(first as u64)
                    .got(format!("{:?}", shown(text)))
                    .hint("begin with something to exclude from, such as all: * AND NOT .."))
            }
            Some(built) => Ok((built.query, building.told.into_inner())),
        }
    }

    /// `None` where nothing is left to look for, in keywords.
    fn node(&self, building: &Building<'_>, node: Node, around: Around) -> Result<Option<Built>> {
        match node {
            Node::Leaf(leaf) => self.leaf(building, &leaf, around),
            Node::Boost(inner, factor, span) => {
                let product = around.boost * factor.0;
                // NaN is in no range.
                if !(0.0..=MAX_WEIGHT).contains(&product) {
                    return Err(building
                        .place
                        .error(&span, "the boost is unusable")
                        .expected(format!("0 to {MAX_WEIGHT}, with the groups around it"))
                        .got(product));
                }
                let boosted = |built: Built| Built {
                    query: Box::new(BoostQuery::new(all_but(built.query), factor.0)),
                    optional: built.optional,
                };
                let around = Around { boost: product, ..around };
                Ok(self.node(building, *inner, around)?.map(boosted))
            }
            Node::Group(children) => self.group(building, children, around),
        }
    }

    fn group(&self, building: &Building<'_>, children: Vec<Clause>, around: Around) -> Result<Option<Built>> {
        let mut clauses: Vec<(Occur, Box<dyn Query>)> = Vec::new();
        let mut found = Vec::new();
        for (occur, child) in children {
            let occur = occur.unwrap_or(Occur::Should);
            let excluded = around.excluded != (occur == Occur::MustNot);
            found.extend(
                self.node(building, child, Around { excluded, ..around })?.map(|built| (occur, built)),
            );
        }
        let optional = found.iter().all(|(occur, built)| *occur == Occur::MustNot || built.optional);
        // Where no word is asked of all fields, those that must match still must.
        let asked = found.iter().any(|(occur, built)| *occur == Occur::Must && !built.optional);
        for (occur, built) in found {
            let occur = match occur {
                // One field leaves the word out: a document that has it there does not match, and is meant.
                Occur::Must if built.optional && asked => Occur::Should,
                occur => occur,
            };
            clauses.push((occur, all_but(built.query)));
        }
        let optional = optional && clauses.iter().any(|(occur, _)| *occur != Occur::MustNot);
        let query = match clauses.len() {
            0 => return Ok(None),
            1 if clauses[0].0 != Occur::MustNot => clauses.swap_remove(0).1,
            _ => Box::new(OrderedQuery::new(clauses)),
        };
        Ok(Some(Built { query, optional }))
    }

    fn leaf(&self, building: &Building<'_>, leaf: &Leaf, around: Around) -> Result<Option<Built>> {
        let place = building.place;
        // The boost of a field is for its words alone, as in tantivy.
        let query = match &leaf.kind {
            Kind::All => match &leaf.field {
                None => return Ok(Some(Built::of(Box::new(AllQuery)))),
                Some(name) => self.exists(place, leaf, self.target(place, name)?)?,
            },
            Kind::Words { value, slop, prefix } => {
                return self.words(building, leaf, around, value, *slop, *prefix);
            }
            Kind::Range(lower, upper) => {
                let target = self.named(place, leaf, "a range")?;
                self.range(place, leaf, target, lower.as_ref(), upper.as_ref())?
            }
            Kind::Set(values) => {
                let target = self.named(place, leaf, "a list of values")?;
                self.set(place, leaf, target, values)?
            }
            Kind::Regex(pattern) => {
                let target = self.named(place, leaf, "a pattern")?;
                if target.tokenizer().is_none() || !matches!(target.entry.field_type(), FieldType::Str(_)) {
                    return Err(place
                        .error(&leaf.span, &format!("`{}` has no words to compare", target.name()))
                        .expected("a text field"));
                }
                let pattern = &*self.spelled_pattern(place, leaf, target, pattern)?;
                Box::new(RegexQuery::from_pattern(pattern, target.field).map_err(|error| {
                    place
                        .error(&leaf.span, "the pattern does not parse")
                        .expected("a regular expression over one word, without ^ and $")
                        .hint(format!(
                            "to look for the text itself, write {}",
                            in_quotes(&format!("/{pattern}/"))
                        ))
                        .source(error)
                })?)
            }
        };
        Ok(Some(Built::of(query)))
    }

    /// A pattern as the terms of the field are written: composed; refused where a letter is of a case that no term has.
    fn spelled_pattern(
        &self,
        place: Place<'_>,
        leaf: &Leaf,
        target: Target<'_>,
        pattern: &str,
    ) -> Result<String> {
        let mut analyzer = self.analyzer(place, leaf, target)?;
        let mut only = |text: &str| {
            let mut stream = analyzer.token_stream(text);
            stream.advance().then(|| stream.token().text.clone())
        };
        let (lowers, composes) =
            (only("A").as_deref() == Some("a"), only("e\u{301}").as_deref() == Some("\u{e9}"));
        // Classes such as \W and \pL are no letters.
        let letters = pattern.char_indices().filter(|(at, _)| {
            let before = &pattern[..*at];
            !before.ends_with(['\\', '{']) && !before.ends_with("\\p") && !before.ends_with("\\P")
        });
        let upper = letters.map(|(_, c)| c).find(|c| c.is_uppercase());
        if let (true, Some(c)) = (lowers, upper) {
            let why = format!("`{}` keeps words in lower case, and the pattern has `{c}`", target.name());
            return Err(place.error(&leaf.span, &why).hint("write the letters of the pattern in lower case"));
        }
        Ok(if composes { pattern.nfc().collect() } else { pattern.to_owned() })
    }

    fn boosted_in(&self, field: Field, query: Box<dyn Query>) -> Box<dyn Query> {
        match self.boosts.get(&field) {
            Some(&boost) if boost != 1.0 => Box::new(BoostQuery::new(query, boost)),
            _ => query,
        }
    }

    /// The field that a clause names; `what` needs one.
    fn named<'t>(&'t self, place: Place<'_>, leaf: &'t Leaf, what: &str) -> Result<Target<'t>> {
        match &leaf.field {
            Some(name) => self.target(place, name),
            None => Err(place
                .error(&leaf.span, &format!("{what} needs the name of a field"))
                .hint("write field: before it, or put it into quotes to look for the text itself")),
        }
    }

    /// Words and phrases, in the field that is named or in all default fields.
    fn words(
        &self,
        building: &Building<'_>,
        leaf: &Leaf,
        around: Around,
        value: &Value,
        slop: u32,
        prefix: bool,
    ) -> Result<Option<Built>> {
        let place = building.place;
        let targets: Vec<Target<'_>> = match &leaf.field {
            Some(name) => vec![self.target(place, name)?],
            None => self.defaults.iter().map(|&field| self.default_target(field)).collect(),
        };
        if targets.is_empty() {
            return Err(place
                .error(&leaf.span, "it names no field, and the index has no text to look in")
                .hint("write field: before it"));
        }
        let signs = value.marks.iter().any(|at| !value.text[*at..].starts_with('~'));
        let wild = signs || (prefix && !value.text.trim().contains(char::is_whitespace));
        let plain = place.mode == Mode::Keywords && !value.quoted && value.marks.is_empty() && !prefix;
        let mut asked = Vec::new();
        let (mut clauses, mut lost, mut first) = (Vec::new(), Vec::new(), None);
        for target in targets {
            match self.words_in(place, leaf, target, value, slop, prefix) {
                Ok(Found::Query(mut query)) => {
                    if let Some(word) = word_of(target, &*query).filter(|_| plain) {
                        query = self.widened(building, leaf, target, &word, query)?;
                        asked.push((target.field, word, !target.tokenizer().is_some_and(has_other_terms)));
                    }
                    clauses.push((Occur::Should, self.boosted_in(target.field, query)))
                }
                Ok(Found::Nothing(why)) => lost.push((target, why)),
                // Never passed over: with other fields it would find some of what it found without stems.
                Err(error) if wild && target.tokenizer().is_some_and(has_other_terms) => return Err(error),
                Err(error) => {
                    first.get_or_insert(error);
                }
            }
        }
        // Under an exclusion a field that does not take part would let more through.
        if place.mode == Mode::Filter && around.excluded {
            match first {
                Some(error) => return Err(error),
                None if !lost.is_empty() => return Err(self.no_term(place, leaf, value, &lost)),
                None => {}
            }
        }
        // A field that cannot answer is no error where another does: fields without positions beside others.
        if let (true, Some(error)) = (clauses.is_empty(), first) {
            return Err(error);
        }
        let optional = place.mode == Mode::Keywords && !lost.is_empty();
        if asked.len() == clauses.len() && !asked.is_empty() && !around.excluded {
            let asked = AskedWord { written: value.text.clone(), terms: asked };
            building.told.borrow_mut().words.push(asked);
        }
        match clauses.len() {
            0 if place.mode == Mode::Filter => Err(self.no_term(place, leaf, value, &lost)),
            0 => {
                // A phrase that lost some of its words is not the words that are left.
                if let Some((_, Lost::Some(_))) = lost.iter().find(|(_, why)| matches!(why, Lost::Some(_))) {
                    return Err(self.no_term(place, leaf, value, &lost));
                }
                building.lost.borrow_mut().push(leaf.span.clone());
                Ok(None)
            }
            1 => Ok(clauses.pop().map(|(_, query)| Built { query, optional })),
            _ => Ok(Some(Built { query: Box::new(OrderedQuery::new(clauses)), optional })),
        }
    }

    /// The query of a word in one field, with what stands for it there.
    fn widened(
        &self,
        building: &Building<'_>,
        leaf: &Leaf,
        target: Target<'_>,
        word: &str,
        query: Box<dyn Query>,
    ) -> Result<Box<dyn Query>> {
        let Some(maps) = self.synonyms.get(&target.field) else { return Ok(query) };
        let synonyms = synonyms_of(maps, word);
        if synonyms.is_empty() {
            return Ok(query);
        }
        let mut told = building.told.borrow_mut();
        let names: Vec<String> = synonyms.iter().map(|phrase| shown_synonym(phrase)).collect();
        told.widened.push(Widened { word: word.to_owned(), field: target.name(), synonyms: names });
        let all: usize = told.widened.iter().map(|widened| widened.synonyms.len()).sum();
        if all > QUERY_CLAUSES {
            let error = limits::over(
                "the words of the keywords have too many synonyms",
                QUERY_CLAUSES,
                all,
                "clauses",
            );
            return Err(error
                .offset(leaf.span.0.start as u64)
                .hint("words in quotes are looked for as they are"));
        }
        let count = |term: &Term| self.searchers.iter().map(|searcher| searcher.doc_freq(term)).sum();
        let exact = Term::from_field_text(target.field, word);
        let others: Vec<Other> = synonyms.iter().map(|phrase| Other::synonym(target.field, phrase)).collect();
        let mut documents = count(&exact)?;
        for other in &others {
            documents += other.documents(count)?;
        }
        Ok(Box::new(AlternativesQuery::new(exact, others, documents)))
    }

    fn default_target(&self, field: Field) -> Target<'_> {
        Target { field, entry: self.schema.get_field_entry(field), path: "" }
    }

    /// The error for a clause that gives no term, in a filter or as a phrase.
    fn no_term(&self, place: Place<'_>, leaf: &Leaf, value: &Value, lost: &[(Target<'_>, Lost)]) -> Error {
        let names: Vec<String> = lost.iter().map(|(target, _)| format!("`{}`", target.name())).collect();
        let words = lost.iter().find_map(|(_, why)| match why {
            Lost::Some(words) | Lost::Words(words) => Some(words[..words.len().min(MOST_SHOWN)].join(", ")),
            Lost::Blank | Lost::Signs | Lost::TooLong(_) => None,
        });
        let longest = lost.iter().find_map(|(_, why)| match why {
            Lost::TooLong(most) => Some(*most),
            _ => None,
        });
        let fields = names.join(", ");
        let why = match (words, longest) {
            (Some(words), _) => format!("it gives no term of its own, since {fields} leaves out: {words}"),
            (None, Some(most)) => {
                format!("it gives no term, since {fields} holds values of at most {most} bytes")
            }
            (None, None) if value.text.trim().is_empty() => {
                format!("it gives no term: it is empty, and {fields} holds words")
            }
            (None, None) => format!("it gives no term: {fields} holds words, and there is none in it"),
        };
        let error = place.error(&leaf.span, &why).expected("a word or value that can be looked for");
        let named = leaf.field.as_ref().map(|name| exact_name(&name.path));
        let exact =
            named.filter(|exact| self.schema.get_field(exact).is_ok() && value.text.len() <= EXACT_LIMIT);
        match (exact, &leaf.field) {
            (Some(exact), _) if longest.is_none() => error.hint(format!(
                "leave the clause out, or ask for the whole value: {exact}:{}",
                in_quotes(&value.text)
            )),
            (_, None) if lost.len() > 1 => {
                error.hint("leave the clause out, or name a field whose analysis keeps the word")
            }
            _ => error.hint("leave the clause out, or ask for other words of the value"),
        }
    }
}

/// Whether all clauses of a query, boosted or not, exclude, and the byte of the first of them.
fn excludes(node: &Node) -> (bool, usize) {
    match node {
        Node::Boost(inner, ..) => excludes(inner),
        Node::Leaf(leaf) => (false, leaf.span.0.start),
        Node::Group(children) => {
            let all = children.iter().all(|(occur, _)| *occur == Some(Occur::MustNot));
            (all, children.first().map_or(0, |(_, child)| excludes(child).1))
        }
    }
}

fn only_excludes(query: &dyn Query) -> bool {
    query.downcast_ref::<OrderedQuery>().is_some_and(OrderedQuery::only_excludes)
}

/// Gives a group that only excludes all documents to exclude from, without a score of their own.
fn all_but(query: Box<dyn Query>) -> Box<dyn Query> {
    if !only_excludes(&*query) {
        return query;
    }
    let all: Box<dyn Query> = Box::new(ConstScoreQuery::new(Box::new(AllQuery), 0.0));
    match query.downcast::<OrderedQuery>() {
        Ok(group) => Box::new(group.with(Occur::Must, all)),
        Err(query) => query,
    }
}
