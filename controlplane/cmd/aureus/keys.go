package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane"
)

const keysUsage = `Manage the API keys in a database file, also while a server has it open.

Usage:

  aureus keys add --subject NAME --role service|operator|admin [--tenant T] [--speaks-for A,B|*] [--db FILE] [--create] [--output text|json]
  aureus keys list [--db FILE] [--output text|json]
  aureus keys revoke KEY_ID [--db FILE] [--output text|json]

With --output json, standard output contains exactly one line of JSON: the new key
with its "secret", the list of all keys, or the revoked key. If the command fails,
standard output is empty, the reason is on standard error, and the exit code is 1,
or 2 for invalid arguments. Only keys add shows a secret.

The database is that of the server; --create creates a new one. A service that
asks about other principals than its own subject needs --speaks-for with their
ids, or with * for all.
`

// byCommand is the actor that the audit log names for changes made by this command.
const byCommand = "aureus keys"

func keys(ctx context.Context, args []string, getenv func(string) string, stdout, stderr io.Writer) error {
	verb := ""
	if len(args) > 0 {
		verb, args = args[0], args[1:]
	}
	flags, db, getenv := newFileFlags("keys "+verb, "the database `file`", getenv, stderr)
	out := printer{stdout: stdout}
	flags.Var(&out, "output", "the `format` of the output, text or json")
	switch verb {
	case "add":
		return addKey(ctx, flags, db, args, getenv, &out)
	case "list":
		if err := parse(flags, args, getenv); err != nil {
			return err
		}
		return withKeys(ctx, *db, func(k *controlplane.Keys) error { return listKeys(ctx, k, &out) })
	case "revoke":
		if err := parse(flags, args, getenv, "KEY_ID"); err != nil {
			return err
		}
		return withKeys(ctx, *db, func(k *controlplane.Keys) error { return revokeKey(ctx, k, *db, flags.Arg(0), &out) })
	case "help", "-h", "--help", "-help":
		_, err := io.WriteString(stdout, keysUsage)
		return err
	}
	unknownVerb(stderr, "keys", verb, keysUsage)
	return errUsage
}

var errNoTenant = errors.New(`--tenant must not be empty; omit it for the tenant "` + controlplane.DefaultTenant + `"`)

// withKeys calls do with the keys of an existing database.
func withKeys(ctx context.Context, db string, do func(*controlplane.Keys) error) error {
	if err := requireDatabase(db, ""); err != nil {
		return err
	}
	return openKeys(ctx, db, do)
}

// openKeys calls do with the keys of a database, which is created if needed.
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
	tenant := flags.String("tenant", controlplane.DefaultTenant, "the tenant of the key")
	speaksFor := flags.String("speaks-for", "", "the ids of the `principals` that it may ask about, separated by commas, or *")
	create := flags.Bool("create", false, "create the database if it does not exist")
	if err := parse(flags, args, getenv); err != nil {
		return err
	}
	if *tenant == "" {
		return errNoTenant // probably an unset variable of a script, which must not mean the default
	}
	if !*create {
		if err := requireDatabase(*db, ", or use --create to create it now"); err != nil {
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
		_, err = fmt.Fprintf(out.stdout, "%s for %s (%s, tenant %s). The key is shown only once; keep it safe.\n\n  %s\n",
			added.ID, added.Subject, added.Role, added.Tenant, secret)
		return err
	})
}

func revokeKey(ctx context.Context, k *controlplane.Keys, db, id string, out *printer) error {
	err := k.Revoke(ctx, byCommand, id)
	if errors.Is(err, aureus.ErrNotFound) {
		return fmt.Errorf("the database %s has no key %q; aureus keys list shows the ids of its keys", db, id)
	}
	if err != nil {
		return err
	}
	if out.json {
		return out.print(revokedKey{ID: id, Revoked: true})
	}
	_, err = fmt.Fprintf(out.stdout, "%s is revoked.\n", id)
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
	_, _ = fmt.Fprintln(table, "ID\tSUBJECT\tROLE\tTENANT\tSPEAKS FOR\tCREATED\tREVOKED")
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
