//! When an answer is what was expected.

use serde_json::Value;

/// The same JSON, numbers as numbers. The text of an error is free.
pub(crate) fn same(expected: &Value, found: &Value) -> Result<(), String> {
    equal("", &without_message(expected), &without_message(found))
}

/// A result or an error alike, with the same members of the same kinds.
pub(crate) fn same_shape(expected: &Value, found: &Value) -> Result<(), String> {
    shape("", &without_message(expected), &without_message(found), &[])
}

fn without_message(answer: &Value) -> Value {
    let mut answer = answer.clone();
    if let Some(error) = answer.get_mut("error").and_then(Value::as_object_mut) {
        error.remove("message");
    }
    answer
}

fn equal(path: &str, expected: &Value, found: &Value) -> Result<(), String> {
    match (expected, found) {
        (Value::Object(wanted), Value::Object(there)) => {
            for (key, value) in wanted {
                let found = there.get(key).ok_or_else(|| format!("{path}.{key} is missing, {value} was expected"))?;
                equal(&format!("{path}.{key}"), value, found)?;
            }
            match there.keys().find(|key| !wanted.contains_key(*key)) {
                Some(extra) => Err(format!("{path}.{extra} = {} was not expected", there[extra])),
                None => Ok(()),
            }
        }
        (Value::Array(wanted), Value::Array(there)) => {
            for (index, (value, found)) in wanted.iter().zip(there).enumerate() {
                equal(&format!("{path}[{index}]"), value, found)?;
            }
            match wanted.len() == there.len() {
                true => Ok(()),
                false => Err(format!("{path} has {} elements, {} were expected", there.len(), wanted.len())),
            }
        }
        (Value::Number(wanted), Value::Number(there)) if wanted.as_f64() == there.as_f64() => Ok(()),
        _ if expected == found => Ok(()),
        _ => Err(format!("{path} is {found}, {expected} was expected")),
    }
}

/// `siblings`: other values that are of the same kind as `expected`. What one of them lacks may be missing.
fn shape(path: &str, expected: &Value, found: &Value, siblings: &[&Value]) -> Result<(), String> {
    match (expected, found) {
        (Value::Object(wanted), Value::Object(there)) if wanted.keys().all(|key| is_key(key)) => {
            // A map: every value is like the first one.
            let Some(model) = wanted.values().next() else { return Ok(()) };
            there.iter().try_for_each(|(key, value)| shape(&format!("{path}.{key}"), model, value, &[]))
        }
        (Value::Object(wanted), Value::Object(there)) => wanted.iter().try_for_each(|(key, value)| {
            let path = format!("{path}.{key}");
            let is_optional = siblings.iter().any(|sibling| sibling.get(key).is_none());
            match there.get(key) {
                Some(found) => shape(&path, value, found, &alike(wanted, value)),
                None if is_optional => Ok(()),
                None => Err(format!("{path} is missing")),
            }
        }),
        (Value::Array(wanted), Value::Array(there)) => {
            let Some(model) = wanted.first() else { return Ok(()) };
            let mut found = there.iter().enumerate();
            found.try_for_each(|(index, value)| shape(&format!("{path}[{index}]"), model, value, &[]))
        }
        (Value::Null, _) | (_, Value::Null) => Ok(()),
        (Value::String(wanted), Value::String(there)) if wanted.starts_with("0x") != there.starts_with("0x") => {
            Err(format!("{path} is {there:?}, something like {wanted:?} was expected"))
        }
        _ if std::mem::discriminant(expected) == std::mem::discriminant(found) => Ok(()),
        _ => Err(format!("{path} is {found}, something like {expected} was expected")),
    }
}

/// The other members of an object that have all but one of the members of this one.
fn alike<'a>(members: &'a serde_json::Map<String, Value>, one: &Value) -> Vec<&'a Value> {
    let Some(model) = one.as_object() else { return Vec::new() };
    let is_alike = |other: &&Value| {
        other.as_object().is_some_and(|other| {
            other.keys().all(|key| model.contains_key(key)) && other.len() + 1 >= model.len() && !other.is_empty()
        })
    };
    members.values().filter(is_alike).collect()
}

/// Whether a member's name is data: a hash, an address, a nonce.
fn is_key(name: &str) -> bool {
    name.starts_with("0x") || name.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_the_text_of_an_error_is_free() {
        let expected = json!({"id": 1, "error": {"code": 3, "message": "a", "data": "0x1"}});
        assert!(same(&expected, &json!({"id": 1.0, "error": {"code": 3, "message": "b", "data": "0x1"}})).is_ok());
        for other in [
            json!({"id": 1, "error": {"code": 4, "message": "a", "data": "0x1"}}),
            json!({"id": 1, "error": {"code": 3, "message": "a"}}),
            json!({"id": 1, "error": {"code": 3, "message": "a", "data": "0x1", "more": 1}}),
            json!({"id": 1, "result": null}),
        ] {
            assert!(same(&expected, &other).is_err(), "{other}");
        }
        assert!(same(&json!([1, 2]), &json!([1])).is_err() && same(&json!([1]), &json!([1, 2])).is_err());
    }

    #[test]
    fn shapes_have_members_and_kinds() {
        let expected = json!({"result": {"pending": {"0xab": {"0": {"gas": "0x1", "to": null}}}, "list": [{"a": 1}]}});
        let good = json!({"result": {"pending": {"0xcd": {"7": {"gas": "0x2", "to": "0x3"}}}, "list": []}});
        assert!(same_shape(&expected, &good).is_ok());
        let resources = json!({"logs": {"a": true, "b": 1, "c": {"d": 1}}, "blocks": {"a": true, "b": 1}});
        let lacks = |what: Value| same_shape(&resources, &json!({"logs": what, "blocks": {"a": true, "b": 2}}));
        assert!(lacks(json!({"a": true, "b": 1})).is_ok() && lacks(json!({"a": true})).is_err());
        assert!(lacks(json!({"a": true, "b": 1, "c": 1})).is_err());
        for other in [
            json!({"error": {"code": 1}}),
            json!({"result": {"pending": {"0xcd": {"7": {"gas": 2, "to": "0x3"}}}, "list": []}}),
            json!({"result": {"pending": {"0xcd": {"7": {"gas": "2", "to": "0x3"}}}, "list": []}}),
            json!({"result": {"pending": {}, "list": [{"b": 1}]}}),
        ] {
            assert!(same_shape(&expected, &other).is_err(), "{other}");
        }
    }
}
