//! About how many bytes a value takes in memory, told by how it would be written.

use std::fmt;

use serde::ser::{self, Serialize, Serializer};

/// What a string or list takes beside its content: its place, and what the allocator keeps.
const HELD: u64 = 40;
/// What an entry of a map takes beside its value and twice its key: such maps have lists of their keys beside.
const ENTRY: u64 = 64;

/// About how many bytes `value` takes. Cost: a walk over all of it.
pub(super) fn bytes_of(value: &impl Serialize) -> u64 {
    let mut walk = Walk(0);
    // It writes nothing, so nothing can fail but a value that refuses to be written.
    let _ = value.serialize(&mut walk);
    walk.0
}

struct Walk(u64);

type Walked = Result<(), fmt::Error>;

impl Walk {
    fn add(&mut self, bytes: usize) -> Walked {
        self.0 = self.0.saturating_add(bytes as u64);
        Ok(())
    }

    fn held(&mut self) -> Result<&mut Self, fmt::Error> {
        self.0 = self.0.saturating_add(HELD);
        Ok(self)
    }

    fn twice(&mut self, key: &(impl Serialize + ?Sized)) -> Walked {
        let before = self.0;
        key.serialize(&mut *self)?;
        self.0 = self.0.saturating_add(self.0 - before).saturating_add(ENTRY);
        Ok(())
    }
}

macro_rules! plain {
    ($($name:ident $kind:ty),*) => {$(
        fn $name(self, _: $kind) -> Walked {
            self.add(size_of::<$kind>())
        }
    )*};
}

impl Serializer for &mut Walk {
    type Ok = ();
    type Error = fmt::Error;
    type SerializeSeq = Self;
    type SerializeTuple = Self;
    type SerializeTupleStruct = Self;
    type SerializeTupleVariant = Self;
    type SerializeMap = Self;
    type SerializeStruct = Self;
    type SerializeStructVariant = Self;

    plain!(
        serialize_bool bool, serialize_i8 i8, serialize_i16 i16, serialize_i32 i32, serialize_i64 i64,
        serialize_i128 i128, serialize_u8 u8, serialize_u16 u16, serialize_u32 u32, serialize_u64 u64,
        serialize_u128 u128, serialize_f32 f32, serialize_f64 f64, serialize_char char
    );

    fn serialize_str(self, text: &str) -> Walked {
        self.held()?.add(text.len())
    }

    fn serialize_bytes(self, bytes: &[u8]) -> Walked {
        self.held()?.add(bytes.len())
    }

    fn serialize_none(self) -> Walked {
        self.add(8)
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Walked {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Walked {
        Ok(())
    }

    fn serialize_unit_struct(self, _: &'static str) -> Walked {
        Ok(())
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, _: &'static str) -> Walked {
        self.add(8)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, value: &T) -> Walked {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        value: &T,
    ) -> Walked {
        self.add(8)?;
        value.serialize(self)
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Self, fmt::Error> {
        self.held()
    }

    fn serialize_tuple(self, _: usize) -> Result<Self, fmt::Error> {
        Ok(self)
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Self, fmt::Error> {
        Ok(self)
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self, fmt::Error> {
        self.add(8)?;
        Ok(self)
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Self, fmt::Error> {
        self.held()
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Self, fmt::Error> {
        Ok(self)
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self, fmt::Error> {
        self.add(8)?;
        Ok(self)
    }
}

macro_rules! parts {
    ($($kind:ident $part:ident),*) => {$(
        impl ser::$kind for &mut Walk {
            type Ok = ();
            type Error = fmt::Error;

            fn $part<T: Serialize + ?Sized>(&mut self, value: &T) -> Walked {
                value.serialize(&mut **self)
            }

            fn end(self) -> Walked {
                Ok(())
            }
        }
    )*};
}

parts!(
    SerializeSeq serialize_element,
    SerializeTuple serialize_element,
    SerializeTupleStruct serialize_field,
    SerializeTupleVariant serialize_field
);

macro_rules! fields {
    ($($kind:ident),*) => {$(
        impl ser::$kind for &mut Walk {
            type Ok = ();
            type Error = fmt::Error;

            fn serialize_field<T: Serialize + ?Sized>(&mut self, _: &'static str, value: &T) -> Walked {
                value.serialize(&mut **self)
            }

            fn end(self) -> Walked {
                Ok(())
            }
        }
    )*};
}

fields!(SerializeStruct, SerializeStructVariant);

impl ser::SerializeMap for &mut Walk {
    type Ok = ();
    type Error = fmt::Error;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Walked {
        self.twice(key)
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Walked {
        value.serialize(&mut **self)
    }

    fn end(self) -> Walked {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn a_value_has_the_bytes_of_its_parts() {
        assert_eq!(bytes_of(&1u64), 8);
        assert_eq!(bytes_of(&"four"), HELD + 4);
        assert_eq!(bytes_of(&vec![1u16, 2, 3]), HELD + 6);
        assert_eq!(bytes_of(&(Some(1.5f64), (), None::<u8>)), 16);
        let map = BTreeMap::from([("a", vec![1u8]), ("bc", vec![])]);
        assert_eq!(bytes_of(&map), HELD + 2 * (ENTRY + 2 * HELD + HELD) + 2 * 3 + 1);
        // Keys may be anything, as those of what is counted are.
        assert_eq!(bytes_of(&BTreeMap::from([((1u8, 2u8), 3u8)])), HELD + ENTRY + 2 * 2 + 1);
    }
}
