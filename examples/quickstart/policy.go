package main

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/guard/policy"
	"github.com/farmountain/aureus-go/middleware"
)

// firstPolicy is the policy bundle that the ledger starts with.
//
//go:embed policy.yaml
var firstPolicy string

// The rule that the program adds to the policy, and its test.
const (
	noZeta     = `{id: no-zeta, effect: deny, actions: [transfer.make], when: "arguments.to == 'zeta'", remedy: Ask the compliance desk about zeta.}`
	noZetaTest = `{name: zeta gets nothing, principal: clerk-7, action: transfer.make, arguments: {from: acme, to: zeta, amount: 1}, want: deny, rule: no-zeta}`
)

// secondPolicy returns version 2 of the policy, which has that rule.
func secondPolicy() string {
	return strings.Replace(firstPolicy, "version: 1\n", "version: 2\n", 1) + "  - " + noZetaTest + "\n\nrules:\n  - " + noZeta + "\n"
}

// identify returns the principal of a request. It trusts the header X-Agent of a proxy on
// this machine only. In a real service, use your own authentication instead.
func identify(r *http.Request) (aureus.Principal, error) {
	who, err := fromProxy(r)
	who.Type = "agent"
	return who, err
}

var fromProxy = middleware.TrustedHeader("X-Agent", netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128"))

// putPolicy puts a version of the bundle to the control plane, as those who release
// policies do. The error lists every problem of the bundle, with line and column.
func (p *plane) putPolicy(ctx context.Context, text string) error {
	if p.admin == nil {
		_, secret, err := p.adminKey(ctx)
		if err != nil {
			return err
		}
		if p.admin, err = aureus.NewClient(p.url(), aureus.WithAPIKey(secret)); err != nil {
			return err
		}
	}
	_, err := p.admin.PutPolicyBundle(ctx, []byte(text), nil, aureus.Digest{})
	return err
}

// waitForVersion waits until the follower decides by that version of the bundle.
func waitForVersion(ctx context.Context, follower *policy.Follower, version int64) error {
	return waitUntil(ctx, func() bool { return follower.Bundle().Version() == version },
		fmt.Sprintf("version %d of the policy is not in force yet", version))
}

// waitForStops waits until that number of stops holds at the follower, which hears of a
// change within a second.
func waitForStops(ctx context.Context, follower *policy.Follower, number int) error {
	return waitUntil(ctx, func() bool { return follower.Stats().Stops == number },
		fmt.Sprintf("the service does not know yet that the number of stops is %d", number))
}

// waitUntil waits until the condition holds. Otherwise the error begins with the problem.
func waitUntil(ctx context.Context, condition func() bool, problem string) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	for !condition() {
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s: %w", problem, context.Cause(ctx))
		case <-time.After(10 * time.Millisecond):
		}
	}
	return nil
}

// problemsOf returns what the control plane says about a bundle that it refused.
func problemsOf(err error) string {
	if refused, ok := errors.AsType[*aureus.Error](err); ok {
		return refused.Message
	}
	return err.Error()
}
