package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/farmountain/aureus-go/aureus"
)

// apiKeyVar is the environment variable with the API key. A key is never a flag, because
// other users of the machine can read the arguments of a process.
const apiKeyVar = "AUREUS_API_KEY"

// withServer parses the arguments of a command that talks to a control plane, and calls
// do with a client.
func (c *policyCommand) withServer(ctx context.Context, do func(context.Context, *aureus.Client) error, names ...string) (err error) {
	address := c.flags.String("url", c.getenv("AUREUS_URL"), "the `address` of the control plane; without it, that of AUREUS_URL. The API key is taken from "+apiKeyVar)
	if err := c.parse(names...); err != nil {
		return err
	}
	if *address == "" {
		return errors.New("--url is required, or AUREUS_URL with the address of the control plane")
	}
	client, err := aureus.NewClient(*address, aureus.WithAPIKey(c.getenv(apiKeyVar)))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, client.Close()) }()
	if err := do(ctx, client); err != nil {
		if errors.Is(err, aureus.ErrUnauthenticated) && c.getenv(apiKeyVar) == "" {
			return fmt.Errorf("%w; set %s to a key of this control plane", err, apiKeyVar)
		}
		return err
	}
	return nil
}
