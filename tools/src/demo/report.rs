//! The page of results: one HTML file with everything inside, no scripts.

use std::fmt::Write as _;

use super::html::{escape, number, picture, seconds};
use super::svg;

/// All that the page shows.
#[derive(Debug, Clone, Default)]
pub struct DemoReport {
    /// Name and seconds of each step, in order.
    pub steps: Vec<(String, f64)>,
    /// Name and value of the figures at the top: documents, pictures.
    pub figures: Vec<(String, String)>,
    pub queries: Vec<QueryCard>,
    pub curves: Vec<Curve>,
    pub recall: Vec<RecallSeries>,
    /// Similarity, image to text, text to image, mean.
    pub map: Vec<(String, f64, f64, f64)>,
    /// Of this program.
    pub version: String,
    pub words: Words,
}

/// What the page says of what it shows. The default is of drawn scenes.
#[derive(Debug, Clone)]
pub struct Words {
    /// The first paragraph, as HTML.
    pub lead: String,
    /// What is to be known of the queries, as HTML; may be empty.
    pub of_queries: String,
    /// "scenes": what was held out.
    pub unseen: &'static str,
    /// "a shape of the same kind and colour": what counts as right for a class.
    pub right: &'static str,
}

impl Default for Words {
    fn default() -> Self {
        Self {
            lead: "This page was made on your machine by <code>uncsm-index demo</code>. It drew pictures of coloured \
                shapes and wrote a caption for each, learned from a part of them which picture and which caption belong together, \
                built an index, and asked it the queries below. No weights were downloaded, and nothing left the machine."
                .into(),
            of_queries: String::new(),
            unseen: "scenes",
            right: "a shape of the same kind and colour",
        }
    }
}

/// One query and its hits; six hits fill the rows at every width.
#[derive(Debug, Clone, Default)]
pub struct QueryCard {
    pub title: String,
    /// "keyword", "text → image", "hybrid".
    pub kind: String,
    /// The query's sentence.
    pub text: Option<String>,
    /// The query's picture, a PNG file.
    pub picture: Option<Vec<u8>>,
    pub keywords: Option<String>,
    pub filter: Option<String>,
    /// Asked with a picture for pictures, not for sentences.
    pub wants_pictures: bool,
    /// Values of a facet and how many documents have each.
    pub facets: Vec<(String, u64)>,
    pub fusion: Option<String>,
    pub took_ms: f64,
    pub hits: Vec<HitCard>,
}

/// One hit.
#[derive(Debug, Clone, Default)]
pub struct HitCard {
    /// From 1.
    pub rank: usize,
    pub id: String,
    pub caption: String,
    /// PNG files.
    pub pictures: Vec<Vec<u8>>,
    pub score: f32,
    pub probability: Option<f32>,
    /// Name, score and rank; a hit outside a leg's window has neither.
    pub legs: Vec<(String, Option<f32>, Option<usize>)>,
    pub category: String,
    /// What is special about this hit: "the pair of the query".
    pub mark: Option<String>,
    /// Said of a document that training never saw, where the page tells them apart.
    pub held_out: bool,
}

/// The learning curve of one stage.
#[derive(Debug, Clone, Default)]
pub struct Curve {
    pub stage: String,
    /// Epoch, loss, and validation score where it was measured.
    pub points: Vec<(usize, f64, Option<f64>)>,
}

/// Recall of one similarity in one direction.
#[derive(Debug, Clone, Default)]
pub struct RecallSeries {
    /// "cosine", "posterior", "metric".
    pub similarity: String,
    /// "image to text", "text to image".
    pub direction: String,
    /// At 1, 5 and 10; NaN where it was not measured.
    pub at: [f64; 3],
}

/// The page, as the text of one HTML file.
pub fn render(report: &DemoReport) -> String {
    let mut page = String::new();
    let _ = write!(
        page,
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <meta name=\"color-scheme\" content=\"light dark\"><title>uncsm-index: demo</title>\
         <style>\n{}</style></head>\n<body>\n{}",
        include_str!("style.css"),
        svg::definitions()
    );
    page.push_str(
        "<header><h1>Pictures found by a sentence, sentences found by a picture</h1><p class=\"lead\">",
    );
    page.push_str(&report.words.lead);
    page.push_str("</p>");
    figures(&mut page, report);
    page.push_str(
        "<nav aria-label=\"Parts of this page\"><a href=\"#queries\">Queries</a> <a href=\"#quality\">How well it finds</a> \
         <a href=\"#learning\">How it learned</a></nav></header>\n<main>\n",
    );
    page.push_str(
        "<section id=\"queries\"><h2>Queries</h2><p class=\"note\">Each hit shows its rank, and the probability that it matches, \
         as the model estimates it for one picture among all that are here. A <em>leg</em> is one way by which a hit was found: by its words, or by the learned metric; with each \
         leg come the hit's score and rank there.</p>\n",
    );
    if !report.words.of_queries.is_empty() {
        let _ = writeln!(page, "<p class=\"note\">{}</p>", report.words.of_queries);
    }
    for (i, query) in report.queries.iter().enumerate() {
        query_card(&mut page, i + 1, query);
    }
    page.push_str("</section>\n");
    quality(&mut page, report);
    learning(&mut page, report);
    let _ = write!(
        page,
        "</main>\n<footer><p>uncsm-index {}. On one machine, the same seed and number of threads give the same corpus and model; times differ.</p></footer>\n\
         </body></html>\n",
        escape(&report.version)
    );
    page
}

fn figures(page: &mut String, report: &DemoReport) {
    page.push_str("<dl class=\"figures\">");
    for (name, value) in &report.figures {
        let _ = write!(page, "<div><dt>{}</dt><dd>{}</dd></div>", escape(name), escape(value));
    }
    page.push_str("</dl>");
    if report.steps.is_empty() {
        return;
    }
    let longest = report.steps.iter().map(|step| step.1).filter(|s| s.is_finite()).fold(0.0, f64::max);
    page.push_str("<h2 class=\"small\">What it did, and how long each step took</h2><ol class=\"steps\">");
    for (name, took) in &report.steps {
        let part = if longest > 0.0 && took.is_finite() { took / longest } else { 0.0 };
        let _ = write!(
            page,
            "<li><span class=\"name\">{}</span> <span class=\"took\">{}</span>{}</li>",
            escape(name),
            seconds(*took),
            bar(part)
        );
    }
    page.push_str("</ol>");
}

/// A bar for the eye alone: the same figure stands beside it.
fn bar(part: f64) -> String {
    let width = part.clamp(0.0, 1.0) * 100.0;
    format!("<span class=\"track\" aria-hidden=\"true\"><span style=\"width:{width:.1}%\"></span></span>")
}

fn query_card(page: &mut String, number: usize, query: &QueryCard) {
    let _ = write!(
        page,
        "<article class=\"query\"><header><p class=\"kind\"><span>{}</span> {}</p><h3>{number}. {}</h3></header><div class=\"ask\">",
        escape(&query.kind),
        seconds(query.took_ms / 1000.0),
        escape(&query.title)
    );
    if let Some(bytes) = &query.picture {
        let _ = write!(
            page,
            "<figure>{}<figcaption>the picture asked with</figcaption></figure>",
            picture(bytes, "The query's picture")
        );
    }
    page.push_str("<dl>");
    let mut row = |name: &str, value: &str| {
        let _ = write!(page, "<div><dt>{name}</dt><dd>{value}</dd></div>");
    };
    if let Some(text) = &query.text {
        row("sentence", &format!("<q>{}</q>", escape(text)));
    }
    if let Some(keywords) = &query.keywords {
        row("keywords", &format!("<code>{}</code>", escape(keywords)));
    }
    if let Some(filter) = &query.filter {
        row("filter", &format!("<code>{}</code>", escape(filter)));
    }
    if let Some(fusion) = &query.fusion {
        row("fusion", &format!("<code>{}</code>", escape(fusion)));
    }
    if !query.facets.is_empty() {
        let count = |(value, count): &(String, u64)| format!("{} {count}", escape(value));
        row("facet", &query.facets.iter().map(count).collect::<Vec<_>>().join(" · "));
    }
    page.push_str("</dl></div>");
    if query.hits.is_empty() {
        page.push_str("<p class=\"note\">Nothing was found.</p>");
    } else {
        let found = found(query);
        let class = match found {
            Found::Documents => "hits",
            Found::Sentences => "hits sentences",
        };
        let _ = write!(page, "<ol class=\"{class}\">");
        for hit in &query.hits {
            hit_card(page, hit, found);
        }
        page.push_str("</ol>");
    }
    page.push_str("</article>\n");
}

/// What a query looked for, and so what comes first in a hit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Found {
    Documents,
    Sentences,
}

/// A picture alone looks for sentences.
fn found(query: &QueryCard) -> Found {
    match (&query.picture, &query.text, &query.keywords, query.wants_pictures) {
        (Some(_), None, None, false) => Found::Sentences,
        _ => Found::Documents,
    }
}

fn hit_card(page: &mut String, hit: &HitCard, found: Found) {
    let class = if hit.mark.is_some() { " class=\"marked\"" } else { "" };
    let _ = write!(page, "<li{class}>");
    if found == Found::Documents {
        pictures(page, hit);
    }
    let _ = write!(page, "<p class=\"head\"><span class=\"rank\">{}</span> ", hit.rank);
    let probability = hit.probability.filter(|p| p.is_finite());
    if let Some(probability) = probability {
        let _ = write!(page, "<span class=\"match\">{:.0} % match</span>", probability * 100.0);
    }
    page.push_str("</p>");
    if let Some(probability) = probability {
        page.push_str(&bar(f64::from(probability)));
    }
    if let Some(mark) = &hit.mark {
        let _ = write!(page, "<p class=\"mark\"><span aria-hidden=\"true\">✓ </span>{}</p>", escape(mark));
    }
    let _ = write!(page, "<p class=\"caption\">{}</p>", escape(&hit.caption));
    if found == Found::Sentences {
        pictures(page, hit);
    }
    let held_out = if hit.held_out { " · held out" } else { "" };
    let category = match hit.category.as_str() {
        "" => String::new(),
        category => format!(" · {}", escape(category)),
    };
    let _ = write!(page, "<p class=\"id\">{}{category}{held_out}</p>", escape(&hit.id));
    legs(page, hit);
    page.push_str("</li>");
}

fn pictures(page: &mut String, hit: &HitCard) {
    let class = if hit.pictures.len() > 1 { "pictures many" } else { "pictures" };
    let _ = write!(page, "<div class=\"{class}\">");
    for (i, bytes) in hit.pictures.iter().enumerate() {
        let alt = match hit.pictures.len() {
            1 => format!("Picture of {}: {}", hit.id, hit.category),
            n => format!("Picture {} of {n} of {}: {}", i + 1, hit.id, hit.category),
        };
        page.push_str(&picture(bytes, &alt));
    }
    page.push_str("</div>");
}

fn legs(page: &mut String, hit: &HitCard) {
    let score = number(f64::from(hit.score));
    let _ = write!(page, "<table class=\"legs\"><caption>score {score}</caption>");
    if !hit.legs.is_empty() {
        page.push_str(
            "<thead><tr><th scope=\"col\">leg</th><th scope=\"col\">score</th><th scope=\"col\">rank</th></tr></thead>",
        );
    }
    page.push_str("<tbody>");
    for (name, score, rank) in &hit.legs {
        let score = score.map_or_else(|| "–".to_owned(), |s| number(f64::from(s)));
        let rank = rank.map_or_else(|| "–".to_owned(), |r| r.to_string());
        let name = escape(name);
        let _ = write!(page, "<tr><th scope=\"row\">{name}</th><td>{score}</td><td>{rank}</td></tr>");
    }
    page.push_str("</tbody></table>");
}

fn quality(page: &mut String, report: &DemoReport) {
    let _ = write!(
        page,
        "<section id=\"quality\"><h2>How well it finds</h2><p class=\"note\">Over {} that training never saw: how often the one right \
         picture (or caption) is among the first 1, 5 and 10. <em>Cosine</em> compares directions in the shared space, <em>posterior</em> \
         asks for the same class, <em>metric</em> is the learned network.</p><div class=\"panels\">",
        report.words.unseen
    );
    let mut directions: Vec<&str> = Vec::new();
    for series in &report.recall {
        if !directions.contains(&series.direction.as_str()) {
            directions.push(&series.direction);
        }
    }
    for direction in directions {
        let series: Vec<&RecallSeries> = report.recall.iter().filter(|s| s.direction == direction).collect();
        let _ = write!(
            page,
            "<figure class=\"panel\"><figcaption>Recall, {}</figcaption>{}</figure>",
            escape(direction),
            svg::recall(direction, &series)
        );
    }
    page.push_str("</div>");
    if !report.map.is_empty() {
        map_table(page, report);
    }
    page.push_str("</section>\n");
}

fn map_table(page: &mut String, report: &DemoReport) {
    let _ = write!(
        page,
        "<table class=\"map\"><caption>Mean average precision over all results; right is what shows {}. The best of \
         a column is bold.</caption><thead><tr><th scope=\"col\">similarity</th><th scope=\"col\">image to text</th>\
         <th scope=\"col\">text to image</th><th scope=\"col\">mean</th></tr></thead><tbody>",
        report.words.right
    );
    let columns = |row: &(String, f64, f64, f64)| [row.1, row.2, row.3];
    let best: [f64; 3] = std::array::from_fn(|i| {
        report.map.iter().map(|row| columns(row)[i]).filter(|v| v.is_finite()).fold(f64::MIN, f64::max)
    });
    for row in &report.map {
        let _ = write!(page, "<tr><th scope=\"row\">{}</th>", escape(&row.0));
        for (value, best) in columns(row).into_iter().zip(best) {
            let shown = if value.is_finite() { format!("{value:.3}") } else { "–".to_owned() };
            let _ = match value >= best {
                true => write!(page, "<td><strong>{shown}</strong></td>"),
                false => write!(page, "<td>{shown}</td>"),
            };
        }
        page.push_str("</tr>");
    }
    page.push_str("</tbody></table>");
}

fn learning(page: &mut String, report: &DemoReport) {
    if report.curves.is_empty() {
        return;
    }
    page.push_str(
        "<section id=\"learning\"><h2>How it learned</h2><p class=\"note\">Training has three stages: first pairs are pulled together, then \
         triplets put the right one before a wrong one, in both directions, and last the metric network learns to say whether two match. \
         The score is measured on a validation part, and the best epoch is kept.</p><div class=\"panels\">",
    );
    for (i, curve) in report.curves.iter().enumerate() {
        let _ = write!(
            page,
            "<figure class=\"panel\"><figcaption>{}. {}</figcaption>{}<p class=\"note\">{}</p></figure>",
            i + 1,
            escape(&curve.stage.replace('_', " ")),
            svg::curve(curve),
            escape(&svg::summary(curve))
        );
    }
    page.push_str("</div></section>\n");
}
