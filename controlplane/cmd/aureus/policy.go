package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/farmountain/aureus-go/aureus"
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
AUREUS_API_KEY; push needs that of an admin, stop and resume that of an operator. push
sends the signature in FILE.sig, if there is one. A scope is all, principal:ID or
action:ID; an ID may end with *.

Each takes --output json, which writes exactly one line of JSON. The exit code is 0 if
all is well, 1 if it is not or the command failed, and 2 for invalid arguments.
"aureus policy check -h" and so on list the flags.
`

// policyTools runs the command policy.
func policyTools(ctx context.Context, args []string, getenv func(string) string, stdout, stderr io.Writer) error {
	verb := ""
	if len(args) > 0 {
		verb, args = args[0], args[1:]
	}
	switch verb {
	case "help", "-h", "--help", "-help":
		_, err := io.WriteString(stdout, policyUsage)
		return err
	}
	run, found := policyVerbs[verb]
	if !found {
		unknownVerb(stderr, "policy", verb, policyUsage)
		return errUsage
	}
	c := &policyCommand{flags: flag.NewFlagSet("policy "+verb, flag.ContinueOnError), args: args, getenv: getenv, out: printer{stdout: stdout}}
	c.flags.SetOutput(stderr)
	c.flags.Var(&c.out, "output", "the `format` of the output, text or json")
	return run(ctx, c)
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

// aligned returns one line for each row.
func aligned(rows [][]string) (lines []string) {
	var text strings.Builder
	w := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	for _, row := range rows {
		cells := make([]string, len(row))
		for n, cell := range row {
			cells[n] = shown(cell)
		}
		_, _ = io.WriteString(w, strings.Join(cells, "\t")+"\n") // to memory
	}
	_ = w.Flush() // to memory
	for line := range strings.Lines(text.String()) {
		lines = append(lines, strings.TrimRight(line, " \n"))
	}
	return lines
}

// tableWithDetails writes rows, each followed by lines of details, which are not in columns.
func (c *policyCommand) tableWithDetails(rows [][]string, details func(row int) []string) error {
	for n, line := range aligned(rows) {
		if err := c.printf("  %s\n", line); err != nil {
			return err
		}
		for _, detail := range details(n) {
			if err := c.printf("      %s\n", shown(detail)); err != nil {
				return err
			}
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

// shown returns a text for a terminal: without control characters, which could move the
// cursor, and on one line.
func shown(text string) string {
	clean := []rune(text)
	for n, r := range clean {
		if r < ' ' || r >= 0x7f && r < 0xa0 {
			clean[n] = '·'
		}
	}
	return string(clean)
}
