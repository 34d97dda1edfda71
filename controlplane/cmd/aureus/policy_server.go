package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"

	"golang.org/x/term"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane/cmd/aureus/internal/settings"
)

// withServer parses the arguments of a command that talks to a control plane, and calls
// do with a client. A key is never a flag, because other users of the machine can read
// the arguments of a process.
func (c *policyCommand) withServer(ctx context.Context, do func(context.Context, *aureus.Client) error, names ...string) (err error) {
	address := c.flags.String("url", "", "the `address` of the control plane; without it, that of AUREUS_URL. The API key is taken from AUREUS_API_KEY")
	profile := c.flags.String("profile", "", "the `name` of a profile of the configuration file, which has the address and the API key; without it, AUREUS_PROFILE or the default profile, unless there is an address")
	if err := c.parse(names...); err != nil {
		return err
	}
	server, err := settings.Find(c.getenv, *address, *profile)
	if err != nil {
		return err
	}
	client, err := aureus.NewClient(server.URL, aureus.WithAPIKey(server.Key))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, client.Close()) }()
	if err := do(ctx, client); err != nil {
		if errors.Is(err, aureus.ErrUnauthenticated) && server.Key == "" {
			return fmt.Errorf("%w; set %s to a key of this control plane", err, server.Source)
		}
		return err
	}
	return nil
}

// width returns the number of columns of the screen that the command writes to: COLUMNS,
// or those of the terminal; 0 if it does not write to a terminal.
func (c *policyCommand) width() int {
	if n, err := strconv.Atoi(c.getenv("COLUMNS")); err == nil && n > 0 {
		return n
	}
	if f, ok := c.out.stdout.(*os.File); ok {
		if n, _, err := term.GetSize(int(f.Fd())); err == nil {
			return n
		}
	}
	return 0
}
