//! Cuts inflated input at record boundaries into chunks of a bounded size, the unit of work.
//!
//! It finds where records end; whether they are valid JSON is for `decode` to say.

/// Bytes after a chunk's last piece that may be read but belong to nothing, so that wide loads at
/// the end stay in bounds. They are zero.
pub const SLACK: usize = 128;

/// How records stand in a source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Framing {
    /// Records end at a line's end (JSON Lines); a line may hold several, none spans lines
    Lines,
    /// JSON values one after another with any white space between: concatenated or pretty-printed
    Values,
    /// The elements of one array. A chunk's piece holds whole elements and the commas between them, without the brackets
    Array,
}

/// A run of bytes of one source inside a chunk; it begins and ends between records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    /// Index of the source in the run's list of sources
    pub source: u32,
    /// First byte inside the chunk
    pub start: usize,
    /// One past the last byte inside the chunk
    pub end: usize,
    /// Where the piece begins in the source's inflated bytes
    pub offset: u64,
    /// Line of its first byte in the source, from 1
    pub first_line: u64,
    /// Bytes between the start of that line and the piece's first byte
    pub first_column: u64,
    /// How records stand in it
    pub framing: Framing,
}

/// A unit of work: at most the chunk size of input (or one longer record), and one row group.
#[derive(Debug, Default)]
pub struct Chunk {
    /// Position in the run, from 0
    pub sequence: u64,
    /// The pieces' bytes, then [`SLACK`] zeros
    pub bytes: Vec<u8>,
    /// In the order of the input
    pub pieces: Vec<Piece>,
}
