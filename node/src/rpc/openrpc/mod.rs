//! The OpenRPC document: made from the table of methods and the schemas of its types, served by `rpc.discover`.

mod signature;

use std::sync::OnceLock;

use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Map, Value, json};

use self::signature::{Signature, Type};
use super::backend::Rollup;
use super::dispatch::Reply;
use super::errors::RpcError;
use super::methods::{METHODS, Method};
use super::params::Params;

/// Every type that a signature may name.
const SCHEMAS: &str = include_str!("schemas.json");
const OPENRPC_VERSION: &str = "1.3.2";

/// `rpc.discover`.
pub(crate) fn discover(_: &Rollup, params: &mut Params<'_>) -> Reply {
    static DOCUMENT: OnceLock<Option<Box<RawValue>>> = OnceLock::new();
    params.end()?;
    let document = DOCUMENT.get_or_init(|| document().and_then(|document| to_raw_value(&document).ok()));
    document.clone().ok_or_else(|| RpcError::internal("the schemas cannot be read"))
}

fn document() -> Option<Value> {
    let schemas: Map<String, Value> = serde_json::from_str(SCHEMAS).ok()?;
    let methods = METHODS.iter().map(describe).collect::<Option<Vec<Value>>>()?;
    Some(json!({
        "openrpc": OPENRPC_VERSION,
        "info": { "title": "Mayfly JSON-RPC", "version": env!("CARGO_PKG_VERSION"), "license": { "name": "MIT OR Apache-2.0" } },
        "methods": methods,
        "components": { "schemas": schemas },
    }))
}

fn describe(method: &Method) -> Option<Value> {
    let Signature { params, result } = Signature::parse(method.signature)?;
    let params = params
        .iter()
        .map(|param| json!({ "name": param.name, "required": !param.is_optional, "schema": schema(&param.ty) }));
    Some(json!({
        "name": method.name,
        "paramStructure": "by-position",
        "params": params.collect::<Vec<_>>(),
        "result": { "name": "result", "schema": schema(&result) },
        "x-compute-units": method.units,
    }))
}

fn schema(ty: &Type<'_>) -> Value {
    match ty {
        Type::Named(name) => json!({ "$ref": format!("#/components/schemas/{name}") }),
        Type::List(of) => json!({ "type": "array", "items": schema(of) }),
        Type::Nullable(ty) => json!({ "oneOf": [schema(ty), { "type": "null" }] }),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::collections::BTreeSet;

    use super::*;

    fn named(value: &Value, all: &mut BTreeSet<String>) {
        match value {
            Value::Object(members) => {
                if let Some(Value::String(to)) = members.get("$ref") {
                    all.insert(to.strip_prefix("#/components/schemas/").unwrap().to_owned());
                }
                members.values().for_each(|value| named(value, all));
            }
            Value::Array(items) => items.iter().for_each(|value| named(value, all)),
            _ => {}
        }
    }

    #[test]
    fn the_document_has_every_method_and_every_type_that_is_named_and_no_other() {
        let document = document().unwrap();
        let names: Vec<&str> =
            document["methods"].as_array().unwrap().iter().map(|m| m["name"].as_str().unwrap()).collect();
        assert_eq!(names, METHODS.iter().map(|method| method.name).collect::<Vec<_>>());
        let mut used = BTreeSet::new();
        named(&document, &mut used);
        let known: BTreeSet<String> = document["components"]["schemas"].as_object().unwrap().keys().cloned().collect();
        assert_eq!(used, known);
    }
}
