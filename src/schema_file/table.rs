//! `[table]` of a schema file: how rows are distributed and sorted.

use super::TABLE_KEYS;
use super::read::{Declared, Reader, Section};
use crate::facts::show;
use crate::schema::{
    ColumnType, Distribution, MAX_COMPOUND_SORT_COLUMNS, MAX_INTERLEAVED_SORT_COLUMNS, SortKey,
    TableDefinition, fold,
};

impl Reader<'_> {
    pub(super) fn table(&mut self, file: &Section<'_>, declared: &[Declared]) -> TableDefinition {
        let Some((at, value)) = file.entry("table") else {
            return TableDefinition::default();
        };
        let Some(entries) = value.as_table() else {
            self.refuse(at, "table must be a table: [table]");
            return TableDefinition::default();
        };
        let section = Section {
            subject: "table".to_owned(),
            entries,
            at,
        };
        self.known_keys(&section, TABLE_KEYS);
        TableDefinition {
            distribution: self.distribution(&section, declared),
            sort_key: self.sort_key(&section, declared),
        }
    }

    fn distribution(
        &mut self,
        section: &Section<'_>,
        declared: &[Declared],
    ) -> Option<Distribution> {
        #[derive(Clone, Copy, PartialEq)]
        enum Style {
            Auto,
            Even,
            All,
            Key,
        }
        let styles = [
            ("auto", Style::Auto),
            ("even", Style::Even),
            ("all", Style::All),
            ("key", Style::Key),
        ];
        let style = self.word(section, "diststyle", &styles);
        let key = self.text(section, "distkey");
        if let Some((at, key)) = key {
            self.check_key_column(section, at, "distkey", key, declared);
        }
        match (style, key) {
            (Some((at, Style::Key)), None) => {
                self.blame(section, at, "diststyle key needs a distkey");
                None
            }
            (Some((_, Style::Key)) | None, Some((_, key))) => Some(Distribution::Key(fold(key))),
            (Some(_), Some((at, _))) => {
                self.blame(section, at, "distkey goes with diststyle key alone");
                None
            }
            (Some((_, Style::Auto)), None) => Some(Distribution::Auto),
            (Some((_, Style::Even)), None) => Some(Distribution::Even),
            (Some((_, Style::All)), None) => Some(Distribution::All),
            (None, None) => None,
        }
    }

    fn sort_key(&mut self, section: &Section<'_>, declared: &[Declared]) -> Option<SortKey> {
        type Make = fn(Vec<String>) -> SortKey;
        let styles: [(&str, (Make, usize)); 2] = [
            ("compound", (SortKey::Compound, MAX_COMPOUND_SORT_COLUMNS)),
            (
                "interleaved",
                (SortKey::Interleaved, MAX_INTERLEAVED_SORT_COLUMNS),
            ),
        ];
        let style = self.word(section, "sortstyle", &styles);
        let sort_key = section.entry("sortkey");
        if let Some((at, value)) = sort_key
            && let Some(text) = value.as_str()
        {
            if text != "auto" {
                self.blame(section, at, "sortkey must be \"auto\" or a list of columns");
            } else if let Some((at, _)) = style {
                self.blame(section, at, "sortstyle goes with a list of columns alone");
            }
            return Some(SortKey::Auto);
        }
        let Some((at, columns)) = self.texts(section, "sortkey") else {
            if let (Some((at, _)), None) = (style, sort_key) {
                self.blame(section, at, "sortstyle goes with a sortkey");
            }
            return None;
        };
        let (make, most) = style.map_or(styles[0].1, |(_, style)| style);
        if columns.len() > most {
            let message = format!(
                "sortkey has {} columns, at most {most} are allowed",
                columns.len()
            );
            self.blame(section, at, message);
        }
        for (place, column) in columns.iter().enumerate() {
            self.check_key_column(section, at, "sortkey", column, declared);
            if columns[..place]
                .iter()
                .any(|before| fold(before) == fold(column))
            {
                self.blame(section, at, format!("sortkey names {} twice", show(column)));
            }
        }
        Some(make(columns.iter().map(|column| fold(column)).collect()))
    }

    /// Redshift: SUPER and VARBYTE columns are neither distribution nor sort keys.
    fn check_key_column(
        &mut self,
        section: &Section<'_>,
        at: usize,
        key: &str,
        name: &str,
        declared: &[Declared],
    ) {
        let Some(declared) = declared.iter().find(|declared| declared.name == fold(name)) else {
            let message = format!("{key}: there is no column {}", show(name));
            self.blame(section, at, message);
            return;
        };
        if let Some(column) = &declared.column
            && matches!(column.target, ColumnType::Super | ColumnType::Varbyte(_))
        {
            let message = format!("{key}: column {} is {}", show(name), column.target);
            self.blame(section, at, message);
        }
    }
}
