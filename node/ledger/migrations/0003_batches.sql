-- Batches (built here or seen on L1), claims and what happened to them.

CREATE TABLE batches (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    rollup bytea NOT NULL REFERENCES rollups,
    seq bigint NOT NULL CHECK (seq > 0),
    state text NOT NULL CHECK (state IN ('built', 'included', 'final', 'void')),
    parent_hash bytea NOT NULL CHECK (octet_length(parent_hash) = 32),
    origin_number bigint NOT NULL CHECK (origin_number >= 0),
    origin_hash bytea NOT NULL CHECK (octet_length(origin_hash) = 32),
    queue_up_to bigint NOT NULL CHECK (queue_up_to >= 0),
    codec smallint NOT NULL CHECK (codec IN (0, 1, 2)),
    data_hash bytea NOT NULL CHECK (octet_length(data_hash) = 32),
    extra_root bytea NOT NULL CHECK (octet_length(extra_root) = 32),
    first_block bigint CHECK (first_block > 0),
    last_block bigint CHECK (last_block >= first_block),
    transactions bigint CHECK (transactions >= 0),
    payload_bytes bigint CHECK (payload_bytes >= 0),
    blobs smallint NOT NULL CHECK (blobs BETWEEN 0 AND 6),
    post bigint UNIQUE REFERENCES posts,
    header_hash bytea CHECK (octet_length(header_hash) = 32),
    included_tx bytea CHECK (octet_length(included_tx) = 32),
    included_number bigint CHECK (included_number >= 0),
    included_hash bytea CHECK (octet_length(included_hash) = 32),
    included_time bigint CHECK (included_time >= 0),
    CHECK ((state IN ('included', 'final')) = (included_hash IS NOT NULL)),
    CHECK (included_hash IS NULL OR (header_hash IS NOT NULL AND included_tx IS NOT NULL
        AND included_number IS NOT NULL AND included_time IS NOT NULL))
);
-- A batch that lost its place to another one is void and keeps its row.
CREATE UNIQUE INDEX batches_by_seq ON batches (rollup, seq) WHERE state <> 'void';
CREATE INDEX batches_by_inclusion ON batches (included_number) WHERE state = 'included';

CREATE TABLE claims (
    rollup bytea NOT NULL REFERENCES rollups,
    claim_hash bytea NOT NULL CHECK (octet_length(claim_hash) = 32),
    contest bytea NOT NULL CHECK (octet_length(contest) = 32),
    proposer bytea NOT NULL CHECK (octet_length(proposer) = 20),
    parent bytea NOT NULL CHECK (octet_length(parent) = 32),
    batch_seq bigint NOT NULL CHECK (batch_seq >= 0),
    block_number bigint NOT NULL CHECK (block_number >= 0),
    closing boolean NOT NULL,
    encoded bytea NOT NULL,
    l1_hash bytea NOT NULL REFERENCES l1_blocks ON DELETE CASCADE,
    l1_log bigint NOT NULL CHECK (l1_log >= 0),
    PRIMARY KEY (rollup, claim_hash)
);
CREATE INDEX claims_by_block ON claims (l1_hash);

CREATE TABLE claim_events (
    l1_hash bytea NOT NULL REFERENCES l1_blocks ON DELETE CASCADE,
    l1_log bigint NOT NULL CHECK (l1_log >= 0),
    rollup bytea NOT NULL,
    claim_hash bytea NOT NULL,
    kind text NOT NULL CHECK (kind IN ('attested', 'rivalled', 'resolved', 'escalated', 'final', 'rejected')),
    actor bytea CHECK (octet_length(actor) = 20),
    PRIMARY KEY (l1_hash, l1_log, kind, claim_hash),
    FOREIGN KEY (rollup, claim_hash) REFERENCES claims ON DELETE CASCADE,
    CHECK (kind <> 'attested' OR actor IS NOT NULL)
);
CREATE INDEX claim_events_by_claim ON claim_events (rollup, claim_hash);
