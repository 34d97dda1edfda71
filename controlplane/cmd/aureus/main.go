// Command aureus runs the control plane and manages its keys. Run aureus help
// for what it takes.
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
	"syscall"

	"github.com/farmountain/aureus-go/aureus"
)

const usage = `Aureus control plane.

Usage:

  aureus serve [flags]          run the control plane
  aureus keys add|list|revoke   manage API keys, also while it runs
  aureus backup --to FOLDER     copy the database, also while it runs
  aureus audit verify|archive   check the audit log, or move its beginning to a file
  aureus version                print the version
  aureus help                   print this text

Every flag of serve can be given in the environment instead, as AUREUS_ and its
name in capitals (AUREUS_ADDR, AUREUS_DB, AUREUS_DEV, AUREUS_TLS_CERT, ...); a
flag wins. AUREUS_OPERATOR_KEY is the operator's key of development mode.

Try it:

  aureus serve --dev
  curl -s http://127.0.0.1:3000/healthz
  curl -s http://127.0.0.1:3000/api/v1/policy/check -H 'Content-Type: application/json' -d '{
    "principal": {"id": "agent-1", "type": "agent", "permissions": []},
    "action": {"id": "look", "name": "Look", "risk_tier": "low", "required_permissions": []}}'

"aureus serve -h", "aureus keys" and "aureus audit" say more.
`

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends it at once
	os.Exit(run(ctx, os.Args[1:], os.Getenv, os.Stdout, os.Stderr))
}

// errUsage is an error whose text has been printed.
var errUsage = errors.New("usage")

// run is main without the process: 0 for success, 1 for a failure, 2 for
// arguments that cannot be understood.
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
		fmt.Fprintf(stderr, "aureus: there is no command %q\n\n%s", command, usage)
		return 2
	}
	switch {
	case err == nil, errors.Is(err, flag.ErrHelp):
		return 0
	case errors.Is(err, errUsage):
		return 2
	}
	fmt.Fprintln(stderr, "aureus:", err)
	return 1
}

// unknownVerb prints how the command is used and, if a verb was given, that there
// is none of that name.
func unknownVerb(stderr io.Writer, command, verb, usage string) {
	if verb != "" {
		fmt.Fprintf(stderr, "aureus: there is no command %q\n\n", command+" "+verb)
	}
	fmt.Fprint(stderr, usage)
}

// parse reads the flags of a command that takes no other arguments but those
// that are asked for, and fills in from the environment what no flag has set.
// Flags may stand before, between and behind the arguments; behind "--" there
// are only arguments.
func parse(flags *flag.FlagSet, args []string, wantArgs int, getenv func(string) string) error {
	arguments := []string{"--"}
	for rest := args; ; {
		if err := flags.Parse(rest); errors.Is(err, flag.ErrHelp) {
			return err
		} else if err != nil {
			return errUsage // the flag set has told why
		}
		read := rest[:len(rest)-flags.NArg()]
		rest = flags.Args()
		if len(rest) == 0 || len(read) > 0 && read[len(read)-1] == "--" {
			arguments = append(arguments, rest...)
			break
		}
		arguments, rest = append(arguments, rest[0]), rest[1:]
	}
	if err := flags.Parse(arguments); err != nil { // which has no flag in it
		return errUsage
	}
	if flags.NArg() != wantArgs {
		fmt.Fprintf(flags.Output(), "aureus: %s takes %d argument(s) beside its flags, not %d\n", flags.Name(), wantArgs, flags.NArg())
		flags.Usage()
		return errUsage
	}
	return fromEnvironment(flags, getenv)
}
