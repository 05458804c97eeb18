-- The double-entry core. Amounts are in base units; an entry adds its signed amount to its account.
-- SQLSTATEs of our own: MF001 append-only, MF002 unbalanced, MF003 balance written directly, MF006 reservation rule.

CREATE TABLE account_kinds (
    kind text PRIMARY KEY,
    may_be_negative boolean NOT NULL
);
INSERT INTO account_kinds (kind, may_be_negative) VALUES
    ('custody', true),     -- what the vault on L1 holds, as a negative amount: the other side of all others
    ('payer', false),      -- what a payer deposited and may spend
    ('reserved', false),   -- what is set aside for work of a payer that is under way
    ('earned', false),     -- what a payee earned
    ('protocol', false),   -- the protocol's share
    ('shortfall', true);   -- what a compensation could not take back, because it was spent

CREATE TABLE accounts (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind text NOT NULL REFERENCES account_kinds,
    owner bytea NOT NULL CHECK (octet_length(owner) = 20),
    asset bytea NOT NULL CHECK (octet_length(asset) = 20),
    UNIQUE (kind, owner, asset)
);

CREATE TABLE transfers (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    key text NOT NULL UNIQUE CHECK (length(key) BETWEEN 1 AND 200),
    content_hash bytea NOT NULL CHECK (octet_length(content_hash) = 32),
    reason text NOT NULL CHECK (reason ~ '^[a-z_]{1,32}$'),
    compensates bigint UNIQUE REFERENCES transfers,
    l1_number bigint CHECK (l1_number >= 0),
    l1_hash bytea CHECK (octet_length(l1_hash) = 32),
    l1_log bigint CHECK (l1_log >= 0),
    epoch bigint CHECK (epoch >= 0),
    transaction_id xid8 NOT NULL DEFAULT pg_current_xact_id(),
    recorded_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (l1_hash, l1_log),
    CHECK ((l1_hash IS NULL) = (l1_number IS NULL) AND (l1_hash IS NULL) = (l1_log IS NULL))
);
CREATE INDEX transfers_by_block ON transfers (l1_number) WHERE l1_number IS NOT NULL;

CREATE TABLE entries (
    transfer bigint NOT NULL REFERENCES transfers,
    account bigint NOT NULL REFERENCES accounts,
    amount numeric(78, 0) NOT NULL CHECK (amount <> 0),
    PRIMARY KEY (transfer, account)
);
CREATE INDEX entries_by_account ON entries (account, transfer);

-- Kept by the trigger on entries, and by nothing else.
CREATE TABLE balances (
    account bigint PRIMARY KEY REFERENCES accounts,
    amount numeric(78, 0) NOT NULL,
    may_be_negative boolean NOT NULL,
    CONSTRAINT balance_not_negative CHECK (may_be_negative OR amount >= 0)
);

CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'MF001';
END $$;
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON account_kinds EXECUTE FUNCTION refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON accounts EXECUTE FUNCTION refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON transfers EXECUTE FUNCTION refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON entries EXECUTE FUNCTION refuse_change();

CREATE FUNCTION post_entry() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM FROM transfers WHERE id = NEW.transfer AND transaction_id = pg_current_xact_id();
    IF NOT FOUND THEN
        RAISE EXCEPTION 'transfer % is closed', NEW.transfer USING ERRCODE = 'MF001';
    END IF;
    INSERT INTO balances AS b (account, amount, may_be_negative)
        SELECT a.id, 0, k.may_be_negative FROM accounts a JOIN account_kinds k USING (kind) WHERE a.id = NEW.account
        ON CONFLICT (account) DO NOTHING;
    UPDATE balances SET amount = amount + NEW.amount WHERE account = NEW.account;
    RETURN NEW;
END $$;
CREATE TRIGGER post_entry AFTER INSERT ON entries FOR EACH ROW EXECUTE FUNCTION post_entry();

CREATE FUNCTION guard_balance() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF pg_trigger_depth() < 2 THEN
        RAISE EXCEPTION 'balances follow from entries' USING ERRCODE = 'MF003';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER guard_balance BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON balances EXECUTE FUNCTION guard_balance();

-- Zero for every asset, and at least two sides.
CREATE FUNCTION check_balanced(id bigint) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    sides bigint;
    unbalanced bigint;
BEGIN
    SELECT count(*) INTO sides FROM entries e WHERE e.transfer = check_balanced.id;
    SELECT count(*) INTO unbalanced FROM (
        SELECT 1 FROM entries e JOIN accounts a ON a.id = e.account WHERE e.transfer = check_balanced.id
            GROUP BY a.asset HAVING sum(e.amount) <> 0) AS sums;
    IF sides < 2 OR unbalanced > 0 THEN
        RAISE EXCEPTION 'transfer % does not sum to zero', check_balanced.id USING ERRCODE = 'MF002';
    END IF;
END $$;
CREATE FUNCTION check_new_transfer() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM check_balanced(NEW.id);
    RETURN NULL;
END $$;
CREATE FUNCTION check_new_entry() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM check_balanced(NEW.transfer);
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER zero_sum AFTER INSERT ON transfers DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION check_new_transfer();
CREATE CONSTRAINT TRIGGER zero_sum AFTER INSERT ON entries DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION check_new_entry();

CREATE TABLE reservations (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    key text NOT NULL UNIQUE CHECK (length(key) BETWEEN 1 AND 150),
    owner bytea NOT NULL CHECK (octet_length(owner) = 20),
    asset bytea NOT NULL CHECK (octet_length(asset) = 20),
    amount numeric(78, 0) NOT NULL CHECK (amount > 0),
    expires_at timestamptz NOT NULL,
    state text NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'settled', 'released', 'expired')),
    used numeric(78, 0) CHECK (used >= 0 AND used <= amount),
    opened_by bigint NOT NULL UNIQUE REFERENCES transfers,
    closed_by bigint UNIQUE REFERENCES transfers,
    CHECK ((state = 'open') = (used IS NULL) AND (state = 'open') = (closed_by IS NULL)),
    CHECK (state NOT IN ('released', 'expired') OR used = 0)
);
CREATE INDEX reservations_open ON reservations (expires_at) WHERE state = 'open';

CREATE FUNCTION guard_reservation() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.state <> 'open' OR NEW.state = 'open' OR NEW.key <> OLD.key OR NEW.amount <> OLD.amount
        OR NEW.owner <> OLD.owner OR NEW.asset <> OLD.asset OR NEW.opened_by <> OLD.opened_by THEN
        RAISE EXCEPTION 'reservation % can only be closed, once', OLD.key USING ERRCODE = 'MF006';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER guard_reservation BEFORE UPDATE ON reservations FOR EACH ROW EXECUTE FUNCTION guard_reservation();
CREATE TRIGGER append_only BEFORE DELETE OR TRUNCATE ON reservations EXECUTE FUNCTION refuse_change();
