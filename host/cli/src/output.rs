//! What commands print: a table for people, or one JSON object a line.

use crate::fatal::Fatal;
use ipam_admin::json;
use ipam_api::text::{bounded, escaped};
use serde::Serialize;
use std::io::{self, Write};

/// Rows that are looked at before columns get their widths. Later ones that
/// are wider stick out.
const LOOKED_AT: usize = 1000;
/// Between two columns.
const GAP: usize = 2;
/// How much of a cell is shown, in bytes. What drivers and clients chose may
/// hold anything; JSON has all of it.
const CELL_MAX_BYTES: usize = 1 << 10;

/// Where rows go.
pub(crate) struct Output<W: Write> {
    to: W,
    /// Nothing for JSON.
    table: Option<Table>,
}

struct Table {
    columns: Vec<String>,
    waiting: Vec<Vec<String>>,
    widths: Option<Vec<usize>>,
}

impl<W: Write> Output<W> {
    pub(crate) fn new(to: W, json: bool, columns: &[&str]) -> Self {
        let columns = columns.iter().map(|&text| text.to_owned()).collect();
        let table = Table { columns, waiting: Vec::new(), widths: None };
        Self { to, table: (!json).then_some(table) }
    }

    /// One row: `item` as it is, or its cells.
    pub(crate) fn row<T: Serialize>(
        &mut self,
        item: &T,
        cells: impl FnOnce(&T) -> Vec<String>,
    ) -> io::Result<()> {
        let Some(table) = &mut self.table else {
            json::write(&mut self.to, item)?;
            return self.to.write_all(b"\n");
        };
        let cells = cells(item).into_iter().map(|cell| bounded(CELL_MAX_BYTES, cell));
        table.waiting.push(cells.collect());
        if table.widths.is_some() || table.waiting.len() == LOOKED_AT {
            table.write(&mut self.to)?;
        }
        Ok(())
    }

    /// A line of words.
    pub(crate) fn line(&mut self, words: &str) -> io::Result<()> {
        writeln!(self.to, "{}", escaped(words))
    }

    /// Writes what is left. A table without rows has no head either.
    pub(crate) fn end(mut self) -> io::Result<()> {
        if let Some(table) = &mut self.table {
            table.write(&mut self.to)?;
        }
        self.to.flush()
    }
}

impl Table {
    fn write(&mut self, to: &mut impl Write) -> io::Result<()> {
        if self.waiting.is_empty() {
            return Ok(());
        }
        if self.widths.is_none() {
            self.waiting.insert(0, self.columns.clone());
        }
        let widths = self.widths.get_or_insert_with(|| {
            let width = |column: usize| {
                let cells = self.waiting.iter().filter_map(|row| row.get(column));
                cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
            };
            (0..self.columns.len()).map(width).collect()
        });
        for row in self.waiting.drain(..) {
            let mut line = String::new();
            for (cell, width) in row.iter().zip(widths.iter()) {
                line.push_str(&format!("{cell:<width$}"));
                line.push_str(&" ".repeat(GAP));
            }
            writeln!(to, "{}", line.trim_end())?;
        }
        Ok(())
    }
}

/// Prints what a command did: one object, or lines of words.
pub(crate) fn print(json: bool, item: &impl Serialize, lines: &[String]) -> Result<(), Fatal> {
    let mut output = Output::new(io::stdout().lock(), json, &[]);
    let printed = if json {
        output.row(item, |_| Vec::new())
    } else {
        lines.iter().try_for_each(|line| output.line(line))
    };
    match printed.and_then(|()| output.end()) {
        // A reader that has enough is no failure.
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Fatal::Failed(format!("cannot print: {error}")))
        }
        Ok(()) | Err(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::{LOOKED_AT, Output};

    fn printed(json: bool, rows: &[(&str, &str)]) -> String {
        let mut bytes = Vec::new();
        let mut output = Output::new(&mut bytes, json, &["NAME", "POOL"]);
        for row in rows {
            output.row(row, |(name, pool)| vec![name.to_string(), pool.to_string()]).unwrap();
        }
        output.end().unwrap();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn columns_are_as_wide_as_they_must_be() {
        let text = printed(false, &[("default", "10.0.0.0/8"), ("lab", "")]);
        assert_eq!(text, "NAME     POOL\ndefault  10.0.0.0/8\nlab\n");
        assert_eq!(printed(false, &[]), "");
    }

    #[test]
    fn what_others_chose_cannot_write_on_the_terminal() {
        assert_eq!(
            printed(false, &[("a\x1b[2J\n", "\u{202e}b")]),
            "NAME          POOL\na\\u{1b}[2J\\n  \\u{202e}b\n"
        );
        assert_eq!(
            printed(true, &[("a\u{9b}2J\n", "\u{202e}b")]),
            "[\"a\\u009b2J\\n\",\"\\u202eb\"]\n"
        );
        let mut line = Vec::new();
        Output::new(&mut line, false, &[]).line("a\nb\u{85}").unwrap();
        assert_eq!(line, b"a\\nb\\u{85}\n");
    }

    #[test]
    fn a_long_cell_is_cut() {
        let long = "a".repeat(1 << 20);
        assert!(printed(false, &[(&long, "b")]).len() < 8 << 10);
        assert!(printed(true, &[(&long, "b")]).len() > 1 << 20);
    }

    #[test]
    fn a_long_table_is_written_as_it_comes() {
        let rows = vec![("a", "b"); 2 * LOOKED_AT + 1];
        let text = printed(false, &rows);
        assert_eq!(text.lines().count(), rows.len() + 1);
        assert!(text.lines().skip(1).all(|line| line == "a     b"));
    }

    #[test]
    fn programs_get_one_object_a_line() {
        assert_eq!(printed(true, &[("a", "b"), ("c", "")]), "[\"a\",\"b\"]\n[\"c\",\"\"]\n");
    }
}
