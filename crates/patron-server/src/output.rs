//! What goes to stdout: text for people in aligned columns, JSON for programs.

use std::fmt::Write as _;
use std::io::{ErrorKind, IsTerminal as _, Write as _};

use serde::Serialize;

use crate::refusal::Refusal;

/// Writes `text` to stdout. A reader that has seen enough (`| head`) is no failure.
pub(crate) fn print(text: &str) -> Result<(), Refusal> {
    let mut stdout = std::io::stdout().lock();
    let written = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
    match written {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(Refusal::failure(format!("the answer could not be written to stdout: {error}")))
        }
        _ => Ok(()),
    }
}

/// `value` as indented JSON with a line feed at its end.
pub(crate) fn json(value: &impl Serialize) -> Result<String, Refusal> {
    let text = serde_json::to_string_pretty(value).map_err(|error| {
        Refusal::failure(format!("the answer cannot be shown as JSON: {error}"))
    })?;
    Ok(text + "\n")
}

/// Rows under a heading, each column as wide as its widest cell.
pub(crate) fn table<const N: usize>(heading: [&str; N], rows: &[[String; N]]) -> String {
    let mut widths = heading.map(str::len);
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut text = line(&widths, heading.iter().copied());
    for row in rows {
        text.push_str(&line(&widths, row.iter().map(String::as_str)));
    }
    text
}

/// Names and values, one pair a line.
pub(crate) fn pairs(pairs: &[(&str, String)]) -> String {
    let width = pairs.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    let mut text = String::new();
    for (name, value) in pairs {
        text.push_str(format!("{name:width$}  {value}").trim_end());
        text.push('\n');
    }
    text
}

/// One line on stderr that changes, for people only.
#[derive(Default)]
pub(crate) struct Progress {
    width: usize,
}

impl Progress {
    /// Shows the line.
    pub(crate) fn show(&mut self, text: &str) {
        let mut stderr = std::io::stderr().lock();
        if stderr.is_terminal() {
            let width = self.width;
            // Whoever closed it does not want to know.
            let _ = write!(stderr, "\r{text:width$}").and_then(|()| stderr.flush());
            self.width = text.len();
        }
    }

    /// Takes the line away.
    pub(crate) fn clear(&mut self) {
        if self.width > 0 {
            self.show("");
            let _ = std::io::stderr().write_all(b"\r");
            self.width = 0;
        }
    }
}

fn line<'a>(widths: &[usize], cells: impl Iterator<Item = &'a str>) -> String {
    let mut text = String::new();
    for (width, cell) in widths.iter().zip(cells) {
        // Writing to a string cannot go wrong.
        let _ = write!(text, "{cell:width$}  ");
    }
    text.truncate(text.trim_end().len());
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_and_lines_have_no_tail() {
        let rows = [
            ["1".to_owned(), "büro".to_owned(), "active".to_owned()],
            ["12".to_owned(), "x".to_owned(), String::new()],
        ];
        assert_eq!(
            table(["no", "label", "state"], &rows),
            "no  label  state\n1   büro   active\n12  x\n"
        );
    }
}
