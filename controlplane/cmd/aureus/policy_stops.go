package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/farmountain/aureus-go/aureus"
)

// policyStop stops what a scope selects.
func policyStop(ctx context.Context, c *policyCommand) error {
	reason := c.flags.String("reason", "", "why, for people; it is in the denials")
	return c.withServer(ctx, func(ctx context.Context, client *aureus.Client) error {
		if *reason == "" {
			return errors.New("--reason is required: who is denied reads it")
		}
		stop, err := client.StopPolicy(ctx, c.flags.Arg(0), *reason)
		if err != nil {
			return err
		}
		return c.printStop(stop, "is stopped. The stop is")
	}, "SCOPE")
}

// policyResume ends a stop.
func policyResume(ctx context.Context, c *policyCommand) error {
	return c.withServer(ctx, func(ctx context.Context, client *aureus.Client) error {
		stop, err := client.ResumePolicy(ctx, c.flags.Arg(0))
		if errors.Is(err, aureus.ErrNotFound) {
			return fmt.Errorf("nothing is stopped with the scope %q; aureus policy stops lists the scopes: %w", c.flags.Arg(0), err)
		}
		if err != nil {
			return err
		}
		return c.printStop(stop, "is not stopped any more. The stop was")
	}, "SCOPE")
}

func (c *policyCommand) printStop(stop aureus.PolicyStop, what string) error {
	if c.out.json {
		return c.out.print(stop)
	}
	return c.printf("%s %s by %s: %s\n", shown(stop.Scope), what, shown(stop.By), shown(stop.Reason))
}

// policyStops lists the stops that hold.
func policyStops(ctx context.Context, c *policyCommand) error {
	return c.withServer(ctx, func(ctx context.Context, client *aureus.Client) error {
		stops, _, err := client.PolicyStops(ctx, aureus.Digest{})
		if err != nil {
			return err
		}
		if c.out.json {
			return c.out.print(stops)
		}
		if len(stops) == 0 {
			return c.printf("%s\n", "Nothing is stopped.")
		}
		rows := [][]string{{"SCOPE", "SINCE", "BY", "REASON"}}
		for _, stop := range stops {
			rows = append(rows, []string{stop.Scope, shortTime(stop.At), stop.By, stop.Reason})
		}
		return c.table(rows)
	})
}
