//! Whatever bytes come in, a JSON-RPC answer goes out.

use std::net::{IpAddr, Ipv4Addr};

use mayfly_node::rpc::{Caller, RateLimiter, RpcLimits, Service};
use proptest::prelude::*;
use proptest::test_runner::TestCaseError;
use serde_json::{Value, json};

fn service() -> (Service, Caller) {
    let limiter = RateLimiter::new(0, 1, true);
    let (_, rollup) = crate::chain::start(RpcLimits::default());
    let caller = Caller { rollup, address: IpAddr::V4(Ipv4Addr::LOCALHOST) };
    (Service::new(RpcLimits::default(), limiter), caller)
}

fn ask(body: &[u8]) -> Option<Value> {
    let (service, caller) = service();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let answer = runtime.block_on(service.handle(&caller, body));
    answer.body.map(|body| serde_json::from_slice(&body).unwrap())
}

/// One response object: version, id, and exactly one of result and error.
fn well_formed(answer: &Value) -> Result<(), TestCaseError> {
    let object = answer.as_object().ok_or_else(|| TestCaseError::fail("not an object"))?;
    prop_assert_eq!(&object["jsonrpc"], "2.0");
    prop_assert!(object.contains_key("id"));
    prop_assert!(object.contains_key("result") != object.contains_key("error"));
    if let Some(error) = object.get("error") {
        prop_assert!(error["code"].as_i64().is_some());
        let message = error["message"].as_str().unwrap();
        prop_assert!(!message.is_empty() && message.len() < 1_000, "{}", message);
        prop_assert!(error["code"] != -32603, "an internal error: {}", error);
    }
    Ok(())
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "(0x)?[0-9a-f]{0,66}".prop_map(Value::from),
        ".{0,20}".prop_map(Value::from),
        Just(json!("latest")),
        Just(json!("0x0")),
        Just(json!("0x4d61796600000000000000000000000000000001")),
    ];
    leaf.prop_recursive(4, 32, 6, |inner| {
        let key = prop_oneof![
            Just("to".to_owned()),
            Just("data".to_owned()),
            Just("topics".to_owned()),
            Just("address".to_owned()),
            Just("fromBlock".to_owned()),
            Just("blockHash".to_owned()),
            "[a-zA-Z]{1,8}"
        ];
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::hash_map(key, inner, 0..6)
                .prop_map(|map| Value::from(map.into_iter().collect::<serde_json::Map<_, _>>())),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn any_bytes_get_an_answer(body in prop::collection::vec(any::<u8>(), 0..300)) {
        let answer = ask(&body).expect("bytes are never a notification");
        well_formed(&answer)?;
    }

    #[test]
    fn any_json_gets_an_answer(body in any_json()) {
        match ask(body.to_string().as_bytes()) {
            Some(Value::Array(answers)) => answers.iter().try_for_each(well_formed)?,
            Some(answer) => well_formed(&answer)?,
            None => prop_assert!(false, "no answer to {}", body),
        }
    }

    #[test]
    fn any_parameters_get_an_answer(
        method in prop::sample::select(mayfly_node::rpc::methods::names().collect::<Vec<_>>()),
        params in prop::collection::vec(any_json(), 0..4),
    ) {
        let body = json!({ "jsonrpc": "2.0", "id": "x", "method": method, "params": params });
        well_formed(&ask(body.to_string().as_bytes()).expect("a call with an id is answered"))?;
        let body = json!({ "jsonrpc": "2.0", "id": 0, "method": method, "params": params.first() });
        well_formed(&ask(body.to_string().as_bytes()).expect("a call with an id is answered"))?;
    }

    #[test]
    fn broken_calls_get_an_answer(cut in 0usize..90, flip in 0usize..90, byte in any::<u8>()) {
        let mut body = br#"{"jsonrpc":"2.0","id":1,"method":"web3_sha3","params":["0x68656c6c6f20776f726c64"]}"#.to_vec();
        if let Some(place) = body.get_mut(flip) { *place = byte; }
        body.truncate(cut);
        if let Some(answer) = ask(&body) { well_formed(&answer)?; }
    }
}
