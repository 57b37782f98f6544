//! Plots of the page as inline SVG: learning curves and recall bars. Coordinates are finite whatever the data.

use std::fmt::Write as _;

use super::html::escape;
use super::report::{Curve, RecallSeries};

/// Size of a panel, in the units of its view box; a phone shows one unit as about one pixel.
const WIDTH: f64 = 340.0;
const HEIGHT: f64 = 204.0;
/// Edges of the plot inside a panel.
const LEFT: f64 = 40.0;
const RIGHT: f64 = 300.0;
const TOP: f64 = 40.0;
const BOTTOM: f64 = 180.0;
/// With more points than this, single points get no marks.
const MARKED: usize = 30;

/// A panel of one stage: loss on the left axis, solid; validation score on the right axis, dashed.
pub fn curve(curve: &Curve) -> String {
    let losses: Vec<(f64, f64)> = losses(curve).map(|(epoch, loss)| (epoch as f64, loss)).collect();
    let scores: Vec<(f64, f64)> = scores(curve).map(|(epoch, score)| (epoch as f64, score)).collect();
    let mut svg = open(
        HEIGHT,
        &format!("Learning curve of the stage {}", curve.stage),
        &format!("Loss and validation score per epoch. {}", summary(curve)),
    );
    if losses.is_empty() && scores.is_empty() {
        return close(svg, true);
    }
    let epochs = Scale::over(losses.iter().chain(&scores).map(|p| p.0), LEFT, RIGHT, Round::No);
    let loss = Scale::over(losses.iter().map(|p| p.1), BOTTOM, TOP, Round::Yes);
    let score = Scale::over(scores.iter().map(|p| p.1), BOTTOM, TOP, Round::Yes);
    for i in 0..=TICKS {
        let y = BOTTOM + (TOP - BOTTOM) * i as f64 / TICKS as f64;
        line(&mut svg, "grid", (LEFT, y), (RIGHT, y));
        if !losses.is_empty() {
            text(&mut svg, "a end", (LEFT - 6.0, y + 4.0), &loss.label(i));
        }
        if !scores.is_empty() {
            text(&mut svg, "b", (RIGHT + 6.0, y + 4.0), &score.label(i));
        }
    }
    let ends = [epochs.low, epochs.high];
    for (epoch, class) in ends.into_iter().zip(["start", "end"]) {
        text(&mut svg, class, (epochs.at(epoch), BOTTOM + 18.0), &format!("{epoch:.0}"));
    }
    text(&mut svg, "mid", ((LEFT + RIGHT) / 2.0, BOTTOM + 18.0), "epoch");
    series(&mut svg, "a", &losses, &epochs, &loss);
    series(&mut svg, "b", &scores, &epochs, &score);
    // The legend, inside the panel: its signs are the plot's.
    if !losses.is_empty() {
        line(&mut svg, "line a", (LEFT, 18.0), (LEFT + 24.0, 18.0));
        mark(&mut svg, "a", (LEFT + 12.0, 18.0));
        text(&mut svg, "a", (LEFT + 30.0, 22.0), "loss (left)");
    }
    if !scores.is_empty() {
        line(&mut svg, "line b", (LEFT + 120.0, 18.0), (LEFT + 144.0, 18.0));
        mark(&mut svg, "b", (LEFT + 132.0, 18.0));
        text(&mut svg, "b", (LEFT + 150.0, 22.0), "score (right)");
    }
    close(svg, false)
}

fn losses(curve: &Curve) -> impl Iterator<Item = (usize, f64)> {
    curve.points.iter().map(|&(epoch, loss, _)| (epoch, loss)).filter(|p| plottable(p.1))
}

fn scores(curve: &Curve) -> impl Iterator<Item = (usize, f64)> {
    curve.points.iter().filter_map(|&(epoch, _, score)| score.map(|s| (epoch, s))).filter(|p| plottable(p.1))
}

/// Whether a value can be scaled without an overflow; NaN cannot.
fn plottable(value: f64) -> bool {
    value.abs() < 1e12
}

/// What a curve shows, in words: for the figure's caption and for those who do not see it.
pub fn summary(curve: &Curve) -> String {
    let losses: Vec<f64> = losses(curve).map(|p| p.1).collect();
    // The first of equals.
    let best = scores(curve).max_by(|a, b| a.1.total_cmp(&b.1).then(b.0.cmp(&a.0)));
    let mut words = match (losses.first(), losses.last()) {
        (Some(first), Some(last)) => format!("Loss {first:.3} to {last:.3}"),
        _ => "No epochs".to_owned(),
    };
    if let Some((epoch, score)) = best {
        let _ = write!(words, "; best score {score:.3} at epoch {epoch}");
    }
    words + "."
}

/// A panel of one direction: three groups of bars, one bar per series, each with its own fill and its value above.
pub fn recall(direction: &str, series: &[&RecallSeries]) -> String {
    let words: Vec<String> = series
        .iter()
        .map(|s| {
            format!(
                "{}: {} at 1, {} at 5, {} at 10",
                s.similarity,
                share(s.at[0]),
                share(s.at[1]),
                share(s.at[2])
            )
        })
        .collect();
    let columns = if series.iter().any(|s| s.similarity.chars().count() > 10) { 2 } else { 3 };
    let height = LEGEND + LEGEND_ROW * series.len().div_ceil(columns).max(1) as f64;
    let mut svg = open(height, &format!("Recall, {direction}"), &format!("{}.", words.join("; ")));
    if series.is_empty() {
        return close(svg, true);
    }
    let scale = Scale { low: 0.0, high: 1.0, from: BOTTOM, to: TOP - 20.0 };
    for i in 0..=TICKS {
        let y = scale.at(i as f64 / TICKS as f64);
        line(&mut svg, "grid", (LEFT, y), (WIDTH, y));
        text(&mut svg, "end", (LEFT - 6.0, y + 4.0), &scale.label(i));
    }
    let group = (WIDTH - LEFT) / 3.0;
    let bar = (group - 14.0) / series.len() as f64;
    for (g, k) in [1, 5, 10].into_iter().enumerate() {
        let start = LEFT + group * g as f64 + 7.0;
        text(&mut svg, "mid", (start + (group - 14.0) / 2.0, BOTTOM + 18.0), &format!("first {k}"));
        for (i, one) in series.iter().enumerate() {
            let x = start + bar * i as f64;
            let value = one.at[g];
            if value.is_finite() {
                let y = scale.at(value.clamp(0.0, 1.0));
                let (width, height) = (bar - 4.0, BOTTOM - y);
                let _ = write!(
                    svg,
                    "<rect class=\"bar f{}\" x=\"{:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\">\
                     <title>{}, first {k}: {}</title></rect>",
                    i % FILLS,
                    x + 2.0,
                    escape(&one.similarity),
                    share(value),
                );
                let shown = share(value);
                // Narrow bars have no room for the zero.
                let shown = if series.len() > 3 { shown.trim_start_matches('0') } else { &shown };
                text(&mut svg, "mid value", (x + bar / 2.0, y - 4.0), shown);
            } else {
                text(&mut svg, "mid value", (x + bar / 2.0, BOTTOM - 4.0), "–");
            }
        }
    }
    for (i, one) in series.iter().enumerate() {
        let x = LEFT + 7.0 + (WIDTH - LEFT) / columns as f64 * (i % columns) as f64;
        let y = LEGEND + LEGEND_ROW * (i / columns) as f64;
        let fill = i % FILLS;
        let _ = write!(
            svg,
            "<rect class=\"bar f{fill}\" x=\"{x:.1}\" y=\"{y:.1}\" width=\"14\" height=\"12\"></rect>"
        );
        text(&mut svg, "", (x + 20.0, y + 10.0), &one.similarity);
    }
    close(svg, false)
}

/// Top of the legend below the bars, and the height of its rows.
const LEGEND: f64 = BOTTOM + 32.0;
const LEGEND_ROW: f64 = 18.0;

/// Ways to fill bars that can be told apart without colour; `definitions` holds the hatches.
const FILLS: usize = 4;

/// An invisible SVG with the hatches that the bars of [`recall`] are filled with; once per page, before them.
pub fn definitions() -> &'static str {
    "<svg class=\"defs\" aria-hidden=\"true\" width=\"0\" height=\"0\"><defs>\
     <pattern id=\"hatch\" width=\"5\" height=\"5\" patternUnits=\"userSpaceOnUse\" patternTransform=\"rotate(45)\">\
     <rect class=\"hatch\" width=\"2\" height=\"5\"></rect></pattern>\
     <pattern id=\"dots\" width=\"5\" height=\"5\" patternUnits=\"userSpaceOnUse\">\
     <circle class=\"hatch\" cx=\"2.5\" cy=\"2.5\" r=\"1.2\"></circle></pattern></defs></svg>"
}

const TICKS: usize = 4;

enum Round {
    Yes,
    No,
}

/// Maps `low..high` to `from..to`.
struct Scale {
    low: f64,
    high: f64,
    from: f64,
    to: f64,
}

impl Scale {
    /// Over all `values`; with `Round::Yes`, ends are such that the ticks are short numbers.
    fn over(values: impl Iterator<Item = f64>, from: f64, to: f64, round: Round) -> Self {
        let (mut low, mut high) = values.fold((f64::MAX, f64::MIN), |(l, h), v| (l.min(v), h.max(v)));
        if low > high {
            (low, high) = (0.0, 1.0);
        }
        if let Round::Yes = round {
            let step = round_step((high - low) / TICKS as f64);
            low = (low / step).floor() * step;
            // The lower end moved down, so the step may have to grow.
            let step = if low + step * TICKS as f64 >= high { step } else { round_step(step * 1.01) };
            low = (low / step).floor() * step;
            high = (low + step * TICKS as f64).max(high);
        }
        Self { low, high, from, to }
    }

    fn at(&self, value: f64) -> f64 {
        let span = self.high - self.low;
        let part = if span > 0.0 && span.is_finite() { (value - self.low) / span } else { 0.5 };
        self.from + (self.to - self.from) * part.clamp(0.0, 1.0)
    }

    fn label(&self, tick: usize) -> String {
        let step = (self.high - self.low) / TICKS as f64;
        let value = self.low + step * tick as f64;
        // As many decimals as tell neighbours apart: 0.25 needs two, 0.2 one, 1 none.
        let decimals = (0..4).find(|&d| {
            let shift = 10f64.powi(d);
            ((step * shift).round() - step * shift).abs() < 1e-6 * (step * shift).max(1e-9)
        });
        format!("{value:.*}", decimals.unwrap_or(3) as usize)
    }
}

/// The least of 1, 2, 2.5, 5 times a power of ten that is not below `step`.
fn round_step(step: f64) -> f64 {
    if !(step.is_finite() && step > 1e-9) {
        return 0.25;
    }
    let power = 10f64.powf(step.log10().floor());
    let times = [1.0, 2.0, 2.5, 5.0].into_iter().find(|t| t * power >= step * 0.999_999);
    times.unwrap_or(10.0) * power
}

fn share(value: f64) -> String {
    if value.is_finite() { format!("{value:.2}") } else { "not measured".to_owned() }
}

fn open(height: f64, title: &str, description: &str) -> String {
    format!(
        "<svg class=\"plot\" viewBox=\"0 0 {WIDTH} {height}\" role=\"img\"><title>{}</title><desc>{}</desc>",
        escape(title),
        escape(description)
    )
}

fn close(mut svg: String, empty: bool) -> String {
    if empty {
        text(&mut svg, "mid", (WIDTH / 2.0, HEIGHT / 2.0), "nothing was measured");
    }
    svg + "</svg>"
}

fn series(svg: &mut String, class: &str, points: &[(f64, f64)], x: &Scale, y: &Scale) {
    let at: Vec<(f64, f64)> = points.iter().map(|p| (x.at(p.0), y.at(p.1))).collect();
    let list: Vec<String> = at.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
    if at.len() > 1 {
        let _ = write!(svg, "<polyline class=\"line {class}\" points=\"{}\"></polyline>", list.join(" "));
    }
    let marked = if at.len() <= MARKED { 0 } else { at.len() - 1 };
    for &point in &at[marked.min(at.len())..] {
        mark(svg, class, point);
    }
}

/// A disc for `a`, a square for `b`.
fn mark(svg: &mut String, class: &str, (x, y): (f64, f64)) {
    let _ = match class {
        "a" => write!(svg, "<circle class=\"mark a\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3\"></circle>"),
        _ => write!(
            svg,
            "<rect class=\"mark b\" x=\"{:.1}\" y=\"{:.1}\" width=\"6\" height=\"6\"></rect>",
            x - 3.0,
            y - 3.0
        ),
    };
}

fn line(svg: &mut String, class: &str, a: (f64, f64), b: (f64, f64)) {
    let _ = write!(
        svg,
        "<line class=\"{class}\" x1=\"{:.1}\" y1=\"{:.1}\" x2=\"{:.1}\" y2=\"{:.1}\"></line>",
        a.0, a.1, b.0, b.1
    );
}

fn text(svg: &mut String, class: &str, (x, y): (f64, f64), words: &str) {
    let _ = write!(svg, "<text class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\">{}</text>", escape(words));
}
