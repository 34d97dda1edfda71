package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/farmountain/aureus-go/controlplane"
)

// backup runs the command backup, which copies the database to a folder.
func backup(ctx context.Context, args []string, getenv func(string) string, stdout, stderr io.Writer) error {
	flags, db, getenv := newFileFlags("backup", "the database `file`; the telemetry file and the signing key next to it are copied too", getenv, stderr)
	to := flags.String("to", "", "the `folder` for the copies; it is created if it does not exist")
	if err := parse(flags, args, getenv); err != nil {
		return err
	}
	if *to == "" {
		return errors.New("--to is required and must name the folder for the copies")
	}
	if err := requireDatabase(*db, ""); err != nil {
		return err
	}
	if err := controlplane.Backup(ctx, *db, *to); err != nil {
		return err
	}
	_, err := fmt.Fprintf(stdout, "The database was copied to %s, with the signing key if it is beside the database: keep the copy safe. To restore it, stop the server and replace its files by the copies, or serve the copies with --db.\n", *to)
	return err
}
