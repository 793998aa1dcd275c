//! What the ledger holds, read at most every few seconds however many ask.

use std::sync::Arc;
use std::time::Duration;

use ledger::Storage;
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::view::View;

/// The ledger is not read more often than this.
const FRESH_FOR: Duration = Duration::from_secs(2);

/// The ledger with what was last read of it.
#[derive(Debug)]
pub(crate) struct Recent {
    storage: Storage,
    read: Mutex<Option<(Instant, Arc<View>)>>,
}

impl Recent {
    pub(crate) fn new(storage: Storage) -> Self {
        Self { storage, read: Mutex::default() }
    }

    /// Returns the state of the ledger, not older than [`FRESH_FOR`].
    pub(super) async fn view(&self) -> Result<Arc<View>, ledger::Error> {
        let mut read = self.read.lock().await;
        if let Some((when, view)) = &*read
            && when.elapsed() < FRESH_FOR
        {
            return Ok(Arc::clone(view));
        }
        let view = Arc::new(Box::pin(View::read(&self.storage)).await?);
        *read = Some((Instant::now(), Arc::clone(&view)));
        Ok(view)
    }
}
