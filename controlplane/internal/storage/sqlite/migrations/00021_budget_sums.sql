-- +goose Up

-- What the reservations of budget_reservations amount to in slots of time, so that a decision
-- does not read each of them. A slot of a level has the reservations whose time, shifted right
-- by that number of bits, is the same: about 1 s, 5 min or 20 h. amount is whole * 1000000 +
-- rest, in two columns because the sum of a slot may be larger than that of any window. The
-- triggers keep the sums in step with the rows.
CREATE TABLE budget_sums (
  tenant TEXT    NOT NULL,
  budget TEXT    NOT NULL,
  share  TEXT    NOT NULL,
  level  INTEGER NOT NULL,
  slot   INTEGER NOT NULL,
  n      INTEGER NOT NULL,
  whole  INTEGER NOT NULL,
  rest   INTEGER NOT NULL,
  PRIMARY KEY (tenant, budget, share, level, slot)
) STRICT, WITHOUT ROWID;
INSERT INTO budget_sums (tenant, budget, share, level, slot, n, whole, rest)
SELECT tenant, budget, share, 30, at >> 30, count(*), sum(amount / 1000000), sum(amount % 1000000)
FROM budget_reservations GROUP BY tenant, budget, share, at >> 30;
INSERT INTO budget_sums (tenant, budget, share, level, slot, n, whole, rest)
SELECT tenant, budget, share, 38, at >> 38, count(*), sum(amount / 1000000), sum(amount % 1000000)
FROM budget_reservations GROUP BY tenant, budget, share, at >> 38;
INSERT INTO budget_sums (tenant, budget, share, level, slot, n, whole, rest)
SELECT tenant, budget, share, 46, at >> 46, count(*), sum(amount / 1000000), sum(amount % 1000000)
FROM budget_reservations GROUP BY tenant, budget, share, at >> 46;

-- +goose StatementBegin
CREATE TRIGGER budget_reservations_added AFTER INSERT ON budget_reservations
BEGIN
  INSERT INTO budget_sums (tenant, budget, share, level, slot, n, whole, rest) VALUES
    (NEW.tenant, NEW.budget, NEW.share, 30, NEW.at >> 30, 1, NEW.amount / 1000000, NEW.amount % 1000000),
    (NEW.tenant, NEW.budget, NEW.share, 38, NEW.at >> 38, 1, NEW.amount / 1000000, NEW.amount % 1000000),
    (NEW.tenant, NEW.budget, NEW.share, 46, NEW.at >> 46, 1, NEW.amount / 1000000, NEW.amount % 1000000)
  ON CONFLICT (tenant, budget, share, level, slot)
  DO UPDATE SET n = n + 1, whole = whole + excluded.whole, rest = rest + excluded.rest;
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER budget_reservations_removed AFTER DELETE ON budget_reservations
BEGIN
  UPDATE budget_sums SET n = n - 1, whole = whole - OLD.amount / 1000000, rest = rest - OLD.amount % 1000000
  WHERE tenant = OLD.tenant AND budget = OLD.budget AND share = OLD.share AND level = 30 AND slot = OLD.at >> 30;
  DELETE FROM budget_sums WHERE tenant = OLD.tenant AND budget = OLD.budget AND share = OLD.share AND level = 30 AND slot = OLD.at >> 30 AND n = 0;
  UPDATE budget_sums SET n = n - 1, whole = whole - OLD.amount / 1000000, rest = rest - OLD.amount % 1000000
  WHERE tenant = OLD.tenant AND budget = OLD.budget AND share = OLD.share AND level = 38 AND slot = OLD.at >> 38;
  DELETE FROM budget_sums WHERE tenant = OLD.tenant AND budget = OLD.budget AND share = OLD.share AND level = 38 AND slot = OLD.at >> 38 AND n = 0;
  UPDATE budget_sums SET n = n - 1, whole = whole - OLD.amount / 1000000, rest = rest - OLD.amount % 1000000
  WHERE tenant = OLD.tenant AND budget = OLD.budget AND share = OLD.share AND level = 46 AND slot = OLD.at >> 46;
  DELETE FROM budget_sums WHERE tenant = OLD.tenant AND budget = OLD.budget AND share = OLD.share AND level = 46 AND slot = OLD.at >> 46 AND n = 0;
END;
-- +goose StatementEnd

-- +goose Down
DROP TRIGGER budget_reservations_removed;
DROP TRIGGER budget_reservations_added;
DROP TABLE budget_sums;
