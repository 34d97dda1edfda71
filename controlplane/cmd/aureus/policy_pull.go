package main

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane/cmd/aureus/internal/screen"
	"github.com/farmountain/aureus-go/guard/policy"
)

// pulled is the result of policy pull in JSON.
type pulled struct {
	Name    string        `json:"name"`
	Version int64         `json:"version"`
	Digest  aureus.Digest `json:"digest"`
	Signed  bool          `json:"signed"`
	File    string        `json:"file,omitzero"` // where it was written
	Text    string        `json:"text,omitzero"` // the bundle, if it was not written to a file
}

// policyPull writes the bundle in force, or an earlier version, exactly as it was stored.
func policyPull(ctx context.Context, c *policyCommand) error {
	version := c.flags.Int64("version", 0, "the `number` of an earlier version; without it, the bundle in force")
	to := c.flags.String("o", "", "the `file` for the bundle, which is replaced; its signature gets the ending .sig. Without it, the bundle is written to standard output")
	keyFile := c.flags.String("key", "", "the `file` with the Ed25519 public keys (PEM) of which one must have signed the bundle")
	return c.withServer(ctx, func(ctx context.Context, client *aureus.Client) error {
		if c.given("version") && *version < 1 {
			return errors.New("--version must be at least 1")
		}
		if c.given("o") && *to == "" || c.given("key") && *keyFile == "" {
			return errors.New("-o and --key must name a file")
		}
		keys, err := policyKeys("--key", *keyFile)
		if err != nil {
			return err
		}
		get := func() (aureus.PolicyBundle, error) { return client.PolicyBundle(ctx, aureus.Digest{}) }
		if c.given("version") {
			get = func() (aureus.PolicyBundle, error) { return client.PolicyBundleVersion(ctx, *version) }
		}
		bundle, err := get()
		if errors.Is(err, aureus.ErrNotFound) {
			return notFound(*version, err)
		}
		if err != nil {
			return err
		}
		if len(keys) > 0 {
			if _, err := policy.ParseSigned(bundle.Text, bundle.Signature, keys...); err != nil {
				return err
			}
		}
		return c.savePulled(&bundle, *to)
	})
}

// notFound says what to do about a bundle that the control plane does not have.
func notFound(version int64, err error) error {
	if version > 0 {
		return fmt.Errorf("the control plane has no bundle of version %d, or does not keep its text any more; aureus policy history lists the versions: %w", version, err)
	}
	return fmt.Errorf("the tenant has no policy bundle; aureus policy push puts one in force: %w", err)
}

func (c *policyCommand) savePulled(bundle *aureus.PolicyBundle, to string) error {
	result := pulled{Name: bundle.Name, Version: bundle.Version, Digest: bundle.Digest, Signed: bundle.Signed, File: to}
	switch {
	case to != "":
		if err := replaceFile(to, bundle.Text); err != nil {
			return err
		}
		if bundle.Signed {
			text := base64.StdEncoding.EncodeToString(bundle.Signature) + "\n"
			if err := replaceFile(to+signatureEnding, []byte(text)); err != nil {
				return err
			}
		}
	case !c.out.json:
		_, err := c.out.stdout.Write(bundle.Text)
		return err
	default:
		result.Text = string(bundle.Text)
	}
	if c.out.json {
		return c.out.print(result)
	}
	return c.printf("%s/%d is in %s.\n", bundle.Name, bundle.Version, to)
}

// policyHistory lists the versions of the bundle, the newest first.
func policyHistory(ctx context.Context, c *policyCommand) error {
	return c.withServer(ctx, func(ctx context.Context, client *aureus.Client) error {
		list := []aureus.PolicyBundle{}
		rows := [][]string{{"VERSION", "NAME", "PUT AT", "PUT BY", "SIGNED", "DIGEST"}}
		for bundle, err := range client.PolicyBundleHistory(ctx) {
			if err != nil {
				return err
			}
			list = append(list, bundle)
			signed := "no"
			if bundle.Signed {
				signed = "yes"
			}
			rows = append(rows, []string{strconv.FormatInt(bundle.Version, 10), bundle.Name, shortTime(bundle.PutAt), bundle.PutBy, signed, c.digest(bundle.Digest)})
		}
		if c.out.json {
			return c.out.print(list)
		}
		if len(list) == 0 {
			return c.printf("%s\n", "The tenant has no policy bundle.")
		}
		return c.table(rows)
	})
}

// digest returns a digest for the last column of a table: on a screen that is too narrow
// for it, only its beginning.
func (c *policyCommand) digest(d aureus.Digest) string {
	text := d.String()
	if width := c.width(); width > 0 && width < 2*len(text) {
		return screen.Cut(text, 20)
	}
	return text
}
