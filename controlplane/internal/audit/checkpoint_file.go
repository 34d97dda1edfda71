package audit

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/farmountain/aureus-go/controlplane/internal/dbfile"
	"github.com/farmountain/aureus-go/controlplane/internal/storage"
)

// maxCheckpointFile is the size in bytes at which a file of checkpoints is renamed.
const maxCheckpointFile = 16 << 20

// CheckpointFile appends checkpoints to a file: signed notes, each followed by an empty
// line. Path and Log must be set. It must be used by one goroutine at a time.
type CheckpointFile struct {
	Path string
	Log  *slog.Logger

	limit int64 // 0 means maxCheckpointFile
	file  *os.File
}

// Open opens the file, and creates it with mode 0600 if it does not exist.
func (f *CheckpointFile) Open() (err error) {
	f.file, err = os.OpenFile(f.Path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	return err
}

// Append appends a checkpoint and synchronizes the file. A failure is logged.
func (f *CheckpointFile) Append(ctx context.Context, c storage.Checkpoint) {
	if err := f.append(c); err != nil {
		f.Log.ErrorContext(ctx, "writing a checkpoint to its file failed; the next one is tried again", slog.String("file", f.Path), slog.Any("error", err))
	}
}

func (f *CheckpointFile) append(c storage.Checkpoint) error {
	if err := f.rotate(); err != nil {
		return err
	}
	if _, err := f.file.WriteString(c.Note + "\n"); err != nil {
		return err
	}
	return f.file.Sync()
}

// rotate renames a file that is too large, and opens a new one. It also does so if the
// file was moved away.
func (f *CheckpointFile) rotate() error {
	if f.file == nil {
		return f.Open()
	}
	limit := f.limit
	if limit == 0 {
		limit = maxCheckpointFile
	}
	opened, err := f.file.Stat()
	if err != nil {
		return err
	}
	named, err := os.Stat(f.Path)
	moved := err != nil || !os.SameFile(opened, named)
	if !moved && opened.Size() < limit {
		return nil
	}
	if err := f.Close(); err != nil {
		return err
	}
	if !moved {
		if err := os.Rename(f.Path, f.Path+".1"); err != nil {
			return err
		}
	}
	if err := f.Open(); err != nil {
		return err
	}
	return dbfile.SyncFolder(filepath.Dir(f.Path))
}

// Close closes the file.
func (f *CheckpointFile) Close() error {
	if f.file == nil {
		return nil
	}
	err := f.file.Close()
	f.file = nil
	if errors.Is(err, os.ErrClosed) {
		return nil
	}
	return err
}
