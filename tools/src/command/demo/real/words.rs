//! What the page says of real pictures.

use std::path::Path;

use super::super::show::Show;
use crate::demo::html::escape;
use crate::demo::report::Words;

/// Of a folder that was there.
pub fn of_folder(show: &Show, path: &Path) -> Words {
    let path = escape(&path.display().to_string());
    let lead = format!(
        "This page was made on your machine by <code>uncsm-index demo --pictures {path}</code>. It took the {} documents of \
         that folder, each a picture with a text, {} Nothing was downloaded, and nothing left the machine.",
        show.documents,
        done(show)
    );
    words(show, lead)
}

/// Of OpenClipart.
pub fn of_openclipart(show: &Show) -> Words {
    let lead = format!(
        "This page was made on your machine by <code>uncsm-index demo --pictures openclipart</code>. It took {} drawings of \
         OpenClipart (public domain, of the Debian packages openclipart-png and openclipart-svg), drawn by lot, each with its title, \
         keywords and description as its author wrote them, {} Packages and weights were downloaded, where they were not there \
         already; nothing left the machine.",
        show.documents,
        done(show)
    );
    words(show, lead)
}

fn done(show: &Show) -> String {
    let encoders: Vec<String> = show
        .encoders
        .iter()
        .map(|arg| format!("<code>{}</code> ({}s)", escape(&arg.encoder), escape(&arg.media)))
        .collect();
    format!(
        "learned from {} of them which picture and which text belong together, built an index of all of them, and asked it the queries below. \
         The encoders are {}; they stayed as they were.",
        show.documents - show.held_out,
        encoders.join(" and ")
    )
}

fn words(show: &Show, lead: String) -> Words {
    Words {
        lead,
        of_queries: format!(
            "The index holds every document, also those that training saw. {} are <em>held out</em>: training saw neither them nor \
             what nearly equals them, and hits say which they are. Sentences are fixed: where nothing shows what they ask for, the \
             nearest is shown. Pictures that ask, words and the filter are chosen among held-out documents before anything is searched.",
            show.held_out
        ),
        unseen: "documents",
        right: "the same class",
    }
}
