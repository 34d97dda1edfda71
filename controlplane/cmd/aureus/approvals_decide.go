package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/farmountain/aureus-go/aureus"
)

// approvalsApprove approves a request that was displayed.
func approvalsApprove(ctx context.Context, c *policyCommand) error {
	return c.decideApproval(ctx, "approve", (*aureus.Client).Approve)
}

// approvalsReject rejects a request that was displayed.
func approvalsReject(ctx context.Context, c *policyCommand) error {
	return c.decideApproval(ctx, "reject", (*aureus.Client).Reject)
}

type verdictCall func(c *aureus.Client, ctx context.Context, id string, shown aureus.Digest, comment string) (aureus.Approval, error)

func (c *policyCommand) decideApproval(ctx context.Context, verb string, send verdictCall) error {
	comment := c.flags.String("comment", "", "a `text` for those who asked, and for the audit log")
	yes := c.flags.Bool("yes", false, "do not ask before it is decided")
	return c.withApprovals(ctx, func(ctx context.Context, s *seat) error {
		if verb == "reject" && strings.TrimSpace(*comment) == "" {
			return errors.New("--comment is required: who asked reads why it was rejected")
		}
		a, err := s.displayed(ctx, s.flags.Arg(0))
		if err != nil {
			return err
		}
		if !*yes {
			if err := s.confirm(ctx, verb, &a); err != nil {
				return err
			}
		}
		decided, err := send(s.client, ctx, a.ID, a.ActionDigest, *comment)
		if errors.Is(err, aureus.ReasonApprovalMismatch.Err()) {
			return changedSince(a.ID, err)
		}
		if err != nil {
			return err
		}
		return s.printVerdict(&decided)
	}, "ID")
}

// displayed returns the approval if its request is the one that was displayed last.
func (s *seat) displayed(ctx context.Context, id string) (aureus.Approval, error) {
	digest, found, err := s.shown.Digest(id)
	if err != nil {
		return aureus.Approval{}, err
	}
	if !found {
		return aureus.Approval{}, exitError{fmt.Errorf("the request of %.60q was not displayed in full by this command, or long ago; look at it first: aureus approvals show %.60s", id, shown(id)), exitNotShown}
	}
	a, err := s.approval(ctx, id)
	if err != nil {
		return a, err
	}
	if a.ActionDigest != digest {
		return a, changedSince(id, nil)
	}
	return a, nil
}

func changedSince(id string, cause error) error {
	err := fmt.Errorf("the request of %.60q is not the one that was displayed; look at it again: aureus approvals show %.60s", id, shown(id))
	if cause != nil {
		err = fmt.Errorf("%w: %w", err, cause)
	}
	return exitError{err, exitNotShown}
}

// confirm displays the request again and asks whether to decide it.
func (s *seat) confirm(ctx context.Context, verb string, a *aureus.Approval) error {
	if !s.onTerminal() || s.out.json {
		return exitError{errors.New("nothing was decided: without a terminal, --yes must confirm it"), exitNotConfirmed}
	}
	if err := s.printApproval(ctx, a); err != nil {
		return err
	}
	if err := s.printf("Type yes to %s it: ", verb); err != nil {
		return err
	}
	typed, err := bufio.NewReader(io.LimitReader(os.Stdin, 100)).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	if !strings.EqualFold(strings.TrimSpace(typed), "yes") {
		return exitError{errors.New("nothing was decided"), exitNotConfirmed}
	}
	return nil
}

func (s *seat) printVerdict(a *aureus.Approval) error {
	if s.out.json {
		return s.out.print(a)
	}
	switch a.Status {
	case aureus.ApprovalPending:
		return s.wrapped(fmt.Sprintf("%s is approved by %d of the %d people that it needs.", a.ID, a.Quorum.Have, a.Quorum.Needed))
	case aureus.ApprovalApproved:
		return s.wrapped(fmt.Sprintf("%s is approved. It may be used once, until %s.", a.ID, shortTime(a.ExpiresAt)))
	case aureus.ApprovalRejected:
		return s.wrapped(fmt.Sprintf("%s is rejected. The same request is denied until %s.", a.ID, shortTime(a.ExpiresAt)))
	case aureus.ApprovalExpired, aureus.ApprovalConsumed: // not after a verdict
	}
	return s.wrapped(fmt.Sprintf("%s is %s.", a.ID, a.Status))
}
