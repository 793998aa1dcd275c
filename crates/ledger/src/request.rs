//! Values beside the ledger, each in an object of its own: how they are written, and what becomes of a damaged request.
//!
//! A request must not keep a run from everything else. So a damaged one stays where it is and is left out, and the run that
//! left it out ends with it as its error. That a request was deleted cannot be known: nothing but itself says that it was
//! made.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::record::VALUE_VERSION;
use crate::{Error, checksums};

/// First byte of a value that stands alone in an object and carries its own checksum.
const SEALED_VERSION: u8 = 2;

/// Writes a value for an object of its own. The engine's files have checksums; such an object has only this one.
pub(crate) fn seal<R: Serialize>(record: &R) -> Result<Bytes, Error> {
    let json = serde_json::to_vec(record).map_err(|error| Error::Storage(Box::new(error)))?;
    let mut bytes = vec![SEALED_VERSION];
    bytes.extend(checksums::of_parts([json.as_slice()]));
    bytes.extend(json);
    Ok(bytes.into())
}

/// Reads a request back; those of earlier versions have no checksum.
pub(crate) fn unseal<R: DeserializeOwned>(name: &str, bytes: &[u8]) -> Result<R, Error> {
    let read = match bytes.split_first() {
        Some((&VALUE_VERSION, json)) => parsed(json),
        _ => open(bytes),
    };
    read.map_err(|reason| Error::DamagedRequest { what: name.to_owned(), reason })
}

/// Reads a value back that [`seal`] wrote, or says why it is not what was written.
pub(crate) fn open<R: DeserializeOwned>(bytes: &[u8]) -> Result<R, String> {
    match bytes.split_first() {
        None => Err("it is empty".to_owned()),
        Some((&SEALED_VERSION, rest)) => match rest.split_first_chunk() {
            Some((checksum, json)) if *checksum == checksums::of_parts([json]) => parsed(json),
            _ => Err("its content is not the one that was written".to_owned()),
        },
        // A flipped bit is likelier than a newer version, and neither can be read.
        Some((other, _)) => Err(format!("its format {other} is not known")),
    }
}

fn parsed<R: DeserializeOwned>(json: &[u8]) -> Result<R, String> {
    serde_json::from_slice(json).map_err(|error| error.to_string())
}

/// The first request that was left out.
#[derive(Debug, Clone, Default)]
pub(crate) struct LeftOut(Arc<Mutex<Option<Error>>>);

impl LeftOut {
    pub(crate) fn note(&self, error: Error) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
    }

    pub(crate) fn take(&self) -> Option<Error> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_with_any_bit_flipped_or_cut_anywhere_is_refused() {
        let whole = seal(&["indicator--1"]).unwrap();
        assert_eq!(unseal::<Vec<String>>("a", &whole).unwrap(), ["indicator--1"]);
        for place in 0..whole.len() {
            unseal::<Vec<String>>("a", &whole[..place]).unwrap_err();
            for bit in 0..8 {
                let mut flipped = whole.to_vec();
                flipped[place] ^= 1 << bit;
                unseal::<Vec<String>>("a", &flipped).unwrap_err();
            }
        }
    }

    #[test]
    fn a_request_of_an_earlier_version_is_read() {
        assert_eq!(unseal::<Vec<String>>("a", b"\x01[\"b\"]").unwrap(), ["b"]);
    }
}
