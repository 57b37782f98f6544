//! Names that somebody may have meant.

/// Bytes of a name that others may be near to.
const LONGEST: usize = 256;

/// Most names that are worth suggesting.
const MOST: usize = 3;
/// Similarity (Jaro-Winkler, 0 to 1) from which a name counts as near.
const NEAR: f64 = 0.8;

/// Those of `names` that are spelled like `name`, nearest first.
pub(super) fn near_names<'a>(name: &str, names: &[&'a str]) -> Vec<&'a str> {
    // Comparing takes the product of both lengths, and nothing is near to so long a name.
    if name.len() > LONGEST {
        return vec![];
    }
    let lower = name.to_lowercase();
    let mut near: Vec<(f64, &str)> = names
        .iter()
        .map(|&other| (strsim::jaro_winkler(&lower, &other.to_lowercase()), other))
        .filter(|(likeness, _)| *likeness >= NEAR)
        .collect();
    near.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| a.1.cmp(b.1)));
    near.into_iter().take(MOST).map(|(_, name)| name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_come_first_and_strangers_do_not_come() {
        let names = ["title", "text", "category", "category_exact", "size"];
        assert_eq!(near_names("titel", &names), ["title"]);
        assert_eq!(near_names("Categroy", &names)[0], "category");
        assert!(near_names("zzz", &names).is_empty());
    }
}
