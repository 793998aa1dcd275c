//! Reading what is known, the same for the writer and for readers.

use std::ops::Bound;

use bytes::Bytes;
use jiff::Timestamp;
use serde::de::DeserializeOwned;
use slatedb::config::ScanOptions;
use slatedb::{Db, DbIterator, DbReader, IterationOrder};

use crate::record::decode;
use crate::{
    Binding, Cursor, Error, Export, IndicatorRecord, OpenSample, OutboxRecord, QuarantineRecord, ReceiptRecord,
    RunRecord, SampleRecord, SubmissionRecord, key,
};

/// The records of one route.
#[derive(Clone)]
pub struct Records {
    source: Source,
}

#[derive(Clone)]
pub(crate) enum Source {
    Writer(Db),
    Reader(std::sync::Arc<DbReader>),
    /// Nothing has been written yet.
    Nothing,
}

impl std::fmt::Debug for Records {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Records").finish_non_exhaustive()
    }
}

impl Records {
    pub(crate) fn new(source: Source) -> Self {
        Self { source }
    }

    pub(crate) async fn get<R: DeserializeOwned>(&self, key: &str) -> Result<Option<R>, Error> {
        let bytes: Option<Bytes> = match &self.source {
            Source::Writer(db) => db.get(key.as_bytes()).await?,
            Source::Reader(reader) => reader.get(key.as_bytes()).await?,
            Source::Nothing => None,
        };
        bytes.map(|bytes| decode(key.as_bytes(), &bytes)).transpose()
    }

    async fn iterate(&self, from: Vec<u8>, to: Vec<u8>, order: IterationOrder) -> Result<Option<DbIterator>, Error> {
        let range = (Bound::Included(from), Bound::Excluded(to));
        let options = ScanOptions { order, ..ScanOptions::default() };
        Ok(match &self.source {
            Source::Writer(db) => Some(db.scan_with_options(range, &options).await?),
            Source::Reader(reader) => Some(reader.scan_with_options(range, &options).await?),
            Source::Nothing => None,
        })
    }

    pub(crate) async fn scan<R: DeserializeOwned>(
        &self,
        prefix: &str,
        order: IterationOrder,
        limit: usize,
    ) -> Result<Vec<(String, R)>, Error> {
        take(self.iterate(prefix.as_bytes().to_vec(), key::end_of(prefix), order).await?, prefix, limit).await
    }

    /// Counts the keys below a prefix. Nothing is kept of them, however many there are.
    pub(crate) async fn count(&self, prefix: &str) -> Result<usize, Error> {
        let mut count = 0;
        let Some(mut rows) =
            self.iterate(prefix.as_bytes().to_vec(), key::end_of(prefix), IterationOrder::Ascending).await?
        else {
            return Ok(count);
        };
        while rows.next().await?.is_some() {
            count += 1;
        }
        Ok(count)
    }

    /// Returns the records below a prefix, to be read one by one.
    pub(crate) async fn rows(&self, prefix: &str) -> Result<Export, Error> {
        Ok(Export::new(self.iterate(prefix.as_bytes().to_vec(), key::end_of(prefix), IterationOrder::Ascending).await?))
    }

    /// Returns every record, whatever its kind.
    pub async fn export(&self) -> Result<Export, Error> {
        // No key begins with a byte that is not ASCII.
        Ok(Export::new(self.iterate(Vec::new(), vec![0x80], IterationOrder::Ascending).await?))
    }

    /// Returns which server and workspace the records belong to.
    pub async fn binding(&self) -> Result<Option<Binding>, Error> {
        self.get(&key::of_text(key::ABOUT, "binding")).await
    }

    /// Returns up to when VMRay has been read.
    pub async fn cursor(&self) -> Result<Option<Cursor>, Error> {
        self.get(&key::of_text(key::ABOUT, "cursor")).await
    }

    /// Returns a submission.
    pub async fn submission(&self, id: u64) -> Result<Option<SubmissionRecord>, Error> {
        self.get(&key::of_number(key::SUBMISSION, id)).await
    }

    /// Returns a sample.
    pub async fn sample(&self, id: u64) -> Result<Option<SampleRecord>, Error> {
        self.get(&key::of_number(key::SAMPLE, id)).await
    }

    /// Returns a sample that could not be read.
    pub async fn open_sample(&self, id: u64) -> Result<Option<OpenSample>, Error> {
        self.get(&key::of_number(key::OPEN, id)).await
    }

    /// Returns the samples that could not be read, by id.
    pub async fn open_samples(&self) -> Result<Vec<OpenSample>, Error> {
        Ok(self
            .scan(key::OPEN, IterationOrder::Ascending, usize::MAX)
            .await?
            .into_iter()
            .map(|(_, open)| open)
            .collect())
    }

    /// Returns how many samples could not be read.
    pub async fn count_open_samples(&self) -> Result<usize, Error> {
        self.count(key::OPEN).await
    }

    /// Returns an indicator.
    pub async fn indicator(&self, id: &str) -> Result<Option<IndicatorRecord>, Error> {
        self.get(&key::of_text(key::INDICATOR, id)).await
    }

    /// Returns how many indicators are known.
    pub async fn count_indicators(&self) -> Result<usize, Error> {
        self.count(key::INDICATOR).await
    }

    /// Returns all indicators with their ids, by id.
    pub async fn indicators(&self) -> Result<Vec<(String, IndicatorRecord)>, Error> {
        self.scan(key::INDICATOR, IterationOrder::Ascending, usize::MAX).await
    }

    /// Returns what one sample says of an indicator.
    pub async fn evidence<F: DeserializeOwned>(&self, indicator: &str, sample_id: u64) -> Result<Option<F>, Error> {
        self.get(&key::evidence(indicator, sample_id)).await
    }

    /// Returns what samples say of an indicator, highest sample id first, at most `limit`.
    pub async fn newest_evidence<F: DeserializeOwned>(&self, indicator: &str, limit: usize) -> Result<Vec<F>, Error> {
        let prefix = key::evidence_of(indicator);
        Ok(self.scan(&prefix, IterationOrder::Descending, limit).await?.into_iter().map(|(_, facts)| facts).collect())
    }

    /// Returns an object of the outbox.
    pub async fn outbox(&self, id: &str) -> Result<Option<OutboxRecord>, Error> {
        self.get(&key::of_text(key::OUTBOX, id)).await
    }

    /// Returns objects of the outbox with their ids, by id, those after an id or the first ones, at most `limit`.
    pub async fn outbox_after(&self, after: Option<&str>, limit: usize) -> Result<Vec<(String, OutboxRecord)>, Error> {
        // No key lies between one and the same with a byte of zero behind it.
        let from = after.map_or_else(|| key::OUTBOX.to_owned(), |id| format!("{}\0", key::of_text(key::OUTBOX, id)));
        let rows = self.iterate(from.into_bytes(), key::end_of(key::OUTBOX), IterationOrder::Ascending).await?;
        take(rows, key::OUTBOX, limit).await
    }

    /// Returns how many objects are in the outbox.
    pub async fn count_outbox(&self) -> Result<usize, Error> {
        self.count(key::OUTBOX).await
    }

    /// Returns how many objects are in quarantine.
    pub async fn count_quarantine(&self) -> Result<usize, Error> {
        self.count(key::QUARANTINE).await
    }

    /// Returns an object in quarantine.
    pub async fn quarantined(&self, id: &str) -> Result<Option<QuarantineRecord>, Error> {
        self.get(&key::of_text(key::QUARANTINE, id)).await
    }

    /// Returns what is in quarantine, by id.
    pub async fn quarantine(&self) -> Result<Vec<(String, QuarantineRecord)>, Error> {
        self.scan(key::QUARANTINE, IterationOrder::Ascending, usize::MAX).await
    }

    /// Says whether there is a receipt for the same sample, value and reason.
    pub async fn has_receipt(&self, record: &ReceiptRecord) -> Result<bool, Error> {
        Ok(self.get::<ReceiptRecord>(&key::receipt(record)).await?.is_some())
    }

    /// Returns the receipts of a sample.
    pub async fn receipts_of(&self, sample_id: u64) -> Result<Vec<ReceiptRecord>, Error> {
        let prefix = format!("{}/", key::of_number(key::RECEIPT, sample_id));
        Ok(self.scan(&prefix, IterationOrder::Ascending, usize::MAX).await?.into_iter().map(|(_, one)| one).collect())
    }

    /// Returns receipts, those of the highest sample ids first, at most `limit`.
    pub async fn newest_receipts(&self, limit: usize) -> Result<Vec<ReceiptRecord>, Error> {
        Ok(self.scan(key::RECEIPT, IterationOrder::Descending, limit).await?.into_iter().map(|(_, one)| one).collect())
    }

    /// Returns past runs that began before a time, newest first, at most `limit`.
    pub async fn runs_before(&self, before: Timestamp, limit: usize) -> Result<Vec<RunRecord>, Error> {
        let (from, to) = (key::RUN.as_bytes().to_vec(), key::run(before).into_bytes());
        let mut found = Vec::new();
        let Some(mut rows) = self.iterate(from, to, IterationOrder::Descending).await? else { return Ok(found) };
        while found.len() < limit
            && let Some(row) = rows.next().await?
        {
            found.push(decode(&row.key, &row.value)?);
        }
        Ok(found)
    }

    /// Returns past runs, newest first, at most `limit`.
    pub async fn newest_runs(&self, limit: usize) -> Result<Vec<RunRecord>, Error> {
        Ok(self.scan(key::RUN, IterationOrder::Descending, limit).await?.into_iter().map(|(_, run)| run).collect())
    }
}

/// Reads at most `limit` rows, each with what follows the prefix in its key.
async fn take<R: DeserializeOwned>(
    rows: Option<DbIterator>,
    prefix: &str,
    limit: usize,
) -> Result<Vec<(String, R)>, Error> {
    let mut found = Vec::new();
    let Some(mut rows) = rows else { return Ok(found) };
    while found.len() < limit
        && let Some(row) = rows.next().await?
    {
        let name = row.key.get(prefix.len()..).unwrap_or_default();
        found.push((String::from_utf8_lossy(name).into_owned(), decode(&row.key, &row.value)?));
    }
    Ok(found)
}
