//! Errors, with the values in them.

use serde_json::{Value, json};

use crate::server::{Server, config};

#[tokio::test]
async fn wrong_parameters_say_which_and_why() {
    let server = Server::start(config()).await;
    for (method, params, code, message) in [
        ("eth_nope", json!([]), -32601, "the method eth_nope does not exist/is not available"),
        ("eth_getBalance", json!([]), -32602, "missing value for required argument 0: address"),
        (
            "eth_getBalance",
            json!(["0x12"]),
            -32602,
            "invalid argument 0: address \"0x12\": want 20 bytes, got 2 hex digits",
        ),
        ("eth_getBalance", json!({ "address": "0x12" }), -32602, "params must be an array"),
        ("eth_chainId", json!([1]), -32602, "too many arguments, want at most 0"),
        (
            "eth_getBlockByNumber",
            json!(["0x01", false]),
            -32602,
            "invalid argument 0: block number \"0x01\": hex number with leading zero digits",
        ),
        (
            "eth_getBlockByNumber",
            json!(["newest", false]),
            -32602,
            "invalid argument 0: block number \"newest\": not a block number or tag",
        ),
        ("eth_getBlockByNumber", json!(["0x1", 5]), -32602, "invalid argument 1: full transactions 5: not a boolean"),
        ("web3_sha3", json!(["0x123"]), -32602, "invalid argument 0: data \"0x123\": odd number of digits"),
        (
            "eth_subscribe",
            json!(["newHeads"]),
            -32601,
            "notifications not supported: subscribe by a single call over WebSocket",
        ),
    ] {
        let error = server.call(method, params.clone()).await.unwrap_err();
        assert_eq!((&error["code"], &error["message"]), (&json!(code), &json!(message)), "{method} {params}");
    }
}

#[tokio::test]
async fn an_answer_over_the_limit_is_an_error_and_the_rest_of_the_batch_too() {
    let mut small = config();
    small.limits.max_response_bytes = 1_500;
    let server = Server::start(small).await;
    let call = |id| format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"eth_getBlockByNumber","params":["0x0",false]}}"#);
    let (_, answer) = server.post("/", format!("[{},{},{}]", call(1), call(2), call(3))).await;
    let answers = answer.as_array().unwrap();
    assert_eq!(answers.len(), 3);
    let errors: Vec<_> = answers.iter().filter(|answer| answer["error"]["code"] == -32003).collect();
    assert!(!errors.is_empty() && errors.iter().all(|answer| answer.get("result").is_none()), "{answer}");
    let ids: Vec<&Value> = answers.iter().map(|answer| &answer["id"]).collect();
    assert_eq!(ids, [&json!(1), &json!(2), &json!(3)]);
}
