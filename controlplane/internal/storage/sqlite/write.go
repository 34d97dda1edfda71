package sqlite

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/farmountain/aureus-go/controlplane/internal/dbfile"
	"github.com/farmountain/aureus-go/controlplane/internal/storage"
)

const (
	maxBatch = 128       // updates that share one commit
	large    = 256 << 10 // bytes from which an update has a commit of its own
)

// transaction implements [storage.Rows].
type transaction struct {
	ctx context.Context //nolint:containedctx // it belongs to the transaction, as in database/sql's Tx
	tx  *sql.Tx

	statements statements // shared by the updates of one commit; nil in a view
}

type job struct {
	ctx   context.Context //nolint:containedctx // the caller's, until the job begins
	fn    func(storage.Tx) error
	large bool
	err   error
	done  bool
}

// Update implements [storage.Store]. It calls fn once.
//
// Updates that arrive during a commit share the next one, each in its own savepoint,
// so that the disk is synchronized once for all of them. fn may run on the goroutine
// of another caller.
func (db *DB) Update(ctx context.Context, fn func(storage.Tx) error) error {
	return db.UpdateSized(ctx, 0, fn)
}

// UpdateSized implements [storage.Store]. A large update has a commit of its own. After
// it, the small updates that wait are committed before the next large one, so that a
// small update waits for at most one large one. If ctx ends while the update waits for
// earlier commits, it is withdrawn; once its own commit has begun, it is not.
func (db *DB) UpdateSized(ctx context.Context, bytes int, fn func(storage.Tx) error) error {
	own := &job{ctx: ctx, fn: fn, large: bytes >= large}
	db.queue.Lock()
	db.queue.jobs = append(db.queue.jobs, own)
	db.queue.Unlock()

	select {
	case db.writing <- struct{}{}:
	case <-ctx.Done():
		if db.withdraw(own) {
			return context.Cause(ctx)
		}
		db.writing <- struct{}{} // it is being committed
	}
	defer func() { <-db.writing }()
	for !own.done {
		db.commit(db.takeJobs())
	}
	return own.err
}

// withdraw removes a job from the queue. It returns false if the job is no longer in
// the queue.
func (db *DB) withdraw(own *job) bool {
	db.queue.Lock()
	defer db.queue.Unlock()
	i := slices.Index(db.queue.jobs, own)
	if i < 0 {
		return false
	}
	db.queue.jobs = slices.Delete(db.queue.jobs, i, i+1)
	return true
}

// takeJobs removes the jobs of the next commit from the queue: either one large job, or
// all small ones up to maxBatch, alternately if both wait. Jobs of each kind stay in
// order.
func (db *DB) takeJobs() (jobs []*job) {
	db.queue.Lock()
	defer db.queue.Unlock()
	firstLarge := slices.IndexFunc(db.queue.jobs, func(j *job) bool { return j.large })
	anySmall := slices.ContainsFunc(db.queue.jobs, func(j *job) bool { return !j.large })
	if firstLarge >= 0 && (db.queue.largeNext || !anySmall) {
		jobs = []*job{db.queue.jobs[firstLarge]}
		db.queue.jobs = slices.Delete(db.queue.jobs, firstLarge, firstLarge+1)
		db.queue.largeNext = false
		return jobs
	}
	rest := make([]*job, 0, len(db.queue.jobs))
	for _, j := range db.queue.jobs {
		if j.large || len(jobs) == maxBatch {
			rest = append(rest, j)
		} else {
			jobs = append(jobs, j)
		}
	}
	db.queue.jobs, db.queue.largeNext = rest, true
	return jobs
}

// commit runs the jobs in one transaction. If a job fails, only that job is rolled
// back. If the store fails, all jobs fail, because SQLite may have rolled back the
// whole transaction.
func (db *DB) commit(jobs []*job) {
	before := db.condition.Failed()
	err := db.runAll(jobs, before != nil)
	if err != nil || before != nil { // without an earlier failure, a success needs no record
		db.condition.Note(err)
	}
	for _, j := range jobs {
		if err != nil {
			j.err = err
		}
		j.done = true
	}
}

// runAll runs the jobs and commits. If probing is true, it also makes the smallest
// possible write, so that a commit shows that the file can be written even if no job
// changes anything.
func (db *DB) runAll(jobs []*job, probing bool) error {
	// The context of one caller must not interrupt the transaction, because it has the
	// changes of other callers too.
	ctx := context.Background()
	tx, err := db.begin(ctx)
	if err != nil {
		return unavailable(err)
	}
	defer func() { _ = tx.Rollback() }() // after a commit it does nothing
	if err := db.file.Files.Check(); err != nil {
		return unavailable(err)
	}
	if probing {
		if _, err := tx.ExecContext(ctx, dbfile.Probe); err != nil {
			return unavailable(err)
		}
	}
	prepared, audited := statements{}, map[string]int{}
	for _, j := range jobs {
		if err := db.runOne(ctx, tx, prepared, audited, j); err != nil {
			return err
		}
	}
	if err := tx.Commit(); err != nil {
		return unavailable(err)
	}
	// If the log cannot be reset now, the commit is still valid, and the next commit
	// tries again.
	_ = db.log.After(ctx, db.file.Path, db.writer, strconv.Itoa(busyMillis))
	if db.options.OnAudit != nil {
		for tenant, entries := range audited { // this includes tenants of jobs that were rolled back, which Options.OnAudit allows
			db.options.OnAudit(tenant, entries)
		}
	}
	return nil
}

// begin begins a transaction on the writing connection. If that connection has been
// closed, it opens a new one.
func (db *DB) begin(ctx context.Context) (*sql.Tx, error) {
	tx, err := db.writer.BeginTx(ctx, nil)
	if !errors.Is(err, sql.ErrConnDone) && !errors.Is(err, driver.ErrBadConn) {
		return tx, err
	}
	writer, err := db.sql.Conn(ctx)
	if err != nil {
		return nil, err
	}
	db.writer = writer
	return writer.BeginTx(ctx, nil)
}

// runOne runs a job in a savepoint. It returns only failures of the store; other errors
// are stored in the job.
func (db *DB) runOne(ctx context.Context, tx *sql.Tx, prepared statements, audited map[string]int, j *job) error {
	if j.err = context.Cause(j.ctx); j.err != nil {
		return nil //nolint:nilerr // it is a failure of the job, not of the store
	}
	if _, err := tx.ExecContext(ctx, "SAVEPOINT job"); err != nil {
		return unavailable(err)
	}
	rows := &transaction{ctx: ctx, tx: tx, statements: prepared}
	j.err = classify(call(j.fn, storage.NewTx(rows, &db.options, func(tenant string) { audited[tenant]++ })))
	if errors.Is(j.err, storage.ErrUnavailable) {
		return j.err
	}
	if j.err != nil {
		if _, err := tx.ExecContext(ctx, "ROLLBACK TO job"); err != nil {
			return unavailable(err)
		}
	}
	if _, err := tx.ExecContext(ctx, "RELEASE job"); err != nil {
		return unavailable(err)
	}
	return nil
}

// call converts a panic of fn into an error, because it would otherwise reach another
// caller's goroutine and leave the transaction open.
func call(fn func(storage.Tx) error, tx storage.Tx) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("an update panicked: %v", p)
		}
	}()
	return fn(tx)
}

// View implements [storage.Store].
func (db *DB) View(ctx context.Context, fn func(storage.Tx) error) error {
	return db.view(ctx, func(t *transaction) error { return fn(storage.NewTx(t, &db.options, nil)) })
}

// ViewLong implements [storage.Store].
func (db *DB) ViewLong(ctx context.Context, tenant string, fn func(storage.Tx) error) error {
	return db.options.ViewLong(ctx, db, tenant, fn)
}

func (db *DB) view(ctx context.Context, fn func(*transaction) error) error {
	tx, err := db.sql.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	switch {
	case ctx.Err() != nil:
		if err == nil {
			_ = tx.Rollback() // nothing was read or written
		}
		return context.Cause(ctx)
	case err != nil:
		return unavailable(err)
	}
	defer func() { _ = tx.Rollback() }() // a view has nothing to commit
	return classify(fn(&transaction{ctx: ctx, tx: tx}))
}

func unavailable(err error) error {
	if errors.Is(err, storage.ErrUnavailable) {
		return err
	}
	return fmt.Errorf("%w: %w", storage.ErrUnavailable, err)
}

func (t *transaction) statement(text string) statement { return t.statements.get(t.ctx, t.tx, text) }

func (t *transaction) exec(query string, args ...any) (sql.Result, error) {
	return t.statement(query).ExecContext(t.ctx, args...)
}

func (t *transaction) row(query string, args ...any) *sql.Row {
	return t.statement(query).QueryRowContext(t.ctx, args...)
}

// each calls scan for every row. scan must not run a statement.
func (t *transaction) each(scan func(*sql.Rows) error, query string, args ...any) error {
	rows, err := t.statement(query).QueryContext(t.ctx, args...)
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }() // rows.Err returns the error
	for rows.Next() {
		if err := scan(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

// changed runs a statement and reports how many rows it changed.
func (t *transaction) changed(query string, args ...any) (int64, error) {
	result, err := t.exec(query, args...)
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
}
