// Gate-transaction uses a gate inside a database transaction: the change is made in the
// transaction, the gate judges the state that the transaction reads, and the transaction
// is committed only if the gate admits the change. Otherwise it is rolled back.
package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	_ "modernc.org/sqlite" // the driver "sqlite"; every other driver of database/sql works the same way

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/crvgate"
)

// balances holds the balance of each account, in cents.
type balances map[string]int64

func noOverdraft(_ context.Context, change crvgate.Change[balances]) aureus.ValidationResult {
	for account, cents := range change.Data {
		if cents < 0 {
			return crvgate.Fail(aureus.OutOfScope, "the account "+account+" would be overdrawn")
		}
	}
	return crvgate.Pass()
}

func nothingLost(_ context.Context, change crvgate.Change[balances]) aureus.ValidationResult {
	if sum(change.Data) != sum(change.Previous) {
		return crvgate.Fail(aureus.Conflict, "a transfer must not change the sum of all accounts")
	}
	return crvgate.Pass()
}

func sum(b balances) (total int64) {
	for _, cents := range b {
		total += cents
	}
	return total
}

// change runs the statements in a transaction, which it commits if the gate admits the
// change. The transaction is also the lock: until it ends, no other transaction changes
// the accounts that the gate judged.
func change(ctx context.Context, db *sql.DB, gate *crvgate.Gate[balances], id string, statements func(*sql.Tx) error) error {
	tx, err := db.BeginTx(ctx, &sql.TxOptions{Isolation: sql.LevelSerializable})
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }() // no effect after a commit

	before, err := read(ctx, tx)
	if err != nil {
		return err
	}
	if err := statements(tx); err != nil {
		return err
	}
	after, err := read(ctx, tx)
	if err != nil {
		return err
	}
	judged := crvgate.Change[balances]{ID: id, Data: after, Previous: before, HasPrevious: true}
	if err := gate.Check(ctx, judged); err != nil {
		return err
	}
	return tx.Commit()
}

func read(ctx context.Context, tx *sql.Tx) (balances, error) {
	rows, err := tx.QueryContext(ctx, "SELECT id, cents FROM accounts")
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	found := balances{}
	for rows.Next() {
		var id string
		var cents int64
		if err := rows.Scan(&id, &cents); err != nil {
			return nil, err
		}
		found[id] = cents
	}
	return found, rows.Err()
}

// move returns the statements of a transfer.
func move(ctx context.Context, from, to string, cents int64) func(*sql.Tx) error {
	return func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, "UPDATE accounts SET cents = cents - ? WHERE id = ?", cents, from); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, "UPDATE accounts SET cents = cents + ? WHERE id = ?", cents, to)
		return err
	}
}

func main() {
	if err := run(context.Background()); err != nil {
		panic(err)
	}
}

func run(ctx context.Context) error {
	db, err := sql.Open("sqlite", ":memory:")
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	db.SetMaxOpenConns(1) // each connection to :memory: has a separate database
	if _, err := db.ExecContext(ctx, "CREATE TABLE accounts (id TEXT PRIMARY KEY, cents INTEGER NOT NULL); INSERT INTO accounts VALUES ('acme', 100), ('zeta', 0)"); err != nil {
		return err
	}

	gate := crvgate.New("ledger", noOverdraft, nothingLost)
	for _, step := range []struct {
		name, from, to string
		cents          int64
	}{
		{"a transfer of 30", "acme", "zeta", 30},
		{"a transfer of 500", "acme", "zeta", 500},
		{"a transfer to an unknown account", "acme", "nobody", 10},
	} {
		err := change(ctx, db, gate, step.name, move(ctx, step.from, step.to, step.cents))
		var blocked *crvgate.Blocked
		switch {
		case err == nil:
			fmt.Printf("%s: committed\n", step.name)
		case errors.As(err, &blocked):
			fmt.Printf("%s: rolled back, %s\n", step.name, blocked.Result.FailureCode)
		default:
			return err
		}
		if err := show(ctx, db); err != nil {
			return err
		}
	}
	return nil
}

func show(ctx context.Context, db *sql.DB) error {
	var acme, zeta int64
	err := db.QueryRowContext(ctx, "SELECT (SELECT cents FROM accounts WHERE id = 'acme'), (SELECT cents FROM accounts WHERE id = 'zeta')").Scan(&acme, &zeta)
	fmt.Printf("  acme %d, zeta %d\n", acme, zeta)
	return err
}
