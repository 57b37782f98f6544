//! One cell of a column as a JSON value.

use arrow_array::cast::AsArray;
use arrow_array::types::*;
use arrow_array::{Array, ArrayRef, ArrowPrimitiveType};
use arrow_schema::{DataType, TimeUnit};
use serde_json::{Map, Value};

use super::time;
use crate::corpus::reader::source::ReadError;
use crate::error::{Error, ErrorCode};

/// A cell that does not read takes away itself alone, [`ReadError::Document`], unless the file is damaged.
type Result<T, E = ReadError> = std::result::Result<T, E>;

/// The value of row `row`; null for null and NaN.
///
/// # Errors
/// [`ErrorCode::NotFinite`] for an infinite number.
///
/// # Panics
/// For types that [`super::column`] refuses.
pub(super) fn read(array: &dyn Array, row: usize) -> Result<Value> {
    use DataType as D;
    if array.is_null(row) {
        return Ok(Value::Null);
    }
    Ok(match array.data_type() {
        D::Null => Value::Null,
        D::Boolean => array.as_boolean().value(row).into(),
        D::Int8 => primitive::<Int8Type>(array, row).into(),
        D::Int16 => primitive::<Int16Type>(array, row).into(),
        D::Int32 => primitive::<Int32Type>(array, row).into(),
        D::Int64 => primitive::<Int64Type>(array, row).into(),
        D::UInt8 => primitive::<UInt8Type>(array, row).into(),
        D::UInt16 => primitive::<UInt16Type>(array, row).into(),
        D::UInt32 => primitive::<UInt32Type>(array, row).into(),
        D::UInt64 => primitive::<UInt64Type>(array, row).into(),
        D::Float16 => float(primitive::<Float16Type>(array, row).to_f64())?,
        D::Float32 => float(f64::from(primitive::<Float32Type>(array, row)))?,
        D::Float64 => float(primitive::<Float64Type>(array, row))?,
        D::Utf8 => array.as_string::<i32>().value(row).into(),
        D::LargeUtf8 => array.as_string::<i64>().value(row).into(),
        D::Utf8View => array.as_string_view().value(row).into(),
        D::Date32 => time::date(primitive::<Date32Type>(array, row).into()).into(),
        D::Date64 => {
            // Milliseconds, by the format those of midnight.
            let stamp =
                time::timestamp(primitive::<Date64Type>(array, row), time::ticks(&TimeUnit::Millisecond));
            stamp.strip_suffix("T00:00:00").map_or_else(|| format!("{stamp}Z"), str::to_owned).into()
        }
        D::Time32(unit) => {
            let value = match unit {
                TimeUnit::Second => primitive::<Time32SecondType>(array, row),
                _ => primitive::<Time32MillisecondType>(array, row),
            };
            time::time(value.into(), time::ticks(unit)).into()
        }
        D::Time64(unit) => {
            let value = match unit {
                TimeUnit::Microsecond => primitive::<Time64MicrosecondType>(array, row),
                _ => primitive::<Time64NanosecondType>(array, row),
            };
            time::time(value, time::ticks(unit)).into()
        }
        D::Timestamp(unit, _) => {
            let value = match unit {
                TimeUnit::Second => primitive::<TimestampSecondType>(array, row),
                TimeUnit::Millisecond => primitive::<TimestampMillisecondType>(array, row),
                TimeUnit::Microsecond => primitive::<TimestampMicrosecondType>(array, row),
                TimeUnit::Nanosecond => primitive::<TimestampNanosecondType>(array, row),
            };
            // A column with a zone holds UTC, and the zone says how to show it; one without is read as UTC.
            (time::timestamp(value, time::ticks(unit)) + "Z").into()
        }
        D::Decimal32(_, scale)
        | D::Decimal64(_, scale)
        | D::Decimal128(_, scale)
        | D::Decimal256(_, scale) => decimal(&written(array, row), *scale),
        D::Dictionary(..) => {
            let (values, key) = entry(array, row)?;
            read(values, key)?
        }
        D::Struct(_) => {
            let fields = array.as_struct();
            let mut object = Map::with_capacity(fields.num_columns());
            for (name, column) in fields.column_names().into_iter().zip(fields.columns()) {
                let value = read(column, row)?;
                if !value.is_null() {
                    object.insert(name.to_owned(), value);
                }
            }
            Value::Object(object)
        }
        D::Map(..) => {
            let entries = array.as_map().value(row);
            let (keys, values) = (entries.column(0), entries.column(1));
            let mut object = Map::with_capacity(entries.len());
            for at in 0..entries.len() {
                let (key, value) = (read(keys, at)?, read(values, at)?);
                let key = match key {
                    Value::String(key) => key,
                    other => other.to_string(),
                };
                if !value.is_null() && object.insert(key.clone(), value).is_some() {
                    let what = format!("the key `{key}` stands twice in a map");
                    return Err(ReadError::Document(Error::new(ErrorCode::BadValue, what)));
                }
            }
            Value::Object(object)
        }
        D::List(_) | D::LargeList(_) | D::FixedSizeList(..) => {
            let list = elements(array, row);
            (0..list.len()).map(|at| read(&list, at)).collect::<Result<Vec<_>>>()?.into()
        }
        other => unreachable!("a column of type {other} was refused when the file was opened"),
    })
}

/// The value of an id: of a decimal all its digits, where [`read`] would give a float; of an instant without a zone no zone.
///
/// # Errors
/// Those of [`read`].
pub(super) fn read_id(array: &dyn Array, row: usize) -> Result<Value> {
    use DataType as D;
    if array.is_null(row) {
        return Ok(Value::Null);
    }
    match array.data_type() {
        D::Decimal32(..) | D::Decimal64(..) | D::Decimal128(..) | D::Decimal256(..) => {
            let digits = written(array, row);
            // A negative scale may have made `000` of zero.
            let zero = digits.bytes().all(|byte| byte == b'0');
            Ok(if zero { 0.into() } else { digits.into() })
        }
        D::Dictionary(..) => {
            let (values, key) = entry(array, row)?;
            read_id(values, key)
        }
        // Ids of before had no zone, and one that is added again is to replace them.
        D::Timestamp(_, None) | D::Date64 => Ok(match read(array, row)? {
            Value::String(stamp) => stamp.trim_end_matches('Z').into(),
            other => other,
        }),
        _ => read(array, row),
    }
}

/// The values of a dictionary, and the place of that of row `row`.
fn entry(array: &dyn Array, row: usize) -> Result<(&dyn Array, usize)> {
    let dictionary = array.as_any_dictionary();
    match key(dictionary.keys(), row) {
        Some(key) if key < dictionary.values().len() => Ok((dictionary.values().as_ref(), key)),
        _ => Err(ReadError::End(super::damage::damaged("a key is outside of its dictionary"))),
    }
}

/// The elements of a cell of a list.
pub(super) fn elements(array: &dyn Array, row: usize) -> ArrayRef {
    match array.data_type() {
        DataType::List(_) => array.as_list::<i32>().value(row),
        DataType::LargeList(_) => array.as_list::<i64>().value(row),
        _ => array.as_fixed_size_list().value(row),
    }
}

fn primitive<T: ArrowPrimitiveType>(array: &dyn Array, row: usize) -> T::Native {
    array.as_primitive::<T>().value(row)
}

fn float(value: f64) -> Result<Value> {
    if value.is_infinite() {
        let error = Error::new(ErrorCode::NotFinite, "a number is infinite");
        return Err(ReadError::Document(error.expected("a finite number").got(value)));
    }
    // Null where it is NaN.
    Ok(Value::from(value))
}

/// The digits of a decimal.
fn written(array: &dyn Array, row: usize) -> String {
    match array.data_type() {
        DataType::Decimal32(..) => array.as_primitive::<Decimal32Type>().value_as_string(row),
        DataType::Decimal64(..) => array.as_primitive::<Decimal64Type>().value_as_string(row),
        DataType::Decimal128(..) => array.as_primitive::<Decimal128Type>().value_as_string(row),
        _ => array.as_primitive::<Decimal256Type>().value_as_string(row),
    }
}

/// An integer where the column has no fraction and it fits, else the nearest float: a column has one type.
fn decimal(written: &str, scale: i8) -> Value {
    let small = || written.parse::<i64>().ok().map(Value::from);
    let integer = || small().or_else(|| written.parse::<u64>().ok().map(Value::from));
    match integer().filter(|_| scale <= 0) {
        Some(integer) => integer,
        // 256 bits are far below the largest float.
        None => written.parse::<f64>().map_or_else(|_| Value::from(written), Value::from),
    }
}

fn key(keys: &dyn Array, row: usize) -> Option<usize> {
    match keys.data_type() {
        DataType::Int8 => usize::try_from(primitive::<Int8Type>(keys, row)).ok(),
        DataType::Int16 => usize::try_from(primitive::<Int16Type>(keys, row)).ok(),
        DataType::Int32 => usize::try_from(primitive::<Int32Type>(keys, row)).ok(),
        DataType::Int64 => usize::try_from(primitive::<Int64Type>(keys, row)).ok(),
        DataType::UInt8 => Some(primitive::<UInt8Type>(keys, row).into()),
        DataType::UInt16 => Some(primitive::<UInt16Type>(keys, row).into()),
        DataType::UInt32 => usize::try_from(primitive::<UInt32Type>(keys, row)).ok(),
        _ => usize::try_from(primitive::<UInt64Type>(keys, row)).ok(),
    }
}
