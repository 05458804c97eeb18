-- The L1 this ledger belongs to, the blocks of it that were seen, the rollups and how each got into its stage.

CREATE TABLE l1_chain (
    only_one boolean PRIMARY KEY DEFAULT true CHECK (only_one),
    chain_id bigint NOT NULL CHECK (chain_id > 0),
    genesis_hash bytea NOT NULL CHECK (octet_length(genesis_hash) = 32)
);

-- What an L1 log caused hangs on its block: a block that is reorganised away takes it along.
CREATE TABLE l1_blocks (
    hash bytea PRIMARY KEY CHECK (octet_length(hash) = 32),
    number bigint NOT NULL UNIQUE CHECK (number >= 0),
    parent_hash bytea NOT NULL CHECK (octet_length(parent_hash) = 32),
    time bigint NOT NULL CHECK (time >= 0)
);

CREATE TABLE rollups (
    address bytea PRIMARY KEY CHECK (octet_length(address) = 20),
    name text NOT NULL UNIQUE CHECK (name ~ '^[a-z0-9][a-z0-9-]{0,62}$'),
    chain_id bigint NOT NULL UNIQUE CHECK (chain_id > 0),
    settlement bytea NOT NULL CHECK (octet_length(settlement) = 20),
    vault bytea NOT NULL CHECK (octet_length(vault) = 20),
    role text NOT NULL CHECK (role IN ('sequencer', 'follower')),
    config text NOT NULL,
    created_number bigint NOT NULL CHECK (created_number >= 0),
    created_hash bytea NOT NULL CHECK (octet_length(created_hash) = 32),
    created_log bigint NOT NULL CHECK (created_log >= 0),
    recorded_at timestamptz NOT NULL DEFAULT now()
);

-- A step is caused by a log, by a block's time alone (no log index), or by the operator (no block).
CREATE TABLE lifecycle_steps (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    rollup bytea NOT NULL REFERENCES rollups,
    stage text NOT NULL CHECK (stage IN ('created', 'active', 'draining', 'frozen', 'closing', 'settling', 'settled', 'archived')),
    l1_hash bytea REFERENCES l1_blocks ON DELETE CASCADE,
    l1_log bigint CHECK (l1_log >= 0),
    recorded_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE NULLS NOT DISTINCT (rollup, stage, l1_hash, l1_log),
    CHECK ((stage = 'archived') = (l1_hash IS NULL)),
    CHECK (l1_hash IS NOT NULL OR l1_log IS NULL)
);
CREATE INDEX lifecycle_steps_by_block ON lifecycle_steps (l1_hash);
