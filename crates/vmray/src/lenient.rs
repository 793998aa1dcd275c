//! Reading that forgives: the macro `record!` defines a model, the trait [`Lenient`] reads one field of it.
//!
//! A field of an unexpected type reads as if it were missing. Only JSON that breaks its own rules fails, and then
//! only the element around it ([`Entry`]). Fields are read as they stream by, without an intermediate value: an
//! IOC reply can hold hundreds of names per entry.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use jiff::Timestamp;
use serde::de::value::MapAccessDeserializer;
use serde::de::{DeserializeOwned, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::entry::read_list;
use crate::{AnalysisId, Entry, JobId, SampleId, SubmissionId, Verdict, time};

/// Fields of an object that have no name in a model.
pub type Map = serde_json::Map<String, Value>;

/// A set of named fields, filled from an object one by one.
pub(crate) trait Fields: Default {
    /// Reads the value of `key` if the field is one of this set; false leaves the value in place.
    fn accept<'de, A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<bool, A::Error>;

    /// Writes the fields by their names on the wire.
    fn emit<M: SerializeMap>(&self, map: &mut M) -> Result<(), M::Error>;

    /// Names an essential field that was not readable.
    fn missing(&self) -> Option<&'static str> {
        None
    }
}

impl Fields for Map {
    fn accept<'de, A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<bool, A::Error> {
        self.insert(key.to_owned(), map.next_value()?);
        Ok(true)
    }

    fn emit<M: SerializeMap>(&self, map: &mut M) -> Result<(), M::Error> {
        self.iter().try_for_each(|(key, value)| map.serialize_entry(key, value))
    }
}

/// Defines a model: `field: Type = "name_on_the_wire"`, a last `..rest: Type, "doc"` for fields of another set,
/// and after the braces the fields without which an element is unreadable.
macro_rules! record {
    (
        $(#[$meta:meta])*
        pub struct $name:ident {
            $( $(#[$field_meta:meta])* $field:ident: $type:ty = $wire:literal, )*
            $( ..$rest:ident: $rest_type:ty, $rest_doc:literal )?
        }
        $( essential $( $essential:ident ),+ )?
    ) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Default, PartialEq)]
        pub struct $name {
            $( $(#[$field_meta])* pub $field: $type, )*
            $( #[doc = $rest_doc] pub $rest: $rest_type, )?
        }

        impl $crate::lenient::Fields for $name {
            fn accept<'de, A: serde::de::MapAccess<'de>>(
                &mut self,
                key: &str,
                map: &mut A,
            ) -> Result<bool, A::Error> {
                match key {
                    $( $wire => self.$field = map.next_value::<$crate::lenient::Soft<$type>>()?.0, )*
                    _ => {
                        $( return $crate::lenient::Fields::accept(&mut self.$rest, key, map); )?
                        #[allow(unreachable_code, reason = "reached by models without a rest")]
                        return Ok(false);
                    }
                }
                Ok(true)
            }

            fn emit<M: serde::ser::SerializeMap>(&self, map: &mut M) -> Result<(), M::Error> {
                $( map.serialize_entry($wire, &$crate::lenient::Wire(&self.$field))?; )*
                $( $crate::lenient::Fields::emit(&self.$rest, map)?; )?
                Ok(())
            }

            $(
                fn missing(&self) -> Option<&'static str> {
                    $( if self.$essential == Default::default() { return Some(stringify!($essential)); } )+
                    None
                }
            )?
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                $crate::lenient::read_record(deserializer)
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                let mut map = serde::Serializer::serialize_map(serializer, None)?;
                $crate::lenient::Fields::emit(self, &mut map)?;
                serde::ser::SerializeMap::end(map)
            }
        }
    };
}
pub(crate) use record;

/// Reads an object into a set of fields.
pub(crate) fn read_record<'de, T: Fields, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
    struct Record<T>(PhantomData<T>);

    impl<'de, T: Fields> Visitor<'de> for Record<T> {
        type Value = T;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<T, A::Error> {
            let mut record = T::default();
            while let Some(Key(key)) = map.next_key()? {
                if !record.accept(&key, &mut map)? {
                    map.next_value::<IgnoredAny>()?;
                }
            }
            match record.missing() {
                Some(field) => Err(A::Error::custom(format_args!("{field} is missing or unreadable"))),
                None => Ok(record),
            }
        }
    }

    deserializer.deserialize_map(Record(PhantomData))
}

/// Reads its content from an object only: what serde derives would take a list for one too.
pub(crate) struct Object<T>(pub(crate) T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Only<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for Only<T> {
            type Value = T;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
                T::deserialize(MapAccessDeserializer::new(map))
            }
        }

        deserializer.deserialize_map(Only(PhantomData)).map(Self)
    }
}

/// A key, borrowed where it is written without escapes.
struct Key<'de>(Cow<'de, str>);

impl<'de> Deserialize<'de> for Key<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;

        impl<'de> Visitor<'de> for Text {
            type Value = Key<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a key")
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Key<'de>, E> {
                Ok(Key(Cow::Borrowed(text)))
            }

            fn visit_str<E>(self, text: &str) -> Result<Key<'de>, E> {
                Ok(Key(Cow::Owned(text.to_owned())))
            }
        }

        deserializer.deserialize_str(Text)
    }
}

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
            _ => None,
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

/// Writes a field as VMRay does: like serde, but for times.
pub(crate) struct Wire<'a, T>(pub(crate) &'a T);

impl Serialize for Wire<'_, Option<Timestamp>> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.map(time::write).serialize(serializer)
    }
}

macro_rules! written_as_is {
    ($($type:ty),+ $(,)?) => { $(
        impl Serialize for Wire<'_, $type> {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                self.0.serialize(serializer)
            }
        }
    )+ };
}
written_as_is!(
    bool,
    Option<bool>,
    Option<i64>,
    Option<u64>,
    Option<f64>,
    Option<String>,
    Option<Verdict>,
    Vec<u64>,
    Vec<String>,
    Vec<Value>,
    SampleId,
    SubmissionId,
    AnalysisId,
    JobId,
    Option<SampleId>,
    Option<SubmissionId>,
    Vec<SampleId>,
    Vec<SubmissionId>,
    crate::ReportStatus,
);

impl<T: Serialize> Serialize for Wire<'_, Vec<Entry<T>>> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}
