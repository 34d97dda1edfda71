package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/farmountain/aureus-go/controlplane"
)

const keysUsage = `Manage the API keys in a database file, also while a server has it open.

Usage:

  aureus keys add --subject NAME --role service|operator|admin [--tenant T] [--speaks-for A,B|*] [--db FILE] [--create] [--output text|json]
  aureus keys list [--db FILE] [--output text|json]
  aureus keys revoke KEY_ID [--db FILE] [--output text|json]

With --output json, standard output has one line of JSON and nothing else: the
new key with its "secret", the list of all keys, or what was revoked. It is empty
where the command fails; the reason stands on standard error, and the exit code
is 1, or 2 for arguments that cannot be understood. Only keys add shows a secret.

The database is the one of the server; --create makes a new one. A service that
asks about other principals than its own subject needs --speaks-for with their
ids, or with * for all.
`

// byCommand is who the audit log names for changes made here.
const byCommand = "aureus keys"

func keys(ctx context.Context, args []string, getenv func(string) string, stdout, stderr io.Writer) error {
	verb := ""
	if len(args) > 0 {
		verb, args = args[0], args[1:]
	}
	flags := flag.NewFlagSet("keys "+verb, flag.ContinueOnError)
	flags.SetOutput(stderr)
	environment := getenv
	getenv = func(name string) string { // the file alone: a key is described by hand
		if name != "AUREUS_DB" {
			return ""
		}
		return environment(name)
	}
	db := flags.String("db", "aureus.db", "the database `file`")
	out := printer{stdout: stdout}
	flags.Var(&out, "output", "the `form` of what is printed, text or json")
	switch verb {
	case "add":
		return addKey(ctx, flags, db, args, getenv, &out)
	case "list":
		return withKeys(ctx, flags, db, args, 0, getenv, func(k *controlplane.Keys) error { return listKeys(ctx, k, &out) })
	case "revoke":
		return withKeys(ctx, flags, db, args, 1, getenv, func(k *controlplane.Keys) error { return revokeKey(ctx, k, flags.Arg(0), &out) })
	case "help", "-h", "--help", "-help":
		_, err := io.WriteString(stdout, keysUsage)
		return err
	}
	unknownVerb(stderr, "keys", verb, keysUsage)
	return errUsage
}

var errNoTenant = errors.New(`--tenant must name a tenant; leave it out for "` + controlplane.DefaultTenant + `"`)

// withKeys does something with the keys of a file that is there.
func withKeys(ctx context.Context, flags *flag.FlagSet, db *string, args []string, wantArgs int, getenv func(string) string, do func(*controlplane.Keys) error) error {
	if err := parse(flags, args, wantArgs, getenv); err != nil {
		return err
	}
	if err := isThere(*db, ""); err != nil {
		return err
	}
	return openKeys(ctx, *db, do)
}

// isThere refuses a database that does not exist: a name that is mistyped would
// make a new one that no server reads.
func isThere(db, orElse string) error {
	_, err := os.Stat(db) //nolint:gosec // the operator's own path
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("there is no database %s: --db names the file of the server; start aureus serve --db %s first%s", db, db, orElse)
	}
	if err != nil {
		return fmt.Errorf("the database cannot be opened: %w", err)
	}
	return nil
}

func openKeys(ctx context.Context, db string, do func(*controlplane.Keys) error) (err error) {
	opened, err := controlplane.OpenKeys(ctx, db)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, opened.Close()) }()
	return do(opened)
}

func addKey(ctx context.Context, flags *flag.FlagSet, db *string, args []string, getenv func(string) string, out *printer) error {
	subject := flags.String("subject", "", "who holds the key")
	role := flags.String("role", "", "service, operator or admin")
	tenant := flags.String("tenant", controlplane.DefaultTenant, "the tenant the key works in")
	speaksFor := flags.String("speaks-for", "", "the `principals` it may ask about, with commas between, or *")
	create := flags.Bool("create", false, "make the database if it is not there")
	if err := parse(flags, args, 0, getenv); err != nil {
		return err
	}
	if *tenant == "" {
		return errNoTenant // an empty variable of a script is not a wish for the default
	}
	if !*create {
		if err := isThere(*db, ", or give --create to make it now"); err != nil {
			return err
		}
	}
	key := controlplane.Key{Subject: *subject, Tenant: *tenant}
	var err error
	if key.Role, err = controlplane.ParseRole(*role); err != nil {
		return err
	}
	if *speaksFor != "" {
		key.SpeaksFor = strings.Split(*speaksFor, ",")
	}
	return openKeys(ctx, *db, func(k *controlplane.Keys) error {
		added, secret, err := k.Add(ctx, byCommand, key)
		if err != nil {
			return err
		}
		if out.json {
			described := describe(added)
			described.Secret = secret
			return out.print(described)
		}
		_, err = fmt.Fprintf(out.stdout, "%s for %s (%s, tenant %s). The key is shown once; keep it safe.\n\n  %s\n",
			added.ID, added.Subject, added.Role, added.Tenant, secret)
		return err
	})
}

func revokeKey(ctx context.Context, k *controlplane.Keys, id string, out *printer) error {
	if err := k.Revoke(ctx, byCommand, id); err != nil {
		return err
	}
	if out.json {
		return out.print(revokedKey{ID: id, Revoked: true})
	}
	_, err := fmt.Fprintf(out.stdout, "%s is revoked.\n", id)
	return err
}

func listKeys(ctx context.Context, k *controlplane.Keys, out *printer) error {
	list, err := k.List(ctx)
	if err != nil {
		return err
	}
	if out.json {
		described := make([]describedKey, len(list))
		for i, key := range list {
			described[i] = describe(key)
		}
		return out.print(described)
	}
	table := tabwriter.NewWriter(out.stdout, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(table, "ID\tSUBJECT\tROLE\tTENANT\tSPEAKS FOR\tMADE\tREVOKED")
	for _, key := range list {
		revoked := "-"
		if !key.RevokedAt.IsZero() {
			revoked = key.RevokedAt.Format(time.RFC3339)
		}
		_, _ = fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", key.ID, key.Subject, key.Role, key.Tenant,
			strings.Join(key.SpeaksFor, ","), key.CreatedAt.Format(time.RFC3339), revoked)
	}
	return table.Flush()
}
