//! Plain Python values and JSON.

use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyDict, PyFloat, PyInt, PyList, PyString, PyTuple};
use serde::Serialize;
use serde_json::{Map, Number, Value};

/// Most lists and dicts inside of each other.
const DEPTH: usize = 100;

/// What serialises, as dicts, lists, strings and numbers.
pub(crate) fn plain<'py>(py: Python<'py>, value: &impl Serialize) -> PyResult<Bound<'py, PyAny>> {
    let value = serde_json::to_value(value).map_err(|error| PyValueError::new_err(error.to_string()))?;
    to_python(py, &value)
}

/// A JSON value in Python.
pub(crate) fn to_python<'py>(py: Python<'py>, value: &Value) -> PyResult<Bound<'py, PyAny>> {
    Ok(match value {
        Value::Null => py.None().into_bound(py),
        Value::Bool(is) => PyBool::new(py, *is).to_owned().into_any(),
        Value::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(number), _) => number.into_pyobject(py)?.into_any(),
            (_, Some(number)) => number.into_pyobject(py)?.into_any(),
            _ => PyFloat::new(py, number.as_f64().unwrap_or(f64::NAN)).into_any(),
        },
        Value::String(text) => PyString::new(py, text).into_any(),
        Value::Array(values) => {
            let list = PyList::empty(py);
            for value in values {
                list.append(to_python(py, value)?)?;
            }
            list.into_any()
        }
        Value::Object(object) => {
            let dict = PyDict::new(py);
            for (key, value) in object {
                dict.set_item(key, to_python(py, value)?)?;
            }
            dict.into_any()
        }
    })
}

/// A value as JSON.
fn nested(value: &Bound<'_, PyAny>, depth: usize) -> PyResult<Value> {
    let Some(depth) = depth.checked_sub(1) else {
        return Err(PyValueError::new_err(format!("a value is nested deeper than {DEPTH}")));
    };
    if value.is_none() {
        return Ok(Value::Null);
    }
    if let Ok(is) = value.cast::<PyBool>() {
        return Ok(Value::Bool(is.is_true()));
    }
    if let Ok(text) = value.cast::<PyString>() {
        return Ok(Value::String(text.extract::<String>()?));
    }
    if value.is_instance_of::<PyInt>() {
        let number = value.extract::<i64>().map(Number::from);
        return Ok(Value::Number(number.or_else(|_| value.extract::<u64>().map(Number::from))?));
    }
    if let Ok(float) = value.cast::<PyFloat>() {
        let number = Number::from_f64(float.value());
        return number.map(Value::Number).ok_or_else(|| PyValueError::new_err("a number is not finite"));
    }
    if let Ok(dict) = value.cast::<PyDict>() {
        return object(dict, depth).map(Value::Object);
    }
    if value.is_instance_of::<PyList>() || value.is_instance_of::<PyTuple>() {
        let values = value.try_iter()?.map(|item| nested(&item?, depth));
        return values.collect::<PyResult<_>>().map(Value::Array);
    }
    for method in ["__fspath__", "tolist", "isoformat"] {
        if value.hasattr(method)? {
            return nested(&value.call_method0(method)?, depth);
        }
    }
    let name = value.get_type().qualname()?.to_string();
    Err(PyTypeError::new_err(format!("expected a string, a number, a list or a dict, got {name}")))
}

/// A dict as a JSON object: of plain values, paths, dates and times, and what has `tolist`, such as arrays
/// and numbers of numpy.
///
/// # Errors
/// `TypeError` for what is none of these, `ValueError` for numbers that are not finite.
pub(crate) fn to_object(dict: &Bound<'_, PyDict>) -> PyResult<Map<String, Value>> {
    object(dict, DEPTH)
}

fn object(dict: &Bound<'_, PyDict>, depth: usize) -> PyResult<Map<String, Value>> {
    let entry = |(key, value): (Bound<'_, PyAny>, Bound<'_, PyAny>)| {
        let name = key.extract::<String>()?;
        Ok((name, nested(&value, depth)?))
    };
    dict.iter().map(entry).collect()
}
