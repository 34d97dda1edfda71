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
	maxBatch = 128       // writes that share one commit
	large    = 256 << 10 // bytes from which a write has a commit of its own
)

// transaction implements [storage.Rows].
type transaction struct {
	ctx context.Context //nolint:containedctx // as database/sql's own Tx: it bounds the transaction and nothing else
	tx  *sql.Tx

	statements statements // of the commit; nil if it only reads
}

type job struct {
	ctx   context.Context //nolint:containedctx // the caller's, while it waits
	fn    func(storage.Tx) error
	large bool
	err   error
	done  bool
}

// Update implements [storage.Store]. It calls fn once.
//
// Updates that arrive while another one is being committed share the next commit,
// each in a savepoint of its own: the price of a synchronous disk is paid once for
// all of them. fn may run on another caller's goroutine.
func (db *DB) Update(ctx context.Context, fn func(storage.Tx) error) error {
	return db.UpdateSized(ctx, 0, fn)
}

// UpdateSized implements [storage.Store]. A large transaction has a commit of its
// own, after which the small ones that have come in the meantime take their turn:
// whoever writes little waits for at most one large write, however many there are.
// A transaction that waits for the commits before it is given up when ctx ends; one
// that is being committed is not.
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

// withdraw takes a job out of the queue. It reports false where the job is not in it
// any more.
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

// takeJobs takes the writes of the next commit: the small ones that wait, up to
// maxBatch, and a large one by turns. Each kind keeps its order.
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

// commit runs the jobs in one transaction. A job that fails is rolled back
// alone, and the others continue; a failure of the store fails them all, since
// SQLite may then have rolled back everything by itself.
func (db *DB) commit(jobs []*job) {
	before := db.condition.Failed()
	err := db.runAll(jobs, before != nil)
	if err != nil || before != nil { // then it has written: that it can is news
		db.condition.Note(err)
	}
	for _, j := range jobs {
		if err != nil {
			j.err = err
		}
		j.done = true
	}
}

// runAll runs the jobs, and for probing also the smallest write, so that a
// commit says something even if no job has changed anything.
func (db *DB) runAll(jobs []*job, probing bool) error {
	// A transaction under way is never interrupted by one caller's impatience:
	// it holds the changes of others.
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
	prepared, audited := statements{}, map[string]struct{}{}
	for _, j := range jobs {
		if err := db.runOne(ctx, tx, prepared, audited, j); err != nil {
			return err
		}
	}
	if err := tx.Commit(); err != nil {
		return unavailable(err)
	}
	// What is committed stands, whether or not the log can begin again: the next
	// commit tries again.
	_ = db.log.After(ctx, db.file.Path, db.writer, strconv.Itoa(busyMillis))
	if db.options.OnAudit != nil {
		for tenant := range audited { // also of jobs that were rolled back: who is told looks
			db.options.OnAudit(tenant)
		}
	}
	return nil
}

// begin begins a write on the connection for them, or on another one if that
// one has been given up.
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

// runOne runs a job between a savepoint and its release. It returns only
// failures of the store.
func (db *DB) runOne(ctx context.Context, tx *sql.Tx, prepared statements, audited map[string]struct{}, j *job) error {
	if j.err = context.Cause(j.ctx); j.err != nil {
		return nil //nolint:nilerr // the job's failure is the job's, not the store's
	}
	if _, err := tx.ExecContext(ctx, "SAVEPOINT job"); err != nil {
		return unavailable(err)
	}
	rows := &transaction{ctx: ctx, tx: tx, statements: prepared}
	j.err = classify(call(j.fn, storage.NewTx(rows, &db.options, func(tenant string) { audited[tenant] = struct{}{} })))
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

// call turns a panic into an error: it may not take down the goroutine of
// another caller, nor leave the transaction half-done.
func call(fn func(storage.Tx) error, tx storage.Tx) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("a write panicked: %v", p)
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
			_ = tx.Rollback() // it has done nothing
		}
		return context.Cause(ctx)
	case err != nil:
		return unavailable(err)
	}
	defer func() { _ = tx.Rollback() }() // it only read
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

// each calls scan for every row. scan runs no statement.
func (t *transaction) each(scan func(*sql.Rows) error, query string, args ...any) error {
	rows, err := t.statement(query).QueryContext(t.ctx, args...)
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }() // rows.Err says what went wrong
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
