//! The macro `record!` defines a model from its fields and their names on the wire.
//!
//! Fields are read as they stream by, without an intermediate value: an IOC reply can hold hundreds of names per
//! entry. How one field is read is [`Lenient`](crate::lenient::Lenient)'s.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use jiff::Timestamp;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, Error as _, IgnoredAny, MapAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Serialize};
use serde_json::Value;

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

        impl $crate::record::Fields for $name {
            fn accept<'de, A: serde::de::MapAccess<'de>>(
                &mut self,
                key: &str,
                map: &mut A,
            ) -> Result<bool, A::Error> {
                match key {
                    $( $wire => self.$field = map.next_value::<$crate::lenient::Soft<$type>>()?.0, )*
                    _ => {
                        $( return $crate::record::Fields::accept(&mut self.$rest, key, map); )?
                        #[allow(unreachable_code, reason = "reached by models without a rest")]
                        return Ok(false);
                    }
                }
                Ok(true)
            }

            fn emit<M: serde::ser::SerializeMap>(&self, map: &mut M) -> Result<(), M::Error> {
                $( map.serialize_entry($wire, &$crate::record::Wire(&self.$field))?; )*
                $( $crate::record::Fields::emit(&self.$rest, map)?; )?
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
                $crate::record::read_record(deserializer)
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                let mut map = serde::Serializer::serialize_map(serializer, None)?;
                $crate::record::Fields::emit(self, &mut map)?;
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
