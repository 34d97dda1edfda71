package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/guard/policy"
)

// pushed is the result of policy push in JSON.
type pushed struct {
	Bundle   *aureus.PolicyBundle `json:"bundle,omitzero"`   // as it was stored; absent with --dry-run
	Replaces string               `json:"replaces,omitzero"` // name/version of the bundle in force before
	Changes  []policy.Change      `json:"changes"`
	Notes    []string             `json:"notes"`
}

// policyPush shows what a bundle changes, and brings it into force.
func policyPush(ctx context.Context, c *policyCommand) error {
	dry := c.flags.Bool("dry-run", false, "only show what it changes")
	return c.withServer(ctx, func(ctx context.Context, client *aureus.Client) error {
		return c.push(ctx, client, c.flags.Arg(0), *dry)
	}, "FILE")
}

func (c *policyCommand) push(ctx context.Context, client *aureus.Client, file string, dry bool) error {
	bundle, err := policy.ReadFile(file)
	if err != nil {
		return err
	}
	signature, err := readSignature(file)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s: %w", file+signatureEnding, err)
	}
	result := pushed{Changes: []policy.Change{}, Notes: []string{}}
	for _, note := range bundle.Notes() {
		if !strings.HasPrefix(note, "without a control plane, ") { // there is one
			result.Notes = append(result.Notes, note)
		}
	}
	inForce, err := client.PolicyBundle(ctx, aureus.Digest{})
	if err != nil && !errors.Is(err, aureus.ErrNotFound) {
		return err
	}
	if err == nil {
		result.Replaces = fmt.Sprintf("%s/%d", inForce.Name, inForce.Version)
		old, err := policy.ParseUntested(inForce.Text)
		if err != nil {
			return fmt.Errorf("the bundle in force, %s, cannot be compared: %w", result.Replaces, err)
		}
		result.Changes = bundle.ChangesSince(old)
	}
	if !c.out.json {
		if err := c.printPush(&result, labelOf(bundle)); err != nil || dry {
			return err
		}
	}
	if !dry {
		if result.Replaces == "" { // so that of two first bundles, only one is put in force
			client = client.With(aureus.WithHeader("If-None-Match", "*"))
		}
		stored, err := client.PutPolicyBundle(ctx, bundle.Text(), signature, inForce.Digest)
		if err != nil {
			return err
		}
		result.Bundle = &stored
	}
	if c.out.json {
		return c.out.print(result)
	}
	return c.printf("%s/%d is in force.\n", result.Bundle.Name, result.Bundle.Version)
}

func (c *policyCommand) printPush(result *pushed, label string) error {
	heading := fmt.Sprintf("%s → %s: %d changes\n", result.Replaces, label, len(result.Changes))
	if result.Replaces == "" {
		heading = label + " is the first bundle\n"
	}
	if err := c.printf("%s", heading); err != nil {
		return err
	}
	return c.printChanges(result.Changes, result.Notes)
}
