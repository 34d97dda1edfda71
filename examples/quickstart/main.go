// Quickstart shows all parts of Aureus for Go in one program: a control plane, and a
// small ledger service with a guard before its handlers, a gate before its transfers,
// and spans and metrics that it exports to the control plane. The guard decides by the
// policy bundle in policy.yaml: the program puts it to the control plane, which the service
// follows, and changes it while the service runs. The program sends requests to the service
// over HTTP, as agents would. It exits with 0 only if every response is as expected.
//
//	go run ./quickstart          # send the requests and print the responses
//	go run ./quickstart -serve   # keep running, and print curl commands to try
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"
)

func main() {
	serve := flag.Bool("serve", false, "keep running, and print curl commands to try")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Stdout, *serve); err != nil {
		fmt.Fprintln(os.Stderr, "quickstart:", err)
		stop()
		os.Exit(1) //nolint:gocritic // stop has run
	}
}

func run(ctx context.Context, out io.Writer, serve bool) (err error) {
	dir, err := os.MkdirTemp("", "aureus-quickstart-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()

	plane := &plane{db: filepath.Join(dir, "aureus.db")}
	if err := plane.start(ctx); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, plane.close()) }()
	key, err := plane.serviceKey(ctx)
	if err != nil {
		return err
	}
	if err := plane.putPolicy(ctx, firstPolicy); err != nil {
		return err
	}
	config := serviceConfig{planeURL: plane.url(), key: key, cacheFile: filepath.Join(dir, "ledger.cache")}
	if serve {
		config.log = slog.New(slog.NewTextHandler(out, nil))
	}
	service, err := startService(ctx, config)
	if err != nil {
		return err
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		err = errors.Join(err, service.stop(ctx))
	}()
	if serve {
		return serveUntilDone(ctx, out, plane, service, filepath.Join(dir, "policy.yaml"))
	}
	return tell(ctx, out, plane, service)
}

func tell(ctx context.Context, out io.Writer, plane *plane, service *service) error {
	began := time.Now()
	fmt.Fprintf(out, "Aureus control plane at %s, ledger service at %s\n\n", plane.url(), service.url())
	fmt.Fprintf(out, "Who may do what at the ledger, as its policy bundle (examples/quickstart/policy.yaml) says:\n%s\n", indented(service.report))
	story := &story{out: out, plane: plane, service: service, tracer: service.traces.Tracer("agent")}
	if err := story.run(ctx); err != nil {
		return err
	}
	if err := service.flush(ctx); err != nil {
		return fmt.Errorf("sending the telemetry: %w", err)
	}

	fmt.Fprintf(out, "\nThe trace of the large transfer, read from Aureus:\n")
	if err := printTrace(ctx, out, service.client, story.traces[1]); err != nil {
		return err
	}
	fmt.Fprintf(out, "\nThe outage; its spans were kept until the control plane was back:\n")
	if err := printTrace(ctx, out, service.client, story.traces[3]); err != nil {
		return err
	}
	fmt.Fprintf(out, "\nMetrics in Aureus:\n")
	if err := printMetrics(ctx, out, service.client); err != nil {
		return err
	}
	fmt.Fprintf(out, "\nThe audit log, with the start of each entry's hash:\n")
	if err := printAudit(ctx, out, plane.server.Operator("auditor")); err != nil {
		return err
	}
	fmt.Fprintf(out, "\nEvery step succeeded, in %.1f s.\n", time.Since(began).Seconds())
	return nil
}

func serveUntilDone(ctx context.Context, out io.Writer, plane *plane, service *service, policyFile string) error {
	if err := os.WriteFile(policyFile, []byte(firstPolicy), 0o600); err != nil {
		return err
	}
	_, operator, err := plane.operatorKey(ctx)
	if err != nil {
		return err
	}
	_, admin, err := plane.adminKey(ctx)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, `The ledger listens at %[1]s and the control plane at %[2]s. Who may do what:

%[4]s
Try, in another terminal:

  # a read that passes, and one by nobody
  curl -i -H 'X-Agent: clerk-7' %[1]s/accounts/acme
  curl -i %[1]s/accounts/acme

  # denied for want of permission; blocked by the gate; done
  export JSON='Content-Type: application/json'
  curl -i -H 'X-Agent: reader-1' -H "$JSON" -d '{"from":"acme","to":"zeta","amount":20}' %[1]s/transfers
  curl -i -H 'X-Agent: clerk-7' -H "$JSON" -d '{"from":"zeta","to":"acme","amount":999}' %[1]s/transfers
  curl -i -H 'X-Agent: clerk-7' -H "$JSON" -d '{"from":"acme","to":"zeta","amount":20}' %[1]s/transfers

  # needs a person: the answer names an approval, apr_...
  curl -i -H 'X-Agent: clerk-7' -H "$JSON" -d '{"from":"acme","to":"zeta","amount":2500}' %[1]s/transfers

  # look at it as an operator, and approve it by the action_digest that it shows
  export OPERATOR='Authorization: Bearer %[3]s'
  curl -H "$OPERATOR" '%[2]s/api/v1/policy/approvals?status=pending'
  curl -H "$OPERATOR" -H "$JSON" -d '{"action_digest":"sha256:..."}' %[2]s/api/v1/policy/approvals/apr_.../approve

  # repeat the large transfer: it passes once
  curl -i -H 'X-Agent: clerk-7' -H "$JSON" -d '{"from":"acme","to":"zeta","amount":2500}' %[1]s/transfers

  # edit the policy, raise its version, and put it to the control plane; the next request shows it
  export ADMIN='Authorization: Bearer %[5]s'
  curl -X PUT -H "$ADMIN" --data-binary @%[6]s %[2]s/api/v1/policy/bundle

  # stop an agent at once, and let it go on
  curl -X PUT -H "$OPERATOR" -H "$JSON" -d '{"reason":"under investigation"}' %[2]s/api/v1/policy/stops/principal:clerk-7
  curl -X DELETE -H "$OPERATOR" %[2]s/api/v1/policy/stops/principal:clerk-7

  # who was allowed what
  curl -H "$OPERATOR" %[2]s/api/v1/audit
  curl -H "$OPERATOR" %[2]s/api/v1/audit/verify

Stop with Ctrl-C.
`, service.url(), plane.url(), operator, indented(service.report), admin, policyFile)
	<-ctx.Done()
	return nil
}
