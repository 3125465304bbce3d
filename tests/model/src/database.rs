//! The database: what is committed, and sessions with snapshots, locks and changes of their own. Of Redshift only what the
//! protocol rests on: LOCK takes no snapshot, the first other statement does; writes of the same row wait for each other and
//! fail on a snapshot that is older than the other's COMMIT; nothing else is noticed under SNAPSHOT isolation.

use std::sync::Arc;

use crate::words::{Content, Ledger, Load, LoadId, SOURCES, Version};

/// What transactions are kept apart by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Isolation {
    /// Redshift's default: two transactions may both find an entry absent
    Snapshot,
    /// A COMMIT beside another's fails with 1023: all of them read and write the ledger, and conflicts are seen table by table
    Serializable,
}

/// All rows of a source, as one load put them there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Row {
    /// Whose rows: the lineage column
    pub content: Content,
    /// No column: what tells rows apart for row locks
    pub load: LoadId,
}

/// The target.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Table {
    /// OID, another when the table is made anew
    pub oid: u8,
    /// Rows
    pub rows: Vec<Row>,
}

/// What is committed, and what a snapshot holds.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Committed {
    /// The mutex's only row
    pub number: u8,
    /// The ledger
    pub ledger: Ledger,
    /// The target
    pub table: Table,
}

/// Who a session's client is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Client {
    /// This worker listens
    Worker(u8),
    /// Nobody listens any more, and the server does not know it yet: half open
    Gone(u8),
}

/// A session and LOCK of the mutex.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Lock {
    /// Not asked for
    None,
    /// In the queue
    Waiting,
    /// Until the end of the transaction
    Held,
}

/// A session and COMMIT.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Commit {
    /// Not yet
    NotSent,
    /// Under way to the server
    Sent,
    /// Done; the answer is under way to the client
    Done,
    /// Refused, rolled back; the answer is under way to the client
    Refused,
}

/// What a transaction has written.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Changes {
    /// The mutex's new number
    pub number: Option<u8>,
    /// Rows deleted from the target
    pub deleted: Vec<Row>,
    /// Rows put into it
    pub inserted: Vec<Row>,
    /// Whether the target was touched, so that it can be neither dropped nor altered
    pub touched: bool,
    /// Rows put into the ledger
    pub load: Option<Load>,
    /// Not in the database: which contents the run had read
    pub read: [Option<Version>; SOURCES],
}

/// A session in a transaction.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Session {
    /// Its client
    pub client: Client,
    /// LOCK of the mutex
    pub lock: Lock,
    /// What it sees, from its first statement that looks at a table on
    pub snapshot: Option<Arc<Committed>>,
    /// What it has written
    pub changes: Changes,
    /// COMMIT
    pub commit: Commit,
}

impl Session {
    /// Whether its end would change anything for others.
    fn matters(&self) -> bool {
        let writes = self.changes.number.is_some() || self.changes.touched;
        self.commit == Commit::Sent || self.lock != Lock::None || writes
    }
}

/// The row was written by a transaction that committed after the snapshot: 40001, or 1023.
#[derive(Clone, Copy, Debug)]
pub struct Conflict;

/// The database.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Database {
    /// What everybody sees
    pub committed: Arc<Committed>,
    /// Open transactions
    pub sessions: Vec<Session>,
}

impl Database {
    /// An empty table with its ledger and mutex.
    pub fn new() -> Self {
        let committed = Committed {
            number: 0,
            ledger: Ledger::default(),
            table: Table {
                oid: 1,
                rows: Vec::new(),
            },
        };
        Self {
            committed: Arc::new(committed),
            sessions: Vec::new(),
        }
    }

    /// A worker's session, if it is in a transaction.
    pub fn session(&self, worker: u8) -> Option<&Session> {
        let client = Client::Worker(worker);
        self.sessions.iter().find(|s| s.client == client)
    }

    fn session_mut(&mut self, worker: u8) -> &mut Session {
        let client = Client::Worker(worker);
        let mut sessions = self.sessions.iter_mut();
        sessions
            .find(|s| s.client == client)
            .expect("statements are sent in a transaction")
    }

    /// BEGIN, in a new session.
    pub fn begin(&mut self, worker: u8) {
        self.sessions.push(Session {
            client: Client::Worker(worker),
            lock: Lock::None,
            snapshot: None,
            changes: Changes::default(),
            commit: Commit::NotSent,
        });
    }

    /// Whether LOCK would not wait.
    pub fn mutex_is_free(&self) -> bool {
        self.sessions.iter().all(|s| s.lock != Lock::Held)
    }

    /// LOCK is sent.
    pub fn queue(&mut self, worker: u8) {
        self.session_mut(worker).lock = Lock::Waiting;
    }

    /// LOCK is answered.
    pub fn lock(&mut self, worker: u8) {
        self.session_mut(worker).lock = Lock::Held;
    }

    /// What a statement sees.
    pub fn snapshot(&mut self, worker: u8) -> Arc<Committed> {
        let committed = Arc::clone(&self.committed);
        let session = self.session_mut(worker);
        Arc::clone(session.snapshot.get_or_insert(committed))
    }

    /// What a statement sees of ledger and target: the snapshot, of the table that the catalog has now.
    pub fn look(&mut self, worker: u8) -> Arc<Committed> {
        let oid = self.committed.table.oid;
        let mut seen = self.snapshot(worker);
        if seen.table.oid != oid {
            let rows = Vec::new();
            Arc::make_mut(&mut seen).table = Table { oid, rows };
        }
        seen
    }

    fn others(&self, worker: u8) -> impl Iterator<Item = &Session> {
        let client = Client::Worker(worker);
        self.sessions.iter().filter(move |s| s.client != client)
    }

    /// Whether the UPDATE of the mutex waits for another's.
    pub fn number_is_locked(&self, worker: u8) -> bool {
        self.others(worker).any(|s| s.changes.number.is_some())
    }

    /// UPDATE mutex SET n = n + 1; SELECT n.
    ///
    /// # Errors
    /// [`Conflict`] on a stale snapshot.
    pub fn take_number(&mut self, worker: u8) -> Result<u8, Conflict> {
        let seen = self.snapshot(worker).number;
        if seen != self.committed.number {
            return Err(Conflict);
        }
        self.session_mut(worker).changes.number = Some(seen + 1);
        Ok(seen + 1)
    }

    /// Whether a write of the target waits for another's: Redshift's wait table by table.
    pub fn target_is_locked(&self, worker: u8) -> bool {
        self.others(worker).any(|s| s.changes.touched)
    }

    /// DELETE and COPY. From here on the table can be neither dropped nor altered.
    ///
    /// # Errors
    /// [`Conflict`] if one of the rows was deleted since the snapshot.
    pub fn write(
        &mut self,
        worker: u8,
        delete: Vec<Row>,
        insert: Vec<Row>,
    ) -> Result<(), Conflict> {
        let rows = &self.committed.table.rows;
        if delete.iter().any(|row| !rows.contains(row)) {
            return Err(Conflict);
        }
        let changes = &mut self.session_mut(worker).changes;
        changes.deleted = delete;
        changes.inserted = insert;
        changes.touched = true;
        Ok(())
    }

    /// How many sources' rows a transaction has deleted, and how many it has put.
    pub fn moved(&self, worker: u8) -> (usize, usize) {
        let changes = self.session(worker).map(|session| &session.changes);
        changes.map_or((0, 0), |changes| {
            (changes.deleted.len(), changes.inserted.len())
        })
    }

    /// The number that was taken; without one, the next.
    pub fn number(&mut self, worker: u8) -> u8 {
        let next = self.snapshot(worker).ledger.newest() + 1;
        self.session_mut(worker).changes.number.unwrap_or(next)
    }

    /// INSERT of the load and its entries.
    pub fn record(&mut self, worker: u8, load: Load, read: [Option<Version>; SOURCES]) {
        let changes = &mut self.session_mut(worker).changes;
        changes.load = Some(load);
        changes.read = read;
    }

    /// The same in a transaction of its own: a mutant.
    pub fn record_outside(&mut self, load: Load) {
        Arc::make_mut(&mut self.committed).ledger.loads.push(load);
    }

    /// COMMIT is sent.
    pub fn send_commit(&mut self, worker: u8) {
        self.session_mut(worker).commit = Commit::Sent;
    }

    /// COMMIT arrives: what it did, unless it was refused. The answer waits for the client, if there still is one.
    pub fn commit(&mut self, index: usize, isolation: Isolation) -> Option<Changes> {
        let session = &mut self.sessions[index];
        let changes = std::mem::take(&mut session.changes);
        let snapshot = session.snapshot.take();
        let is_alone = snapshot.is_none_or(|seen| seen.ledger == self.committed.ledger);
        let is_refused = isolation == Isolation::Serializable && !is_alone;
        session.lock = Lock::None;
        session.commit = match is_refused {
            true => Commit::Refused,
            false => Commit::Done,
        };
        if let Client::Gone(_) = session.client {
            self.sessions.remove(index);
        }
        if is_refused {
            return None;
        }
        let committed = Arc::make_mut(&mut self.committed);
        committed.number = changes.number.unwrap_or(committed.number);
        let table = &mut committed.table;
        table.rows.retain(|row| !changes.deleted.contains(row));
        table.rows.extend(&changes.inserted);
        table.rows.sort_unstable();
        committed.ledger.loads.extend(changes.load.clone());
        Some(changes)
    }

    /// The transaction ends and nothing of it is left: ROLLBACK, an error, a terminated session.
    pub fn roll_back(&mut self, worker: u8) {
        let client = Client::Worker(worker);
        self.sessions.retain(|s| s.client != client);
    }

    /// The client is gone, and the server does not know it.
    pub fn abandon(&mut self, worker: u8) {
        let client = Client::Worker(worker);
        for session in &mut self.sessions {
            if session.client == client {
                session.client = Client::Gone(worker);
            }
        }
        self.sessions
            .retain(|s| matches!(s.client, Client::Worker(_)) || s.matters());
    }

    /// Whether somebody has the target in use.
    pub fn target_is_touched(&self) -> bool {
        self.sessions.iter().any(|s| s.changes.touched)
    }

    /// Somebody drops the target and makes it anew.
    pub fn make_anew(&mut self) {
        let table = &mut Arc::make_mut(&mut self.committed).table;
        table.oid += 1;
        table.rows.clear();
    }

    /// Somebody deletes all rows of the target.
    pub fn empty(&mut self) {
        Arc::make_mut(&mut self.committed).table.rows.clear();
    }
}

impl Default for Database {
    fn default() -> Self {
        Self::new()
    }
}
