-- Gas-abstracted submissions: transactions whose gas somebody else than the sender carries.
-- Written in bulk, behind the chain's own log, which is the truth: replaying it changes nothing here.

CREATE TABLE submissions (
    rollup bytea NOT NULL REFERENCES rollups,
    global_index bigint NOT NULL CHECK (global_index >= 0),
    tx_hash bytea NOT NULL CHECK (octet_length(tx_hash) = 32),
    sender bytea NOT NULL CHECK (octet_length(sender) = 20),
    -- NULL: the free quota.
    policy bytea CHECK (octet_length(policy) = 32),
    gas_limit bigint NOT NULL CHECK (gas_limit > 0),
    gas_used bigint NOT NULL CHECK (gas_used > 0 AND gas_used <= gas_limit),
    size_bytes integer NOT NULL CHECK (size_bytes > 0),
    succeeded boolean NOT NULL,
    block bigint NOT NULL CHECK (block > 0),
    PRIMARY KEY (rollup, global_index)
);
CREATE INDEX submissions_by_block ON submissions (rollup, block);
