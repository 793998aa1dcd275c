//! Traffic Light Protocol: who may see an object.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;
use uuid::Uuid;

use crate::id::{ObjectType, StixId};

/// The four colours. The ids are those of STIX 2.1, which are of TLP 1: white is today's clear.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tlp {
    /// Everybody.
    Clear,
    /// The community.
    Green,
    /// The organisation and its clients.
    #[default]
    Amber,
    /// The named recipients.
    Red,
}

impl Tlp {
    /// Returns the id for `object_marking_refs`. The definition itself is never sent: the upload API refuses it.
    pub fn marking(self) -> StixId {
        let uuid = match self {
            Self::Clear => 0x613f_2e26_407d_48c7_9eca_b8e9_1df9_9dc9,
            Self::Green => 0x3409_8fce_860f_48ae_8e50_ebd3_cc5e_41da,
            Self::Amber => 0xf88d_31f6_486f_44da_b317_0133_3bde_0b82,
            Self::Red => 0x5e57_c739_391a_4eb3_b6be_7d15_ca92_d5ed,
        };
        StixId::new(ObjectType::MarkingDefinition, Uuid::from_u128(uuid))
    }

    /// Returns the colour's name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Clear => "clear",
            Self::Green => "green",
            Self::Amber => "amber",
            Self::Red => "red",
        }
    }
}

impl fmt::Display for Tlp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Tlp {
    type Err = UnknownTlp;

    fn from_str(text: &str) -> Result<Self, UnknownTlp> {
        match text.to_ascii_lowercase().as_str() {
            "clear" | "white" => Ok(Self::Clear),
            "green" => Ok(Self::Green),
            "amber" => Ok(Self::Amber),
            "red" => Ok(Self::Red),
            _ => Err(UnknownTlp),
        }
    }
}

/// The text names no colour.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("the TLP colours are clear (or white), green, amber and red")]
pub struct UnknownTlp;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn white_is_clear() {
        assert_eq!("White".parse(), Ok(Tlp::Clear));
        assert_eq!("amber+strict".parse::<Tlp>(), Err(UnknownTlp));
        let id = "marking-definition--613f2e26-407d-48c7-9eca-b8e91df99dc9";
        assert_eq!(Tlp::Clear.marking().to_string(), id);
    }
}
