package main

import (
	"context"
	_ "embed"
	"fmt"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
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

// writePolicy writes a bundle to the file that the service watches. The file is replaced
// in one step, so that the service never reads half of it.
func writePolicy(file, text string) error {
	written := filepath.Join(filepath.Dir(file), ".written")
	if err := os.WriteFile(written, []byte(text), 0o600); err != nil {
		return err
	}
	return os.Rename(written, file)
}

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

// recordedEngine decides as the engine does, in this process, and puts each decision into
// the audit log of the control plane, in the background.
type recordedEngine struct {
	*policy.Engine

	recorder *aureus.Recorder
}

// Decide decides and records.
func (e recordedEngine) Decide(ctx context.Context, request aureus.Request) (aureus.Decision, error) {
	decision, err := e.Engine.Decide(ctx, request)
	if err == nil {
		e.recorder.RecordDecision(ctx, decision)
	}
	return decision, err
}

// waitForVersion waits until the engine decides by that version of its bundle.
func waitForVersion(ctx context.Context, engine *policy.Engine, version int64) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	for engine.Bundle().Version() != version {
		select {
		case <-ctx.Done():
			return fmt.Errorf("version %d of the policy is not in force yet: %w", version, context.Cause(ctx))
		case <-time.After(20 * time.Millisecond):
		}
	}
	return nil
}
