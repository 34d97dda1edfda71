// Command aureus runs the control plane and manages its keys, backups and audit
// log. Run aureus help for its commands.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"strings"
	"syscall"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane/cmd/aureus/internal/screen"
)

const usage = `Aureus control plane.

Usage:

  aureus serve [flags]          run the control plane
  aureus keys add|list|revoke   manage API keys, also while it runs
  aureus backup --to FOLDER     copy the database, also while it runs
  aureus audit verify|export|…  check, export, prove and archive the audit log, or purge inputs
  aureus signing-key show|rotate show or replace the key that signs checkpoints
  aureus policy check|explain|… check, explain, compare and sign policy bundles, and push them to a server
  aureus approvals list|show|…  look at the requests that wait for a person, and decide them
  aureus why ID                 say why a request was decided as it was, and what became of it
  aureus runs [ID]              look at the runs of workflows
  aureus trace ID               show the spans and decisions of a trace
  aureus webhooks list|retry|…  list and retry messages for webhooks, and send a test message
  aureus version                print the version
  aureus help                   print this text

Every flag of serve can also be set by an environment variable: AUREUS_ and the
name of the flag in capitals (AUREUS_ADDR, AUREUS_DB, AUREUS_DEV,
AUREUS_TLS_CERT, ...). A flag takes precedence. AUREUS_OPERATOR_KEY is the
operator's key in development mode.

Try it:

  aureus serve --dev
  curl -s http://127.0.0.1:3000/healthz
  curl -s http://127.0.0.1:3000/api/v1/policy/check -H 'Content-Type: application/json' -d '{
    "principal": {"id": "agent-1", "type": "agent", "permissions": []},
    "action": {"id": "look", "name": "Look", "risk_tier": "low", "required_permissions": []}}'

"aureus serve -h", "aureus keys", "aureus audit", "aureus policy" and "aureus approvals"
print more help.
`

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	os.Exit(run(ctx, os.Args[1:], os.Getenv, os.Stdout, os.Stderr))
}

// errUsage means invalid arguments. Its message has been printed already.
var errUsage = errors.New("usage")

// run runs a command and returns the exit code: 0 for success, 1 for a failure, 2
// for invalid arguments, and that of an exitError.
func run(ctx context.Context, args []string, getenv func(string) string, stdout, stderr io.Writer) int {
	command := ""
	if len(args) > 0 {
		command, args = args[0], args[1:]
	}
	var err error
	switch command {
	case "serve":
		err = serve(ctx, args, getenv, stdout, stderr)
	case "backup":
		err = backup(ctx, args, getenv, stdout, stderr)
	case "audit":
		err = auditLog(ctx, args, getenv, stdout, stderr)
	case "signing-key":
		err = signingKeys(ctx, args, getenv, stdout, stderr)
	case "policy":
		err = policyTools(ctx, args, getenv, stdout, stderr)
	case "approvals":
		err = approvalsTools(ctx, args, getenv, stdout, stderr)
	case "why":
		err = runSingle(ctx, command, whyUsage, why, args, getenv, stdout, stderr)
	case "runs":
		err = runSingle(ctx, command, runsUsage, runs, args, getenv, stdout, stderr)
	case "trace":
		err = runSingle(ctx, command, traceUsage, trace, args, getenv, stdout, stderr)
	case "webhooks":
		err = webhookTools(ctx, args, getenv, stdout, stderr)
	case "keys":
		err = keys(ctx, args, getenv, stdout, stderr)
	case "version", "--version", "-version":
		_, err = fmt.Fprintf(stdout, "aureus %s (%s, %s/%s)\n", aureus.Version, runtime.Version(), runtime.GOOS, runtime.GOARCH)
	case "help", "--help", "-help", "-h":
		_, err = io.WriteString(stdout, usage)
	case "":
		fmt.Fprint(stderr, usage)
		return 2
	default:
		fmt.Fprintf(stderr, "aureus: unknown command %q\n\n%s", command, usage)
		return 2
	}
	switch {
	case err == nil, errors.Is(err, flag.ErrHelp):
		return 0
	case errors.Is(err, errUsage):
		return 2
	}
	fmt.Fprintln(stderr, "aureus:", screen.Lines(strings.TrimPrefix(err.Error(), "aureus: "))) // those of package aureus begin so
	if exit, ok := errors.AsType[exitError](err); ok {
		return exit.code
	}
	return 1
}

// unknownVerb prints the usage of a command and, if a verb was given, that it is
// unknown.
func unknownVerb(stderr io.Writer, command, verb, usage string) {
	if verb != "" {
		fmt.Fprintf(stderr, "aureus: unknown command %q\n\n", command+" "+verb)
	}
	fmt.Fprint(stderr, usage)
}

// parse parses the flags of a command and sets those that are not given from the
// environment. Flags may be before, between and after the other arguments; after
// "--" there are only arguments. The command must have exactly the named arguments; a
// last name that ends with "..." stands for one or more, one like "[FILE...]" for any number.
func parse(flags *flag.FlagSet, args []string, getenv func(string) string, names ...string) error {
	arguments := []string{"--"}
	for rest := args; ; {
		if err := flags.Parse(rest); errors.Is(err, flag.ErrHelp) {
			return err
		} else if err != nil {
			return errUsage // the flag set has printed the reason
		}
		read := rest[:len(rest)-flags.NArg()]
		rest = flags.Args()
		if len(rest) == 0 || len(read) > 0 && read[len(read)-1] == "--" {
			arguments = append(arguments, rest...)
			break
		}
		arguments, rest = append(arguments, rest[0]), rest[1:]
	}
	if err := flags.Parse(arguments); err != nil { // cannot fail: after "--" there are no flags
		return errUsage
	}
	more := len(names) > 0 && strings.HasSuffix(strings.TrimSuffix(names[len(names)-1], "]"), "...")
	none := len(names) > 0 && strings.HasPrefix(names[len(names)-1], "[")
	switch n := flags.NArg(); {
	case n == len(names)-1 && none:
		return fromEnvironment(flags, getenv)
	case n > len(names) && !more:
		fmt.Fprintf(flags.Output(), "aureus: %s: unexpected argument %q\n", flags.Name(), flags.Arg(len(names)))
	case n < len(names):
		fmt.Fprintf(flags.Output(), "aureus: %s: the argument %s is missing\n", flags.Name(), names[n])
	default:
		return fromEnvironment(flags, getenv)
	}
	flags.Usage()
	return errUsage
}
