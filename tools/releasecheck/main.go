// Command releasecheck tries this repository as its users will have it after a
// release. It publishes every module of the workspace, as the working tree has
// it, to a module proxy in a temporary folder; then, in empty folders outside of
// the workspace, it installs every command and builds a program with every
// public package of each module. It fails where a user would: at a go.mod with a
// replace, at a version that nobody publishes, at a file that is not committed.
//
// Run it in the folder of the repository: make release-check.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "release-check:", err)
		os.Exit(1) //nolint:gocritic // stop only gives the signal back
	}
}

func run(ctx context.Context) error {
	modules, version, err := readModules()
	if err != nil {
		return err
	}
	folder, err := os.MkdirTemp("", "aureus-release")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(folder) }()
	user, err := newUser(ctx, folder, version)
	if err != nil {
		return err
	}
	for _, m := range modules {
		if err := m.publish(ctx, user.proxy, version); err != nil {
			return fmt.Errorf("publishing %s: %w", m.path, err)
		}
	}
	for _, m := range modules {
		if err := user.try(ctx, m); err != nil {
			return err
		}
	}
	sayf("release-check: every command and every package of %d modules can be had at %s", len(modules), version)
	return nil
}

func sayf(format string, args ...any) {
	_, _ = fmt.Fprintf(os.Stdout, format+"\n", args...) // nobody to tell if it cannot be told
}
