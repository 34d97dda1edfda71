package dbfile

import (
	"context"
	"database/sql"
	"os"
)

// Queryer is a connection that may write, or a pool with only that one.
type Queryer interface {
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
}

// The bounds of a write-ahead log. SQLite's own checkpoints begin it anew only in
// a moment in which nobody reads, and with many readers there is none.
const (
	// MaxLog is from which size on a write waits for the readers of the moment, so
	// that the log can begin anew, in bytes.
	MaxLog = 32 << 20
	// checkpointWaitText is how long it waits for them, in milliseconds. Those that
	// begin meanwhile do not hold it up.
	checkpointWaitText = "250"
)

// Checkpoint keeps the write-ahead log beside the file within its bound. Call it
// on the writing connection, between two transactions; busyMillis is that one's
// busy timeout. Where a reader goes on for longer than the wait, the log stays,
// and the next call that finds it larger by a quarter tries again. It is used
// from one goroutine at a time. The zero value has the bound MaxLog.
type Checkpoint struct {
	Limit int64 // bytes; 0 is MaxLog
	tried int64 // the size of the log when it was last tried in vain
}

// After looks at the log after a commit. An error means that nothing was changed.
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
	if _, back := conn.ExecContext(ctx, "PRAGMA busy_timeout = "+busyMillis); err == nil {
		err = back
	}
	c.tried = 0
	if err != nil || busy != 0 {
		c.tried = size
	}
	return err
}
