//! The protocol's words: source, digest, load id, number, entry, retired, current; as small as a model needs them.

use std::fmt;

/// A source: an index into what is kept for each. Key, name and scope are one here.
pub type Source = usize;
/// How many sources there are.
pub const SOURCES: usize = 2;
/// The source whose content changes.
pub const A: Source = 0;
/// The source that stays as it is.
pub const B: Source = 1;

/// Which content a source has, counted from its first. Known to the model and to `--version` alone: all the others see is
/// the digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Version(pub u8);

impl Version {
    /// d1, d2, and d1 again.
    pub fn digest(self) -> Digest {
        match self.0 % 2 {
            0 => Digest::D1,
            _ => Digest::D2,
        }
    }
}

/// Digest of a source's bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Digest {
    /// The first content, and the third
    D1,
    /// The second
    D2,
}

/// What is loaded, and what a row's lineage names: the bytes of a source.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Content {
    /// Whose
    pub source: Source,
    /// Which
    pub digest: Digest,
}

impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { source, digest } = self;
        write!(f, "{}:{digest:?}", ["a", "b"][*source])
    }
}

/// A set of contents.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Contents(u8);

impl Contents {
    fn bit(content: Content) -> u8 {
        1 << (2 * content.source + usize::from(content.digest == Digest::D2))
    }

    /// Every set there is.
    pub fn all() -> impl Iterator<Item = Self> {
        (0..1 << (2 * SOURCES)).map(Self)
    }

    /// Adds one.
    pub fn insert(&mut self, content: Content) {
        self.0 |= Self::bit(content);
    }

    /// Adds all of another set.
    pub fn extend(&mut self, others: Self) {
        self.0 |= others.0;
    }

    /// All contents of the same sources.
    pub fn of_same_names(self) -> Self {
        let names = |content: &Content| self.iter().any(|c| c.source == content.source);
        Self(u8::MAX).iter().filter(names).collect()
    }

    /// Those that are not in another set.
    pub fn without(self, others: Self) -> Self {
        Self(self.0 & !others.0)
    }

    /// Those of both sets.
    pub fn intersection(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Whether it is there.
    pub fn contains(self, content: Content) -> bool {
        self.0 & Self::bit(content) != 0
    }

    /// Whether all of `others` are there.
    pub fn contains_all(self, others: Self) -> bool {
        self.0 & others.0 == others.0
    }

    /// Whether there is none.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// One after the other, in the order of names.
    pub fn iter(self) -> impl Iterator<Item = Content> {
        (0..SOURCES)
            .flat_map(|source| [Digest::D1, Digest::D2].map(|digest| Content { source, digest }))
            .filter(move |content| self.contains(*content))
    }

    /// As a number below 16.
    pub fn number(self) -> u8 {
        self.0
    }
}

impl FromIterator<Content> for Contents {
    fn from_iter<I: IntoIterator<Item = Content>>(contents: I) -> Self {
        let mut set = Self::default();
        for content in contents {
            set.insert(content);
        }
        set
    }
}

impl fmt::Debug for Contents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

/// A load's random id: nobody else makes the same, and every try of a run makes another.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LoadId {
    /// Who
    pub worker: u8,
    /// In which of its runs
    pub run: u8,
    /// At which try
    pub tried: u8,
}

impl fmt::Debug for LoadId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "w{}r{}t{}", self.worker, self.run, self.tried)
    }
}

/// A source in a load.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Entry {
    /// The load
    pub load: LoadId,
    /// What was loaded
    pub content: Content,
}

/// A literal of replace-where's column.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Literal {
    /// Every record of source a has it
    X,
    /// Every record of source b has it
    Y,
}

impl Literal {
    /// The literal all records of a source have.
    pub fn of(source: Source) -> Self {
        match source {
            A => Self::X,
            _ => Self::Y,
        }
    }
}

/// What a load was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// An append, an upsert, a forget
    Ordinary,
    /// A replace
    Replace,
    /// A reload, which only voids
    Void,
}

/// A load as the ledger has it: its own row, its entries, what it retired.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Load {
    /// Its id
    pub id: LoadId,
    /// One higher than the load before
    pub number: u8,
    /// OID of the table its rows went into
    pub oid: u8,
    /// Sources' rows the table had after it, as far as loads tell
    pub rows: u8,
    /// What it was
    pub kind: Kind,
    /// Literal of a replace-where
    pub literal: Option<Literal>,
    /// `--version`
    pub version: Option<Version>,
    /// Its entries
    pub entries: Contents,
    /// Entries of former loads that are not current any more
    pub retires: Vec<Entry>,
}

/// The ledger: loads in the order of their COMMITs. It only grows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Ledger {
    /// The loads
    pub loads: Vec<Load>,
}

impl Ledger {
    /// Number of the newest load, 0 if there is none.
    pub fn newest(&self) -> u8 {
        self.loads.iter().map(|load| load.number).max().unwrap_or(0)
    }

    /// Whether this load committed.
    pub fn has(&self, id: LoadId) -> bool {
        self.loads.iter().any(|load| load.id == id)
    }

    /// Entries that no later load retired, whatever table they were written for.
    pub fn not_retired(&self) -> impl Iterator<Item = (&Load, Entry)> {
        let entries = self.loads.iter().flat_map(|load| {
            let id = load.id;
            let entries = load.entries.iter();
            entries.map(move |content| (load, Entry { load: id, content }))
        });
        entries.filter(|(_, entry)| !self.loads.iter().any(|l| l.retires.contains(entry)))
    }

    /// The current entries: not retired, and not void, that is, written for the table there is.
    pub fn current(&self, oid: u8) -> impl Iterator<Item = (&Load, Entry)> {
        self.not_retired().filter(move |(load, _)| load.oid == oid)
    }
}
