//! Blobs from beacon nodes, each re-verified.

use std::sync::Arc;

use alloy_eips::eip4844::{AsCkzg, Blob, env_settings::EnvKzgSettings, kzg_to_versioned_hash};
use alloy_primitives::B256;
use reqwest::Url;
use serde::{Deserialize, de::DeserializeOwned};
use tokio::sync::OnceCell;

use crate::{
    L1Error, L1Options, LocalL1,
    http::{Endpoints, name},
    sender::blocking,
};

/// More blobs than any block holds.
const MAX_BLOBS_PER_ANSWER: usize = 256;

/// How a block is named to the endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Naming {
    /// By slot, from genesis time and seconds per slot.
    Slots { genesis_time: u64, slot_ms: u64 },
    /// By block number: a development chain without slots.
    Numbers,
}

/// Blobs of L1 blocks from one or several beacon endpoints. Cheap to clone.
#[derive(Debug, Clone)]
pub struct BeaconClient {
    endpoints: Endpoints,
    naming: Arc<OnceCell<Naming>>,
}

#[derive(Deserialize)]
struct Data<T> {
    data: T,
}

#[derive(Deserialize)]
struct Genesis {
    genesis_time: String,
}

#[derive(Deserialize)]
struct Spec {
    #[serde(rename = "SLOT_DURATION_MS")]
    slot_ms: Option<String>,
    #[serde(rename = "SECONDS_PER_SLOT")]
    slot_s: Option<String>,
}

impl BeaconClient {
    /// Uses the endpoints in this order; no request is made yet.
    pub fn new(urls: &[String], options: L1Options) -> Result<Self, L1Error> {
        Ok(Self { endpoints: Endpoints::new(urls, options)?, naming: Arc::default() })
    }

    /// For an L1 in this process, which keeps no blobs: batches there travel as calldata.
    pub fn local(l1: Arc<dyn LocalL1>, options: L1Options) -> Result<Self, L1Error> {
        Ok(Self { endpoints: Endpoints::local(l1, options)?, naming: Arc::default() })
    }

    /// The blobs with these versioned hashes, in this order, from the block of this number and
    /// time. Every one is checked by computing its commitment.
    pub async fn blobs(&self, number: u64, timestamp: u64, hashes: &[B256]) -> Result<Vec<Blob>, L1Error> {
        let Some(first) = hashes.first().copied() else { return Ok(Vec::new()) };
        let id = self.block_id(number, timestamp).await?;
        let answer = self.endpoints.retry(|url| self.ask(url, id, hashes)).await;
        answer.map_err(|error| match error {
            L1Error::Http { status: 404, .. } => L1Error::BlobMissing(first),
            error => error,
        })
    }

    /// One endpoint's blobs: those asked for by hash, else all of the block, since endpoints differ
    /// in how they read a list of hashes.
    async fn ask(&self, url: Url, id: u64, hashes: &[B256]) -> Result<Vec<Blob>, L1Error> {
        let path = format!("/eth/v1/beacon/blobs/{id}");
        match self.ask_filtered(&url, &path, hashes, hashes).await {
            Err(L1Error::BlobMissing(_) | L1Error::Http { status: 400, .. }) => {
                self.ask_filtered(&url, &path, &[], hashes).await
            }
            result => result,
        }
    }

    async fn ask_filtered(
        &self,
        url: &Url,
        path: &str,
        filter: &[B256],
        hashes: &[B256],
    ) -> Result<Vec<Blob>, L1Error> {
        let answer: Option<Data<Vec<Blob>>> = self.get(url, path, filter).await?;
        let found = answer.map(|answer| answer.data).unwrap_or_default();
        if found.len() > MAX_BLOBS_PER_ANSWER {
            return Err(L1Error::Inconsistent(format!("{} answered with {} blobs", name(url), found.len())));
        }
        let wanted = hashes.to_vec();
        blocking(move || pick(found, &wanted)).await
    }

    /// The name of a block's slot.
    async fn block_id(&self, number: u64, timestamp: u64) -> Result<u64, L1Error> {
        match self.naming.get_or_try_init(|| self.ask_naming()).await? {
            Naming::Numbers => Ok(number),
            Naming::Slots { genesis_time, slot_ms } => timestamp
                .checked_sub(*genesis_time)
                .and_then(|seconds| seconds.checked_mul(1000))
                .and_then(|ms| ms.checked_div(*slot_ms))
                .ok_or_else(|| L1Error::Inconsistent(format!("block time {timestamp} is before the beacon genesis"))),
        }
    }

    /// A development chain answers 404 to `config/spec` and names blocks by number.
    async fn ask_naming(&self) -> Result<Naming, L1Error> {
        self.endpoints
            .retry(|url| async move {
                let Some(spec) = self.get::<Data<Spec>>(&url, "/eth/v1/config/spec", &[]).await? else {
                    return Ok(Naming::Numbers);
                };
                let malformed = |reason: &str| L1Error::Malformed {
                    endpoint: name(&url),
                    method: "config/spec".into(),
                    reason: reason.into(),
                };
                let number = |text: Option<String>| text.and_then(|text| text.parse::<u64>().ok());
                let slot_ms = number(spec.data.slot_ms)
                    .or_else(|| number(spec.data.slot_s).and_then(|seconds| seconds.checked_mul(1000)))
                    .filter(|slot_ms| *slot_ms > 0)
                    .ok_or_else(|| malformed("no slot time"))?;
                let genesis: Option<Data<Genesis>> = self.get(&url, "/eth/v1/beacon/genesis", &[]).await?;
                let genesis_time = genesis
                    .and_then(|genesis| genesis.data.genesis_time.parse().ok())
                    .ok_or_else(|| malformed("no genesis time"))?;
                Ok(Naming::Slots { genesis_time, slot_ms })
            })
            .await
    }

    /// GET with `versioned_hashes`; none if the endpoint has no such thing.
    async fn get<T: DeserializeOwned>(&self, base: &Url, path: &str, hashes: &[B256]) -> Result<Option<T>, L1Error> {
        let mut url = base.clone();
        url.set_path(&format!("{}{path}", base.path().trim_end_matches('/')));
        if !hashes.is_empty() {
            let list: Vec<String> = hashes.iter().map(B256::to_string).collect();
            url.set_query(Some(&format!("versioned_hashes={}", list.join(","))));
        }
        let (status, body) = self.endpoints.get(url, base).await?;
        match status {
            200 => serde_json::from_slice(&body).map(Some).map_err(|error| L1Error::Malformed {
                endpoint: name(base),
                method: path.into(),
                reason: error.to_string(),
            }),
            404 => Ok(None),
            status => Err(L1Error::Http { endpoint: name(base), status }),
        }
    }
}

/// The blob's KZG commitment as EIP-4844 names it.
pub(crate) fn versioned_hash(blob: &Blob) -> Result<B256, L1Error> {
    let commitment = EnvKzgSettings::Default
        .get()
        .blob_to_kzg_commitment(blob.as_ckzg())
        .map_err(|error| L1Error::Kzg(format!("{error:?}")))?;
    Ok(kzg_to_versioned_hash(commitment.to_bytes().as_slice()))
}

/// Finds each wanted blob among those found; what is no valid blob is no candidate.
fn pick(found: Vec<Blob>, wanted: &[B256]) -> Result<Vec<Blob>, L1Error> {
    let mut named: Vec<(B256, Blob)> = Vec::with_capacity(found.len());
    for blob in found {
        if wanted.iter().all(|hash| named.iter().any(|(name, _)| name == hash)) {
            break;
        }
        if let Ok(hash) = versioned_hash(&blob) {
            named.push((hash, blob));
        }
    }
    let find = |hash: &B256| named.iter().find(|(name, _)| name == hash).map(|(_, blob)| *blob);
    wanted.iter().map(|hash| find(hash).ok_or(L1Error::BlobMissing(*hash))).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn picks_blobs_by_what_they_are() {
        let zero = Blob::ZERO;
        let mut one = Blob::ZERO;
        one[31] = 1;
        let invalid = Blob::repeat_byte(0xff);
        let (zero_hash, one_hash) = (versioned_hash(&zero).unwrap(), versioned_hash(&one).unwrap());
        assert_eq!(zero_hash[0], 1);
        let picked = pick(vec![invalid, zero, one], &[one_hash, zero_hash, one_hash]).unwrap();
        assert_eq!(picked, [one, zero, one]);
        assert!(matches!(pick(vec![zero, invalid], &[one_hash]), Err(L1Error::BlobMissing(hash)) if hash == one_hash));
    }
}
