//! Documents of one title stay together in the validation split, as those of one group do.

use std::collections::{BTreeMap, BTreeSet};

use super::sets::Sets;

/// A title names a document. One that more than this part of the groups share, and more than [`FEW`], names a collection.
const PART: usize = 10;
const FEW: usize = 8;

/// Gives groups that share a title one number, the smallest of theirs; `titles` are those of the rows that may be learned
/// from, `None` for test rows and where there is no title.
pub(crate) fn join_titles(groups: &mut [u64], titles: &[Option<&str>]) {
    let mut of_title: BTreeMap<&str, BTreeSet<u64>> = BTreeMap::new();
    for (&group, title) in groups.iter().zip(titles) {
        if let Some(title) = title.map(str::trim).filter(|title| !title.is_empty()) {
            of_title.entry(title).or_default().insert(group);
        }
    }
    let titled: BTreeSet<u64> = of_title.values().flatten().copied().collect();
    let numbers: Vec<u64> = titled.into_iter().collect();
    let most = (numbers.len() / PART).max(FEW);
    let mut sets = Sets::new(numbers.len());
    for of_title in of_title.values().filter(|found| found.len() <= most) {
        let mut found = of_title.iter().filter_map(|group| numbers.binary_search(group).ok());
        if let Some(first) = found.next() {
            found.for_each(|other| sets.join(first, other));
        }
    }
    for group in groups {
        if let Ok(at) = numbers.binary_search(group) {
            *group = numbers[sets.find(at)];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn titles_join_groups_and_test_rows_are_no_bridge() {
        let mut groups = [7, 5, 5, 9, 4, 3, 9];
        // Row 6 is a test row: its own title, that of row 4, is not told, or 9 and 4 would be one.
        join_titles(&mut groups, &[Some("a"), Some(" a "), Some("b"), Some("c"), Some("d"), None, None]);
        assert_eq!(groups, [5, 5, 5, 9, 4, 3, 9]);
        // Through a group, too; an empty title is none.
        let mut groups = [1, 2, 2, 3, 4, 5];
        join_titles(&mut groups, &[Some("a"), Some("a"), Some("b"), Some("b"), Some(""), Some(" ")]);
        assert_eq!(groups, [1, 1, 1, 1, 4, 5]);
    }

    #[test]
    fn the_name_of_a_collection_joins_nothing() {
        let with = |same: usize, others: u64| {
            let mut groups: Vec<u64> = (0..same as u64 + others).collect();
            let own: Vec<String> = groups.iter().map(|group| group.to_string()).collect();
            let title = |at: usize| Some(if at < same { "collection" } else { own[at].as_str() });
            let titles: Vec<Option<&str>> = (0..groups.len()).map(title).collect();
            join_titles(&mut groups, &titles);
            groups.into_iter().collect::<BTreeSet<_>>().len()
        };
        assert_eq!((with(8, 2), with(9, 2)), (3, 11));
        assert_eq!((with(20, 180), with(21, 179)), (181, 200));
    }
}
