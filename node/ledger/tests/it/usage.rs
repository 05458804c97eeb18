//! The meter's drains, by epoch.

use crate::env::{address, db};
use mayfly_proto::{Commodity, EpochNumber, LaneId, Meter, MeterKey, MeterRow, Payer, Usage};

#[tokio::test]
async fn a_drain_counts_once_and_drains_add_up() {
    let db = db().await;
    let meter = Meter::new(16);
    let payer = Payer(address(1));
    let lane = Some(LaneId::MAX);
    let gas = |amount| Usage::of(Commodity::EvmGas, amount);
    meter.record(payer, None, gas(5));
    meter.record(payer, lane, gas(u128::MAX).with(Commodity::EgressBytes, 7));
    for other in 0..200 {
        meter.record(Payer(address(other)), None, gas(1));
    }
    let rows = meter.drain();
    assert!(rows.iter().any(|row| row.key == MeterKey::Other));
    let epoch = EpochNumber(9);
    assert!(db.ledger.record_usage("drain-1", epoch, &rows).await.unwrap());
    assert!(!db.ledger.record_usage("drain-1", epoch, &rows).await.unwrap());
    assert_eq!(db.ledger.usage(epoch).await.unwrap(), rows);
    let more = [
        MeterRow { key: MeterKey::Payer { payer, lane: None }, usage: gas(10) },
        MeterRow { key: MeterKey::Other, usage: gas(3) },
    ];
    assert!(db.ledger.record_usage("drain-2", epoch, &more).await.unwrap());
    let sums = db.ledger.usage(epoch).await.unwrap();
    let of = |key| sums.iter().find(|row| row.key == key).unwrap().usage.get(Commodity::EvmGas);
    let before = |key| rows.iter().find(|row| row.key == key).unwrap().usage.get(Commodity::EvmGas);
    assert_eq!(of(more[0].key), before(more[0].key) + 10);
    assert_eq!(of(MeterKey::Other), before(MeterKey::Other) + 3);
    assert!(db.ledger.usage(EpochNumber(8)).await.unwrap().is_empty());
}
