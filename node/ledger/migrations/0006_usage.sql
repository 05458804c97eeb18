-- What payers used in an epoch, summed from the meter's drains; a drain counts once.

CREATE TABLE usage_drains (
    key text PRIMARY KEY CHECK (length(key) BETWEEN 1 AND 200),
    epoch bigint NOT NULL CHECK (epoch >= 0),
    recorded_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE usage (
    epoch bigint NOT NULL CHECK (epoch >= 0),
    -- NULL: the payers who did not fit into the meter.
    payer bytea CHECK (octet_length(payer) = 20),
    lane bigint CHECK (lane IS NULL OR (lane >= 0 AND payer IS NOT NULL)),
    commodity smallint NOT NULL CHECK (commodity BETWEEN 0 AND 6),
    amount numeric(78, 0) NOT NULL CHECK (amount > 0),
    UNIQUE NULLS NOT DISTINCT (epoch, payer, lane, commodity)
);
