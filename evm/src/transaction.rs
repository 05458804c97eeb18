//! Transactions of a rollup: Ethereum's signed ones and derived deposits.

use crate::TransactionError;
use alloy_consensus::{Sealed, Transaction as ConsensusTransaction, TxEnvelope, transaction::SignerRecoverable};
use alloy_eips::{
    Typed2718,
    eip2718::{Decodable2718, Encodable2718},
    eip2930::AccessList,
    eip4844::DATA_GAS_PER_BLOB,
    eip7702::SignedAuthorization,
};
use alloy_primitives::{Address, B256, Bytes, TxKind, U256};
use alloy_rlp::EMPTY_LIST_CODE;
use op_alloy_consensus::TxDeposit;

/// EIP-2718 type of a deposit.
pub const DEPOSIT_TX_TYPE: u8 = 0x7e;
/// EIP-2718 type of a blob transaction, which no rollup takes.
pub const BLOB_TX_TYPE: u8 = 3;

/// A transaction of a rollup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Transaction {
    /// Signed by its sender: types 0, 1, 2 and 4.
    Signed(TxEnvelope),
    /// Derived from L1, type `0x7e` in OP's encoding.
    Deposit(Sealed<TxDeposit>),
}

impl Transaction {
    /// Seals a deposit with its hash.
    pub fn deposit(deposit: TxDeposit) -> Self {
        let hash = deposit.tx_hash();
        Self::Deposit(Sealed::new_unchecked(deposit, hash))
    }

    /// Decodes one EIP-2718 transaction from the front of `bytes` and moves `bytes` past it.
    ///
    /// Only the canonical form is accepted, no blob transactions, and legacy ones only with a chain id. The
    /// signature is not looked at: see [`Self::recover`].
    ///
    /// # Errors
    /// A [`TransactionError`] that says what is wrong; `bytes` is then unspecified.
    pub fn decode_2718(bytes: &mut &[u8]) -> Result<Self, TransactionError> {
        let start = *bytes;
        let malformed = |err: &dyn std::fmt::Display| TransactionError::Malformed(err.to_string());
        let tx = match start.first() {
            None => return Err(TransactionError::Malformed("empty".into())),
            Some(&DEPOSIT_TX_TYPE) => Self::deposit(TxDeposit::decode_2718(bytes).map_err(|err| malformed(&err))?),
            Some(&ty @ (0 | BLOB_TX_TYPE | 5..DEPOSIT_TX_TYPE | 0x7f)) => {
                return Err(TransactionError::UnsupportedType(ty));
            }
            Some(_) => {
                let tx = TxEnvelope::decode_2718(bytes).map_err(|err| malformed(&err))?;
                if tx.is_legacy() && tx.chain_id().is_none() {
                    return Err(TransactionError::Unprotected);
                }
                Self::Signed(tx)
            }
        };
        let used = start.len() - bytes.len();
        if tx.encode_2718() != start[..used] {
            return Err(TransactionError::NotCanonical);
        }
        Ok(tx)
    }

    /// Decodes exactly one transaction as any Ethereum chain may hold it: blob transactions (with or without their blobs)
    /// and legacy ones without chain id included. Whether a chain takes it is for its [`crate::ChainSpec`] to say.
    ///
    /// # Errors
    /// As [`Self::decode_exact`], but for those two.
    pub fn decode_ethereum(bytes: &[u8]) -> Result<Self, TransactionError> {
        let plain = match bytes.first() {
            Some(&BLOB_TX_TYPE) => false,
            Some(&first) => first < EMPTY_LIST_CODE,
            None => true,
        };
        if plain {
            return Self::decode_exact(bytes);
        }
        let mut rest = bytes;
        let malformed = |err: &dyn std::fmt::Display| TransactionError::Malformed(err.to_string());
        let tx = TxEnvelope::decode_2718(&mut rest).map_err(|err| malformed(&err))?;
        if !rest.is_empty() || tx.encoded_2718() != bytes {
            return Err(TransactionError::NotCanonical);
        }
        Ok(Self::Signed(tx))
    }

    /// Decodes bytes that hold exactly one transaction.
    ///
    /// # Errors
    /// As [`Self::decode_2718`], and [`TransactionError::NotCanonical`] for trailing bytes.
    pub fn decode_exact(mut bytes: &[u8]) -> Result<Self, TransactionError> {
        let tx = Self::decode_2718(&mut bytes)?;
        if bytes.is_empty() { Ok(tx) } else { Err(TransactionError::NotCanonical) }
    }

    /// The canonical EIP-2718 bytes.
    pub fn encode_2718(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.encoded_len());
        self.encode_into(&mut out);
        out
    }

    /// Appends the canonical EIP-2718 bytes.
    pub fn encode_into(&self, out: &mut Vec<u8>) {
        match self {
            Self::Signed(tx) => Encodable2718::encode_2718(tx, out),
            Self::Deposit(tx) => Encodable2718::encode_2718(tx.inner(), out),
        }
    }

    /// Length of the EIP-2718 bytes.
    pub fn encoded_len(&self) -> usize {
        match self {
            Self::Signed(tx) => tx.encode_2718_len(),
            Self::Deposit(tx) => tx.inner().eip2718_encoded_length(),
        }
    }

    /// Recovers the sender (about 60 µs); a deposit names it.
    ///
    /// # Errors
    /// [`TransactionError::Signature`] if there is none or its s is high.
    pub fn recover(self) -> Result<RecoveredTx, TransactionError> {
        let sender = match &self {
            Self::Signed(tx) => tx.recover_signer().map_err(|_| TransactionError::Signature)?,
            Self::Deposit(tx) => tx.inner().from,
        };
        Ok(RecoveredTx { tx: self, sender })
    }

    /// Keccak of the EIP-2718 bytes; cached.
    pub fn tx_hash(&self) -> B256 {
        match self {
            Self::Signed(tx) => *tx.tx_hash(),
            Self::Deposit(tx) => tx.seal(),
        }
    }

    /// EIP-2718 type.
    pub fn ty(&self) -> u8 {
        match self {
            Self::Signed(tx) => tx.ty(),
            Self::Deposit(_) => DEPOSIT_TX_TYPE,
        }
    }

    /// The deposit, if it is one.
    pub fn as_deposit(&self) -> Option<&TxDeposit> {
        match self {
            Self::Deposit(tx) => Some(tx.inner()),
            Self::Signed(_) => None,
        }
    }

    /// The signed transaction, if it is one.
    pub const fn as_signed(&self) -> Option<&TxEnvelope> {
        match self {
            Self::Signed(tx) => Some(tx),
            Self::Deposit(_) => None,
        }
    }

    /// Whether it is a deposit.
    pub const fn is_deposit(&self) -> bool {
        matches!(self, Self::Deposit(_))
    }

    fn inner(&self) -> &dyn ConsensusTransaction {
        match self {
            Self::Signed(tx) => tx,
            Self::Deposit(tx) => tx.inner(),
        }
    }

    /// Signed gas limit.
    pub fn gas_limit(&self) -> u64 {
        self.inner().gas_limit()
    }

    /// Nonce; 0 for a deposit, whose nonce is its sender's at execution.
    pub fn nonce(&self) -> u64 {
        self.inner().nonce()
    }

    /// Callee, or a creation.
    pub fn kind(&self) -> TxKind {
        self.inner().kind()
    }

    /// Callee; `None` for a creation.
    pub fn to(&self) -> Option<Address> {
        self.kind().to().copied()
    }

    /// Wei sent along.
    pub fn value(&self) -> U256 {
        self.inner().value()
    }

    /// Calldata or init code.
    pub fn input(&self) -> &Bytes {
        self.inner().input()
    }

    /// Chain id; `None` for a deposit.
    pub fn chain_id(&self) -> Option<u64> {
        self.inner().chain_id()
    }

    /// Highest price per gas (the gas price of types 0 and 1).
    pub fn max_fee_per_gas(&self) -> u128 {
        self.inner().max_fee_per_gas()
    }

    /// Highest tip per gas; `None` for types 0, 1 and deposits.
    pub fn max_priority_fee_per_gas(&self) -> Option<u128> {
        self.inner().max_priority_fee_per_gas()
    }

    /// Price per gas in a block with this base fee.
    pub fn effective_gas_price(&self, base_fee: u64) -> u128 {
        self.inner().effective_gas_price(Some(base_fee))
    }

    /// Hashes of the blobs it carries; empty for all but type 3.
    pub fn blob_hashes(&self) -> &[B256] {
        self.inner().blob_versioned_hashes().unwrap_or_default()
    }

    /// Gas of its blobs.
    pub fn blob_gas(&self) -> u64 {
        self.blob_hashes().len() as u64 * DATA_GAS_PER_BLOB
    }

    /// Highest price per blob gas; `None` for all but type 3.
    pub fn max_fee_per_blob_gas(&self) -> Option<u128> {
        self.inner().max_fee_per_blob_gas()
    }

    /// EIP-2930 access list.
    pub fn access_list(&self) -> Option<&AccessList> {
        self.inner().access_list()
    }

    /// EIP-7702 authorisations.
    pub fn authorization_list(&self) -> Option<&[SignedAuthorization]> {
        self.inner().authorization_list()
    }
}

/// A transaction with its sender. Shared behind an `Arc` between pool, blocks and readers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecoveredTx {
    /// The transaction.
    pub tx: Transaction,
    /// Who signed it (or a deposit's `from`).
    pub sender: Address,
}

impl RecoveredTx {
    /// Decodes exactly one transaction and recovers its sender.
    ///
    /// # Errors
    /// As [`Transaction::decode_exact`] and [`Transaction::recover`].
    pub fn decode(bytes: &[u8]) -> Result<Self, TransactionError> {
        Transaction::decode_exact(bytes)?.recover()
    }

    /// The transaction's hash.
    pub fn hash(&self) -> B256 {
        self.tx.tx_hash()
    }
}
