-- Everything this node sends to L1. A post is one intent under one key; an attempt is one signed transaction of it.

-- One row per key; its lock orders the handing out of nonces.
CREATE TABLE senders (
    address bytea PRIMARY KEY CHECK (octet_length(address) = 20)
);

CREATE TABLE posts (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    key text NOT NULL UNIQUE CHECK (length(key) BETWEEN 1 AND 200),
    content_hash bytea NOT NULL CHECK (octet_length(content_hash) = 32),
    purpose text NOT NULL CHECK (purpose ~ '^[a-z_]{1,32}$'),
    rollup bytea CHECK (octet_length(rollup) = 20),
    sender bytea NOT NULL REFERENCES senders,
    target bytea CHECK (octet_length(target) = 20),
    value numeric(78, 0) NOT NULL CHECK (value >= 0),
    input bytea NOT NULL,
    gas_limit bigint CHECK (gas_limit > 0),
    blob_hashes bytea[] NOT NULL,
    nonce bigint CHECK (nonce >= 0),
    state text NOT NULL DEFAULT 'queued'
        CHECK (state IN ('queued', 'signed', 'broadcast', 'mined', 'final', 'cancelled', 'failed')),
    mined_tx bytea CHECK (octet_length(mined_tx) = 32),
    mined_number bigint CHECK (mined_number >= 0),
    mined_hash bytea CHECK (octet_length(mined_hash) = 32),
    succeeded boolean,
    gas_used bigint CHECK (gas_used >= 0),
    gas_price numeric(78, 0) CHECK (gas_price >= 0),
    blob_gas_used bigint CHECK (blob_gas_used >= 0),
    blob_gas_price numeric(78, 0) CHECK (blob_gas_price >= 0),
    failure text,
    created_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (sender, nonce),
    CHECK (state NOT IN ('signed', 'broadcast', 'mined', 'final') OR nonce IS NOT NULL),
    CHECK (state <> 'queued' OR nonce IS NULL),
    CHECK (state NOT IN ('mined', 'final') OR (mined_tx IS NOT NULL AND mined_number IS NOT NULL
        AND mined_hash IS NOT NULL AND succeeded IS NOT NULL AND gas_used IS NOT NULL AND gas_price IS NOT NULL)),
    CHECK ((state = 'failed') = (failure IS NOT NULL))
);
CREATE INDEX posts_open ON posts (sender, id) WHERE state IN ('queued', 'signed', 'broadcast', 'mined');

CREATE TABLE post_blobs (
    post bigint NOT NULL REFERENCES posts,
    position smallint NOT NULL CHECK (position BETWEEN 0 AND 5),
    data bytea NOT NULL CHECK (octet_length(data) = 131072),
    PRIMARY KEY (post, position)
);

CREATE TABLE attempts (
    tx_hash bytea PRIMARY KEY CHECK (octet_length(tx_hash) = 32),
    post bigint NOT NULL REFERENCES posts,
    raw bytea CHECK (octet_length(raw) BETWEEN 1 AND 1048576),
    max_fee_per_gas numeric(78, 0) NOT NULL CHECK (max_fee_per_gas >= 0),
    max_priority_fee_per_gas numeric(78, 0) NOT NULL CHECK (max_priority_fee_per_gas >= 0),
    max_fee_per_blob_gas numeric(78, 0) CHECK (max_fee_per_blob_gas >= 0),
    cancels boolean NOT NULL,
    signed_at timestamptz NOT NULL DEFAULT now(),
    broadcast_at timestamptz
);
CREATE INDEX attempts_by_post ON attempts (post);

-- A post keeps its first nonce for ever, and leaves an end state never.
CREATE FUNCTION guard_post() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.nonce IS NOT NULL AND NEW.nonce IS DISTINCT FROM OLD.nonce THEN
        RAISE EXCEPTION 'post % already has nonce %', OLD.id, OLD.nonce USING ERRCODE = 'MF004';
    END IF;
    IF NEW.key <> OLD.key OR NEW.content_hash <> OLD.content_hash OR NEW.sender <> OLD.sender THEN
        RAISE EXCEPTION 'what post % sends cannot change', OLD.id USING ERRCODE = 'MF001';
    END IF;
    IF OLD.state IN ('final', 'cancelled', 'failed') AND NEW.state <> OLD.state THEN
        RAISE EXCEPTION 'post % has ended as %', OLD.id, OLD.state USING ERRCODE = 'MF005';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER guard_post BEFORE UPDATE ON posts FOR EACH ROW EXECUTE FUNCTION guard_post();
