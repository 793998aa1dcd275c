//! Rows as the bodies of calls: JSON arrays, each small enough, compressed.

use std::io::Write as _;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::Value;

use crate::{LogRow, LogsError};

/// Bytes of a call, before and after compression (Logs Ingestion API limit: 1 MB). What is left of a full megabyte is
/// for rows that do not compress: gzip makes them a little longer.
const MAX_CALL_BYTES: usize = 999_000;
/// Bytes of a text in a column (Logs Ingestion API limit: 64 KB; the service cuts a longer one in silence).
const MAX_FIELD_BYTES: usize = 64_000;
/// What stands at the end of a text that was cut.
const CUT: &str = "…";

/// Returns the bodies of the calls that carry all rows.
///
/// # Errors
///
/// As [`arrays`].
pub(crate) fn bodies(rows: Vec<LogRow>) -> Result<Vec<Bytes>, LogsError> {
    arrays(rows)?.iter().map(|array| compressed(array)).collect()
}

/// Returns the arrays that hold all rows, in their order; each is one call.
///
/// # Errors
///
/// [`LogsError::RowTooLarge`] where a row alone is too large for a call.
fn arrays(rows: Vec<LogRow>) -> Result<Vec<Vec<u8>>, LogsError> {
    let mut arrays = Vec::new();
    let mut array = vec![b'['];
    for mut row in rows {
        for value in row.values_mut() {
            shorten(value);
        }
        let row = serde_json::to_vec(&row).map_err(|error| LogsError::Unsendable { reason: error.to_string() })?;
        // The brackets.
        if row.len() + 2 > MAX_CALL_BYTES {
            return Err(LogsError::RowTooLarge { bytes: row.len() });
        }
        // A comma, and the bracket at the end.
        if array.len() > 1 && array.len() + row.len() + 2 > MAX_CALL_BYTES {
            array.push(b']');
            arrays.push(std::mem::replace(&mut array, vec![b'[']));
        }
        if array.len() > 1 {
            array.push(b',');
        }
        array.extend_from_slice(&row);
    }
    if array.len() > 1 {
        array.push(b']');
        arrays.push(array);
    }
    Ok(arrays)
}

/// Returns an array as it is sent.
pub(crate) fn compressed(array: &[u8]) -> Result<Bytes, LogsError> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    let packed = encoder.write_all(array).and_then(|()| encoder.finish());
    // Writing to memory does not fail.
    packed.map(Bytes::from).map_err(|error| LogsError::Unsendable { reason: error.to_string() })
}

/// Cuts a text that the service would cut, and marks the place.
fn shorten(value: &mut Value) {
    let Value::String(text) = value else { return };
    if text.len() <= MAX_FIELD_BYTES {
        return;
    }
    let mut end = MAX_FIELD_BYTES - CUT.len();
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.truncate(end);
    text.push_str(CUT);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(text: String) -> LogRow {
        [("Text".to_owned(), Value::String(text))].into_iter().collect()
    }

    #[test]
    fn rows_share_a_call_until_it_is_full_and_keep_their_order() {
        let rows = (0..100).map(|n| row(format!("{n} {}", "x".repeat(30_000)))).collect();
        let arrays = arrays(rows).unwrap();
        assert_eq!(arrays.len(), 4);
        assert!(arrays.iter().all(|array| array.len() <= MAX_CALL_BYTES));
        let read: Vec<LogRow> = arrays.iter().flat_map(|a| serde_json::from_slice::<Vec<LogRow>>(a).unwrap()).collect();
        let firsts: Vec<_> = read.iter().map(|row| row["Text"].as_str().unwrap().split_once(' ').unwrap().0).collect();
        assert_eq!(firsts, (0..100).map(|n| n.to_string()).collect::<Vec<_>>());
    }

    #[test]
    fn no_rows_are_no_call_and_one_is_an_array_all_the_same() {
        assert!(arrays(Vec::new()).unwrap().is_empty());
        assert_eq!(arrays(vec![row("a".to_owned())]).unwrap(), [br#"[{"Text":"a"}]"#.to_vec()]);
    }

    #[test]
    fn a_long_text_is_cut_between_characters() {
        for text in ["x".repeat(70_000), "ü".repeat(40_000), "😀".repeat(20_000)] {
            let arrays = arrays(vec![row(text)]).unwrap();
            let read: Vec<LogRow> = serde_json::from_slice(&arrays[0]).unwrap();
            let text = read[0]["Text"].as_str().unwrap();
            assert!(text.len() <= MAX_FIELD_BYTES && text.len() > MAX_FIELD_BYTES - 8 && text.ends_with(CUT));
        }
    }

    #[test]
    fn a_row_that_no_call_can_carry_is_an_error() {
        let wide = (0..20).map(|n| (format!("C{n}"), Value::String("x".repeat(60_000)))).collect();
        assert!(matches!(arrays(vec![wide]), Err(LogsError::RowTooLarge { bytes }) if bytes > 1_000_000));
    }

    #[test]
    fn what_does_not_compress_still_fits() {
        let mut state = 1_u64;
        let noise: Vec<u8> = (0..MAX_CALL_BYTES / 4)
            .flat_map(|_| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                let [_, _, _, _, high @ ..] = state.to_le_bytes();
                high
            })
            .collect();
        assert!(compressed(&noise).unwrap().len() <= 1_000_000);
    }
}
