package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"

	"github.com/farmountain/aureus-go/controlplane"
)

// backup copies the database into a folder.
func backup(ctx context.Context, args []string, getenv func(string) string, stdout, stderr io.Writer) error {
	flags := flag.NewFlagSet("backup", flag.ContinueOnError)
	flags.SetOutput(stderr)
	db := flags.String("db", "aureus.db", "the database `file`; the telemetry beside it is copied too")
	to := flags.String("to", "", "the `folder` for the copies; it is made if it is not there")
	environment := getenv
	getenv = func(name string) string { // the file alone: a backup goes where it is told
		if name != "AUREUS_DB" {
			return ""
		}
		return environment(name)
	}
	if err := parse(flags, args, 0, getenv); err != nil {
		return err
	}
	if *to == "" {
		return errors.New("--to must name the folder for the copies")
	}
	if err := isThere(*db, ""); err != nil {
		return err
	}
	if err := controlplane.Backup(ctx, *db, *to); err != nil {
		return err
	}
	_, err := fmt.Fprintf(stdout, "The database is copied into %s. To restore, stop the server and put the copies in its place, or serve them with --db.\n", *to)
	return err
}
