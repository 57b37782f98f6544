//! From what a user typed to a tantivy query: tantivy's grammar, with fuzzy terms, and errors that point at the place.

use std::collections::BTreeMap;

use tantivy::query::{
    AllQuery, BooleanQuery, BoostQuery, ConstScoreQuery, EmptyQuery, FuzzyTermQuery, Occur,
    PhrasePrefixQuery, PhraseQuery, Query, QueryParser, QueryParserError,
};
use tantivy::query_grammar::{Delimiter, UserInputAst, UserInputLeaf, UserInputLiteral, parse_query_lenient};
use tantivy::schema::{Field, FieldType, Schema};
use tantivy::{Term, query_grammar};

use super::near::near_names;
use super::ordered::OrderedQuery;
use super::scorer::MAX_WEIGHT;
use super::top::ID_FIELD;
use crate::error::{Error, ErrorCode, Result};

/// Edits that a fuzzy term allows at most; automata for more are too large.
const MAX_EDITS: u8 = 2;
/// Words of one segment that the prefix at the end of a phrase stands for at most; tantivy reserves 2 kB for each.
const MAX_EXPANSIONS: u32 = 10_000;
/// Groups inside groups, and exclusions of exclusions: the parser works on the stack.
const MAX_DEPTH: usize = 200;

/// Parses queries in tantivy's grammar; words without a field search every tokenised text field.
///
/// Beside that grammar, `word~` and `word~2` match words within one or two edits (a swap of neighbours is one), each with
/// the score of its boost alone; they are for single words in text fields. A group that only excludes, as in
/// `red AND (NOT circle)`, stands for all documents but those; tantivy's own parser lets it match nothing, and so
/// `red AND NOT circle` too. The whole query must still name something to look for.
#[derive(Clone)]
pub struct Grammar {
    schema: Schema,
    tokenizers: tantivy::tokenizer::TokenizerManager,
    defaults: Vec<Field>,
    boosts: BTreeMap<Field, f32>,
    parser: QueryParser,
}

impl Grammar {
    /// The grammar over the fields of `index`.
    pub fn new(index: &tantivy::Index) -> Self {
        let schema = index.schema();
        let defaults = tokenised_fields(&schema);
        let mut parser = QueryParser::for_index(index, defaults.clone());
        parser.allow_regexes();
        Self { schema, tokenizers: index.tokenizers().clone(), defaults, boosts: BTreeMap::new(), parser }
    }

    /// Multiplies the scores of words in `field`.
    ///
    /// # Errors
    /// [`ErrorCode::UnknownField`] with near names; [`ErrorCode::BadArgument`] for a boost that is not 0 to 1e6.
    pub fn boost(mut self, field: &str, boost: f32) -> Result<Self> {
        let found = self.schema.get_field(field).map_err(|_| unknown_field(&self.schema, field))?;
        // NaN is in no range.
        if !(0.0..=MAX_WEIGHT).contains(&boost) {
            return Err(Error::new(
                ErrorCode::BadArgument,
                format!("the boost of field `{field}` is unusable"),
            )
            .expected(format!("0 to {MAX_WEIGHT}"))
            .got(boost));
        }
        self.parser.set_field_boost(found, boost);
        self.boosts.insert(found, boost);
        Ok(self)
    }

    /// Parses `text`; `what` names it in errors.
    ///
    /// # Errors
    /// [`ErrorCode::BadQuery`] for a syntax error, with its byte offset, or a value of the wrong type;
    /// [`ErrorCode::UnknownField`] with near names.
    pub fn parse(&self, what: &str, text: &str) -> Result<Box<dyn Query>> {
        if text.trim().is_empty() {
            return Err(Error::new(ErrorCode::BadQuery, format!("the {what} query is blank"))
                .hint("leave it out, or ask for all documents with *"));
        }
        check_depth(what, text)?;
        let ast = query_grammar::parse_query(text).map_err(|_| syntax_error(what, text))?;
        let query = self.query(ast, 1.0).map_err(|e| self.error(what, text, e))?;
        match query {
            // Only words that the analysis drops, such as stop words.
            None => Ok(Box::new(EmptyQuery)),
            Some(query) if only_excludes(&*query) => {
                Err(self.error(what, text, Fault::Parser(QueryParserError::AllButQueryForbidden)))
            }
            Some(query) => Ok(query),
        }
    }

    /// `None` where nothing is left to look for. `boost` is that of the groups around.
    fn query(&self, ast: UserInputAst, boost: f32) -> Result<Option<Box<dyn Query>>, Fault> {
        match ast {
            UserInputAst::Leaf(leaf) => self.leaf(*leaf),
            UserInputAst::Boost(inner, factor) => {
                let factor = factor.into_inner() as f32;
                let product = boost * factor;
                // NaN is in no range.
                if !(0.0..=MAX_WEIGHT).contains(&product) {
                    return Err(Fault::Boost(product));
                }
                let boosted = |query| Box::new(BoostQuery::new(all_but(query), factor)) as Box<dyn Query>;
                Ok(self.query(*inner, product)?.map(boosted))
            }
            UserInputAst::Clause(children) => {
                let mut clauses: Vec<(Occur, Box<dyn Query>)> = Vec::new();
                for (occur, child) in children {
                    let Some(query) = self.query(child, boost)? else { continue };
                    clauses.push((occur.unwrap_or(Occur::Should), all_but(query)));
                }
                Ok(match clauses.len() {
                    0 => None,
                    1 if clauses[0].0 != Occur::MustNot => clauses.pop().map(|(_, query)| query),
                    _ => Some(Box::new(OrderedQuery::new(clauses))),
                })
            }
        }
    }

    fn leaf(&self, leaf: UserInputLeaf) -> Result<Option<Box<dyn Query>>, Fault> {
        match &leaf {
            UserInputLeaf::Literal(literal) if !self.is_raw(literal.field_name.as_deref()) => {
                if let Some((word, edits)) = fuzzy(literal)? {
                    return self.fuzzy(literal.field_name.as_deref(), word, edits);
                }
            }
            // tantivy looks at the field only when the query runs.
            UserInputLeaf::Exists { field } => match self.schema.find_field(field) {
                None => return Err(Fault::Parser(QueryParserError::FieldDoesNotExist(field.clone()))),
                Some((found, _)) if !self.schema.get_field_entry(found).is_fast() => {
                    return Err(Fault::NoColumn(field.clone()));
                }
                Some(_) => {}
            },
            _ => {}
        }
        let query = self.parser.build_query_from_user_input_ast(UserInputAst::Leaf(Box::new(leaf)));
        let query = query.map_err(Fault::Parser)?;
        let is_empty = query.is::<EmptyQuery>()
            || query.downcast_ref::<BooleanQuery>().is_some_and(|group| group.clauses().is_empty());
        Ok((!is_empty).then(|| OrderedQuery::of(query, &phrase_prefix)))
    }

    /// Whether values of the field are terms as a whole, so that a ~ belongs to them: ids, exact twins.
    fn is_raw(&self, field: Option<&str>) -> bool {
        let Some(field) = field.and_then(|name| self.schema.get_field(name).ok()) else { return false };
        match self.schema.get_field_entry(field).field_type() {
            FieldType::Str(options) => {
                options.get_indexing_options().is_some_and(|indexing| is_whole(indexing.tokenizer()))
            }
            _ => false,
        }
    }

    fn fuzzy(&self, field: Option<&str>, word: &str, edits: u8) -> Result<Option<Box<dyn Query>>, Fault> {
        let fields = match field {
            None => self.defaults.clone(),
            Some(name) => {
                let found = self.schema.get_field(name);
                vec![found.map_err(|_| Fault::Parser(QueryParserError::FieldDoesNotExist(name.into())))?]
            }
        };
        let mut clauses: Vec<(Occur, Box<dyn Query>)> = Vec::new();
        for field in fields {
            let entry = self.schema.get_field_entry(field);
            let FieldType::Str(options) = entry.field_type() else {
                return Err(Fault::Fuzzy(format!("`{}` is no text field", entry.name())));
            };
            let tokenizer = options.get_indexing_options().map(|indexing| indexing.tokenizer());
            let mut analyzer = tokenizer
                .and_then(|name| self.tokenizers.get(name))
                .ok_or_else(|| Fault::Fuzzy(format!("`{}` is not indexed", entry.name())))?;
            let mut terms = Vec::new();
            analyzer.token_stream(word).process(&mut |token| terms.push(token.text.clone()));
            let [term] = terms.as_slice() else {
                if terms.is_empty() {
                    continue;
                }
                return Err(Fault::Fuzzy(format!("{word:?} is {} words in `{}`", terms.len(), entry.name())));
            };
            let query = FuzzyTermQuery::new(Term::from_field_text(field, term), edits, true);
            let boost = self.boosts.get(&field).copied().unwrap_or(1.0);
            clauses.push((Occur::Should, Box::new(BoostQuery::new(Box::new(query), boost))));
        }
        Ok(match clauses.len() {
            0 => None,
            1 => clauses.pop().map(|(_, query)| query),
            _ => Some(Box::new(OrderedQuery::new(clauses))),
        })
    }

    fn error(&self, what: &str, text: &str, fault: Fault) -> Error {
        let said = match &fault {
            Fault::Fuzzy(why) => {
                return Error::new(
                    ErrorCode::BadQuery,
                    format!("a fuzzy term of the {what} query does not parse: {why}"),
                )
                .expected("one word of a text field, then ~, ~1 or ~2")
                .got(format!("{text:?}"))
                .hint("put words with a plain ~ into quotes");
            }
            Fault::Boost(product) => {
                return Error::new(ErrorCode::BadQuery, format!("a boost of the {what} query is unusable"))
                    .expected(format!("0 to {MAX_WEIGHT}, with the groups around it"))
                    .got(product);
            }
            Fault::NoColumn(field) => {
                return Error::new(
                    ErrorCode::BadQuery,
                    format!("the {what} query asks whether `{field}` is there, and it has no column"),
                )
                .hint(
                    "name a number, a boolean, or a field with `fast = true`; text has its twin NAME_exact",
                );
            }
            Fault::Parser(e) => e,
        };
        if let QueryParserError::FieldDoesNotExist(name) = said {
            return unknown_field(&self.schema, name);
        }
        let error = Error::new(ErrorCode::BadQuery, format!("the {what} query does not parse: {said}"))
            .got(format!("{text:?}"));
        let error = match said {
            QueryParserError::AllButQueryForbidden => {
                error.hint("begin with something to exclude from, such as all: * AND NOT ..")
            }
            _ => error.hint("quote phrases, and put a backslash before special characters"),
        };
        match fault {
            Fault::Parser(e) => error.source(e),
            Fault::Fuzzy(_) | Fault::Boost(_) | Fault::NoColumn(_) => error,
        }
    }
}

enum Fault {
    Parser(QueryParserError),
    Fuzzy(String),
    Boost(f32),
    NoColumn(String),
}

/// Refuses nesting that would exhaust the stack of the parser: too many groups, wherever they close, and too many
/// exclusions in a row.
fn check_depth(what: &str, text: &str) -> Result<()> {
    let (mut groups, mut run) = (0usize, 0usize);
    let mut at = 0;
    for token in text.split_inclusive(|c: char| c.is_whitespace() || c == '(') {
        groups += usize::from(token.ends_with('('));
        let word = token.trim_end_matches(|c: char| c.is_whitespace() || c == '(');
        let bare = word.trim_start_matches(['-', '+']);
        run += word.len() - bare.len() + usize::from(bare == "NOT");
        at += token.len();
        if groups.max(run) > MAX_DEPTH {
            return Err(Error::new(
                ErrorCode::BadQuery,
                format!("the {what} query is nested too deeply before byte {at}"),
            )
            .offset(at as u64)
            .expected(format!("at most {MAX_DEPTH} groups, and as many exclusions in a row")));
        }
        if !bare.is_empty() && bare != "NOT" {
            run = 0;
        }
    }
    Ok(())
}

/// tantivy scores a phrase with a prefix by its whole words, with the statistics of one index, and expands the prefix to the
/// first fifty words of each segment: the same documents and scores, with the statistics in force, whatever the segments (up to
/// [`MAX_EXPANSIONS`] words).
fn phrase_prefix(query: &dyn Query) -> Option<Box<dyn Query>> {
    let prefix = query.downcast_ref::<PhrasePrefixQuery>()?;
    let mut whole = prefix.clone();
    whole.set_max_expansions(MAX_EXPANSIONS);
    let terms = prefix.phrase_terms();
    let scored: Box<dyn Query> = match terms.len() {
        0 => return None,
        // After one word tantivy gives 1 to all.
        1 => return Some(Box::new(ConstScoreQuery::new(Box::new(whole), 1.0))),
        _ => Box::new(PhraseQuery::new(terms)),
    };
    let matching: Box<dyn Query> = Box::new(ConstScoreQuery::new(Box::new(whole), 0.0));
    Some(Box::new(OrderedQuery::new(vec![(Occur::Must, matching), (Occur::Should, scored)])))
}

/// Parses `text` with [`Grammar`]; `what` names it in errors.
///
/// # Errors
/// Those of [`Grammar::parse`].
pub fn parse(index: &tantivy::Index, what: &str, text: &str) -> Result<Box<dyn Query>> {
    Grammar::new(index).parse(what, text)
}

/// The word and the edits of `word~N`.
fn fuzzy(literal: &UserInputLiteral) -> Result<Option<(&str, u8)>, Fault> {
    if literal.delimiter != Delimiter::None || literal.prefix {
        return Ok(None);
    }
    let Some((word, edits)) = literal.phrase.rsplit_once('~') else { return Ok(None) };
    if word.is_empty() || !edits.chars().all(|c| c.is_ascii_digit()) {
        return Ok(None);
    }
    let edits = if edits.is_empty() { Ok(1) } else { edits.parse::<u8>() };
    match edits {
        Ok(edits) if edits <= MAX_EDITS => Ok(Some((word, edits))),
        _ => Err(Fault::Fuzzy(format!("{:?} allows more than {MAX_EDITS} edits", literal.phrase))),
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

fn syntax_error(what: &str, text: &str) -> Error {
    let (_, errors) = parse_query_lenient(text);
    let Some(first) = errors.into_iter().next() else {
        return Error::new(ErrorCode::BadQuery, format!("the {what} query does not parse"))
            .got(format!("{text:?}"));
    };
    let mut at = first.pos.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    let (before, after) = text.split_at(at);
    Error::new(
        ErrorCode::BadQuery,
        format!("the {what} query does not parse at byte {at}: {}", first.message),
    )
    .offset(at as u64)
    .got(format!("{before} <HERE> {after}"))
    .hint("quote phrases, and put a backslash before special characters")
}

/// The error for a field that `schema` does not have.
pub(super) fn unknown_field(schema: &Schema, name: &str) -> Error {
    let all: Vec<&str> =
        schema.fields().map(|(_, entry)| entry.name()).filter(|name| !name.starts_with('_')).collect();
    let near = near_names(name, &all);
    let hint = if near.is_empty() {
        format!("the index has the fields {}", all.join(", "))
    } else {
        format!("did you mean {}? The index has the fields {}", near.join(" or "), all.join(", "))
    };
    Error::new(ErrorCode::UnknownField, format!("no field is called `{name}`")).hint(hint)
}

/// Whether an analysis keeps a value as one term, as `raw` and `raw+lower` do.
fn is_whole(tokenizer: &str) -> bool {
    tokenizer.split('+').any(|part| part == "raw")
}

fn tokenised_fields(schema: &Schema) -> Vec<Field> {
    let tokenised = |kind: &FieldType| match kind {
        FieldType::Str(options) => {
            options.get_indexing_options().is_some_and(|indexing| !is_whole(indexing.tokenizer()))
        }
        _ => false,
    };
    let fields =
        schema.fields().filter(|(_, entry)| entry.name() != ID_FIELD && tokenised(entry.field_type()));
    fields.map(|(field, _)| field).collect()
}

#[cfg(test)]
mod tests {
    use tantivy::collector::{DocSetCollector, TopDocs};
    use tantivy::schema::{STRING, TEXT};
    use tantivy::{DocId, Index, doc};

    use super::*;

    fn index() -> Index {
        let mut builder = Schema::builder();
        let (id, text) = (builder.add_text_field("id", STRING), builder.add_text_field("text", TEXT));
        let title = builder.add_text_field("title", TEXT);
        let index = Index::create_in_ram(builder.build());
        let mut writer = index.writer_with_num_threads(1, 15 << 20).unwrap();
        for (at, words) in ["red circle", "blue circle", "red square", "blue square"].iter().enumerate() {
            let other = if at == 3 { "circle" } else { "nothing" };
            writer.add_document(doc!(id => at.to_string(), text => *words, title => other)).unwrap();
        }
        writer.commit().unwrap();
        index
    }

    fn found(index: &Index, query: &str) -> Vec<DocId> {
        let query = parse(index, "keyword", query).unwrap();
        let searcher = index.reader().unwrap().searcher();
        let mut docs: Vec<DocId> =
            searcher.search(&query, &DocSetCollector).unwrap().iter().map(|a| a.doc_id).collect();
        docs.sort_unstable();
        docs
    }

    fn best(index: &Index, query: &dyn Query) -> (f32, DocId) {
        let searcher = index.reader().unwrap().searcher();
        let top = searcher.search(query, &TopDocs::with_limit(1).order_by_score()).unwrap();
        (top[0].0, top[0].1.doc_id)
    }

    #[test]
    fn excluding_groups_leave_the_rest() {
        let index = index();
        for query in ["text:circle AND NOT red", "text:circle -red", "text:circle AND (NOT red)"] {
            assert_eq!(found(&index, query), [1], "{query}");
        }
        assert_eq!(found(&index, "text:circle AND (NOT (NOT blue))"), [1]);
        assert_eq!(found(&index, "* AND NOT red"), [1, 3]);
        assert_eq!(found(&index, "text:square OR (NOT red)"), [1, 2, 3]);
        assert_eq!(found(&index, "text:circle AND red"), [0]);
        // What is excluded adds nothing to the score.
        let score = |query: &str| best(&index, &*parse(&index, "keyword", query).unwrap()).0;
        assert_eq!(score("text:circle AND NOT red"), score("text:circle"));
        let error = parse(&index, "keyword", "NOT red").err().unwrap();
        assert_eq!(error.code(), ErrorCode::BadQuery);
        assert!(error.facts().hint.as_deref().unwrap().contains("* AND NOT"), "{error}");
    }

    #[test]
    fn fuzzy_words_match_within_their_edits() {
        let index = index();
        assert_eq!(found(&index, "text:sqare~"), [2, 3]);
        assert_eq!(found(&index, "text:sqaure~1"), [2, 3], "a swap is one edit");
        assert_eq!(found(&index, "text:sqar~1"), [] as [DocId; 0]);
        assert_eq!(found(&index, "sqar~2"), [2, 3]);
        assert_eq!(found(&index, "RED~0"), [0, 2], "analysed like any word");
        assert_eq!(found(&index, "+text:bleu~1 +circle"), [1, 3]);
        // In quotes it is a word like others.
        assert_eq!(found(&index, "\"sqare~\""), [] as [DocId; 0]);
        assert_eq!(found(&index, "id:1~1"), [] as [DocId; 0], "an id is a term as a whole");
        for query in ["red~3", "red~99999", "red~1 OR nothere:red~1", "a-b~1"] {
            assert!(parse(&index, "keyword", query).is_err(), "{query}");
        }
    }

    #[test]
    fn boosts_of_fields_and_groups_move_the_scores() {
        let index = index();
        let plain = Grammar::new(&index);
        let boosted = Grammar::new(&index).boost("title", 50.0).unwrap();
        // Document 3 has the word in its title, where it is as rare as in the text.
        assert_eq!(best(&index, &*boosted.parse("keyword", "circle").unwrap()).1, 3);
        let score = |query: &str| best(&index, &*plain.parse("keyword", query).unwrap()).0;
        assert_eq!(score("(text:red text:circle)^3"), 3.0 * score("text:red text:circle"));
        for bad in [-1.0, f32::NAN, f32::INFINITY, 1e9] {
            assert_eq!(plain.clone().boost("text", bad).err().unwrap().code(), ErrorCode::BadArgument);
        }
        assert_eq!(plain.clone().boost("txt", 1.0).err().unwrap().code(), ErrorCode::UnknownField);
    }

    #[test]
    fn errors_point_at_the_place_and_name_what_is_near() {
        let index = index();
        let error = parse(&index, "keyword", "red AND title:").err().unwrap();
        assert_eq!((error.code(), error.facts().offset), (ErrorCode::BadQuery, Some(14)), "{error}");
        assert!(error.to_string().contains("<HERE>"), "{error}");
        let error = parse(&index, "filter", "titel:red").err().unwrap();
        assert_eq!(error.code(), ErrorCode::UnknownField);
        assert!(error.facts().hint.as_deref().unwrap().starts_with("did you mean title"), "{error}");
        for blank in ["", "  \n"] {
            assert_eq!(parse(&index, "keyword", blank).err().unwrap().code(), ErrorCode::BadQuery);
        }
    }

    #[test]
    fn words_that_the_analysis_drops_leave_the_rest() {
        let index = index();
        let expected = found(&index, "red");
        for query in ["red AND &", "+red +&&&", "red AND id:[* TO *]", "red AND (& OR ;)"] {
            assert_eq!(found(&index, query), expected, "{query}");
        }
        assert_eq!(found(&index, "&"), [] as [DocId; 0]);
    }

    #[test]
    fn nesting_and_boosts_have_bounds() {
        let index = index();
        let deep = |n: usize| format!("{}red{}", "(".repeat(n), ")".repeat(n));
        assert_eq!(found(&index, &deep(50)), [0, 2]);
        assert_eq!(found(&index, &format!("* AND {}red", "NOT ".repeat(50))), [0, 2]);
        for query in
            [deep(20_000), format!("{}red", "NOT ".repeat(20_000)), format!("{}red", "-".repeat(20_000))]
        {
            let error = parse(&index, "keyword", &query).err().unwrap();
            assert_eq!(error.code(), ErrorCode::BadQuery);
            assert!(error.facts().offset.is_some(), "{}", error.facts().message);
        }
        for query in ["red^1000000000000", "(red^10000)^10000", "((red^0)^9)^9999999"] {
            assert_eq!(parse(&index, "keyword", query).err().unwrap().code(), ErrorCode::BadQuery, "{query}");
        }
        let error = parse(&index, "filter", "nosuch:*").err().unwrap();
        assert_eq!(error.code(), ErrorCode::UnknownField);
        assert_eq!(parse(&index, "filter", "text:*").err().unwrap().code(), ErrorCode::BadQuery);
    }

    #[test]
    fn every_string_parses_or_is_an_error() {
        let index = index();
        let pieces =
            ["red", "(", ")", "\"", "~", "^", "AND", "NOT", ":", "[", "TO", "]", "é", "*", "-", "/", "\\"];
        for a in pieces {
            for b in pieces {
                for c in pieces {
                    for text in [format!("{a}{b}{c}"), format!("{a} {b} {c}")] {
                        if let Err(error) = parse(&index, "keyword", &text) {
                            let known = [ErrorCode::BadQuery, ErrorCode::UnknownField];
                            assert!(known.contains(&error.code()), "{text:?}: {error}");
                        }
                    }
                }
            }
        }
    }
}
