package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane/cmd/aureus/internal/screen"
)

const policyUsage = `Check, explain, compare and sign the files of policy bundles, bring them into force in
a control plane, and stop what must stop.

Usage:

  aureus policy check FILE... [--strict] [--all] [--key PUBLIC]
  aureus policy explain FILE --test NAME [--at TIME] [--used BUDGET=AMOUNT]...
  aureus policy explain FILE --request REQUEST [--at TIME] [--used BUDGET=AMOUNT]...
  aureus policy explain FILE --principal ID (--action ID | --tool NAME | --route PATTERN)
      [--arguments JSON] [--claims JSON] [--on-behalf-of ID] [--type TYPE]
      [--method METHOD] [--path PATH] [--host HOST] [--at TIME]
      [--used BUDGET=AMOUNT]...
  aureus policy diff OLD NEW [--against LOG] [--fail-on-flip]

  aureus policy keygen --to FILE
  aureus policy sign FILE --key FILE
  aureus policy verify FILE --key PUBLIC

  aureus policy push FILE [--dry-run] [--url URL]
  aureus policy pull [--version N] [-o FILE] [--key PUBLIC] [--url URL]
  aureus policy history [--url URL]
  aureus policy stop SCOPE --reason TEXT [--url URL]
  aureus policy stops [--url URL]
  aureus policy resume SCOPE [--url URL]

The last six ask the control plane at --url, or at AUREUS_URL, with the key in
AUREUS_API_KEY, or that of --profile; see "aureus approvals". push needs that of an admin, stop and resume that of an operator. push
sends the signature in FILE.sig, if there is one. A scope is all, principal:ID or
action:ID; an ID may end with *.

Each takes --output json, which writes exactly one line of JSON. The exit code is 0 if
all is well, 1 if it is not or the command failed, and 2 for invalid arguments.
"aureus policy check -h" and so on list the flags.
`

// policyTools runs the command policy.
func policyTools(ctx context.Context, args []string, getenv func(string) string, stdout, stderr io.Writer) error {
	return runVerb(ctx, "policy", policyUsage, policyVerbs, args, getenv, stdout, stderr)
}

var policyVerbs = map[string]func(context.Context, *policyCommand) error{
	"check": policyCheck, "explain": policyExplain, "diff": policyDiff,
	"keygen": policyKeygen, "sign": policySign, "verify": policyVerify,
	"push": policyPush, "pull": policyPull, "history": policyHistory,
	"stop": policyStop, "stops": policyStops, "resume": policyResume,
}

// policyCommand is one run of a command of aureus policy.
type policyCommand struct {
	flags  *flag.FlagSet
	args   []string
	getenv func(string) string
	out    printer
}

// parse parses the arguments. Nothing is taken from the environment, because the flags
// describe a single task.
func (c *policyCommand) parse(names ...string) error {
	return parse(c.flags, c.args, func(string) string { return "" }, names...)
}

// given reports whether a flag was given.
func (c *policyCommand) given(name string) (found bool) {
	c.flags.Visit(func(f *flag.Flag) { found = found || f.Name == name })
	return found
}

// table writes rows with their columns aligned.
func (c *policyCommand) table(rows [][]string) error {
	return c.tableWithDetails(rows, func(int) []string { return nil })
}

// tableWithDetails writes rows, each followed by lines of details, which are not in
// columns. Both are wrapped at the width of the screen.
func (c *policyCommand) tableWithDetails(rows [][]string, details func(row int) []string) error {
	width := c.width()
	for n, lines := range screen.Table(rows, inside(width, 2)) {
		for _, line := range lines {
			if err := c.printf("%s\n", strings.TrimRight("  "+line, " ")); err != nil {
				return err
			}
		}
		for _, detail := range details(n) {
			if err := c.wrapped("      " + screen.Line(detail)); err != nil {
				return err
			}
		}
	}
	return nil
}

// inside returns the width that is left beside a margin; 0 stays, and limits nothing.
func inside(width, margin int) int {
	if width == 0 {
		return 0
	}
	return max(20, width-margin)
}

// wrapped writes a line that is escaped already, wrapped at the width of the screen.
func (c *policyCommand) wrapped(line string) error {
	for _, part := range screen.Wrap(line, c.width()) {
		if err := c.printf("%s\n", part); err != nil {
			return err
		}
	}
	return nil
}

// shortTime returns a time for a table, in whole seconds.
func shortTime(t aureus.Timestamp) string {
	at, ok := t.Time()
	if !ok {
		return string(t)
	}
	return at.UTC().Format(time.RFC3339)
}

// printf writes to standard output.
func (c *policyCommand) printf(format string, values ...any) error {
	_, err := fmt.Fprintf(c.out.stdout, format, values...)
	return err
}

// shown returns a text for a terminal, on one line: see [screen.Line].
func shown(text string) string { return screen.Line(text) }
