//! The store as a whole: its directory, its database and the lease of this process.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rusqlite::config::DbConfig;
use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ToSql, ToSqlOutput, ValueRef};
use rusqlite::{Connection, OptionalExtension};
use stromatekt_oci::digest::Digest;

use crate::error::{Error, Result};
use crate::lease::Lease;

/// The format of the database; a store of a newer one is refused, an older one becomes this one.
const FORMAT: i64 = 3;

/// The log is read when the first process opens the database: up to this long it does not matter.
const LONG_LOG: u64 = 1 << 20;

const SCHEMA: &str = "
-- Sealed root filesystem states. `boot`: see the module `durability`.
CREATE TABLE tree(
    id BLOB PRIMARY KEY,
    snapshot TEXT NOT NULL,
    created INTEGER NOT NULL,
    boot TEXT NOT NULL
) WITHOUT ROWID;
-- The cache: what a step made when it last ran. The key is its definition and the content of its inputs.
CREATE TABLE step(
    key BLOB PRIMARY KEY,
    tree BLOB NOT NULL
) WITHOUT ROWID;
CREATE INDEX step_tree ON step(tree);
-- The layer between two trees. `lower` is empty for the empty tree.
CREATE TABLE diff(
    lower BLOB NOT NULL,
    upper BLOB NOT NULL,
    epoch INTEGER NOT NULL,
    diff_id BLOB NOT NULL,
    size INTEGER NOT NULL,
    created INTEGER NOT NULL,
    PRIMARY KEY(lower, upper, epoch)
) WITHOUT ROWID;
CREATE INDEX diff_by_id ON diff(diff_id);
CREATE INDEX diff_upper ON diff(upper);
-- Files under blobs/. `diff_id` and `compression` say which layer it is, where it is one.
CREATE TABLE blob(
    digest BLOB PRIMARY KEY,
    size INTEGER NOT NULL,
    diff_id BLOB,
    compression TEXT,
    created INTEGER NOT NULL,
    boot TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX blob_layer ON blob(diff_id, compression);
-- Images by the digest of their config.
CREATE TABLE image(
    id BLOB PRIMARY KEY,
    config BLOB NOT NULL,
    created INTEGER NOT NULL
) WITHOUT ROWID;
-- Their layers, lowest first. `digest`: the blob that the layer came with; none where the build made the layer.
CREATE TABLE image_layer(
    image BLOB NOT NULL,
    position INTEGER NOT NULL,
    diff_id BLOB NOT NULL,
    digest BLOB,
    media_type TEXT,
    PRIMARY KEY(image, position)
) WITHOUT ROWID;
-- Image names. `manifest`: the digest that the registry or layout knows the image by.
CREATE TABLE name(
    name TEXT PRIMARY KEY,
    image BLOB NOT NULL,
    manifest BLOB
) WITHOUT ROWID;
CREATE INDEX name_image ON name(image);
-- Content of local files that were hashed, valid as long as all of this is the same.
CREATE TABLE file_hash(
    dev INTEGER NOT NULL,
    ino INTEGER NOT NULL,
    size INTEGER NOT NULL,
    mtime INTEGER NOT NULL,
    ctime INTEGER NOT NULL,
    digest BLOB NOT NULL,
    PRIMARY KEY(dev, ino)
) WITHOUT ROWID;
";

/// What format 2 has beyond format 1.
const FORMAT_2: &str = "
-- Images of several platforms, or with annotations, under one id: see the module `listings`.
CREATE TABLE listing(
    id BLOB PRIMARY KEY,
    document BLOB NOT NULL,
    created INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE listing_image(
    listing BLOB NOT NULL,
    position INTEGER NOT NULL,
    image BLOB NOT NULL,
    PRIMARY KEY(listing, position)
) WITHOUT ROWID;
CREATE INDEX listing_image_image ON listing_image(image);
";

/// What format 3 has beyond format 2.
const FORMAT_3: &str = "
-- What steps were made of when they last ran: see the module `recipes`. `inputs` are digests one after another, `took` is in nanoseconds.
CREATE TABLE recipe(
    operation BLOB PRIMARY KEY,
    place TEXT NOT NULL,
    label TEXT NOT NULL,
    inputs BLOB NOT NULL,
    took INTEGER NOT NULL,
    created INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX recipe_place ON recipe(place, created);
";

/// An open store. Several processes may have one open at the same time.
pub struct Store {
    root: PathBuf,
    connection: Mutex<Connection>,
    lease: Lease,
    /// Locked, together with all others that have the store open.
    pub(crate) gate: File,
    pub(crate) boot: String,
    pub(crate) lost_rows: bool,
}

impl Store {
    /// Opens the store in `root`, which is made where it does not exist.
    ///
    /// # Errors
    /// When the directory or the database cannot be used, or was written by a newer program.
    pub fn open(root: &Path) -> Result<Self> {
        fs::create_dir_all(root).map_err(Error::file("make the store directory", root))?;
        let root = root
            .canonicalize()
            .map_err(Error::file("find the store directory", root))?;
        for directory in ["blobs/sha256", "leases", "scratch"] {
            let path = root.join(directory);
            if !path.is_dir() {
                fs::create_dir_all(&path).map_err(Error::file("make the directory", &path))?;
            }
        }
        let gate_path = root.join("gate");
        let gate = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&gate_path)
            .map_err(Error::file("make", &gate_path))?;
        gate.lock_shared()
            .map_err(Error::file("lock", &gate_path))?;
        let connection = connect(&root.join("store.db"))?;
        let lease = Lease::take(&root)?;
        let boot_file = "/proc/sys/kernel/random/boot_id";
        let boot = fs::read_to_string(boot_file).map_err(Error::file("read", boot_file))?;
        let mut store = Self {
            root,
            connection: Mutex::new(connection),
            lease,
            gate,
            boot: boot.trim().to_owned(),
            lost_rows: false,
        };
        store.lost_rows = store.drop_rows_of_a_crash()?;
        Ok(store)
    }

    /// The directory of the store.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// A directory of the store's own, made where it does not exist.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn directory(&self, name: &str) -> Result<PathBuf> {
        let path = self.root.join(name);
        if !path.is_dir() {
            fs::create_dir_all(&path).map_err(Error::file("make the directory", &path))?;
        }
        Ok(path)
    }

    /// The lease of this process: what it makes and nobody knows yet.
    pub fn lease(&self) -> &Lease {
        &self.lease
    }

    /// Whether the database has a log that is worth a [`Store::checkpoint`].
    pub fn has_long_log(&self) -> bool {
        fs::metadata(self.root.join("store.db-wal")).is_ok_and(|log| log.len() > LONG_LOG)
    }

    /// Moves what the log of the database holds into the database, as far as no other process reads it.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn checkpoint(&self) -> Result<()> {
        // On a connection of its own: the other one is not held up.
        let path = self.root.join("store.db");
        Connection::open(&path)
            .and_then(|connection| {
                connection.busy_timeout(Duration::from_secs(1))?;
                // It yields whether others were in its way, which is no failure.
                connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", (), |_| Ok(()))
            })
            .map_err(|source| self.database_error(source))
    }

    /// Runs `work` on the database in one transaction.
    pub(crate) fn transaction<T>(
        &self,
        work: impl FnOnce(&rusqlite::Transaction<'_>) -> rusqlite::Result<T>,
    ) -> Result<T> {
        let mut connection = self.connection();
        connection
            .transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)
            .and_then(|transaction| {
                let value = work(&transaction)?;
                transaction.commit()?;
                Ok(value)
            })
            .map_err(|source| self.database_error(source))
    }

    /// Runs `work` on the database, where one statement is all.
    pub(crate) fn query<T>(
        &self,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T> {
        work(&self.connection()).map_err(|source| self.database_error(source))
    }

    /// The first row of a statement, if there is one.
    pub(crate) fn first<T>(
        &self,
        statement: &str,
        parameters: impl rusqlite::Params,
        row: impl FnOnce(&rusqlite::Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Option<T>> {
        self.query(|db| {
            db.prepare_cached(statement)?
                .query_row(parameters, row)
                .optional()
        })
    }

    fn connection(&self) -> MutexGuard<'_, Connection> {
        // A panic in between rolls the transaction back: what is behind the lock is sound.
        self.connection
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn database_error(&self, source: rusqlite::Error) -> Error {
        Error::Database {
            path: self.root.join("store.db"),
            source,
        }
    }
}

fn connect(path: &Path) -> Result<Connection> {
    let error = |source| Error::Database {
        path: path.to_owned(),
        source,
    };
    let connection = Connection::open(path).map_err(error)?;
    connection
        .busy_timeout(Duration::from_secs(30))
        .map_err(error)?;
    connection.set_prepared_statement_cache_capacity(64);
    let format = |db: &Connection| db.query_row("PRAGMA user_version", (), |row| row.get(0));
    let mut found: i64 = format(&connection).map_err(error)?;
    if found < FORMAT {
        // WAL is a property of the file: set once, outside of a transaction.
        connection
            .execute_batch("PRAGMA journal_mode = WAL")
            .map_err(error)?;
        let transaction = connection
            .unchecked_transaction()
            .and_then(|transaction| {
                transaction.execute_batch("CREATE TABLE IF NOT EXISTS opening(x)")?;
                Ok(transaction)
            })
            .map_err(error)?;
        // Another process may have been first while this one waited for the lock.
        found = format(&transaction).map_err(error)?;
        if found < FORMAT {
            if found == 0 {
                transaction.execute_batch(SCHEMA).map_err(error)?;
            }
            if found < 2 {
                transaction.execute_batch(FORMAT_2).map_err(error)?;
            }
            transaction.execute_batch(FORMAT_3).map_err(error)?;
            transaction
                .pragma_update(None, "user_version", FORMAT)
                .map_err(error)?;
            found = FORMAT;
        }
        transaction
            .execute_batch("DROP TABLE IF EXISTS opening")
            .map_err(error)?;
        transaction.commit().map_err(error)?;
    }
    if found > FORMAT {
        return Err(Error::Newer {
            path: path.to_owned(),
            found,
            known: FORMAT,
        });
    }
    // A checkpoint waits for the disk: [`Store::checkpoint`] does it where nobody waits for it.
    connection
        .set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)
        .and_then(|_| connection.pragma_update(None, "wal_autocheckpoint", 0))
        .map_err(error)?;
    // A commit survives the death of the process; what a crash of the machine takes is what `durability` drops anyway.
    connection
        .execute_batch("PRAGMA synchronous = NORMAL")
        .map_err(error)?;
    Ok(connection)
}

/// A digest as 32 bytes in a column.
pub(crate) struct Column(pub(crate) Digest);

impl ToSql for Column {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(ValueRef::Blob(self.0.as_bytes())))
    }
}

impl FromSql for Column {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        let bytes: [u8; 32] = value
            .as_blob()?
            .try_into()
            .map_err(|_| FromSqlError::InvalidType)?;
        Ok(Self(Digest::from_bytes(bytes)))
    }
}

/// Nanoseconds since 1970, as columns hold times.
pub(crate) fn nanoseconds(time: SystemTime) -> i64 {
    let nanoseconds = match time.duration_since(UNIX_EPOCH) {
        Ok(after) => i64::try_from(after.as_nanos()),
        Err(before) => i64::try_from(before.duration().as_nanos()).map(|n| -n),
    };
    nanoseconds.unwrap_or(i64::MAX)
}

/// The time that a column holds.
pub(crate) fn time(nanoseconds: i64) -> SystemTime {
    let distance = Duration::from_nanos(nanoseconds.unsigned_abs());
    if nanoseconds < 0 {
        UNIX_EPOCH - distance
    } else {
        UNIX_EPOCH + distance
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_of_a_format_before_becomes_one_of_this() {
        let root = tempfile::tempdir().unwrap();
        drop(Store::open(root.path()).unwrap());
        let path = root.path().join("store.db");
        for older in [
            "DROP TABLE recipe; PRAGMA user_version = 2",
            "DROP TABLE recipe; DROP TABLE listing; DROP TABLE listing_image; PRAGMA user_version = 1",
        ] {
            Connection::open(&path)
                .unwrap()
                .execute_batch(older)
                .unwrap();
            let store = Store::open(root.path()).unwrap();
            assert_eq!(store.images().unwrap(), []);
            assert_eq!(store.recipe_at("").unwrap(), None);
        }
        let connection = Connection::open(&path).unwrap();
        connection
            .execute_batch("PRAGMA user_version = 99")
            .unwrap();
        drop(connection);
        let error = Store::open(root.path())
            .err()
            .map(|error| error.to_string());
        assert!(error.is_some_and(|error| error.contains("99")));
    }
}
