package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
)

// newFileFlags returns the flags of a command that works on a database file, and
// the path of the file. Of the environment such a command uses AUREUS_DB only: its
// other flags describe a single task and must be given explicitly. Pass the
// returned getenv to parse.
func newFileFlags(name, dbUsage string, getenv func(string) string, stderr io.Writer) (flags *flag.FlagSet, db *string, fileEnv func(string) string) {
	flags = flag.NewFlagSet(name, flag.ContinueOnError)
	flags.SetOutput(stderr)
	db = flags.String("db", "aureus.db", dbUsage)
	return flags, db, func(name string) string {
		if name != envName("db") {
			return ""
		}
		return getenv(name)
	}
}

// requireDatabase fails if the database does not exist. Without this check, a
// mistyped name would create a new database that no server uses. hint is appended
// to the error.
func requireDatabase(db, hint string) error {
	_, err := os.Stat(db) //nolint:gosec // the operator's own path
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("the database %s does not exist: --db must name the file of the server; start aureus serve --db %s first%s", db, db, hint)
	}
	if err != nil {
		return fmt.Errorf("the database cannot be opened: %w", err)
	}
	return nil
}

// envName returns the environment variable of a flag: AUREUS_TLS_CERT for tls-cert.
func envName(flagName string) string {
	return "AUREUS_" + strings.ToUpper(strings.ReplaceAll(flagName, "-", "_"))
}

// fromEnvironment sets the flags that were not given from their environment
// variables. An empty variable counts as unset. The error names the variable but
// not its value, which may be a secret.
func fromEnvironment(flags *flag.FlagSet, getenv func(string) string) error {
	given := map[string]bool{}
	flags.Visit(func(f *flag.Flag) { given[f.Name] = true })
	var err error
	flags.VisitAll(func(f *flag.Flag) {
		value := getenv(envName(f.Name))
		if given[f.Name] || value == "" || err != nil {
			return
		}
		if flags.Set(f.Name, value) != nil {
			err = fmt.Errorf("the environment variable %s is not a valid value of the flag --%s: %s", envName(f.Name), f.Name, f.Usage)
		}
	})
	return err
}
