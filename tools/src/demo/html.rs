//! Small parts of HTML: escaped text, pictures inside the page, numbers.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// `text` with the characters that mean something in HTML replaced; good for content and for quoted attributes.
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            // Control characters are errors in HTML, but for white space.
            c if c.is_control() && !c.is_whitespace() => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

/// An `img` element that holds the PNG file `bytes`.
pub fn picture(bytes: &[u8], alt: &str) -> String {
    format!("<img src=\"data:image/png;base64,{}\" alt=\"{}\">", STANDARD.encode(bytes), escape(alt))
}

/// Seconds in a form that fits their size.
pub fn seconds(value: f64) -> String {
    match value {
        v if !v.is_finite() => "–".to_owned(),
        v if v < 0.01 => format!("{:.1} ms", v * 1000.0),
        v if v < 0.1 => format!("{:.0} ms", v * 1000.0),
        v if v < 10.0 => format!("{v:.1} s"),
        v => format!("{v:.0} s"),
    }
}

/// A score with a few digits and a true minus sign, or a dash.
pub fn number(value: f64) -> String {
    let digits = match value {
        v if !v.is_finite() => "–".to_owned(),
        v if v != 0.0 && v.abs() < 0.1 => format!("{v:.4}"),
        v => format!("{v:.2}"),
    };
    digits.replace('-', "−")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short() {
        assert_eq!(
            [0.0034, 0.034, 3.44, 48.2, f64::NAN].map(seconds),
            ["3.4 ms", "34 ms", "3.4 s", "48 s", "–"]
        );
        assert_eq!([0.0, -1.234, 0.03252, f64::INFINITY].map(number), ["0.00", "−1.23", "0.0325", "–"]);
    }

    #[test]
    fn nothing_special_is_left() {
        assert_eq!(escape("<b a='1' c=\"2\">&\u{1}"), "&lt;b a=&#39;1&#39; c=&quot;2&quot;&gt;&amp;\u{fffd}");
        assert!(picture(b"x", "\"><script>").contains("alt=\"&quot;&gt;&lt;script&gt;\""));
    }
}
