package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"golang.org/x/term"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane/cmd/aureus/internal/settings"
)

const approvalsUsage = `Look at the requests that wait for a person, and decide them.

Usage:

  aureus approvals list [--status STATUS] [--principal ID] [--limit N]
  aureus approvals show ID
  aureus approvals approve ID [--comment TEXT] [--yes]
  aureus approvals reject ID --comment TEXT [--yes]
  aureus approvals watch [--principal ID]

approve and reject decide what was displayed: the command keeps the digest of each request
that it displayed in full, in the folder aureus of $XDG_STATE_HOME, and refuses an ID that
it never displayed, or whose request is another one by now. On a terminal they ask before
they decide; elsewhere --yes is needed.

Each needs the key of an operator. The control plane and the key are taken from --url or
AUREUS_URL and AUREUS_API_KEY, or from a profile (--profile, AUREUS_PROFILE, or the default
one) of the configuration file, which is AUREUS_CONFIG or aureus/config.json in
$XDG_CONFIG_HOME, with mode 0600:

  {"default": "work", "profiles": {"work": {"url": "https://…", "api_key": "key_…"}}}

Each takes --output json, which writes exactly one line of JSON (watch: one for each change).

Exit codes: 0 done; 1 it failed, such as an approval that somebody else has decided; 2
invalid arguments; 3 nothing was decided, because the request was not displayed or has
changed; 4 nothing was decided, because it was not confirmed.
`

var approvalsVerbs = map[string]func(context.Context, *policyCommand) error{
	"list": approvalsList, "show": approvalsShow, "approve": approvalsApprove, "reject": approvalsReject,
	"watch": approvalsWatch,
}

// approvalsTools runs the command approvals.
func approvalsTools(ctx context.Context, args []string, getenv func(string) string, stdout, stderr io.Writer) error {
	return runVerb(ctx, "approvals", approvalsUsage, approvalsVerbs, args, getenv, stdout, stderr)
}

// exitError is an error with an exit code of its own.
type exitError struct {
	error

	code int
}

const (
	exitNotShown     = 3
	exitNotConfirmed = 4
)

// seat is one run of a command of a person who decides.
type seat struct {
	*policyCommand

	client *aureus.Client
	shown  *settings.Shown
	now    func() time.Time
}

// maxListedApprovals limits how many approvals a list has, in each format.
const maxListedApprovals = 1000

// approvalsList lists approvals, the oldest first.
func approvalsList(ctx context.Context, c *policyCommand) error {
	status := c.flags.String("status", string(aureus.ApprovalPending), "the `status` of the approvals: pending, approved, rejected, expired, consumed, or all")
	principal := c.flags.String("principal", "", "the `id` of the principal that asks")
	limit := c.flags.Int("limit", 100, "how many are listed, 1 to 1000")
	return c.withApprovals(ctx, func(ctx context.Context, s *seat) error {
		if *limit < 1 || *limit > maxListedApprovals {
			return fmt.Errorf("--limit must be from 1 to %d", maxListedApprovals)
		}
		query := aureus.ApprovalQuery{Status: aureus.ApprovalStatus(*status)}
		if *status == "all" {
			query.Status = ""
		} else if !slices.Contains(query.Status.Words(), *status) {
			return errors.New("--status must be pending, approved, rejected, expired, consumed or all")
		}
		list, more, err := s.approvals(ctx, query, *principal, *limit)
		if err != nil {
			return err
		}
		return s.printList(list, more, *status)
	})
}

func (s *seat) printList(list []aureus.Approval, more bool, status string) error {
	if s.out.json {
		return errors.Join(s.out.print(list), s.keep(list...))
	}
	if len(list) == 0 {
		return s.printf("%s\n", map[bool]string{true: "There is no approval.", false: "No approval is " + status + "."}[status == "all"])
	}
	var full []aureus.Approval // displayed completely
	for n := range list {
		lines, complete := approvalSummary(&list[n], s.now(), s.width())
		if complete {
			full = append(full, list[n])
		}
		if err := s.printf("%s\n\n", strings.Join(lines, "\n")); err != nil {
			return err
		}
	}
	if more {
		if err := s.printf("%s\n", "There are more: --limit lists them."); err != nil {
			return err
		}
	}
	return s.keep(full...)
}

// approvalsShow displays an approval with everything that the request holds.
func approvalsShow(ctx context.Context, c *policyCommand) error {
	return c.withApprovals(ctx, func(ctx context.Context, s *seat) error {
		a, err := s.approval(ctx, s.flags.Arg(0))
		if err != nil {
			return err
		}
		if s.out.json {
			return errors.Join(s.out.print(a), s.keep(a))
		}
		if err := s.printApproval(ctx, &a); err != nil {
			return err
		}
		return s.keep(a)
	}, "ID")
}

// withApprovals is withServer for a command that displays or decides approvals.
func (c *policyCommand) withApprovals(ctx context.Context, do func(context.Context, *seat) error, names ...string) error {
	return c.withServer(ctx, func(ctx context.Context, client *aureus.Client) error {
		displayed, err := settings.OpenShown(c.getenv, client.BaseURL())
		if err != nil {
			return err
		}
		return do(ctx, &seat{c, client, displayed, time.Now})
	}, names...)
}

// approval returns the approval with that id, as an argument has it.
func (s *seat) approval(ctx context.Context, id string) (aureus.Approval, error) {
	a, err := s.client.Approval(ctx, id)
	if errors.Is(err, aureus.ErrNotFound) {
		return a, fmt.Errorf("there is no approval %.60q that this key may see; aureus approvals list lists those that wait: %w", id, err)
	}
	return a, err
}

// approvals returns at most limit approvals, the oldest first, and whether there are more.
func (s *seat) approvals(ctx context.Context, query aureus.ApprovalQuery, principal string, limit int) (list []aureus.Approval, more bool, err error) {
	list = []aureus.Approval{}
	for a, err := range s.client.Approvals(ctx, query) {
		if err != nil {
			return nil, false, err
		}
		if principal != "" && a.Principal.ID != principal {
			continue
		}
		if len(list) == limit {
			return list, true, nil
		}
		list = append(list, a)
	}
	return list, false, nil
}

// keep remembers which requests were displayed.
func (s *seat) keep(list ...aureus.Approval) error {
	digests := map[string]aureus.Digest{}
	for n := range list {
		if list[n].Status == aureus.ApprovalPending && !list[n].ActionDigest.IsZero() {
			digests[list[n].ID] = list[n].ActionDigest
		}
	}
	if err := s.shown.Keep(digests, s.now()); err != nil {
		return fmt.Errorf("what was displayed cannot be kept, and so cannot be approved: %w", err)
	}
	return nil
}

// onTerminal reports whether a person reads the output and types the input.
func (c *policyCommand) onTerminal() bool {
	f, ok := c.out.stdout.(*os.File)
	return ok && term.IsTerminal(int(f.Fd())) && term.IsTerminal(int(os.Stdin.Fd()))
}

// runVerb runs a verb of a command that has several.
func runVerb(ctx context.Context, command, usage string, verbs map[string]func(context.Context, *policyCommand) error,
	args []string, getenv func(string) string, stdout, stderr io.Writer,
) error {
	verb := ""
	if len(args) > 0 {
		verb, args = args[0], args[1:]
	}
	switch verb {
	case "help", "-h", "--help", "-help":
		_, err := io.WriteString(stdout, usage)
		return err
	}
	run, found := verbs[verb]
	if !found {
		unknownVerb(stderr, command, verb, usage)
		return errUsage
	}
	return run(ctx, newCommand(command+" "+verb, args, getenv, stdout, stderr))
}

func newCommand(name string, args []string, getenv func(string) string, stdout, stderr io.Writer) *policyCommand {
	c := &policyCommand{flags: flag.NewFlagSet(name, flag.ContinueOnError), args: args, getenv: getenv, out: printer{stdout: stdout}}
	c.flags.SetOutput(stderr)
	c.flags.Var(&c.out, "output", "the `format` of the output, text or json")
	return c
}
