//! A tree of JSON as attributes: one for every leaf, its name the way to it, `action.couplings.kappa`. Numbers keep
//! their bits, lists of numbers are lists; a point in a name is written `%2E`.

use hdf5::types::{FloatSize, IntSize, TypeDescriptor, VarLenUnicode};
use hdf5::{Attribute, Location};
use serde_json::{Map, Number, Value};

type Result<T> = hdf5::Result<T>;

/// Writes `value` under the name `path`.
pub fn write(to: &Location, path: &str, value: &Value) -> Result<()> {
    let below = |name: &str| {
        let name = name.replace('%', "%25").replace('.', "%2E");
        if path.is_empty() { name } else { format!("{path}.{name}") }
    };
    match value {
        Value::Null => Ok(()),
        Value::Bool(flag) => to.new_attr::<bool>().create(path)?.write_scalar(flag),
        Value::String(text) => {
            let text: VarLenUnicode = text.replace('\0', " ").parse().map_err(|_| "a text".to_string())?;
            to.new_attr::<VarLenUnicode>().create(path)?.write_scalar(&text)
        }
        Value::Number(number) => match (number.as_u64(), number.as_i64(), number.as_f64()) {
            (Some(value), ..) => to.new_attr::<u64>().create(path)?.write_scalar(&value),
            (_, Some(value), _) => to.new_attr::<i64>().create(path)?.write_scalar(&value),
            (_, _, Some(value)) => to.new_attr::<f64>().create(path)?.write_scalar(&value),
            _ => Ok(()),
        },
        Value::Array(list) => {
            let whole: Option<Vec<u64>> = list.iter().map(Value::as_u64).collect();
            let real: Option<Vec<f64>> = list.iter().map(Value::as_f64).collect();
            match (whole, real) {
                _ if list.is_empty() => Ok(()),
                (Some(whole), _) => to.new_attr_builder().with_data(&whole).create(path).map(drop),
                (_, Some(real)) => to.new_attr_builder().with_data(&real).create(path).map(drop),
                _ => list.iter().enumerate().try_for_each(|(i, value)| write(to, &below(&i.to_string()), value)),
            }
        }
        Value::Object(map) => map.iter().try_for_each(|(name, value)| write(to, &below(name), value)),
    }
}

/// The tree that [`write`] wrote; attributes of other writers too, where they are numbers or texts.
pub fn read(from: &Location) -> Result<Value> {
    let mut tree = Value::Object(Map::new());
    for name in from.attr_names()? {
        let Some(value) = leaf(&from.attr(&name)?)? else { continue };
        let mut place = &mut tree;
        for part in name.split('.') {
            let part = part.replace("%2E", ".").replace("%25", "%");
            // An attribute of another writer may be both a leaf and the way to others.
            if !place.is_object() {
                *place = Value::Object(Map::new());
            }
            place = &mut place[part];
        }
        *place = value;
    }
    Ok(with_lists(tree))
}

fn leaf(attribute: &Attribute) -> Result<Option<Value>> {
    let real = |value: f64| Number::from_f64(value).map_or(Value::Null, Value::Number);
    let scalar = attribute.ndim() == 0;
    Ok(match (attribute.dtype()?.to_descriptor()?, scalar) {
        (TypeDescriptor::Boolean, true) => Some(Value::Bool(attribute.read_scalar()?)),
        (TypeDescriptor::VarLenUnicode, true) => {
            Some(Value::String(attribute.read_scalar::<VarLenUnicode>()?.as_str().to_string()))
        }
        (TypeDescriptor::Unsigned(IntSize::U8), true) => Some(attribute.read_scalar::<u64>()?.into()),
        (TypeDescriptor::Integer(_) | TypeDescriptor::Unsigned(_), true) => {
            Some(attribute.read_scalar::<i64>()?.into())
        }
        (TypeDescriptor::Float(FloatSize::U4 | FloatSize::U8), true) => Some(real(attribute.read_scalar()?)),
        (TypeDescriptor::Integer(_) | TypeDescriptor::Unsigned(_), false) => {
            Some(attribute.read_raw::<u64>()?.into_iter().map(Value::from).collect())
        }
        (TypeDescriptor::Float(FloatSize::U4 | FloatSize::U8), false) => {
            Some(attribute.read_raw::<f64>()?.into_iter().map(real).collect())
        }
        _ => None,
    })
}

/// Objects whose names are 0, 1, ... are lists.
fn with_lists(value: Value) -> Value {
    let Value::Object(map) = value else { return value };
    let mut map: Map<String, Value> = map.into_iter().map(|(name, value)| (name, with_lists(value))).collect();
    let count = map.len();
    if count > 0 && (0..count).all(|i| map.contains_key(&i.to_string())) {
        return (0..count).filter_map(|i| map.remove(&i.to_string())).collect();
    }
    Value::Object(map)
}
