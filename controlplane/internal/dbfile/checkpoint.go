package dbfile

import (
	"context"
	"database/sql"
	"os"
)

// Queryer is the connection that writes, or a pool that has only that
// connection.
type Queryer interface {
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
}

// The limits of a write-ahead log. SQLite's own checkpoints can reset the log only
// at a moment without readers, which may never come if there are many.
const (
	// MaxLog is the size of the log, in bytes, from which on a write waits for the
	// current readers so that the log can be reset.
	MaxLog = 32 << 20
	// checkpointWaitText is how long it waits, in milliseconds. Readers that start
	// meanwhile do not extend the wait.
	checkpointWaitText = "250"
)

// Checkpoint limits the size of the write-ahead log. Call After on the writing
// connection, between two transactions. If a reader runs longer than the wait,
// the log stays, and After tries again when the log has grown by a quarter. It
// must be used by one goroutine at a time. The zero value has the limit MaxLog.
type Checkpoint struct {
	Limit int64 // bytes; 0 means MaxLog
	tried int64 // the size of the log at the last failed attempt; 0 after a successful one
}

// After checks the size of the log after a commit, and resets the log if it is
// too large. busyMillis is the busy timeout of the connection. After an error
// nothing has changed.
func (c *Checkpoint) After(ctx context.Context, file string, conn Queryer, busyMillis string) error {
	limit := c.Limit
	if limit == 0 {
		limit = MaxLog
	}
	info, err := os.Stat(file + "-wal")
	if err != nil {
		return err
	}
	size := info.Size()
	if size < limit || c.tried > 0 && size < c.tried+c.tried/4 {
		return nil
	}
	if _, err := conn.ExecContext(ctx, "PRAGMA busy_timeout = "+checkpointWaitText); err != nil {
		return err
	}
	var busy, pages, done int
	err = conn.QueryRowContext(ctx, "PRAGMA wal_checkpoint(TRUNCATE)").Scan(&busy, &pages, &done)
	if _, restoreErr := conn.ExecContext(ctx, "PRAGMA busy_timeout = "+busyMillis); err == nil {
		err = restoreErr
	}
	c.tried = 0
	if err != nil || busy != 0 {
		c.tried = size
	}
	return err
}
