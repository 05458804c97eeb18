//! The signed receipt: the sequencer's promise about one transaction (docs/protocol/settlement.md, "Receipts").

use crate::ProtoError;
use alloy_consensus::crypto::secp256k1;
use alloy_primitives::{Address, B256, Keccak256, Signature, U256, keccak256};
use serde::{Deserialize, Serialize};
use std::fmt;

const TYPE: &[u8] = b"Receipt(address rollup,uint64 globalIndex,uint64 block,uint64 index,bytes32 txHash,uint8 status,uint64 gasUsed,bytes32 logsHash,uint64 originNumber,bytes32 originHash,uint64 time)";
const DOMAIN_TYPE: &[u8] = b"EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)";

/// Length of an encoded [`SignedReceipt`].
pub const SIGNED_RECEIPT_BYTES: usize = FIELDS_BYTES + 65;
const FIELDS_BYTES: usize = 20 + 8 * 3 + 32 + 1 + 8 + 32 + 8 + 32 + 8;

/// What the sequencer says about one included transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Receipt {
    /// The rollup's address on L1.
    pub rollup: Address,
    /// The transaction's number over all blocks of the rollup, from 0.
    pub global_index: u64,
    /// The block's number.
    pub block: u64,
    /// The transaction's place in the block.
    pub index: u64,
    /// The transaction's hash.
    pub tx_hash: B256,
    /// 1 = succeeded, 0 = reverted.
    pub status: u8,
    /// Gas used by this transaction alone.
    pub gas_used: u64,
    /// keccak256 of the RLP list of its logs.
    pub logs_hash: B256,
    /// Number of the block's L1 origin.
    pub origin_number: u64,
    /// Hash of the block's L1 origin.
    pub origin_hash: B256,
    /// The block's timestamp in seconds.
    pub time: u64,
}

/// The EIP-712 domain of one rollup's receipts, with its separator computed once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReceiptDomain {
    rollup: Address,
    separator: B256,
    type_hash: B256,
}

impl ReceiptDomain {
    /// The domain of the rollup at `rollup` with L2 chain id `chain_id`.
    pub fn new(chain_id: u64, rollup: Address) -> Self {
        let mut hasher = Keccak256::new();
        hasher.update(keccak256(DOMAIN_TYPE));
        hasher.update(keccak256(b"Mayfly"));
        hasher.update(keccak256(b"1"));
        hasher.update(word(chain_id));
        hasher.update(rollup.into_word());
        Self { rollup, separator: hasher.finalize(), type_hash: keccak256(TYPE) }
    }

    /// The EIP-712 digest to sign.
    pub fn digest(&self, receipt: &Receipt) -> B256 {
        let mut fields = Keccak256::new();
        fields.update(self.type_hash);
        fields.update(receipt.rollup.into_word());
        fields.update(word(receipt.global_index));
        fields.update(word(receipt.block));
        fields.update(word(receipt.index));
        fields.update(receipt.tx_hash);
        fields.update(word(u64::from(receipt.status)));
        fields.update(word(receipt.gas_used));
        fields.update(receipt.logs_hash);
        fields.update(word(receipt.origin_number));
        fields.update(receipt.origin_hash);
        fields.update(word(receipt.time));
        let mut digest = Keccak256::new();
        digest.update([0x19, 0x01]);
        digest.update(self.separator);
        digest.update(fields.finalize());
        digest.finalize()
    }
}

/// A receipt and the signature over its digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SignedReceipt {
    /// What is promised.
    pub receipt: Receipt,
    /// By whom: recoverable, low s.
    pub signature: Signature,
}

impl SignedReceipt {
    /// Signs through `sign_hash`, which may live in a keystore or another process.
    pub fn sign_with<E: fmt::Display>(
        domain: &ReceiptDomain,
        receipt: Receipt,
        sign_hash: impl FnOnce(B256) -> Result<Signature, E>,
    ) -> Result<Self, ProtoError> {
        check_rollup(domain, &receipt)?;
        let signature = sign_hash(domain.digest(&receipt)).map_err(|error| ProtoError::Signing(error.to_string()))?;
        Ok(Self { receipt, signature })
    }

    /// Refuses a receipt of another rollup, a malformed or malleable signature, and any signer but `signer`.
    pub fn verify(&self, domain: &ReceiptDomain, signer: Address) -> Result<(), ProtoError> {
        check_rollup(domain, &self.receipt)?;
        let actual = secp256k1::recover_signer(&self.signature, domain.digest(&self.receipt))
            .map_err(|_| ProtoError::InvalidSignature)?;
        if actual == signer { Ok(()) } else { Err(ProtoError::WrongSigner { expected: signer, actual }) }
    }

    /// The fields in order, integers big-endian at their own width, then r, s, v (27 or 28).
    pub fn encode(&self) -> [u8; SIGNED_RECEIPT_BYTES] {
        let r = &self.receipt;
        let mut out = Vec::with_capacity(SIGNED_RECEIPT_BYTES);
        out.extend_from_slice(r.rollup.as_slice());
        for number in [r.global_index, r.block, r.index] {
            out.extend_from_slice(&number.to_be_bytes());
        }
        out.extend_from_slice(r.tx_hash.as_slice());
        out.push(r.status);
        out.extend_from_slice(&r.gas_used.to_be_bytes());
        out.extend_from_slice(r.logs_hash.as_slice());
        out.extend_from_slice(&r.origin_number.to_be_bytes());
        out.extend_from_slice(r.origin_hash.as_slice());
        out.extend_from_slice(&r.time.to_be_bytes());
        out.extend_from_slice(&self.signature.as_bytes());
        out.try_into().expect("the fields add up to the constant")
    }

    /// The only inverse of [`SignedReceipt::encode`]: exact length, status 0 or 1, v 27 or 28.
    pub fn decode(bytes: &[u8]) -> Result<Self, ProtoError> {
        if bytes.len() != SIGNED_RECEIPT_BYTES {
            return Err(ProtoError::Length { expected: SIGNED_RECEIPT_BYTES, actual: bytes.len() });
        }
        let mut rest = bytes;
        let receipt = Receipt {
            rollup: Address::from(take(&mut rest)),
            global_index: u64::from_be_bytes(take(&mut rest)),
            block: u64::from_be_bytes(take(&mut rest)),
            index: u64::from_be_bytes(take(&mut rest)),
            tx_hash: B256::from(take(&mut rest)),
            status: take::<1>(&mut rest)[0],
            gas_used: u64::from_be_bytes(take(&mut rest)),
            logs_hash: B256::from(take(&mut rest)),
            origin_number: u64::from_be_bytes(take(&mut rest)),
            origin_hash: B256::from(take(&mut rest)),
            time: u64::from_be_bytes(take(&mut rest)),
        };
        if receipt.status > 1 {
            return Err(ProtoError::NonCanonical("status"));
        }
        let r = U256::from_be_bytes(take::<32>(&mut rest));
        let s = U256::from_be_bytes(take::<32>(&mut rest));
        let odd = match take::<1>(&mut rest)[0] {
            27 => false,
            28 => true,
            _ => return Err(ProtoError::NonCanonical("signature parity")),
        };
        Ok(Self { receipt, signature: Signature::new(r, s, odd) })
    }
}

/// Signs the receipts of one rollup with one key. The key is never printed.
pub struct ReceiptSigner {
    domain: ReceiptDomain,
    address: Address,
    secret: B256,
}

impl ReceiptSigner {
    /// Takes a secp256k1 secret key; refuses zero and values outside of the curve's order.
    pub fn new(domain: ReceiptDomain, secret: B256) -> Result<Self, ProtoError> {
        let probe = keccak256(b"mayfly receipt signer v1");
        let signature = secp256k1::sign_message(secret, probe).map_err(|_| ProtoError::InvalidKey)?;
        let address = secp256k1::recover_signer(&signature, probe).map_err(|_| ProtoError::InvalidKey)?;
        Ok(Self { domain, address, secret })
    }

    /// The address that [`SignedReceipt::verify`] wants.
    pub fn address(&self) -> Address {
        self.address
    }

    /// The domain it signs in.
    pub fn domain(&self) -> &ReceiptDomain {
        &self.domain
    }

    /// Signs one receipt; refuses those of another rollup.
    pub fn sign(&self, receipt: Receipt) -> Result<SignedReceipt, ProtoError> {
        SignedReceipt::sign_with(&self.domain, receipt, |hash| secp256k1::sign_message(self.secret, hash))
    }
}

impl fmt::Debug for ReceiptSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReceiptSigner").field("address", &self.address).finish_non_exhaustive()
    }
}

impl Drop for ReceiptSigner {
    fn drop(&mut self) {
        self.secret = B256::ZERO;
    }
}

fn check_rollup(domain: &ReceiptDomain, receipt: &Receipt) -> Result<(), ProtoError> {
    if receipt.rollup == domain.rollup {
        Ok(())
    } else {
        Err(ProtoError::WrongRollup { expected: domain.rollup, actual: receipt.rollup })
    }
}

fn word(number: u64) -> B256 {
    B256::from(U256::from(number))
}

/// Takes N bytes off the front of a slice whose length was checked.
fn take<const N: usize>(rest: &mut &[u8]) -> [u8; N] {
    let (head, tail) = rest.split_first_chunk::<N>().expect("the length was checked against the sum of the fields");
    *rest = tail;
    *head
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use alloy_sol_types::{SolStruct, eip712_domain, sol};
    use proptest::prelude::*;

    sol! {
        struct SolReceipt { address rollup; uint64 globalIndex; uint64 block; uint64 index; bytes32 txHash; uint8 status;
            uint64 gasUsed; bytes32 logsHash; uint64 originNumber; bytes32 originHash; uint64 time; }
    }

    const CHAIN_ID: u64 = 17_592_186_044_417;

    fn receipt(seed: u8) -> Receipt {
        Receipt {
            rollup: Address::repeat_byte(0xaa),
            global_index: u64::from(seed) << 32,
            block: 2,
            index: 3,
            tx_hash: B256::repeat_byte(seed),
            status: seed & 1,
            gas_used: 21_000,
            logs_hash: B256::repeat_byte(5),
            origin_number: 6,
            origin_hash: B256::repeat_byte(7),
            time: 1_700_000_000,
        }
    }

    fn domain() -> ReceiptDomain {
        ReceiptDomain::new(CHAIN_ID, Address::repeat_byte(0xaa))
    }

    fn signer(byte: u8) -> ReceiptSigner {
        ReceiptSigner::new(domain(), B256::repeat_byte(byte)).unwrap()
    }

    /// The encoder of alloy-sol-types is the independent oracle; its type string starts with the struct's own name.
    #[test]
    fn digest_is_that_of_eip712() {
        let r = receipt(9);
        let sol = SolReceipt {
            rollup: r.rollup,
            globalIndex: r.global_index,
            block: r.block,
            index: r.index,
            txHash: r.tx_hash,
            status: r.status,
            gasUsed: r.gas_used,
            logsHash: r.logs_hash,
            originNumber: r.origin_number,
            originHash: r.origin_hash,
            time: r.time,
        };
        assert_eq!(SolReceipt::eip712_root_type().strip_prefix("Sol").unwrap().as_bytes(), TYPE);
        let mut fields = keccak256(TYPE).to_vec();
        fields.extend(sol.eip712_encode_data());
        let separator =
            eip712_domain! { name: "Mayfly", version: "1", chain_id: CHAIN_ID, verifying_contract: r.rollup, }
                .separator();
        let digest = keccak256([&[0x19, 0x01], separator.as_slice(), keccak256(fields).as_slice()].concat());
        assert_eq!(domain().digest(&r), digest);
    }

    #[test]
    fn accepts_the_signer_and_refuses_everybody_else() {
        let signed = signer(1).sign(receipt(1)).unwrap();
        signed.verify(&domain(), signer(1).address()).unwrap();
        let other = signer(2).address();
        assert!(
            matches!(signed.verify(&domain(), other), Err(ProtoError::WrongSigner { expected, .. }) if expected == other)
        );
    }

    #[test]
    fn refuses_a_receipt_of_another_rollup_or_chain() {
        let signer = signer(1);
        let mut foreign = receipt(1);
        foreign.rollup = Address::repeat_byte(0xbb);
        assert!(matches!(signer.sign(foreign), Err(ProtoError::WrongRollup { .. })));
        let signed = signer.sign(receipt(1)).unwrap();
        let other_chain = ReceiptDomain::new(CHAIN_ID + 1, Address::repeat_byte(0xaa));
        assert!(signed.verify(&other_chain, signer.address()).is_err());
        let other_rollup = ReceiptDomain::new(CHAIN_ID, Address::repeat_byte(0xbb));
        assert!(matches!(signed.verify(&other_rollup, signer.address()), Err(ProtoError::WrongRollup { .. })));
    }

    #[test]
    fn refuses_a_malleable_signature() {
        let mut signed = signer(1).sign(receipt(1)).unwrap();
        let order = alloy_consensus::crypto::SECP256K1N_HALF * U256::from(2) + U256::from(1);
        let (r, s, v) = (signed.signature.r(), signed.signature.s(), signed.signature.v());
        signed.signature = Signature::new(r, order - s, !v);
        assert!(matches!(signed.verify(&domain(), signer(1).address()), Err(ProtoError::InvalidSignature)));
    }

    #[test]
    fn refuses_a_key_outside_of_the_curve_and_prints_none() {
        for secret in [B256::ZERO, B256::repeat_byte(0xff)] {
            assert!(matches!(ReceiptSigner::new(domain(), secret), Err(ProtoError::InvalidKey)));
        }
        assert!(
            !format!("{:?}", signer(0x11)).contains("1111111111111111111111111111111111111111111111111111111111111111")
        );
    }

    proptest! {
        #[test]
        fn encoding_round_trips_and_any_changed_bit_is_refused(seed: u8, flip in 0..SIGNED_RECEIPT_BYTES * 8) {
            let signer = signer(3);
            let signed = signer.sign(receipt(seed)).unwrap();
            let mut bytes = signed.encode();
            prop_assert_eq!(SignedReceipt::decode(&bytes).unwrap(), signed);
            bytes[flip / 8] ^= 1 << (flip % 8);
            let refused = match SignedReceipt::decode(&bytes) {
                Ok(changed) => changed.verify(&domain(), signer.address()).is_err(),
                Err(_) => true,
            };
            prop_assert!(refused);
        }

        #[test]
        fn decoding_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            let _ = SignedReceipt::decode(&bytes);
        }

        #[test]
        fn json_round_trips(seed: u8) {
            let signed = signer(3).sign(receipt(seed)).unwrap();
            let json = serde_json::to_string(&signed).unwrap();
            prop_assert_eq!(serde_json::from_str::<SignedReceipt>(&json).unwrap(), signed);
        }
    }

    #[test]
    fn refuses_a_wrong_length() {
        let bytes = signer(1).sign(receipt(1)).unwrap().encode();
        for cut in [&bytes[..0], &bytes[1..], &[&bytes[..], &[0]].concat()] {
            assert!(matches!(SignedReceipt::decode(cut), Err(ProtoError::Length { .. })));
        }
    }
}
