//! Reading one field that forgives.
//!
//! A field of an unexpected type reads as if it were missing. Only JSON that breaks its own rules fails, and then
//! only the element around it ([`Entry`]).

use std::fmt;

use jiff::Timestamp;
use serde::Deserialize;
use serde::de::{DeserializeOwned, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::entry::read_list;
use crate::{AnalysisId, Entry, JobId, SampleId, SubmissionId, Verdict, time};

/// A field that is read whatever is there. What does not fit is the default.
pub(crate) trait Lenient: Sized {
    /// Reads the field.
    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error>;
}

/// Reads its content leniently.
pub(crate) struct Soft<T>(pub(crate) T);

impl<'de, T: Lenient> Deserialize<'de> for Soft<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        T::read(deserializer).map(Self)
    }
}

/// What a field holds, as far as a scalar can be told.
pub(crate) enum Scalar {
    Null,
    Bool(bool),
    Unsigned(u64),
    Signed(i64),
    Float(f64),
    Text(String),
    List(Vec<Scalar>),
    Object,
}

impl<'de> Deserialize<'de> for Scalar {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;

        impl<'de> Visitor<'de> for Any {
            type Value = Scalar;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("any value")
            }

            fn visit_unit<E>(self) -> Result<Scalar, E> {
                Ok(Scalar::Null)
            }

            fn visit_bool<E>(self, value: bool) -> Result<Scalar, E> {
                Ok(Scalar::Bool(value))
            }

            fn visit_u64<E>(self, value: u64) -> Result<Scalar, E> {
                Ok(Scalar::Unsigned(value))
            }

            fn visit_i64<E>(self, value: i64) -> Result<Scalar, E> {
                Ok(Scalar::Signed(value))
            }

            fn visit_f64<E>(self, value: f64) -> Result<Scalar, E> {
                Ok(Scalar::Float(value))
            }

            fn visit_str<E>(self, text: &str) -> Result<Scalar, E> {
                Ok(Scalar::Text(text.to_owned()))
            }

            fn visit_string<E>(self, text: String) -> Result<Scalar, E> {
                Ok(Scalar::Text(text))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Scalar, A::Error> {
                let mut items = Vec::new();
                while let Some(item) = list.next_element()? {
                    items.push(item);
                }
                Ok(Scalar::List(items))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Scalar, A::Error> {
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(Scalar::Object)
            }
        }

        deserializer.deserialize_any(Any)
    }
}

/// A type that a scalar can stand for.
pub(crate) trait FromScalar: Sized {
    /// Converts, or says that it does not fit.
    fn from_scalar(scalar: Scalar) -> Option<Self>;
}

impl FromScalar for String {
    fn from_scalar(scalar: Scalar) -> Option<Self> {
        match scalar {
            Scalar::Text(text) => Some(text),
            // Reason codes and scores are numbers on some servers and words on others.
            Scalar::Unsigned(number) => Some(number.to_string()),
            Scalar::Signed(number) => Some(number.to_string()),
            Scalar::Float(number) => Some(number.to_string()),
            _ => None,
        }
    }
}

impl FromScalar for bool {
    fn from_scalar(scalar: Scalar) -> Option<Self> {
        match scalar {
            Scalar::Bool(value) => Some(value),
            Scalar::Text(text) if text.eq_ignore_ascii_case("true") => Some(true),
            Scalar::Text(text) if text.eq_ignore_ascii_case("false") => Some(false),
            Scalar::Unsigned(0) => Some(false),
            Scalar::Unsigned(1) => Some(true),
            _ => None,
        }
    }
}

impl FromScalar for i64 {
    fn from_scalar(scalar: Scalar) -> Option<Self> {
        match scalar {
            Scalar::Unsigned(number) => number.try_into().ok(),
            Scalar::Signed(number) => Some(number),
            Scalar::Float(number) if number.fract() == 0.0 && number.abs() < 9e15 =>
            {
                #[expect(clippy::cast_possible_truncation, reason = "a whole number within the range")]
                Some(number as i64)
            }
            Scalar::Text(text) => text.trim().parse().ok(),
            _ => None,
        }
    }
}

impl FromScalar for u64 {
    fn from_scalar(scalar: Scalar) -> Option<Self> {
        match scalar {
            Scalar::Unsigned(number) => Some(number),
            other => i64::from_scalar(other)?.try_into().ok(),
        }
    }
}

impl FromScalar for f64 {
    fn from_scalar(scalar: Scalar) -> Option<Self> {
        match scalar {
            Scalar::Float(number) => Some(number),
            Scalar::Text(text) => text.trim().parse().ok().filter(|number: &f64| number.is_finite()),
            #[expect(clippy::cast_precision_loss, reason = "versions and scores are small")]
            other => i64::from_scalar(other).map(|number| number as f64),
        }
    }
}

impl FromScalar for Timestamp {
    fn from_scalar(scalar: Scalar) -> Option<Self> {
        match scalar {
            Scalar::Text(text) => time::read(&text),
            _ => None,
        }
    }
}

impl FromScalar for Verdict {
    fn from_scalar(scalar: Scalar) -> Option<Self> {
        match scalar {
            Scalar::Text(text) if !text.trim().is_empty() => Some(Self::from(text.as_str())),
            Scalar::Null | Scalar::Text(_) => None,
            // Something is said, and a verdict that nobody can read must not pass for none at all.
            Scalar::Bool(flag) => Some(Self::Other(flag.to_string())),
            Scalar::Unsigned(number) => Some(Self::Other(number.to_string())),
            Scalar::Signed(number) => Some(Self::Other(number.to_string())),
            Scalar::Float(number) => Some(Self::Other(number.to_string())),
            Scalar::List(_) => Some(Self::Other("a list".to_owned())),
            Scalar::Object => Some(Self::Other("an object".to_owned())),
        }
    }
}

macro_rules! ids_are_numbers {
    ($($name:ident)+) => { $(
        impl FromScalar for $name {
            fn from_scalar(scalar: Scalar) -> Option<Self> {
                u64::from_scalar(scalar).map(Self)
            }
        }

        impl Lenient for $name {
            fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                Ok(Self::from_scalar(Scalar::deserialize(deserializer)?).unwrap_or_default())
            }
        }
    )+ };
}
ids_are_numbers!(SampleId SubmissionId AnalysisId JobId);

impl<T: FromScalar> Lenient for Option<T> {
    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(T::from_scalar(Scalar::deserialize(deserializer)?))
    }
}

impl Lenient for bool {
    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(bool::from_scalar(Scalar::deserialize(deserializer)?).unwrap_or_default())
    }
}

impl<T: FromScalar> Lenient for Vec<T> {
    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(match Scalar::deserialize(deserializer)? {
            Scalar::List(items) => items.into_iter().filter_map(T::from_scalar).collect(),
            // A lone value in place of a list is a list of one.
            lone => T::from_scalar(lone).into_iter().collect(),
        })
    }
}

impl<T: DeserializeOwned> Lenient for Vec<Entry<T>> {
    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(read_list(Box::<RawValue>::deserialize(deserializer)?.get()))
    }
}

impl Lenient for Vec<Value> {
    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(match Value::deserialize(deserializer)? {
            Value::Array(items) => items,
            _ => Self::new(),
        })
    }
}
