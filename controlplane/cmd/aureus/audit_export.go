package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane/internal/audit"
	"github.com/farmountain/aureus-go/controlplane/internal/dbfile"
	"github.com/farmountain/aureus-go/controlplane/internal/evidence"
	"github.com/farmountain/aureus-go/controlplane/internal/storage"
	"github.com/farmountain/aureus-go/internal/strictjson"
)

// auditTask is one run of a command of aureus audit on a database.
type auditTask struct {
	flags      *flag.FlagSet
	args       []string
	getenv     func(string) string
	db, tenant *string
	stdout     io.Writer
}

// onLog parses the arguments and calls fn with the database and a checkpoint that covers
// every entry.
func (a *auditTask) onLog(ctx context.Context, fn func(storage.Store, storage.Checkpoint) error, names ...string) error {
	if err := parse(a.flags, a.args, a.getenv, names...); err != nil {
		return err
	}
	if *a.tenant == "" {
		return errNoTenant
	}
	if err := requireDatabase(*a.db, ""); err != nil {
		return err
	}
	return withStore(ctx, *a.db, func(store storage.Store) error {
		c, err := audit.Checkpoint(ctx, store, *a.tenant, time.Now)
		if errors.Is(err, storage.ErrNotFound) {
			return fmt.Errorf("the audit log of the tenant %q is empty", *a.tenant)
		}
		if err != nil {
			return err
		}
		return fn(store, c)
	})
}

// auditExport writes the log with a checkpoint to a file.
func auditExport(ctx context.Context, a *auditTask) error {
	to := a.flags.String("to", "", "the new `file` for the entries")
	format := a.flags.String("format", "jsonl", "jsonl, which aureus audit verify checks, or ocsf, events for a SIEM")
	return a.onLog(ctx, func(store storage.Store, c storage.Checkpoint) error {
		var write func(io.Writer) (int64, error)
		switch *format {
		case "jsonl":
			write = func(w io.Writer) (int64, error) {
				archived, err := archivedEntries(ctx, store, *a.tenant)
				if err != nil {
					return 0, err
				}
				return evidence.Write(ctx, store, archived, c, w)
			}
		case "ocsf":
			write = func(w io.Writer) (int64, error) { return evidence.WriteOCSF(ctx, store, c, w) }
		default:
			return errors.New("--format must be jsonl or ocsf")
		}
		if *to == "" {
			return errors.New("--to is required and must name the new file")
		}
		n, err := newFile(*to, write)
		if err != nil {
			return err
		}
		if n == 0 {
			return errors.Join(fmt.Errorf("all entries of the tenant %q are archived", *a.tenant), os.Remove(*to))
		}
		_, err = fmt.Fprintf(a.stdout, "%d entries are in %s, up to entry %d.\n", n, *to, c.Size)
		return err
	})
}

// archivedEntries returns how many first entries are archived, deleted or not.
func archivedEntries(ctx context.Context, store storage.Store, tenant string) (n int64, err error) {
	err = store.View(ctx, func(t storage.Tx) error {
		archive, err := t.Audit().LastArchive(tenant)
		n = archive.Sequence
		if errors.Is(err, storage.ErrNotFound) {
			return nil
		}
		return err
	})
	return n, err
}

// newFile writes a new file, which only its owner may read. It is whole, on the disk, or
// not there.
func newFile(name string, write func(io.Writer) (int64, error)) (n int64, err error) {
	out, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600) //nolint:gosec // the operator's own path
	if err != nil {
		return 0, err
	}
	n, err = write(out)
	if err == nil {
		err = out.Sync()
	}
	if err = errors.Join(err, out.Close()); err != nil {
		return 0, errors.Join(err, os.Remove(name))
	}
	return n, dbfile.SyncFolder(filepath.Dir(name))
}

// auditCheckpoint prints a checkpoint.
func auditCheckpoint(ctx context.Context, a *auditTask) error {
	return a.onLog(ctx, func(_ storage.Store, c storage.Checkpoint) error {
		_, err := io.WriteString(a.stdout, c.Note)
		return err
	})
}

// auditProof prints the proof that the first entry of a decision is in the log.
func auditProof(ctx context.Context, a *auditTask) error {
	return a.onLog(ctx, func(store storage.Store, c storage.Checkpoint) error {
		var id aureus.DecisionID
		if err := id.UnmarshalText([]byte(a.flags.Arg(0))); err != nil || id.IsZero() {
			return errors.New("the argument must be the id of a decision: dec_ and 26 base32 characters")
		}
		var proof aureus.AuditProof
		err := store.View(ctx, func(t storage.Tx) error {
			entries, err := t.Audit().List(*a.tenant, storage.AuditFilter{DecisionID: id, Limit: 1})
			if err != nil {
				return err
			}
			if len(entries) == 0 {
				return fmt.Errorf("the audit log of the tenant %q has no entry of the decision %s; it may be archived", *a.tenant, id)
			}
			proof, err = evidence.Prove(t, entries[0], c)
			return err
		})
		if err != nil {
			return err
		}
		text, err := strictjson.MarshalText(proof)
		if err != nil {
			return err
		}
		_, err = a.stdout.Write(append(text, '\n'))
		return err
	}, "DECISION_ID")
}
