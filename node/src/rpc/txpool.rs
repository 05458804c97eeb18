//! `txpool_*`: what waits for a block, by sender and nonce, at the sequencer or on an imported chain. A node that only
//! follows has nothing waiting.

use std::collections::BTreeMap;
use std::sync::Arc;

use alloy_primitives::{Address, U64};
use mayfly_evm::RecoveredTx;
use serde::Serialize;
use serde_json::json;

use super::backend::Rollup;
use super::dispatch::{Call, Caller, Pending, Service, reply};
use super::errors::RpcError;
use super::params::Params;
use super::shapes;

type ByNonce<T> = BTreeMap<u64, T>;

/// Transactions that could run one after the other, and those behind a missing nonce.
#[derive(Serialize)]
struct Waiting<T> {
    pending: T,
    queued: T,
}

/// `txpool_content`.
pub(crate) fn content<'a>(service: &'a Service, caller: &'a Caller, call: &'a Call<'a>) -> Pending<'a> {
    Box::pin(async move {
        Params::read(call.params)?.end()?;
        let waiting = waiting(&caller.rollup, None).await?;
        service.heavy(caller, move || reply(&by_sender(waiting, shapes::waiting))).await
    })
}

/// `txpool_inspect`: each in a line.
pub(crate) fn inspect<'a>(service: &'a Service, caller: &'a Caller, call: &'a Call<'a>) -> Pending<'a> {
    Box::pin(async move {
        Params::read(call.params)?.end()?;
        let waiting = waiting(&caller.rollup, None).await?;
        service.heavy(caller, move || reply(&by_sender(waiting, |tx| Some(line(tx))))).await
    })
}

/// `txpool_contentFrom`: of one sender, by nonce alone.
pub(crate) fn content_from<'a>(_: &'a Service, caller: &'a Caller, call: &'a Call<'a>) -> Pending<'a> {
    Box::pin(async move {
        let mut params = Params::read(call.params)?;
        let sender: Address = params.required("address")?;
        params.end()?;
        let Waiting { pending, queued } = by_sender(waiting(&caller.rollup, Some(sender)).await?, shapes::waiting);
        let own = |mut all: BTreeMap<String, ByNonce<_>>| all.pop_first().map_or_else(BTreeMap::new, |(_, own)| own);
        reply(&Waiting { pending: own(pending), queued: own(queued) })
    })
}

/// `txpool_status`: how many.
pub(crate) fn status<'a>(_: &'a Service, caller: &'a Caller, call: &'a Call<'a>) -> Pending<'a> {
    Box::pin(async move {
        Params::read(call.params)?.end()?;
        let (pending, queued) = match &caller.rollup.sequencer {
            Some(sequencer) => sequencer.pool_counts().await.map_err(RpcError::internal)?,
            None => {
                let waiting = waiting(&caller.rollup, None).await?;
                let pending = waiting.iter().filter(|(_, can_run)| *can_run).count();
                (pending, waiting.len() - pending)
            }
        };
        reply(&json!({ "pending": U64::from(pending), "queued": U64::from(queued) }))
    })
}

async fn waiting(rollup: &Rollup, sender: Option<Address>) -> Result<Vec<(Arc<RecoveredTx>, bool)>, RpcError> {
    if let Some(sequencer) = &rollup.sequencer {
        return sequencer.pool_content(sender).await.map_err(RpcError::internal);
    }
    let Some(archive) = &rollup.archive else { return Ok(Vec::new()) };
    let content = archive.content();
    let sides = [(content.pending, true), (content.queued, false)];
    let all = sides
        .into_iter()
        .flat_map(|(side, can_run)| side.into_values().flat_map(BTreeMap::into_values).map(move |tx| (tx, can_run)));
    Ok(all.filter(|(tx, _)| sender.is_none_or(|sender| sender == tx.sender)).collect())
}

fn by_sender<T>(
    waiting: Vec<(Arc<RecoveredTx>, bool)>,
    show: impl Fn(&RecoveredTx) -> Option<T>,
) -> Waiting<BTreeMap<String, ByNonce<T>>> {
    let mut all = Waiting { pending: BTreeMap::new(), queued: BTreeMap::new() };
    for (tx, can_run) in waiting {
        let Some(shown) = show(&tx) else { continue };
        let side = if can_run { &mut all.pending } else { &mut all.queued };
        let of_sender: &mut ByNonce<T> = side.entry(tx.sender.to_checksum(None)).or_default();
        of_sender.insert(tx.tx.nonce(), shown);
    }
    all
}

fn line(tx: &RecoveredTx) -> String {
    let to = tx.tx.to().map_or_else(|| "contract creation".into(), |to| to.to_checksum(None));
    let (value, gas, price) = (tx.tx.value(), tx.tx.gas_limit(), tx.tx.max_fee_per_gas());
    format!("{to}: {value} wei + {gas} gas × {price} wei")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use alloy_consensus::{SignableTransaction, TxEip1559, TxEnvelope, TxLegacy};
    use alloy_primitives::{Signature, TxKind, U256};
    use mayfly_evm::Transaction;

    fn waits<T: SignableTransaction<Signature>>(tx: T, sender: u8) -> Arc<RecoveredTx>
    where
        TxEnvelope: From<alloy_consensus::Signed<T>>,
    {
        let envelope = tx.into_signed(Signature::test_signature()).into();
        Arc::new(RecoveredTx { tx: Transaction::Signed(envelope), sender: Address::repeat_byte(sender) })
    }

    #[test]
    fn what_waits_is_shown_by_sender_and_nonce_without_a_block() {
        let legacy = TxLegacy { chain_id: Some(7), nonce: 3, gas_price: 9, gas_limit: 25_000, ..TxLegacy::default() };
        let legacy = TxLegacy { to: TxKind::Call(Address::repeat_byte(0x77)), value: U256::from(10), ..legacy };
        let dynamic =
            TxEip1559 { chain_id: 7, nonce: 5, max_fee_per_gas: 8, gas_limit: 60_000, ..TxEip1559::default() };
        let waiting = vec![(waits(legacy, 0xab), true), (waits(dynamic, 0xab), false)];
        let shown = serde_json::to_value(by_sender(waiting.clone(), shapes::waiting)).unwrap();
        let sender = Address::repeat_byte(0xab);
        let (r, s) = (Signature::test_signature().r(), Signature::test_signature().s());
        let (hash, dynamic_hash) = (waiting[0].0.hash(), waiting[1].0.hash());
        let nowhere = json!({
            "blockHash": null, "blockNumber": null, "blockTimestamp": null, "transactionIndex": null,
            "from": sender, "chainId": "0x7", "input": "0x", "r": r, "s": s,
        });
        let with = |own: serde_json::Value| {
            let mut all = nowhere.clone();
            all.as_object_mut().unwrap().extend(own.as_object().unwrap().clone());
            all
        };
        let parity = u64::from(Signature::test_signature().v());
        let legacy = with(json!({
            "type": "0x0", "hash": hash, "nonce": "0x3", "gas": "0x61a8", "gasPrice": "0x9", "value": "0xa",
            "to": Address::repeat_byte(0x77), "v": U64::from(7 * 2 + 35 + parity),
        }));
        let dynamic = with(json!({
            "type": "0x2", "hash": dynamic_hash, "nonce": "0x5", "gas": "0xea60", "gasPrice": "0x8", "value": "0x0",
            "maxFeePerGas": "0x8", "maxPriorityFeePerGas": "0x0", "accessList": [], "to": null,
            "v": U64::from(parity), "yParity": U64::from(parity),
        }));
        let name = sender.to_checksum(None);
        assert_eq!(shown["pending"], json!({ (name.clone()): { "3": legacy } }));
        assert_eq!(shown["queued"], json!({ (name.clone()): { "5": dynamic } }));
        let lines = serde_json::to_value(by_sender(waiting, |tx| Some(line(tx)))).unwrap();
        let to = Address::repeat_byte(0x77).to_checksum(None);
        assert_eq!(lines["pending"][&name]["3"], format!("{to}: 10 wei + 25000 gas × 9 wei"));
        assert_eq!(lines["queued"][&name]["5"], "contract creation: 0 wei + 60000 gas × 8 wei");
    }
}
