-- How far each rollup's chain was durable and answered, written a little behind it: what is known of answers when the
-- chain's directory is lost.

CREATE TABLE answered (
    rollup bytea PRIMARY KEY REFERENCES rollups,
    block bigint NOT NULL CHECK (block >= 0),
    hash bytea NOT NULL CHECK (octet_length(hash) = 32),
    -- Of the whole chain up to the block.
    transactions bigint NOT NULL CHECK (transactions >= 0),
    recorded_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE lost_answers (
    rollup bytea NOT NULL REFERENCES rollups,
    -- The block that was the last one answered.
    hash bytea NOT NULL CHECK (octet_length(hash) = 32),
    first_block bigint NOT NULL CHECK (first_block > 0),
    last_block bigint NOT NULL CHECK (last_block >= first_block),
    transactions bigint NOT NULL CHECK (transactions > 0),
    noted_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (rollup, hash)
);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON lost_answers EXECUTE FUNCTION refuse_change();
