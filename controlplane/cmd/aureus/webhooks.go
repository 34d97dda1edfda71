package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/farmountain/aureus-go/controlplane"
	"github.com/farmountain/aureus-go/controlplane/internal/storage"
	"github.com/farmountain/aureus-go/controlplane/internal/storage/sqlite"
	"github.com/farmountain/aureus-go/controlplane/internal/webhooks"
)

const webhooksUsage = `List and retry the messages for webhooks in a database file, also while a
server has it open, and send a test message.

Usage:

  aureus webhooks list [--webhook NAME] [--db FILE] [--output text|json]
  aureus webhooks retry MESSAGE_ID [--db FILE] [--output text|json]
  aureus webhooks retry --all [--webhook NAME] [--db FILE] [--output text|json]
  aureus webhooks test NAME --webhook-file FILE [--output text|json]

list shows what became of the messages of each webhook, and at most 100 of those
that are stored: given up (dead) ones first, then those that failed most often.
retry makes dead messages wait again; the server sends them within a second.
test sends a message of the type test to a webhook of the file and says whether it
was accepted. With --output json, standard output is one line of JSON.
`

const (
	listedMessages = 100
	retryStep      = 500
)

func webhookTools(ctx context.Context, args []string, getenv func(string) string, stdout, stderr io.Writer) error {
	verb := ""
	if len(args) > 0 {
		verb, args = args[0], args[1:]
	}
	flags, db, getenv := newFileFlags("webhooks "+verb, "the database `file`", getenv, stderr)
	out := printer{stdout: stdout}
	flags.Var(&out, "output", "the `format` of the output, text or json")
	switch verb {
	case "list":
		return listWebhooks(ctx, flags, db, args, getenv, &out)
	case "retry":
		return retryWebhooks(ctx, flags, db, args, getenv, &out)
	case "test":
		return testWebhook(ctx, flags, args, getenv, &out)
	case "help", "-h", "--help", "-help":
		_, err := io.WriteString(stdout, webhooksUsage)
		return err
	}
	unknownVerb(stderr, "webhooks", verb, webhooksUsage)
	return errUsage
}

// withOutbox opens an existing database, which a server may have open, and calls fn in a
// transaction.
func withOutbox(ctx context.Context, db string, fn func(storage.Outbox) error) (err error) {
	if err := requireDatabase(db, ""); err != nil {
		return err
	}
	opened, err := sqlite.OpenBeside(ctx, db)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, opened.Close()) }()
	return opened.Update(ctx, func(t storage.Tx) error { return fn(t.Outbox()) })
}

// listedWebhook and listedMessage are the JSON of webhooks list. Scripts depend on them:
// fields may be added, but never renamed or removed.
type listedWebhook struct {
	Webhook   string `json:"webhook"`
	Waiting   int64  `json:"waiting"`
	Dead      int64  `json:"dead"`
	Delivered int64  `json:"delivered"`
	Dropped   int64  `json:"dropped"`
	GivenUp   int64  `json:"given_up"`
}

type listedMessage struct {
	ID       string `json:"id"`
	Webhook  string `json:"webhook"`
	Tenant   string `json:"tenant"`
	Kind     string `json:"kind"`
	At       string `json:"at"`  // RFC 3339
	Due      string `json:"due"` // RFC 3339; of a dead message: when it was given up
	Attempts int    `json:"attempts"`
	Dead     bool   `json:"dead"`
	Error    string `json:"error,omitzero"`
}

type listedOutbox struct {
	Webhooks []listedWebhook `json:"webhooks"`
	Messages []listedMessage `json:"messages"`
}

func listWebhooks(ctx context.Context, flags *flag.FlagSet, db *string, args []string, getenv func(string) string, out *printer) error {
	name := flags.String("webhook", "", "only those of the webhook with this `name`")
	if err := parse(flags, args, getenv); err != nil {
		return err
	}
	var listed listedOutbox
	err := withOutbox(ctx, *db, func(o storage.Outbox) error {
		listed = listedOutbox{Webhooks: []listedWebhook{}, Messages: []listedMessage{}}
		counts, err := o.Counts()
		if err != nil {
			return err
		}
		for _, c := range counts {
			if *name == "" || c.Webhook == *name {
				listed.Webhooks = append(listed.Webhooks, listedWebhook(c))
			}
		}
		list, err := o.List(*name, listedMessages)
		for _, m := range list {
			listed.Messages = append(listed.Messages, listedMessage{
				ID: m.ID, Webhook: m.Webhook, Tenant: m.Tenant, Kind: m.Kind, At: m.At.UTC().Format(time.RFC3339), Due: m.Due.UTC().Format(time.RFC3339),
				Attempts: m.Attempts, Dead: m.Dead, Error: m.Error,
			})
		}
		return err
	})
	if err != nil {
		return err
	}
	if out.json {
		return out.print(listed)
	}
	return listed.write(out.stdout)
}

func (l listedOutbox) write(w io.Writer) error {
	if len(l.Webhooks) == 0 {
		_, err := fmt.Fprintln(w, "No message was stored for a webhook yet. aureus serve --webhook-file FILE configures webhooks.")
		return err
	}
	table := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	line := func(format string, values ...any) { _, _ = fmt.Fprintf(table, format+"\n", values...) } // Flush has the error
	line("WEBHOOK\tWAITING\tDEAD\tDELIVERED\tDROPPED\tGIVEN UP")
	for _, c := range l.Webhooks {
		line("%s\t%d\t%d\t%d\t%d\t%d", shown(c.Webhook), c.Waiting, c.Dead, c.Delivered, c.Dropped, c.GivenUp)
	}
	if len(l.Messages) > 0 {
		line("\nMESSAGE\tWEBHOOK\tKIND\tAT\tATTEMPTS\tSTATE\tERROR")
	}
	for _, m := range l.Messages {
		state := "next " + m.Due
		if m.Dead {
			state = "dead"
		}
		line("%s\t%s\t%s\t%s\t%d\t%s\t%s", shown(m.ID), shown(m.Webhook), shown(m.Kind), m.At, m.Attempts, state, shown(m.Error))
	}
	return table.Flush()
}

func retryWebhooks(ctx context.Context, flags *flag.FlagSet, db *string, args []string, getenv func(string) string, out *printer) error {
	all := flags.Bool("all", false, "all dead messages")
	name := flags.String("webhook", "", "with --all: only those of the webhook with this `name`")
	names := []string{"MESSAGE_ID"}
	if slices.Contains(args, "--all") || slices.Contains(args, "-all") {
		names = nil
	}
	if err := parse(flags, args, getenv, names...); err != nil {
		return err
	}
	id := flags.Arg(0)
	if id != "" && *name != "" {
		return errors.New("--webhook is only for --all")
	}
	var total int64
	for more := true; more; {
		var n int64
		err := withOutbox(ctx, *db, func(o storage.Outbox) (err error) {
			now := time.Now()
			n, err = o.Retry(*name, id, now, now.Add(webhooks.Lifetime), retryStep)
			return err
		})
		if errors.Is(err, storage.ErrNotFound) {
			return fmt.Errorf("no message has the id %q: it was delivered or deleted; aureus webhooks list shows the stored ones", id)
		}
		if err != nil {
			return err
		}
		total += n
		more = *all && n > 0
	}
	if id != "" && total == 0 {
		return fmt.Errorf("the message %s is not dead, so it is sent anyway, or it was changed outside of the server and is never sent", id)
	}
	if out.json {
		return out.print(map[string]int64{"retried": total})
	}
	_, err := fmt.Fprintf(out.stdout, "%d messages wait again.\n", total)
	return err
}

func testWebhook(ctx context.Context, flags *flag.FlagSet, args []string, getenv func(string) string, out *printer) error {
	file := flags.String("webhook-file", "", "the `file` with the webhooks, as for serve")
	if err := parse(flags, args, getenv, "NAME"); err != nil {
		return err
	}
	if *file == "" {
		return errors.New("--webhook-file is required")
	}
	config, err := readWebhooks(*file)
	if err != nil {
		return err
	}
	n := slices.IndexFunc(config.Hooks, func(h webhooks.Hook) bool { return h.Name == flags.Arg(0) })
	if n < 0 {
		return fmt.Errorf("%s has no webhook with the name %q", *file, flags.Arg(0))
	}
	sender, err := webhooks.NewSender(config, config.Hooks[n])
	if err != nil {
		return err
	}
	defer sender.Close()
	id, err := sender.SendTest(ctx, time.Now())
	if err != nil {
		return fmt.Errorf("the test message was not accepted: %w", err)
	}
	if out.json {
		return out.print(map[string]string{"id": id})
	}
	_, err = fmt.Fprintf(out.stdout, "%s accepted the test message %s.\n", config.Hooks[n], id)
	return err
}

// readWebhooks reads and checks a webhook file.
func readWebhooks(file string) (webhooks.Config, error) {
	config, err := webhooks.ReadFile(file)
	if err != nil {
		return config, fmt.Errorf("--webhook-file: %w", err)
	}
	for i := range config.Hooks {
		if config.Hooks[i].Tenant == "" {
			config.Hooks[i].Tenant = controlplane.DefaultTenant
		}
	}
	if err := config.Check(); err != nil {
		return config, fmt.Errorf("--webhook-file: %s: %w", file, err)
	}
	return config, nil
}

// webhooks returns the webhooks of the file that --webhook-file names.
func (c serveConfig) webhooks() (list []controlplane.Webhook, config webhooks.Config, err error) {
	if c.webhookFile == "" {
		return nil, config, nil
	}
	if config, err = readWebhooks(c.webhookFile); err != nil {
		return nil, config, err
	}
	for _, h := range config.Hooks {
		list = append(list, controlplane.Webhook(h))
	}
	return list, config, nil
}
