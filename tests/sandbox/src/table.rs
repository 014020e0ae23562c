//! Reads the tables under `data/`: one row a line, columns between bars, `#` for comments.

/// The rows of a table of `N` columns.
///
/// # Panics
///
/// When a row has another number of columns: the tables are part of the program.
pub(crate) fn rows<const N: usize>(text: &'static str) -> impl Iterator<Item = [&'static str; N]> {
    text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')).map(|line| {
        let columns: Vec<_> = line.split('|').map(str::trim).collect();
        columns.try_into().unwrap_or_else(|_| panic!("{N} columns are needed: {line}"))
    })
}

/// The parts of a column that holds several, or none where it is a dash.
pub(crate) fn parts(column: &'static str) -> Vec<&'static str> {
    if column == "-" { Vec::new() } else { column.split('+').map(str::trim).collect() }
}

/// A text in lower case with nothing but letters, digits and single spaces: what searches compare.
pub(crate) fn folded(text: &str) -> String {
    let words: String = text.chars().map(|c| if c.is_alphanumeric() { c.to_ascii_lowercase() } else { ' ' }).collect();
    words.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Whether every word of `wanted` occurs in `text`, in any order and as a part of a longer word or whole.
pub(crate) fn matches(text: &str, wanted: &str) -> bool {
    let text = folded(text);
    folded(wanted).split(' ').all(|word| text.contains(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_search_ignores_case_and_punctuation() {
        assert!(matches("Ghosts 'n' Stuff", "ghosts N STUFF"));
        assert!(matches("deadmau5", "Deadmau5"));
        assert!(!matches("Strobe", "strobe light"));
        assert!(matches("anything", ""));
    }

    #[test]
    fn a_table_has_its_columns() {
        let found: Vec<[&str; 2]> = rows("# no\n a | b + c \n\n d|-").collect();
        assert_eq!(found, [["a", "b + c"], ["d", "-"]]);
        assert_eq!(parts("b + c"), ["b", "c"]);
        assert!(parts("-").is_empty());
    }
}
